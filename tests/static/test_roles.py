"""A role is one capability with a closed list of verbs, described where Ansible itself reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.project import PROJECT, entry_points, load, roles, short, strings, walk

ROLES = roles()


def test_the_closed_list_of_verbs_is_read_from_the_contract() -> None:
    assert entry_points() >= {"check", "run", "verify", "rollback", "release"}


def test_there_are_roles() -> None:
    assert {role.name for role in ROLES} >= {"database_restore", "database_backup", "database_verify"}


def specs(role: Path) -> dict[str, Any]:
    """Return the argument specifications of a role by entry point."""
    content = load(role / "meta" / "argument_specs.yml")
    return dict(content["argument_specs"])


def defaults(role: Path) -> dict[str, Any]:
    """Return the role's defaults."""
    path = role / "defaults" / "main.yml"
    return dict(load(path) or {}) if path.exists() else {}


@pytest.mark.parametrize("role", ROLES, ids=short)
def test_a_role_says_what_it_does_for_the_hospital(role: Path) -> None:
    text = (role / "README.md").read_text(encoding="utf-8").lower()
    for told in ("clause", "input", "way back", "idempotent", "refuse"):
        assert told in text, f"README.md says nothing of: {told}"


@pytest.mark.parametrize("role", ROLES, ids=short)
def test_entry_points_come_from_the_closed_list_and_are_specified(role: Path) -> None:
    files = {path.stem for path in (role / "tasks").glob("*.yml")}
    included = {
        text.removesuffix(".yml")
        for path in (role / "tasks").rglob("*.yml")
        for task in walk(load(path), path)
        for key in ("ansible.builtin.include_tasks", "ansible.builtin.import_tasks")
        if key in task.data
        for text in strings(task.data[key])
    }
    entries = files - included
    assert entries, "a role does something"
    assert entries <= entry_points()
    assert set(specs(role)) == files & entry_points()


@pytest.mark.parametrize("role", ROLES, ids=short)
def test_options_and_defaults_are_the_same(role: Path) -> None:
    found = defaults(role)
    seen: set[str] = set()
    for entry, spec in specs(role).items():
        assert spec.get("short_description"), f"{entry} has no short_description"
        for name, option in (spec.get("options") or {}).items():
            where = f"{entry}.{name}"
            assert option.get("description"), f"{where} has no description"
            assert option.get("type"), f"{where} has no type"
            if name in found:
                seen.add(name)
                if "{{" in str(found[name]):  # taken from the inventory, which must then say it
                    assert option.get("default", found[name]) == found[name], f"{where}: default differs from defaults/main.yml"
                    continue
                assert option.get("default") == found[name], f"{where}: default differs from defaults/main.yml"
                assert not option.get("required"), f"{where} has a default and is required"
            else:
                assert "default" not in option, f"{where} has a default that defaults/main.yml does not have"
    assert set(found) - seen == set(), "defaults that no entry point describes"


@pytest.mark.parametrize("role", ROLES, ids=short)
def test_defaults_carry_the_name_of_their_role(role: Path) -> None:
    assert [name for name in defaults(role) if not name.startswith(f"{role.name}_")] == []


@pytest.mark.parametrize("role", ROLES, ids=short)
def test_choices_hold_the_default(role: Path) -> None:
    for entry, spec in specs(role).items():
        for name, option in (spec.get("options") or {}).items():
            if "choices" in option and "default" in option and "{{" not in str(option["default"]):
                assert option["default"] in option["choices"], f"{entry}.{name}"


def test_every_role_is_used_by_a_runbook() -> None:
    used = " ".join(path.read_text() for path in (PROJECT / "playbooks").glob("*.yml"))
    used += " ".join(path.read_text() for role in ROLES for path in role.rglob("tasks/**/*.yml"))
    assert [role.name for role in ROLES if role.name not in used] == []
