"""Configurations as devices write them: what is understood, what is named as not understood, and that nothing is lost in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from recovery.network.grammar import PLATFORMS
from recovery.network.model import ALL_VLANS, Block, Route, Secret, TrapHost, User, Vrrp
from recovery.network.parse import parse
from recovery.network.render import render
from support.switch_models import unlike

CONFIGS = Path(__file__).parents[1] / "fixtures" / "network" / "configs"
FILES = sorted(CONFIGS.glob("*/*.cfg"))


def test_there_is_a_configuration_of_every_platform() -> None:
    assert {file.parent.name for file in FILES} == set(PLATFORMS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_line_is_understood_or_named(file: Path) -> None:
    named = file.with_suffix(".unknown")
    expected = [tuple(line.split("\t")) for line in named.read_text(encoding="utf-8").splitlines()] if named.exists() else []
    found = parse(file.parent.name, file.read_text(encoding="utf-8")).unknown
    assert [(str(line.line), line.view, line.text, line.why) for line in found] == expected


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_what_was_read_is_written_and_read_again(file: Path) -> None:
    switch = parse(file.parent.name, file.read_text(encoding="utf-8"))
    again = parse(file.parent.name, "\n".join(render(switch)))
    assert again.unknown == ()
    assert unlike(switch, again) == []
    assert again == switch


def test_a_huawei_access_switch_in_detail() -> None:
    switch = parse("huawei", (CONFIGS / "huawei/access-48-poe.cfg").read_text(encoding="utf-8"), "10.20.98.41")
    assert switch.hostname == "WARD-7F-SW1"
    assert switch.software == "V200R019C10SPC500"
    assert sorted(switch.vlans) == [1, 10, 20, 21, 22, 23, 24, 30, 99, 200]
    assert switch.vlans[20].name == "ward-clients"
    assert switch.services.snooping_vlans == switch.services.arp_inspection_vlans == {20}
    bed = switch.ports["GigabitEthernet0/0/1"]
    assert (bed.mode, bed.access_vlan, bed.voice_vlan, bed.stp.edge) == ("access", 20, 200, True)
    assert (bed.security.enabled, bed.security.maximum, bed.security.action, bed.security.sticky) == (True, 3, "restrict", True)
    assert switch.ports["GigabitEthernet0/0/13"].security.macs == {("00e0fc123456", 20), ("00e0fc123457", 20)}
    phone = switch.ports["GigabitEthernet0/0/15"]
    assert (phone.mode, phone.native_vlan, phone.untagged_vlans, phone.allowed_vlans) == ("hybrid", 20, {20}, {200})
    assert phone.opaque == ("trust dscp",)
    ap = switch.ports["GigabitEthernet0/0/18"]
    assert (ap.mode, ap.native_vlan, ap.allowed_vlans, ap.poe.priority) == ("trunk", 99, {1, 20, 21, 22, 23, 24, 99}, "critical")
    trunk = switch.aggregates[1]
    assert (trunk.protocol, trunk.allowed_vlans, trunk.snooping_trust) == ("lacp", {10, 20, 21, 22, 23, 24, 30, 99, 200}, True)
    assert switch.members(1) == ["XGigabitEthernet0/0/1", "XGigabitEthernet0/0/2"]
    assert switch.ports["GigabitEthernet0/0/45"].enabled is False
    assert switch.stp.mode == "rstp" and switch.stp.bpdu_guard_default
    assert switch.routes == {Route("0.0.0.0/0", "10.20.98.1")}
    assert switch.management.address == "10.20.99.41/24" and switch.management.vlan == 99
    assert switch.users["duty"] == User(
        "duty", 3, "", Secret("hash", "irreversible-cipher", "$1a$SampleSalt$SampleGeneratedHash0002$"), frozenset({"ssh"})
    )
    assert next(iter(switch.services.snmp_communities)).secret.form == "cipher"
    assert switch.blocks["acl name mgmt-only 2001"] == Block(
        "acl", "acl name mgmt-only 2001", ("rule 5 permit source 10.20.99.0 0.0.0.255", "rule 10 deny")
    )


def test_gateways_relays_and_virtual_routers() -> None:
    switch = parse("huawei", (CONFIGS / "huawei/distribution-vrrp.cfg").read_text(encoding="utf-8"))
    wards = switch.svis[10]
    assert (wards.address, wards.secondary, wards.relay) == ("10.30.10.2/24", {"10.30.110.2/24"}, True)
    assert wards.relays == {"10.20.10.11", "10.20.10.12"}
    assert wards.vrrp == {10: Vrrp(10, "10.30.10.1", 120)}
    assert switch.svis[20].vrrp == {20: Vrrp(20, "10.30.20.1", preempt=False)}
    assert switch.stp.priorities == {0: 0, 1: 4096}
    assert switch.ports["GigabitEthernet0/0/3"].mode == "routed" and switch.ports["GigabitEthernet0/0/3"].address == "10.30.255.1/30"
    assert switch.ports["GigabitEthernet0/0/4"].allowed_vlans >= {2, 3, 4, 20, 22, 99, 100, 101}
    assert switch.ports["GigabitEthernet0/0/5"].mode == "hybrid", "hybrid lines say so where the mode is not said"
    assert switch.blocks['header login information "'].lines[1].startswith("interface"), "a banner is no interface"


def test_a_comware_switch_in_detail() -> None:
    switch = parse("hp_comware", (CONFIGS / "hp_comware/emergency-48.cfg").read_text(encoding="utf-8"))
    assert sorted(switch.vlans) == [1, 10, 22, 30, 31, 32, 33, 99, 200]
    assert switch.hostname == "ED-SW1" and switch.stp.mode == "rstp" and switch.services.ssh
    assert switch.services.arp_inspection_vlans == {22}
    phone = switch.ports["GigabitEthernet1/0/10"]
    assert (phone.native_vlan, phone.untagged_vlans, phone.allowed_vlans, phone.voice_vlan) == (22, {22}, {200}, 200)
    assert switch.ports["GigabitEthernet1/0/16"].mode == "routed"
    assert switch.ports["GigabitEthernet1/0/17"].lldp is False and switch.ports["GigabitEthernet1/0/17"].stp.enabled is False
    assert switch.aggregates[1].protocol == "lacp" and switch.aggregates[1].allowed_vlans == {10, 22, 30, 31, 32, 33, 99, 200}
    assert switch.users["duty"].role == "level-3"
    assert Route("10.77.0.0/16", "10.20.98.2", 80) in switch.routes
    assert switch.services.snmp_traps == {TrapHost("10.20.10.8", Secret("plain", "", "monitor"), "v2c")}


def test_a_ruijie_switch_in_detail() -> None:
    switch = parse("ruijie_os", (CONFIGS / "ruijie_os/theatre-24.cfg").read_text(encoding="utf-8"))
    assert switch.stp.enabled and switch.stp.priorities == {0: 61440}
    assert switch.ports["GigabitEthernet 0/3"].allowed_vlans == {23, 40, 41, 42}
    assert switch.ports["GigabitEthernet 0/4"].allowed_vlans == ALL_VLANS, "a trunk about which nothing is said carries every VLAN"
    assert switch.ports["GigabitEthernet 0/5"].allowed_vlans == {23}
    assert switch.aggregates[1].protocol == "lacp" and switch.aggregates[2].protocol == "static"
    assert switch.management.gateway == "10.20.99.250"
    assert switch.users["netadmin"].level == 15 and switch.users["netadmin"].secret is not None


def test_a_cisco_switch_in_detail() -> None:
    switch = parse("cisco_ios", (CONFIGS / "cisco_ios/pharmacy-48.cfg").read_text(encoding="utf-8"))
    assert switch.ports["GigabitEthernet1/0/12"].allowed_vlans == {24, 30, 31, 32, 33, 99}
    assert switch.ports["GigabitEthernet1/0/13"].allowed_vlans == frozenset(), "what a mode does not heed is told, not taken for granted"
    assert switch.ports["GigabitEthernet1/0/14"].mode == "dynamic" and switch.ports["GigabitEthernet1/0/14"].allowed_vlans == {33}
    assert switch.ports["GigabitEthernet1/0/15"].allowed_vlans == ALL_VLANS - {1, *range(100, 201)}
    assert switch.ports["GigabitEthernet1/0/18"].mode == "dynamic"
    assert switch.ports["GigabitEthernet1/0/1"].storm.broadcast == 1.0
    assert switch.ports["GigabitEthernet1/0/10"].poe.enabled is False
    assert switch.aggregates[1].protocol == "lacp" and len(switch.members(1)) == 2
    assert switch.management.port == "FastEthernet0" and switch.management.gateway == "10.20.98.1" and not switch.management.enabled
    assert len(switch.stp.priorities) == 4094
    assert switch.blocks["line vty 0 4"].lines == ("access-class 10 in", "transport input ssh")
    level3 = parse("cisco_ios", (CONFIGS / "cisco_ios/distribution-l3.cfg").read_text(encoding="utf-8"))
    assert level3.vlans[40].name == "cath lab"
    assert level3.ports["GigabitEthernet0/4"].allowed_vlans == frozenset()
    assert level3.aggregates[2].protocol == "static"


def test_a_line_is_unknown_with_its_number_and_view() -> None:
    switch = parse("huawei", "#\ninterface GigabitEthernet0/0/1\n frobnicate 3\n#\nfrobnicate all\n sub line\n#")
    assert [(line.line, line.view, line.text) for line in switch.unknown] == [
        (3, "interface GigabitEthernet0/0/1", "frobnicate 3"),
        (5, "", "frobnicate all"),
        (6, "frobnicate all", "sub line"),
    ]


def test_a_value_that_makes_no_sense_makes_the_line_unknown() -> None:
    switch = parse("cisco_ios", "interface GigabitEthernet1/0/1\n switchport trunk allowed vlan 30-20\n")
    assert [line.text for line in switch.unknown] == ["switchport trunk allowed vlan 30-20"]


def test_a_secret_is_never_shown() -> None:
    switch = parse("huawei", (CONFIGS / "huawei/access-48-poe.cfg").read_text(encoding="utf-8"))
    assert "SampleGenerated" not in repr(switch.users) + repr(switch.services)


def test_an_unknown_platform_is_named() -> None:
    with pytest.raises(ValueError, match="No grammar for the platform 'procurve'"):
        parse("procurve", "")
