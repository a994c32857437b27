"""An incident directory, read for the report.

The journal is evidence that may have been written by a machine in trouble: a line that cannot be read is counted and
named, never skipped in silence, and a field of the wrong type reads as absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recovery.frame.verdict import NOT_RUN, Verdict, judge_run


class ReportError(Exception):
    """The report cannot be made; the message says why and what to do."""


def parse_time(value: Any) -> datetime | None:
    """Read an ISO time or seconds since 1970 as UTC; anything else is no time."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def number(value: Any) -> float | None:
    """Read a finite number; a text that is one counts, everything else is no number."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if result == result and abs(result) != float("inf") else None


def dicts(value: Any) -> list[dict[str, Any]]:
    """Return the dictionaries of a list, or nothing."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    """Return a list of texts from a list or a single value."""
    if value is None or value == "":
        return []
    if isinstance(value, list | tuple):
        return [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, sort_keys=True) for item in value]
    return [str(value)]


@dataclass(frozen=True)
class Event:
    """One line of the journal; ``line`` is its number in the file."""

    line: int
    seq: int
    at: datetime | None
    run: str
    event: str
    clause: str
    phase: str
    host: str
    name: str
    result: str
    took_s: float | None
    data: Mapping[str, Any]
    raw: Mapping[str, Any]

    @classmethod
    def from_json(cls, line: int, raw: Mapping[str, Any]) -> Event:
        """Read a decoded journal line, tolerating what is missing."""

        def text(key: str) -> str:
            value = raw.get(key)
            return "" if value is None else str(value)

        data = raw.get("data")
        return cls(
            line=line,
            seq=int(number(raw.get("seq")) or 0),
            at=parse_time(raw.get("at")),
            run=text("run"),
            event=text("event"),
            clause=text("clause"),
            phase=text("phase"),
            host=text("host"),
            name=text("name"),
            result=text("result"),
            took_s=number(raw.get("took_s")),
            data=data if isinstance(data, dict) else {},
            raw=raw,
        )


@dataclass(frozen=True)
class Play:
    """A part of a run: its play's name, and the tasks below it."""

    name: str
    clause: str
    phase: str
    at: datetime | None
    tasks: tuple[Event, ...]

    @property
    def took_s(self) -> float:
        """Sum of the tasks' durations in seconds (hosts that worked side by side each count)."""
        return sum(task.took_s or 0.0 for task in self.tasks)

    def count(self, *results: str) -> int:
        """How many tasks ended with one of these results."""
        return sum(task.result in results for task in self.tasks)


@dataclass(frozen=True)
class Run:
    """One run of a runbook within the incident."""

    id: str
    events: tuple[Event, ...]

    def of(self, *kinds: str) -> list[Event]:
        """Return the run's events of these kinds, in order."""
        return [event for event in self.events if event.event in kinds]

    @property
    def begin(self) -> Event | None:
        """The begin row, if the run has one."""
        found = self.of("run_begin")
        return found[0] if found else None

    @property
    def end(self) -> Event | None:
        """The end row; a run without one was interrupted."""
        found = self.of("run_end")
        return found[-1] if found else None

    @property
    def begin_data(self) -> Mapping[str, Any]:
        """What the begin row says about the run."""
        return self.begin.data if self.begin else {}

    @property
    def runbook(self) -> str:
        """Name of the runbook without directories and suffix."""
        return Path(str(self.begin_data.get("runbook") or "")).stem

    @property
    def check_mode(self) -> bool:
        """Whether the run was a rehearsal in check mode."""
        return bool(self.begin_data.get("check_mode"))

    @property
    def interrupted(self) -> bool:
        """Whether the journal has no end of this run."""
        return self.end is None

    @property
    def verdict(self) -> Verdict:
        """The verdict, computed from the run's lines; what its end row says does not count."""
        return judge_run(event.raw for event in self.events)

    @property
    def said(self) -> str:
        """The verdict that the end row gives, empty without one."""
        return self.end.result if self.end else ""

    @property
    def word(self) -> str:
        """The verdict as shown: a refusal is the one way not to run."""
        refused = self.verdict.result == NOT_RUN and bool(self.of("refusal", "approval_refused"))
        return "REFUSED" if refused else self.verdict.result

    @property
    def reason(self) -> str:
        """Why the verdict is not PASS: the computed reason, else that of the end row."""
        return self.verdict.reason or (str(self.end.data.get("reason") or "") if self.end else "")

    @property
    def started(self) -> datetime | None:
        """Time of the run's first line."""
        return next((event.at for event in self.events if event.at), None)

    @property
    def last(self) -> Event:
        """The run's last line, which for an interrupted run is where it stopped."""
        return self.events[-1]

    @property
    def took_s(self) -> float | None:
        """Seconds from the first to the end row; none for an interrupted run."""
        if self.started is None or self.end is None or self.end.at is None:
            return None
        return (self.end.at - self.started).total_seconds()

    @property
    def clauses(self) -> set[str]:
        """The clauses that the run's lines name."""
        return {event.clause for event in self.events if event.clause}

    @property
    def plays(self) -> list[Play]:
        """The run's plays with their tasks; tasks before any play stand in a play without a name."""
        plays: list[tuple[Event | None, list[Event]]] = []
        for event in self.events:
            if event.event == "play_begin":
                plays.append((event, []))
            elif event.event == "task":
                if not plays:
                    plays.append((None, []))
                plays[-1][1].append(event)
        return [
            Play(
                name=head.name if head else "",
                clause=head.clause if head else "",
                phase=head.phase if head else "",
                at=head.at if head else (tasks[0].at if tasks else None),
                tasks=tuple(tasks),
            )
            for head, tasks in plays
        ]


@dataclass(frozen=True)
class Incident:
    """Everything that the report knows."""

    directory: Path
    events: tuple[Event, ...]
    runs: tuple[Run, ...]
    unreadable: tuple[int, ...] = field(default=())

    @property
    def id(self) -> str:
        """The incident's name, which is its directory's."""
        return self.directory.name

    def of(self, *kinds: str) -> list[Event]:
        """Return the incident's events of these kinds, in order."""
        return [event for event in self.events if event.event in kinds]

    def run(self, run_id: str) -> Run | None:
        """Return a run by its id."""
        return next((run for run in self.runs if run.id == run_id), None)

    def artifact(self, path: str) -> Path | None:
        """Return an artefact's file, or nothing if it is absent or its path leads out of the incident directory."""
        root = self.directory.resolve()
        try:
            found = (root / path).resolve()
            return found if found.is_relative_to(root) and found.is_file() else None
        except (OSError, ValueError):
            return None


def _lines(journal: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    for line, raw in enumerate(journal.read_bytes().split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            decoded = json.loads(raw)
        except (ValueError, RecursionError):
            decoded = None
        yield line, decoded if isinstance(decoded, dict) else None


def read(directory: Path) -> Incident:
    """Read an incident directory.

    Raises ReportError when there is no journal to report on.
    """
    journal = directory / "journal.jsonl"
    if not directory.is_dir():
        raise ReportError(
            f"There is no directory {directory}. An incident directory is named after its day, like incidents/2026-11-21-01; "
            "`recovery status` lists them."
        )
    if not journal.is_file():
        raise ReportError(
            f"{directory} holds no journal.jsonl, so nothing was recorded that a report could be made from. "
            "Give the incident's own directory, the one that holds the journal."
        )
    events: list[Event] = []
    unreadable: list[int] = []
    for line, raw in _lines(journal):
        if raw is None:
            unreadable.append(line)
        else:
            events.append(Event.from_json(line, raw))
    by_run: dict[str, list[Event]] = {}
    for event in events:
        if event.run:
            by_run.setdefault(event.run, []).append(event)
    # Somebody else's note about a run (a lock taken over) carries that run's id, yet makes no run of its own.
    runs = [
        Run(run_id, tuple(found))
        for run_id, found in by_run.items()
        if any(event.event in ("run_begin", "run_end", "play_begin", "task") for event in found)
    ]
    return Incident(directory.resolve(), tuple(events), tuple(runs), tuple(unreadable))
