"""The order of a takeover: agree, stop the old server for certain, only then promote; one server is proven (BKP-5)."""

from __future__ import annotations

import pytest

from support.project import PLAY_NAME, PROJECT, Task, load, play_tasks, role_files

RUNBOOK = PROJECT / "playbooks" / "database_promote.yml"
LOOKING = {"target_lock", "approval", "client_log", "database_standby look", "database_standby reach", "database_standby weigh"}


def what(task: Task) -> str:
    """Return the module with its verb."""
    arguments = task.data.get(task.action)
    verb = arguments.get("verb") if isinstance(arguments, dict) else None
    return f"{task.action} {verb}" if verb else task.action


def steps() -> list[tuple[str, str, Task]]:
    """Return phase, module and task of every step in the order of running."""
    found = []
    for play in load(RUNBOOK):
        match = PLAY_NAME.match(play["name"])
        assert match
        tasks = [task for task in play_tasks(play, RUNBOOK) if task.action and not role_files(task.data)]
        found += [(match["phase"], what(task), task) for task in tasks]
    return found


STEPS = steps()


def place(name: str, phase: str) -> int:
    """Return where a step stands."""
    found = [number for number, step in enumerate(STEPS) if step[:2] == (phase, name)]
    assert found, f"no {name} in {phase}"
    return found[0]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (("database_standby weigh", "CHECK"), ("approval", "DECIDE")),
        (("approval", "DECIDE"), ("database_restore fence", "SAFETY")),
        (("database_restore fence", "SAFETY"), ("database_standby leave", "SAFETY")),
        (("database_restore fence", "SAFETY"), ("manual_step", "SAFETY")),
        (("manual_step", "SAFETY"), ("database_standby reach", "SAFETY")),
        (("database_standby reach", "SAFETY"), ("database_standby promote", "RUN")),
        (("database_standby promote", "RUN"), ("service_probe", "VERIFY")),
        (("database_standby promote", "RUN"), ("database_standby sole", "VERIFY")),
    ],
    ids=lambda pair: " ".join(pair),
)
def test_one_step_stands_before_the_other(earlier: tuple[str, str], later: tuple[str, str]) -> None:
    assert place(*earlier) < place(*later)


def test_before_anybody_agreed_the_runbook_only_looks() -> None:
    assert [name for phase, name, _ in STEPS if phase in ("CHECK", "DECIDE") and name not in LOOKING] == []


def test_a_person_s_word_that_it_is_switched_off_is_checked_at_its_doors() -> None:
    _, _, task = STEPS[place("database_standby reach", "SAFETY")]
    assert task.data["database_standby"]["must_be_silent"] is True
    assert task.data["when"] == STEPS[place("manual_step", "SAFETY")][2].data["when"]


def test_what_is_agreed_is_what_was_weighed_and_what_is_carried_out() -> None:
    plan = "{{ database_promote_weighed.decision }}"
    assert STEPS[place("approval", "DECIDE")][2].data["approval"]["action"] == plan
    assert STEPS[place("database_standby promote", "RUN")][2].data["database_standby"]["decision"] == plan
