"""Who moves which cable when; and a wrong port is named with its right one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recovery.network.cable_sheet import LANGUAGES, Move, instruction, look, order, page
from recovery.network.compare import View


def move(cable: str, port: str, far: str, rank: int, *, media: str = "fibre", far_port: str = "", addresses: tuple[str, ...] = ()) -> Move:
    """Return a move to a port of the same name with an s before it."""
    return Move(cable, media, port, f"s{port}", far, far_port, f"area {rank}", f"科室{rank}", f"area {rank}", rank, addresses)


UPLINK = move("acc-2-e1", "43", "acc-2", 1, far_port="Ten-GigabitEthernet1/0/25")
OTHER = move("acc-3-e1", "44", "acc-3", 2, far_port="TenGigabitEthernet0/25")
COPPER = move("gateway-emergency", "4", "gateway", 1, media="copper", addresses=("22/52:54:00:00:00:04",))
MUTE = move("printer", "9", "printer", 5, media="copper")
PEOPLE = [
    {"who": "duty-administrator", "zh": "值班员", "en": "duty administrator", "takes": ["copper"]},
    {"who": "network-administrator", "zh": "网络管理员", "en": "network administrator", "takes": ["fibre", "copper"]},
]


def test_cables_come_in_clinical_order_each_for_somebody_who_handles_it() -> None:
    placed = order([OTHER, MUTE, COPPER, UPLINK], PEOPLE)
    assert [one.cable for one in placed] == ["acc-2-e1", "gateway-emergency", "acc-3-e1", "printer"]
    assert [one.number for one in placed] == [1, 2, 3, 4]
    assert all(one.who == "network-administrator" for one in placed if one.media == "fibre")
    assert {one.who for one in placed} == {"duty-administrator", "network-administrator"}


def test_a_medium_that_nobody_handles_is_told() -> None:
    with pytest.raises(ValueError, match="handles fibre"):
        order([UPLINK], PEOPLE[:1])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sheet_has_a_page_for_each_person_with_every_cable(language: str) -> None:
    placed = order([OTHER, COPPER, UPLINK], PEOPLE)
    head = {"incident": "2026-11-22-01", "plan": "abc", "made_at": "now", "old_place": "rack 1", "new_place": "rack 2"}
    html = page(placed, "core-a", "core-s", head, language)
    assert html.count("<section>") == 2
    for one in placed:
        assert one.cable in html and one.new_port in html
    assert {"zh": "线缆迁移单", "en": "Cable sheet"}[language] in html


def test_a_step_says_from_where_to_where() -> None:
    placed = order([UPLINK], PEOPLE)[0]
    for text in instruction(placed, "core-a", "core-s", 1).values():
        assert all(word in text for word in ("acc-2-e1", "core-a", "core-s", "43", "s43"))


def seen(
    links: dict[str, bool], neighbours: dict[str, tuple[str, str]] | None = None, macs: dict[tuple[int, str], str] | None = None
) -> View:
    """Return what the replacement sees."""
    return View(links=links, neighbours=neighbours or {}, macs=macs or {})


def test_link_and_neighbour_bear_out_an_uplink() -> None:
    found = look(UPLINK, seen({"s43": True}, {"s43": ("acc-2", "Ten-GigabitEthernet1/0/25")}), "core-s")
    assert found.right and set(found.by) == {"link", "neighbour"}


def test_link_and_address_bear_out_a_host() -> None:
    assert look(COPPER, seen({"s4": True}, macs={(22, "52:54:00:00:00:04"): "s4"}), "core-s").right


@pytest.mark.parametrize(
    "view",
    [
        seen({"s44": True, "s43": False}, {"s44": ("acc-2", "Ten-GigabitEthernet1/0/25")}),
        seen({"s44": True, "s43": True}, {"s44": ("acc-2", "Ten-GigabitEthernet1/0/25"), "s43": ("acc-3", "TenGigabitEthernet0/25")}),
    ],
)
def test_a_wrong_port_is_named_with_its_right_one(view: View) -> None:
    found = look(UPLINK, view, "core-s", [UPLINK, OTHER])
    assert not found.right
    assert found.where == "s44"
    assert "sits in s44" in found.sentence and "its port is s43" in found.sentence
    if view.links["s43"]:
        assert "acc-3-e1" in found.sentence and "whose port is s44" in found.sentence


def test_a_host_in_a_foreign_vlan_still_tells_its_port() -> None:
    found = look(COPPER, seen({"s5": True}, macs={(23, "52:54:00:00:00:04"): "s5"}), "core-s")
    assert (found.right, found.where) == (False, "s5")


def test_a_cable_that_is_not_plugged_or_not_heard_is_told() -> None:
    assert "no link yet" in look(UPLINK, seen({"s43": False}), "core-s").sentence
    assert "has not been heard" in look(UPLINK, seen({"s43": True}), "core-s").sentence
    assert not look(UPLINK, seen({"s43": True}), "core-s").right


def test_what_was_always_silent_is_believed_by_its_link_and_told_so() -> None:
    found = look(MUTE, seen({"s9": True}), "core-s")
    assert found.right and "silent, as it was before" in found.sentence
    stranger = look(MUTE, seen({"s9": True}, {"s9": ("acc-2", "Ten-GigabitEthernet1/0/25")}), "core-s", [MUTE, UPLINK])
    assert not stranger.right and "acc-2-e1" in stranger.sentence


def test_a_move_travels_as_json() -> None:
    assert Move.from_dict(replace(COPPER, number=3).as_dict()) == replace(COPPER, number=3)
