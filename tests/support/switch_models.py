"""Switch configurations for property tests: any of a platform's words, in any combination that the platform can hold.

A configuration has a thousand facts: it is made from a number by ``random``, because hypothesis takes seconds to draw that many one by one.
Hypothesis draws the number.
"""

from __future__ import annotations

from random import Random
from typing import Any, TypeVar

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
T = TypeVar("T")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"


class Maker:
    """Makes parts of a configuration of one platform."""

    def __init__(self, platform: str, seed: int) -> None:
        self.platform, self.random = platform, Random(seed)  # noqa: S311 - data for tests

    def one(self, *values: T) -> T:
        return self.random.choice(values)

    def yes(self) -> bool:
        return self.random.random() < 0.5

    def word(self) -> str:
        return "x" + "".join(self.random.choices(LETTERS, k=self.random.randint(1, 12)))

    def text(self) -> str:
        return " ".join(self.word() for _ in range(self.random.randint(1, 3)))

    def maybe(self, value: T, nothing: T) -> T:
        return value if self.yes() else nothing

    def vlan(self) -> int:
        return self.random.randint(2, 4094)

    def few(self) -> frozenset[int]:
        return frozenset(self.vlan() for _ in range(self.random.randint(0, 6)))

    def vlans(self) -> frozenset[int]:
        return self.one(self.few(), self.few() | {1}, frozenset(range(self.vlan(), 4095)), ALL_VLANS, ALL_VLANS - self.few())

    def ip(self) -> str:
        return f"10.20.{self.random.randint(1, 250)}.{self.random.randint(1, 250)}"

    def ips(self) -> frozenset[str]:
        return frozenset(self.ip() for _ in range(self.random.randint(0, 2)))

    def net(self) -> str:
        return f"{self.ip()}/{self.random.randint(8, 30)}"

    def percent(self) -> float | None:
        return self.maybe(float(self.random.randint(1, 99)), None)

    def secret(self, bare: bool = False) -> Secret:
        kind, form = self.one(*sorted(load(self.platform).style.secrets.items()))
        return Secret("plain", "", self.word()) if bare else Secret(form, kind, self.word())

    def switching(self) -> dict[str, Any]:
        """What ports and aggregates have in common."""
        return {
            "description": self.maybe(self.text(), ""),
            "enabled": self.yes(),
            "mode": self.one("access", "trunk", "hybrid", "dynamic", "routed"),
            "access_vlan": self.maybe(self.vlan(), 1),
            "native_vlan": self.maybe(self.vlan(), 1),
            "allowed_vlans": self.vlans(),
            "untagged_vlans": self.few(),
            "mtu": self.maybe(self.random.randint(1500, 9216), None),
            "stp": PortStp(*(self.yes() for _ in range(6)), self.one(0, 1, 20000), self.one(0, 64, 160)),
            "snooping_trust": self.yes(),
            "arp_trust": self.yes(),
            "address": self.maybe(self.net(), ""),
        }

    def port(self, name: str) -> Port:
        macs = frozenset((f"{self.random.getrandbits(48):012x}", self.maybe(self.vlan(), 0)) for _ in range(self.random.randint(0, 2)))
        return Port(
            name=name,
            **self.switching(),
            voice_vlan=self.maybe(self.vlan(), None),
            speed=self.one(None, 10, 100, 1000),
            duplex=self.one("", "full", "half"),
            security=PortSecurity(self.yes(), self.one(None, 2, 9), self.one("", "protect", "restrict", "shutdown"), self.yes(), macs),
            dot1x=self.yes(),
            mac_authentication=self.yes(),
            storm=Storm(self.percent(), self.percent(), self.percent()),
            poe=Poe(self.one(None, True, False), self.one("", "low", "high", "critical")),
            lldp=self.yes(),
            isolated=self.yes(),
            aggregate=self.one(None, None, 1, 2, 3),
        )

    def svi(self, vlan: int) -> Svi:
        groups = {self.random.randint(1, 255) for _ in range(self.random.randint(0, 2))}
        return Svi(
            vlan,
            description=self.maybe(self.text(), ""),
            enabled=self.yes(),
            address=self.net(),
            secondary=frozenset(self.net() for _ in range(self.random.randint(0, 2))),
            vrf=self.maybe(self.word(), ""),
            mtu=self.maybe(self.random.randint(1280, 1500), None),
            relay=self.yes(),
            relays=self.ips(),
            vrrp={group: Vrrp(group, self.ip(), self.one(90, 100, 120), self.yes()) for group in sorted(groups)},
        )

    def services(self) -> Services:
        community = [
            Community(self.secret(self.yes()), self.one("read", "write"), self.maybe("10", "")) for _ in range(self.random.randint(0, 2))
        ]
        traps = [TrapHost(self.ip(), self.secret(bare=True), self.one("", "v2c", "2c")) for _ in range(self.random.randint(0, 2))]
        return Services(
            ntp_servers=self.ips(),
            syslog_hosts=self.ips(),
            dns_servers=self.ips(),
            snmp_agent=self.yes(),
            snmp_contact=self.maybe(self.text(), ""),
            snmp_location=self.maybe(self.text(), ""),
            snmp_communities=frozenset(community),
            snmp_traps=frozenset(traps),
            lldp=self.yes(),
            dhcp=self.yes(),
            snooping=self.yes(),
            snooping_vlans=self.few(),
            arp_inspection_vlans=self.few(),
            dot1x=self.yes(),
            ssh=self.yes(),
        )

    def stp(self) -> Stp:
        mode = self.one("stp", "rstp", "mstp", "pvst", "rapid-pvst")
        # By VLAN there is no VLAN 0.
        keys = [key for key in (0, 1, 2) if self.yes() and (key or mode not in ("pvst", "rapid-pvst"))]
        return Stp(self.yes(), mode, {key: self.one(0, 4096, 8192) for key in keys}, self.yes(), self.yes())

    def blocks(self) -> dict[str, Block]:
        """ACLs whose rules nobody models."""
        cisco = load(self.platform).style.negation == "no"
        found = {}
        for number in sorted({self.random.randint(3000, 3005) for _ in range(self.random.randint(0, 2))}):
            header = f"ip access-list extended {number}" if cisco else f"acl number {number}"
            rules = sorted(self.random.sample(range(1, 201), self.random.randint(1, 3)))
            lines = tuple(f"permit ip host 10.0.0.{n} any" if cisco else f"rule {n} permit ip source 10.0.0.{n} 0" for n in rules)
            found[header] = Block("acl", header, lines)
        return found

    def user(self, name: str) -> User:
        services = frozenset(word for word in ("ssh", "terminal") if self.yes())
        return User(
            name, self.maybe(self.random.randint(1, 15), None), self.maybe(self.word(), ""), self.maybe(self.secret(), None), services
        )


def a_switch(platform: str, seed: int, sizes: int = 3) -> Switch:
    """A configuration that the platform can hold: what it has no words for is taken away again."""
    make = Maker(platform, seed)
    vlans = sorted({make.vlan() for _ in range(make.random.randint(0, 5))})
    port_names = [pattern.format(n=n) for pattern in PORTS[platform] for n in range(1, sizes + 1)]
    switch = Switch(
        platform,
        make.word(),
        vlans={1: Vlan(1)} | {n: Vlan(n, make.maybe(make.word(), ""), make.maybe(make.text(), "")) for n in vlans},
        ports={name: make.port(name) for name in port_names},
        aggregates={n: Aggregate(n, make.one("static", "lacp", "lacp_passive"), **make.switching()) for n in (1, 2, 3)},
        stp=make.stp(),
        svis={n: make.svi(n) for n in vlans[:2]},
        routes=frozenset(
            Route(make.net(), make.ip(), make.one(0, 70, 200), make.maybe(make.word(), "")) for _ in range(make.random.randint(0, 2))
        ),
        users={name: make.user(name) for name in [make.word() for _ in range(make.random.randint(0, 2))]},
        services=make.services(),
        management=Management(
            MANAGEMENT[platform],
            make.maybe(make.text(), ""),
            make.maybe(make.net(), ""),
            make.maybe(make.ip(), ""),
            make.maybe(make.word(), ""),
        ),
        blocks=make.blocks(),
    )
    return expressible(switch)[0]


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
