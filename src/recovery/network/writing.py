"""From one table of facts to another: the lines a platform takes for it, row by row of its grammar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, is_dataclass
from typing import Any, NamedTuple

from . import names
from .facts import Facts
from .grammar import Grammar, Row
from .model import ALL_VLANS, Secret
from .wording import Line

# A port's line may have to say its aggregate's protocol; it travels with the port's facts under this name.
PROTOCOL = "aggregate.protocol"


class NotExpressible(ValueError):  # noqa: N818 - said of a configuration, not of the program
    """A platform has no words for a fact. ``fact`` names it, ``value`` is what should have been said."""

    def __init__(self, platform: str, kind: str, key: Any, fact: str, value: Any) -> None:
        """Say what cannot be said where."""
        super().__init__(
            f"{platform} has no words for {fact} = {value!r} of {kind} {key}: carry() lists it as not carried instead of rendering it."
        )
        self.fact, self.value = fact, value


class Written(NamedTuple):
    """A line, and the header of the view it stands in (empty: outside of all)."""

    header: str
    line: str


def write(grammar: Grammar, kind: str, key: Any, old: Facts, new: Facts, entering: bool = True) -> list[Written]:
    """Return the lines that lead from old facts of a part to new ones.

    What depends on something is taken back before it and set after it. ``entering`` false leaves out what a mode brings by itself, as
    a configuration's text does. NotExpressible if the platform has no words for a new fact.
    """
    for fact, value in inexpressible(grammar, kind, old, new):
        raise NotExpressible(grammar.platform, kind, key, fact, value)
    writer = _Writer(grammar, kind, key, old, new, entering)
    rows = grammar.rows[kind]
    early = [line for row in reversed(rows) if not row.late for line in writer.taken_back(row)]
    late = [line for row in rows if row.late for line in writer.taken_back(row)]
    return [*early, *(line for row in rows for line in writer.said(row)), *late]


def inexpressible(grammar: Grammar, kind: str, old: Facts, new: Facts) -> Iterator[tuple[str, Any]]:
    """Yield the new facts that the platform has no words for: no row, or no word for the value."""
    default, mode = grammar.default(kind), new.get("mode", "")
    for path, value in new.items():
        usual = _usual(path, default)
        if (
            value == usual
            or old.get(path, usual) == value
            or path in ("opaque", PROTOCOL)
            or path in grammar.silent
            or f"{kind}.{path}" in grammar.silent
        ):
            continue
        if (kind, path) in (("management", "port"), ("aggregate", "protocol")) and _elsewhere(grammar, path, value):
            continue
        rows = [row for row in grammar.rows[kind] if row.shape == "whole" or (row.covers(path) and row.applies(mode))]
        if not rows or not any(_sayable(row, path, value) for row in rows):
            yield path, value


def _elsewhere(grammar: Grammar, path: str, value: Any) -> bool:
    """Say whether a fact is said by a header (a management port's name) or at another part (an aggregate's protocol at its members)."""
    lines = [(row, line) for row in grammar.rows["port"] for line in row.lines if path in line.blanks]
    return path == "port" or any(path not in row.maps or value in row.maps[path] or len(row.lines) > 1 for row, line in lines)


def _usual(path: str, default: Facts) -> Any:
    """What a fact is when nothing is said; of VRRP groups, priority 100 and preempting."""
    return default.get(path, {"priority": 100, "preempt": True}.get(path.rpartition(".")[2]) if path.startswith("vrrp.") else None)


def _sayable(row: Row, path: str, value: Any) -> bool:
    if row.shape == "whole":
        return any(path in line.blanks for line in row.lines)
    if row.shape == "choice":
        return value in row.choices
    if "value" in row.maps:
        return value in row.maps["value"]
    if row.shape == "each":
        return all(_choose(row, _values(element)) is not None for element in value)
    if isinstance(value, Secret):
        return any(kind == "plain" or value.type in row.lines[0].style.secrets for line in row.lines for kind in line.blanks.values())
    return True


def sayable_elements(grammar: Grammar, kind: str, fact: str, elements: frozenset[Any]) -> frozenset[Any]:
    """Return those elements of a set that one of the platform's lines can hold."""
    rows = [row for row in grammar.rows[kind] if row.covers(fact)]
    return frozenset(element for element in elements if any(_choose(row, _values(element)) is not None for row in rows))


def _values(element: Any) -> dict[str, Any]:
    """The blanks of a line for an element of a set."""
    if is_dataclass(element) and not isinstance(element, type):
        return {field: getattr(element, field) for field in asdict(element)}
    return {"mac": element[0], "vlan": element[1]} if isinstance(element, tuple) else {"value": element}


def _choose(row: Row, values: dict[str, Any]) -> Line | None:
    """Return the first alternative that says everything there is to say of an element, and nothing else."""
    said = {name for name, value in values.items() if value not in (None, "", 0, frozenset())}
    for line in row.lines:
        blanks = line.blanks
        if not blanks or (set(blanks) <= set(values) and said <= set(blanks) and all(values[name] not in (None, "") for name in blanks)):
            secrets = [(kind, values[name]) for name, kind in blanks.items() if isinstance(values[name], Secret)]
            if all(
                (kind == "plain") == (not secret.type) and (kind == "plain" or secret.type in line.style.secrets)
                for kind, secret in secrets
            ):
                return line
    return None


class _Writer:
    def __init__(self, grammar: Grammar, kind: str, key: Any, old: Facts, new: Facts, entering: bool) -> None:
        self.grammar, self.kind, self.key, self.old, self.new, self.entering = grammar, kind, key, old, new, entering
        self.default = grammar.default(kind)
        self.modes = (old.get("mode", ""), new.get("mode", ""))

    def taken_back(self, row: Row) -> list[Written]:
        """Return the lines that take back what a row said and says no longer."""
        if row.shape == "whole":
            return []
        if row.shape == "vlans":
            return self._vlans(row)[0]
        found: list[Written] = []
        for path in self._paths(row):
            usual, old, new = self._sides(row, path)
            if old == new:
                continue
            if row.shape == "each":
                found += self._elements(row, old - new, False)
            elif row.shape == "choice" and new == usual:
                found += [self._at(row, row.leave[old].write())] if old in row.leave else []
                found += [self._at(row, row.undo.write())] if row.undo else []
            elif row.shape in ("value", "words", "keyed") and row.undo and (new == usual or (row.replace and old != usual)):
                found.append(self._at(row, self._fill(row, row.undo, path, old)))
        return found

    def said(self, row: Row) -> list[Written]:
        """Return the lines that say what is new."""
        if row.shape == "vlans":
            return self._vlans(row)[1]
        if row.shape == "whole":
            values = {name: value for name, value in self.new.items()} | {"name": self.key}
            line = _choose(row, values)
            return [Written("", line.write(**values))] if line and self.new != self.old else []
        found: list[Written] = []
        for path in self._paths(row):
            usual, old, new = self._sides(row, path)
            if old == new:
                continue
            if row.shape == "each":
                found += self._elements(row, new - old, True)
            elif row.shape == "flag":
                is_so = self.grammar.usual.get(path) if new is None else new
                found.append(self._at(row, (row.lines[0] if is_so or not row.off else row.off).write()))
            elif row.shape == "choice" and new != usual:
                found += [self._at(row, row.leave[old].write())] if old in row.leave else []
                found.append(self._at(row, row.choices[new].write()))
            elif row.shape in ("value", "words", "keyed") and new != usual:
                # Of two lines the one with the protocol's word, where there is a word for it.
                spoken = isinstance(new, tuple) and new[1] in row.maps.get("protocol", {})
                line = next((line for line in row.lines if ("protocol" in line.blanks) == spoken), row.lines[0])
                found.append(self._at(row, self._fill(row, line, path, new)))
        return found

    def _paths(self, row: Row) -> Iterable[str]:
        if "*" not in row.fact:
            return [row.fact]
        matching = {path for path in (*self.old, *self.new) if row.covers(path)}
        return sorted(matching, key=lambda path: [int(part) if part.isdigit() else 0 for part in path.split(".")])

    def _sides(self, row: Row, path: str) -> tuple[Any, Any, Any]:
        """Return what a fact usually is, what it was and what it shall be, as far as it counts."""
        usual = _usual(path, self.default)
        old, new = (
            facts.get(path, usual) if row.applies(mode) else usual for facts, mode in zip((self.old, self.new), self.modes, strict=True)
        )
        if path == "aggregate" and "protocol" in row.lines[0].blanks:
            old, new = (
                (value, facts.get(PROTOCOL, "")) if value is not None else None for value, facts in ((old, self.old), (new, self.new))
            )
        return usual, old, new

    def _at(self, row: Row, line: str, element: Any = None) -> Written:
        if not row.view:
            return Written("", line)
        view = self.grammar.views[row.view]
        if view.kind == "management":
            return Written(view.enter.write(key=self.new.get("port") or self.old.get("port", "")), line)
        return Written(names.header(self.grammar, view, self.key if view.kind == self.kind else element), line)

    def _fill(self, row: Row, line: Line, path: str, value: Any) -> str:
        # The value by its own blank, the key of a mapping by "key", the owner of a line in a shared view by "owner".
        values: dict[str, Any] = {"value": " ".join(sorted(value)) if row.shape == "words" else value, "owner": self.key}
        if "*" in row.fact:
            values["key"] = int(re.sub(r"\D", "", path.split(".")[1]))
        if isinstance(value, tuple):
            values |= {"value": value[0], "protocol": value[1]}
        for blank, words in row.maps.items():
            values[blank] = words.get(values[blank], values[blank])
        return line.write(**values)

    def _elements(self, row: Row, elements: Iterable[Any], adding: bool) -> list[Written]:
        if any(kind == "vlans" for kind in row.lines[0].blanks.values()):
            line = row.lines[0] if adding else row.undo
            return [
                self._at(row, (line or row.lines[0]).text.replace("<vlans>", vlans)) for vlans in self.grammar.style.vlan_lists(elements)
            ]
        found = []
        for element in sorted(elements, key=lambda value: (isinstance(value, str), value if isinstance(value, int) else repr(value))):
            values = _values(element)
            line = _choose(row, values)
            if line is None:
                raise NotExpressible(self.grammar.platform, self.kind, self.key, row.fact, element)
            values |= {blank: words.get(values[blank], values[blank]) for blank, words in row.maps.items()}
            text = line.write(**values)
            if not adding:
                text = (
                    row.undo.write(**values)
                    if row.undo and row.undo.text != f"{self.grammar.style.negation} {row.lines[-1].text}"
                    else f"{self.grammar.style.negation} {text}"
                )
            found.append(self._at(row, text, element))
        return found

    def _vlans(self, row: Row) -> tuple[list[Written], list[Written]]:
        """VLANs one by one: nothing is ever taken back that stays."""
        was, is_now = (row.applies(mode) for mode in self.modes)
        old_start, new_start = (self.grammar.start(row, mode) for mode in self.modes)
        old = self.old[row.fact] if was else frozenset()
        new = self.new[row.fact] if is_now else frozenset()
        if was and not is_now:
            if row.undo:
                return ([self._at(row, row.undo.write())] if old != old_start else []), []
            return [*self._lists(row, "drop", old - old_start), *self._lists(row, "add", old_start - old)], []
        if not is_now or (was and old == new and (old or old_start == new_start)):
            return [], []
        if "set" not in row.sets:
            old = old if was else new_start
            return self._lists(row, "drop", old - new) if was else [], [
                *(self._lists(row, "drop", old - new) if not was else []),
                *self._lists(row, "add", new - old),
            ]
        if new == new_start and not self.entering:
            return [], []
        if not new and "none" not in row.sets:
            return [], self._lists(row, "drop", old or new_start)
        if not new:
            # Nothing said (dynamic) and nothing allowed (trunk) are two things.
            return [], [self._at(row, (row.undo if not new_start and row.undo else row.sets["none"]).write())]
        if new == ALL_VLANS:
            return [], [self._at(row, row.sets["all"].write())]
        if was and old and self.entering:
            return [], [*self._lists(row, "drop", old - new), *self._lists(row, "add", new - old)]
        first, *rest = self.grammar.style.vlan_lists(new)
        lines = [row.sets["set"].text.replace("<vlans>", first), *(row.sets["add"].text.replace("<vlans>", part) for part in rest)]
        return [], [self._at(row, line) for line in lines]

    def _lists(self, row: Row, verb: str, vlans: Iterable[int]) -> list[Written]:
        return [self._at(row, row.sets[verb].text.replace("<vlans>", part)) for part in self.grammar.style.vlan_lists(vlans)]
