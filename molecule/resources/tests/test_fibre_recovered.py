"""Every ward works over the spare pairs: seen at the switches' own consoles, in the workstations' logs and in the evidence."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from hospital import BIN, PROJECT, Ran, incidents, remembered
from test_fibre_healthy import BEHIND, SWITCHES
from wire import acknowledged, address_of, committed, console, forwarding, root_of, startup, works

CUT, SILENT = (Ran(0, "", path) for path in incidents()[-2:])
MOVED = {"core-a": {"xg43": "xg46", "xg42": "xg47"}, "acc-1": {"xg1": "xg2"}, "acc-2": {"xg25": "xg26"}}


def data(ran: Ran, event: str) -> list[dict[str, Any]]:
    """Return what the journal says in lines of one kind."""
    return [{**line["data"], "name": line["name"], "result": line["result"]} for line in ran.journal if line["event"] == event]


def test_the_wards_work_again() -> None:
    assert {name: works(name) for name in BEHIND} == dict.fromkeys(BEHIND, "")


@pytest.mark.parametrize("switch", SWITCHES)
def test_the_new_ports_carry_what_the_old_ones_did_and_nothing_else_changed(switch: str) -> None:
    before = {name: tuple(does) for name, does in remembered("forwarding")[switch].items()}
    now, moved = forwarding(switch), MOVED[switch]
    assert {moved.get(name, name): does for name, does in before.items()} == {name: does for name, does in now.items() if name not in moved}
    assert root_of(switch) == address_of("core-a")


@pytest.mark.parametrize("switch", SWITCHES)
def test_an_old_port_that_is_still_plugged_is_shut_and_in_no_vlan_of_the_hospital(switch: str) -> None:
    now = forwarding(switch)
    for old in MOVED[switch]:
        assert "LOWER_UP" not in console(switch, "ip", "link", "show", old).stdout
        assert now.get(old, ("1", '["set", []]')) == ("1", '["set", []]')


def test_what_was_proven_is_saved() -> None:
    assert "fibre acc-2-w1" in startup("core-a")
    assert "fibre acc-1-e2" in startup("core-a")
    assert "fibre acc-1-e2" in startup("acc-1")


def test_nothing_that_was_acknowledged_is_missing() -> None:
    seen = acknowledged()
    assert len(seen) > 20
    assert seen - committed() == set()


def test_the_strand_that_spanning_tree_never_sees_was_found() -> None:
    action = next(json.loads(path.read_text(encoding="utf-8"))["action"] for path in _requests(SILENT))
    assert (action["cause"], action["segment"], action["to"]["pair"]) == ("one-way", "core-a--acc-1", "acc-1-e2")
    assert "strand 2 from acc-1:XGigabitEthernet0/0/1" in action["why"]
    action = next(json.loads(path.read_text(encoding="utf-8"))["action"] for path in _requests(CUT))
    assert (action["cause"], action["to"]["pair"]) == ("cut", "acc-2-w1"), "both strands dark: another cable comes first"


def _requests(ran: Ran) -> list[Any]:
    assert ran.incident is not None
    return sorted(ran.incident.glob("approvals/*/request.json"))


def test_a_cord_in_the_wrong_port_was_named_with_the_right_one() -> None:
    wrong = [one for one in data(CUT, "manual_step_done") if one["result"] == "claim-false"]
    assert len(wrong) == 1
    assert "light came up in core-a:10GE1/0/48" in wrong[0]["problem"]
    assert "belongs into core-a:10GE1/0/46" in wrong[0]["problem"]
    done = [one for one in data(CUT, "manual_step_done") if one["result"] == "done"]
    assert [one["claim_checked"] for one in done] == [False, True], "light shows once both ends are plugged"


@pytest.mark.parametrize("ran", [CUT, SILENT], ids=["cut", "silent"])
def test_gap_milestones_and_proposal_are_in_the_evidence(ran: Ran) -> None:
    measured: dict[str, Any] = {}
    for one in data(ran, "measured"):
        measured |= one
    assert measured["service_gap_s"] > 0
    assert measured["reconfigured_s"] < 10
    assert {"fault", "recovery_started", "service_proven"} <= {one["name"] for one in data(ran, "milestone")}
    assert ran.incident is not None
    assert "fibres.diff" in " ".join(path.name for path in (ran.incident / "artifacts").iterdir())
    assert ran.verdict == "PASS"
    words = [str(BIN / "recovery"), "evidence", "verify", str(ran.incident)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_record_is_changed_by_proposals_that_fit_together() -> None:
    record = os.environ["RECOVERY_PLANT"]

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", record, *words], capture_output=True, text=True, check=True).stdout

    branches = git("for-each-ref", "--format=%(refname:short)", "refs/heads/proposal").split()
    assert len(branches) == 2
    assert git("status", "--porcelain") == ""
    for branch in branches:
        git("-c", "user.name=record", "-c", "user.email=record@localhost", "merge", "--quiet", branch)
    fibres = git("show", "HEAD:fibres.yml")
    assert fibres.count("state: broken") == 2
