"""The figures of a run that the plan asks for: the service gap by segment, and what was lost. From journal lines only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from recovery.frame.files import parse_iso
from recovery.plan import RecoveryTarget, Targets


@dataclass(frozen=True)
class Figures:
    """Seconds. ``gap_s``: from the fault until the service was proven; ``segments``: its parts in order, where both ends are known."""

    target: RecoveryTarget | None = None
    gap_s: float | None = None
    segments: tuple[tuple[str, float], ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)


def duration(seconds: float) -> str:
    """Write a duration as people say it: 0:04, 3 min 12 s, 1 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _moment(value: Any) -> datetime | None:
    try:
        return parse_iso(str(value))
    except ValueError:
        return None


def compute(events: Iterable[Mapping[str, Any]], run: str, targets: Targets) -> Figures:
    """Compute the figures of a run. A milestone that an earlier run of the incident has set stands until a later one sets it."""
    moments: dict[str, datetime] = {}
    measured: dict[str, Any] = {}
    target: RecoveryTarget | None = None
    for event in events:
        raw = event.get("data")
        data: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        kind = event.get("event")
        if kind == "milestone":
            moment = _moment(data.get("at") or event.get("at"))
            if moment is not None:
                moments[str(event.get("name"))] = moment
        elif event.get("run") != run:
            continue
        elif kind == "measured":
            measured.update(data)
        elif kind == "play_begin" and target is None:
            target = targets.for_clause(str(event.get("clause") or ""))
    segments: list[tuple[str, float]] = []
    for segment in targets.segments:
        # Where old rows are looked at before people decide, a segment can run backwards: it is none then.
        if segment.start in moments and segment.end in moments and moments[segment.start] <= moments[segment.end]:
            segments.append((segment.title["en"], (moments[segment.end] - moments[segment.start]).total_seconds()))
    gap = None
    if "fault" in moments and "service_proven" in moments:
        gap = (moments["service_proven"] - moments["fault"]).total_seconds()
    drilled = measured.get("drill", {}).get("figures", {})
    if target and "rpo_target_s" in drilled:  # a drill of a source that is written more rarely is held against the plan of that source
        target = replace(target, rpo_s=drilled["rpo_target_s"])
    return Figures(target, gap, tuple(segments), measured)
