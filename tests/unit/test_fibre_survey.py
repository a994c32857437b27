"""The quarterly look at the fibre, the signs on a temporary cable, and when a segment may be moved back."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest

from recovery.network import fibre_plan, fibre_signs, fibre_survey
from recovery.network.fibre_judge import End
from recovery.network.fibre_plan import Laying
from recovery.network.plant import Plant, load
from support.project import PROJECT

TODAY = datetime.date(2026, 11, 22)
SEGMENT = "core-a--acc-2"


@pytest.fixture
def plant() -> Plant:
    return load(PROJECT / "inventories" / "lab" / "plant")


def codes(found: Any) -> list[str]:
    return [finding.code for finding in found]


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        ("3=1.71 4=1.8", (1.71, 1.8)),
        ("4=dark, 3=2", (2.0, None)),
        ("3 = 1.7; 4 = dark", (1.7, None)),
        ('{"pair": "acc-2-e2", "loss_ab_db": 1.7, "loss_ba_db": null, "length_m": 320}', (1.7, None)),
        ("3=1.7", None),
        ("about two", None),
        ("", None),
        ("13=1.7 4=1.8", None),
        ("3=-1 4=1.8", None),
        ("{broken", None),
    ],
)
def test_what_people_note_is_read_or_not_believed(plant: Plant, text: str, loss: Any) -> None:
    assert fibre_survey.reading(plant.pairs["acc-2-e2"], text) == loss


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3=1.7 4=1.8", []),
        ("3=dark 4=dark", ["spare-dark"]),
        ("3=1.7 4=dark", ["spare-one-way"]),
        ("3=1.7 4=4.3", ["spare-over-budget", "loss-grown"]),
        ("3=1.7 4=3.0", ["loss-grown"]),
        ("nothing", ["not-measured"]),
    ],
)
def test_a_spare_is_judged_by_both_its_strands(plant: Plant, text: str, expected: list[str]) -> None:
    found = fibre_survey.from_people(plant, plant.pairs["acc-2-e2"], text, TODAY)
    assert codes(found.findings) == expected
    assert found.good == (expected in ([], ["loss-grown"]))


def test_a_pair_in_use_is_read_from_its_switches(plant: Plant) -> None:
    pair = plant.pair_of(SEGMENT)
    a, b = (End(end, link=True, rx_dbm=-3.9, tx_dbm=-2.2) for end in pair.ends)
    assert fibre_survey.lit(pair, {a.end: a, b.end: b})
    sound = fibre_survey.from_switches(plant, pair, a, b, TODAY)
    assert (sound.good, sound.findings, sound.loss_db) == (True, (), (1.7, 1.7))
    silent = fibre_survey.from_switches(plant, pair, replace(a, rx_dbm=None), b, TODAY)
    assert codes(silent.findings) == ["in-use-one-way"]
    assert "fibre_swap -e segment=core-a--acc-2" in silent.findings[0].remedy
    unseen = fibre_survey.from_switches(plant, pair, replace(a, answered=False), b, TODAY)
    assert (codes(unseen.findings), unseen.good) == (["in-use-unproven"], False)
    assert not fibre_survey.lit(pair, {a.end: replace(a, enabled=False), b.end: b}), "a laser that is shut tells nothing of the glass"


def test_what_was_measured_becomes_the_record_and_a_repaired_pair_a_spare(plant: Plant) -> None:
    broken = replace(plant.pairs["acc-2-e2"], state="broken")
    good = fibre_survey.from_people(plant, broken, "3=1.5 4=1.6", TODAY)
    bad = fibre_survey.from_people(plant, broken, "3=1.5 4=dark", TODAY)
    (now,) = fibre_survey.updated([broken], [good], TODAY)
    assert (now.state, now.loss_db, now.tested) == ("spare", (1.5, 1.6), TODAY)
    (still,) = fibre_survey.updated([broken], [bad], TODAY)
    assert (still.state, still.loss_db) == ("broken", (1.5, None))


def test_the_record_itself_tells_of_missing_spares_and_of_overdue_temporary_cables(plant: Plant) -> None:
    assert fibre_survey.standing(plant, TODAY) == []
    none = replace(
        plant, pairs={name: replace(pair, state="broken") if pair.state == "spare" else pair for name, pair in plant.pairs.items()}
    )
    assert set(codes(fibre_survey.standing(none, TODAY))) == {"no-spare"}
    laying = Laying("沿走廊", "along the corridor", 350, 14, "2026-11-22-01")
    route, pair = fibre_plan.temporary(plant, SEGMENT, laying, TODAY)
    carrying = replace(pair, state="in-use", segment=SEGMENT)
    with_it = replace(plant, routes={**plant.routes, route.name: route}, pairs={**plant.pairs, pair.name: carrying})
    assert codes(fibre_survey.standing(with_it, TODAY)) == ["temporary"]
    assert codes(fibre_survey.standing(with_it, TODAY + datetime.timedelta(days=15))) == ["temporary-overdue"]
    lying = replace(with_it, pairs={**plant.pairs, pair.name: pair})
    assert codes(fibre_survey.standing(lying, TODAY + datetime.timedelta(days=15))) == ["temporary-left"]


def test_people_are_asked_in_both_languages_and_unknown_pairs_are_refused(plant: Plant) -> None:
    (step,) = fibre_survey.steps(plant, [plant.pairs["acc-2-e2"]])
    assert all(word in step["instruction"]["en"] for word in ("1310 nm", "odf-core", "odf-emergency", "3=1.7 4=1.8"))
    assert "光功率计" in step["instruction"]["zh"]
    assert codes(fibre_survey.asked(plant, ["nowhere"])[1]) == ["no-such-pair"]
    assert len(fibre_survey.asked(plant, [])[0]) == len(plant.pairs)


# --- a temporary cable -----------------------------------------------------------------------------------------------


def temporary(plant: Plant, **more: Any) -> tuple[Any, list[str]]:
    laying = Laying("沿走廊北侧", "north side of the corridor", 350, 14, "2026-11-22-01")
    move, found = fibre_plan.choose(plant, "temporary", SEGMENT, "cut", TODAY, **{"laying": laying, **more})
    return move, codes(found)


def without_spares(plant: Plant) -> Plant:
    pairs = {name: replace(pair, loss_db=(None, None)) if pair.state == "spare" else pair for name, pair in plant.pairs.items()}
    return replace(plant, pairs=pairs)


def test_a_temporary_cable_is_the_last_resort(plant: Plant) -> None:
    assert temporary(plant)[1] == ["spare-there"], "a named person may answer for it"
    move, found = temporary(without_spares(plant))
    assert found == []
    assert (move.pair, move.ends[1]) == ("temporary-acc-2-1", "acc-2:Ten-GigabitEthernet1/0/26")


@pytest.mark.parametrize("laying", [None, Laying("", "along the corridor", 1, 14, ""), Laying("沿走廊", " ", 1, 14, "")])
def test_the_way_of_a_temporary_cable_is_told_in_both_languages(plant: Plant, laying: Laying | None) -> None:
    assert temporary(without_spares(plant), laying=laying) == (None, ["way-not-told"])


def test_one_temporary_cable_is_enough(plant: Plant) -> None:
    bare = without_spares(plant)
    route, _ = fibre_plan.temporary(bare, SEGMENT, Laying("沿走廊", "corridor", 350, 14, "x"), TODAY)
    assert temporary(replace(bare, routes={**bare.routes, route.name: route})) == (None, ["temporary-there"])


def test_sign_and_order_say_which_way_until_when_and_whom_to_call() -> None:
    decision = {
        "segment": SEGMENT,
        "from": {"pair": "acc-2-e1"},
        "to": {"route": "temporary-acc-2"},
        "laying": {"zh": "沿走廊<北>", "en": "along the corridor", "length_m": 350, "repair_days": 14},
    }
    words = {"contacts": [{"zh": "信息中心值班员", "en": "duty administrator"}], "incident": "2026-11-22-01"}
    about = fibre_signs.about(decision, words, TODAY)
    page = fibre_signs.sign(about)
    for told in (
        "临时光缆",
        "Temporary fibre cable",
        "沿走廊&lt;北&gt;",
        "along the corridor",
        "2026-12-06",
        "信息中心值班员",
        "duty administrator",
    ):
        assert told in page
    for language, told in (("zh", "永久修复工单"), ("en", "Order of a permanent repair")):
        order = fibre_signs.order(about, language)
        assert all(word in order for word in (told, "2026-12-06", "fibre_check -e pairs=acc-2-e1", f"fibre_restore -e segment={SEGMENT}"))
