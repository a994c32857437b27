"""``plan/drills.yml``: what is rehearsed, how often, and what each rehearsal is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recovery.plan.reader import read


@dataclass(frozen=True)
class Drill:
    """One kind of drill. ``every_days``: how old the last one may be; ``grace_days``: how much later before it is overdue.

    ``system``: which system it is about (``-e system=NAME``), where its runbook is about one of several; empty for the first.
    """

    name: str
    title: Mapping[str, str]
    clause: str
    runbook: str
    calendar: str
    every_days: float
    grace_days: float
    asks: Mapping[str, Any]
    system: str = ""

    @property
    def command(self) -> str:
        """Return the command that a person gives."""
        return f"recovery run {self.runbook}" + (f" -e system={self.system}" if self.system else "")


def load_drills(directory: Path) -> dict[str, Drill]:
    """Load and check ``drills.yml`` in the plan's directory; by name, in the plan's order. Raises PlanError."""
    top = read(directory / "drills.yml").mapping(["drills"], [])
    found: dict[str, Drill] = {}
    for name, field in top["drills"].mapping().items():
        keys = field.mapping(["zh", "en", "clause", "runbook", "calendar", "every_days"], ["grace_days", "asks", "system"])
        drill = Drill(
            name,
            {"zh": keys["zh"].text(), "en": keys["en"].text()},
            keys["clause"].text(),
            keys["runbook"].text(),
            keys["calendar"].text(),
            keys["every_days"].number(0.001),
            keys["grace_days"].number() if "grace_days" in keys else 0,
            {key: each.value for key, each in keys["asks"].mapping().items()} if "asks" in keys else {},
            keys["system"].text() if "system" in keys else "",
        )
        if (drill.runbook, drill.system) in {(other.runbook, other.system) for other in found.values()}:
            raise keys["runbook"].wrong(f"is {drill.runbook!r}, which another drill has already")
        found[name] = drill
    return found
