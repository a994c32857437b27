"""Incident directories: one per emergency or drill, named by day and number, made atomically."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, date, datetime
from pathlib import Path

from recovery.evidence.journal import Journal, safe_name, sync_directory, write_new
from recovery.evidence.lines import digest
from recovery.frame.project import incidents_root

_ID = re.compile(r"^\d{4}-\d{2}-\d{2}-\d{2,}$")
NUMBERED = ("approvals", "manual_steps")


class IncidentError(Exception):
    """An incident directory cannot be made or found; the text says why, what to do, and what to do instead."""


def new_run_id() -> str:
    """Return an identifier for a run: when it began (UTC), and four random hex digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def create_incident(root: Path | None = None, day: date | None = None) -> Path:
    """Make the next incident directory of a day (today by default) and return it. Two callers never get the same one."""
    base = root or incidents_root()
    prefix = (day or datetime.now().astimezone().date()).isoformat()
    try:
        base.mkdir(mode=0o750, parents=True, exist_ok=True)
        taken = [int(entry.name.rpartition("-")[2]) for entry in base.iterdir() if _ID.match(entry.name) and entry.name.startswith(prefix)]
        number = max(taken, default=0) + 1
        while True:
            directory = base / f"{prefix}-{number:02d}"
            try:
                directory.mkdir(mode=0o750)
            except FileExistsError:
                number += 1
                continue
            for name in ("artifacts", *NUMBERED):
                (directory / name).mkdir(mode=0o750)
            sync_directory(directory)
            sync_directory(base)
            return directory
    except OSError as error:
        raise IncidentError(
            f"No incident directory can be made below {base}: {error.strerror or error}.\n"
            "Evidence is kept before anything is changed, so nothing was started. Make room or correct the permissions there,\n"
            "or let evidence go elsewhere: RECOVERY_INCIDENTS=DIRECTORY."
        ) from error


def list_incidents(root: Path | None = None) -> list[Path]:
    """Return all incident directories, oldest first."""
    base = root or incidents_root()
    if not base.is_dir():
        return []
    found = [entry for entry in base.iterdir() if _ID.match(entry.name) and entry.is_dir()]
    return sorted(found, key=lambda entry: (entry.name[:10], int(entry.name[11:])))


def open_incident(name: str | Path, root: Path | None = None) -> Path:
    """Return the directory of an incident given by its id or its path. Raise IncidentError if there is none."""
    base = root or incidents_root()
    for candidate in (Path(name), base / str(name)):
        if candidate.is_dir() and _ID.match(candidate.absolute().name):
            return candidate.absolute()
    known = ", ".join(entry.name for entry in list_incidents(base)[-3:]) or "none"
    raise IncidentError(f"There is no incident {name} below {base} (the last ones: {known}). Give its id or the path of its directory.")


def journal_of(directory: Path, run: str = "") -> Journal:
    """Return the journal of an incident."""
    return Journal(directory / "journal.jsonl", run)


def allocate(directory: Path, kind: str) -> tuple[int, Path]:
    """Make the next numbered sub-directory (`approvals/3`, `manual_steps/7`); return its number and path. Atomic."""
    if kind not in NUMBERED:
        raise ValueError(f"{kind!r} is none of {', '.join(NUMBERED)}")
    base = directory / kind
    base.mkdir(mode=0o750, exist_ok=True)
    number = max((int(entry.name) for entry in base.iterdir() if entry.name.isdigit()), default=0) + 1
    while True:
        path = base / str(number)
        try:
            path.mkdir(mode=0o750)
        except FileExistsError:
            number += 1
            continue
        sync_directory(base)
        return number, path


def write_artifact(directory: Path, seq: int, name: str, content: bytes) -> dict[str, str | int]:
    """Write a file into `artifacts/` and return its reference (path, sha256, bytes) for an event's `data.artifacts`.

    `Journal.append(attach=...)` does both in one step and scrubs; this is for what is written outside the journal's process.
    """
    folder = directory / "artifacts"
    folder.mkdir(mode=0o750, exist_ok=True)
    path = folder / f"{seq}-{safe_name(name)}"
    copy = 1
    while path.exists():
        copy += 1
        path = folder / f"{seq}-{copy}-{safe_name(name)}"
    write_new(path, content)
    return {"path": f"artifacts/{path.name}", "sha256": digest(content), "bytes": len(content)}
