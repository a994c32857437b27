"""The order of a fail-over: agree, keep the way back, fence, only then configure; name last; save only what was proven (RCV-3)."""

from __future__ import annotations

import pytest

from support.project import PLAY_NAME, PROJECT, Task, load, play_tasks, role_files

LOOKING = {"target_lock", "approval", "client_log", "switch_assess look", "switch_assess weigh"}
RUNBOOKS = ("switch_failover", "switch_failback")


def what(task: Task) -> str:
    """Return the module with its verb."""
    arguments = task.data.get(task.action)
    verb = arguments.get("verb") if isinstance(arguments, dict) else None
    return f"{task.action} {verb}" if verb else task.action


def steps(runbook: str) -> list[tuple[str, str, Task]]:
    """Return phase, module and task of every step in the order of running."""
    found = []
    path = PROJECT / "playbooks" / f"{runbook}.yml"
    for play in load(path):
        match = PLAY_NAME.match(play["name"])
        assert match
        tasks = [task for task in play_tasks(play, path) if task.action and not role_files(task.data)]
        found += [(match["phase"], what(task), task) for task in tasks]
    return found


STEPS = {name: steps(name) for name in RUNBOOKS}


def place(runbook: str, name: str, phase: str) -> int:
    """Return where a step stands first."""
    found = [number for number, step in enumerate(STEPS[runbook]) if step[:2] == (phase, name)]
    assert found, f"no {name} in {phase}"
    return found[0]


@pytest.mark.parametrize("runbook", RUNBOOKS)
@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (("switch_assess weigh", "CHECK"), ("approval", "DECIDE")),
        (("approval", "DECIDE"), ("switch_failover keep", "SAFETY")),
        (("switch_failover keep", "SAFETY"), ("manual_step", "SAFETY")),
        (("manual_step", "SAFETY"), ("switch_fence silent", "SAFETY")),
        (("switch_fence shut", "SAFETY"), ("switch_fence silent", "SAFETY")),
        (("switch_fence silent", "SAFETY"), ("switch_failover arm", "SAFETY")),
        (("switch_failover arm", "SAFETY"), ("switch_failover configure", "RUN")),
        (("switch_failover configure", "RUN"), ("switch_failover name", "RUN")),
        (("switch_failover name", "RUN"), ("switch_failover sheet", "RUN")),
        (("switch_failover sits", "RUN"), ("switch_failover moved", "RUN")),
        (("switch_failover moved", "RUN"), ("switch_failover leave", "RUN")),
        (("switch_failover moved", "RUN"), ("service_probe", "VERIFY")),
        (("service_probe", "VERIFY"), ("switch_verify service", "VERIFY")),
        (("switch_verify service", "VERIFY"), ("switch_failover confirm", "VERIFY")),
        (("switch_failover confirm", "VERIFY"), ("switch_failover propose", "RELEASE")),
    ],
    ids=lambda pair: " ".join(pair) if isinstance(pair, tuple) else pair,
)
def test_one_step_stands_before_the_other(runbook: str, earlier: tuple[str, str], later: tuple[str, str]) -> None:
    assert place(runbook, earlier[0], earlier[1]) < place(runbook, later[0], later[1])


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_before_anybody_agreed_the_runbook_only_looks(runbook: str) -> None:
    assert [name for phase, name, _ in STEPS[runbook] if phase in ("CHECK", "DECIDE") and name not in LOOKING] == []


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_what_is_agreed_is_what_was_weighed(runbook: str) -> None:
    plan = "{{ switch_failover_weighed.decision }}"
    assert STEPS[runbook][place(runbook, "approval", "DECIDE")][2].data["approval"]["action"] == plan


def test_a_person_s_word_that_it_is_switched_off_is_checked_by_its_silence() -> None:
    silent = STEPS["switch_failover"][place("switch_failover", "switch_fence silent", "SAFETY")][2]
    asked = STEPS["switch_failover"][place("switch_failover", "manual_step", "SAFETY")][2]
    assert "claim" not in asked.data["manual_step"], "a dark switch may come back: it is always asked for"
    assert silent.data["when"] in asked.data["when"] or "not switch_failover_weighed.fenced" in silent.data["when"]


def test_in_a_failback_the_twin_gives_name_and_address_up_before_the_other_gets_them() -> None:
    names = [number for number, step in enumerate(STEPS["switch_failback"]) if step[1] == "switch_failover name"]
    leave = place("switch_failback", "switch_failover leave", "RUN")
    assert any(number > leave for number in names)
    before = [STEPS["switch_failback"][number][2].data["when"] for number in names if number < leave]
    assert before == ["switch_failover_kind == 'failover'"]
