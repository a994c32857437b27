"""What differs between the rows of a backup and the living ones, and what is to be done about each. Pure.

A row that the backup has and the database lacks is put back. A row that differs is put back only if it was last written before
``until``, the moment by which the damage was over; one written later, or at a time that nothing tells, is a conflict, and a named
person chooses. A row that only the database has is somebody's work since: it is shown and left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .rows_read import TableRows, Value

CHOICES = ("refuse", "keep-live", "take-backup")
SIGNS = {"missing": "+", "needed": "+", "altered": "~"}


@dataclass(frozen=True)
class Clock:
    """Tells when a row was last written, as far as the database knows: by commit timestamps, or by its heartbeat.

    ``age_at_until`` is the age (in transactions) of the last heartbeat before ``until``: a row with a younger writer came after it.
    A transaction that began before that heartbeat and ended after ``until`` counts as before.
    """

    evidence: str = "none"
    until: float | None = None
    age_at_until: int | None = None

    def since(self, age: int | None, written_at: float | None) -> str:
        """Return whether a row was last written ``before`` or ``after`` the end of the damage, or ``unknown``."""
        if self.until is None or age is None:
            return "unknown"
        if self.evidence == "commit-timestamps":
            return "unknown" if written_at is None else "after" if written_at > self.until else "before"
        if self.age_at_until is None:
            return "unknown"
        return "after" if age < self.age_at_until else "before"


@dataclass(frozen=True)
class Change:
    """One row and what happens to it: ``missing`` and ``needed`` rows are inserted, ``altered`` ones set back."""

    table: str
    kind: str
    key: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    backup: Value
    live: Value | None = None
    since: str = ""
    age: int | None = None

    @property
    def differing(self) -> list[str]:
        """Return the columns that differ."""
        if self.live is None:
            return list(self.columns)
        return [name for name, old, new in zip(self.columns, self.live, self.backup) if old != new]

    def pick(self, names: Sequence[str]) -> Value:
        """Return some columns of the backup's row."""
        return tuple(self.backup[self.columns.index(name)] for name in names)

    def lines(self) -> list[str]:
        """Return the row as the diff shows it: for an altered one each column with its old and its new value."""
        named = " ".join(f"{name}={_value(value)}" for name, value in self.key)
        head = f"{SIGNS[self.kind]} {self.table} {named}"
        if self.live is None:
            told = ", ".join(f"{name}={_value(value)}" for name, value in zip(self.columns, self.backup))
            return [f"{head}: {told}" + ("  (needed by the rows below)" if self.kind == "needed" else "")]
        made = [head + {"after": "  (written since)", "unknown": "  (nobody knows when it was written)"}.get(self.since, "")]
        for name, old, new in zip(self.columns, self.live, self.backup):
            if old != new:
                made += [f"-     {name}={_value(old)}", f"+     {name}={_value(new)}"]
        return made


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@dataclass
class Plan:
    """What will be done (``changes``), what a named choice leaves alone (``kept``), and what only the database has (``extra``)."""

    head: tuple[tuple[str, str], ...] = ()
    changes: list[Change] = field(default_factory=list)
    kept: list[Change] = field(default_factory=list)
    collisions: list[Change] = field(default_factory=list)
    extra: dict[str, list[Value]] = field(default_factory=dict)
    past_triggers: tuple[str, ...] = ()

    @property
    def conflicts(self) -> list[Change]:
        """Return the changes that would undo what somebody did since, or may have."""
        return [change for change in (*self.changes, *self.kept) if change.kind == "altered" and change.since != "before"]

    def text(self) -> str:
        """Return the whole diff as people read and approve it: the same differences always give the same text."""
        made = ["# Rows to be put back. This file holds patients' data: keep it like the record itself."]
        made += [f"# {name}: {value}" for name, value in self.head]
        made += [f"# {name}: its own triggers would refuse these updates; they are made past them" for name in self.past_triggers]
        for table, changes in grouped(self.changes).items():
            made.append(f"@@ {table}: {told(changes)} @@")
            made += [line for change in changes for line in change.lines()]
        for table, changes in grouped(self.kept).items():
            made.append(f"@@ {table}: {len(changes)} rows differ and stay as they are @@")
            made += ["  " + line for change in changes for line in change.lines()]
        return "\n".join(made) + "\n"

    def digest(self) -> str:
        """Return the SHA-256 of the text: what is approved, and what apply compares."""
        return hashlib.sha256(self.text().encode("utf-8")).hexdigest()

    def extra_text(self, columns: Mapping[str, Sequence[str]]) -> str:
        """Return the rows that only the database has. They stay, so they are no part of what is approved."""
        made = ["# Rows that only the living database has. They stay. This file holds patients' data."]
        for table, found in sorted(self.extra.items()):
            made.append(f"@@ {table}: {len(found)} extra @@")
            for row in found:
                made.append("  " + ", ".join(f"{name}={_value(value)}" for name, value in zip(columns[table], row)))
        return "\n".join(made) + "\n" if len(made) > 1 else ""

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many rows of which kind, by table."""
        made: dict[str, dict[str, int]] = {}
        for change in self.changes:
            of = made.setdefault(change.table, {})
            of[change.kind] = of.get(change.kind, 0) + 1
        for change in self.kept:
            of = made.setdefault(change.table, {})
            of["kept"] = of.get("kept", 0) + 1
        for table, found in self.extra.items():
            made.setdefault(table, {})["extra"] = len(found)
        return made


def grouped(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """Return changes by table, in the order in which the tables come."""
    made: dict[str, list[Change]] = {}
    for change in changes:
        made.setdefault(change.table, []).append(change)
    return made


def told(changes: Iterable[Change]) -> str:
    """Return how many rows of each kind, in words."""
    kinds = [change.kind for change in changes]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in SIGNS if kind in kinds)


def ordered(keys: Iterable[Value]) -> list[Value]:
    """Return keys in their natural order: numbers by value, text after them."""
    return sorted(keys, key=lambda key: [(0, int(part), "") if _number(part) else (1, 0, str(part)) for part in key])


def _number(part: Any) -> bool:
    text = str(part)
    return text.lstrip("-").isdigit() and text.isascii()


def compare(
    order: Sequence[str], backup: Mapping[str, TableRows], live: Mapping[str, TableRows], clock: Clock, choice: str
) -> tuple[list[Change], list[Change]]:
    """Return what is to be done and what is kept, parents first. ``live`` holds the living rows with the keys of the backup's."""
    act: list[Change] = []
    keep: list[Change] = []
    for table in order:
        old = backup[table]
        now = live.get(table) or TableRows(old.columns, old.key)
        for key in ordered(old.rows):
            row, named = old.rows[key], tuple(zip(old.key, key))
            there = now.rows.get(key)
            if there is None:
                act.append(Change(table, "needed" if key in old.needed else "missing", named, old.columns, row))
            elif there != row and key not in old.needed:  # a parent that is there serves, whatever has changed in it
                since = clock.since(now.ages.get(key), now.written_at.get(key))
                change = Change(table, "altered", named, old.columns, row, there, since, now.ages.get(key))
                (keep if since != "before" and choice == "keep-live" else act).append(change)
    return act, keep
