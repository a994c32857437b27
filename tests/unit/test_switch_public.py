"""Configurations modelled on public ones of real switches are taken as startup configurations; every line that is not known is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lab.switch.device import Device
from lab.switch.memory import Memory
from lab.switch.switch import Switch
from support.project import PROJECT
from support.switches import describe

FIXTURES = PROJECT / "tests" / "fixtures" / "switch"
# What no lab switch knows: routing protocols, MPLS, servers' templates.
UNKNOWN = {
    "huawei": [
        "ddr isolation disable",
        "undo mac-address learning self-healing enable",
        "mpls lsr-id 192.0.2.10",
        "mpls",
        "mpls te",
        "l2 binding vsi uplink",
        "ospf cost 1",
        "ospf 1 router-id 192.0.2.10",
        "area 0.0.0.0",
        "network 192.0.2.0 0.0.0.3",
    ],
    "huawei_vrpv8": ["hwtacacs server template ht", "hwtacacs server authentication 192.0.2.206"],
    "hp_comware": ["bgp 65000"],
    "ruijie_os": ["ip dhcp pool staff", "network 192.0.2.0 255.255.255.0", "default-router 192.0.2.1"],
    "cisco_ios": ["crypto pki trustpoint TP-self-signed-1", "enrollment selfsigned"],
}


def taken(platform: str) -> Switch:
    device = describe("box", platform, access=3, uplinks=1, startup=str(FIXTURES / f"{platform}.cfg"))
    return Switch(device, Memory(device))


def lines(text: str) -> list[str]:
    """Return the lines that say something, as they stand."""
    return [
        line.strip()
        for line in text.splitlines()
        if line.strip() and line.strip()[0] not in "!#" and not line.strip().startswith("version ")
    ]


@pytest.mark.parametrize("platform", UNKNOWN)
def test_every_line_that_is_not_known_is_named(platform: str) -> None:
    assert [row.text for row in taken(platform).unknown] == UNKNOWN[platform]


# How a line is shown in another way than it was written; everything else comes back as it was.
SHOWN = {
    "hp_comware": {"snmp-agent community read site", "active region-configuration"},
    "ruijie_os": {"ip address mix 198.51.100.200 255.255.255.0", "enable service telnet-server"},
    "cisco_ios": {"no service password-encryption", "no aaa new-model", "vlan 20,30"},
}


@pytest.mark.parametrize("platform", UNKNOWN)
def test_everything_else_is_kept_and_shown(platform: str) -> None:
    switch = taken(platform)
    before = lines((FIXTURES / f"{platform}.cfg").read_text(encoding="utf-8"))
    after = lines(switch.text(switch.running))
    assert set(before) - set(after) - set(UNKNOWN[platform]) == SHOWN.get(platform, set())


def test_the_order_of_huaweis_lines_in_an_interface_is_kept() -> None:
    text = taken("huawei").text(taken("huawei").running).splitlines()
    start = text.index("interface XGigabitEthernet0/0/1")
    wanted = (FIXTURES / "huawei.cfg").read_text(encoding="utf-8").splitlines()
    there = wanted.index("interface XGigabitEthernet0/0/1")
    assert [line for line in text[start : start + 16] if line in wanted[there : there + 16]][:7] == wanted[there : there + 7]


def test_what_they_say_is_done() -> None:
    huawei = taken("huawei").applied
    assert len(huawei.vlans) == 14
    assert huawei.ports["GigabitEthernet0/0/1"].aggregate == "Eth-Trunk1"
    assert (huawei.ports["GigabitEthernet0/0/3"].untagged, huawei.ports["GigabitEthernet0/0/3"].tagged) == ({90}, {91})
    assert huawei.ports["XGigabitEthernet0/0/1"].tagged == {3151}
    assert not huawei.ports["XGigabitEthernet0/0/1"].enabled
    comware = taken("hp_comware").applied
    assert comware.ports["GigabitEthernet1/0/3"].mode == "routed"
    assert comware.aggregates["Bridge-Aggregation1"].port.tagged == {10, 20, 21, 22, 23, 24}
    assert comware.stp.priority == 8192
    ruijie = taken("ruijie_os").applied
    assert ruijie.aggregates["AggregatePort 1"].port.pvid == 200
    assert ruijie.layer_three["Mgmt 0"].addresses == ("203.0.113.200/24",)
    cisco = taken("cisco_ios").applied
    assert cisco.ports["GigabitEthernet1/0/2"].edge
    assert cisco.aggregates["Port-channel11"].members == ("GigabitEthernet1/0/1",)


def _described(name: str) -> Device:
    """Return one of the lab's switches, with the sockets of its model."""
    plant = yaml.safe_load((PROJECT / "lab" / "plant.yml").read_text(encoding="utf-8"))
    model = plant["models"][plant["switches"][name]["model"]]
    ports = []
    for group in model["ports"]:
        first, last = map(int, str(group["numbers"]).split("-"))
        ports += [{"name": group["name"].format(n=number)} for number in range(first, last + 1)]
    startup = str(PROJECT / "lab" / "switch" / "configs" / f"{name}.cfg")
    data = {"name": name, "platform": model["platform"], "ports": ports, "management": {"name": model["management"]}, "startup": startup}
    return Device.from_data(data, PROJECT)


@pytest.mark.parametrize("path", sorted((PROJECT / "lab" / "switch" / "configs").glob("*.cfg")), ids=lambda path: path.stem)
def test_the_labs_own_configurations_are_known_to_the_last_line(path: Path) -> None:
    device = _described(path.stem)
    switch = Switch(device, Memory(device))
    assert switch.unknown == []
    assert switch.hostname == path.stem
