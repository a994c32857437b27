"""The module `database_rows`: what it refuses before it looks at anything, and the shape of its answers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest

PROJECT = Path(__file__).resolve().parents[2]
CLUSTER = {
    "name": "his",
    "version": "15",
    "data_directory": "/nowhere/main",
    "config_directory": "/nowhere/etc",
    "service": "postgresql@15-nowhere",
}
DEFAULTS = {
    "tables": [],
    "append_only": [],
    "heartbeat": {},
    "patient_table": {"table": "patient", "column": "mrn"},
    "by": {},
    "scratch": {},
}


class EndedError(Exception):
    """Carries a module's answer."""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, imported as Ansible ships it."""
    monkeypatch.setattr(ansible.module_utils, "__path__", [*ansible.module_utils.__path__, str(PROJECT / "src")])
    spec = importlib.util.spec_from_file_location("library_rows_under_test", PROJECT / "library" / "database_rows.py")
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def answer(module: Any, monkeypatch: pytest.MonkeyPatch, *, check: bool = False, **given: Any) -> dict[str, Any]:
    """Run the module with these parameters and return its answer."""

    class Fake:
        check_mode = check

        def __init__(self, argument_spec: dict[str, Any], **_: Any) -> None:
            self.params = {name: option.get("default") for name, option in argument_spec.items()} | DEFAULTS | {"cluster": CLUSTER} | given

        def exit_json(self, **result: Any) -> None:
            raise EndedError(result)

        def fail_json(self, **result: Any) -> None:
            raise EndedError({**result, "failed": True})

    monkeypatch.setattr(module, "AnsibleModule", Fake)
    with pytest.raises(EndedError) as raised:
        module.main()
    return dict(raised.value.args[0])


def test_another_engine_is_refused(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = answer(module, monkeypatch, verb="survey", cluster={"name": "lis", "engine": "mariadb"})
    assert said["failed"] and said["refused"] and not said["changed"]
    assert [finding["code"] for finding in said["findings"]] == ["engine-without-rows"]


def test_a_choice_without_a_name_is_refused_before_anything_is_asked(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"mode": "patient", "patient": "P1", "target": "time:2026-11-21T03:25:00Z", "conflicts": "take-backup"}
    said = answer(module, monkeypatch, verb="survey", **given)
    assert said["failed"] and said["refused"]
    assert [finding["code"] for finding in said["findings"]] == ["conflicts-by-nobody"]
    assert "conflicts_by=NAME" in said["msg"]


def test_what_was_not_compared_here_is_not_applied(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = answer(module, monkeypatch, verb="apply", digest="0" * 64)
    assert said["failed"] and said["refused"]
    assert [finding["code"] for finding in said["findings"]] == ["rows-not-at-hand"]


def test_a_rehearsal_applies_nothing_and_proves_nothing(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(module, monkeypatch, check=True, verb="apply", digest="x")["changed"]
    assert answer(module, monkeypatch, check=True, verb="verify", digest="x")["verdict"] == "NOT-RUN"
