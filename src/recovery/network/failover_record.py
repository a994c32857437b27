"""What a fail-over under way has decided, kept and done, on the control node's disk: the same command continues from it (RCV-3)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

DIRECTORY = ".failovers"
STAGES = ("decided", "kept", "fenced", "armed", "configured", "named", "moved", "proven", "released")
"""How far it is. What was reached is never done twice; what was under way is looked at and done again."""


@dataclass
class Record:
    """One fail-over. ``lines``, ``identity``, ``inverse``: what is sent and what leads back; ``kept``: the spare's own configuration."""

    failed: str
    spare: str
    kind: str
    decision: dict[str, Any]
    stage: str = "decided"
    lines: list[str] = field(default_factory=list)
    identity: list[str] = field(default_factory=list)
    inverse: list[str] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    run: str = ""
    incident: str = ""

    def reached(self, stage: str) -> bool:
        """Tell whether a stage is behind it."""
        return STAGES.index(self.stage) >= STAGES.index(stage)

    def reach(self, stage: str) -> None:
        """Move forward to a stage; never back."""
        if not self.reached(stage):
            self.stage = stage


def directory(incidents: Path) -> Path:
    """Return where the records lie: beside the incidents, for a continued run may belong to another one."""
    return incidents / DIRECTORY


def path_of(incidents: Path, failed: str) -> Path:
    """Return the record's file."""
    return directory(incidents) / f"{quote(failed, safe='')}.json"


def read(incidents: Path, failed: str) -> Record | None:
    """Return the record of a fail-over that is not over, or None. Raises ValueError if its file cannot be read as one."""
    try:
        told = json.loads(path_of(incidents, failed).read_text(encoding="utf-8"))
        record = Record(**told)
        STAGES.index(record.stage)
    except FileNotFoundError:
        return None
    except (TypeError, json.JSONDecodeError, ValueError) as error:
        raise ValueError(f"{path_of(incidents, failed)} is not the record of a fail-over any more ({error})") from error
    return None if record.stage == "released" else record


def write(incidents: Path, record: Record) -> None:
    """Write the record whole; readable by its owner only, since configurations name accounts."""
    target = path_of(incidents, record.failed)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(vars(record), stream, ensure_ascii=False, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(target)
    place = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def same(record: Record, decision: Mapping[str, Any]) -> bool:
    """Tell whether a record is of this very decision."""
    return json.dumps(record.decision, sort_keys=True) == json.dumps(decision, sort_keys=True)
