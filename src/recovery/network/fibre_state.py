"""What a move of a segment has decided, kept and done, on the control node's disk: the same command continues from it (RCV-2)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from recovery.frame import files

DIRECTORY = ".fibre"
STAGES = ("decided", "moving", "proven", "released")
"""How far it is. From ``moving`` on the ends may be different from what they were; what is so already is not done again."""


@dataclass
class Record:
    """One move. ``running``: both switches' configurations before it, the way back; ``before``: what both carried (views and states)."""

    segment: str
    decision: dict[str, Any]
    stage: str = "decided"
    running: dict[str, str] = field(default_factory=dict, repr=False)
    views: dict[str, Any] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)
    run: str = ""
    incident: str = ""

    def reach(self, stage: str) -> None:
        """Move forward to a stage; never back."""
        if STAGES.index(stage) > STAGES.index(self.stage):
            self.stage = stage


def path_of(incidents: Path, segment: str) -> Path:
    """Return the record's file: beside the incidents, for a continued run may belong to another one."""
    return incidents / DIRECTORY / f"{quote(segment, safe='')}.json"


def read(incidents: Path, segment: str) -> Record | None:
    """Return the record of a move that is not over, or None. Raises ValueError if its file cannot be read as one."""
    path = path_of(incidents, segment)
    try:
        record = Record(**json.loads(path.read_text(encoding="utf-8")))
        STAGES.index(record.stage)
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is not the record of a move any more ({error}); look at both switches, then remove it.") from error
    return None if record.stage == "released" else record


def under_way(incidents: Path) -> list[Record]:
    """Return the moves that are not over."""
    names = sorted(unquote(path.stem) for path in (incidents / DIRECTORY).glob("*.json"))
    return [record for name in names if (record := read(incidents, name)) is not None]


def write(incidents: Path, record: Record) -> None:
    """Write the record whole; readable by its owner only, since configurations name accounts."""
    files.write_json(path_of(incidents, record.segment), vars(record), private=True)


def forget(incidents: Path, segment: str) -> None:
    """Remove the record of a move that is over: nothing of a configuration stays beside the incidents."""
    path_of(incidents, segment).unlink(missing_ok=True)
