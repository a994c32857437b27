"""Which drills are due: never ran, overdue and failed are three different reds (RCV-5). Pure, with the time given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from recovery.drill.history import PASS, Record
from recovery.plan.drills import Drill

OK, NEVER_RAN, OVERDUE, FAILED = "ok", "never-ran", "overdue", "failed"
EXIT_STATUS = {OK: 0, NEVER_RAN: 11, OVERDUE: 12, FAILED: 13}
SEVERITY = (OK, NEVER_RAN, OVERDUE, FAILED)
"""From the least to the most pressing: what is known not to work comes before what is not known."""


@dataclass(frozen=True)
class Standing:
    """How one kind of drill stands: its state, a sentence, and when the next one is expected."""

    drill: str
    state: str
    sentence: str
    next_at: datetime | None

    @property
    def exit_status(self) -> int:
        """Return the exit status of this state: 0 ok, 11 never ran, 12 overdue, 13 failed."""
        return EXIT_STATUS[self.state]


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def standing(drill: Drill, records: Iterable[Record], at: datetime) -> Standing:
    """Judge one kind of drill at a moment. A rehearsal in check mode is no drill; a drill that was interrupted has failed."""
    own = sorted((r for r in records if r.drill == drill.name and not r.rehearsal), key=lambda r: r.at)
    command = drill.command
    title = drill.title["en"]
    if not own:
        return Standing(drill.name, NEVER_RAN, f"The {title} ({drill.clause}) has never been run. Run it: {command}", None)
    last = own[-1]
    passed = [r for r in own if r.outcome == PASS]
    expected = (passed[-1].at if passed else own[0].at) + timedelta(days=drill.every_days)
    late = at - expected - timedelta(days=drill.grace_days)
    overdue = f" It is overdue as well, by {late.days} days." if late > timedelta(0) else ""
    if last.outcome != PASS:
        why = f": {last.reason}" if last.reason else ""
        proven = f"It last passed on {_day(passed[-1].at)}." if passed else "It has never passed."
        sentence = f"The last {title} ({drill.clause}), on {_day(last.at)}, ended {last.outcome}{why} {proven}{overdue}"
        return Standing(drill.name, FAILED, f"{sentence} See {last.incident}; repair the cause and repeat: {command}", expected)
    if overdue:
        sentence = f"The {title} ({drill.clause}) was last passed on {_day(last.at)} and was expected by {_day(expected)}"
        told = f"{sentence}: {late.days} days overdue beyond {drill.grace_days:g} days of grace. Run it: {command}"
        return Standing(drill.name, OVERDUE, told, expected)
    sentence = f"The {title} ({drill.clause}) passed on {_day(last.at)}; the next one is expected by {_day(expected)}."
    return Standing(drill.name, OK, sentence, expected)


def standings(drills: Mapping[str, Drill], records: Iterable[Record], at: datetime) -> list[Standing]:
    """Judge every kind of drill of the plan."""
    known = list(records)
    return [standing(drill, known, at) for drill in drills.values()]


def worst(found: Iterable[Standing]) -> int:
    """Return the exit status of the most pressing state."""
    return EXIT_STATUS[max((each.state for each in found), key=SEVERITY.index, default=OK)]
