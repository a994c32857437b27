"""A platform's grammar: read from `grammars/<platform>.yml`, compiled once, shared by every device of the platform.

`lab/switch/README.md` says what may stand in such a file.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.switch.pattern import PARAMETER, PIECE, Machine
from lab.switch.values import InterfaceKind

HERE = Path(__file__).with_name("grammars")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C reads a grammar ten times faster
EVERY = frozenset(range(1, 4095))


class GrammarError(Exception):
    """A grammar file that does not hold together."""


@dataclass(frozen=True)
class ListShow:
    """How a set of VLANs is shown: what is the default, what goes without saying, and the lines for the rest."""

    base: frozenset[int] = frozenset()
    hidden: frozenset[int] = frozenset()
    plus: str = ""
    more: str = ""
    minus: str = ""
    every: str = ""
    none: str = ""


@dataclass(frozen=True, eq=False)
class Rule:
    """A line of the configuration."""

    view: str
    line: str
    group: int
    order: int
    slot: str  # what it replaces: lines of one slot and one key exclude each other
    key: tuple[str, ...] = ()
    acts: Mapping[str, Any] = field(default_factory=dict)
    off: Mapping[str, Any] = field(default_factory=dict)  # what the negated line acts, for what is on by itself
    on: bool = False  # on by itself: only its negation is shown
    default: tuple[str, ...] = ()  # lines that say what is so anyway, and are not shown
    undo: tuple[str, ...] = ()
    list_of: str = ""  # the value that is a set of VLANs
    op: str = ""  # set | add | remove | all | none | except, on the slot's set
    shows: ListShow | None = None
    opens: str = ""
    each: str = ""
    enter: bool = True
    prompt: str = ""
    block: str = "full"  # full | filled (shown only with something in it) | ranges | gathered | lists
    ranges: str = ""
    joined: bool = False  # its blocks stand together, without a separator between them
    keep: bool = False  # belongs to the box: cannot be removed
    needs: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    anywhere: bool = False
    says: str = ""
    hidden: bool = False  # not shown; what else stands in its slot goes
    shown_as: str = ""  # another line that says the same, with the values put in
    fixed: Mapping[str, Any] = field(default_factory=dict)  # values that go without saying
    also: tuple[str, ...] = ()  # other slots' sets: a VLAN is in one of them only
    always: bool = False  # shown although it is so anyway


@dataclass(frozen=True)
class Command:
    """A line that does something and is not kept."""

    action: str
    argument: str = ""


Meaning = tuple[str, Any]  # ("set" | "undo", Rule) | ("do", Command)


@dataclass
class Grammar:
    """Everything that is particular to a platform."""

    platform: str
    data: Mapping[str, Any]
    rules: Mapping[str, Sequence[Rule]]
    machines: Mapping[str, Machine[Meaning]]
    kinds: tuple[InterfaceKind, ...]

    @property
    def negation(self) -> str:
        """Return the word that takes a line back: `undo` or `no`."""
        return str(self.data["negation"])

    @functools.cached_property
    def _acting(self) -> frozenset[tuple[str, str]]:
        return frozenset((rule.view, rule.slot) for rules in self.rules.values() for rule in rules if rule.acts or rule.off or rule.op)

    def acts(self, rule: Rule) -> bool:
        """Say whether a line is acted upon, or replaces one that is; everything else is stored and shown."""
        return bool(rule.opens or rule.drops) or (rule.view, rule.slot) in self._acting

    def home(self, view: str, opens: str) -> Rule:
        """Return the rule under which a view that was opened in another way is shown."""
        return next(rule for rule in self.rules[view] if rule.opens == opens and not rule.each)

    def shown_by(self, slot: str, view: str) -> Rule:
        """Return the rule that shows a slot's set."""
        return next(rule for rule in self.rules[view] if rule.slot == slot and rule.shows)

    def error(self, kind: str, line: str, position: int, prompt_width: int) -> str:
        """Return the platform's own words for a line it does not take, with its caret."""
        template = str(self.data["errors"][kind])
        return template.format(caret=" " * (prompt_width + position) + "^", line=line.strip())


def _numbers(given: Any) -> frozenset[int]:
    return EVERY if given == "all" else frozenset(given or ())


def _texts(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


def _auto_undo(line: str, key: Sequence[str], list_of: str) -> tuple[str, ...]:
    """Return the line that takes a rule back: as far as its key is needed, the rest may follow."""
    pieces = PIECE.findall(line)
    named = [PARAMETER.fullmatch(piece) for piece in pieces]
    if list_of:
        place = next(i for i, found in enumerate(named) if found and found[1] == list_of)
        return (f"{' '.join(pieces[:place])} {{{pieces[place]}|all}}",)
    ends = [i + 1 for i, found in enumerate(named) if found and found[1] in key]
    plain = next((i for i, piece in enumerate(pieces) if piece[0] in "<{["), len(pieces))
    cut = ends[-1] if ends else plain
    rest = " ".join(pieces[cut:])
    return (" ".join(pieces[:cut]) + (f" [{rest}]" if rest else ""),)


def _rule(view: str, given: Mapping[str, Any], group: int, order: int) -> Rule:
    line = given["line"]
    key = _texts(given.get("key"))
    words = re.match(r"[^<{\[]*", line)
    shows = given.get("shows")
    list_of = given.get("list", "")
    return Rule(
        view=view,
        line=line,
        group=group,
        order=order,
        slot=given.get("slot") or (words[0].strip() if words else "") or line,
        key=key,
        acts=given.get("acts") or {},
        off=given.get("off") or {},
        on=bool(given.get("on")),
        default=_texts(given.get("default")),
        undo=_texts(given["undo"]) if "undo" in given else _auto_undo(line, key, list_of),
        list_of=list_of,
        op=given.get("op", "add" if list_of else ""),
        shows=ListShow(**{**shows, "base": _numbers(shows.get("base")), "hidden": _numbers(shows.get("hidden"))}) if shows else None,
        **{
            name: given[name]
            for name in (
                "opens",
                "each",
                "enter",
                "prompt",
                "block",
                "ranges",
                "keep",
                "anywhere",
                "says",
                "hidden",
                "shown_as",
                "fixed",
                "always",
                "joined",
            )
            if name in given
        },
        needs=_texts(given.get("needs")),
        also=_texts(given.get("also")),
        drops=_texts(given.get("drops")),
    )


KNOWN = {
    "line",
    "key",
    "acts",
    "off",
    "on",
    "default",
    "undo",
    "list",
    "op",
    "shows",
    "opens",
    "each",
    "enter",
    "prompt",
    "block",
    "ranges",
}
KNOWN |= {"keep", "anywhere", "says", "hidden", "needs", "drops", "slot", "shown_as", "fixed", "also", "always", "joined"}


def _flat(entries: Sequence[Any], parts: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    for entry in entries:
        if isinstance(entry, dict) and "part" in entry:
            yield from _flat(parts[entry["part"]], parts)
        else:
            yield entry


def _rules(configuration: Mapping[str, Sequence[Any]], parts: Mapping[str, Sequence[Any]]) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for view, entries in configuration.items():
        rules, group = found.setdefault(view, []), 0
        for entry in _flat(entries, parts):
            if entry == "#":
                group += 1
                continue
            given = {"line": entry} if isinstance(entry, str) else entry
            if unknown := set(given) - KNOWN:
                raise GrammarError(f"{view}: {given['line']!r} has unknown keys {sorted(unknown)}")
            rules.append(_rule(view, given, group, len(rules)))
    return found


def _patterns(rules: Sequence[Rule], negation: str) -> list[tuple[str, Meaning]]:
    """Return the patterns of a view's lines, and of their negations."""
    found: list[tuple[str, Meaning]] = []
    for rule in rules:
        found.append((rule.line, ("set", rule)))
        found.extend((f"{negation} {undo}", ("undo", rule)) for undo in rule.undo)
    return found


def _expand(data: Mapping[str, Any], views: Sequence[str]) -> dict[str, list[tuple[str, Meaning]]]:
    commands: dict[str, list[tuple[str, Meaning]]] = {view: [] for view in views}
    for names, lines in data["commands"].items():
        for name in names.split():
            targets = views if name == "any" else [view for view in views if view not in data["exec_views"]] if name == "config" else [name]
            for target in targets:
                for line, action in lines.items():
                    action, _, argument = str(action).partition(" ")
                    commands[target].append((line, ("do", Command(action, argument))))
    return commands


def _read(platform: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.load((HERE / f"{platform}.yml").read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - both are safe loaders
    return data


@functools.cache
def load(platform: str) -> Grammar:
    """Read and compile a platform's grammar."""
    data = _read(platform)
    if "base" in data:
        data = _overlay(_read(data["base"]), data)
    rules = _rules(data["configuration"], data.get("parts") or {})
    views = [*data["exec_views"], *rules]
    commands = _expand(data, views)
    elsewhere = [rule for rule in rules[data["top"]] if rule.anywhere]
    machines: dict[str, Machine[Meaning]] = {}
    for view in views:
        own = list(rules.get(view, ()))
        if view not in (*data["exec_views"], data["top"]):
            own += [rule for rule in elsewhere if rule.line not in {r.line for r in own}]
        machines[view] = Machine([*_patterns(own, data["negation"]), *commands[view]])
    kinds = tuple(InterfaceKind(**{**row, "numbers": tuple(row["numbers"]) if row.get("numbers") else None}) for row in data["interfaces"])
    return Grammar(platform, data, rules, machines, kinds)


def _overlay(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return a grammar with another's changes: mappings are merged, the views and everything else replaced."""
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(under.get(key), dict)
        merged[key] = {**under[key], **value} if both else value
    configuration, parts = dict(merged["configuration"]), dict(merged.get("parts") or {})
    for view, entries in (over.get("extra") or {}).items():
        into = parts if view in parts else configuration
        into[view] = [*entries, *_others(into.get(view, ()), entries)]
    return {**merged, "configuration": configuration, "parts": parts}


def _others(under: Sequence[Any], over: Sequence[Any]) -> list[Any]:
    """Return the lines of a view that are not said anew."""
    new = {entry["line"] if isinstance(entry, dict) else entry for entry in over}
    return [entry for entry in under if not (isinstance(entry, dict) and entry.get("line") in new)]
