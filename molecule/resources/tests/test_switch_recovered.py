"""Every ward works over the spare, which does what the core switch did; what it took is in the journal."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from hospital import BIN, PROJECT, SCRATCH, Ran, incidents, remembered
from wire import AREAS, acknowledged, address_of, committed, console, forwarding, root_of, startup, works

RUN = Ran(0, "", incidents()[-1])


def data(event: str) -> list[dict[str, Any]]:
    """Return what the journal says in lines of one kind."""
    return [{**line["data"], "name": line["name"], "result": line["result"]} for line in RUN.journal if line["event"] == event]


def test_every_area_works_again() -> None:
    assert {name: works(name) for name in AREAS} == dict.fromkeys(AREAS, "")


def test_the_spare_does_what_the_core_switch_did_and_it_is_off() -> None:
    assert forwarding("core-s") == {name: tuple(vlans) for name, vlans in remembered("forwarding").items()}
    assert root_of("acc-1") == address_of("core-s") != remembered("core-a")
    assert console("core-a", "true").returncode != 0
    assert "sysname core-a" in startup("core-s"), "what was proven is saved"


def test_nothing_that_was_acknowledged_is_missing() -> None:
    seen = acknowledged()
    assert len(seen) > 20
    assert seen - committed() == set()


def test_every_cable_was_a_step_of_a_person_that_a_machine_confirmed() -> None:
    done = {one["name"]: one for one in data("manual_step_done") if one["result"] == "done"}
    moved = [one for name, one in done.items() if "sits in" in name]
    assert len(moved) == 12
    assert all(one["claim_checked"] for one in moved)
    wrong = [one for one in data("manual_step_done") if one["result"] == "claim-false"]
    assert [one["name"].split()[0] for one in wrong] == ["gateway-management"]
    assert "10GE1/0/7" in wrong[0]["problem"], "the right port is named"


def test_the_most_urgent_area_came_first() -> None:
    asked = [one["action"]["cable"] for one in data("manual_step_asked") if one["action"].get("verb") == "move-cable"]
    assert asked.index("acc-2-e1") < asked.index("acc-3-e1") < asked.index("acc-4-e1") < asked.index("acc-1-e1")


def test_gap_sheets_report_and_proposal_are_in_the_evidence() -> None:
    measured: dict[str, Any] = {}
    for one in data("measured"):
        measured |= one
    assert measured["service_gap_s"] > 0
    assert set(measured["service_gaps"]) == set(AREAS)
    assert {"fault", "detected", "declared", "recovery_started", "system_up", "service_proven"} <= {
        one["name"] for one in data("milestone")
    }
    assert RUN.incident is not None
    kept = " ".join(path.name for path in (RUN.incident / "artifacts").iterdir())
    assert all(name in kept for name in ("cable-sheet.zh.html", "cable-sheet.en.html", "fault-report.zh.txt", "inventory.diff"))
    record = SCRATCH / "record"
    branches = subprocess.run(["git", "-C", record, "branch", "--list", "proposal/*"], capture_output=True, text=True, check=True).stdout
    assert len(branches.split()) == 1
    changed = subprocess.run(["git", "-C", record, "show", branches.split()[0]], capture_output=True, text=True, check=True).stdout
    assert "+              network_key_name: core-s" in changed
    queue = [json.loads(path.read_text(encoding="utf-8")) for path in (RUN.incident.parent / ".repairs").glob("core-a-*.json")]
    assert [one["state"] for one in queue] == ["to be repaired"]


def test_the_run_passed_and_its_evidence_verifies() -> None:
    assert RUN.verdict == "PASS"
    words = [str(BIN / "recovery"), "evidence", "verify", str(RUN.incident)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
