"""Light, patches and what a switch reads of Open vSwitch: the parts that need no wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import fibres, glass, wiring
from lab.errors import LabError
from lab.state import Lab
from lab.switch import ovs_read
from lab.switch.backend import AggregateSetting, BackendError, PortSetting
from lab.switch.ovs_rows import aggregate_rows, lag_bridge, row, vlan_columns
from lab.topology import Port, Topology, load

FDB = " port  VLAN  MAC                Age\n   13    20  02:69:cf:65:eb:6d    4\nLOCAL     0  02:00:00:00:00:01    1\n"
RSTP = """---- br0 ----
Root ID:
  stp-priority    4096
  stp-system-id   02:c8:fe:b1:a1:00
  root-port       xg25
  root-path-cost  2000

Bridge ID:
  stp-priority    32768
  stp-system-id   02:c5:74:2b:fc:00

  Interface  Role       State      Cost     Pri.Nbr
  ---------- ---------- ---------- -------- -------
  xg25       Root       Forwarding 2000     128.1
  ge1        Designated Learning   20000    128.2
"""


def broken(fault: str, **parameters: str) -> dict[str, Any]:
    """Return an entry of faults.json."""
    return {"fault": fault, "parameters": parameters}


@pytest.fixture(scope="module")
def topology() -> Topology:
    """Return the switched hospital."""
    return load(switched=True)


def light(topology: Topology, state: wiring.Condition, *faults: dict[str, Any]) -> dict[str, tuple[float, int]]:
    """Return, by receiver, the light of one pair and the share of packets lost on the way (per cent)."""
    rays = glass.rays(topology.require_plant(), state, faults)
    return {str(ray.receiver): (ray.rx_dbm, ray.lost_percent) for ray in rays if ray.pair == "acc-1-e1"}


def test_light_is_what_was_sent_less_what_the_strand_takes(topology: Topology) -> None:
    sound = wiring.Condition()
    assert light(topology, sound) == {"acc-1:xg1": (-3.6, 0), "core-a:xg42": (-3.7, 0)}
    dim = broken("fibre-dim", pair="acc-1-e1", db="12.5", way="ab")
    assert light(topology, sound, dim) == {"acc-1:xg1": (-16.1, 51), "core-a:xg42": (-3.7, 0)}
    silent = broken("fibre-one-way", pair="acc-1-e1", way="ba")
    assert light(topology, sound, silent) == {"acc-1:xg1": (-3.6, 0), "core-a:xg42": (-40.0, 100)}
    cut = broken("fibre-cut", pair="acc-1-e1")
    assert {rx for rx, _ in light(topology, sound, cut).values()} == {glass.DARK_DBM}


def test_who_has_no_power_sends_no_light(topology: Topology) -> None:
    off = wiring.Condition(off=frozenset({"core-a"}))
    assert light(topology, off)["acc-1:xg1"][0] == glass.DARK_DBM
    dead = wiring.Condition(dead=frozenset({Port("acc-1", "xg1")}))
    assert light(topology, dead)["core-a:xg42"][0] == glass.DARK_DBM


def test_the_link_goes_when_an_end_is_in_the_dark_and_stays_on_a_silent_strand(topology: Topology) -> None:
    plant = topology.require_plant()
    assert glass.severed(plant, [broken("fibre-cut", pair="acc-1-e1")]) == {"acc-1-e1"}
    assert glass.severed(plant, [broken("fibre-dim", pair="acc-1-e1", db="12", way="both")]) == set()
    assert glass.severed(plant, [broken("fibre-dim", pair="acc-1-e1", db="18", way="ab")]) == {"acc-1-e1"}
    assert glass.severed(plant, [broken("fibre-one-way", pair="acc-1-e1", way="ab")]) == set()


@pytest.mark.parametrize(
    ("cable", "source", "target", "why"),
    [
        ("ward-1", "acc-1:GigabitEthernet0/0/2", "acc-s:GigabitEthernet0/0/1", "is not in acc-1:GigabitEthernet0/0/2"),
        ("ward-1", "acc-1:GigabitEthernet0/0/1", "acc-1:GigabitEthernet0/0/25", "outpatient-1 is in it"),
        ("ward-1", "acc-1:GigabitEthernet0/0/1", "acc-1:XGigabitEthernet0/0/2", "a copper cable does not fit"),
        ("ward-1", "acc-1:GigabitEthernet0/0/1", "acc-1:Vlanif99", "has no port 'Vlanif99'"),
        ("acc-1-e1", "core-a:10GE1/0/42", "core-s:10GE1/0/20", "has no optic"),
        ("acc-1-e1", "core-a:10GE1/0/42", "srv-1:Ten-GigabitEthernet1/0/50", "srv-1 is in server-room"),
        ("nothing", "acc-1:GigabitEthernet0/0/1", "acc-1:GigabitEthernet0/0/2", "no cable 'nothing'"),
    ],
)
def test_what_does_not_fit_is_not_moved(tmp_path: Path, topology: Topology, cable: str, source: str, target: str, why: str) -> None:
    lab = Lab("unit", tmp_path / "unit")
    with pytest.raises(LabError, match=why):
        wiring.move(lab, topology, cable, source, target)
    assert lab.read() == {}


def test_a_switch_that_was_carried_reaches_the_fibre_of_its_new_room(topology: Topology) -> None:
    pair, end = topology.require_plant().pair("acc-2-e1"), "acc-s:XGigabitEthernet0/0/1"
    with pytest.raises(LabError, match="acc-s is in core-room"):
        wiring.require_glass(topology.require_plant(), pair, 1, end)
    wiring.require_glass(load(switched=True, carried={"acc-s": "emergency-closet"}).require_plant(), pair, 1, end)
    with pytest.raises(LabError, match="no room attic"):
        load(switched=True, carried={"acc-s": "attic"})


def test_a_cord_that_moves_to_another_pair_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, topology: Topology) -> None:
    changes: dict[str, list[str]] = {}
    monkeypatch.setattr(wiring, "repatch", lambda lab, given: changes.update(given))
    lab = Lab("unit", tmp_path / "unit")
    fibres.patch(lab, topology, "acc-1-e2", "core-a:10GE1/0/42", "acc-1:XGigabitEthernet0/0/2")
    assert changes == {"acc-1-e2": ["core-a:10GE1/0/42", "acc-1:XGigabitEthernet0/0/2"], "acc-1-e1": ["", "acc-1:XGigabitEthernet0/0/1"]}
    assert fibres.side_of(topology.require_plant(), "acc-1-e2", "odf-ward") == 1
    with pytest.raises(LabError, match="does not end on the panel odf-srv"):
        fibres.side_of(topology.require_plant(), "acc-1-e2", "odf-srv")
    with pytest.raises(LabError, match="has no optic"):
        fibres.patch(lab, topology, "acc-1-e2", "core-a:10GE1/0/1", None)


def test_vlans_in_open_vswitchs_words() -> None:
    trunk = PortSetting(mode="trunk", pvid=1, untagged=frozenset(), tagged=frozenset({10, 20}))
    assert vlan_columns(PortSetting(pvid=20, untagged=frozenset({20}))) == ["tag=20", "vlan_mode=access"]
    assert vlan_columns(trunk) == ["trunks=10,20", "vlan_mode=trunk"]
    native = PortSetting(mode="trunk", pvid=10, untagged=frozenset({10}), tagged=frozenset({20}))
    assert vlan_columns(native) == ["tag=10", "trunks=10,20", "vlan_mode=native-untagged"]
    assert vlan_columns(PortSetting(untagged=frozenset())) is None
    with pytest.raises(BackendError, match="one VLAN only"):
        vlan_columns(PortSetting(mode="hybrid", untagged=frozenset({10, 20})))
    assert row(trunk, []) is None


def test_an_aggregate_is_one_port_of_the_tree_whose_members_come_and_go() -> None:
    trunk = PortSetting(mode="trunk", untagged=frozenset(), tagged=frozenset({10, 20}))
    setting = AggregateSetting(1, trunk, ("a", "b"), lacp=True, fast=True)
    both = aggregate_rows(setting, ["xg1", "xg2"], 20000)
    assert both["agg1"].spanning and "other_config:rstp-path-cost=1000" in both["agg1"].columns
    assert {"lacp=active", "other_config:lacp-time=fast"} <= set(both["bond1"].columns)
    assert (both["agg1"].bridge, both["bond1"].bridge, both["peer1"].bridge) == ("br0", "lag1", "lag1")
    assert "flood_vlans=0,10,20" in lag_bridge(setting, "02:00:00:00:00:01")
    assert aggregate_rows(setting, [], 20000) == {}
    one = aggregate_rows(setting, ["xg2"], 20000)
    assert one["agg1"] == both["agg1"], "the switch's own bridge sees nothing of it"
    assert not one["bond1"].anew("bond1", both["bond1"], one)
    assert "remove" in one["bond1"].change("bond1", both["bond1"])
    by_itself = row(trunk, ["xg1"])
    assert by_itself is not None
    assert one["bond1"].anew("bond1", both["bond1"], {**one, "xg1": by_itself})
    other = aggregate_rows(setting, ["xg3"], 20000)
    assert other["bond1"].anew("bond1", both["bond1"], other)


def test_what_a_switch_reads_of_its_forwarding_plane() -> None:
    assert ovs_read.learnt(FDB, {13: "xg1"}) == [ovs_read.Learnt(20, "02:69:cf:65:eb:6d", "xg1")]
    state = ovs_read.stp(RSTP, "02:c5:74:2b:fc:00", 32768)
    assert (state.root_mac, state.root_priority, state.root_port, state.root_cost) == ("02:c8:fe:b1:a1:00", 4096, "xg25", 2000)
    assert (state.ports["ge1"].role, state.ports["ge1"].state, state.ports["ge1"].cost) == ("designated", "learning", 20000)
    assert list(ovs_read.neighbours("nonsense")) == []


def test_the_youngest_neighbour_of_a_port_counts() -> None:
    def heard(name: str, age: str) -> str:
        chassis = f'[{{"id": [{{"value": "02:00:00:00:00:01"}}], "name": [{{"value": "{name}"}}]}}]'
        return f'{{"name": "xg1", "age": "0 day, {age}", "chassis": {chassis}, "port": [{{"id": [{{"value": "Te1/0/1"}}]}}]}}'

    text = f'{{"lldp": [{{"interface": [{heard("old", "00:01:00")}, {heard("new", "00:00:03")}]}}]}}'
    assert [(entry.port, entry.system_name, entry.port_id) for entry in ovs_read.neighbours(text)] == [("xg1", "new", "Te1/0/1")]
