"""What of a configuration a platform has words for, and the form of it that its text can hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .change import Operation, operation_lines
from .facts import CLASSES, COLLECTIONS, Facts, built, flat, parts
from .grammar import Grammar, load
from .model import ALL_VLANS, Switch
from .writing import inexpressible, sayable_elements


@dataclass(frozen=True)
class Unsaid:
    """A fact that a platform has no words for: of which part, which fact, and the value that was taken away."""

    kind: str
    key: Any
    fact: str
    value: Any


def expressible(switch: Switch) -> tuple[Switch, list[Unsaid]]:
    """Return the configuration as far as its platform can say it, and everything that was taken away.

    Facts that do not count in a port's mode take their default without being listed: they had no effect.
    """
    grammar = load(switch.platform)
    unsaid: list[Unsaid] = []
    for kind in CLASSES:
        changed = {}
        for key, part in parts(switch, kind).items():
            facts = _counting(grammar, kind, flat(part))
            for fact, value in list(inexpressible(grammar, kind, grammar.default(kind), facts)):
                facts, taken = _without(grammar, kind, facts, fact, value)
                if taken is not None:
                    unsaid.append(Unsaid(kind, key, fact, taken))
            facts = _counting(grammar, kind, facts)
            changed[key] = built(kind, key, facts)
        if kind in COLLECTIONS:
            collection: dict[str, Any] = {COLLECTIONS[kind]: changed}
            switch = replace(switch, **collection)
        elif kind == "management":
            switch = replace(switch, management=replace(changed[""], vlan=switch.management.vlan))
        else:
            single: dict[str, Any] = {kind: changed[""]}
            switch = replace(switch, **single)
    switch, more = _routes(grammar, switch)
    switch, absent = _absent(grammar, switch)
    if not any(view.kind == "user" for view in grammar.views.values()):
        # Without a view of its own, an account of which nothing can be said leaves no trace in the text.
        silent = [name for name, user in switch.users.items() if not operation_lines(grammar, Operation("user", name, None, user))]
        absent += [Unsaid("user", name, "name", name) for name in silent]
        switch = replace(switch, users={name: user for name, user in switch.users.items() if name not in silent})
    return _protocols(grammar, switch), [*unsaid, *more, *absent]


def _counting(grammar: Grammar, kind: str, facts: Facts) -> Facts:
    """Give what does not count in the mode its default; what goes without saying on the platform too."""
    default, mode = grammar.default(kind), facts.get("mode", "")
    counted: Facts = {}
    for path, value in facts.items():
        rows = [row for row in grammar.rows[kind] if row.covers(path)]
        if path in grammar.silent or f"{kind}.{path}" in grammar.silent:
            value = default.get(path, value)
        elif rows and not any(row.applies(mode) for row in rows):
            if "*" in rows[0].fact:
                continue
            value = default[path]
        if value is not None and grammar.usual.get(path) == value:
            value = None
        if value == ALL_VLANS and any(row.shape == "vlans" and row.applies(mode) and "set" in row.sets for row in rows):
            # To allow every VLAN is to say nothing.
            value = next(grammar.start(row, mode) for row in rows if row.applies(mode))
        counted[path] = value
    return counted


def _without(grammar: Grammar, kind: str, facts: Facts, fact: str, value: Any) -> tuple[Facts, Any]:
    """Take a fact away, or of a set only the elements that cannot be said. Returns the facts and what was taken, None if nothing."""
    default = grammar.default(kind)
    if isinstance(value, frozenset) and any(row.shape == "each" and row.covers(fact) for row in grammar.rows[kind]):
        kept = sayable_elements(grammar, kind, fact, value)
        return {**facts, fact: kept}, value - kept
    if fact in default:
        return {**facts, fact: default[fact]}, value
    return {path: other for path, other in facts.items() if path != fact}, value


def _routes(grammar: Grammar, switch: Switch) -> tuple[Switch, list[Unsaid]]:
    kept = frozenset(
        route
        for route in switch.routes
        if any(
            set(line.blanks) == {name for name in ("prefix", "next_hop", "preference", "vrf") if getattr(route, name)}
            for row in grammar.rows["route"]
            for line in row.lines
        )
    )
    return replace(switch, routes=kept), [Unsaid("route", route.prefix, "route", route) for route in sorted(switch.routes - kept, key=repr)]


def _absent(grammar: Grammar, switch: Switch) -> tuple[Switch, list[Unsaid]]:
    """What is said in a VLAN's own view can be said only of a VLAN that exists: entering the view would create it."""
    unsaid = []
    services = switch.services
    for row in grammar.rows["services"]:
        if row.view == "vlan" and (gone := getattr(services, row.fact) - set(switch.vlans)):
            unsaid.append(Unsaid("services", "", row.fact, gone))
            services = replace(services, **{row.fact: getattr(services, row.fact) - gone})
    return replace(switch, services=services), unsaid


def _protocols(grammar: Grammar, switch: Switch) -> Switch:
    """Where the protocol is said at the members, an aggregate without members is spoken as its platform does by default."""
    if any(row.covers("protocol") for row in grammar.rows["aggregate"]):
        return switch
    default = grammar.default("aggregate")["protocol"]
    return replace(
        switch,
        aggregates={
            n: aggregate if switch.members(n) else replace(aggregate, protocol=default) for n, aggregate in switch.aggregates.items()
        },
    )
