"""A module's documentation is its schema, and `ansible-doc` shows it."""

from __future__ import annotations

import importlib.util
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest
import yaml

from support.project import PROJECT, modules, short

MODULES = modules()
ACTIONS = PROJECT / "action_plugins"
COMPARED = ("type", "elements", "required", "default", "choices", "aliases")


def test_there_are_modules() -> None:
    assert MODULES


class AskedError(Exception):
    """Raised in place of an AnsibleModule, carrying what it was asked for."""


def load_module(path: Path) -> Any:
    """Import a module of library/ as Ansible ships it: with `src` as module_utils."""
    if str(PROJECT / "src") not in ansible.module_utils.__path__:
        ansible.module_utils.__path__.append(str(PROJECT / "src"))
    spec = importlib.util.spec_from_file_location(f"library_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def asked(module: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the arguments with which the module makes its AnsibleModule."""

    def stand_in(*args: Any, **kwargs: Any) -> None:
        raise AskedError({"argument_spec": args[0], **kwargs} if args else kwargs)

    monkeypatch.setattr(module, "AnsibleModule", stand_in)
    with pytest.raises(AskedError) as raised:
        module.main()
    return dict(raised.value.args[0])


def differences(documented: dict[str, Any], coded: dict[str, Any], where: str = "") -> list[str]:
    """Return how the documented options differ from those in the code."""
    found = [f"{where}{name}: only documented" for name in documented if name not in coded]
    found += [f"{where}{name}: not documented" for name in coded if name not in documented]
    for name in documented.keys() & coded.keys():
        said, done = documented[name], coded[name]
        if not said.get("description"):
            found.append(f"{where}{name}: no description")
        for key in COMPARED:
            neutral: Any = {"type": "str", "required": False}.get(key)
            if said.get(key, neutral) != (list(done[key]) if isinstance(done.get(key), tuple) else done.get(key, neutral)):
                found.append(f"{where}{name}.{key}: documented {said.get(key)!r}, coded {done.get(key)!r}")
        found += differences(said.get("suboptions") or {}, done.get("options") or {}, f"{where}{name}.")
    return found


def test_the_comparison_sees_differences() -> None:
    assert differences({"a": {"description": "x", "type": "str"}}, {"a": {"type": "int"}})
    assert differences({}, {"a": {}})
    assert not differences({"a": {"description": "x", "required": True}}, {"a": {"type": "str", "required": True}})


def documented(module: Any) -> dict[str, Any]:
    """Return a module's documentation with the options of the fragments that it extends."""
    documentation = dict(yaml.safe_load(module.DOCUMENTATION))
    named = documentation.get("extends_documentation_fragment") or []
    options: dict[str, Any] = {}
    for name in [named] if isinstance(named, str) else named:
        fragment = runpy.run_path(str(PROJECT / "doc_fragments" / f"{name}.py"))["ModuleDocFragment"]
        options |= yaml.safe_load(fragment.DOCUMENTATION)["options"]
    return documentation | {"options": options | (documentation.get("options") or {})}


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_documentation_and_code_agree(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_module(path)
    documentation = documented(module)
    assert documentation["module"] == path.stem
    assert documentation["short_description"]
    action = ACTIONS / path.name
    if action.exists():  # it does the work; the file documents it
        assert differences(documentation.get("options") or {}, dict(load_module(action).ActionModule.ARGUMENTS)) == []
        return
    call = asked(module, monkeypatch)
    assert call.get("supports_check_mode") is True, "every module can rehearse"
    assert differences(documentation.get("options") or {}, call["argument_spec"]) == []


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_a_module_shows_an_example_and_its_result(path: Path) -> None:
    module = load_module(path)
    examples = yaml.safe_load(module.EXAMPLES)
    assert examples and all(path.stem in json.dumps(task) for task in examples)
    assert yaml.safe_load(module.RETURN)


def test_ansible_doc_shows_every_module() -> None:
    names = [path.stem for path in MODULES]
    command = [str(PROJECT / ".venv/bin/ansible-doc"), "--type", "module", "--json", *names]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert sorted(shown) == names
    assert all(shown[name]["doc"]["short_description"] for name in names)


def test_ansible_doc_shows_the_journal() -> None:
    command = [str(PROJECT / ".venv/bin/ansible-doc"), "--type", "callback", "--json", "journal"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["journal"]["doc"]["short_description"]
