"""Before and after, as sets: what is missing is seen, what only moved with its port is not told."""

from __future__ import annotations

import pytest

from recovery.network.compare import View, compare, counts, dim, mapped, still

BEFORE = View(
    vlans={10: "servers", 22: "emergency"},
    access={"1": 10},
    trunks={"41": frozenset({10, 22})},
    links={"1": True, "41": True, "48": False},
    aggregates={"Eth-Trunk1": frozenset({"41", "42"})},
    root=True,
    neighbours={"41": ("srv-1", "Ten-GigabitEthernet1/0/49")},
    macs={(10, "aa"): "1", (22, "bb"): "41"},
)
PORTS = {"1": "x1", "41": "x41", "42": "x42", "48": "x48"}
AFTER = mapped(BEFORE, PORTS)


def changed(**parts: object) -> View:
    """Return the view of the replacement with something else than before."""
    return View(**{**vars(AFTER), **parts})  # type: ignore[arg-type]


def test_the_same_on_other_ports_is_the_same() -> None:
    assert compare(BEFORE, AFTER, PORTS) == []


@pytest.mark.parametrize(
    ("after", "aspect"),
    [
        (changed(vlans={10: "servers"}), "vlans"),
        (changed(vlans={10: "servers", 22: "x"}), "vlans"),
        (changed(access={"x1": 22}), "access"),
        (changed(access={}), "access"),
        (changed(trunks={"x41": frozenset({10})}), "trunks"),
        (changed(trunks={"x41": frozenset({10, 22, 23})}), "trunks"),
        (changed(aggregates={"Eth-Trunk1": frozenset({"x41"})}), "aggregates"),
        (changed(root=False), "stp"),
        (changed(root=None), "stp"),
        (changed(links={"x1": True, "x41": False}), "links"),
        (changed(neighbours={}), "neighbours"),
        (changed(neighbours={"x41": ("srv-1", "Ten-GigabitEthernet1/0/50")}), "neighbours"),
        (changed(macs={(10, "aa"): "x41", (22, "bb"): "x41"}), "macs"),
        (changed(macs={(22, "aa"): "x1", (22, "bb"): "x41"}), "macs"),
    ],
)
def test_what_is_not_as_before_is_grave(after: View, aspect: str) -> None:
    found = [one for one in compare(BEFORE, after, PORTS) if one.grave]
    assert [one.aspect for one in found] == [aspect]


def test_an_address_that_is_only_quiet_is_grave_if_it_is_steady() -> None:
    after = changed(macs={(10, "aa"): "x1"})
    assert [one.grave for one in compare(BEFORE, after, PORTS)] == [False]
    assert [one.grave for one in compare(BEFORE, after, PORTS, steady=["bb"])] == [True]


def test_more_vlans_than_before_are_told_and_not_grave() -> None:
    assert [(one.aspect, one.grave) for one in compare(BEFORE, changed(vlans={**AFTER.vlans, 30: "new"}), PORTS)] == [("vlans", False)]


def test_a_port_whose_cable_stays_is_left_out() -> None:
    after = changed(links={"x1": True}, neighbours={}, trunks={}, aggregates={"Eth-Trunk1": frozenset()}, macs={(10, "aa"): "x1"})
    assert compare(BEFORE, after, PORTS, spared=["x41", "x42"]) == []


def test_what_has_no_place_on_the_replacement_is_left_to_the_port_map() -> None:
    assert "48" not in mapped(BEFORE, {"1": "x1"}).links


def test_a_view_travels_as_json() -> None:
    assert View.from_dict(BEFORE.as_dict()) == BEFORE


def test_growing_error_counters_are_named() -> None:
    assert still({"1": 5, "2": 0}, {"1": 5, "2": 0}) == []
    assert [one.key for one in still({"1": 5}, {"1": 9, "2": 1})] == ["1", "2"]
    assert still({"1": 5}, {"1": 9}, allowed=4) == []


def test_weak_light_is_named_and_copper_has_none() -> None:
    light = {"41": (-3.0, -12.4), "42": (-13.0, -12.4), "43": (None, None)}
    assert [one.key for one in dim("core-s", light, ["1", "41", "42", "43"])] == ["core-s 42"]


def test_a_dark_optical_port_is_named() -> None:
    assert [one.after for one in dim("core-s", {"41": (None, -12.4)}, ["41"])] == ["dark"]


def test_figures_say_how_much_is_there_again() -> None:
    assert counts(BEFORE, changed(links={"x1": True, "x41": False}), PORTS)["links"] == "1 of 2"
