"""Reading what Open vSwitch, lldpd and the kernel say; the text in, plain values out."""

from __future__ import annotations

import fcntl
import json
import re
import socket
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from lab.switch.backend import Counters, Neighbour, StpPort, StpState

DARK_DBM = -40.0
COUNTED = ("in_octets", "in_packets", "in_errors", "in_drops", "", "in_crc", "", "", "out_octets", "out_packets", "out_errors", "out_drops")
SIOCGIFFLAGS, IFF_RUNNING = 0x8913, 0x40
STATES = {"Forwarding": "forwarding", "Learning": "learning"}


@dataclass(frozen=True)
class Learnt:
    """An address that was learnt behind an interface."""

    vlan: int
    mac: str
    interface: str


@dataclass(frozen=True)
class Lacp:
    """What LACP agreed: the interfaces in use, and who is at the other side."""

    members: frozenset[str] = frozenset()
    partner: str = ""


def carrier(interface: str) -> bool:
    """Tell whether an interface is up and has a carrier; one that is not there has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, SIOCGIFFLAGS, struct.pack("16sh22x", interface.encode(), 0))
        except OSError:
            return False
    return bool(struct.unpack("16sh22x", answer)[1] & IFF_RUNNING)


def counters() -> dict[str, Counters]:
    """Read the kernel's counters of every interface that is there."""
    found = {}
    for line in Path("/proc/self/net/dev").read_text(encoding="ascii").splitlines()[2:]:
        name, _, numbers = line.partition(":")
        values = dict(zip(COUNTED, map(int, numbers.split()), strict=False))
        found[name.strip()] = Counters(**{key: value for key, value in values.items() if key})
    return found


def minus(now: Counters, then: Counters) -> Counters:
    """Return what was counted since; a cable that was replaced counts from zero."""
    return Counters(**{name: max(0, getattr(now, name) - getattr(then, name)) for name in COUNTED if name})


def seconds_since_boot() -> float:
    """Return the age of the first process of this host."""
    started = int(Path("/proc/1/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]) / 100
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]) - started


def numbers(text: str, elsewhere: Collection[str] = ()) -> dict[int, str]:
    """Read which interface has which number, from ``ovs-vsctl -f json list Interface``; ``elsewhere``: those of other bridges."""
    return {number: str(name) for name, number in json.loads(text)["data"] if isinstance(number, int) and name not in elsewhere}


def learnt(text: str, interfaces: Mapping[int, str]) -> list[Learnt]:
    """Read ``fdb/show``: port, VLAN, MAC, age."""
    found = []
    for line in text.splitlines():
        if match := re.fullmatch(r"\s*(\d+)\s+(\d+)\s+([0-9a-f:]{17})\s+\S+\s*", line):
            found.append(Learnt(int(match[2]), match[3], interfaces.get(int(match[1]), "")))
    return found


def stp(text: str, mac: str, priority: int) -> StpState:
    """Read ``rstp/show``; ports are called by their interfaces."""
    root = re.search(r"Root ID:.*?stp-priority\s+(\d+).*?stp-system-id\s+([0-9a-f:]{17})", text, re.DOTALL)
    cost = re.search(r"^\s*root-path-cost\s+(\d+)", text, re.MULTILINE)
    ports, root_port = {}, ""
    for match in re.finditer(r"^\s*(\S+)\s+(Root|Designated|Alternate|Backup|Disabled)\s+(\w+)\s+(\d+)\s+(\d+)\.(\d+)", text, re.MULTILINE):
        role = cast(Literal["root", "designated", "alternate", "backup", "disabled"], match[2].lower())
        state = cast(Literal["forwarding", "learning", "discarding"], STATES.get(match[3], "discarding"))
        ports[match[1]] = StpPort(role, state, int(match[4]), int(match[5]))
        root_port = match[1] if role == "root" else root_port
    return StpState(
        bridge_mac=mac,
        priority=priority,
        root_mac=root[2] if root else mac,
        root_priority=int(root[1]) if root else priority,
        root_cost=int(cost[1]) if cost else 0,
        root_port=root_port,
        ports=ports,
    )


def lacp(text: str) -> Lacp:
    """Read ``lacp/show``: who is attached, and the partner's system."""
    members, partner = set(), ""
    for block in re.split(r"^(?:slave|member): ", text, flags=re.MULTILINE)[1:]:
        name = block.split(":", 1)[0].strip()
        if re.search(r"may_enable: true", block) and "defaulted" not in block.splitlines()[0]:
            members.add(name)
        if (found := re.search(r"partner sys_id: ([0-9a-f:]{17})", block)) and found[1] != "00:00:00:00:00:00":
            partner = found[1]
    return Lacp(frozenset(members), partner)


def _first(value: Any, key: str = "value") -> str:
    """Return the first value of lldpcli's ``json0``, where everything is a list."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return str(value[0].get(key, ""))
    return ""


def _age(text: str) -> int:
    """Read ``0 day, 00:01:05`` into seconds."""
    days, _, clock = text.partition(" day, ")
    hours, minutes, seconds = (int(word) for word in clock.split(":"))
    return ((int(days) * 24 + hours) * 60 + minutes) * 60 + seconds


def neighbours(text: str) -> Iterator[Neighbour]:
    """Read ``lldpcli -f json0 show neighbors``; ``port`` is the interface here, and only the youngest on each is told."""
    try:
        interfaces = json.loads(text)["lldp"][0].get("interface", [])
    except (ValueError, KeyError, IndexError):
        return
    youngest: dict[str, tuple[int, dict[str, Any]]] = {}
    for entry in interfaces:
        age = _age(str(entry.get("age", "0 day, 00:00:00")))
        if entry["name"] not in youngest or age < youngest[entry["name"]][0]:
            youngest[entry["name"]] = (age, entry)
    for name, (_, entry) in sorted(youngest.items()):
        chassis, port = (entry.get(key) or [{}] for key in ("chassis", "port"))
        ttl = _first(port[0].get("ttl")) or _first(entry.get("ttl"), "ttl")
        yield Neighbour(
            port=name,
            system_name=_first(chassis[0].get("name")),
            port_id=_first(port[0].get("id")),
            chassis_id=_first(chassis[0].get("id")),
            port_description=_first(port[0].get("descr")),
            system_description=_first(chassis[0].get("descr")),
            management_address=_first(chassis[0].get("mgmt-ip")),
            capabilities=tuple(row["type"] for row in chassis[0].get("capability", []) if row.get("enabled")),
            ttl=int(ttl) if ttl.isdigit() else 120,
        )
