"""Switch configurations for property tests: any of a platform's words, in any combination that the platform can hold."""

from __future__ import annotations

import string
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from recovery.network import names
from recovery.network.facts import CLASSES, flat, parts
from recovery.network.grammar import load
from recovery.network.model import (
    ALL_VLANS,
    Aggregate,
    Block,
    Community,
    Management,
    Poe,
    Port,
    PortSecurity,
    PortStp,
    Route,
    Secret,
    Services,
    Storm,
    Stp,
    Svi,
    Switch,
    TrapHost,
    User,
    Vlan,
    Vrrp,
)
from recovery.network.normal import expressible

PORTS = {
    "huawei": ["GigabitEthernet0/0/{n}", "XGigabitEthernet0/0/{n}"],
    "huawei_vrpv8": ["10GE1/0/{n}", "100GE1/0/{n}"],
    "hp_comware": ["GigabitEthernet1/0/{n}", "Ten-GigabitEthernet1/0/{n}"],
    "ruijie_os": ["GigabitEthernet 0/{n}", "TenGigabitEthernet 0/{n}"],
    "cisco_ios": ["GigabitEthernet1/0/{n}", "TenGigabitEthernet1/0/{n}"],
}
MANAGEMENT = {
    "huawei": "MEth0/0/1",
    "huawei_vrpv8": "MEth0/0/0",
    "hp_comware": "M-GigabitEthernet0/0/0",
    "ruijie_os": "Mgmt 0",
    "cisco_ios": "FastEthernet0",
}
WORDS = string.ascii_letters + string.digits + "_-"
words = st.text(WORDS, min_size=1, max_size=12).map(lambda text: f"x{text}")
texts = st.lists(words, min_size=1, max_size=3).map(" ".join)
ids = st.integers(2, 4094)
few = st.frozensets(ids, max_size=6)
ips = st.integers(1, 250).map(lambda n: f"10.20.{n}.{n}")
nets = st.tuples(ips, st.integers(8, 30)).map(lambda pair: f"{pair[0]}/{pair[1]}")
macs = st.integers(0, 2**48 - 1).map(lambda n: f"{n:012x}")
percents = st.none() | st.integers(1, 99).map(float)


def vlan_sets() -> st.SearchStrategy[frozenset[int]]:
    """Some VLANs, with or without VLAN 1; now and then all of them."""
    return st.one_of(few, few.map(lambda vlans: vlans | {1}), st.just(ALL_VLANS), few.map(lambda vlans: ALL_VLANS - vlans))


def secrets(platform: str) -> st.SearchStrategy[Secret]:
    style = load(platform).style
    return st.tuples(st.sampled_from(sorted(style.secrets.items())), words).map(lambda found: Secret(found[0][1], found[0][0], found[1]))


def _switching(**more: Any) -> dict[str, Any]:
    return {
        "description": st.just("") | texts,
        "enabled": st.booleans(),
        "mode": st.sampled_from(["access", "trunk", "hybrid", "dynamic", "routed"]),
        "access_vlan": st.just(1) | ids,
        "native_vlan": st.just(1) | ids,
        "allowed_vlans": vlan_sets(),
        "untagged_vlans": few,
        "mtu": st.none() | st.integers(1500, 9216),
        "stp": st.builds(PortStp, *[st.booleans()] * 6, st.sampled_from([0, 1, 20000]), st.sampled_from([0, 64, 160])),
        "snooping_trust": st.booleans(),
        "arp_trust": st.booleans(),
        "address": st.just("") | nets,
        **more,
    }


def ports(name: str) -> st.SearchStrategy[Port]:
    return st.builds(
        Port,
        name=st.just(name),
        **_switching(
            voice_vlan=st.none() | ids,
            speed=st.sampled_from([None, 10, 100, 1000]),
            duplex=st.sampled_from(["", "full", "half"]),
            security=st.builds(
                PortSecurity,
                st.booleans(),
                st.none() | st.integers(2, 9),
                st.sampled_from(["", "protect", "restrict", "shutdown"]),
                st.booleans(),
                st.frozensets(st.tuples(macs, st.just(0) | ids), max_size=2),
            ),
            dot1x=st.booleans(),
            mac_authentication=st.booleans(),
            storm=st.builds(Storm, percents, percents, percents),
            poe=st.builds(Poe, st.sampled_from([None, True, False]), st.sampled_from(["", "low", "high", "critical"])),
            lldp=st.booleans(),
            isolated=st.booleans(),
            aggregate=st.none() | st.integers(1, 3),
        ),
    )


def svis(vlan: int) -> st.SearchStrategy[Svi]:
    groups = st.dictionaries(st.integers(1, 255), st.tuples(ips, st.sampled_from([90, 100, 120]), st.booleans()), max_size=2)
    return st.builds(
        Svi,
        vlan=st.just(vlan),
        description=st.just("") | texts,
        enabled=st.booleans(),
        address=nets,
        secondary=st.frozensets(nets, max_size=2),
        vrf=st.just("") | words,
        mtu=st.none() | st.integers(1280, 1500),
        relay=st.booleans(),
        relays=st.frozensets(ips, max_size=2),
        vrrp=groups.map(lambda found: {group: Vrrp(group, *rest) for group, rest in found.items()}),
    )


def services(platform: str) -> st.SearchStrategy[Services]:
    sets = st.frozensets(ips, max_size=2)
    community = st.builds(
        Community,
        secrets(platform) | words.map(lambda text: Secret("plain", "", text)),
        st.sampled_from(["read", "write"]),
        st.just("") | st.just("10"),
    )
    return st.builds(
        Services,
        ntp_servers=sets,
        syslog_hosts=sets,
        dns_servers=sets,
        snmp_agent=st.booleans(),
        snmp_contact=st.just("") | texts,
        snmp_location=st.just("") | texts,
        snmp_communities=st.frozensets(community, max_size=2),
        snmp_traps=st.frozensets(
            st.builds(TrapHost, ips, words.map(lambda text: Secret("plain", "", text)), st.sampled_from(["v2c", "2c"])), max_size=2
        ),
        lldp=st.booleans(),
        dhcp=st.booleans(),
        snooping=st.booleans(),
        snooping_vlans=few,
        arp_inspection_vlans=few,
        dot1x=st.booleans(),
        ssh=st.booleans(),
    )


@st.composite
def switches(draw: st.DrawFn, platform: str, sizes: int = 2) -> Switch:
    """A configuration that the platform can hold: what it has no words for is taken away again."""
    vlans = draw(st.dictionaries(ids, st.tuples(st.just("") | words, st.just("") | texts), max_size=5))
    port_names = [pattern.format(n=n) for pattern in PORTS[platform] for n in range(1, sizes + 1)]
    here = sorted(vlans)
    found = {
        "vlans": {1: Vlan(1)} | {n: Vlan(n, *vlans[n]) for n in here},
        "aggregates": {
            n: draw(st.builds(Aggregate, id=st.just(n), protocol=st.sampled_from(["static", "lacp", "lacp_passive"]), **_switching()))
            for n in (1, 2, 3)
        },
        "ports": {name: draw(ports(name)) for name in port_names},
        "stp": draw(
            st.builds(
                Stp,
                st.booleans(),
                st.sampled_from(["stp", "rstp", "mstp", "pvst", "rapid-pvst"]),
                st.dictionaries(st.sampled_from([0, 1, 2]), st.sampled_from([0, 4096, 8192]), max_size=2).map(
                    lambda d: dict(sorted(d.items()))
                ),
                st.booleans(),
                st.booleans(),
            )
        ),
        "svis": {n: draw(svis(n)) for n in here[:2]},
        "routes": draw(st.frozensets(st.builds(Route, nets, ips, st.sampled_from([0, 70, 200]), st.just("") | words), max_size=2)),
        "users": {
            name: draw(
                st.builds(
                    User,
                    st.just(name),
                    st.none() | st.integers(1, 15),
                    st.just("") | words,
                    st.none() | secrets(platform),
                    st.frozensets(st.sampled_from(["ssh", "terminal"])),
                )
            )
            for name in draw(st.lists(words, max_size=2, unique=True))
        },
        "services": draw(services(platform)),
        "management": draw(
            st.builds(
                Management,
                st.just(MANAGEMENT[platform]),
                st.just("") | texts,
                st.just("") | nets,
                st.just("") | ips,
                st.just("") | words,
                st.booleans(),
            )
        ),
        "blocks": draw(blocks(platform)),
    }
    if found["stp"].mode in ("pvst", "rapid-pvst"):
        # By VLAN, and there is no VLAN 0.
        found["stp"] = replace(found["stp"], priorities={n: p for n, p in found["stp"].priorities.items() if n})
    return expressible(Switch(platform, draw(words), **found))[0]


def blocks(platform: str) -> st.SearchStrategy[dict[str, Block]]:
    """ACLs whose rules nobody models."""
    cisco = load(platform).style.negation == "no"
    header = (lambda n: f"ip access-list extended {n}") if cisco else (lambda n: f"acl number {n}")
    rule = (lambda n: f"permit ip host 10.0.0.{n} any") if cisco else (lambda n: f"rule {n} permit ip source 10.0.0.{n} 0")
    lines = st.lists(st.integers(1, 200), min_size=1, max_size=3, unique=True).map(lambda ns: tuple(rule(n) for n in sorted(ns)))
    found = st.dictionaries(st.integers(3000, 3005), lines, max_size=2)
    return found.map(lambda rows: {header(n): Block("acl", header(n), lines) for n, lines in sorted(rows.items())})


def spelt(platform: str, name: str) -> str:
    """A port's name in full."""
    return names.long(platform, name)


def unlike(one: Switch, other: Switch) -> list[tuple[str, object, str, object, object]]:
    """Every fact in which two configurations differ: (kind, key, fact, in the one, in the other)."""
    found: list[tuple[str, object, str, object, object]] = []
    for kind in (*CLASSES, "route", "block", "hostname"):
        mine, theirs = parts(one, kind), parts(other, kind)
        for key in {**mine, **theirs}:
            a, b = mine.get(key), theirs.get(key)
            if a == b:
                continue
            if kind in CLASSES and a is not None and b is not None:
                before, after = flat(a), flat(b)
                found += [
                    (kind, key, fact, before.get(fact), after.get(fact))
                    for fact in {**before, **after}
                    if before.get(fact) != after.get(fact)
                ]
            else:
                found.append((kind, key, kind, a, b))
    return found
