"""From one platform's habits to another's: link modes, aggregates, spanning tree, accounts' ranks. What a habit costs is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from .grammar import Grammar
from .model import Aggregate, Port, Stp, Switch, User

Told = list[tuple[str, str]]
Switching = TypeVar("Switching", Port, Aggregate)

_BY_VLAN = ("pvst", "rapid-pvst")


def convert(switch: Switch, old: Grammar, new: Grammar) -> tuple[Switch, Told]:
    """Return the switch as the new platform would be made to do the same, and (what, why) for each thing that is not the same."""
    told: Told = []
    switch = replace(
        switch,
        ports={name: _mode(f"port {name}", port, new, told) for name, port in switch.ports.items()},
        aggregates={number: _mode(f"aggregate {number}", aggregate, new, told) for number, aggregate in switch.aggregates.items()},
    )
    switch = replace(switch, ports=_power(_members(switch, new), old, new, told))
    switch = _guards(_names(switch, new), old, new, told)
    switch = replace(switch, stp=_stp(switch, new, told), users={name: _rank(user, old, new) for name, user in switch.users.items()})
    return _gateway(switch), told


def _modes(grammar: Grammar) -> set[str]:
    """The link modes that a platform has words for, and the one it has without a word."""
    said = {value for row in grammar.rows["port"] if row.fact == "mode" for value in row.choices}
    return said | {grammar.default("port")["mode"]}


def _mode(what: str, port: Switching, new: Grammar, told: Told) -> Switching:
    if port.mode == "dynamic":
        # A port that lets the far end decide is an access port until somebody plugs in a switch.
        if port.allowed_vlans or port.native_vlan != 1:
            told.append(
                (f"{what}: negotiated trunk", "makes negotiate differently: it is a fixed trunk now, see that the far end is one too")
            )
            return replace(port, mode="trunk", access_vlan=1)
        return replace(port, mode="access")
    if port.mode != "hybrid" or "hybrid" in _modes(new):
        return port
    bare = frozenset[int]()
    if port.untagged_vlans - {port.native_vlan}:
        extra = ", ".join(str(vlan) for vlan in sorted(port.untagged_vlans - {port.native_vlan}))
        told.append((f"{what}: VLANs {extra} untagged beside {port.native_vlan}", f"{new.platform} sends one VLAN untagged"))
    voice = getattr(port, "voice_vlan", None)
    if not port.allowed_vlans or port.allowed_vlans == {voice}:
        return replace(port, mode="access", access_vlan=port.native_vlan, native_vlan=1, allowed_vlans=bare, untagged_vlans=bare)
    untagged = port.untagged_vlans & {port.native_vlan}
    return replace(port, mode="trunk", allowed_vlans=port.allowed_vlans | untagged, untagged_vlans=bare)


def _members(switch: Switch, new: Grammar) -> dict[str, Port]:
    """Members say what their aggregate says where the platform wants that, and nothing where it does not."""
    repeat = new.data["members"] == "repeat"
    default = new.default("port")
    ports = {}
    for name, port in switch.ports.items():
        aggregate = switch.aggregates.get(port.aggregate) if port.aggregate is not None else None
        if aggregate is not None:
            port = replace(
                port,
                mode=aggregate.mode if repeat else default["mode"],
                access_vlan=aggregate.access_vlan if repeat else 1,
                native_vlan=aggregate.native_vlan if repeat else 1,
                allowed_vlans=aggregate.allowed_vlans if repeat else frozenset(),
                untagged_vlans=aggregate.untagged_vlans if repeat else frozenset(),
                voice_vlan=None,
                stp=port.stp if repeat else type(port.stp)(),
            )
        ports[name] = port
    return ports


def _power(ports: dict[str, Port], old: Grammar, new: Grammar, told: Told) -> dict[str, Port]:
    """A platform that gives power unasked, and one that does not: what was said is kept, what was not said is told."""
    was, is_now = old.usual.get("poe.enabled"), new.usual.get("poe.enabled")
    if was and not is_now and any(port.poe.enabled is None for port in ports.values()):
        told.append(
            (
                "power (PoE) on ports that say nothing of it",
                f"{old.platform} gives it unasked, {new.platform} does not: enable it where phones, cameras and access points hang",
            )
        )
    if is_now and was is False:
        ports = {name: replace(port, poe=replace(port.poe, enabled=port.poe.enabled or None)) for name, port in ports.items()}
    return ports


def _stp(switch: Switch, new: Grammar, told: Told) -> Stp:
    stp = switch.stp
    modes = {value for row in new.rows["stp"] if row.fact == "mode" for value in row.choices} | {new.default("stp")["mode"]}
    if stp.mode in modes:
        return stp
    if stp.mode in _BY_VLAN:
        found = set(stp.priorities.values())
        if len(found) > 1 or (found and set(switch.vlans) - {1} - set(stp.priorities)):
            told.append(("spanning tree priorities by VLAN", f"{new.platform} has one tree for all: the lowest priority is taken"))
        return replace(stp, mode="rstp", priorities={0: min(found)} if found else {})
    vlans = switch.vlans
    if "rapid-pvst" in modes:
        if set(stp.priorities) - {0}:
            told.append(("spanning tree instances", f"{new.platform} runs a tree for each VLAN: the common priority is taken"))
        priority = stp.priorities.get(0)
        return replace(stp, mode="rapid-pvst", priorities=dict.fromkeys(sorted(vlans), priority) if priority is not None else {})
    told.append((f"spanning tree mode {stp.mode}", f"{new.platform} does not have it: rstp, which understands it, is taken"))
    return replace(stp, mode="rstp")


def _has(grammar: Grammar, kind: str, fact: str) -> bool:
    return any(row.covers(fact) for row in grammar.rows[kind])


def _names(switch: Switch, new: Grammar) -> Switch:
    """Where a VLAN has a name only, its description becomes one, in a word."""
    if _has(new, "vlan", "description"):
        return switch
    vlans = {
        number: replace(vlan, name=vlan.name or "-".join(vlan.description.split())[:32], description="")
        for number, vlan in switch.vlans.items()
    }
    return replace(switch, vlans=vlans)


def _guards(switch: Switch, old: Grammar, new: Grammar, told: Told) -> Switch:
    """Edge ports, their guard and their learnt addresses: said for all on one platform, for each port on another."""
    ports, stp = dict(switch.ports), switch.stp
    if stp.edge_default and not _has(new, "stp", "edge_default"):
        stp = replace(stp, edge_default=False)
        ports = {name: replace(port, stp=replace(port.stp, edge=port.stp.edge or port.mode == "access")) for name, port in ports.items()}
    if not _has(new, "port", "stp.bpdu_guard") and any(port.stp.bpdu_guard for port in ports.values()):
        if any(port.stp.edge and not port.stp.bpdu_guard for port in ports.values()):
            told.append(("BPDU guard of single ports", f"{new.platform} guards every edge port or none: every one is guarded now"))
        stp = replace(stp, bpdu_guard_default=True)
        ports = {name: replace(port, stp=replace(port.stp, bpdu_guard=False)) for name, port in ports.items()}
    if not _has(new, "port", "security.sticky"):
        # It keeps what it has learnt anyway.
        ports = {name: replace(port, security=replace(port.security, sticky=False)) for name, port in ports.items()}
    elif not _has(old, "port", "security.sticky"):
        ports = {name: replace(port, security=replace(port.security, sticky=port.security.enabled)) for name, port in ports.items()}
    return replace(switch, ports=ports, stp=stp)


def _rank(user: User, old: Grammar, new: Grammar) -> User:
    """An account's level as a role, and back, where the platforms differ in that."""
    roles = new.data.get("roles")
    if roles and user.level is not None:
        return replace(user, level=None, role=roles.get(user.level, f"level-{user.level}"))
    levels = {role: level for level, role in (old.data.get("roles") or {}).items()}
    if not roles and user.role:
        number = user.role.removeprefix("level-")
        return replace(user, role="", level=levels.get(user.role, int(number) if number.isdigit() else 1))
    return user


def _gateway(switch: Switch) -> Switch:
    """A relay is switched on by a word of its own on some platforms: where there are servers to ask, it is on."""
    return replace(switch, svis={vlan: replace(svi, relay=svi.relay or bool(svi.relays)) for vlan, svi in switch.svis.items()})
