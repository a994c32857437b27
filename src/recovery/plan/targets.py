"""``plan/targets.yml``: how long a recovery may take (RTO), how much may be lost (RPO), and the parts of the gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from recovery.plan.reader import Field, read

MILESTONES = ("fault", "detected", "declared", "recovery_started", "system_up", "service_proven", "users_told")


@dataclass(frozen=True)
class Segment:
    """A part of the service gap, from one milestone to a later one; ``title`` by language."""

    name: str
    start: str
    end: str
    title: Mapping[str, str]


@dataclass(frozen=True)
class RecoveryTarget:
    """What is asked of one kind of recovery; seconds. ``rpo_s`` is None where no data can be lost."""

    name: str
    title: Mapping[str, str]
    clauses: tuple[str, ...]
    rto_s: float
    rpo_s: float | None


@dataclass(frozen=True)
class Targets:
    """All targets by name, and the segments in their order."""

    segments: tuple[Segment, ...]
    targets: Mapping[str, RecoveryTarget]

    def for_clause(self, clause: str) -> RecoveryTarget | None:
        """Return the target that a clause of the plan falls under, or None."""
        return next((each for each in self.targets.values() if clause in each.clauses), None)


def _segment(field: Field) -> Segment:
    keys = field.mapping(["name", "from", "to", "zh", "en"], [])
    start, end = keys["from"].text(MILESTONES), keys["to"].text(MILESTONES)
    if MILESTONES.index(start) >= MILESTONES.index(end):
        raise field.wrong(f"runs backwards, from {start} to {end}")
    return Segment(keys["name"].text(), start, end, {"zh": keys["zh"].text(), "en": keys["en"].text()})


def load_targets(directory: Path) -> Targets:
    """Load and check ``targets.yml`` in the plan's directory. Raises PlanError."""
    top = read(directory / "targets.yml").mapping(["segments", "targets"], [])
    segments = tuple(_segment(field) for field in top["segments"].items())
    for earlier, later in pairwise(segments):
        if earlier.end != later.start:
            raise top["segments"].wrong(f"has a gap: {earlier.name} ends at {earlier.end}, {later.name} begins at {later.start}")
    targets: dict[str, RecoveryTarget] = {}
    for name, field in top["targets"].mapping().items():
        keys = field.mapping(["zh", "en", "clauses", "rto_s"], ["rpo_s"])
        targets[name] = RecoveryTarget(
            name,
            {"zh": keys["zh"].text(), "en": keys["en"].text()},
            keys["clauses"].texts(),
            keys["rto_s"].number(0.001),
            keys["rpo_s"].number() if "rpo_s" in keys else None,
        )
    return Targets(segments, targets)
