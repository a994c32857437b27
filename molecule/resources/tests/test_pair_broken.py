"""The server is dead; as long as nobody can switch it off for certain, the standby does not take over."""

from __future__ import annotations

from pathlib import Path

import yaml
from hospital import INCIDENTS, SCRATCH, WORKSTATIONS, host, lab, recovery
from pair import ask, on, serving


def test_the_server_is_dead_and_no_ward_can_work() -> None:
    assert not on("his-db")
    assert serving() == []
    assert all(host(workstation).run("his-client probe --timeout 3").rc for workstation in WORKSTATIONS)


def test_a_server_that_nobody_can_switch_off_is_not_taken_over_from() -> None:
    script = Path(SCRATCH) / "cannot.yml"
    steps = [{"when": {}, "done": False, "note": "The machine room is locked", "delay_s": 0}]
    script.write_text(
        yaml.safe_dump({"approvals": [{"when": {}, "approve": "needed", "delay_s": 0}], "manual_steps": steps}), encoding="utf-8"
    )
    lab("hands", "stop")
    lab("hands", "start", "--incidents", str(INCIDENTS), "--script", str(script))
    try:
        ran = recovery("database_promote")
    finally:
        lab("hands", "stop")
        lab("hands", "start", "--incidents", str(INCIDENTS))
    assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output
    assert "manual-step-impossible" in ran.codes, ran.output
    assert ask("his-db-2", "select pg_is_in_recovery()") == "t"
    assert serving() == []
