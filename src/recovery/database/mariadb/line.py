"""Histories of a database and which of them counts (BKP-11): every restore and every rollback begins a new one. Pure.

The newest history, the one that it left behind, and so on are the line that counts. What a rollback gave up is on no line: its backups
and its log are taken only where a backup of it is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import binlog
from .binlog import Gtid, Transaction
from .repository import Backup

Histories = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Stretch:
    """A history's log, up to the transaction at which its successor left it; ``upto`` is None for all of it."""

    history: str
    upto: Gtid | None = None


@dataclass(frozen=True)
class Part:
    """The logs of one stretch, and those of their transactions that a replay takes."""

    stretch: Stretch
    paths: tuple[Path, ...]
    transactions: tuple[Transaction, ...]


def line(histories: Histories) -> list[Stretch]:
    """Return the line that counts, the first history first; empty where none is known."""
    if not histories:
        return []
    name = max(histories, key=lambda one: str(histories[one].get("since", "")))
    found = [Stretch(name)]
    while parent := str(histories.get(name, {}).get("parent") or ""):
        left_at = str(histories[name].get("left_at") or "")
        if any(one.history == parent for one in found) or not left_at:
            break
        found.insert(0, Stretch(parent, Gtid.parse(left_at)))
        name = parent
    return found


def behind(backup: Backup, histories: Histories) -> list[Stretch]:
    """Return the stretches that lead on from a backup along the line that counts; empty where the backup is not on it."""
    found = line(histories)
    place = next((number for number, one in enumerate(found) if one.history == backup.history), None)
    if place is None:
        return [] if found else [Stretch(backup.history)]
    left_at = found[place].upto
    if left_at is not None and backup.gtid and Gtid.parse(backup.gtid).seq > left_at.seq:
        return []
    return found[place:]


def follow(stretches: Sequence[Stretch], logs_of: Callable[[str], Sequence[Path]], start: Gtid) -> list[Part]:
    """Return what leads on behind a transaction. A history begun by a restore has logged again what was replayed into it, so as few
    stretches as possible are taken. Raises BinlogError for damage and HoleError for a hole."""
    *earlier, last = stretches
    paths = tuple(logs_of(last.history))
    missing: binlog.HoleError | None = None
    try:
        found = binlog.transactions(paths, start)
    except binlog.HoleError as error:
        if not earlier or error.expected != start.seq + 1:
            raise
        found, missing = [], error
    left = earlier[-1].upto if earlier else None
    if left is not None and (missing or not found) and start.seq < left.seq:
        before = follow(earlier, logs_of, start)
        reached = next((part.transactions[-1].gtid for part in reversed(before) if part.transactions), start)
        if reached.seq < left.seq:
            raise missing or binlog.BinlogError(f"the log of the history before it ends at {reached}, and the next one begins at {left}")
        return [*before, Part(last, paths, _upto(binlog.transactions(paths, reached), last.upto))]
    if missing:
        raise missing
    return [Part(last, paths, _upto(found, last.upto))]


def _upto(found: Sequence[Transaction], end: Gtid | None) -> tuple[Transaction, ...]:
    return tuple(one for one in found if end is None or one.gtid.seq <= end.seq)
