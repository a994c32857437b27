"""The clinical workload as its clients logged it: what was acknowledged each second, and when each workstation went without."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .incident import Incident, dicts, number, parse_time

KIND = "client-summary"
NAMED = re.compile(r"client-summary-(?P<host>[^/]+)\.json$")


@dataclass(frozen=True)
class Gap:
    """A time in which a workstation got no transaction acknowledged; without an end it lasted to the end of the log."""

    start: datetime
    end: datetime | None

    @property
    def seconds(self) -> float | None:
        """Length in seconds, unknown while it has no end."""
        return (self.end - self.start).total_seconds() if self.end else None


@dataclass(frozen=True)
class Client:
    """One workstation's log, summed up by the workload's own client."""

    host: str
    source: str
    acknowledged: int | None
    failed: int | None
    gaps: tuple[Gap, ...]
    per_second: tuple[tuple[int, int, int], ...]

    @property
    def longest(self) -> Gap | None:
        """The longest closed gap."""
        closed = [gap for gap in self.gaps if gap.seconds is not None]
        return max(closed, key=lambda gap: gap.seconds or 0.0, default=None)

    @property
    def span(self) -> tuple[int, int] | None:
        """First and last second that the log covers."""
        return (self.per_second[0][0], self.per_second[-1][0]) if self.per_second else None


@dataclass(frozen=True)
class Unreadable:
    """A client's log that the journal names and that cannot be used."""

    source: str
    reason: str


def _gaps(summary: Mapping[str, Any]) -> Iterator[Gap]:
    for raw in dicts(summary.get("gaps")):
        start = parse_time(raw.get("start"))
        if start is not None:
            yield Gap(start, parse_time(raw.get("end")))


def _per_second(summary: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
    rows = summary.get("per_second")
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, list | tuple) and len(row) >= 3:
            second, good, bad = (number(value) for value in row[:3])
            if second is not None and good is not None and bad is not None:
                yield int(second), int(good), int(bad)


def _total(summary: Mapping[str, Any], *names: str) -> int | None:
    totals = summary.get("totals")
    for place in (totals if isinstance(totals, Mapping) else {}, summary):
        for name in names:
            found = number(place.get(name))
            if found is not None:
                return int(found)
    return None


def from_summary(summary: Mapping[str, Any], host: str, source: str) -> Client:
    """Read what `his-client summary` printed; a figure that is not there stays unknown."""
    seconds: dict[int, tuple[int, int]] = {}
    for second, good, bad in _per_second(summary):
        before = seconds.get(second, (0, 0))
        seconds[second] = (before[0] + good, before[1] + bad)
    return Client(
        host=str(summary.get("host") or summary.get("client") or host),
        source=source,
        acknowledged=_total(summary, "acknowledged", "acked", "ok"),
        failed=_total(summary, "failed", "errors"),
        gaps=tuple(sorted(_gaps(summary), key=lambda gap: gap.start)),
        per_second=tuple((second, *seconds[second]) for second in sorted(seconds)),
    )


def _named(incident: Incident) -> Iterator[tuple[str, str]]:
    """Yield (artefact, host) as the journal names them, then as the files are named."""
    for event in incident.of("note", "measured", "task"):
        if event.data.get("kind") == KIND and isinstance(event.data.get("artifact"), str):
            yield event.data["artifact"], event.host
    folder = incident.directory / "artifacts"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = NAMED.search(path.name)
        if match:
            yield f"artifacts/{path.name}", match["host"]


def read_clients(incident: Incident) -> tuple[list[Client], list[Unreadable]]:
    """Read every client's log; of several for one workstation the last counts when it covers the earlier ones."""
    clients: list[Client] = []
    unreadable: list[Unreadable] = []
    seen: set[str] = set()
    for source, host in _named(incident):
        if source in seen:
            continue
        seen.add(source)
        path = incident.artifact(source)
        if path is None:
            unreadable.append(Unreadable(source, "missing"))
            continue
        try:
            summary = json.loads(path.read_bytes())
        except (ValueError, OSError, RecursionError):
            unreadable.append(Unreadable(source, "unreadable"))
            continue
        if not isinstance(summary, dict):
            unreadable.append(Unreadable(source, "unreadable"))
            continue
        match = NAMED.search(Path(source).name)
        clients.append(from_summary(summary, host or (match["host"] if match else Path(source).stem), source))
    return _latest(clients), unreadable


def _latest(clients: Sequence[Client]) -> list[Client]:
    kept: list[Client] = []
    for client in clients:
        kept = [other for other in kept if not (other.host == client.host and _covers(client, other))]
        kept.append(client)
    return sorted(kept, key=lambda client: (client.host, client.source))


def _covers(later: Client, earlier: Client) -> bool:
    if earlier.span is None or later.span is None:
        return earlier.span is None
    return later.span[0] <= earlier.span[0] and later.span[1] >= earlier.span[1]


@dataclass(frozen=True)
class Series:
    """The workload of all workstations over a time, in columns of ``width`` seconds; counts are per column."""

    start: int
    width: int
    acknowledged: tuple[int, ...]
    failed: tuple[int, ...]

    @property
    def end(self) -> int:
        """The second after the last column."""
        return self.start + self.width * len(self.acknowledged)

    def rate(self, counts: Sequence[int]) -> list[float]:
        """Counts as a mean per second."""
        return [count / self.width for count in counts]


def series(clients: Sequence[Client], window: tuple[datetime, datetime] | None, columns: int = 360) -> Series | None:
    """Sum the clients' seconds into at most ``columns`` columns; nothing when no log has a second in the window."""
    rows = [row for client in clients for row in client.per_second]
    if window is not None:
        low, high = window[0].timestamp(), window[1].timestamp()
        rows = [row for row in rows if low <= row[0] <= high]
    if not rows:
        return None
    first, last = min(row[0] for row in rows), max(row[0] for row in rows)
    width = max(1, -(-(last - first + 1) // columns))
    count = (last - first) // width + 1
    good, bad = [0] * count, [0] * count
    for second, acknowledged, failed in rows:
        good[(second - first) // width] += acknowledged
        bad[(second - first) // width] += failed
    return Series(first, width, tuple(good), tuple(bad))


def moment(second: float) -> datetime:
    """Seconds since 1970 as a time."""
    return datetime.fromtimestamp(second, UTC)
