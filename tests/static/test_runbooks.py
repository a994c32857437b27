"""A runbook reads as the plan's procedure: clause, number, phase and a sentence, in the plan's order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.project import PHASES, PLAY_NAME, PROJECT, Task, clauses, load, play_tasks, playbooks, role_files, short, tasks

RUNBOOKS = playbooks()
TASKS = tasks()


def test_there_are_runbooks_and_tasks() -> None:
    assert len(RUNBOOKS) >= 3
    assert len(TASKS) > 20


def parts(path: Path) -> list[dict[str, str]]:
    """Return the parts of every play's name."""
    found = []
    for play in load(path):
        match = PLAY_NAME.match(play.get("name", ""))
        assert match, f"{short(path)}: the play {play.get('name')!r} is not named CLAUSE N/M PHASE | sentence"
        found.append(match.groupdict())
    assert found, f"{short(path)} has no play"
    return found


@pytest.mark.parametrize("path", RUNBOOKS, ids=short)
def test_a_runbook_names_clauses_of_the_plan(path: Path) -> None:
    known = clauses()
    assert known
    assert {part["clause"] for part in parts(path)} - set(known) == set()


@pytest.mark.parametrize("path", RUNBOOKS, ids=short)
def test_phases_come_from_the_closed_list_and_in_its_order(path: Path) -> None:
    phases = [part["phase"] for part in parts(path)]
    assert set(phases) <= set(PHASES)
    assert phases == sorted(phases, key=PHASES.index)


@pytest.mark.parametrize("path", RUNBOOKS, ids=short)
def test_plays_are_numbered_without_a_gap(path: Path) -> None:
    numbers = [(int(part["number"]), int(part["of"])) for part in parts(path)]
    of = {total for _, total in numbers}
    assert len(of) == 1
    counted = [number for number, _ in numbers]
    assert counted == sorted(counted)
    assert set(counted) == set(range(1, of.pop() + 1))


@pytest.mark.parametrize("path", RUNBOOKS, ids=short)
def test_a_runbook_begins_with_what_it_is_for(path: Path) -> None:
    assert re.match(r"\A(---\n)?# \S.{20,}", path.read_text(encoding="utf-8"))


CHANGING = [path for path in RUNBOOKS if {"SAFETY", "RUN", "RELEASE"} & {part["phase"] for part in parts(path)}]


@pytest.mark.parametrize("path", CHANGING, ids=short)
def test_what_changes_something_locks_its_target_first(path: Path) -> None:
    plays = load(path)
    met = [task for play in plays for task in play_tasks(play, path) if not role_files(task.data)]
    assert met
    assert met[0].action == "target_lock", f"the first task is {met[0]}"


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_task_is_named_by_a_sentence(task: Task) -> None:
    if "block" in task.data and not task.name:
        return
    assert re.match(r"^([A-Z]|\{\{)", task.name), "starts with a capital letter"
    assert len(task.name.split()) >= 3, "is a sentence about the hospital"


def test_every_playbook_of_the_restore_family_is_known_to_the_house() -> None:
    for name in ("database_restore", "database_backup_setup"):
        assert PROJECT / "playbooks" / f"{name}.yml" in RUNBOOKS
