"""A device's configuration text, read into the model (BKP-6). What no row of the platform's grammar knows stands in ``unknown``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from . import names
from .facts import CLASSES, COLLECTIONS, Facts, built
from .grammar import Grammar, Row, View, load
from .model import ALL_VLANS, Block, Community, Route, Switch, TrapHost, Unknown, Vlan
from .wording import Line

_ELEMENTS: dict[str, type] = {"snmp_communities": Community, "snmp_traps": TrapHost}


@dataclass(frozen=True)
class Reader:
    """One line that a row understands. ``action``: value, const, add, drop, set, except."""

    line: Line
    pattern: re.Pattern[str]
    row: Row
    action: str
    value: Any = None


@dataclass
class _Part:
    """A part of the switch while its lines are being read. ``said`` holds, for each fact, the lines that spoke of it."""

    kind: str
    key: Any
    facts: Facts
    said: dict[str, list[tuple[int, str, Row]]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Raw:
    number: int
    indent: int
    text: str


@cache
def _readers(platform: str) -> dict[str, dict[str, list[Reader]]]:
    """Return every reader of a platform by view and by the line's first word (empty: it begins with a blank)."""
    grammar = load(platform)
    found: dict[str, dict[str, list[Reader]]] = {}
    for rows in grammar.rows.values():
        for row in rows:
            for line, action, value in _wordings(row):
                reader = Reader(line, line.pattern(), row, action, value)
                word = "" if line.text.startswith("<") else line.text.split()[0].lower()
                found.setdefault(row.view, {}).setdefault(word, []).append(reader)
    return found


def _wordings(row: Row) -> Iterator[tuple[Line, str, Any]]:
    for line, value in row.also:
        yield line, value if value in ("value", "set", "add", "drop", "except") else "const", value
    if row.shape == "flag":
        yield from ((line, "const", True) for line in row.lines)
        if row.off:
            yield row.off, "const", False
    elif row.shape == "choice":
        yield from ((line, "const", value) for value, line in row.choices.items())
    elif row.shape == "vlans":
        yield from ((row.sets[verb], "const", value) for verb, value in (("all", ALL_VLANS), ("none", frozenset())) if verb in row.sets)
        yield from ((row.sets[verb], verb, None) for verb in ("add", "drop", "except", "set") if verb in row.sets)
    else:
        yield from ((line, "value", None) for line in row.lines)


def parse(platform: str, text: str, management: str = "") -> Switch:
    """Read a configuration.

    ``management`` is the address by which the switch is reached (from the inventory): the SVI that carries it becomes
    ``Switch.management.vlan``. ValueError if the platform is not known; whatever stands in the text raises nothing.
    """
    reading = _Reading(load(platform))
    reading.read(text)
    return reading.switch(management)


class _Reading:
    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.readers = _readers(grammar.platform)
        self.parts: dict[tuple[str, Any], _Part] = {}
        self.hostname = ""
        self.routes: set[Route] = set()
        self.blocks: dict[str, list[str]] = {}
        self.kinds: dict[str, str] = {}
        self.unknown: list[Unknown] = []
        self.software = ""
        self.headers = [(view, view.enter.pattern()) for view in grammar.views.values()]
        self.creates = [(line, line.pattern()) for line in grammar.creates]
        # Where the next indented line belongs: the header as it stands, its view, the keys of the parts it configures.
        self.header = ""
        self.view: View | None = None
        self.keys: list[Any] = []
        self.block = ""

    def read(self, text: str) -> None:
        lines = iter([_Raw(n, len(line) - len(line.lstrip()), line.strip()) for n, line in enumerate(text.splitlines(), 1)])
        for raw in lines:
            if not raw.text:
                continue
            if raw.text == self.grammar.style.separator:
                self._leave()
            elif found := self.grammar.software.match(raw.text):
                self.software = self.software or found[1].strip()
            elif any(pattern.match(raw.text) for pattern in self.grammar.ignore):
                continue
            elif self.grammar.banner and (found := self.grammar.banner.match(raw.text)):
                self._banner(raw, found["mark"], lines)
            elif raw.indent == 0 or not self.header:
                self._outside(raw)
            else:
                self._inside(raw)

    def _leave(self) -> None:
        self.header, self.view, self.keys, self.block = "", None, [], ""

    def _banner(self, raw: _Raw, mark: str, lines: Iterator[_Raw]) -> None:
        """A banner runs to the next line with its mark, whatever stands between."""
        held = [raw.text]
        if raw.text.count(mark) < 2:
            for line in lines:
                held.append(line.text)
                if mark in line.text:
                    break
        self.blocks[raw.text] = held[1:]
        self.kinds[raw.text] = "banner"
        self._leave()

    def _outside(self, raw: _Raw) -> None:
        self._leave()
        self.header = raw.text if raw.indent == 0 else ""
        for line, pattern in self.creates:
            if values := line.read(raw.text, pattern):
                for vlan in sorted(values["value"]):
                    self._part("vlan", vlan)
                return
        if self._enter(raw) or self._rows("", raw, ""):
            return
        for pattern, kind in self.grammar.blocks:
            if pattern.match(raw.text):
                self.blocks.setdefault(raw.text, [])
                self.kinds[raw.text] = kind
                self.block = raw.text
                return
        self._unknown(raw)

    def _enter(self, raw: _Raw) -> bool:
        for view, pattern in self.headers:
            values = view.enter.read(raw.text, pattern)
            if values is None:
                continue
            key = values.get("key", "")
            if view.enter.text.startswith("interface "):
                kind, key = names.classify(self.grammar.platform, str(key))
                if kind != view.kind:
                    continue
            self.view = view
            self.keys = sorted(key) if isinstance(key, frozenset) else [key]
            if view.kind:
                for each in self.keys:
                    self._part(view.kind, "" if view.kind == "management" else each)
            if view.kind == "management":
                self._part("management", "").facts["port"] = key
                self.keys = [""]
            return True
        return False

    def _part(self, kind: str, key: Any) -> _Part:
        if (kind, key) not in self.parts:
            self.parts[kind, key] = _Part(kind, key, self.grammar.default(kind))
        return self.parts[kind, key]

    def _inside(self, raw: _Raw) -> None:
        if self.block:
            self.blocks[self.block].append(" " * (raw.indent - 1) + raw.text)
        elif self.view is None:
            self._unknown(raw)
        elif raw.indent > 1 and self.view.block and self.header in self.blocks:
            self.blocks[self.header].append(" " * (raw.indent - 1) + raw.text)
        elif self._rows(self.view.name, raw, self.keys[0] if self.keys else ""):
            return
        elif self.view.block:
            self.blocks.setdefault(self.header, []).append(raw.text)
            self.kinds[self.header] = self.view.block
        elif self.view.kind in ("port", "aggregate", "svi", "management") and any(
            pattern.match(raw.text) for pattern, _ in self.grammar.opaque
        ):
            part = self._part(self.view.kind, self.keys[0])
            part.facts["opaque"] = (*part.facts["opaque"], raw.text)
        else:
            self._unknown(raw)

    def _unknown(self, raw: _Raw, why: str = "") -> None:
        view = self.header if self.header != raw.text or raw.indent else ""
        self.unknown.append(Unknown(raw.number, view, raw.text, why))

    def _rows(self, view: str, raw: _Raw, key: Any) -> bool:
        by_word = self.readers.get(view, {})
        for reader in (*by_word.get(raw.text.split()[0].lower(), ()), *by_word.get("", ())):
            values = reader.line.read(raw.text, reader.pattern)
            if values is not None and self._take(reader, values, raw, key):
                return True
        return False

    def _take(self, reader: Reader, values: dict[str, Any], raw: _Raw, key: Any) -> bool:
        """Note what a line says; False if one of its words is none that the row has a meaning for."""
        row = reader.row
        for blank, words in row.maps.items():
            if blank in values:
                meant = next((value for value, word in words.items() if str(word).lower() == str(values[blank]).lower()), None)
                if meant is None:
                    return False
                values[blank] = meant
        if row.kind == "hostname":
            self.hostname = values["value"]
        elif row.kind == "route":
            self.routes.add(Route(**values))
        elif row.shape == "whole":
            part = self._part(row.kind, values["name"])
            part.facts |= {name: value for name, value in values.items() if name != "name"}
        else:
            # A row that stands in the view of another kind (VLAN 10: DHCP snooping) takes the view's key as its element.
            home = self.view.kind if self.view else ""
            part = self._part(row.kind, key if row.kind == home else values.get("owner", ""))
            self._set(part, reader, values, raw, key)
        return True

    def _set(self, part: _Part, reader: Reader, values: dict[str, Any], raw: _Raw, key: Any) -> None:
        row = reader.row
        value = reader.value if reader.action == "const" else values.get("value", row.constant)
        if row.shape == "words":
            value = frozenset(str(value).split())
        if "protocol" in values:
            self._part("aggregate", value).facts["protocol"] = values["protocol"]
        if row.shape == "keyed":
            keys = values.get("key", 0)
            for each in sorted(keys if isinstance(keys, frozenset) else {keys}):
                part.facts[row.fact.replace("*", str(each))] = value
        elif row.shape == "each":
            if row.fact in _ELEMENTS:
                added: Any = {_ELEMENTS[row.fact](**values)}
            elif "mac" in values:
                added = {(values["mac"], values.get("vlan", 0))}
            else:
                added = value if isinstance(value, frozenset) else {key if value is None or value is True else value}
            part.facts[row.fact] = part.facts[row.fact] | added
        elif row.shape == "vlans":
            start = self.grammar.start(row, next(iter(row.start), "")) if row.fact not in part.said else part.facts[row.fact]
            change = {
                "add": start | (value or frozenset()),
                "drop": start - (value or frozenset()),
                "except": ALL_VLANS - (value or frozenset()),
            }
            part.facts[row.fact] = change.get(reader.action, value)
        else:
            part.facts[row.fact] = value
        for path, implied in row.implies.items():
            if path not in part.said:
                part.facts[path] = implied
        part.said.setdefault(row.fact, []).append((raw.number, raw.text, row))

    def _settle(self, part: _Part) -> None:
        """Give each fact that counts in the part's mode what the mode brings; name lines about facts that do not count."""
        mode = part.facts.get("mode", "")
        rows = self.grammar.rows[part.kind]
        default = self.grammar.default(part.kind)
        for row in rows:
            if not row.when:
                continue
            said = [line for line in part.said.get(row.fact, []) if line[2] is row]
            if not row.applies(mode) and said:
                header = self.grammar.views[row.view].enter.write(key=part.key) if row.view in self.grammar.views else ""
                self.unknown += [Unknown(n, header, text, f"has no effect in mode {mode}") for n, text, _ in said]
                if not any(other.applies(mode) for other in rows if other.fact == row.fact):
                    part.facts[row.fact] = default[row.fact]
            elif row.shape == "vlans" and row.applies(mode) and not said:
                part.facts[row.fact] = self.grammar.start(row, mode)

    def switch(self, management: str) -> Switch:
        """Return what was read."""
        found: dict[str, dict[Any, Any]] = {kind: {} for kind in COLLECTIONS}
        single: dict[str, Any] = {kind: built(kind, "", self.grammar.default(kind)) for kind in CLASSES if kind not in COLLECTIONS}
        for (kind, key), part in self.parts.items():
            self._settle(part)
            if kind in COLLECTIONS:
                found[kind][key] = built(kind, key, part.facts)
            else:
                single[kind] = built(kind, key, part.facts)
        found["vlan"].setdefault(1, Vlan(1))
        blocks = {header: Block(self.kinds[header], header, tuple(lines)) for header, lines in self.blocks.items()}
        # Ports stay in the order of the text; the rest is sorted.
        collections: dict[str, Any] = {
            COLLECTIONS[kind]: items if kind == "port" else dict(sorted(items.items())) for kind, items in found.items() if kind != "block"
        }
        switch = Switch(
            platform=self.grammar.platform,
            hostname=self.hostname,
            **collections,
            routes=frozenset(self.routes),
            blocks=blocks,
            **single,
            software=self.software,
            unknown=tuple(sorted(self.unknown, key=lambda line: line.line)),
        )
        return names.with_management_vlan(switch, management)
