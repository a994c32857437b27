"""The order of a restore: prove the backup, agree, stage and prove every byte beside, set aside, act, prove the service, release.

Until the swap nothing of the old state is touched, whatever the backup turns out to be (RCV-1, field practice of restores).
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from support.project import PLAY_NAME, PROJECT, Task, load, play_tasks, role_files, short

RUNBOOK = PROJECT / "playbooks" / "database_restore.yml"
# Modules that only look. Everything else in CHECK and DECIDE would be a change before anybody agreed.
LOOKING = {"target_lock", "database_assess", "approval", "client_log", "service_probe", "database_verify", "manual_step"}
NEUTRAL = {"ansible.builtin.set_fact", "ansible.builtin.assert", "ansible.builtin.fail", "ansible.builtin.debug", "ansible.builtin.meta"}


@dataclass(frozen=True)
class Step:
    """One task of the runbook with its roles unfolded, and the phase it runs in."""

    phase: str
    task: Task

    @property
    def what(self) -> str:
        """The module, with the verb of `database_restore`."""
        arguments = self.task.data.get(self.task.action)
        verb = arguments.get("verb") if isinstance(arguments, dict) else None
        return f"{self.task.action} {verb}" if self.task.action == "database_restore" else self.task.action


def steps() -> list[Step]:
    """Return every step in the order of running."""
    found = []
    for play in load(RUNBOOK):
        match = PLAY_NAME.match(play["name"])
        assert match
        found += [Step(match["phase"], task) for task in play_tasks(play, RUNBOOK) if task.action and not role_files(task.data)]
    return found


STEPS = steps()


def places(what: str, phase: str | None = None) -> list[int]:
    """Return where a step stands."""
    return [number for number, step in enumerate(STEPS) if step.what == what and phase in (None, step.phase)]


def test_the_steps_were_found() -> None:
    assert len(STEPS) >= 10


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (("target_lock", "CHECK"), ("database_assess", "CHECK")),
        (("database_assess", "CHECK"), ("approval", "DECIDE")),
        (("approval", "DECIDE"), ("database_restore fence", "SAFETY")),
        (("database_restore fence", "SAFETY"), ("database_restore stage", "SAFETY")),
        (("database_restore stage", "SAFETY"), ("database_verify", "SAFETY")),
        (("database_verify", "SAFETY"), ("database_restore swap", "RUN")),
        (("database_restore swap", "RUN"), ("database_verify", "VERIFY")),
        (("database_restore swap", "RUN"), ("service_probe", "VERIFY")),
        (("service_probe", "VERIFY"), ("database_restore prove", "VERIFY")),
        (("database_restore prove", "VERIFY"), ("notice", "VERIFY")),
        (("database_restore prove", "VERIFY"), ("database_verify", "RELEASE")),
        (("database_backup", "RELEASE"), ("database_restore finish", "RELEASE")),
    ],
    ids=lambda pair: " ".join(pair),
)
def test_one_step_stands_before_the_other(earlier: tuple[str, str], later: tuple[str, str]) -> None:
    first, second = places(*earlier), places(*later)
    assert first, f"no {earlier[0]} in {earlier[1]}"
    assert second, f"no {later[0]} in {later[1]}"
    assert max(first) < min(second)


@pytest.mark.parametrize(("verb", "phase"), [("stage", "SAFETY"), ("swap", "RUN"), ("prove", "VERIFY"), ("finish", "RELEASE")])
def test_each_act_happens_once_and_only_in_its_phase(verb: str, phase: str) -> None:
    assert [STEPS[place].phase for place in places(f"database_restore {verb}")] == [phase]


def test_the_old_state_is_not_released_by_the_run_that_replaced_it() -> None:
    assert places("database_restore release") == []


def test_before_anybody_agreed_the_runbook_only_looks() -> None:
    early = [step for step in STEPS if step.phase in ("CHECK", "DECIDE")]
    assert early
    assert [str(step.task) for step in early if step.task.action not in LOOKING | NEUTRAL] == []


def test_between_agreement_and_swap_the_failed_server_is_stopped_and_only_the_staging_directory_is_written() -> None:
    between = [step for step in STEPS if step.phase == "SAFETY" and step.task.action not in LOOKING | NEUTRAL]
    assert {step.what for step in between} <= {"database_restore fence", "database_restore stage", "manual_step"}


def test_what_is_agreed_is_what_was_assessed_and_what_is_carried_out() -> None:
    (assessed,) = {STEPS[place].task.data["register"] for place in places("database_assess") if "register" in STEPS[place].task.data}
    plan = f"{{{{ {assessed}.decision }}}}"
    assert STEPS[places("approval")[0]].task.data["approval"]["action"] == plan
    for verb in ("stage", "swap"):
        assert STEPS[places(f"database_restore {verb}")[0]].task.data["database_restore"]["decision"] == plan


def test_the_service_is_proven_from_the_workstations() -> None:
    probe = STEPS[places("service_probe", "VERIFY")[0]].task
    assert "workstation" in str(probe.data), f"{probe} in {short(probe.file)} does not ask the workstations"


def test_what_was_staged_is_reachable_by_nobody_but_the_proof() -> None:
    proof = [play for play in load(RUNBOOK) if " SAFETY " in play["name"]]
    assert "database_verify_socket" in str(proof), "the staged database is examined through its private socket"


def test_a_failed_proof_of_the_service_says_what_it_leaves_undone() -> None:
    (play,) = [play for play in load(RUNBOOK) if " VERIFY " in play["name"]]
    (rescue,) = [task["rescue"] for task in play["tasks"] if "rescue" in task]
    assert "database_rollback" in rescue[-1]["ansible.builtin.fail"]["msg"]


@pytest.mark.parametrize("name", ["database_restore", "database_rollback"])
def test_a_dead_off_site_server_does_not_spoil_the_verdict_on_the_wards(name: str) -> None:
    plays = [play for play in load(PROJECT / "playbooks" / f"{name}.yml") if play["hosts"] == "backup_offsite"]
    assert len(plays) == 2
    assert all(play.get("ignore_unreachable") is True for play in plays)
