"""From one configuration to another: what is typed, in which order, and what is never touched; and that real command lines take it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recovery.network.change import MissingPort, Operation, apply, difference, inverse, lines
from recovery.network.grammar import PLATFORMS, load
from recovery.network.model import (
    ALL_VLANS,
    Aggregate,
    Block,
    Port,
    PortStp,
    Route,
    Secret,
    Services,
    Stp,
    Svi,
    Switch,
    User,
    Vlan,
)
from recovery.network.normal import expressible
from recovery.network.parse import parse
from recovery.network.writing import NotExpressible
from support.switch_models import unlike
from support.switches import Line, describe, line

TRUNK = Port("GigabitEthernet0/0/1", mode="trunk", allowed_vlans=frozenset({1, 10, 20}))
HUAWEI = Switch("huawei", "old", vlans={n: Vlan(n) for n in (1, 10, 20)}, ports={TRUNK.name: TRUNK})


def typed(have: Switch, want: Switch) -> list[str]:
    return lines(have.platform, difference(have, want))


def with_port(switch: Switch, **facts: object) -> Switch:
    name, port = next(iter(switch.ports.items()))
    return replace(switch, ports={**switch.ports, name: replace(port, **facts)})  # type: ignore[arg-type]


def test_a_vlan_leaves_a_trunk_and_the_others_are_not_spoken_of() -> None:
    want = with_port(HUAWEI, allowed_vlans=frozenset({1, 10}))
    assert typed(HUAWEI, want) == ["interface GigabitEthernet0/0/1", "undo port trunk allow-pass vlan 20", "quit"]


def test_a_cisco_trunk_is_added_to_and_taken_from() -> None:
    have = Switch(
        "cisco_ios", ports={"GigabitEthernet1/0/1": Port("GigabitEthernet1/0/1", mode="trunk", allowed_vlans=frozenset({10, 20}))}
    )
    want = with_port(have, allowed_vlans=frozenset({10, 30}))
    assert typed(have, want)[1:-1] == ["switchport trunk allowed vlan remove 20", "switchport trunk allowed vlan add 30"]


def test_a_cisco_port_is_told_its_vlans_before_it_becomes_a_trunk() -> None:
    have = Switch("cisco_ios", ports={"GigabitEthernet1/0/1": Port("GigabitEthernet1/0/1", access_vlan=20)})
    want = with_port(have, mode="trunk", access_vlan=1, allowed_vlans=frozenset({10, 20}))
    assert typed(have, want)[1:-1] == [
        "no switchport access vlan",
        "switchport trunk allowed vlan 10,20",
        "switchport mode trunk",
    ]
    assert typed(want, have)[1:-1] == ["switchport access vlan 20", "switchport mode access", "no switchport trunk allowed vlan"]


def test_a_huawei_trunk_gives_up_its_vlans_before_it_becomes_an_access_port() -> None:
    want = with_port(HUAWEI, mode="access", access_vlan=20, allowed_vlans=frozenset())
    assert typed(HUAWEI, want)[1:-1] == ["undo port trunk allow-pass vlan 10 20", "port link-type access", "port default vlan 20"]


def test_a_port_is_stripped_before_it_joins_an_aggregate_and_dressed_after_it_left() -> None:
    joined = replace(
        with_port(HUAWEI, mode="dynamic", allowed_vlans=frozenset(), aggregate=1), aggregates={1: Aggregate(1, mode="dynamic")}
    )
    there = typed(HUAWEI, joined)
    assert there.index("interface Eth-Trunk1") < there.index("eth-trunk 1")
    assert there.index("undo port link-type") < there.index("eth-trunk 1")
    back = typed(joined, HUAWEI)
    assert back.index("undo eth-trunk") < back.index("port link-type trunk") < back.index("undo interface Eth-Trunk1")


def test_vlans_come_first_and_go_last() -> None:
    want = replace(with_port(HUAWEI, allowed_vlans=frozenset({1, 10, 30})), vlans={n: Vlan(n) for n in (1, 10, 30)})
    found = typed(HUAWEI, want)
    assert found[0] == "vlan batch 30" and found[-1] == "undo vlan 20"


def test_the_first_vlan_is_neither_made_nor_removed() -> None:
    assert typed(HUAWEI, replace(HUAWEI, vlans={n: Vlan(n) for n in (10, 20)})) == []


def test_an_aggregate_of_another_protocol_is_told_to_its_members_where_they_say_it() -> None:
    have = Switch(
        "cisco_ios",
        ports={"GigabitEthernet1/0/1": Port("GigabitEthernet1/0/1", mode="dynamic", aggregate=1)},
        aggregates={1: Aggregate(1, "static", mode="dynamic")},
    )
    want = replace(have, aggregates={1: Aggregate(1, "lacp", mode="dynamic")})
    assert "no channel-group" in typed(have, want) and "channel-group 1 mode active" in typed(have, want)
    again = inverse(have, difference(have, want))
    assert "channel-group 1 mode on" in lines("cisco_ios", again)


def test_name_and_in_band_address_are_marked_and_come_last() -> None:
    have = replace(HUAWEI, svis={20: Svi(20, address="10.0.0.1/24"), 99: Svi(99, address="10.20.98.1/24")})
    have = replace(have, management=replace(have.management, vlan=99))
    want = replace(
        have,
        hostname="new",
        svis={20: Svi(20, address="10.0.0.2/24"), 99: Svi(99, address="10.20.98.2/24")},
        routes=frozenset({Route("0.0.0.0/0", "10.0.0.9")}),
    )
    operations = difference(have, want)
    assert [(one.kind, one.last) for one in operations] == [("svi", False), ("route", False), ("svi", True), ("hostname", True)]
    assert operations[2].key == 99


def test_a_changed_access_list_loses_and_gains_single_rules() -> None:
    have = replace(
        HUAWEI, blocks={"acl number 3000": Block("acl", "acl number 3000", ("rule 5 permit ip source 10.0.0.1 0", "rule 10 deny ip"))}
    )
    want = replace(
        HUAWEI, blocks={"acl number 3000": Block("acl", "acl number 3000", ("rule 5 permit ip source 10.0.0.2 0", "rule 10 deny ip"))}
    )
    assert typed(have, want) == ["acl number 3000", "undo rule 5", "rule 5 permit ip source 10.0.0.2 0", "quit"]


def test_a_port_that_the_switch_does_not_have_is_refused() -> None:
    with pytest.raises(MissingPort, match="has no port XGigabitEthernet0/0/9"):
        difference(HUAWEI, replace(HUAWEI, ports={**HUAWEI.ports, "XGigabitEthernet0/0/9": Port("XGigabitEthernet0/0/9")}))


def test_a_port_that_is_not_spoken_of_is_left_alone() -> None:
    assert difference(HUAWEI, replace(HUAWEI, ports={})) == []


def test_two_platforms_are_not_compared() -> None:
    with pytest.raises(ValueError, match=r"carry\(\) to the platform first"):
        difference(HUAWEI, replace(HUAWEI, platform="cisco_ios"))


def test_what_a_platform_has_no_words_for_is_refused_and_not_left_out() -> None:
    with pytest.raises(NotExpressible, match=r"huawei has no words for stp\.bpdu_guard"):
        typed(HUAWEI, with_port(HUAWEI, stp=PortStp(bpdu_guard=True)))


def test_an_operation_tells_what_changes() -> None:
    operation = Operation("port", TRUNK.name, TRUNK, replace(TRUNK, description="bed 1"))
    assert operation.changed() == {"description": ("", "bed 1")}
    assert operation.verb == "change" and operation.turned().new == TRUNK


# What no platform's grammar may lose without somebody seeing it here.
SPEECHLESS = {
    "huawei": {"port.stp.bpdu_guard", "aggregate.stp.bpdu_guard", "user.role", "management.gateway"},
    "huawei_vrpv8": {
        "port.voice_vlan",
        "port.stp.bpdu_guard",
        "port.poe.enabled",
        "port.poe.priority",
        "aggregate.stp.bpdu_guard",
        "user.role",
        "management.gateway",
    },
    "hp_comware": {
        "port.stp.bpdu_filter",
        "port.security.sticky",
        "aggregate.mtu",
        "aggregate.stp.bpdu_filter",
        "aggregate.address",
        "stp.edge_default",
        "user.level",
        "management.gateway",
    },
    "ruijie_os": {
        "vlan.description",
        "port.untagged_vlans",
        "port.voice_vlan",
        "port.stp.enabled",
        "aggregate.protocol",
        "aggregate.untagged_vlans",
        "aggregate.mtu",
        "aggregate.stp.enabled",
        "svi.relay",
        "user.role",
        "user.services",
        "services.snmp_agent",
        "services.dhcp",
        "services.dot1x",
    },
    "cisco_ios": {
        "vlan.description",
        "port.untagged_vlans",
        "port.stp.enabled",
        "port.poe.priority",
        "aggregate.protocol",
        "aggregate.untagged_vlans",
        "aggregate.mtu",
        "aggregate.stp.enabled",
        "stp.enabled",
        "svi.relay",
        "user.role",
        "user.services",
        "services.snmp_agent",
        "services.dhcp",
        "services.ssh",
    },
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_fact_has_words_but_the_named_ones(platform: str) -> None:
    grammar = load(platform)
    said = {
        f"{kind}.{fact}"
        for kind in grammar.defaults
        for fact in grammar.defaults[kind]
        for row in grammar.rows[kind]
        if row.covers(fact) or (row.shape == "whole" and any(fact in one.blanks for one in row.lines))
    }
    every = {f"{kind}.{fact}" for kind, facts in grammar.defaults.items() for fact in facts if fact not in ("opaque", "port")}
    assert every - said == SPEECHLESS[platform]


ENTER = {"quit": "system-view", "exit": "configure terminal"}


def running(session: Line, platform: str) -> Switch:
    words = load(platform).style.leave == "quit"
    session("return" if words else "end")
    session(
        {"huawei": "screen-length 0 temporary", "huawei_vrpv8": "screen-length 0 temporary", "hp_comware": "screen-length disable"}.get(
            platform, "terminal length 0"
        )
    )
    return parse(platform, session("display current-configuration" if words else "show running-config"))


def push(session: Line, platform: str, found: list[str]) -> None:
    """Type lines as a person would, and stop at the first that is rejected."""
    session(ENTER[load(platform).style.leave])
    for text in found:
        answer = session(text, "y", "y").lstrip()
        assert not answer.startswith(("^", "% ", "Error")), (text, answer)
    if platform == "huawei_vrpv8":
        assert "Error" not in session("commit")


def wanted(have: Switch) -> Switch:
    """A ward's switch, in words that every platform has."""
    grammar = load(have.platform)
    names = list(have.ports)
    some = frozenset({10, 20, 99})
    plain = {"mode": grammar.default("port")["mode"]}
    member = {"mode": "trunk", "allowed_vlans": some} if grammar.data["members"] == "repeat" else plain
    facts: dict[int, dict[str, object]] = {
        0: {"description": "Bed 1", "mode": "access", "access_vlan": 20, "stp": PortStp(edge=True)},
        1: {"description": "Access point", "mode": "trunk", "native_vlan": 99, "allowed_vlans": some},
        2: {"enabled": False, "mode": "access", "access_vlan": 10},
        3: {"mode": "trunk", "allowed_vlans": ALL_VLANS, "snooping_trust": True},
        4: {"mode": "trunk", "allowed_vlans": some, "stp": PortStp(root_guard=True)},
        8: {"aggregate": 1, **member},
        9: {"aggregate": 1, **member},
    }
    ports = {name: replace(have.ports[name], **facts.get(n, {})) for n, name in enumerate(names)}  # type: ignore[arg-type]
    want = replace(
        have,
        hostname="ward-7",
        vlans={1: Vlan(1), 10: Vlan(10, "servers"), 20: Vlan(20, "wards"), 30: Vlan(30), 99: Vlan(99, "management")},
        ports=ports,
        aggregates={1: Aggregate(1, "lacp", "To the core", mode="trunk", allowed_vlans=some)},
        stp=Stp(
            mode="rapid-pvst" if have.platform == "cisco_ios" else "rstp",
            priorities={20: 8192} if have.platform == "cisco_ios" else {0: 8192},
        ),
        svis={**have.svis, 99: Svi(99, "In band", address="10.20.98.31/24")},
        routes=frozenset({Route("0.0.0.0/0", "10.20.98.1")}),
        services=replace(
            have.services,
            lldp=True,
            snooping=True,
            ntp_servers=frozenset({"10.20.10.5"}),
            syslog_hosts=frozenset({"10.20.10.6"}),
            snmp_location="Ward 7",
        ),
    )
    return expressible(want)[0]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_command_line_takes_every_line_and_shows_what_was_wanted(platform: str) -> None:
    """The lab's command lines are written by others, after the vendors' manuals: they reject what they do not know."""
    session = line(describe("acc-1", platform, access=8, uplinks=2))
    have = running(session, platform)
    assert have.unknown == () and len(have.ports) == 10
    want = wanted(have)
    operations = difference(have, want)
    push(session, platform, lines(platform, operations))
    there = running(session, platform)
    assert there.unknown == ()
    assert unlike(want, there) == []
    assert difference(there, want) == []
    push(session, platform, lines(platform, inverse(have, operations)))
    assert unlike(have, running(session, platform)) == []


def test_apply_follows_each_operation() -> None:
    want = replace(
        HUAWEI,
        hostname="new",
        users={"duty": User("duty", 3, secret=Secret("hash", "irreversible-cipher", "x"))},
        services=Services(lldp=True),
        routes=frozenset({Route("10.0.0.0/8", "10.1.1.1")}),
    )
    switch = HUAWEI
    for operation in difference(HUAWEI, want):
        switch = apply(switch, [operation])
    assert switch == want
