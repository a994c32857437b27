from __future__ import annotations

import dataclasses
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recovery.frame import lock


def make(run: str = "run-1", runbook: str = "database_restore", target: str = "his-db", pid: int | None = None) -> lock.Holder:
    return lock.holder(target, run=run, runbook=runbook, by="tester", incident="2026-01-01-01", pid=pid)


def dead_pid() -> tuple[int, int]:
    """Return the number and start time of a process that lived and has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = lock.process_started(child.pid)
    child.communicate(b"\n")
    assert started is not None
    return child.pid, started


def dead(**changes: str) -> lock.Holder:
    pid, started = dead_pid()
    return dataclasses.replace(make(**changes), pid=pid, pid_started=started)


def test_taken_held_refused_released(tmp_path: Path) -> None:
    assert lock.take(make(), root=tmp_path).status == "taken"
    assert lock.take(make(), root=tmp_path).status == "held"
    second = lock.take(make("run-2"), root=tmp_path)
    assert (second.status, second.code) == ("refused", "lock-held")
    assert lock.release_run("run-2", tmp_path) == []
    assert lock.release_run("run-1", tmp_path) == ["his-db"]
    assert lock.take(make("run-2"), root=tmp_path).status == "taken"


def test_a_living_holder_is_not_taken_over_even_by_name(tmp_path: Path) -> None:
    lock.take(make(), root=tmp_path)
    assert lock.take(make("run-2"), takeover_by="director", root=tmp_path).status == "refused"


def test_a_dead_holder_of_the_same_runbook_is_continued(tmp_path: Path) -> None:
    lock.take(dead(), root=tmp_path)
    outcome = lock.take(make("run-2"), root=tmp_path)
    assert outcome.status == "continued"
    assert outcome.previous is not None and outcome.previous.run == "run-1"
    assert [each.run for each in lock.holders(tmp_path)] == ["run-2"]


def test_a_dead_holder_of_another_runbook_needs_a_name(tmp_path: Path) -> None:
    lock.take(dead(), root=tmp_path)
    other = make("run-2", "switch_failover")
    assert lock.take(other, root=tmp_path).code == "lock-holder-dead"
    assert lock.take(other, takeover_by="  ", root=tmp_path).status == "refused"
    assert lock.take(other, takeover_by="director", root=tmp_path).status == "taken_over"


def test_the_number_of_a_dead_process_given_to_another_one_does_not_live(tmp_path: Path) -> None:
    lock.take(dataclasses.replace(make(), pid_started=1), root=tmp_path)
    assert lock.holders(tmp_path)[0].liveness() == "dead"


def test_before_a_reboot_is_dead_and_another_machine_is_unknown() -> None:
    assert dataclasses.replace(make(), boot_id="another").liveness() == "dead"
    assert dataclasses.replace(make(), host="another-node").liveness() == "elsewhere"


def test_a_holder_on_another_machine_needs_a_name_even_for_the_same_runbook(tmp_path: Path) -> None:
    lock.take(dataclasses.replace(make(), host="another-node"), root=tmp_path)
    assert lock.take(make("run-2"), root=tmp_path).code == "lock-holder-elsewhere"
    assert lock.take(make("run-2"), takeover_by="director", root=tmp_path).status == "taken_over"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"target": "his-db"}'])
def test_a_lock_file_that_cannot_be_read_is_not_free(tmp_path: Path, content: str) -> None:
    path = lock.lock_path("his-db", tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert lock.take(make(), root=tmp_path).code == "lock-unreadable"
    assert lock.take(make(), takeover_by="director", root=tmp_path).status == "taken_over"


def test_look_changes_nothing(tmp_path: Path) -> None:
    assert lock.look(make(), root=tmp_path).status == "taken"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["his-db", "core-a GE0/0/7", "../../etc/passwd", "..", "核心交换机"])
def test_any_name_of_a_target_stays_inside_and_apart(tmp_path: Path, target: str) -> None:
    assert lock.lock_path(target, tmp_path).resolve().parent == tmp_path / ".locks"
    assert lock.lock_path(target, tmp_path) != lock.lock_path(target + "x", tmp_path)
    assert lock.take(make(target=target), root=tmp_path).status == "taken"
    assert lock.release_run("run-1", tmp_path) == [target]


def _race(root: str, name: str, gate: str, answers: multiprocessing.Queue[str]) -> None:
    while not Path(gate).exists():
        time.sleep(0.0005)
    answers.put(lock.take(make(name), root=Path(root)).status)
    while Path(gate).exists():
        time.sleep(0.001)  # stay alive, so that the loser meets a living holder


@pytest.mark.parametrize("abandoned", [False, True], ids=["free", "left by a dead run"])
def test_of_racing_administrators_exactly_one_gets_the_target(tmp_path: Path, abandoned: bool) -> None:
    if abandoned:
        lock.take(dead(run="run-0"), root=tmp_path)
    gate, racers = tmp_path / "gate", 6
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=_race, args=(str(tmp_path), f"racer-{n}", str(gate), answers)) for n in range(racers)]
    for each in processes:
        each.start()
    gate.touch()
    came = sorted(answers.get(timeout=20) for _ in range(racers))
    gate.unlink()
    for each in processes:
        each.join()
    assert came == sorted([*["refused"] * (racers - 1), "continued" if abandoned else "taken"])


def test_a_process_that_is_a_zombie_does_not_live() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    time.sleep(0.05)
    assert lock.process_started(pid) is None
    os.waitpid(pid, 0)
