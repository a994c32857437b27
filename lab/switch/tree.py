"""A configuration as a tree of views, shown in the platform's own layout and order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.switch.grammar import Grammar, ListShow, Rule
from lab.switch.pattern import PARAMETER
from lab.switch.values import commas_list, ranges, words_list

Key = tuple[Any, ...]


class RefusedError(Exception):
    """A line that is well formed and cannot be done; the text is the platform's."""


@dataclass(frozen=True)
class Item:
    """One line that is kept: its rule, its values, its text; `negated` when the absence is what is configured."""

    rule: Rule
    values: Mapping[str, Any]
    text: str
    negated: bool = False


@dataclass
class Context:
    """A view that has been opened, with its lines."""

    rule: Rule | None
    view: str
    values: Mapping[str, Any] = field(default_factory=dict)
    heading: str = ""
    items: dict[Key, Item] = field(default_factory=dict)
    children: dict[Key, Context] = field(default_factory=dict)
    parent: Context | None = None

    def copy(self, parent: Context | None = None) -> Context:
        """Return a copy that can be changed without this one."""
        twin = Context(self.rule, self.view, self.values, self.heading, dict(self.items), {}, parent)
        twin.children = {key: child.copy(twin) for key, child in self.children.items()}
        return twin

    @property
    def name(self) -> str:
        """Return what the view is about: an interface, a VLAN."""
        return str(next(iter(self.values.values()), ""))

    @property
    def key(self) -> Key:
        """Return what tells this view from others below the same one."""
        return key_of(self.rule, self.values) if self.rule else ()

    def facts(self) -> dict[str, Any]:
        """Return what the lines of this view ask of the switch."""
        found: dict[str, Any] = {}
        for item in self.items.values():
            for fact, value in (item.rule.off if item.negated else item.rule.acts).items():
                found[fact] = item.values.get(value[1:]) if isinstance(value, str) and value.startswith("$") else value
        return found

    def within(self, view: str) -> Iterator[Context]:
        """Go through the opened views of one kind."""
        return (child for child in self.children.values() if child.view == view)

    def values_of(self, slot: str) -> frozenset[int] | None:
        """Return the set of VLANs of a slot, or None if it is not configured."""
        item = self.items.get((slot,))
        return frozenset(item.values["set"]) if item else None

    def same(self, other: Context) -> bool:
        """Say whether two trees hold the same configuration."""
        lines = {key: (item.text, item.negated, item.values.get("set")) for key, item in self.items.items()}
        others = {key: (item.text, item.negated, item.values.get("set")) for key, item in other.items.items()}
        return (
            lines == others
            and self.children.keys() == other.children.keys()
            and all(self.children[k].same(other.children[k]) for k in self.children)
        )


def write_line(pattern: str, values: Mapping[str, Any]) -> str:
    """Return a line from a pattern that is words and values only."""
    return PARAMETER.sub(lambda found: str(values[found[1]]), pattern)


def key_of(rule: Rule, values: Mapping[str, Any]) -> Key:
    """Return what tells a line from others of its slot."""
    return (rule.slot, *(values.get(name) for name in rule.key))


class Tree:
    """The configuration of one switch."""

    def __init__(self, grammar: Grammar, root: Context | None = None) -> None:
        """Begin with nothing, or with a root."""
        self.grammar = grammar
        self.root = root or Context(None, str(grammar.data["top"]))

    def copy(self) -> Tree:
        """Return a configuration of its own with the same lines."""
        return Tree(self.grammar, self.root.copy())

    def open(self, parent: Context, rule: Rule, values: Mapping[str, Any], text: str = "") -> list[Context]:
        """Return the views that a line opens, made where they are not there yet."""
        if rule.each:
            home = self.grammar.home(parent.view, rule.opens)
            return [self._opened(parent, home, {home.key[0]: value}) for value in sorted(values[rule.each])]
        return [self._opened(parent, rule, values, text)]

    def _opened(self, parent: Context, rule: Rule, values: Mapping[str, Any], text: str = "") -> Context:
        key = key_of(rule, values)
        if key not in parent.children:
            parent.children[key] = Context(rule, rule.opens, dict(values), text or write_line(rule.line, values), parent=parent)
        return parent.children[key]

    def set(self, context: Context, rule: Rule, values: Mapping[str, Any], text: str) -> None:
        """Keep a line."""
        values = {**rule.fixed, **values}
        key = key_of(rule, values)
        if rule.shown_as:
            text = rule.shown_as.format(**values)
            rule = next(other for other in self.grammar.rules[rule.view] if other.slot == rule.slot and not other.shown_as)
        for slot in rule.drops:
            for gone in [k for k in context.items if k[0] == slot]:
                del context.items[gone]
        if rule.op:
            self._set_list(context, rule, values)
        elif rule.on or rule.hidden or rule.always or text in rule.default:
            context.items.pop(key, None)
        else:
            context.items[key] = Item(rule, values, text)

    def _set_list(self, context: Context, rule: Rule, values: Mapping[str, Any]) -> None:
        show = self.grammar.shown_by(rule.slot, rule.view)
        have = self._set_of(context, show)
        given = frozenset(values.get(rule.list_of, ()))
        every = frozenset(range(1, 4095))
        for slot in rule.also:
            self._without(context, rule.view, slot, given)
        now = {"set": given, "add": have | given, "remove": have - given, "all": every, "none": frozenset(), "except": every - given}[
            rule.op
        ]
        self._keep_list(context, show, now)

    def _undo_list(self, context: Context, rule: Rule, given: frozenset[int] | None, text: str) -> None:
        show = self.grammar.shown_by(rule.slot, rule.view)
        if given is not None:
            for slot in rule.also:
                self._without(context, rule.view, slot, frozenset(given))
            self._keep_list(context, show, self._set_of(context, show) - given)
        else:
            self._keep_list(context, show, frozenset() if text.endswith(" all") else _base(show))

    def _without(self, context: Context, view: str, slot: str, gone: frozenset[int]) -> None:
        show = self.grammar.shown_by(slot, view)
        self._keep_list(context, show, self._set_of(context, show) - gone)

    def _set_of(self, context: Context, show: Rule) -> frozenset[int]:
        have = context.values_of(show.slot)
        return _base(show) if have is None else have

    def _keep_list(self, context: Context, show: Rule, now: frozenset[int]) -> None:
        if show.shows and now == show.shows.base:
            context.items.pop((show.slot,), None)
        else:
            context.items[(show.slot,)] = Item(show, {"set": now}, show.line)

    def undo(self, context: Context, rule: Rule, values: Mapping[str, Any], text: str) -> None:
        """Take a line back, and nothing but what it says."""
        values = {**rule.fixed, **values}
        key = key_of(rule, values)
        if rule.opens:
            self._close(context, rule, values)
        elif rule.op:
            self._undo_list(context, rule, values.get(rule.list_of), text)
        elif rule.on:
            context.items[key] = Item(rule, values, text, negated=True)
        else:
            for gone in [k for k in context.items if k[: len(key)] == key or (None in key and k[0] == key[0] and _fits(k, key))]:
                del context.items[gone]

    def _close(self, parent: Context, rule: Rule, values: Mapping[str, Any]) -> None:
        homes = [self.grammar.home(parent.view, rule.opens)] if rule.each else [rule]
        for home in homes:
            for value in sorted(values[rule.each]) if rule.each else [None]:
                key = key_of(home, values if value is None else {home.key[0]: value})
                gone = parent.children.get(key)
                if gone and gone.rule and gone.rule.keep:
                    raise RefusedError(self.grammar.data["refusals"]["keep"])
                if gone:
                    parent.children.pop(key)

    # What is shown

    def lines(self, context: Context | None = None) -> list[str]:
        """Return the whole configuration, or one view with its heading."""
        mark = str(self.grammar.data["separator"])
        if context is not None and context is not self.root:
            return self._block(context, 0)
        out: list[str] = []
        for block in self._blocks(self.root):
            out += [*block, mark]
        return out

    def _blocks(self, root: Context) -> Iterator[list[str]]:
        """Go through the groups of lines of the top view; each opened view is a group of its own."""
        group: list[str] = []
        number = 0
        pad = " " * int(self.grammar.data.get("top_indent", 0))
        for rule in self.grammar.rules[root.view]:
            if rule.group != number and group:
                yield group
                group = []
            number = rule.group
            if rule.opens:
                blocks = self._opened_blocks(root, rule)
                if rule.joined and blocks:
                    group += [line for block in blocks for line in block]
                    continue
                if blocks and group:
                    yield group
                    group = []
                yield from blocks
            else:
                group += [pad + line for line in self._rule_lines(root, rule)]
        if group:
            yield group

    def _opened_blocks(self, parent: Context, rule: Rule) -> list[list[str]]:
        if rule.each:
            return self._batches(parent, rule)
        mine = sorted((c for c in parent.children.values() if c.rule is rule), key=_natural)
        if rule.block == "filled":
            mine = [child for child in mine if child.items or child.children]
        if rule.block not in ("ranges", "gathered"):
            return [self._block(child, 0) for child in mine]
        bare = [int(c.name) for c in mine if not c.items]
        if rule.block == "gathered" and len(bare) > 1:
            return [[rule.ranges.format(commas_list(bare))], *(self._block(c, 0) for c in mine if c.items)]
        plain = ranges(bare)
        blocks = {int(c.name): self._block(c, 0) for c in mine if c.items}
        blocks |= {a: [write_line(rule.line, {rule.key[0]: a}) if a == b else rule.ranges.format(a, b)] for a, b in plain}
        return [blocks[number] for number in sorted(blocks)]

    def _batches(self, parent: Context, rule: Rule) -> list[list[str]]:
        if rule.block != "lists" or rule.shows is None:
            return []
        numbers = {int(child.name) for child in parent.within(rule.opens)} - rule.shows.hidden
        lists = [commas_list(numbers)] if self.grammar.data.get("commas") else words_list(numbers)
        return [[rule.shows.plus.format(text) for text in lists]] if numbers else []

    def _block(self, context: Context, depth: int) -> list[str]:
        pad = " " * depth
        out = [pad + context.heading]
        for rule in self.grammar.rules[context.view]:
            if rule.opens:
                for child in sorted((c for c in context.children.values() if c.rule is rule), key=_natural):
                    out += self._block(child, depth + 1)
            else:
                out += [f"{pad} {line}" for line in self._rule_lines(context, rule)]
        if context.view in self.grammar.data.get("closes", ()):
            out.append(f"{pad} {self.grammar.data['closes'][context.view]}")
        return out

    def _rule_lines(self, context: Context, rule: Rule) -> list[str]:
        found = sorted((item for item in context.items.values() if item.rule is rule), key=lambda item: _words(item.text))
        out: list[str] = []
        for item in found:
            if rule.shows:
                out += list_lines(rule.shows, frozenset(item.values["set"]), bool(self.grammar.data.get("commas")))
            elif item.negated:
                out.append(f"{self.grammar.negation} {item.text}")
            else:
                out.append(item.text)
        if rule.always and not any(key[0] == rule.slot for key in context.items):
            out.append(rule.line)
        return out


def list_lines(shows: ListShow, numbers: frozenset[int], commas: bool) -> list[str]:
    """Return the lines that show a set of VLANs."""
    if shows.every and len(numbers) == 4094:
        return [shows.every]
    if shows.none and not numbers:
        return [shows.none]
    out = []
    if shows.minus and shows.base - numbers:
        out.append(shows.minus.format(words_list(shows.base - numbers)[0]))
    left = numbers - shows.hidden
    texts = words_list(left) if not commas else _wrapped(commas_list(left)) if left else []
    more = shows.more or shows.plus
    return out + [(more if place else shows.plus).format(text) for place, text in enumerate(texts)]


def _wrapped(text: str, width: int = 60) -> Sequence[str]:
    """Cut a long list of VLANs at commas."""
    out = [""]
    for item in text.split(","):
        if len(out[-1]) + len(item) > width:
            out.append(item)
        else:
            out[-1] = f"{out[-1]},{item}" if out[-1] else item
    return out


def _base(show: Rule) -> frozenset[int]:
    return show.shows.base if show.shows else frozenset()


def _fits(have: Key, wanted: Key) -> bool:
    return len(have) == len(wanted) and all(b is None or a == b for a, b in zip(have, wanted, strict=True))


def _words(text: str) -> list[Any]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def _natural(context: Context) -> list[Any]:
    return _words(context.name)
