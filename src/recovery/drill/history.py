"""The history of drills: one JSON file a drill, in a directory that outlives the machine (RCV-5).

A file is written when a drill begins and replaced when it ends, each time whole or not at all; a drill that was killed stays
behind as one without an end. Each names its incident and the digest of its sealed evidence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from recovery.frame.files import iso, now, parse_iso, read_json, sha256, write_json
from recovery.frame.project import incidents_root

DIRECTORY_VARIABLE = "RECOVERY_DRILLS"
PASS = "PASS"  # noqa: S105 - a verdict, not a password
_SAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class Record:
    """One drill as it stands in the history. Times are UTC; ``result`` is empty as long as it has not ended."""

    drill: str
    incident: str
    run: str
    began_at: str
    ended_at: str = ""
    result: str = ""
    reason: str = ""
    rehearsal: bool = False
    source: str = ""
    point: str = ""
    target: str = ""
    seed: int = 0
    backup: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    evidence: str = ""
    evidence_sha256: str = ""
    requested_by: str = ""

    @property
    def at(self) -> datetime:
        """Return when the drill ended, or began where it did not end."""
        return parse_iso(self.ended_at or self.began_at)

    @property
    def outcome(self) -> str:
        """Return the verdict; a drill without an end was interrupted."""
        return self.result or "INTERRUPTED"

    def sentence(self) -> str:
        """Say in one line what this drill showed."""
        what = " ".join(word for word in (self.source, self.point, self.backup) if word)
        shown = [
            f"{name} {value}"
            for name, value in (("RTO", self.figures.get("rto_s")), ("RPO", self.figures.get("rpo_s")))
            if value is not None
        ]
        told = ", ".join(f"{each} s" for each in shown)
        return "  ".join(
            word for word in (self.at.isoformat(timespec="minutes")[:16], self.outcome, self.drill, what, told, self.reason) if word
        )


class HistoryError(Exception):
    """A history that cannot be read or written: which file, and what to do."""


def directory() -> Path:
    """Return where the history is kept: ``RECOVERY_DRILLS``, else ``drills/`` beside the incidents' directory."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    return Path(named).resolve() if named else incidents_root().parent / "drills"


def _file(root: Path, record: Record) -> Path:
    return root / f"{_SAFE.sub('-', record.began_at[:10])}-{_SAFE.sub('-', record.run)}.json"


def write(record: Record, root: Path | None = None) -> Path:
    """Put a record in place, durable when this returns. Raises HistoryError."""
    path = _file(root or directory(), record)
    try:
        write_json(path, asdict(record))
    except OSError as error:
        raise HistoryError(
            f"The history of drills cannot be written below {path.parent}: {error.strerror or error}.\n"
            "Make room or correct the permissions there, or keep it elsewhere: RECOVERY_DRILLS=DIRECTORY."
        ) from error
    return path


def load(root: Path | None = None) -> list[Record]:
    """Return all records, oldest first. Raises HistoryError for a file that is not a whole record: a gap would look like no drill."""
    base = root or directory()
    known = set(Record.__dataclass_fields__)
    found: list[Record] = []
    for path in sorted(base.glob("*.json")) if base.is_dir() else ():
        values = read_json(path)
        try:
            if values is None:
                raise ValueError("it is not JSON")
            record = Record(**{key: value for key, value in values.items() if key in known})
            record.at  # noqa: B018 - a time that cannot be read is found here
        except (TypeError, ValueError) as error:
            raise HistoryError(
                f"{path} is not a record of a drill ({error}). Bring it back from a copy, or move it away if it is none."
            ) from error
        found.append(record)
    return sorted(found, key=lambda record: (record.began_at, record.run))


def record_of(drill: str, events: Iterable[Mapping[str, Any]], run: str, incident: Path) -> Record:
    """Read a drill's record from its journal lines and from its sealed incident."""
    values: dict[str, Any] = {"figures": {}}
    for event in events:
        if event.get("run") != run:
            continue
        data = event.get("data")
        told: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        kind = event.get("event")
        if kind == "run_begin":
            values |= {
                "began_at": event["at"],
                "rehearsal": bool(told.get("check_mode")),
                "requested_by": str(told.get("requested_by", "")),
            }
        elif kind == "measured" and isinstance(told.get("drill"), Mapping):
            chosen = dict(told["drill"])
            values["figures"] |= dict(chosen.pop("figures", {}))
            values |= {key: value for key, value in chosen.items() if key in ("source", "point", "target", "seed", "backup")}
        elif kind == "run_end":
            values |= {"ended_at": event["at"], "result": str(event["result"]), "reason": str(told.get("reason", ""))}
    manifest = incident / "MANIFEST.sha256"
    if values.get("ended_at") and manifest.is_file() and (incident / "journal.jsonl").stat().st_mtime_ns <= manifest.stat().st_mtime_ns:
        values |= {"evidence": manifest.name, "evidence_sha256": sha256(manifest.read_bytes())}
    values.setdefault("began_at", iso(now()))
    return Record(drill=drill, incident=incident.name, run=run, **values)
