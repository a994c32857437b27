"""The plan of action of a fail-over and what speaks against it: each refusal is seen."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recovery.findings import Finding, settle
from recovery.network import failover, fence
from recovery.network.cable_sheet import order
from recovery.network.compare import View
from recovery.network.failover import Cable, Change, behind, moves
from recovery.network.failover_checks import judge_archive, judge_pairs, judge_ports, judge_spare, judge_unknown, version_key
from recovery.network.failover_plan import way_of
from recovery.network.model import Port, Switch
from recovery.network.plant import Area, load

PLANT = Path(__file__).parents[2] / "inventories/lab/plant"

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIMITS = {"archive_max_age_s": 172800}
ARCHIVED = {"complete": True, "hostname": "core-a", "expected_hostname": "core-a", "fetched_at": "2026-11-22T02:00:00Z"}
FAILED = {"name": "core-a", "box": "core-a", "model": "CE6857E-48S6CQ", "software": "V200R019C10SPC800", "platform": "huawei_vrpv8"}
SPARE = {**FAILED, "name": "core-s", "standing": True, "expected_model": "CE6857E-48S6CQ", "serial": "2", "expected_serial": "2"}


def blocking(findings: list[Finding]) -> list[tuple[str, str]]:
    """Return code and severity of what blocks."""
    return [(one.code, one.severity) for one in settle(findings)[0]]


def test_a_fresh_and_complete_archive_and_a_spare_on_the_shelf_are_fine() -> None:
    assert judge_archive("core-a", ARCHIVED, LIMITS, NOW) == []
    assert judge_spare(FAILED, SPARE, View(), LIMITS) == []


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        ({"complete": False, "why": "the end mark is missing"}, "archive-truncated", "stop"),
        ({"hostname": "acc-1"}, "archive-of-another", "stop"),
        ({"serial": "1", "expected_serial": "2"}, "archive-of-another", "stop"),
        ({"fetched_at": "2026-11-19T02:00:00Z"}, "archive-stale", "overridable"),
        ({"changed_at": "2026-11-22T03:00:00Z"}, "archive-stale", "overridable"),
    ],
)
def test_an_archive_that_cannot_be_relied_upon_is_refused(change: dict[str, Any], code: str, severity: str) -> None:
    assert blocking(judge_archive("core-a", {**ARCHIVED, **change}, LIMITS, NOW)) == [(code, severity)]


def test_no_archive_is_refused() -> None:
    assert blocking(judge_archive("core-a", None, LIMITS, NOW)) == [("archive-missing", "stop")]


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        ({"standing": False}, "spare-in-use", "stop"),
        ({"model": "S5720-52X-PWR-SI"}, "wrong-spare", "stop"),
        ({"serial": "3"}, "wrong-spare", "stop"),
        ({"model": "CE6870", "expected_model": "CE6870"}, "spare-other-model", "overridable"),
        ({"software": "V200R005C00SPC500"}, "spare-software-older", "overridable"),
    ],
)
def test_a_spare_that_will_not_do_is_refused(change: dict[str, Any], code: str, severity: str) -> None:
    assert (code, severity) in blocking(judge_spare(FAILED, {**SPARE, **change}, View(), LIMITS))


def test_a_spare_that_somebody_has_put_to_use_is_refused() -> None:
    used = View(links={"10GE1/0/3": True}, macs={(10, "aa"): "10GE1/0/3"})
    assert blocking(judge_spare(FAILED, SPARE, used, LIMITS)) == [("spare-in-use", "stop")]
    assert judge_spare(FAILED, SPARE, View(links={"10GE1/0/3": True}), LIMITS) == [], "a link alone carries nobody"


def test_a_declared_model_is_compatible() -> None:
    other = {**SPARE, "model": "CE6870", "expected_model": "CE6870", "compatible": ["CE6870"]}
    assert judge_spare(FAILED, other, View(), LIMITS) == []


def test_versions_compare_by_their_numbers() -> None:
    assert version_key("V200R019C10SPC800") > version_key("V200R005C00SPC500")
    assert version_key("7.1.070") > version_key("7.1.45")


def test_a_cable_without_a_port_is_refused_and_what_is_not_carried_is_told() -> None:
    assert blocking(judge_ports("core-a", "core-s", ["1", "2"], {"1": "1"}, [])) == [("spare-ports-missing", "stop")]
    told = judge_ports("core-a", "core-s", ["1"], {"1": "1"}, [{"what": "acl 3000", "why": "another make"}])
    assert [(one.code, one.severity) for one in told] == [("not-carried", "warning")]
    assert "acl 3000" in told[0].message


def test_half_of_an_aggregate_over_two_switches_is_refused() -> None:
    assert blocking(judge_pairs("core-a", {"acc-1 Eth-Trunk1": ["core-a", "core-b"]})) == [("aggregate-half", "stop")]
    assert judge_pairs("core-a", {"acc-1 Eth-Trunk1": ["core-a", "core-a"], "acc-2 x": ["core-b", "core-c"]}) == []


def test_lines_that_are_not_understood_are_told() -> None:
    assert judge_unknown("core-a", []) == []
    assert "line 7 (magic on)" in judge_unknown("core-a", [{"line": 7, "text": "magic on"}])[0].message


CABLES = [
    Cable("gateway-emergency", "copper", (("gateway", "eth3"), ("core-a", "4")), "emergency"),
    Cable("srv-1-e1", "fibre", (("core-a", "41"), ("srv-1", "49"))),
    Cable("acc-2-e1", "fibre", (("core-a", "43"), ("acc-2", "25"))),
    Cable("emergency-1", "copper", (("emergency-1", "eth0"), ("acc-2", "1")), "emergency"),
    Cable("control", "copper", (("control", "eth0"), ("srv-1", "24"))),
    Cable("his-db", "copper", (("his-db", "eth0"), ("srv-1", "1"))),
]
AREAS = {
    name: Area(name, {"zh": name, "en": name}, devices, vlans, ())
    for name, devices, vlans in (("servers", ("srv-1",), (10,)), ("emergency", ("acc-2",), (22,)))
}
BEFORE = View(
    access={"4": 22},
    trunks={"41": frozenset({10, 22}), "43": frozenset({22})},
    neighbours={"43": ("acc-2", "Ten-GigabitEthernet1/0/25"), "41": ("srv-1", "Ten-GigabitEthernet1/0/49")},
    macs={(22, "52:54:00:00:00:04"): "4", (22, "52:54:00:00:00:99"): "43"},
)


def test_who_depends_on_a_switch_is_seen_from_the_cables() -> None:
    assert behind(CABLES, "core-a", "control") == {"gateway", "acc-2", "emergency-1"}
    assert behind(CABLES, "acc-2", "control") == {"emergency-1"}


def test_every_cable_of_the_failed_switch_is_moved_the_most_urgent_area_first() -> None:
    found = order(moves("core-a", CABLES, BEFORE, {"4": "4", "41": "41", "43": "43"}, AREAS), [{"who": "a", "zh": "甲", "en": "a"}])
    assert [one.cable for one in found] == ["srv-1-e1", "acc-2-e1", "gateway-emergency"]
    by_label = {one.cable: one for one in found}
    assert by_label["gateway-emergency"].addresses == ("22/52:54:00:00:00:04",)
    assert by_label["acc-2-e1"].addresses == (), "a switch is known by itself, not by who works behind it"
    assert by_label["acc-2-e1"].far_port == "Ten-GigabitEthernet1/0/25"


def plan(**changes: Any) -> dict[str, Any]:
    """Return a decision."""
    people = [{"who": "a", "zh": "甲", "en": "a"}]
    ports = {"4": "4", "41": "41", "43": "43"}
    given: dict[str, Any] = {
        "kind": "failover",
        "failed": FAILED,
        "spare": SPARE,
        "archived": ARCHIVED,
        "state": "dead",
        "ports": ports,
        "change": Change(("vlan batch 10 22",), ("sysname core-a",), ("undo vlan batch 10 22",)),
        "placed": order(moves("core-a", CABLES, BEFORE, ports, AREAS), people),
        "fence": {"way": "power"},
        "affected": ["acc-2"],
        "times": {"fence_s": 60, "carry_s": 600, "move_s": 30, "line_s": 0.02, "prove_s": 60},
        "way": {},
    }
    return failover.decision(**{**given, **changes})


def test_the_same_facts_give_the_same_decision_and_others_another() -> None:
    assert failover.digest(plan()) == failover.digest(plan())
    assert failover.digest(plan()) != failover.digest(plan(change=Change(("vlan batch 10",), (), ())))
    assert plan()["same_ports"] is True
    assert plan()["expected_s"] == 60 + 3 * 30 + 60


def test_a_spare_in_another_room_is_carried_first_and_that_takes_its_time() -> None:
    record = load(PLANT)
    way, said = way_of(record, "acc-2", "acc-s")
    assert (way["from"], way["to"], said) == ("core-room", "emergency-closet", [])
    assert plan(way=way)["carried"] == way and plan(way=way)["expected_s"] == plan()["expected_s"] + 600
    assert way_of(record, "core-a", "core-s") == ({}, [])


def test_a_spare_whose_place_nobody_knows_is_told() -> None:
    way, said = way_of(load(PLANT), "core-a", "on-no-shelf")
    assert way == {} and [one.code for one in said] == ["spare-place-unknown"]
    assert "on-no-shelf" in said[0].message


def test_the_neighbours_ports_towards_the_failed_switch_are_those_of_switches() -> None:
    assert fence.towards(CABLES, "core-a", ["core-a", "srv-1", "acc-2"]) == {"acc-2": ["25"], "srv-1": ["49"]}


def test_shutting_changes_only_these_ports() -> None:
    neighbour = Switch("huawei", "acc-2", ports={"25": Port("25"), "26": Port("26")})
    closed = fence.shut(neighbour, ["25"])
    assert [port.enabled for port in closed.ports.values()] == [False, True]
    assert fence.shut(closed, ["25"], closed=False) == neighbour
    with pytest.raises(ValueError, match="no port 99"):
        fence.shut(neighbour, ["99"])


def test_signs_of_life_are_named() -> None:
    assert fence.signs_of_life("core-a", {"oob": False}, {"acc-2": {"25": False}}) == []
    found = fence.signs_of_life("core-a", {"oob 10.20.99.11": True}, {"acc-2": {"25": True}})
    assert blocking(found) == [("not-fenced", "stop")]
    assert "10.20.99.11 answers" in found[0].message and "acc-2 25 has link" in found[0].message
