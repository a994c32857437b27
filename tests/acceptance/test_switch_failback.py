"""RCV-3, RCV-6: a repaired switch takes its place again, in a quiet window, and the box that stood in is the spare again that it was."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab.state import Lab
from recovery.network.plant import load
from support.hospital import Hospital, booted, without
from support.project import PROJECT

FAILED, SPARE, STATIONS = "acc-1", "acc-s", ["ward-1", "outpatient-1"]
CABLES = ("ward-1", "outpatient-1", "acc-1-e1")
ABSENT = ("lis-db", "pacs", "his-db-2", "drill-1", "backup-offsite", "emergency-1", "or-1", "pharmacy-1", "core-s")


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with booted("atest-failback", tmp_path_factory.mktemp("failback"), *without(ABSENT)) as found:
        found.keep_record()
        status, said = found.run("switch_archive", "-l", "switches:!core-s")
        assert status == 0, said
        found.lab("hands", "start", "--incidents", str(found.incidents))
        found.lab("workload", "start", "--rate", "2")
        yield found


def run(hospital: Hospital, runbook: str, *words: str) -> tuple[int, str]:
    """Run a runbook about the switch; its quiet window is at another hour."""
    options = {
        "network_workstations": STATIONS,
        "switch_failover_inventory": str(hospital.record),
        "network_quiet": hospital.another_hour(),
    }
    return hospital.run(runbook, "-l", FAILED, "-e", json.dumps(options), *words)


def boxes(hospital: Hospital) -> set[str]:
    """Return the switches into which the cables of the closet are plugged, beside the core."""
    patched = Lab.named(hospital.name).read()["patched"]
    return {end.partition(":")[0] for cable in CABLES for end in patched[cable]} - {"core-a", *STATIONS}


def test_the_spare_stands_in_for_a_switch_that_died(hospital: Hospital) -> None:
    assert all(hospital.works(station) for station in STATIONS)
    hospital.lab("switch", "kill", FAILED)
    assert not any(hospital.works(station) for station in STATIONS)
    status, said = run(hospital, "switch_failover")
    assert status == 0 and "PASS  switch_failover" in said, said
    assert all(hospital.works(station) for station in STATIONS)
    assert boxes(hospital) == {SPARE}


def test_a_way_back_in_a_busy_hour_is_refused(hospital: Hospital) -> None:
    hospital.lab("switch", "repair", FAILED)
    status, said = run(hospital, "switch_failback")
    assert (status, hospital.codes()) == (4, {"not-quiet"}), said
    assert boxes(hospital) == {SPARE}
    assert all(hospital.works(station) for station in STATIONS)


def test_the_repaired_switch_takes_its_place_again(hospital: Hospital) -> None:
    status, said = run(hospital, "switch_failback", "-e", "override=not-quiet", "-e", "override_by=tester")
    assert status == 0 and "PASS  switch_failback" in said, said
    assert boxes(hospital) == {FAILED}
    assert all(hospital.works(station) for station in STATIONS)
    for switch in (FAILED, SPARE):
        shown = hospital.show(switch, "display current-configuration")
        assert f"sysname {switch}\n" in shown, shown


def test_the_spare_is_carried_back_to_where_it_is_kept(hospital: Hospital) -> None:
    stands = Lab.named(hospital.name).read()["carried"]
    assert stands[SPARE] == load(PROJECT / "inventories/lab/plant").room_of(SPARE).name


def test_the_box_that_stood_in_is_the_spare_again_that_it_was(hospital: Hospital) -> None:
    before = hospital.archive.entry(SPARE)
    status, said = hospital.run("switch_archive", "-l", f"{FAILED},{SPARE}")
    assert status == 0, said
    after = hospital.archive.entry(SPARE)
    assert before and after and after.digest == before.digest
