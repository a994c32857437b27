"""What the users saw, from the logs of their workstations: when service failed, for how long, what was promised and is gone.

Pure, standard library only. A summary is what ``his-client summary`` prints: ``workstation``, ``acknowledged`` (ascending
ranges of transaction numbers), ``unknown`` (sent, never answered), ``gaps`` (``start``, ``first_failure``, ``end`` or null).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

Range = tuple[int, int]


def moment(text: str) -> datetime:
    """Read an ISO 8601 time with zone. Raises ValueError if it names none: hosts' zones differ."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if at.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return at


def merged(ranges: Iterable[Sequence[int]]) -> list[Range]:
    """Put ranges into order; what overlaps or touches becomes one. Raises ValueError for a range that ends before it begins."""
    found: list[Range] = []
    for first, last in sorted((int(pair[0]), int(pair[1])) for pair in ranges):
        if last < first:
            raise ValueError(f"the range {first} to {last} ends before it begins")
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def size(ranges: Iterable[Range]) -> int:
    """Return how many numbers merged ranges hold."""
    return sum(last - first + 1 for first, last in ranges)


def missing_in(ranges: Iterable[Range], present: Collection[int]) -> list[int]:
    """Return the numbers of the ranges that are not present, ascending."""
    return sorted({number for first, last in ranges for number in range(first, last + 1)} - set(present))


def acknowledged(summaries: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Merge summaries by workstation: what was acknowledged, and what was sent and never answered.

    A number that one summary calls unknown and another acknowledged was acknowledged.
    """
    collected: dict[str, tuple[list[Sequence[int]], set[int]]] = {}
    for summary in summaries:
        ranges, unknown = collected.setdefault(str(summary["workstation"]), ([], set()))
        ranges.extend(summary.get("acknowledged") or ())
        unknown.update(int(number) for number in summary.get("unknown") or ())
    result: dict[str, dict[str, Any]] = {}
    for station, (ranges, unknown) in sorted(collected.items()):
        whole = merged(ranges)
        open_ones = sorted(number for number in unknown if not any(first <= number <= last for first, last in whole))
        result[station] = {"ranges": [list(pair) for pair in whole], "unknown": open_ones}
    return result


def fault(summaries: Iterable[Mapping[str, Any]], after: datetime | None = None) -> dict[str, str] | None:
    """Return the first failure of the outage: ``{workstation, at, last_acknowledged}``, or None if nobody was refused.

    The outage is the longest gap of each workstation that had not ended before ``after`` (the beginning of the recovery). The
    first failure is what a user saw first; the last acknowledgement before it is what was surely saved.
    """
    seen = [(gap["first_failure"], station, gap) for station, gap in _outages(summaries, after)]
    if not seen:
        return None
    at, station, gap = min(seen, key=lambda one: moment(one[0]))
    return {"workstation": station, "at": at, "last_acknowledged": gap["start"]}


def _outages(summaries: Iterable[Mapping[str, Any]], after: datetime | None) -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = []
    for summary in summaries:
        gaps = [
            gap
            for gap in summary.get("gaps") or ()
            if gap.get("first_failure") and (after is None or gap.get("end") is None or moment(gap["end"]) >= after)
        ]
        if gaps:
            found.append((str(summary["workstation"]), max(gaps, key=lambda gap: float(gap["seconds"]))))
    return found


def service_gaps(summaries: Iterable[Mapping[str, Any]], after: datetime | None = None) -> dict[str, dict[str, Any]]:
    """Return for each workstation how long it was without service: ``{start, end, seconds, failed}``; ``end`` None: still."""
    return {
        station: {"start": gap["start"], "end": gap.get("end"), "seconds": float(gap["seconds"]), "failed": gap.get("failed", 0)}
        for station, gap in _outages(summaries, after)
    }


def service_gap(summaries: Sequence[Mapping[str, Any]], after: datetime | None = None) -> dict[str, Any]:
    """Return the gap as the hospital felt it: the longest of any workstation, and whether all are working again."""
    gaps = service_gaps(summaries, after)
    if not gaps:
        return {"seconds": 0.0, "workstation": "", "restored": True, "by_workstation": {}}
    worst = max(gaps, key=lambda station: float(gaps[station]["seconds"]))
    return {
        "seconds": gaps[worst]["seconds"],
        "workstation": worst,
        "restored": all(gap["end"] is not None for gap in gaps.values()),
        "by_workstation": gaps,
    }


def lost(promised: Mapping[str, Mapping[str, Any]], present: Mapping[str, Collection[int]], shown: int = 5) -> dict[str, dict[str, Any]]:
    """Count for each workstation what was acknowledged and is gone: ``{acknowledged, lost, first_lost}``."""
    result: dict[str, dict[str, Any]] = {}
    for station, summary in sorted(promised.items()):
        ranges = merged(summary.get("ranges") or ())
        gone = missing_in(ranges, present.get(station, ()))
        result[station] = {"acknowledged": size(ranges), "lost": len(gone), "first_lost": gone[:shown]}
    return result
