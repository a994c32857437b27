"""What leads from one configuration to another, part by part: VLAN by VLAN, port by port (RCV-2). Never a blanket undo.

An ``Operation`` is one part of the switch as it was and as it shall be. Its lines add what is new and take back what is gone, one fact
at a time: removing VLAN 20 from a trunk says nothing of VLAN 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from . import names
from .facts import CLASSES, COLLECTIONS, Facts, flat, parts
from .grammar import Grammar, load
from .model import Block, Port, Route, Switch, Vlan
from .writing import PROTOCOL, NotExpressible, Written, write

Verb = Literal["create", "change", "remove"]

# VLANs before what carries them, aggregates before their members; what others lean on goes when they no longer do.
_ORDER: tuple[tuple[str, tuple[Verb, ...]], ...] = (
    ("vlan", ("create", "change")),
    ("block", ("create", "change")),
    ("aggregate", ("create", "change")),
    ("port", ("create", "change")),
    ("stp", ("change",)),
    ("svi", ("remove",)),
    ("svi", ("create", "change")),
    ("route", ("remove", "create")),
    ("user", ("create", "change", "remove")),
    ("services", ("change",)),
    ("aggregate", ("remove",)),
    ("vlan", ("remove",)),
    ("block", ("remove",)),
    ("management", ("change",)),
    ("hostname", ("change",)),
)


class MissingPort(ValueError):  # noqa: N818 - said of a switch, not of the program
    """The wanted configuration speaks of a port that the switch does not have."""


@dataclass(frozen=True)
class Operation:
    """One part of the switch, before and after. ``old`` is None for what is created, ``new`` for what is removed.

    ``last``: the switch's own name or address, which costs the session that sends it. ``protocol``: of a port, how its aggregate before
    and after is spoken, because some platforms say it at the port.
    """

    kind: str
    key: Any
    old: Any
    new: Any
    last: bool = False
    protocol: tuple[str, str] = ("", "")

    @property
    def verb(self) -> Verb:
        """Say what happens to the part."""
        return "create" if self.old is None else "remove" if self.new is None else "change"

    def turned(self) -> Operation:
        """Return the operation that takes this one back."""
        return replace(self, old=self.new, new=self.old, protocol=(self.protocol[1], self.protocol[0]))

    def changed(self) -> dict[str, tuple[Any, Any]]:
        """Return each fact that is different, before and after: for the plan that people approve."""
        if self.kind not in CLASSES:
            return {} if self.old == self.new else {self.kind: (self.old, self.new)}
        old, new = (flat(part) if part is not None else {} for part in (self.old, self.new))
        return {
            fact: (old.get(fact), new.get(fact))
            for fact in (*old, *(name for name in new if name not in old))
            if old.get(fact) != new.get(fact)
        }


def difference(have: Switch, want: Switch) -> list[Operation]:
    """Return the operations that lead from one configuration to another of the same platform, in their order.

    A port that only ``have`` has is left as it is; one that only ``want`` has raises MissingPort. ValueError for two platforms.
    """
    if have.platform != want.platform:
        raise ValueError(f"One is a {have.platform}, the other a {want.platform}: carry() to the platform first, then compare.")
    missing = [name for name in want.ports if name not in have.ports]
    if missing:
        raise MissingPort(f"The switch has no port {', '.join(missing)}: map the ports first (portmap), or take a spare that has them.")
    speaks = any("protocol" in line.blanks for row in load(have.platform).rows["port"] for line in row.lines)
    found = [operation for kind in dict.fromkeys(kind for kind, _ in _ORDER) for operation in _of_kind(kind, have, want, speaks)]
    place = {(kind, verb): number for number, (kind, verbs) in enumerate(_ORDER) for verb in verbs}
    return sorted(found, key=lambda operation: (operation.last, place[operation.kind, operation.verb]))


def _of_kind(kind: str, have: Switch, want: Switch, speaks: bool) -> Iterator[Operation]:
    old, new = parts(have, kind), parts(want, kind)
    for key in (*old, *(key for key in new if key not in old)):
        before, after = old.get(key), new.get(key)
        if kind == "port" and after is None:
            continue
        if kind == "vlan" and key == 1:
            # It can be neither made nor removed.
            before, after = before or Vlan(1), after or Vlan(1)
        protocol = ("", "")
        if isinstance(after, Port) and speaks:
            protocol = (_protocol(have, before.aggregate if before else None), _protocol(want, after.aggregate))
        if before != after or protocol[0] != protocol[1]:
            yield Operation(kind, key, before, after, _is_last(kind, key, have, want), protocol)


def _protocol(switch: Switch, aggregate: int | None) -> str:
    found = switch.aggregates.get(aggregate) if aggregate is not None else None
    return found.protocol if found else "static" if aggregate is not None else ""


def _is_last(kind: str, key: Any, have: Switch, want: Switch) -> bool:
    return kind in ("hostname", "management") or (kind == "svi" and key in (have.management.vlan, want.management.vlan))


def apply(switch: Switch, operations: Iterable[Operation]) -> Switch:
    """Return the configuration that a switch has after operations."""
    for operation in operations:
        kind, key, new = operation.kind, operation.key, operation.new
        if kind == "route":
            switch = replace(switch, routes=switch.routes | {new} if new else switch.routes - {key})
        elif kind in COLLECTIONS:
            kept = {k: v for k, v in getattr(switch, COLLECTIONS[kind]).items() if new is not None or k != key}
            changed: dict[str, Any] = {COLLECTIONS[kind]: kept | ({key: new} if new is not None else {})}
            switch = replace(switch, **changed)
        elif kind == "management":
            switch = replace(switch, management=replace(new, vlan=switch.management.vlan))
        else:
            switch = replace(switch, **{kind: new})
    return switch


def inverse(have: Switch, operations: Sequence[Operation]) -> list[Operation]:
    """Return the operations that restore ``have`` after the given ones, in an order that is right for going back."""
    after = apply(have, operations)
    return difference(after, replace(have, ports={name: port for name, port in have.ports.items() if name in after.ports}))


def lines(platform: str, operations: Iterable[Operation]) -> list[str]:
    """Return what has to be typed, from the outermost view back to it. NotExpressible if the platform has no words for a part."""
    grammar = load(platform)
    found: list[str] = []
    header = ""
    for written in _merged(grammar, operations):
        if written.header != header:
            found += [grammar.style.leave] if header else []
            found += [written.header] if written.header else []
            header = written.header
        found += [written.line] if written.line else []
    return [*found, grammar.style.leave] if header else found


def _merged(grammar: Grammar, operations: Iterable[Operation]) -> Iterator[Written]:
    """Every line of the operations; new VLANs without a name are created together where the platform has a line for that."""
    waiting: list[int] = []
    for operation in operations:
        if operation.kind == "vlan" and operation.old is None and operation.new == Vlan(operation.key) and grammar.create:
            waiting.append(operation.key)
            continue
        yield from _batch(grammar, waiting)
        waiting = []
        yield from operation_lines(grammar, operation)
    yield from _batch(grammar, waiting)


def _batch(grammar: Grammar, vlans: list[int]) -> Iterator[Written]:
    if vlans and grammar.create:
        yield from (Written("", grammar.create.text.replace("<vlans>", part)) for part in grammar.style.vlan_lists(vlans))


def operation_lines(grammar: Grammar, operation: Operation, entering: bool = True) -> list[Written]:
    """Return the lines of one operation."""
    kind, key, old, new = operation.kind, operation.key, operation.old, operation.new
    if kind == "block":
        return _block(grammar, key, old, new)
    if kind == "route":
        return _route(grammar, old, new)
    if kind == "hostname":
        return (
            [Written("", grammar.rows["hostname"][0].lines[0].write(value=new))]
            if new
            else [Written("", f"{grammar.style.negation} {grammar.rows['hostname'][0].lines[0].fixed}")]
        )
    if new is None and kind in grammar.remove:
        return _removal(grammar, operation)
    default = grammar.default(kind)
    facts: list[Facts] = [default | flat(part) if part is not None else dict(default) for part in (old, new)]
    for table, protocol in zip(facts, operation.protocol, strict=True):
        if protocol:
            table[PROTOCOL] = protocol
    found = write(grammar, kind, key, facts[0], facts[1], entering)
    opaque = _opaque(grammar, kind, key, facts[0], facts[1])
    if old is None and kind in grammar.views and grammar.rows[kind][0].shape != "whole":
        # Entering the view of what is new creates it, even if there is nothing to say of it.
        found = [Written(names.header(grammar, grammar.views[kind], key), ""), *found] if kind != "management" else found
    return [*found, *opaque]


def _removal(grammar: Grammar, operation: Operation) -> list[Written]:
    kind, key = operation.kind, operation.key
    name = names.aggregate(grammar.platform, key) if kind == "aggregate" else names.svi(grammar.platform, key) if kind == "svi" else key
    view = next((row.view for row in grammar.rows[kind] if row.view and grammar.views[row.view].kind != kind), "")
    header = grammar.views[view].enter.text if view else ""
    return [Written(header, grammar.remove[kind].write(key=name))]


def _opaque(grammar: Grammar, kind: str, key: Any, old: Facts, new: Facts) -> list[Written]:
    before, after = old.get("opaque", ()), new.get("opaque", ())
    if before == after:
        return []
    header = names.header(grammar, grammar.views[kind], new.get("port") or old.get("port") if kind == "management" else key)
    # From the first difference on they are said again, so that their order is the wanted one.
    same = next((n for n, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), min(len(before), len(after)))
    return [
        *(Written(header, grammar.undone(line)) for line in reversed(before[same:])),
        *(Written(header, line) for line in after[same:]),
    ]


def _block(grammar: Grammar, header: str, old: Block | None, new: Block | None) -> list[Written]:
    if new is None:
        return [Written("", grammar.undone(header))]
    before = old.lines if old else ()
    if not before and not new.lines:
        return [Written("", header)]
    gone = [line for line in before if line not in new.lines and not line.startswith(" ")]
    return [Written(header, grammar.undone(line)) for line in reversed(gone)] + [
        Written(header, line) for line in new.lines if line not in before
    ]


def _route(grammar: Grammar, old: Route | None, new: Route | None) -> list[Written]:
    row = grammar.rows["route"][0]
    route = new or old
    values = {"prefix": route.prefix, "next_hop": route.next_hop, "preference": route.preference, "vrf": route.vrf} if route else {}
    wanted = {name for name, value in values.items() if value}
    line = next((line for line in row.lines if set(line.blanks) == wanted), None)
    if line is None:
        raise NotExpressible(grammar.platform, "route", route, "route", route)
    return [Written("", line.write(**values) if new else f"{grammar.style.negation} {line.write(**values)}")]
