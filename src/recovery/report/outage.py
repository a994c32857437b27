"""Outages: the incident's milestones in order, the time between them, and what was measured about the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from .incident import Event, Incident, number, parse_time

MILESTONES = ("fault", "detected", "declared", "recovery_started", "system_up", "service_proven", "users_told")
_BEGINNINGS = MILESTONES[: MILESTONES.index("system_up")]
# The first time counts for what begins. The last one before the proof counts for what is measured better later (the fault, from the
# workstations' logs) or had to be tried again.
_LAST_COUNTS = ("fault", "system_up")


@dataclass(frozen=True)
class Milestone:
    """A moment of an outage."""

    name: str
    at: datetime
    detail: str
    run: str
    line: int
    play: int = 0  # line of the play's beginning


@dataclass(frozen=True)
class Segment:
    """The time between two recorded milestones; ``skipped`` names those between them that were not recorded."""

    start: Milestone
    end: Milestone
    skipped: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds; negative if the recorded times contradict the order."""
        return (self.end.at - self.start.at).total_seconds()

    @property
    def key(self) -> str:
        """The segment's name in the targets: the milestone that ends it."""
        return self.end.name


@dataclass
class Outage:
    """One outage, from its fault to the moment that users were told; any milestone may be absent."""

    milestones: dict[str, Milestone] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the service was proven."""
        return "service_proven" in self.milestones

    @property
    def ordered(self) -> list[Milestone]:
        """The recorded milestones in the plan's order."""
        return [self.milestones[name] for name in MILESTONES if name in self.milestones]

    @property
    def absent(self) -> list[str]:
        """The milestones that were not recorded."""
        return [name for name in MILESTONES if name not in self.milestones]

    @property
    def segments(self) -> list[Segment]:
        """The times between neighbouring recorded milestones."""
        found = self.ordered
        return [Segment(a, b, MILESTONES[MILESTONES.index(a.name) + 1 : MILESTONES.index(b.name)]) for a, b in pairwise(found)]

    @property
    def first(self) -> Milestone | None:
        """The earliest milestone in the plan's order."""
        return self.ordered[0] if self.milestones else None

    @property
    def rto_s(self) -> float | None:
        """Seconds from the fault to the proven service; unknown unless both were recorded in that order."""
        fault, proven = self.milestones.get("fault"), self.milestones.get("service_proven")
        if fault is None or proven is None or proven.at < fault.at:
            return None
        return (proven.at - fault.at).total_seconds()

    @property
    def down_from(self) -> datetime | None:
        """When the service went: the fault, else its detection; a later milestone does not say it."""
        for name in ("fault", "detected"):
            if name in self.milestones:
                return self.milestones[name].at
        return None

    @property
    def down_until(self) -> datetime | None:
        """When the service was back: proven, else up."""
        for name in ("service_proven", "system_up"):
            if name in self.milestones:
                return self.milestones[name].at
        return None

    def window(self, margin: timedelta = timedelta(seconds=60)) -> tuple[datetime, datetime] | None:
        """The time to plot: the outage with a margin of at least a fifth of its length on each side."""
        if not self.milestones:
            return None
        times = [milestone.at for milestone in self.milestones.values()]
        low, high = min(times), max(times)
        margin = max(margin, (high - low) / 5)
        return low - margin, high + margin

    def add(self, milestone: Milestone) -> None:
        """Take in a milestone; see the rules on which of several of one name counts."""
        if milestone.run and milestone.run not in self.runs:
            self.runs.append(milestone.run)
        known = self.milestones.get(milestone.name)
        # A service is proven when it is at the last workstation that the same proof asked.
        same_proof = known is not None and milestone.name == "service_proven" and (known.run, known.play) == (milestone.run, milestone.play)
        if known is None or same_proof or (milestone.name in _LAST_COUNTS and not self.complete):
            self.milestones[milestone.name] = milestone

    def is_followed_by(self, milestone: Milestone) -> bool:
        """Whether this milestone begins another outage: the service was proven, and later something began again."""
        proven = self.milestones.get("service_proven")
        return proven is not None and milestone.name in _BEGINNINGS and milestone.at > proven.at


def milestones(incident: Incident) -> list[Milestone]:
    """Return the journal's milestones in the journal's order; the time in the data counts before the line's own."""
    found = []
    plays: dict[str, int] = {}
    for event in incident.of("play_begin", "milestone"):
        if event.event == "play_begin":
            plays[event.run] = event.line
            continue
        at = parse_time(event.data.get("at")) or event.at
        if event.name in MILESTONES and at is not None:
            found.append(Milestone(event.name, at, str(event.data.get("detail") or ""), event.run, event.line, plays.get(event.run, 0)))
    return found


def outages(incident: Incident) -> list[Outage]:
    """Group the milestones into outages.

    Runs that continue or repeat a recovery belong to the outage that they repair, and so does what is measured again about it
    afterwards. A new outage begins when something began after the proof of the one before.
    """
    found: list[Outage] = []
    for milestone in milestones(incident):
        if not found or found[-1].is_followed_by(milestone):
            found.append(Outage())
        found[-1].add(milestone)
    return found


NO_FIGURES = ("kind", "artifact", "artifacts", "sha256", "summary", "shortened")


@dataclass(frozen=True)
class Figure:
    """One measured figure and the line of the journal that it comes from."""

    key: str
    value: Any
    event: Event

    @property
    def number(self) -> float | None:
        """The figure as a number, if it is one."""
        return number(self.value)


def figures(incident: Incident, runs: list[str] | None = None) -> list[Figure]:
    """Return the figures of `measured` events, of these runs or of all, in the journal's order."""
    found: list[Figure] = []
    for event in incident.of("measured"):
        if runs is not None and event.run not in runs:
            continue
        found += [Figure(key, value, event) for key, value in event.data.items() if key not in NO_FIGURES]
    return found


def last_number(found: list[Figure], *keys: str) -> Figure | None:
    """Return the last figure of one of these names that is a number: a later measurement replaces an earlier one."""
    return next((figure for figure in reversed(found) if figure.key in keys and figure.number is not None), None)
