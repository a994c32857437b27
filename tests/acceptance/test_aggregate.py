"""RCV-2, RCV-3: two fibres joined to one link by LACP. It outlives either of them; what would split it is refused; it moves as a whole."""

from __future__ import annotations

import datetime
import functools
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator

import pytest

from lab.state import Lab
from support.hospital import Hospital, booted, without

STATION = "ward-1"
ABSENT = ("lis-db", "pacs", "his-db-2", "drill-1", "backup-offsite", "emergency-1", "or-1", "pharmacy-1")
CARRIED = ("port link-type trunk", "undo port trunk allow-pass vlan 1", "port trunk allow-pass vlan 20 to 21 99")
LEAVING = ("undo port trunk allow-pass vlan 20 to 21 99", "port trunk allow-pass vlan 1", "undo port link-type")
ENDS = {
    "acc-1": ("mode lacp", "XGigabitEthernet0/0/1", "XGigabitEthernet0/0/2"),
    "core-a": ("mode lacp-static", "10GE1/0/42", "10GE1/0/46"),
}
# A strand that falls silent in one direction: three seconds until LACP has missed it, and as much for the way back to be agreed.
SILENT_S = 15
SECOND = '  core-a--acc-1-2: {optic: 10GBASE-LR, home: acc-1-e2, ends: ["core-a:10GE1/0/46", "acc-1:XGigabitEthernet0/0/2"]}\n'


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with booted("atest-aggregate", tmp_path_factory.mktemp("aggregate"), *without(ABSENT)) as found:
        found.keep_record()
        joined(found, "core-a:10GE1/0/46", SECOND)
        for switch, (mode, first, second) in ENDS.items():
            members = (f"interface {first}", *LEAVING, "eth-trunk 1", "quit", f"interface {second}", "undo shutdown", "eth-trunk 1", "quit")
            found.configure(switch, "interface Eth-Trunk1", *CARRIED, mode, "lacp timeout fast", "quit", *members, save=True)
        found.lab("hands", "start", "--incidents", str(found.incidents))
        found.lab("workload", "start", "--rate", "5")
        yield found


def joined(hospital: Hospital, near: str, segment: str) -> None:
    """Plug the second fibre of the wards into a port of the core's room, and write it into the record as a segment."""
    hospital.lab("fibre", "patch", "acc-1-e2", near, "acc-1:XGigabitEthernet0/0/2")
    path = hospital.record / "plant" / "fibres.yml"
    text = re.sub(r"^  \S+--acc-1-2: .*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = text.replace("\nsegments:\n", f"\nsegments:\n{segment}")
    name = segment.strip().partition(":")[0]
    text = re.sub(r"(name: acc-1-e2,.*?) state: [^,]+,( segment: [^,]+,)?", rf"\1 state: in-use, segment: {name},", text)
    path.write_text(text, encoding="utf-8")
    hospital.commit(f"The second fibre of the wards runs to {near}")


def selected(hospital: Hospital, switch: str) -> list[str]:
    """Return the members of the aggregate that carry frames, as the switch shows them."""
    shown = hospital.show(switch, "display eth-trunk 1")
    return sorted(line.split()[0] for line in shown.partition("Partner:")[0].splitlines() if " Selected " in line)


def agreed(hospital: Hospital, switch: str, *members: str) -> bool:
    """Tell whether these are the members that carry frames."""
    return selected(hospital, switch) == list(members)


def soon(true: Callable[[], bool], within_s: float = 20) -> bool:
    """Wait for something that takes its time."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.5)
    return True


def longest_gap_s(hospital: Hospital, since: float) -> float:
    """Return for how long nothing was acknowledged at the workstation, by its own log, at the longest."""
    log = hospital.lab("exec", STATION, "--", "cat", "/var/log/his-client/acknowledged.jsonl")
    rows = [json.loads(line) for line in log.splitlines()]
    moments = [datetime.datetime.fromisoformat(row["done"]).timestamp() for row in rows if row["ok"]]
    done = [moment for moment in moments if moment >= since]
    assert len(done) > 5, "clinical work goes on"
    return max(later - earlier for earlier, later in itertools.pairwise(done))


# --- what it is for ----------------------------------------------------------------------------------------------------


def test_both_fibres_are_one_link_and_the_ward_works_over_it(hospital: Hospital) -> None:
    for switch, (_, first, second) in ENDS.items():
        assert soon(functools.partial(agreed, hospital, switch, first, second)), hospital.show(switch, "display eth-trunk 1")
    assert hospital.works(STATION)
    table = hospital.show("core-a", "display mac-address")
    assert "Eth-Trunk1" in table and "10GE1/0/42" not in table and "10GE1/0/46" not in table
    root = next(line for line in hospital.show("acc-1", "display stp brief").splitlines() if "ROOT" in line)
    assert "Eth-Trunk1" in root and "FORWARDING" in root, "the spanning tree has one link there, not two"


@pytest.mark.parametrize("fibre", ["acc-1-e1", "acc-1-e2"])
def test_one_fibre_is_cut_and_nobody_notices(hospital: Hospital, fibre: str) -> None:
    since = time.time()
    time.sleep(3)
    hospital.lab("fibre", "cut", fibre)
    assert soon(lambda: len(selected(hospital, "acc-1")) == 1 and len(selected(hospital, "core-a")) == 1)
    assert hospital.works(STATION)
    assert longest_gap_s(hospital, since) < 2
    hospital.lab("fibre", "repair", fibre)
    assert soon(lambda: len(selected(hospital, "acc-1")) == 2)


def test_a_fibre_that_is_silent_one_way_is_left_though_its_link_is_up(hospital: Hospital) -> None:
    hospital.lab("fibre", "one-way", "acc-1-e1", "--way", "ab")
    brief = hospital.show("acc-1", "display interface brief")
    assert " up " in next(line for line in brief.splitlines() if "XGigabitEthernet0/0/1" in line), "it has link"
    assert soon(lambda: selected(hospital, "acc-1") == ["XGigabitEthernet0/0/2"], SILENT_S)
    assert soon(lambda: hospital.works(STATION), SILENT_S)
    hospital.lab("fibre", "repair", "acc-1-e1")
    assert soon(lambda: len(selected(hospital, "acc-1")) == 2)


def test_both_fibres_are_cut_and_the_ward_is_cut_off(hospital: Hospital) -> None:
    hospital.lab("fibre", "cut", "acc-1-e1")
    hospital.lab("fibre", "cut", "acc-1-e2")
    assert not hospital.works(STATION)
    hospital.lab("fibre", "repair", "acc-1-e1")
    assert soon(lambda: hospital.works(STATION))
    hospital.lab("fibre", "repair", "acc-1-e2")
    assert soon(lambda: len(selected(hospital, "acc-1")) == 2)


# --- what would split it is refused ------------------------------------------------------------------------------------


def test_one_member_is_not_moved_alone_to_a_spare_fibre(hospital: Hospital) -> None:
    hospital.lab("fibre", "cut", "acc-1-e1")
    before = hospital.show("acc-1", "display current-configuration")
    status, said = hospital.run("fibre_swap", "-e", "segment=core-a--acc-1", "-e", json.dumps({"fibre_workstations": [STATION]}))
    assert (status, hospital.codes()) == (4, {"aggregate-half"}), said
    assert hospital.show("acc-1", "display current-configuration") == before
    assert hospital.works(STATION), "the other member carries its traffic meanwhile"
    hospital.lab("fibre", "repair", "acc-1-e1")


def failover(hospital: Hospital, switch: str) -> tuple[int, str]:
    """Replace a switch by its spare."""
    options = {"network_workstations": [STATION], "switch_failover_inventory": str(hospital.record)}
    return hospital.run("switch_failover", "-l", switch, "-e", json.dumps(options))


def test_half_of_an_aggregate_over_two_switches_is_not_replaced(hospital: Hospital) -> None:
    elsewhere = "acc-s:XGigabitEthernet0/0/1"
    joined(hospital, elsewhere, SECOND.replace("core-a--", "acc-s--").replace("core-a:10GE1/0/46", elsewhere))
    status, said = hospital.run("switch_archive")
    assert status == 0, said
    hospital.lab("switch", "kill", "core-a")
    assert not hospital.works(STATION)
    spare = hospital.show("core-s", "display current-configuration")
    status, said = failover(hospital, "core-a")
    assert (status, hospital.codes()) == (4, {"aggregate-half"}), said
    assert "acc-1 Eth-Trunk1 leads to acc-s and core-a" in said
    assert hospital.show("core-s", "display current-configuration") == spare
    hospital.lab("switch", "repair", "core-a")
    joined(hospital, "core-a:10GE1/0/46", SECOND)
    assert soon(lambda: hospital.works(STATION), 40)


# --- it moves as a whole -----------------------------------------------------------------------------------------------


def test_a_dead_switch_is_replaced_with_its_aggregate_whole(hospital: Hospital) -> None:
    assert soon(lambda: len(selected(hospital, "acc-1")) == 2)
    status, said = hospital.run("switch_archive")
    assert status == 0, said
    hospital.lab("switch", "kill", "acc-1")
    assert not hospital.works(STATION)
    status, said = failover(hospital, "acc-1")
    assert status == 0 and "PASS  switch_failover" in said, said
    assert hospital.works(STATION)
    patched = Lab.named(hospital.name).read()["patched"]
    assert all(any(end.startswith("acc-s:XGigabitEthernet") for end in patched[fibre]) for fibre in ("acc-1-e1", "acc-1-e2"))
    assert selected(hospital, "acc-s") == ["XGigabitEthernet0/0/1", "XGigabitEthernet0/0/2"]
    hospital.lab("fibre", "cut", "acc-1-e2")
    assert hospital.works(STATION), "either fibre carries it"
