"""Copy the local repository to the removable disk, check the copy, and only then let go of what expired (BKP-4)."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..findings import Finding
from .backup import BackupError, Place, blocked
from .shell import CommandError, Procedure

RECORD = "copied.json"
_STATUS = re.compile(r"^status: (\w+)", re.M)
_COUNTS = re.compile(r"missing: (\d+), checksum invalid: (\d+), size invalid: (\d+), other: (\d+)")
_BACKUP = re.compile(r"backup: (\S+), status: ([a-z ]+), total files checked: (\d+), total valid files: (\d+)")
_ARCHIVE = re.compile(r"archiveId: (\S+), total WAL checked: (\d+), total valid WAL: (\d+)")


def parse_verify(text: str) -> dict[str, Any]:
    """Read what ``pgbackrest verify --output=text --verbose`` printed; its exit status is 0 even where it found damage.

    Returns status, backups {label: status}, files and segments checked, and ``errors``: sentences, empty for a sound repository.
    """
    status = _STATUS.search(text)
    backups = {label: state for label, state, _, _ in _BACKUP.findall(text)}
    errors: list[str] = []
    if status is None:
        errors.append("pgBackRest's answer has no status.")
    elif status[1] != "ok":
        errors.append(f"The repository's status is '{status[1]}'.")
    errors += [f"Backup {label} is {state}." for label, state in backups.items() if state != "valid"]
    for name, checked, valid in _ARCHIVE.findall(text):
        if checked != valid:
            errors.append(f"Archive {name}: {int(checked) - int(valid)} of {checked} segments of the write-ahead log are damaged.")
    names = ("missing", "with a wrong checksum", "with a wrong size", "wrong in another way")
    for counts in _COUNTS.findall(text):
        wrong = [f"{count} {name}" for count, name in zip(counts, names, strict=True) if count != "0"]
        if wrong:
            errors.append(f"Files: {', '.join(wrong)}.")
    if not backups:
        errors.append("It holds no backup.")
    return {
        "status": status[1] if status else "",
        "backups": backups,
        "files": sum(int(checked) for _, _, checked, _ in _BACKUP.findall(text)),
        "segments": sum(int(checked) for _, checked, _ in _ARCHIVE.findall(text)),
        "errors": errors,
    }


def disk_of(place: Place) -> Path | None:
    """Return the mount point that holds the removable repository, or None when no disk is mounted there."""
    path = Path(place.removable)
    for candidate in (path, *path.parents):
        if str(candidate) == "/":
            return None
        if candidate.exists() and os.path.ismount(candidate):
            return candidate
    return None


def record(place: Place) -> dict[str, Any]:
    """Return what the disk says of its last complete copy; empty when there is none."""
    try:
        found = json.loads((Path(place.removable) / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _rsync(place: Place, part: str, procedure: Procedure, *options: str) -> None:
    procedure.run(["rsync", "--archive", "--fsync", *options, f"{place.path}/{part}/", f"{place.removable}/{part}/"])


def check(place: Place, procedure: Procedure) -> list[Finding]:
    """Say what stands against a copy now: no disk, a backup being taken, nothing to copy, no space."""
    if disk_of(place) is None:
        return [
            blocked(
                "removable-not-mounted",
                f"No removable disk is mounted for {place.removable}.",
                "The plan asks for a copy in the middle and at the end of each month.",
                "Connect the disk and mount it, then: recovery run database_backup -e repository=removable",
                "If the disk is lost, take another one: the copy is made anew.",
            )
        ]
    answer = json.loads(place.repository.ask("info", "--output=json") or "[]")
    if not answer or not answer[0].get("backup"):
        return [
            blocked(
                "nothing-to-copy",
                "The local repository holds no backup.",
                "Copying it would replace a good copy by nothing.",
                "Take a backup first: recovery run database_backup -e repository=local -e type=full",
            )
        ]
    if answer[0]["status"]["lock"]["backup"]["held"]:
        return [
            blocked(
                "backup-running", "A backup is being taken right now.", "The copy would end in its middle.", "Repeat when it is complete."
            )
        ]
    return []


def copy(place: Place, procedure: Procedure) -> dict[str, Any]:
    """Copy, check the copy by reading all of it, record the date, drop what expired; returns findings, verified, copied_at.

    The log is copied before and after the backups, so that every backup on the disk has its log. What has expired in the local
    repository stays on the disk until the new copy has proven sound.
    """
    findings = check(place, procedure)
    if findings:
        return {"findings": findings, "verified": {}, "copied_at": ""}
    Path(place.removable).mkdir(mode=0o750, exist_ok=True)
    shutil.chown(place.removable, place.user, place.user)
    try:
        with procedure.step("Copy backups, write-ahead log and manifests to the removable disk"):
            for part in ("archive", "backup", "archive", "manifests"):
                if (Path(place.path) / part).is_dir():
                    _rsync(place, part, procedure)
    except CommandError as error:
        raise BackupError(
            f"The copy to the removable disk stopped: {error.output[-600:]} What was on the disk before is still there. "
            "Look at the disk (space, dmesg) and repeat, or take another disk."
        ) from error
    with procedure.step("Read every byte of the copy and compare checksums"):
        text = procedure.run(
            place.pgbackrest(f"--repo1-path={place.removable}", "verify", "--output=text", "--verbose", "--log-level-console=off"),
            user=place.user,
        )
        verified = parse_verify(text)
    if verified["errors"]:
        return {
            "findings": [
                blocked(
                    "copy-damaged",
                    f"The copy on the removable disk is damaged: {' '.join(verified['errors'])}",
                    "It could not be restored.",
                    "Prove the local repository (recovery run database_check), then copy again; if it happens twice, replace the disk.",
                )
            ],
            "verified": verified,
            "copied_at": "",
        }
    with procedure.step("Let go of what has expired, and write down the date of the copy"):
        for part in ("backup", "archive", "manifests"):
            if (Path(place.path) / part).is_dir():
                _rsync(place, part, procedure, "--delete-after")
        copied_at = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        target = Path(place.removable) / RECORD
        new = target.with_suffix(".new")
        new.write_text(json.dumps({"copied_at": copied_at, "verified": verified}, indent=1) + "\n", encoding="utf-8")
        new.replace(target)
        procedure.run(["sync", "--file-system", place.removable])
    return {"findings": [], "verified": verified, "copied_at": copied_at}
