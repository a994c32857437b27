"""A part of a switch as a flat table of facts, ``{"stp.edge": True, "vrrp.10.priority": 120}``, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from .model import Aggregate, Management, Poe, Port, PortSecurity, PortStp, Services, Storm, Stp, Svi, Switch, User, Vlan, Vrrp

Facts = dict[str, Any]
Part = Vlan | Port | Aggregate | Svi | User | Stp | Services | Management

CLASSES: dict[str, type] = {
    "vlan": Vlan,
    "aggregate": Aggregate,
    "port": Port,
    "stp": Stp,
    "svi": Svi,
    "user": User,
    "services": Services,
    "management": Management,
}
# What names a part, and the collection of the switch it stands in; stp, services and management are one each.
KEYS = {"vlan": "id", "aggregate": "id", "port": "name", "svi": "vlan", "user": "name"}
COLLECTIONS = {"vlan": "vlans", "aggregate": "aggregates", "port": "ports", "svi": "svis", "user": "users", "block": "blocks"}

_NESTED = (PortSecurity, Storm, Poe, PortStp)
_MAPPED: dict[str, type | None] = {"vrrp": Vrrp, "priorities": None}


def flat(part: Any) -> Facts:
    """Return the facts of a part, without its key."""
    facts: Facts = {}
    own = next((KEYS[kind] for kind, cls in CLASSES.items() if type(part) is cls and kind in KEYS), "group" if type(part) is Vrrp else "")
    for field in fields(part):
        value = getattr(part, field.name)
        if field.name == own or not field.compare:
            continue
        if isinstance(value, _NESTED):
            facts |= {f"{field.name}.{name}": inner for name, inner in flat(value).items()}
        elif field.name in _MAPPED:
            for key, inner in value.items():
                facts |= (
                    {f"{field.name}.{key}.{n}": v for n, v in flat(inner).items()}
                    if is_dataclass(inner)
                    else {f"{field.name}.{key}": inner}
                )
        else:
            facts[field.name] = value
    return facts


def built(kind: str, key: Any, facts: Mapping[str, Any]) -> Any:
    """Return the part that a table of facts describes; what is not in the table holds the model's default."""
    return _build(CLASSES[kind], facts, {KEYS[kind]: key} if kind in KEYS else {})


def _build(cls: type, facts: Mapping[str, Any], given: dict[str, Any]) -> Any:
    hints = _hints(cls)
    for field in fields(cls):
        name = field.name
        below = {path[len(name) + 1 :]: value for path, value in facts.items() if path.startswith(f"{name}.")}
        if name in facts:
            given[name] = facts[name]
        elif name in _MAPPED:
            given[name] = _mapping(_MAPPED[name], below)
        elif below:
            given[name] = _build(hints[name], below, {})
    return cls(**given)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _mapping(cls: type | None, facts: Mapping[str, Any]) -> dict[int, Any]:
    if cls is None:
        return {int(key): value for key, value in sorted(facts.items(), key=lambda item: int(item[0]))}
    groups: dict[int, Facts] = {}
    for path, value in facts.items():
        key, _, name = path.partition(".")
        groups.setdefault(int(key), {})[name] = value
    return {key: _build(cls, groups[key], {"group": key}) for key in sorted(groups)}


def parts(switch: Switch, kind: str) -> Mapping[Any, Any]:
    """Return a switch's parts of a kind by their keys; what exists once has the key ``""``, and a route is its own key."""
    if kind in COLLECTIONS:
        found: Mapping[Any, Any] = getattr(switch, COLLECTIONS[kind])
        return found
    if kind == "route":
        return {route: route for route in switch.routes}
    return {"": getattr(switch, kind)}
