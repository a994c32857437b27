"""How a platform calls its ports: long and short forms, and what a name stands for. The table is ``names`` in platform.yml.

netutils is right for Cisco only; Huawei's XGE, H3C's BAGG and Ruijie's ``GigabitEthernet 0/1`` with its blank need a table of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from .grammar import Grammar, View, load
from .model import Switch

_NAME = re.compile(r"^(?P<type>[A-Za-z][A-Za-z-]*|\d+G[A-Za-z]*|[A-Za-z]+\d+G[A-Za-z]*)\s*(?P<number>\d+(?:/\d+)*(?::\d+)?(?:\.\d+)?)$")


@dataclass(frozen=True)
class _Type:
    kind: str
    long: str
    shorts: tuple[str, ...]
    numbers: str


@cache
def _types(platform: str) -> tuple[_Type, ...]:
    table = load(platform).data["names"]
    found = []
    for kind in ("management", "svi", "aggregate", "port", "other"):
        for long, given in (table.get(kind) or {}).items():
            spec: dict[str, Any] = given if isinstance(given, dict) else {"short": given or []}
            found.append(_Type(kind, long, tuple(spec.get("short", ())), spec.get("numbers", r"[\d/:.]+")))
    return tuple(found)


def _known(platform: str, name: str) -> tuple[_Type, str] | None:
    found = _NAME.match(name.strip())
    if not found:
        return None
    word, number = found["type"].lower(), found["number"]
    for kind in _types(platform):
        if word in (kind.long.lower(), *(short.lower() for short in kind.shorts)) and re.fullmatch(kind.numbers, number):
            return kind, number
    return None


def classify(platform: str, name: str) -> tuple[str, Any]:
    """Say what an interface name stands for.

    Returns the kind (port, aggregate, svi, management, other) and its key in the model: the long name of a port or management port,
    the number of an aggregate, the VLAN of an SVI. A name that the table does not know is ``other`` under itself.
    """
    known = _known(platform, name)
    if not known:
        return "other", name.strip()
    kind, number = known
    if kind.kind in ("aggregate", "svi"):
        return (kind.kind, int(number)) if number.isdigit() else ("other", name.strip())
    return kind.kind, _spelt(platform, kind.long, number)


def _spelt(platform: str, word: str, number: str) -> str:
    return f"{word}{load(platform).data['names'].get('join', '')}{number}"


def long(platform: str, name: str) -> str:
    """Return the name as the platform's configuration writes it; what the table does not know stays as it is."""
    known = _known(platform, name)
    return _spelt(platform, known[0].long, known[1]) if known else name.strip()


def short(platform: str, name: str) -> str:
    """Return the name as the platform's tables write it (``GE0/0/1``, ``BAGG1``); what the table does not know stays as it is."""
    known = _known(platform, name)
    return f"{known[0].shorts[0] if known[0].shorts else known[0].long}{known[1]}" if known else name.strip()


def same(platform: str, one: str, other: str) -> bool:
    """Say whether two names, in whatever form, are one interface."""
    return long(platform, one) == long(platform, other)


def aggregate(platform: str, number: int) -> str:
    """Return the long name of an aggregate (``Eth-Trunk1``)."""
    return _spelt(platform, next(kind.long for kind in _types(platform) if kind.kind == "aggregate"), str(number))


def svi(platform: str, vlan: int) -> str:
    """Return the long name of a VLAN's own interface (``Vlanif10``)."""
    return _spelt(platform, next(kind.long for kind in _types(platform) if kind.kind == "svi"), str(vlan))


def speed(platform: str, name: str) -> int | None:
    """Return the speed in Mbit/s that a port's name promises; None if it promises none."""
    known = _known(platform, name)
    found = load(platform).data["names"].get("speeds", {}).get(known[0].long) if known else None
    return int(found) if found else None


def header(grammar: Grammar, view: View, key: Any) -> str:
    """Return the line that opens a view for a key of the model."""
    if view.kind == "aggregate":
        key = aggregate(grammar.platform, key)
    elif view.kind == "svi":
        key = svi(grammar.platform, key)
    return view.enter.write(key=key)


def with_management_vlan(switch: Switch, address: str) -> Switch:
    """Return the switch with the SVI that carries an address noted as its management VLAN."""
    wanted = address.partition("/")[0]
    vlan = next((svi.vlan for svi in switch.svis.values() if wanted and svi.address.partition("/")[0] == wanted), switch.management.vlan)
    return replace(switch, management=replace(switch.management, vlan=vlan))
