"""Which strand is it, and which spare pair takes over: direction by direction, by loss, within the budget."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest

from recovery.findings import Finding, settle
from recovery.network import fibre_choose, fibre_judge
from recovery.network.fibre_judge import End, Verdict
from recovery.network.plant import Pair, Plant, load
from support.project import PROJECT

SEGMENT = "core-a--acc-2"
A, B = "core-a:10GE1/0/43", "acc-2:Ten-GigabitEthernet1/0/25"
TODAY = datetime.date(2026, 11, 22)


@pytest.fixture
def plant() -> Plant:
    return load(PROJECT / "inventories" / "lab" / "plant")


def end(name: str, **said: Any) -> End:
    sound: dict[str, Any] = {"link": True, "rx_dbm": -3.9, "tx_dbm": -2.2, "neighbour": B if name == A else A}
    return End(name, **{**sound, **said})


def codes(findings: tuple[Finding, ...] | list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def judged(plant: Plant, a: dict[str, Any], b: dict[str, Any]) -> Verdict:
    return fibre_judge.judge(plant, SEGMENT, end(A, **a), end(B, **b))


@pytest.mark.parametrize(
    ("a", "b", "cause", "said"),
    [
        ({}, {}, "sound", "in both directions"),
        ({"rx_dbm": None, "link": False}, {"rx_dbm": -40.0, "link": False}, "cut", "in either direction"),
        # Towards the root: link stays up at both ends, and spanning tree sees nothing.
        ({"rx_dbm": -40.0}, {}, "one-way", f"strand 2 from {B} to {A}"),
        ({}, {"rx_dbm": None}, "one-way", f"strand 1 from {A} to {B}"),
        # Light comes in, frames do not.
        ({"sent": 40, "received": 0}, {"sent": 35, "received": 40}, "one-way", f"{B} sent 35 frames, {A} received none"),
        # A make that shows no light at all.
        ({"reads_light": False, "rx_dbm": None, "sent": 9, "received": 0}, {"reads_light": False, "rx_dbm": None, "sent": 8, "received": 9},
         "one-way", "strand 2"),
        ({"reads_light": False, "rx_dbm": None, "neighbour": ""}, {"reads_light": False, "rx_dbm": None}, "one-way",
         f"{B} hears its neighbour, {A} hears nobody"),
        ({"rx_dbm": -15.2}, {}, "weak", "-15.2 dBm, its limit is -14.4"),
        ({"rx_dbm": -13.0}, {}, "low", "eats into the reserve"),
        ({"errors": 12}, {}, "errors", "12 damaged frames"),
        ({"link": False}, {"link": False}, "not-glass", "yet there is no link"),
        ({"rx_dbm": None, "link": False, "enabled": False}, {"rx_dbm": None, "link": False}, "shut", f"because {A} is shut down"),
        ({}, {"rx_dbm": -12.5, "tx_dbm": -2.2}, "low", "little light"),
        ({"tx_dbm": -11.0}, {"rx_dbm": -12.7}, "optic", f"{A} sends -11.0 dBm"),
        ({"neighbour": "acc-3:TenGigabitEthernet 0/25"}, {}, "contradicts", f"{A} hears acc-3:TenGigabitEthernet 0/25"),
        ({"answered": False}, {"rx_dbm": None, "link": False}, "unproven", "core-a does not answer"),
        ({"reads_light": False, "rx_dbm": None}, {"reads_light": False, "rx_dbm": None}, "unproven", "neither light nor counters"),
    ],
)  # fmt: skip
def test_both_ends_together_say_what_is_wrong(plant: Plant, a: dict[str, Any], b: dict[str, Any], cause: str, said: str) -> None:
    verdict = judged(plant, a, b)
    assert verdict.cause == cause, verdict.sentence
    assert said in verdict.sentence
    assert verdict.broken == (cause in ("weak", "one-way", "cut", "errors"))
    assert not verdict.broken or not verdict.findings


def test_a_neighbour_whose_port_is_abbreviated_is_the_other_end(plant: Plant) -> None:
    assert judged(plant, {"neighbour": "acc-2:XGE1/0/25"}, {"neighbour": "core-a"}).cause == "sound"


def test_a_primary_that_lives_is_moved_only_on_a_persons_word(plant: Plant) -> None:
    findings = judged(plant, {}, {}).findings
    assert codes(findings) == ["primary-alive"]
    assert settle(findings)[0]
    assert settle(findings, ["primary-alive"])[0], "an override has a name"
    blocking, overridden = settle(findings, ["primary-alive"], "network administrator")
    assert not blocking
    assert overridden[0]["by"] == "network administrator"


@pytest.mark.parametrize(
    ("a", "b", "code"),
    [
        ({"aggregate": "Eth-Trunk1", "rx_dbm": None}, {}, "aggregate-half"),
        ({"neighbour": "acc-9:GE1"}, {}, "record-contradicts"),
        ({"enabled": False, "link": False}, {"rx_dbm": None, "link": False}, "end-shut"),
        ({"answered": False}, {}, "end-silent"),
        ({"link": False}, {"link": False}, "not-the-glass"),
        ({"tx_dbm": -11.0}, {"rx_dbm": -15.0}, "optic-faint"),
    ],
)
def test_what_another_strand_would_not_mend_is_refused_whoever_asks(plant: Plant, a: dict[str, Any], b: dict[str, Any], code: str) -> None:
    findings = judged(plant, a, b).findings
    assert code in codes(findings)
    blocking, _ = settle(findings, [code], "network administrator")
    assert code in codes(blocking)


def test_the_broken_segment_is_found_among_several(plant: Plant) -> None:
    broken, sound = judged(plant, {"rx_dbm": None}, {}), judged(plant, {}, {})
    assert fibre_judge.choose_segment([sound, broken, sound]) == (broken, [])
    assert codes(fibre_judge.choose_segment([sound, sound])[1]) == ["nothing-broken"]
    assert codes(fibre_judge.choose_segment([broken, broken])[1]) == ["several-broken"]
    assert codes(fibre_judge.choose_segment([])[1]) == ["nothing-broken"]


# --- the spare -------------------------------------------------------------------------------------------------------


def with_pairs(plant: Plant, **changes: dict[str, Any]) -> Plant:
    changed = {name.replace("_", "-"): fields for name, fields in changes.items()}
    return replace(plant, pairs={name: replace(pair, **changed.get(name, {})) for name, pair in plant.pairs.items()})


def chosen(plant: Plant, severed: bool = False, **wanted: Any) -> tuple[fibre_choose.Move | None, list[str]]:
    move, findings = fibre_choose.choose(plant, SEGMENT, severed=severed, today=TODAY, **wanted)
    return move, codes(findings)


def test_the_spare_with_the_least_loss_takes_over(plant: Plant) -> None:
    move, findings = chosen(plant)
    assert move is not None
    assert (move.pair, move.ends, findings) == ("acc-2-e2", ("core-a:10GE1/0/46", "acc-2:Ten-GigabitEthernet1/0/26"), [])
    assert not move.plugged
    better = with_pairs(plant, acc_2_w1={"loss_db": (1.1, 1.2)})
    assert chosen(better)[0].pair == "acc-2-w1"  # type: ignore[union-attr]


def test_where_a_whole_cable_is_severed_its_other_strands_come_last(plant: Plant) -> None:
    assert chosen(plant, severed=True)[0].pair == "acc-2-w1"  # type: ignore[union-attr]
    only = with_pairs(plant, acc_2_w1={"loss_db": (None, None)})
    assert chosen(only, severed=True)[0].pair == "acc-2-e2"  # type: ignore[union-attr]


def test_a_spare_that_is_plugged_already_needs_nobody_and_comes_first(plant: Plant) -> None:
    ends = ("core-a:10GE1/0/48", "acc-2:Ten-GigabitEthernet1/0/26")
    move, _ = chosen(with_pairs(plant, acc_2_w1={"ends": ends}))
    assert move is not None
    assert (move.pair, move.plugged, move.ends) == ("acc-2-w1", True, ends)
    assert chosen(with_pairs(plant, acc_2_w1={"ends": ends}), spare="acc-2-e2") == (None, ["no-free-port"]), "its cord is in the last port"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"loss_db": (None, None)}, "spare-dark"),
        ({"loss_db": (1.7, None)}, "spare-one-way"),
        ({"loss_db": (1.7, 4.3)}, "spare-over-budget"),
        ({"loss_db": None, "tested": None}, "spare-untested"),
    ],
)
def test_a_spare_that_is_no_good_is_refused_by_name_and_passed_over_otherwise(plant: Plant, change: dict[str, Any], code: str) -> None:
    bad = with_pairs(plant, acc_2_e2=change)
    assert chosen(bad, spare="acc-2-e2") == (None, [code])
    assert chosen(bad)[0].pair == "acc-2-w1"  # type: ignore[union-attr]
    move, findings = fibre_choose.choose(with_pairs(plant, acc_2_e2=change, acc_2_w1=change), SEGMENT, severed=False, today=TODAY)
    assert move is None
    assert codes(findings) == ["no-spare"]
    assert "backbone_temporary_cable -e segment=core-a--acc-2" in findings[0].remedy
    assert "acc-2-e2" in findings[0].message


def test_a_spare_exactly_at_its_budget_is_taken(plant: Plant) -> None:
    budget = plant.budget_db("10GBASE-LR")
    assert chosen(with_pairs(plant, acc_2_e2={"loss_db": (budget, budget)}), spare="acc-2-e2")[1] == []


def test_a_spare_that_was_not_tested_for_too_long_is_told(plant: Plant) -> None:
    old = with_pairs(plant, acc_2_e2={"tested": TODAY - datetime.timedelta(days=93)})
    assert chosen(old, spare="acc-2-e2")[1] == ["spare-test-old"]
    assert chosen(with_pairs(plant, acc_2_e2={"tested": TODAY - datetime.timedelta(days=92)}), spare="acc-2-e2")[1] == []


@pytest.mark.parametrize("name", ["acc-3-e2", "acc-2-e1", "nowhere"])
def test_a_pair_that_is_no_spare_between_these_ends_is_refused(plant: Plant, name: str) -> None:
    assert chosen(plant, spare=name) == (None, ["no-such-spare"])


def test_a_switch_without_a_free_port_is_told(plant: Plant) -> None:
    move, findings = chosen(plant, taken=["acc-2:Ten-GigabitEthernet1/0/26"])
    assert (move, findings) == (None, ["no-free-port"])


# --- the way back ----------------------------------------------------------------------------------------------------


def swapped(plant: Plant, **home: Any) -> Plant:
    ends = ("core-a:10GE1/0/46", "acc-2:Ten-GigabitEthernet1/0/26")
    pairs: dict[str, Pair] = {
        **plant.pairs,
        "acc-2-e1": replace(plant.pairs["acc-2-e1"], **{"state": "spare", "segment": "", **home}),
        "acc-2-e2": replace(plant.pairs["acc-2-e2"], state="in-use", segment=SEGMENT, ends=ends),
    }
    return replace(plant, pairs=pairs)


def test_the_way_back_leads_to_the_segments_own_pair_and_ports(plant: Plant) -> None:
    move, findings = fibre_choose.back(swapped(plant), SEGMENT, TODAY)
    assert move is not None
    assert (move.old_pair, move.pair, move.ends, move.plugged, findings) == ("acc-2-e2", "acc-2-e1", (A, B), True, [])


@pytest.mark.parametrize(
    ("home", "code"),
    [
        ({"state": "broken"}, "home-broken"),
        ({"loss_db": (1.7, None)}, "spare-one-way"),
        ({"loss_db": (5.0, 1.6)}, "spare-over-budget"),
        ({"ends": ("core-a:10GE1/0/47", B)}, "record-contradicts"),
    ],
)
def test_there_is_no_way_back_to_a_strand_that_is_not_known_to_be_repaired(plant: Plant, home: dict[str, Any], code: str) -> None:
    move, findings = fibre_choose.back(swapped(plant, **home), SEGMENT, TODAY)
    assert move is None
    assert code in codes(findings)


def test_a_segment_at_home_has_no_way_back(plant: Plant) -> None:
    assert codes(fibre_choose.back(plant, SEGMENT, TODAY)[1]) == ["nothing-to-restore"]
