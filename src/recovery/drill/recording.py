"""Write a drill into the history when its run begins and when it ends: called by the run's own evidence, however it was started."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from recovery.drill import history
from recovery.plan import load_drills

# The system that a runbook is about when none is named.
FIRST = "his"


def note(runbook: str, plan: Path, events: Callable[[], Iterable[Mapping[str, Any]]], run: str, incident: Path) -> bool:
    """Record the run if its runbook is a drill of the plan. Returns whether it is one. Raises HistoryError, PlanError."""
    if not (plan / "drills.yml").is_file():
        return False
    mine = [each for each in load_drills(plan).values() if each.runbook == runbook]
    system = _system(events(), run) if mine else ""
    drill = next((each for each in mine if each.system == system), None)
    if drill is None:
        return False
    history.write(history.record_of(drill.name, events(), run, incident))
    return True


def _system(events: Iterable[Mapping[str, Any]], run: str) -> str:
    """Return the system that a run was asked to be about; empty for the first."""
    begun = next((event for event in events if event["event"] == "run_begin" and event["run"] == run), {})
    named = str((begun.get("data", {}).get("extra_vars") or {}).get("system") or "")
    return "" if named == FIRST else named
