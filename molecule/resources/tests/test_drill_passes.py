"""A drill beside the running workload: it passes, is recorded, and leaves production, repository and drill host as they were."""

from __future__ import annotations

import hashlib
import json
import time

from beside import SCRATCH_ROOT, command, production, repository, unit_pid, untouched
from hospital import INCIDENTS, attempts, host, lost, recovery

TIMER = "hospital-drill-database-restore"
COMMAND = {
    "database_drill_schedule_command": ["/usr/bin/touch", "/run/drill-ran"],
    "database_drill_schedule_options": [],
    "database_drill_schedule_project": "/run",
    "database_drill_schedule_delay": "0",
}


def test_a_drill_passes_and_disturbs_nobody() -> None:
    before, files, looking, began = production(), repository(), unit_pid("his-look"), time.time()
    ran = recovery("database_restore_drill", "-e", "source=local", "-e", "target=latest")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    meanwhile = [attempt for attempt in attempts() if attempt.done > began]
    assert meanwhile, "no clinical work went on, so nothing was proven of it"
    assert [attempt for attempt in meanwhile if not attempt.ok] == []
    assert lost() == []
    assert production() == before
    untouched(files, repository())
    assert not host("drill-1").file(f"{SCRATCH_ROOT}/his-drill").exists
    assert unit_pid("his-look") == looking > 0, "a drill takes away only what it made"


def test_the_history_names_evidence_that_is_there() -> None:
    status, said = command("drill", "history", "--json")
    assert status == 0, said
    (record,) = [json.loads(line) for line in said.splitlines()]
    assert (record["result"], record["source"], record["point"]) == ("PASS", "local", "newest")
    manifest = (INCIDENTS / record["incident"] / "MANIFEST.sha256").read_bytes()
    assert record["evidence_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert 0 < record["figures"]["rto_s"] <= record["figures"]["rto_target_s"]
    assert 0 <= record["figures"]["rpo_s"] <= record["figures"]["rpo_target_s"]
    status, said = command("drill", "due", "database-restore")
    assert status == 0, said


def test_the_look_is_taken_away_when_a_person_says_so() -> None:
    ran = recovery("database_release", "-e", "mode=beside")
    assert ran.status == 0, ran.output
    assert unit_pid("his-look") == 0
    assert host("drill-1").check_output(f"ls -A {SCRATCH_ROOT}") == ""
    assert host("drill-1").run("pgrep -u postgres -x postgres").rc == 1


def test_a_timer_runs_the_drill_and_catches_up_what_was_missed() -> None:
    """The lab's control node has no systemd, so the timer is proven on a host that has, with a command that leaves a trace."""
    ran = recovery("database_drill_setup", "-e", "host=drill-1", "-e", json.dumps(COMMAND))
    assert ran.status == 0, ran.output
    drill = host("drill-1")
    assert drill.service(f"{TIMER}.timer").is_enabled
    assert not drill.file("/run/drill-ran").exists
    # As if the machine had been off when the last one was due.
    stamp = f"/var/lib/systemd/timers/stamp-{TIMER}.timer"
    drill.check_output(f"systemctl stop {TIMER}.timer && touch -d '300 days ago' {stamp} && systemctl start {TIMER}.timer")
    for _ in range(50):
        if drill.file("/run/drill-ran").exists:
            return
        time.sleep(0.2)
    raise AssertionError("the missed drill was not caught up")
