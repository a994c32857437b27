"""A configuration moved to the spare: what comes along, what is said in other words, and what is told instead of carried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recovery.network.carry import NotCarried, carry, with_entrances
from recovery.network.change import difference, lines
from recovery.network.grammar import PLATFORMS, load
from recovery.network.model import (
    Aggregate,
    Block,
    Community,
    Management,
    Poe,
    Port,
    PortSecurity,
    PortStp,
    Secret,
    Services,
    Stp,
    Svi,
    Switch,
    Unknown,
    User,
    Vlan,
)
from recovery.network.parse import parse
from recovery.network.render import render

CONFIGS = Path(__file__).parents[1] / "fixtures" / "network" / "configs"
A, B = "GigabitEthernet0/0/1", "GigabitEthernet0/0/2"
RADIUS = "radius-server template nac"
OLD = Switch(
    "huawei",
    "WARD-1",
    vlans={1: Vlan(1), 20: Vlan(20, "wards", "Ward clients"), 30: Vlan(30, "", "Infusion pumps"), 99: Vlan(99)},
    ports={A: Port(A, mode="dynamic"), B: Port(B, mode="dynamic")},
    svis={99: Svi(99, address="10.20.98.31/24")},
    management=Management("MEth0/0/1", address="10.20.99.31/24", vlan=99),
)


def old(**facts: object) -> Switch:
    return replace(OLD, ports={**OLD.ports, A: replace(OLD.ports[A], **facts)})  # type: ignore[arg-type]


def moved(switch: Switch, platform: str, name: str = "GigabitEthernet1/0/1") -> tuple[Port, list[NotCarried]]:
    carried, told = carry(switch, {A: name}, platform)
    return carried.ports[name], told


def whats(told: list[NotCarried]) -> list[str]:
    return [one.what for one in told]


def test_on_the_same_platform_everything_comes_along_under_the_new_port_names() -> None:
    switch = old(description="Bed 1", mode="access", access_vlan=20)
    carried, told = carry(switch, {A: B, B: A}, "huawei")
    assert carried.ports[B] == replace(switch.ports[A], name=B)
    assert (carried.hostname, carried.vlans, carried.svis) == (switch.hostname, switch.vlans, switch.svis)
    assert whats(told) == ["management port MEth0/0/1"]
    assert carried.management.port == "" and carried.management.vlan == 99


def test_while_the_old_one_may_answer_its_name_and_address_stay_behind() -> None:
    carried, told = carry(OLD, {}, "huawei", identity=False)
    assert carried.hostname == "" and carried.svis == {}
    assert whats(told)[1:] == ["host name WARD-1", "management address 10.20.98.31/24"]


def test_what_was_not_understood_is_told() -> None:
    _, told = carry(replace(OLD, unknown=(Unknown(12, f"interface {A}", "am isolate"), Unknown(40, "", "beacon"))), {}, "huawei")
    assert whats(told)[:2] == [f"line 12 in 'interface {A}': am isolate", "line 40: beacon"]


def test_learnt_addresses_are_told_and_not_carried() -> None:
    switch = old(security=PortSecurity(enabled=True, sticky=True, macs=frozenset({("00e0fc123456", 20)})))
    port, told = moved(switch, "huawei", A)
    assert port.security == PortSecurity(enabled=True, sticky=True)
    assert f"port {A}: 1 learnt MAC addresses" in whats(told)


def test_secrets_that_only_the_old_device_reads_are_told_without_their_text() -> None:
    switch = replace(
        OLD,
        users={
            "duty": User("duty", 3, secret=Secret("cipher", "cipher", "%^%#abc%^%#")),
            "netadmin": User("netadmin", 15, secret=Secret("hash", "irreversible-cipher", "$1a$x$y$")),
        },
        services=Services(snmp_communities=frozenset({Community(Secret("cipher", "cipher", "%^%#def%^%#"))})),
        blocks={
            "radius-server template nac": Block(
                "aaa",
                "radius-server template nac",
                ("radius-server shared-key cipher %^%#ghi%^%#", "radius-server authentication 10.0.0.1 1812"),
            )
        },
    )
    carried, told = carry(switch, {}, "huawei")
    assert list(carried.users) == ["netadmin"], "a hash is good on every box of the make"
    assert carried.services.snmp_communities == frozenset()
    assert carried.blocks[RADIUS].lines == ("radius-server authentication 10.0.0.1 1812",)
    assert whats(told)[1:] == [
        "account duty",
        "SNMP community (read)",
        f"aaa: {RADIUS}: radius-server shared-key cipher ***",
    ]
    assert not any(secret in str(told) for secret in ("abc", "def", "ghi"))


def test_another_make_gets_no_hash_but_a_plain_community() -> None:
    switch = replace(
        OLD,
        users={
            "netadmin": User("netadmin", 15, secret=Secret("hash", "irreversible-cipher", "$1a$x$y$")),
            "lab": User("lab", 15, secret=Secret("plain", "simple", "pw")),
        },
        services=Services(snmp_communities=frozenset({Community(Secret("plain", "simple", "monitor"), "write")})),
    )
    carried, told = carry(switch, {}, "cisco_ios")
    assert carried.users["lab"].secret == Secret("plain", "secret 0", "pw") and "account netadmin" in whats(told)
    assert "snmp-server community monitor RW" in render(carried)
    assert carry(switch, {}, "hp_comware")[0].users["lab"].role == "network-admin"


def test_acls_go_along_within_a_platform_and_are_told_across() -> None:
    switch = replace(
        old(opaque=("traffic-filter inbound acl 3000",)), blocks={"acl number 3000": Block("acl", "acl number 3000", ("rule 5 permit ip",))}
    )
    within, told = carry(switch, {A: A}, "huawei")
    assert within.blocks == switch.blocks and within.ports[A].opaque == switch.ports[A].opaque and len(told) == 1
    across, told = carry(switch, {A: "GigabitEthernet1/0/1"}, "hp_comware")
    assert across.blocks == {} and across.ports["GigabitEthernet1/0/1"].opaque == ()
    assert "acl: acl number 3000" in whats(told) and f"port {A}: traffic-filter inbound acl 3000" in whats(told)


def test_a_stack_s_member_number_stays_with_the_box() -> None:
    switch = replace(OLD, platform="hp_comware", ports={}, blocks={"irf member 2 priority 10": Block("system", "irf member 2 priority 10")})
    carried, told = carry(switch, {}, "hp_comware")
    assert carried.blocks == {} and "system: irf member 2 priority 10" in whats(told)


@pytest.mark.parametrize("platform", ["ruijie_os", "cisco_ios"])
def test_a_hybrid_port_becomes_what_the_other_make_has(platform: str) -> None:
    pc = old(mode="hybrid", native_vlan=20, untagged_vlans=frozenset({20}))
    assert (moved(pc, platform)[0].mode, moved(pc, platform)[0].access_vlan) == ("access", 20)
    ap = old(mode="hybrid", native_vlan=20, untagged_vlans=frozenset({20, 30}), allowed_vlans=frozenset({99}))
    port, told = moved(ap, platform)
    assert (port.mode, port.native_vlan, port.allowed_vlans) == ("trunk", 20, {20, 99})
    assert f"port {A}: VLANs 30 untagged beside 20" in [what.replace("GigabitEthernet1/0/1", A) for what in whats(told)]


def test_a_negotiating_port_becomes_an_access_port_elsewhere_and_a_trunk_if_it_was_prepared_for_one() -> None:
    cisco = Switch(
        "cisco_ios", ports={A: Port(A, mode="dynamic", access_vlan=20), B: Port(B, mode="dynamic", allowed_vlans=frozenset({20}))}
    )
    carried, told = carry(cisco, {A: A, B: B}, "huawei")
    assert (carried.ports[A].mode, carried.ports[A].access_vlan) == ("access", 20)
    assert (carried.ports[B].mode, carried.ports[B].allowed_vlans) == ("trunk", {20})
    assert whats(told) == [f"port {B}: negotiated trunk"]


def test_members_say_what_their_aggregate_says_where_that_is_the_custom() -> None:
    switch = replace(old(aggregate=1), aggregates={1: Aggregate(1, "lacp", mode="trunk", allowed_vlans=frozenset({20, 99}))})
    member, _ = moved(switch, "hp_comware")
    assert (member.mode, member.allowed_vlans, member.aggregate) == ("trunk", {20, 99}, 1)
    back, _ = carry(carry(switch, {A: "GigabitEthernet1/0/1"}, "hp_comware")[0], {"GigabitEthernet1/0/1": A}, "huawei")
    assert (back.ports[A].mode, back.ports[A].allowed_vlans) == ("dynamic", frozenset())


def test_spanning_tree_by_vlan_and_for_all() -> None:
    cisco = replace(OLD, platform="cisco_ios", ports={}, stp=Stp(mode="rapid-pvst", priorities={20: 8192, 30: 4096}))
    carried, told = carry(cisco, {}, "huawei")
    assert carried.stp.mode == "rstp" and carried.stp.priorities == {0: 4096} and "spanning tree priorities by VLAN" in whats(told)
    huawei = replace(OLD, stp=Stp(mode="rstp", priorities={0: 4096}))
    assert carry(huawei, {}, "cisco_ios")[0].stp.priorities == {1: 4096, 20: 4096, 30: 4096, 99: 4096}


def test_guards_of_single_ports_become_the_switch_s() -> None:
    cisco = Switch("cisco_ios", ports={A: Port(A, stp=PortStp(edge=True, bpdu_guard=True))}, stp=Stp(mode="rapid-pvst"))
    carried, told = carry(cisco, {A: A}, "huawei")
    assert carried.stp.bpdu_guard_default and carried.ports[A].stp == PortStp(edge=True) and told == []


def test_power_that_was_given_unasked_is_told_and_power_that_was_refused_stays_refused() -> None:
    _, told = moved(OLD, "hp_comware")
    assert "power (PoE) on ports that say nothing of it" in whats(told)
    refused, _ = moved(old(poe=Poe(enabled=False)), "cisco_ios")
    assert refused.poe.enabled is False


def test_a_vlan_that_was_only_described_gets_a_name() -> None:
    assert carry(OLD, {}, "cisco_ios")[0].vlans[30] == Vlan(30, "Infusion-pumps")


def test_the_spare_keeps_every_door_by_which_it_is_reached() -> None:
    spare = Switch(
        "huawei",
        "SPARE",
        vlans={1: Vlan(1), 77: Vlan(77)},
        ports=OLD.ports,
        users={"netadmin": User("netadmin", 15, secret=Secret("hash", "irreversible-cipher", "own"))},
        services=Services(ssh=True),
        management=Management("MEth0/0/1", address="10.20.99.12/24"),
        blocks={
            "user-interface vty 0 4": Block("line", "user-interface vty 0 4", ("protocol inbound ssh",)),
            "acl number 2999": Block("acl", "acl number 2999"),
        },
    )
    carried, _ = carry(OLD, {A: A, B: B}, "huawei")
    want = with_entrances(carried, spare)
    typed = lines("huawei", difference(spare, want))
    assert not [one for one in typed if "local-user" in one or "stelnet" in one or "vty" in one or "MEth" in one]
    assert "undo vlan 77" in typed and "undo acl number 2999" in typed and typed[-1] == "sysname WARD-1"


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*/*.cfg")), ids=lambda file: file.stem)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_configuration_can_be_said_on_every_platform(file: Path, platform: str) -> None:
    switch = parse(file.parent.name, file.read_text(encoding="utf-8"))
    port = next(iter(load(platform).data["names"]["port"]))
    join = load(platform).data["names"].get("join", "")
    number = "0/{}" if platform == "ruijie_os" else "1/0/{}"
    same = platform == switch.platform
    ports = {name: name if same else f"{port}{join}{number.format(n)}" for n, name in enumerate(switch.ports, 1)}
    carried, told = carry(switch, ports, platform)
    again = parse(platform, "\n".join(render(carried)))
    assert again == carried and again.unknown == ()
    assert set(carried.vlans) == set(switch.vlans) and len(carried.ports) == len(switch.ports)
    assert {one.what.partition(":")[0] for one in told} >= {
        f"line {line.line}{f' in {line.view!r}' if line.view else ''}".partition(":")[0] for line in switch.unknown
    }
