"""The clinical workload as its clients logged it: what was acknowledged each second, and when each workstation went without."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .incident import Event, Incident, dicts, number, parse_time

KIND = "client-summary"
READERS = ("client_log", "service_probe")
READ_APART_S = 15
"""Logs that end so close to each other were read in one round; one that ends earlier is of a workstation that stopped."""
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
    line: int = 0  # of the journal, where no log is at hand

    def gaps_in(self, window: tuple[datetime, datetime] | None) -> list[Gap]:
        """The gaps that touch a time, all of them without one."""
        if window is None:
            return list(self.gaps)
        return [gap for gap in self.gaps if gap.start <= window[1] and (gap.end is None or gap.end >= window[0])]

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
            second, good, bad = parse_time(row[0]), number(row[1]), number(row[2])
            if second is not None and good is not None and bad is not None:
                yield int(second.timestamp()), int(good), int(bad)


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
        host=str(summary.get("workstation") or summary.get("host") or host),
        source=source,
        acknowledged=_total(summary, "ok", "acknowledged"),
        failed=_total(summary, "failed"),
        gaps=tuple(sorted(_gaps(summary), key=lambda gap: gap.start)),
        per_second=tuple((second, *seconds[second]) for second in sorted(seconds)),
    )


def _artifacts(event: Event) -> list[str]:
    named = [str(item["path"]) for item in dicts(event.data.get("artifacts")) if isinstance(item.get("path"), str)]
    return named + ([event.data["artifact"]] if isinstance(event.data.get("artifact"), str) else [])


def _named(incident: Incident) -> Iterator[tuple[str, str, bool]]:
    """Yield (artefact, host, whether it must hold a summary): as the journal names them, then as the files are named."""
    for event in incident.of("note", "measured", "task"):
        kind = event.data.get("kind") == KIND
        if kind or event.data.get("action") in READERS:
            for name in _artifacts(event):
                if kind or name.endswith("result.json"):
                    yield name, event.host, kind
    folder = incident.directory / "artifacts"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = NAMED.search(path.name)
        if match:
            yield f"artifacts/{path.name}", match["host"], True


def _summaries(content: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the summaries in a file: itself one, or the result of a task that read one at each workstation."""
    if not isinstance(content, dict):
        return
    if isinstance(content.get("per_second"), list) or isinstance(content.get("gaps"), list):
        yield content
        return
    for part in (content, *dicts(content.get("results"))):
        if isinstance(part.get("summary"), dict):
            yield part["summary"]


def read_clients(incident: Incident) -> tuple[list[Client], list[Unreadable]]:
    """Read every client's log; of several for one workstation the last counts when it covers the earlier ones.

    For a workstation whose log is not in the incident, the gap that a proof of the database measured from it stands in.
    """
    clients: list[Client] = []
    unreadable: list[Unreadable] = []
    seen: set[str] = set()
    for source, host, needed in _named(incident):
        if source in seen:
            continue
        seen.add(source)
        path = incident.artifact(source)
        if path is None:
            unreadable.append(Unreadable(source, "missing"))
            continue
        match = NAMED.search(path.name)
        try:
            content = json.loads(path.read_bytes())
            found = [from_summary(one, host or (match["host"] if match else path.stem), source) for one in _summaries(content)]
        except (ValueError, OSError, RecursionError):
            found, needed = [], True
        if needed and not found:
            unreadable.append(Unreadable(source, "unreadable"))
        clients += found
    clients = _latest(clients)
    known = {client.host for client in clients}
    clients += [client for client in _measured(incident) if client.host not in known]
    return sorted(clients, key=lambda client: (client.host, client.source)), unreadable


def _measured(incident: Incident) -> list[Client]:
    """The longest gap of each workstation as `measured` events give it; a later figure replaces an earlier one."""
    found: dict[str, Client] = {}
    for event in incident.of("measured"):
        given = event.data.get("service_gaps")
        for host, gap in given.items() if isinstance(given, dict) else []:
            start = parse_time(gap.get("start")) if isinstance(gap, dict) else None
            if start is not None:
                found[host] = Client(str(host), "", None, None, (Gap(start, parse_time(gap.get("end"))),), (), event.line)
    return list(found.values())


def _latest(clients: Sequence[Client]) -> list[Client]:
    kept: list[Client] = []
    for client in clients:
        kept = [other for other in kept if not (other.host == client.host and _covers(client, other))]
        kept.append(client)
    return kept


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
    """Sum the clients' seconds into at most ``columns`` columns; nothing when no log has a second in the window.

    Logs are read one after another: the seconds after the first reading are not everybody's, and are left out.
    """
    ends = [client.span[1] for client in clients if client.span]
    common = min((end for end in ends if max(ends) - end <= READ_APART_S), default=0)
    rows = [row for client in clients for row in client.per_second if row[0] <= common]
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
