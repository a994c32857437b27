"""``plan/deadlines.yml``: the downtime clock, who works on paper after how long (CLK-1 to CLK-4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recovery.plan.reader import Field, read

MODES = ("manual", "standalone")


@dataclass(frozen=True)
class Deadline:
    """After ``after_minutes`` from the fault these departments go over to ``mode``."""

    clause: str
    after_minutes: float
    mode: str
    departments: tuple[str, ...]


@dataclass(frozen=True)
class Deadlines:
    """The scheme in force, its deadlines in order, and the departments' names by language."""

    scheme: str
    departments: Mapping[str, Mapping[str, str]]
    schemes: Mapping[str, tuple[Deadline, ...]]

    @property
    def in_force(self) -> tuple[Deadline, ...]:
        """Return the deadlines of the scheme in force."""
        return self.schemes[self.scheme]


def _deadline(field: Field, departments: Mapping[str, Mapping[str, str]]) -> Deadline:
    keys = field.mapping(["clause", "after_minutes", "mode", "departments"], [])
    return Deadline(
        keys["clause"].text(),
        keys["after_minutes"].number(0.001),
        keys["mode"].text(MODES),
        keys["departments"].texts(departments),
    )


def load_deadlines(directory: Path) -> Deadlines:
    """Load and check ``deadlines.yml`` in the plan's directory. Raises PlanError."""
    top = read(directory / "deadlines.yml").mapping(["scheme", "departments", "schemes"], [])
    departments: dict[str, dict[str, str]] = {}
    for name, field in top["departments"].mapping().items():
        titles = field.mapping(["zh", "en"], [])
        departments[name] = {"zh": titles["zh"].text(), "en": titles["en"].text()}
    schemes: dict[str, tuple[Deadline, ...]] = {}
    for name, field in top["schemes"].mapping().items():
        deadlines = tuple(_deadline(each, departments) for each in field.items())
        if not deadlines:
            raise field.wrong("has no deadline: its clock would never ring")
        if list(deadlines) != sorted(deadlines, key=lambda each: each.after_minutes):
            raise field.wrong("is not in the order of time")
        schemes[name] = deadlines
    return Deadlines(top["scheme"].text(schemes), departments, schemes)
