"""The copy on the removable disk (BKP-4): what the local repository has, encrypted as off site, read back, and only then the expired goes.

The disk holds what the off-site repository holds, in the same form (recovery.database.mariadb.vault), and is read through the same words.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...findings import Finding
from ..shell import Procedure
from . import vault
from .backup import archive, blocked
from .place import BackupError, Place, door_account
from .repository import Backup, Repository, local_writer

RECORD = "copied.json"


def disk_place(place: Place) -> Place:
    """Return the place that the removable disk is, seen from the host that fills it."""
    return replace(place, name="removable", path=place.removable, tail=f"{place.removable}/in-memory-elsewhere", removable="")


def mounted(place: Place) -> bool:
    """Tell whether a disk is mounted where the copy belongs."""
    path = Path(place.removable)
    return any(os.path.ismount(one) for one in (path, *path.parents) if str(one) != "/" and one.exists())


def record(place: Place) -> dict[str, Any]:
    """Return what the disk says of its last complete copy; empty when there is none."""
    try:
        return dict(json.loads((Path(place.removable) / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def check(place: Place, procedure: Procedure) -> list[Finding]:
    """Say what stands against a copy now: no disk, nothing to copy, no space."""
    if not place.removable or not mounted(place):
        return [
            blocked(
                "removable-not-mounted",
                f"No removable disk is mounted for {place.removable or place.system}.",
                "The plan asks for a copy in the middle and at the end of each month.",
                "Connect the disk and mount it, then: recovery run database_backup -e repository=removable",
                "If the disk is lost, take another one: the copy is made anew.",
            )
        ]
    backups = place.repository.backups()
    if not backups:
        return [
            blocked(
                "nothing-to-copy",
                "The local repository holds no backup.",
                "Copying it would replace a good copy by nothing.",
                "Take a backup first: recovery run database_backup -e repository=local -e type=full",
            )
        ]
    there = {path.name for path in (Path(place.removable) / "backup").glob("*.json")}
    needed = sum(one.size for one in backups if f"{one.label}.json" not in there)
    needed += sum(path.stat().st_size for path in Path(place.tail).rglob("*") if path.is_file())
    disk = next(path for path in (Path(place.removable), *Path(place.removable).parents) if path.exists())
    if (free := shutil.disk_usage(disk).free) < needed:
        return [
            blocked(
                "backup-disk-full",
                f"The removable disk has {free / 2**30:.2f} GiB free; the copy needs {needed / 2**30:.2f} GiB.",
                "The copy would end half-way.",
                "Take a larger disk, or keep fewer backups (database_backup_retention).",
            )
        ]
    return []


def copy(place: Place, procedure: Procedure) -> dict[str, Any]:
    """Copy what the disk lacks, read all of the copy back, record the date, drop what expired; returns findings, verified, copied_at."""
    if findings := check(place, procedure):
        return {"findings": findings, "verified": {}, "copied_at": ""}
    disk, here = disk_place(place), place.repository
    (Path(disk.path) / "backup").mkdir(mode=0o700, parents=True, exist_ok=True)
    backups = here.backups()
    try:
        vault.take_in(disk, backups, lambda label: archive(Path(place.path) / "backup" / label), procedure)
        with procedure.step("Encrypt the binary logs onto the disk"):
            histories = here.histories()
            for history in histories:
                _keep_logs(place, disk, here, history)
        with procedure.step("Read every byte of the copy and compare checksums"):
            verified = _verify(disk, backups)
    except OSError as error:
        raise BackupError(
            f"The copy to the removable disk stopped: {error}. What was on the disk before is still there. Look at the disk (space, dmesg) "
            "and repeat, or take another disk."
        ) from error
    except (ValueError, BackupError) as error:
        damaged = blocked(
            "copy-damaged",
            f"The copy on the removable disk is damaged: {error}",
            "It could not be restored.",
            "Delete on the disk what is named here and copy again; if it happens twice, replace the disk.",
            "The local repository is not touched by this; prove it with: recovery run database_check",
        )
        return {"findings": [damaged], "verified": {}, "copied_at": ""}
    with procedure.step("Let go of what has expired, and write down the date of the copy"):
        _expire(disk, {one.label for one in backups}, set(histories))
        copied_at = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        told = json.dumps({"copied_at": copied_at, "verified": verified}, indent=1) + "\n"
        local_writer(Path(disk.path) / RECORD)(told.encode())
        # All of it is encrypted; the door may read it for a rehearsal.
        for path in (Path(disk.path), *Path(disk.path).rglob("*")):
            with suppress(LookupError):  # where no door was ever set up, nobody else reads it
                shutil.chown(path, group=door_account(place.system))
            path.chmod(0o750 if path.is_dir() else 0o640)
        procedure.run(["sync", "--file-system", disk.path])
    return {"findings": [], "verified": verified, "copied_at": copied_at}


def _keep_logs(place: Place, disk: Place, here: Repository, history: str) -> None:
    store = Path(disk.path) / "binlog" / history
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    local_writer(store / "history.json")((here.tail / history / "history.json").read_bytes())
    logs = here.logs(history, Path("/nonexistent"), Procedure())
    for path in logs:
        vault.keep_log(disk, path, store)
    for expired in {path.stem for path in store.glob("*.enc")} - {path.name for path in logs}:
        for suffix in ("json", "enc"):
            (store / f"{expired}.{suffix}").unlink()


def _verify(disk: Place, backups: list[Backup]) -> dict[str, Any]:
    """Read all of it as a restore would. Raises ValueError or BackupError with what is wrong."""
    told = {one["label"]: one for one in vault.stored_backups(disk)[0]}
    for one in backups:
        if one.label not in told:
            raise ValueError(f"backup {one.label} is not there")
        vault.prove(disk, one, Path(disk.path) / "backup" / f"{one.label}.tar.enc", told[one.label]["stored"])
    logs = 0
    for path in sorted((Path(disk.path) / "binlog").glob("*/*.enc")):
        with vault.decrypted(disk, path, vault.read_description(disk, path.with_suffix(".json"))):
            logs += 1
    return {"backups": [one.label for one in backups], "files": sum(len(one.files) for one in backups), "logs": logs}


def _expire(disk: Place, backups: set[str], histories: set[str]) -> None:
    for one in vault.stored_backups(disk)[0]:
        if one["label"] not in backups:
            vault.forget(disk, one["label"])
    for directory in (Path(disk.path) / "binlog").iterdir():
        if directory.name not in histories:
            shutil.rmtree(directory)
