"""One recovery, interrupted three times: while the backup is read, at the renames, and at a drawn point after the wards work again.

``make endurance`` does it at every point. Here each run goes on where the one before was cut off, so that one restore pays for all.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from endurance.rig import Rig
from lab import host as hosts

SEED = 20261122
CLUSTER = "15/main"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A protected hospital at work, whose database has lost its control file: it is there, and cannot start."""
    made = Rig("itest-cut", tmp_path_factory.mktemp("incidents"))
    made.call("lab", "down")
    try:
        made.up()
        yield made
    finally:
        made.down()


def journal(incident: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (incident / "journal.jsonl").read_text(encoding="utf-8").splitlines()]


def damage(rig: Rig) -> None:
    """Take away the file without which the old cluster cannot start; the rest of it stays, to be kept aside."""
    rig.remember()
    rig.call("lab", "exec", "his-db", "--", "systemctl", "kill", "-s", "KILL", "postgresql@15-main")
    rig.call("lab", "exec", "his-db", "--", "rm", f"/var/lib/postgresql/{CLUSTER}/global/pg_control")


def cut_at_the_first_rename(rig: Rig, process: subprocess.Popen[bytes], data: Path) -> None:
    """Watch the old cluster's name from outside and take the power away in the instant in which it is gone."""
    first = hosts.require_leader(rig.lab, "his-db")
    deadline = time.monotonic() + 300
    while data.exists():
        assert process.poll() is None and time.monotonic() < deadline, "the run never came to the renames"
    os.kill(first, signal.SIGKILL)
    hosts.power_cut(rig.lab, "his-db")


def test_a_recovery_that_is_interrupted_three_times_ends_as_if_it_had_not_been(rig: Rig) -> None:
    damage(rig)
    data = rig.lab.disk_mount("his-db", "data") / CLUSTER
    staging = data.with_name("main.restoring")

    process, _ = rig.start()
    assert rig.until(process, lambda: (staging / "base").is_dir()), "the staging was never begun"
    rig.kill(process)
    rig.nothing_half_answers()

    process, events = rig.start()
    cut_at_the_first_rename(rig, process, data)
    process.wait(300)
    granted = [event["result"] for event in events() if event["event"] == "approval_granted"]
    assert granted == ["reused"], "the same plan of action was approved already"
    rig.power()
    rig.nothing_half_answers()

    process, events = rig.start()
    wanted = random.Random(SEED).randint(1, 3)  # noqa: S311 - no secret
    done = lambda: [e for e in events() if e["event"] == "task" and e["phase"] == "RELEASE" and e["result"] in ("ok", "changed")]  # noqa: E731
    assert rig.until(process, lambda: len(done()) >= wanted)
    rig.kill(process)
    rig.nothing_half_answers()

    status, last = rig.run()
    assert status == 0, [event for event in journal(last) if event["event"] in ("refusal", "run_end")]
    rig.check_end(sorted(path.parent for path in rig.incidents.glob("*/journal.jsonl")))
