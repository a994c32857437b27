"""Write a drill into the history when its run begins and when it ends: called by the run's own evidence, however it was started."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from recovery.drill import history
from recovery.plan import load_drills


def note(runbook: str, plan: Path, events: Callable[[], Iterable[Mapping[str, Any]]], run: str, incident: Path) -> bool:
    """Record the run if its runbook is a drill of the plan. Returns whether it is one. Raises HistoryError, PlanError."""
    drill = (
        next((each for each in load_drills(plan).values() if each.runbook == runbook), None) if (plan / "drills.yml").is_file() else None
    )
    if drill is None:
        return False
    history.write(history.record_of(drill.name, events(), run, incident))
    return True
