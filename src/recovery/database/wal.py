"""Write-ahead log by name: segments, timelines, and whether an archive reaches from a backup to a target. Pure.

Names and positions as in the PostgreSQL manual, 30.6 WAL Internals; timeline histories as in 26.3.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SEGMENT = re.compile(r"[0-9A-F]{24}")
_HISTORY_LINE = re.compile(r"^\s*(\d+)\s+([0-9A-Fa-f]+)/([0-9A-Fa-f]+)")


def parse_lsn(text: str) -> int:
    """Read a position such as ``0/3000028`` as a byte count."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def format_lsn(position: int) -> str:
    """Write a byte count as PostgreSQL writes a position."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


@dataclass(frozen=True, order=True)
class Segment:
    """A WAL segment: its timeline and its number counted from the beginning of the log."""

    timeline: int
    number: int

    @classmethod
    def parse(cls, name: str, size: int = 16 * 1024 * 1024) -> Segment:
        """Read a segment's file name; anything behind its 24 hexadecimal digits is ignored."""
        if not SEGMENT.match(name):
            raise ValueError(f"'{name}' is not the name of a WAL segment")
        per_log = 0x100000000 // size
        return cls(int(name[0:8], 16), int(name[8:16], 16) * per_log + int(name[16:24], 16))

    def name(self, size: int = 16 * 1024 * 1024) -> str:
        """Return the segment's file name."""
        per_log = 0x100000000 // size
        return f"{self.timeline:08X}{self.number // per_log:08X}{self.number % per_log:08X}"

    def start(self, size: int = 16 * 1024 * 1024) -> int:
        """Return the position of the segment's first byte."""
        return self.number * size


def parse_history(text: str) -> list[tuple[int, int]]:
    """Read a timeline history file: (parent timeline, position at which it was left), oldest first."""
    found = (_HISTORY_LINE.match(line) for line in text.splitlines())
    return [(int(m.group(1)), (int(m.group(2), 16) << 32) + int(m.group(3), 16)) for m in found if m]


def missing_segments(
    start: Segment,
    timeline: int,
    history: Iterable[tuple[int, int]],
    present: Iterable[Segment],
    end: int | None = None,
    size: int = 16 * 1024 * 1024,
) -> list[Segment]:
    """Return the segments that a replay from ``start`` along ``timeline`` would look for in vain, in order.

    ``history`` is the timeline's own; ``present`` is everything at hand (archive and tail); ``end`` is the number of the last
    segment that is needed, by default the newest one present on the timeline. PostgreSQL prefers a segment of a younger
    timeline, so at a switch the child's copy stands for the parent's.
    """
    have = set(present)
    chain = [(tli, position // size) for tli, position in history if tli >= start.timeline]
    chain.append((timeline, max([s.number for s in have if s.timeline == timeline], default=start.number)))
    last = chain[-1][1] if end is None else end
    missing: list[Segment] = []
    first = start.number
    for tli, until in chain:
        stop = min(until, last)
        for number in range(first, stop + 1):
            candidates = {Segment(t, number) for t, _ in chain if t >= tli}
            if not candidates & have:
                missing.append(Segment(tli, number))
        first = max(first, stop + 1)
    return missing


def youngest_descendant(start: int, histories: Mapping[int, list[tuple[int, int]]]) -> int:
    """Return the highest timeline that descends from ``start``, as PostgreSQL's recovery_target_timeline=latest would follow."""
    return max([tli for tli, past in histories.items() if start in {t for t, _ in past}], default=start)
