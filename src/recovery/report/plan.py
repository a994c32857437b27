"""The written plan as the report quotes it: titles of clauses, and the recovery targets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recovery.frame.project import FrameError, project_root
from recovery.plan.clauses import Clause, load_clauses
from recovery.plan.reader import PlanError
from recovery.plan.targets import RecoveryTarget, Segment, Targets, load_targets

from .incident import Incident


@dataclass(frozen=True)
class Plan:
    """What could be read of the plan; ``problems`` are sentences about what could not."""

    clauses: dict[str, Clause]
    targets: Targets | None
    problems: tuple[str, ...]

    def title(self, clause: str, language: str) -> str:
        """Return a clause's title, empty if the plan has none."""
        found = self.clauses.get(clause)
        return found.title.get(language, "") if found else ""

    def target(self, clauses: list[str]) -> RecoveryTarget | None:
        """Return the recovery target of the first of these clauses that has one."""
        if self.targets is None:
            return None
        return next((found for clause in clauses if (found := self.targets.for_clause(clause))), None)

    def segment(self, start: str, end: str) -> Segment | None:
        """Return the plan's segment between two milestones."""
        for segment in self.targets.segments if self.targets else ():
            if (segment.start, segment.end) == (start, end):
                return segment
        return None


def read_plan(directory: Path | None) -> Plan:
    """Read the plan's directory, by default that of the project. A report is made without it as well, and says so."""
    problems: list[str] = []
    if directory is None:
        try:
            directory = project_root() / "plan"
        except FrameError as error:
            return Plan({}, None, (str(error),))
    clauses: dict[str, Clause] = {}
    targets: Targets | None = None
    try:
        clauses = load_clauses(directory)
    except PlanError as error:
        problems.append(str(error).replace(f"{directory}/", "plan/"))
    try:
        targets = load_targets(directory)
    except PlanError as error:
        problems.append(str(error).replace(f"{directory}/", "plan/"))
    return Plan(clauses, targets, tuple(problems))


def clauses_of(incident: Incident, runs: list[str] | None = None) -> list[str]:
    """Return the clauses that the journal names, in the order of their first mention."""
    found: dict[str, None] = {}
    for event in incident.events:
        if event.clause and (runs is None or event.run in runs):
            found.setdefault(event.clause)
    return list(found)
