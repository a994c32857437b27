"""The switched hospital's wire as data: what is there, what is refused, what the inventory and the configurations say of it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import plant as plants
from lab import switching
from lab.errors import LabError
from lab.faults_links import connected, cut_off
from lab.plant import DEFAULT
from lab.switch.backend import Setting
from lab.switch.device import Device
from lab.switch.memory import Memory
from lab.switch.switch import Switch
from lab.topology import Topology, load

INVENTORY = Path(__file__).parents[2] / "inventories/lab"


@pytest.fixture
def data() -> dict[str, Any]:
    """Return the plant's data, to be spoiled."""
    loaded: dict[str, Any] = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    return copy.deepcopy(loaded)


@pytest.fixture(scope="module")
def topology() -> Topology:
    """Return the switched hospital."""
    return load(switched=True)


def settings(topology: Topology, name: str, tmp_path: Path) -> tuple[Switch, Setting]:
    """Boot a switch's command line in memory, with the configuration that it is delivered with."""
    described = switching.described(topology.require_plant().switch(name), "meth0") | {"backend": "memory"}
    described["startup"] = str(switching.CONFIGURATIONS / f"{name}.cfg")
    device = Device.from_data(described, tmp_path)
    backend = Memory(device)
    return Switch(device, backend), backend.setting


def test_the_flat_and_the_switched_hospital_agree_on_addresses(topology: Topology) -> None:
    flat = {name: node.address for name, node in load().hosts.items()}
    assert flat.items() <= {name: node.address for name, node in topology.hosts.items()}.items()
    assert {node.role for name, node in topology.hosts.items() if name not in flat} == {"workstation", "switch"}


def test_every_host_can_be_reached_and_a_cable_cuts_off_what_hangs_on_it(topology: Topology) -> None:
    assert set(topology.hosts) < connected(topology, topology.control.name)
    assert cut_off(topology, "ward-1") == ["ward-1"]
    assert cut_off(topology, "gateway-wards") == ["ward-1"]
    assert cut_off(topology, "acc-1-e1") == ["ward-1", "outpatient-1"]
    assert cut_off(topology, "core-a-oob") == ["core-a"]
    assert cut_off(topology, switch="acc-2") == ["emergency-1"]
    assert cut_off(topology, switch="core-s") == []


def test_without_a_switch_its_hosts_are_left_out_too() -> None:
    less = load(switched=True, without=["acc-2", "pacs"])
    assert not {"acc-2", "emergency-1", "pacs"} & set(less.nodes)
    assert less.require_plant().pair("acc-2-e1").ends == ("", "")
    assert "acc-2-e1" not in less.cables


def test_a_moved_cable_is_where_it_was_moved_to() -> None:
    moved = load(switched=True, patched={"ward-1": ["ward-1:eth0", "acc-s:GigabitEthernet0/0/1"], "acc-1-e1": ["", ""]})
    assert moved.shown(moved.cables["ward-1"].b) == "acc-s:GigabitEthernet0/0/1"
    assert "acc-1-e1" not in moved.cables


def _strand_twice(data: dict[str, Any]) -> None:
    data["pairs"][1]["strands"] = [2, 3]


def _no_optic(data: dict[str, Any]) -> None:
    data["pairs"][0]["ends"] = ["core-a:10GE1/0/20", "srv-1:Ten-GigabitEthernet1/0/49"]


def _wrong_room(data: dict[str, Any]) -> None:
    data["pairs"][0]["ends"] = ["core-a:10GE1/0/41", "acc-1:XGigabitEthernet0/0/1"]


def _unknown_route(data: dict[str, Any]) -> None:
    data["pairs"][0]["route"] = "nowhere"


def _no_cage(data: dict[str, Any]) -> None:
    data["switches"]["acc-1"]["transceivers"][0]["numbers"] = "1-9"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_strand_twice, "share the strand 2 of srv-east"),
        (_no_optic, "core-a:10GE1/0/20 has no optic"),
        (_wrong_room, "not in the room of the panel odf-srv"),
        (_unknown_route, "unknown route nowhere"),
        (_no_cage, "transceivers in ports that a S5720-52X-PWR-SI does not have"),
    ],
)
def test_a_plant_that_cannot_be_laid_is_refused(data: dict[str, Any], spoil: Any, why: str) -> None:
    plants.parse(data)
    spoil(data)
    with pytest.raises(LabError, match=why):
        plants.parse(data)


def test_a_flat_lab_has_no_plant() -> None:
    with pytest.raises(LabError, match="has no switches"):
        load().require_plant()
    with pytest.raises(LabError, match="no port 'GigabitEthernet0/0/99'"):
        load(switched=True).require_plant().socket("acc-1:GigabitEthernet0/0/99")


# --- what else speaks of it ------------------------------------------------------------------------------------------


def test_every_line_of_every_configuration_is_understood(topology: Topology, tmp_path: Path) -> None:
    assert {path.stem for path in switching.CONFIGURATIONS.glob("*.cfg")} == set(topology.require_plant().switches)
    for name in topology.require_plant().switches:
        switch, setting = settings(topology, name, tmp_path)
        assert switch.unknown == [], name
        assert setting.hostname == name


def test_the_configurations_put_every_cable_into_its_network(topology: Topology, tmp_path: Path) -> None:
    plant = topology.require_plant()
    asked = {name: settings(topology, name, tmp_path)[1] for name in plant.switches}
    for entry in plant.cables:
        host, end = entry["ends"]
        node, _, port = host.partition(":")
        switch, socket = plant.socket(end)
        vlan = plant.vlan_of(topology.nodes[node].ports[port])
        setting = asked[switch.name].ports[socket.name]
        assert (setting.enabled, setting.untagged, setting.edge) == (True, {vlan}, True), entry
    for pair in plant.pairs.values():
        if all(pair.ends):
            carried = [asked[switch.name].ports[socket.name].tagged for switch, socket in map(plant.socket, pair.ends)]
            assert carried[0] == carried[1] > {99}, pair.name


def test_the_configurations_hold_the_addresses(topology: Topology, tmp_path: Path) -> None:
    for name, switch in topology.require_plant().switches.items():
        given = [a for entry in settings(topology, name, tmp_path)[1].layer_three.values() for a in entry.addresses]
        assert given == [switch.oob] + [f"{switch.inband}/24"] * bool(switch.inband) or set(given) == {switch.oob, f"{switch.inband}/24"}


def test_the_inventory_says_what_the_plant_says(topology: Topology) -> None:
    plant = topology.require_plant()
    groups = yaml.safe_load((INVENTORY / "hosts.yml").read_text(encoding="utf-8"))["all"]["children"]["switches"]["children"]
    listed = {name: entry for group in groups.values() for name, entry in group["hosts"].items()}
    assert set(listed) == set(plant.switches)
    for name, entry in listed.items():
        switch = plant.switches[name]
        assert (entry["network_platform"], entry["network_model"]) == (switch.platform, switch.model)
        assert entry["network_addresses"] == {"oob": switch.oob.partition("/")[0], **({"inband": switch.inband} if switch.inband else {})}
    cables = yaml.safe_load((INVENTORY / "plant/cables.yml").read_text(encoding="utf-8"))["cables"]
    assert {entry["name"]: entry["ends"] for entry in cables} == {entry["name"]: entry["ends"] for entry in plant.cables}
    fibres = yaml.safe_load((INVENTORY / "plant/fibres.yml").read_text(encoding="utf-8"))["pairs"]
    told = {entry["name"]: (entry["route"], tuple(entry["strands"]), tuple(entry["loss_db"])) for entry in fibres}
    assert told == {pair.name: (pair.route, pair.strands, pair.loss_db) for pair in plant.pairs.values()}
