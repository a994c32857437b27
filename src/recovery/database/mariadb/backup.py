"""Take a backup with mariadb-backup, full or incremental, with checksums and manifest (BKP-2, BKP-11); for runbook and timers alike."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...findings import Finding
from ..shell import CommandError, Procedure
from . import binlog, measure
from .place import BackupError, Place, door_account, open_to_door
from .repository import FORMAT, Backup, digest, local_writer, sealed
from .server import SOCKET, Session, ask, health, identity, server, version

TYPES = ("full", "diff", "incr")
SPACE_MARGIN = 1.10


def blocked(code: str, message: str, why: str, remedy: str, alternative: str = "") -> Finding:
    """Return a finding that stops a backup."""
    return Finding(code, "stop", message, why, remedy, alternative)


def check(place: Place, procedure: Procedure, *, rehearsal: bool = False) -> list[Finding]:
    """Say what stands against a backup now: server, space, and whether the binary log arrives here, from end to end."""
    findings: list[Finding] = []
    if place.name == "local":
        with procedure.step("Ask the server whether it can be backed up"):
            found = health(server(place.cluster))
            if not found.answers:
                return [
                    blocked(
                        "server-silent",
                        f"The server {place.system} does not answer: {found.said}",
                        "There is nothing to back up.",
                        "If it has failed: recovery run database_restore",
                    )
                ]
        with procedure.step("See that the disk holds one more backup"):
            findings += _space(place)
    if rehearsal:
        return findings
    try:
        with procedure.step("Close the binary log and see it arrive"):
            marked = json.loads(place.ask("mark")) if place.name == "offsite" else mark()
            findings += arrives(place, marked)
    except CommandError as error:
        findings.append(
            blocked(
                "server-unreachable",
                f"The database server cannot be asked: {error.output[-300:]}",
                "Nothing can be fetched from it.",
                "Repair the line, or set the backups up anew: recovery run database_backup_setup",
            )
        )
    return findings


def mark(user: str = "root") -> dict[str, str]:
    """Close the server's binary log; return the history, the closed log's name and the server's position."""
    told = identity(user=user)
    if told is None:
        raise BackupError("The server is not prepared for backups. Run: recovery run database_backup_setup")
    closed = ask("SHOW MASTER STATUS", user=user)[0][0]
    ask("FLUSH BINARY LOGS", user=user)
    return {"history": told.history, "file": closed, "gtid": ask("SELECT @@gtid_binlog_pos", user=user)[0][0]}


def arrives(place: Place, marked: Mapping[str, str]) -> list[Finding]:
    """Wait until the log that the server has closed is here in full: the next one has begun to arrive then."""
    deadline = time.monotonic() + float(place.limits.get("archive_timeout_s", 60))
    found = ""
    while time.monotonic() < deadline:
        logs = binlog.files(Path(place.tail) / marked["history"])
        found = logs[-1].name if logs else ""
        if found > marked["file"]:
            return []
        time.sleep(0.1)
    return [
        blocked(
            "archiving-broken",
            f"The binary log does not arrive beside the {place.name} repository: the server has closed {marked['file']} "
            f"at {marked['gtid']}, the newest here is {found or 'none'}.",
            "What is acknowledged now would be in no backup.",
            f"Look at: journalctl -u binlog-tail@{place.system}",
        )
    ]


def _space(place: Place) -> list[Finding]:
    data = Path(str(place.cluster["data_directory"]))
    size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    Path(place.path).mkdir(parents=True, exist_ok=True)
    usage = shutil.disk_usage(place.path)
    least = usage.total * float(place.limits.get("min_free_percent", 0)) / 100
    if usage.free - size * SPACE_MARGIN >= least:
        return []
    return [
        blocked(
            "backup-disk-full",
            f"The disk of {place.path} has {usage.free / 2**30:.2f} GiB free; one more full backup needs "
            f"{size * SPACE_MARGIN / 2**30:.2f} GiB.",
            "The backup would end half-way.",
            "Free space there, or keep fewer backups (database_backup_retention).",
        )
    ]


def archive(directory: Path) -> list[str]:
    """Return the command that writes a backup to its standard output, as every repository away from here takes it."""
    return ["tar", "--create", "--file=-", f"--directory={directory}", "--sort=name", "backup.json", "manifest.json", "data"]


def _stamp() -> str:
    return datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")


def _parent(kind: str, earlier: Sequence[Backup], history: str) -> Backup | None:
    """Return the backup that an incremental one builds on: the newest one, or for a differential one its full backup."""
    mine = [one for one in earlier if one.history == history]
    if kind == "full" or not mine:
        return None
    full = next((one for one in mine if one.label == mine[-1].chain[0]), None)
    return full if kind == "diff" else mine[-1]


def back_up(place: Place, kind: str, procedure: Procedure) -> dict[str, Any]:
    """Take a backup beside the running server; return backup, manifest and findings.

    The first backup of a history is full, whatever was asked: there is nothing that an increment could build on.
    """
    told = identity()
    if told is None:
        raise BackupError("The server is not prepared for backups. Run: recovery run database_backup_setup")
    store = Path(place.path) / "backup"
    open_to_door(place, Path(place.path), store)
    for left in store.glob("*.partial"):
        shutil.rmtree(left)
    earlier = place.repository.backups()
    parent = _parent(kind, earlier, told.history)
    label = f"{parent.chain[0]}_{_stamp()}{'D' if kind == 'diff' else 'I'}" if parent else f"{_stamp()}F"
    draft = store / f"{label}.partial"
    draft.mkdir(mode=0o750)
    started = time.time()
    with procedure.step(f"Copy the data files beside the running service ({'incremental' if parent else 'full'})"):
        command = ["mariadb-backup", "--no-defaults", "--backup", "--user=root", "--socket=/run/mysqld/mysqld.sock"]
        command += [f"--datadir={place.cluster['data_directory']}", f"--target-dir={draft / 'data'}", "--open-files-limit=16384"]
        command += [f"--incremental-basedir={store / parent.label / 'data'}"] if parent else []
        procedure.run(command)
    info = (draft / "data" / "xtrabackup_binlog_info").read_text(encoding="ascii").split()
    with procedure.step("Count and checksum the critical tables at one known position of the binary log"):
        manifest = _measure(place)
        local_writer(draft / "manifest.json")((json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode())
    with procedure.step("Take the checksum of every file, and make all of it durable"):
        files = _checksums(place, draft)
        size = sum(entry[0] for entry in files.values())
        values = {
            "format": FORMAT,
            "label": label,
            "kind": "full" if not parent else kind,
            "chain": [*(parent.chain if parent else ()), label],
            "start_time": started,
            "stop_time": time.time(),
            "gtid": info[2] if len(info) > 2 else "",
            "history": told.history,
            "system": told.system,
            "version": version(),
            "size": size,
            "manifest_gtid": manifest["gtid"],
            "files": files,
        }
        local_writer(draft / "backup.json")(sealed(values))
        shutil.chown(draft / "backup.json", group=door_account(place.system))
        (draft / "backup.json").chmod(0o640)
        os.sync()
        draft.rename(store / label)
        descriptor = os.open(store, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(descriptor)
        os.close(descriptor)
    with procedure.step("Close the binary log and see it arrive"):
        findings = arrives(place, mark())
    with procedure.step("Let backups go that are older than the plan keeps"):
        expire(place)
    took = round(time.time() - started, 3)
    return {
        "findings": findings,
        "backup": {"label": label, "type": values["kind"], "size_bytes": size, "took_s": took},
        "manifest": {**manifest, "writers_paused_ms": 0},
        "manifest_sha256": files["manifest.json"][1],
    }


def _measure(place: Place) -> dict[str, Any]:
    with Session(SOCKET, str(place.subject["database"]), float(place.limits.get("manifest_timeout_s", 3600))) as session:
        session.snapshot()
        return measure.manifest(session, place.subject)


def _checksums(place: Place, draft: Path) -> dict[str, list[Any]]:
    """Return size and checksum of every file, readable from now on through the door and by nobody else."""
    group = door_account(place.system)
    found = {}
    for path in sorted([draft, *draft.rglob("*")]):
        shutil.chown(path, "root", group)
        path.chmod(0o750 if path.is_dir() else 0o640)
        if path.is_file():
            found[str(path.relative_to(draft))] = [path.stat().st_size, digest(path)]
    return found


def expire(place: Place) -> list[str]:
    """Delete full backups beyond those that are kept, each with what builds on it, and logs that no backup needs; return what went."""
    backups = place.repository.backups()
    keep = int(dict(place.retention).get("full", 2))
    chains = [one.label for one in backups if len(one.chain) == 1]
    gone = [one.label for one in backups if one.chain[0] in chains[:-keep]] if len(chains) > keep else []
    for label in reversed(gone):
        shutil.rmtree(Path(place.path) / "backup" / label)
    if gone:
        left = [one for one in backups if one.label not in gone]
        needed = {one.history for one in left}
        for directory in Path(place.tail).glob("*/history.json"):
            told = json.loads(directory.read_text(encoding="utf-8"))
            history = directory.parent.name
            if history not in needed and told.get("based_on") not in {one.label for one in left} and history != identity_history():
                shutil.rmtree(directory.parent)
        for history in needed:
            _expire_logs(Path(place.tail) / history, [one for one in left if one.history == history])
    return gone


def _expire_logs(directory: Path, backups: Sequence[Backup]) -> None:
    oldest = min(binlog.Gtid.parse(one.gtid).seq for one in backups)
    for name in binlog.unneeded([(path.name, binlog.first(path)) for path in binlog.files(directory)], oldest):
        (directory / name).unlink()


def identity_history() -> str:
    """Return the history of the running server; empty if it does not answer."""
    try:
        told = identity()
    except CommandError:
        return ""
    return told.history if told else ""
