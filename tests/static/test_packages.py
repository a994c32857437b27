"""What is installed, what is declared and what is used are the same."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from typing import Any

from support.project import PROJECT, load, tasks, tracked

BIN = PROJECT / ".venv" / "bin"
BUILT_IN = {"ansible.builtin", "ansible.legacy"}


def declared() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_python_package_of_the_project_is_declared() -> None:
    found = set()
    for path in tracked():
        if path.name == "__init__.py" and path.is_relative_to(PROJECT / "src"):
            found.add(".".join(path.parent.relative_to(PROJECT / "src").parts))
        elif path.name == "__init__.py" and path.is_relative_to(PROJECT / "lab"):
            found.add(".".join(path.parent.relative_to(PROJECT).parts))
    assert found
    assert set(declared()["tool"]["setuptools"]["packages"]) == found


def test_every_library_is_pinned() -> None:
    project = declared()["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    assert lines
    assert [line for line in lines if not re.search(r"==[\d.]+$", line)] == []


def used_collections() -> set[str]:
    """Return the collections that tasks and Python name, beyond what is built in."""
    actions = {task.action for task in tasks() if task.action.count(".") >= 2}
    return {".".join(action.split(".")[:2]) for action in actions} - BUILT_IN


def test_requirements_name_the_collections_that_are_used_in_the_installed_versions() -> None:
    required = {row["name"]: row["version"] for row in load(PROJECT / "requirements.yml")["collections"]}
    command = [str(BIN / "ansible-galaxy"), "collection", "list", "--format", "json"]
    listed = json.loads(subprocess.run(command, cwd=PROJECT, capture_output=True, check=True).stdout)
    installed = {name: row["version"] for path in reversed(list(listed)) for name, row in listed[path].items()}
    assert set(required) == used_collections()
    assert {name: installed.get(name) for name in required} == required


def test_the_licence_is_there_in_full() -> None:
    text = (PROJECT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert declared()["project"]["license"] == "Apache-2.0"
