"""RCV-2, RCV-9: a hospital's fibre through a bad year, each runbook whole.

Every strand is measured and good; spare pairs go dim, silent and dark, and the next look names them. A segment is cut: a swap that is
interrupted is taken back, the next one ends, and once the strand is mended the segment goes home. Where no spare is left, a temporary
cable takes over until the permanent repair.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from endurance.rig import descendants
from support.hospital import Hospital, booted, wait_for, without

STATIONS = ("emergency-1", "ward-1")
# All switches that are in use: each of their spare pairs is measured.
ABSENT = ("lis-db", "pacs", "his-db-2", "drill-1", "backup-offsite", "core-s", "acc-s", "or-1", "pharmacy-1", "outpatient-1")
AT_THE_STATIONS = ("-e", json.dumps({"fibre_workstations": STATIONS}))
APPROVING = "approvals:\n  - {when: {}, approve: needed, delay_s: 0.2}\n"
QUICK = APPROVING + "manual_steps:\n  - {when: {}, perform: true, delay_s: 0.2}\n"
NOBODY_CAN = APPROVING + 'manual_steps:\n  - {when: {action.verb: patch-fibre}, done: false, note: "The cord is too short", delay_s: 0.2}\n'
# Who was sent to patch has not come back yet; everything else is done.
NOBODY_PATCHES = APPROVING + "manual_steps:\n  - {when: {action.verb: measure-fibre}, perform: true, delay_s: 0.2}\n"
WAY = {"way_zh": "沿二号楼三层走廊北侧", "way_en": "north side of the third-floor corridor, building 2", "length_m": 350}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with booted("atest-fibres", tmp_path_factory.mktemp("fibres"), *without(ABSENT)) as found:
        found.keep_record()
        people(found, QUICK)
        found.lab("workload", "start", "--rate", "2")
        yield found


def people(hospital: Hospital, script: str) -> None:
    """Let people answer as the script says."""
    path = hospital.root / "people.yml"
    path.write_text(script, encoding="utf-8")
    hospital.lab("hands", "start", "--incidents", str(hospital.incidents), "--script", str(path))


def passed(hospital: Hospital, *words: str) -> str:
    """Run a runbook that has to come to its end; return what it said."""
    status, said = hospital.run(*words)
    assert status == 0, said
    assert f"PASS  {words[0]}" in said, said
    return said


def refused(hospital: Hospital, code: str, *words: str) -> str:
    """Run a runbook that has to be refused for one reason; return what it said."""
    status, said = hospital.run(*words)
    assert (status, hospital.codes()) == (4, {code}), said
    return said


def pairs(hospital: Hospital) -> dict[str, dict[str, Any]]:
    """Return the pairs of the record, by name."""
    told = yaml.safe_load((hospital.record / "plant" / "fibres.yml").read_text(encoding="utf-8"))
    return {pair["name"]: pair for pair in told["pairs"]}


def carried(hospital: Hospital, switch: str) -> dict[str, Any]:
    """Return what each data port of a switch that is plugged in does: its VLAN, or those of its trunk."""
    said = hospital.lab("exec", switch, "--", "ovs-vsctl", "--format=json", "--columns=name,tag,trunks", "list", "Port")
    return {name: (tag, trunks) for name, tag, trunks in json.loads(said)["data"] if name.startswith(("ge", "xg"))}


def artefact(hospital: Hospital, name: str) -> str:
    """Return an artefact of the newest incident."""
    (path,) = (hospital.newest() / "artifacts").glob(f"*{name}*")
    return path.read_text(encoding="utf-8")


def findings(hospital: Hospital, say: str = "message") -> dict[str, str]:
    """Return what the newest run found, by code: what is so, or another part of it."""
    return {one["code"]: one[say] for data in hospital.told("task") for one in data.get("findings", [])}


# --- the quarterly look ------------------------------------------------------------------------------------------------


def test_every_spare_strand_is_measured_both_ways_and_good(hospital: Hospital) -> None:
    assert [station for station in STATIONS if not hospital.works(station)] == []
    passed(hospital, "fibre_check")
    measured = hospital.measured()
    assert (measured["pairs"], measured["pairs_good"], measured["measured_by_people"]) == (15, 15, 10)
    assert hospital.command("recovery", "drill", "due", "fibre-check").returncode == 0
    hospital.merge()
    record = pairs(hospital)
    assert {pair["tested"] for pair in record.values()} == {datetime.datetime.now(datetime.UTC).date()}
    assert all(None not in pair["loss_db"] for pair in record.values())


def test_spares_that_are_dim_silent_one_way_or_dark_are_named_and_no_other(hospital: Hospital) -> None:
    hospital.lab("fibre", "dim", "acc-1-e2", "--db", "12", "--way", "ba")
    hospital.lab("fibre", "one-way", "acc-1-w1", "--way", "ba")
    hospital.lab("fibre", "cut", "acc-2-e2")
    assert json.loads(hospital.lab("fibre", "measure", "acc-1-w1"))["loss_ba_db"] is None
    status, said = hospital.run("fibre_check")
    assert status == 2, said
    found = {code: text for code, text in findings(hospital).items() if code.startswith("spare-")}
    assert set(found) == {"spare-over-budget", "spare-one-way", "spare-dark"}, said
    assert "acc-1-e2" in found["spare-over-budget"] and "13.4 dB" in found["spare-over-budget"]
    assert "acc-1-w1" in found["spare-one-way"] and "strand 2 is dark" in found["spare-one-way"]
    assert "acc-2-e2" in found["spare-dark"]
    assert hospital.measured()["pairs_good"] == 12
    hospital.merge()
    assert pairs(hospital)["acc-1-w1"]["loss_db"] == [2.1, None]


# --- a segment is cut, moved, taken back, moved, and brought home ------------------------------------------------------


def test_a_cord_that_nobody_can_plug_leaves_both_ends_as_they_were(hospital: Hospital) -> None:
    before = {name: hospital.show(name, "display current-configuration") for name in ("core-a", "acc-2")}
    hospital.lab("fibre", "cut", "acc-2-e1")
    assert not hospital.works("emergency-1")
    people(hospital, NOBODY_CAN)
    status, said = hospital.run("fibre_swap", "-l", "acc-2", *AT_THE_STATIONS)
    assert status != 0 and "The cord is too short" in said and "Both ends are as they were before" in said, said
    assert {name: hospital.show(name, "display current-configuration") for name in before} == before
    hospital.lab("fibre", "repair", "acc-2-e1")
    assert hospital.works("emergency-1"), "nothing else had to be put back"


def test_a_swap_that_was_interrupted_is_taken_back(hospital: Hospital) -> None:
    before = {name: carried(hospital, name) for name in ("core-a", "acc-2")}
    hospital.lab("fibre", "cut", "acc-2-e1")
    assert not hospital.works("emergency-1")
    people(hospital, NOBODY_PATCHES)
    known = set(hospital.incidents.glob("*"))
    run = hospital.start("fibre_swap", "-l", "acc-2", *AT_THE_STATIONS)
    wait_for(lambda: hospital.newest() not in known and bool(hospital.told("manual_step_asked")), run)
    for pid in descendants(run.pid):
        os.kill(pid, signal.SIGKILL)
    run.communicate()
    hospital.lab("fibre", "repair", "acc-2-e1")
    assert not hospital.works("emergency-1"), "its strand is mended, but both ends have left it"
    refused(hospital, "lock-holder-dead", "fibre_rollback", *AT_THE_STATIONS)
    taken_over = (*AT_THE_STATIONS, "-e", "takeover_by=tester")
    refused(hospital, "other-move", "fibre_restore", "-e", "segment=core-a--acc-2", *taken_over)
    passed(hospital, "fibre_rollback", *taken_over)
    assert hospital.works("emergency-1")
    assert {name: carried(hospital, name) for name in before} == before
    refused(hospital, "nothing-under-way", "fibre_rollback", *AT_THE_STATIONS)
    people(hospital, QUICK)  # who was sent is back, and plugs in after all what the dead run had asked for: those ports are shut
    assert hospital.works("emergency-1")


def test_a_cut_segment_goes_to_the_spare_pair_that_is_good(hospital: Hospital) -> None:
    hospital.lab("fibre", "cut", "acc-2-e1")
    assert not hospital.works("emergency-1")
    passed(hospital, "fibre_swap", "-l", "acc-2", *AT_THE_STATIONS)
    assert hospital.works("emergency-1")
    assert hospital.measured()["others_interrupted"] == 0
    hospital.merge()
    assert (pairs(hospital)["acc-2-w1"]["state"], pairs(hospital)["acc-2-e1"]["state"]) == ("in-use", "broken")


def test_a_segment_goes_home_once_its_strand_was_mended_and_measured(hospital: Hospital) -> None:
    home = ("fibre_restore", *AT_THE_STATIONS, "-e", json.dumps({"network_quiet": hospital.another_hour()}))
    refused(hospital, "home-broken", *home, "-e", "override=not-quiet", "-e", "override_by=tester")
    hospital.lab("fibre", "repair", "acc-2-e1")
    passed(hospital, "fibre_check", "-e", "pairs=acc-2-e1")
    hospital.merge()
    assert pairs(hospital)["acc-2-e1"]["state"] == "spare"
    refused(hospital, "not-quiet", *home)
    passed(hospital, *home, "-e", "override=not-quiet", "-e", "override_by=tester")
    assert hospital.works("emergency-1")
    assert hospital.measured()["others_interrupted"] == 0
    assert "xg25" in carried(hospital, "acc-2") and "xg43" in carried(hospital, "core-a")
    hospital.lab("fibre", "cut", "acc-2-w1")
    assert hospital.works("emergency-1"), "nothing runs over the spare pair any more"
    hospital.merge()
    assert (pairs(hospital)["acc-2-w1"]["state"], pairs(hospital)["acc-2-e1"]["state"]) == ("spare", "in-use")


# --- no spare is left --------------------------------------------------------------------------------------------------


def test_without_a_spare_a_temporary_cable_takes_over_with_signs_and_a_date(hospital: Hospital) -> None:
    hospital.lab("fibre", "cut", "acc-1-e1")
    assert not hospital.works("ward-1")
    said = refused(hospital, "no-spare", "fibre_swap", "-l", "acc-1", *AT_THE_STATIONS)
    assert "recovery run backbone_temporary_cable -e segment=core-a--acc-1" in said
    lay = ("backbone_temporary_cable", "-e", "segment=core-a--acc-1", *AT_THE_STATIONS)
    refused(hospital, "way-not-told", *lay)
    passed(hospital, *lay, "-e", json.dumps(WAY))
    assert hospital.works("ward-1")
    assert hospital.measured()["others_interrupted"] == 0
    due = (datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=14)).isoformat()
    sign = artefact(hospital, "warning-sign-temporary-acc-1.html")
    assert all(word in sign for word in (WAY["way_zh"], WAY["way_en"], due)), sign
    assert due in artefact(hospital, "repair-order.en.txt")
    assert due in findings(hospital)["permanent-repair-open"]
    hung = [data for data in hospital.told("manual_step_asked") if "warning-sign" in data["instruction_en"]]
    assert len(hung) == 1, "people were told to hang the signs"
    hospital.merge()
    assert pairs(hospital)["temporary-acc-1-1"]["state"] == "in-use"


def test_the_temporary_cable_is_remembered_until_its_date_and_fails_the_check_after_it(hospital: Hospital) -> None:
    passed(hospital, "fibre_check", "-e", "pairs=acc-2-e1")
    assert "temporary-acc-1" in findings(hospital)["temporary"]
    path = hospital.record / "plant" / "fibres.yml"
    kept = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"repair_by: \S+,", "repair_by: 2026-01-01,", kept), encoding="utf-8")
    status, said = hospital.run("fibre_check", "-e", "pairs=acc-2-e1")
    path.write_text(kept, encoding="utf-8")
    assert status == 2, said
    assert "temporary-overdue" in findings(hospital)


def test_the_ward_goes_home_from_the_temporary_cable(hospital: Hospital) -> None:
    hospital.lab("fibre", "repair", "acc-1-e1")
    passed(hospital, "fibre_check", "-e", "pairs=acc-1-e1")
    hospital.merge()
    accepted = ("-e", json.dumps({"network_quiet": hospital.another_hour()}), "-e", "override=not-quiet", "-e", "override_by=tester")
    passed(hospital, "fibre_restore", "-e", "segment=core-a--acc-1", *AT_THE_STATIONS, *accepted)
    assert hospital.works("ward-1")
    assert "xg1" in carried(hospital, "acc-1") and "xg42" in carried(hospital, "core-a")
    assert "Take temporary-acc-1 and its warning signs away" in findings(hospital, "remedy")["temporary-left"]
    hospital.merge()
    passed(hospital, "fibre_check", "-e", "pairs=acc-1-e1")
    assert "temporary-left" in findings(hospital)


def test_the_evidence_of_every_run_but_the_one_that_was_killed_is_whole(hospital: Hospital) -> None:
    incidents = sorted(path.parent for path in hospital.incidents.glob("*/journal.jsonl"))
    done = {path.name: hospital.command("recovery", "evidence", "verify", str(path)) for path in incidents}
    (killed,) = (one for one in done.values() if one.returncode != 0)
    assert killed.returncode == 3 and "it was interrupted" in killed.stdout, killed.stdout
