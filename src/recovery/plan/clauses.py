"""``plan/clauses.yml``: every clause of the written plan, its kind, its own figures and a short title in zh and en."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recovery.plan.reader import Field, read

KINDS = (
    "organisation",
    "report",
    "classify",
    "activate",
    "deadline",
    "department",
    "recover",
    "contain",
    "backup",
    "check",
    "record",
    "drill",
    "audit",
    "protect",
)
IDENTIFIER = re.compile(r"[A-Z]{3,4}-[1-9][0-9]?")


@dataclass(frozen=True)
class Clause:
    """One clause. ``figures`` are the plan's own numbers; a task takes them from here and never writes them down."""

    id: str
    kind: str
    title: Mapping[str, str]
    figures: Mapping[str, Any]


def _clause(field: Field) -> Clause:
    keys = field.mapping(["id", "kind", "zh", "en"], ["figures"])
    identifier = keys["id"].text()
    if not IDENTIFIER.fullmatch(identifier):
        raise keys["id"].wrong(f"is {identifier!r}, which is not a clause id such as RCV-1")
    figures: dict[str, Any] = {}
    if "figures" in keys:
        for name, figure in keys["figures"].mapping().items():
            if isinstance(figure.value, bool) or not isinstance(figure.value, (int, float, str, list)):
                raise figure.wrong("must be a number, a text or a list of texts")
            figures[name] = list(figure.texts()) if isinstance(figure.value, list) else figure.value
    title = {"zh": keys["zh"].text(), "en": keys["en"].text()}
    return Clause(identifier, keys["kind"].text(KINDS), title, figures)


def load_clauses(directory: Path) -> dict[str, Clause]:
    """Load and check ``clauses.yml`` in the plan's directory, in its order. Raises PlanError."""
    clauses: dict[str, Clause] = {}
    for field in read(directory / "clauses.yml").items():
        clause = _clause(field)
        if clause.id in clauses:
            raise field.wrong(f"gives the clause {clause.id} a second time")
        clauses[clause.id] = clause
    return clauses
