"""A platform's grammar, read from ``platforms/<platform>/platform.yml``: one row for each fact, which reads and writes it.

views:      name -> {enter: line, kind: what it configures, block: kind of the lines in it that no row knows}
<kind>:     rows, in the order in which they are written; see ``Row``
defaults:   what a part of the switch is when its text says nothing; ``modes`` adds what a port's mode brings with it
blocks:     views and lines that are carried verbatim;  opaque: lines of a port likewise;  ignore: lines that say nothing
usual:      what a fact that is None amounts to
silent:     facts that go without saying on this platform
negate:     how a verbatim line is taken back, where putting the platform's ``no`` before it is not enough
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from .facts import CLASSES, Facts, flat
from .model import ALL_VLANS
from .wording import Line, Style, read_vlans

PLATFORMS = ("huawei", "huawei_vrpv8", "hp_comware", "ruijie_os", "cisco_ios")
_ROOT = Path(__file__).parent / "platforms"
Shape = Literal["value", "words", "flag", "choice", "each", "keyed", "vlans", "whole"]


@dataclass(frozen=True)
class Row:
    """How one fact is worded.

    ``value``: ``line``.  ``words``: a set of words in one line.  ``flag``: ``is`` and ``is_not``.
    ``choice``: a line for each value; ``leave`` comes before another one.
    ``each``: a line for each element of a set.  ``keyed``: a line for each key of a mapping (``*`` in ``fact``).
    ``vlans``: a set of VLANs that is added to and taken from.  ``whole``: the part is one line.
    ``when``: the modes in which the fact counts.  ``view``: where the line stands (empty: outside).
    ``late``: taken back only after the rest was set.
    ``replace``: taken back before another value is set.  ``constant``: what a line of a mapping means that has no blank for it.
    ``maps``: words of the platform for a blank's values.  ``read``: (line, value) understood but never written.
    """

    kind: str
    fact: str
    shape: Shape
    view: str
    lines: tuple[Line, ...] = ()
    when: tuple[str, ...] = ()
    undo: Line | None = None
    off: Line | None = None
    choices: Mapping[Any, Line] = field(default_factory=dict)
    leave: Mapping[str, Line] = field(default_factory=dict)
    sets: Mapping[str, Line] = field(default_factory=dict)
    start: Mapping[str, frozenset[int]] = field(default_factory=dict)
    maps: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)
    also: tuple[tuple[Line, Any], ...] = ()
    implies: Mapping[str, Any] = field(default_factory=dict)
    late: bool = False
    replace: bool = False
    constant: Any = None

    def applies(self, mode: str) -> bool:
        """Say whether the fact counts for a part in this mode."""
        return not self.when or mode in self.when

    def covers(self, path: str) -> bool:
        """Say whether a fact's path is this row's."""
        return path == self.fact or ("*" in self.fact and re.fullmatch(re.escape(self.fact).replace(r"\*", r"\w+"), path) is not None)


@dataclass(frozen=True)
class View:
    """A view of the command line. ``kind``: what it configures (empty: rows of other kinds only)."""

    name: str
    enter: Line
    kind: str = ""
    block: str = ""


@dataclass(frozen=True)
class Grammar:
    """Everything that platform.yml says about a platform's configuration text."""

    platform: str
    style: Style
    views: Mapping[str, View]
    rows: Mapping[str, tuple[Row, ...]]
    defaults: Mapping[str, Facts]
    create: Line | None
    creates: tuple[Line, ...]
    remove: Mapping[str, Line]
    blocks: tuple[tuple[re.Pattern[str], str], ...]
    opaque: tuple[tuple[re.Pattern[str], str], ...]
    ignore: tuple[re.Pattern[str], ...]
    negate: tuple[tuple[re.Pattern[str], str], ...]
    software: re.Pattern[str]
    banner: re.Pattern[str] | None
    silent: frozenset[str]
    usual: Mapping[str, Any]
    data: Mapping[str, Any]

    def default(self, kind: str) -> Facts:
        """Return the facts of a part about which nothing is said."""
        return dict(self.defaults[kind])

    def start(self, row: Row, mode: str) -> frozenset[int]:
        """Return the VLANs that a port has by entering a mode, before anything is said of them."""
        return row.start.get(mode, frozenset())

    def undone(self, line: str) -> str:
        """Return the line that takes a verbatim line back."""
        if line.startswith(f"{self.style.negation} "):
            return line[len(self.style.negation) + 1 :]
        for pattern, replacement in self.negate:
            if pattern.match(line):
                return pattern.sub(replacement, line)
        return f"{self.style.negation} {line}"


@cache
def load(platform: str) -> Grammar:
    """Return a platform's grammar. ValueError names a platform there is none for."""
    if platform not in PLATFORMS:
        raise ValueError(f"No grammar for the platform {platform!r}: there is one for {', '.join(PLATFORMS)}.")
    data = _data(platform)
    style = Style(**data["style"])
    views = {
        name: View(name, Line(view["enter"], style), view.get("kind", ""), view.get("block", "")) for name, view in data["views"].items()
    }
    homes = {view.kind: view.name for view in views.values() if view.kind}
    kinds = (*CLASSES, "hostname", "route")
    rows = {kind: tuple(_row(kind, row, homes.get(kind, ""), style) for row in data.get(kind, [])) for kind in kinds}
    return Grammar(
        platform=platform,
        style=style,
        views=views,
        rows=rows,
        defaults={kind: _defaults(kind, data["defaults"].get(kind, {})) for kind in CLASSES},
        create=Line(data["create"], style) if data.get("create") else None,
        creates=tuple(Line(text, style) for text in (*([data["create"]] if data.get("create") else []), *data.get("creates", []))),
        remove={kind: Line(text, style) for kind, text in data["remove"].items()},
        blocks=_patterns(data["blocks"]),
        opaque=_patterns(data.get("opaque", {})),
        ignore=tuple(re.compile(pattern) for pattern in data["ignore"]),
        negate=tuple((re.compile(pattern), text) for pattern, text in data.get("negate", {}).items()),
        software=re.compile(data["software"]),
        banner=re.compile(data["banner"]) if data.get("banner") else None,
        usual=data.get("usual", {}),
        silent=frozenset(data.get("silent", ())),
        data=data,
    )


def _data(platform: str) -> dict[str, Any]:
    """Return a platform's table, laid over that of the platform it is ``like``."""
    data: dict[str, Any] = yaml.safe_load((_ROOT / platform / "platform.yml").read_text(encoding="utf-8"))
    if "like" not in data:
        return data
    base = _data(data["like"])
    for key, value in data.items():
        if key in (*CLASSES, "hostname", "route"):
            base[key] = _rows_over(base.get(key, []), value)
        elif isinstance(value, dict) and isinstance(base.get(key), dict) and key != "names":
            base[key] = {**base[key], **value}
        else:
            base[key] = {**base[key], **value} if key == "names" else value
    return base


def _rows_over(base: list[dict[str, Any]], over: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row takes the place of the one about the same fact and modes (of all about the fact, if it is dropped); a new one comes last."""
    rows = list(base)
    for row in over:
        mine = [n for n, old in enumerate(rows) if old.get("fact") == row.get("fact")]
        same = [n for n in mine if len(mine) == 1 or set(rows[n].get("when", ())) & set(row.get("when", ()))]
        if row.get("drop") is True:
            rows = [old for n, old in enumerate(rows) if n not in mine]
        elif same:
            rows[same[0]] = row
        else:
            rows.append(row)
    return rows


def _patterns(kinds: Mapping[str, list[str]]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), kind) for kind, patterns in kinds.items() for pattern in patterns)


def _defaults(kind: str, given: Mapping[str, Any]) -> Facts:
    """The model's own defaults, and what the platform does otherwise."""
    cls = CLASSES[kind]
    key = {"vlan": 1, "aggregate": 1, "svi": 1, "port": "", "user": ""}.get(kind)
    facts = flat(cls(key) if key is not None else cls())
    wrong = set(given) - set(facts)
    if wrong:
        raise ValueError(f"platform.yml gives defaults for facts that a {kind} does not have: {', '.join(sorted(wrong))}")
    return facts | {path: frozenset(value) if isinstance(value, list) else value for path, value in given.items()}


def _row(kind: str, row: Mapping[str, Any], home: str, style: Style) -> Row:
    def line(text: str) -> Line:
        return Line(text, style)

    def several(key: str) -> tuple[Line, ...]:
        given = row.get(key, [])
        return tuple(line(text) for text in ([given] if isinstance(given, str) else given))

    no = f"{style.negation} "
    shape: Shape = row.get("shape") or ("flag" if "is" in row else "choice" if "choice" in row else "vlans" if "add" in row else "value")
    written = several("is" if shape == "flag" else "line")
    undo = row.get("undo")
    if undo is None and written and shape in ("value", "words", "keyed"):
        undo = no + written[-1].fixed
    elif undo is None and written and shape in ("each", "whole"):
        undo = no + written[-1].text
    off = row.get("is_not", no + written[0].text) if shape == "flag" else None
    return Row(
        kind=kind,
        fact=row.get("fact", ""),
        shape=shape,
        view=row.get("in", home),
        lines=written,
        when=tuple(row.get("when", ())),
        undo=line(undo) if undo else None,
        off=line(off) if off else None,
        choices={value: line(text) for value, text in row.get("choice", {}).items()},
        leave={value: line(text) for value, text in row.get("leave", {}).items()},
        sets={verb: line(row[verb]) for verb in ("set", "add", "drop", "all", "none", "except") if verb in row},
        start={
            mode: ALL_VLANS if vlans == "all" else read_vlans(vlans) if vlans else frozenset()
            for mode, vlans in row.get("start", {}).items()
        },
        maps=row.get("maps", {}),
        also=tuple((line(text), value) for text, value in row.get("read", {}).items()),
        implies=row.get("implies", {}),
        late=row.get("late", False),
        replace=row.get("replace", False),
        constant=row.get("constant"),
    )
