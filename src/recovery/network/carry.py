"""A failed switch's configuration moved to its spare: port by port, and everything that cannot come along named with its reason (RCV-3).

Never carried blindly: the dedicated management port, stack member numbers, learnt (sticky) MAC addresses, secrets that only the old
device or its make can read, and lines that nobody understood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import convert
from .grammar import Grammar, load
from .model import Block, Port, Secret, Services, Switch, User
from .normal import expressible

# Blocks by which people and this program get into a switch: those of the spare are never taken away.
ENTRANCES = frozenset({"line", "keys", "aaa", "system"})


@dataclass(frozen=True)
class NotCarried:
    """Something of the old switch that the new one does not get: what, and why."""

    what: str
    why: str


def carry(switch: Switch, port_map: Mapping[str, str], to_platform: str, identity: bool = True) -> tuple[Switch, list[NotCarried]]:
    """Return the configuration for the spare, and what did not come along.

    ``port_map`` is old port to new port (``portmap.propose``); a port without an entry stays behind. ``identity`` false leaves the host
    name and the in-band management address behind too, for as long as the old switch may still answer to them. The dedicated
    management port always stays behind: it is how the spare is reached, and ``management`` of the result is empty but for its VLAN.
    """
    told: list[NotCarried] = [
        NotCarried(f"line {line.line}{f' in {line.view!r}' if line.view else ''}: {line.text}", line.why or "not understood by the model")
        for line in switch.unknown
    ]
    old, new = load(switch.platform), load(to_platform)
    ports = _ports(switch, port_map, to_platform, told)
    management = replace(switch.management, port="", address="", gateway="", description="", vrf="", enabled=True, opaque=())
    if switch.management.address:
        told.append(NotCarried(f"management port {switch.management.port}", "the spare keeps its own, by which it is reached"))
    carried = replace(
        switch,
        platform=to_platform,
        ports=ports,
        aggregates={
            number: replace(one, opaque=_opaque(f"aggregate {number}", one.opaque, old, to_platform, told))
            for number, one in switch.aggregates.items()
        },
        svis={
            vlan: replace(one, opaque=_opaque(f"interface of VLAN {vlan}", one.opaque, old, to_platform, told))
            for vlan, one in switch.svis.items()
        },
        users=_users(switch, old, new, told),
        services=_services(switch, new, told),
        blocks=_blocks(switch, to_platform, old, told),
        management=management,
        unknown=(),
        software="",
    )
    if not identity:
        carried = _without_identity(carried, told)
    if to_platform != switch.platform:
        carried, converted = convert.convert(carried, old, new)
        told += [NotCarried(what, why) for what, why in converted]
    carried, unsaid = expressible(carried)
    told += [
        NotCarried(f"{one.kind} {_label(one.key)} {one.fact} {_shown(one.value)}".replace("  ", " "), f"{to_platform} has no words for it")
        for one in unsaid
    ]
    return carried, told


def with_entrances(carried: Switch, spare: Switch) -> Switch:
    """Return what the spare shall be, with every door by which it is reached now: its accounts, lines, keys, SSH and management port.

    Without this, the difference would take away the account that sends it.
    """
    kept = {header: block for header, block in spare.blocks.items() if block.kind in ENTRANCES and header not in carried.blocks}
    # A block of this kind under one header is one door: the spare's own stands, and the old one's lines are added to it.
    both = {
        header: replace(block, lines=tuple(dict.fromkeys((*spare.blocks[header].lines, *block.lines))))
        for header, block in carried.blocks.items()
        if header in spare.blocks and block.kind in ("aaa", "keys")
    }
    doors = {header: spare.blocks[header] for header, block in carried.blocks.items() if header in spare.blocks and block.kind == "line"}
    own = frozenset(route for route in spare.routes if route.vrf and route.vrf == spare.management.vrf)
    return replace(
        carried,
        users={**carried.users, **spare.users},
        blocks={**kept, **carried.blocks, **both, **doors},
        services=replace(
            carried.services,
            ssh=carried.services.ssh or spare.services.ssh,
            snmp_communities=carried.services.snmp_communities or spare.services.snmp_communities,
        ),
        management=replace(spare.management, vlan=carried.management.vlan),
        routes=carried.routes | own,
    )


def _ports(switch: Switch, port_map: Mapping[str, str], to_platform: str, told: list[NotCarried]) -> dict[str, Port]:
    grammar = load(switch.platform)
    ports = {}
    for name, port in switch.ports.items():
        if name not in port_map:
            continue
        if port.security.macs:
            told.append(
                NotCarried(
                    f"port {name}: {len(port.security.macs)} learnt MAC addresses",
                    "they are learnt again from the stations that are plugged in",
                )
            )
            port = replace(port, security=replace(port.security, macs=frozenset()))
        ports[port_map[name]] = replace(port, name=port_map[name], opaque=_opaque(f"port {name}", port.opaque, grammar, to_platform, told))
    return ports


def _opaque(what: str, lines: tuple[str, ...], grammar: Grammar, to_platform: str, told: list[NotCarried]) -> tuple[str, ...]:
    """Return the verbatim lines of a part that come along: none to another platform, and none with a secret of this device."""
    foreign = f"lines of a {grammar.platform}, which a {to_platform} does not understand"
    kept = () if to_platform != grammar.platform else tuple(line for line in lines if not _bound(grammar, line))
    told += [
        NotCarried(f"{what}: {_hidden(grammar, line)}", BOUND if _bound(grammar, line) else foreign) for line in lines if line not in kept
    ]
    return kept


BOUND = "its secret can be read by the old device only; give it anew from the vault"


def _bound(grammar: Grammar, line: str) -> bool:
    """Say whether a verbatim line holds a secret that only this device can read."""
    return any(re.search(pattern, line) for pattern in grammar.data.get("bound", ()))


def _hidden(grammar: Grammar, line: str) -> str:
    for pattern in grammar.data.get("bound", ()):
        line = re.sub(f"({pattern}).*", r"\1 ***", line)
    return line


def _users(switch: Switch, old: Grammar, new: Grammar, told: list[NotCarried]) -> dict[str, User]:
    users = {}
    for name, user in switch.users.items():
        secret, why = _secret(user.secret, old, new)
        if why:
            told.append(NotCarried(f"account {name}", why))
        else:
            users[name] = replace(user, secret=secret)
    return users


def _secret(secret: Secret | None, old: Grammar, new: Grammar) -> tuple[Secret | None, str]:
    """Return a secret as the new device can read it, or why it cannot."""
    if secret is None:
        return None, ""
    portable = secret.type in old.data.get("portable", ())
    if secret.form == "cipher" and not (portable and old.platform == new.platform):
        return None, BOUND
    if old.platform == new.platform:
        return secret, ""
    if secret.form == "hash":
        return None, "its password stands there as a hash that another make cannot use; give it anew from the vault"
    return replace(secret, type=_plain(new)) if secret.type else secret, ""


def _services(switch: Switch, new: Grammar, told: list[NotCarried]) -> Services:
    old = load(switch.platform)
    services = switch.services
    communities = set()
    for community in services.snmp_communities:
        secret, why = _secret(community.secret, old, new)
        if secret is None:
            told.append(NotCarried(f"SNMP community ({community.access})", why))
        else:
            communities.add(replace(community, secret=_respelt(secret, new) if old.platform != new.platform else secret))
    traps = services.snmp_traps
    if old.style.negation != new.style.negation:
        # v2c there is 2c here.
        traps = frozenset(replace(trap, version={"v2c": "2c", "2c": "v2c"}.get(trap.version, trap.version)) for trap in traps)
    return replace(services, snmp_communities=frozenset(communities), snmp_traps=traps)


def _respelt(secret: Secret, grammar: Grammar) -> Secret:
    """A community stands with its secret's type on some platforms, bare on others."""
    rows = [row for row in grammar.rows["services"] if row.fact == "snmp_communities"]
    typed = any("secret" in line.blanks.values() for row in rows for line in row.lines)
    return replace(secret, type=_plain(grammar) if typed else "")


def _plain(grammar: Grammar) -> str:
    return next(kind for kind, form in grammar.style.secrets.items() if form == "plain")


def _blocks(switch: Switch, to_platform: str, old: Grammar, told: list[NotCarried]) -> dict[str, Block]:
    blocks = {}
    for header, block in switch.blocks.items():
        if to_platform != switch.platform:
            if block.kind not in ("system", "line", "keys"):
                told.append(
                    NotCarried(
                        f"{block.kind}: {_hidden(old, header)}", f"lines of a {switch.platform}, which a {to_platform} does not understand"
                    )
                )
            continue
        if _bound(old, header):
            told.append(NotCarried(f"{block.kind}: {_hidden(old, header)}", BOUND))
            continue
        if re.match(r"(stack|irf|switch \d|mad )", header):
            told.append(NotCarried(f"{block.kind}: {header}", "member numbers of a stack belong to the box, not to the place"))
            continue
        lines = tuple(line for line in block.lines if not _bound(old, line))
        told += [NotCarried(f"{block.kind}: {header}: {_hidden(old, line)}", BOUND) for line in block.lines if line not in lines]
        blocks[header] = replace(block, lines=lines)
    if to_platform != switch.platform and any(block.kind in ("system", "line", "keys") for block in switch.blocks.values()):
        count = sum(block.kind in ("system", "line", "keys") for block in switch.blocks.values())
        told.append(NotCarried(f"{count} blocks of the system itself (lines, keys, clock, HTTP...)", "the spare keeps its own"))
    return blocks


def _without_identity(carried: Switch, told: list[NotCarried]) -> Switch:
    told.append(NotCarried(f"host name {carried.hostname}", "the old switch may still answer to it"))
    vlan = carried.management.vlan
    svis = dict(carried.svis)
    if vlan in svis:
        told.append(NotCarried(f"management address {svis[vlan].address}", "the old switch may still answer to it"))
        del svis[vlan]
    return replace(carried, hostname="", svis=svis)


def _label(key: Any) -> str:
    return str(key) if key != "" else ""


def _shown(value: Any) -> str:
    """A value for people; never a secret's text."""
    if isinstance(value, frozenset):
        return ", ".join(sorted(str(element) if not hasattr(element, "secret") else type(element).__name__ for element in value))
    return "" if value is True else str(value)
