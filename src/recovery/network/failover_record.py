"""What a fail-over under way has decided, kept and done, on the control node's disk: the same command continues from it (RCV-3).

Configurations hold secrets: what was kept and what is sent is sealed with the project's vault password.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recovery.frame import files
from recovery.network.vault import Vault, VaultError

DIRECTORY = ".failovers"
STAGES = ("decided", "kept", "armed", "configured", "named", "proven", "released")
"""How far it is. What was reached is never done twice; what was under way is looked at and done again."""


class RecordError(Exception):
    """The record cannot be read or written; the sentence says why and what to do."""


@dataclass
class Record:
    """One fail-over. ``ports``: old -> new, all of them; ``before``: what the failed switch carried; ``moves``: the
    cables, see `cable_sheet.Move`; ``facts``: what was found since;
    ``source``: the entry of the box that carried the work, if it is not the one of that name; ``earlier``: what the box that carries it
    now was before it took over, sealed."""

    failed: str
    spare: str
    kind: str
    decision: dict[str, Any]
    ports: dict[str, str] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    moves: list[dict[str, Any]] = field(default_factory=list)
    sealed: str = ""
    stage: str = "decided"
    facts: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    earlier: str = ""

    def reached(self, stage: str) -> bool:
        """Tell whether a stage is behind it."""
        return STAGES.index(self.stage) >= STAGES.index(stage)

    def reach(self, stage: str) -> None:
        """Move forward to a stage; never back."""
        if not self.reached(stage):
            self.stage = stage


@dataclass(frozen=True)
class Sealed:
    """What is sent to the spare (``lines``, then ``identity``), what leads back, and its own configuration as it was."""

    lines: list[str]
    identity: list[str]
    inverse: list[str]
    kept: str

    def close(self, vault: Vault) -> str:
        """Return it encrypted."""
        return vault.encrypt(json.dumps(vars(self), ensure_ascii=False))


def unseal(record: Record, vault: Vault) -> Sealed:
    """Return what the record holds encrypted. Raises RecordError."""
    try:
        return Sealed(**json.loads(vault.decrypt(record.sealed)))
    except (VaultError, TypeError, ValueError) as error:
        raise RecordError(f"What was kept of {record.spare} cannot be opened: {error}") from error


def path_of(incidents: Path, failed: str, suffix: str = "json") -> Path:
    """Return the record's file. It lies beside the incidents, for a run that continues another may belong to another one."""
    return incidents / DIRECTORY / f"{quote(failed, safe='')}.{suffix}"


def read(incidents: Path, failed: str) -> Record | None:
    """Return the record of a switch's last fail-over, over or not; None if there never was one. Raises RecordError."""
    path = path_of(incidents, failed)
    try:
        record = Record(**json.loads(path.read_text(encoding="utf-8")))
        STAGES.index(record.stage)
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as error:
        raise RecordError(
            f"{path} is not the record of a fail-over any more ({error}).\n"
            f"See by hand what {failed} and its spare are doing; then move the file away to begin anew."
        ) from error
    return record


def unfinished(incidents: Path, failed: str, kind: str = "") -> Record | None:
    """Return the record of a fail-over (of this kind) that is under way, or None. Raises RecordError."""
    record = read(incidents, failed)
    return record if record is not None and not record.reached("released") and kind in ("", record.kind) else None


def write(incidents: Path, record: Record) -> None:
    """Write the record whole, readable by its owner only. Raises RecordError."""
    put(path_of(incidents, record.failed), vars(record))


def put(path: Path, told: Mapping[str, Any]) -> None:
    """Put JSON in place, whole or not at all, synced. Raises RecordError."""
    try:
        files.write_json(path, told, private=True)
    except OSError as error:
        raise RecordError(f"{path} cannot be written: {error}. Make room or correct its permissions; nothing was sent.") from error
