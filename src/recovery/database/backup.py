"""Take a backup with pgBackRest and give it its manifest (BKP-2, BKP-11); the same code for a runbook and for the timers.

A *place* is a host on which pgBackRest runs: the database host for the local repository, the off-site server for its own. The
off-site server fetches everything itself; the manifest comes to it through the gate at the database host (gate.py).
"""

from __future__ import annotations

import json
import os
import pwd
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..findings import Finding
from . import manifest as manifests
from .pgbackrest import Repository, explain
from .shell import CommandError, Procedure, run
from .wal import Segment, parse_lsn

CONFIG = "/etc/pgbackrest/hospital-backup.json"
TYPES = ("full", "diff", "incr")
SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")


class BackupError(Exception):
    """A backup that was not taken or not completed; the message says cause, remedy and alternative."""


@dataclass(frozen=True)
class Place:
    """Where pgBackRest runs and what it keeps there: one repository, its WAL tail, the way to the database host."""

    name: str
    stanza: str
    path: str
    tail: str
    user: str
    config: str
    database_ssh: str
    slot: str
    schedule: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    removable: str = ""
    subject: Mapping[str, Any] = field(default_factory=dict)
    cluster: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Place:
        """Read a backup configuration (``hospital-backup.json``, or the same from the inventory)."""
        known = {name: entry[name] for name in cls.__dataclass_fields__ if name in entry}
        return cls(**known)

    @classmethod
    def load(cls, path: str = CONFIG) -> Place:
        """Read this host's backup configuration from its file."""
        return cls.parse(json.loads(Path(path).read_text(encoding="utf-8")))

    @property
    def repository(self) -> Repository:
        """Return the repository as this place itself reads it, with its own configuration."""
        return Repository(name=self.name, path=self.path, stanza=self.stanza, config=self.config, user=self.user)

    @property
    def manifest_directory(self) -> Path:
        """Return where the manifests of this repository's backups are."""
        return Path(self.path) / "manifests" / self.stanza

    def pgbackrest(self, *words: str) -> list[str]:
        """Return a pgBackRest command line of this place."""
        return ["pgbackrest", f"--config={self.config}", f"--stanza={self.stanza}", *words]

    def ask_database(self, *words: str, timeout: float) -> str:
        """Send words through the gate at the database host and return the answer."""
        return run(["ssh", *SSH_OPTIONS, self.database_ssh, *words], user=self.user, timeout=timeout)


def blocked(code: str, message: str, why: str, remedy: str, alternative: str = "") -> Finding:
    """Return a finding that stops a backup."""
    return Finding(code, "stop", message, why, remedy, alternative)


def used_and_free(path: str) -> tuple[int, int]:
    """Return the bytes in use and the bytes free for an ordinary user on the file system of ``path``."""
    state = os.statvfs(path)
    return (state.f_blocks - state.f_bfree) * state.f_frsize, state.f_bavail * state.f_frsize


def check(place: Place, kind: str, procedure: Procedure, *, rehearsal: bool = False) -> list[Finding]:
    """Say what stands against a backup now: server, archiving from end to end, repository, space. Changes no data.

    The check of archiving closes a WAL segment and waits for it in the repository; a ``rehearsal`` leaves that out.
    """
    findings: list[Finding] = []
    try:
        with procedure.step(f"Ask the {place.name} repository what it holds"):
            contents = place.repository.contents()
    except CommandError as error:
        code, sentence = explain(error)
        return [
            blocked(
                code,
                sentence,
                "A backup would have nowhere to go.",
                "Repair the repository, or set it up anew: recovery run database_backup_setup",
            )
        ]
    with procedure.step(f"See whether the {place.name} disk holds one more backup"):
        findings += space_findings(place, kind, [(b.kind, b.size) for b in contents.backups])
    if not rehearsal:
        findings += archiving_findings(place, procedure)
    return findings


def space_findings(place: Place, kind: str, sizes: Sequence[tuple[str, int]]) -> list[Finding]:
    """Compare the free space with what the next backup will take at most (the last one of its kind, uncompressed)."""
    used, free = used_and_free(place.path)
    floor = (used + free) * float(place.limits.get("min_free_percent", 0)) / 100
    need = 0 if kind != "full" else max((size for found, size in sizes if found == "full"), default=0) // 2
    if free - need >= floor:
        return []
    return [
        Finding(
            "repository-space",
            "overridable",
            f"The disk of the {place.name} repository has {free / 2**30:.1f} GiB free; the next {kind} backup may take "
            f"{need / 2**30:.1f} GiB, and {floor / 2**30:.1f} GiB are kept for the write-ahead log.",
            "A full disk stops archiving, and then the database itself.",
            "Add space, or shorten the retention in the inventory and run recovery run database_backup_setup.",
            "Take a smaller one: -e type=incr",
        )
    ]


def archiving_findings(place: Place, procedure: Procedure) -> list[Finding]:
    """Close a WAL segment and wait until it has reached the repository (``pgbackrest check``)."""
    timeout = int(place.limits.get("archive_timeout_s", 60))
    try:
        with procedure.step(f"Close a segment of the write-ahead log and see it arrive in the {place.name} repository"):
            procedure.run(
                place.pgbackrest("check", f"--archive-timeout={timeout}", "--log-level-console=warn"),
                user=place.user,
                timeout=timeout + 60,
            )
    except CommandError as error:
        brief = [line for line in error.output.splitlines() if "ERROR" in line or "HINT" in line]
        return [
            blocked(
                "archiving-broken",
                f"The write-ahead log does not reach the {place.name} repository: {' '.join(brief) or error.output[-400:]}",
                "A backup without its write-ahead log cannot be restored.",
                "Look at the archiver (journalctl -u wal-tail -u wal-tail-push; pg_stat_archiver), then repeat.",
                "Back up to the other repository meanwhile: -e repository=local or -e repository=offsite",
            )
        ]
    return []


def take(place: Place, kind: str, procedure: Procedure) -> dict[str, Any]:
    """Take a backup and return what ``info`` says of it: label, type, sizes in bytes, seconds."""
    before = {backup.label for backup in place.repository.contents().backups}
    with procedure.step(f"Take a {kind} backup into the {place.name} repository"):
        started = time.monotonic()
        try:
            procedure.run(place.pgbackrest("backup", f"--type={kind}", "--log-level-console=warn"), user=place.user)
        except CommandError as error:
            raise BackupError(
                f"The {kind} backup into the {place.name} repository failed: {error.output[-1500:]} Earlier backups are untouched. "
                "Remove the cause and repeat, or take it into another repository (-e repository=...)."
            ) from error
        took = time.monotonic() - started
    new = [backup for backup in place.repository.contents().backups if backup.label not in before]
    if not new:
        raise BackupError(
            f"pgBackRest reported success, but the {place.name} repository lists no new backup. Look at /var/log/pgbackrest and repeat."
        )
    backup = new[-1]
    return {
        "label": backup.label,
        "type": backup.kind,
        "size_bytes": backup.size,
        "took_s": round(took, 3),
        "error": backup.error,
        "start_segment": backup.start_segment.name(),
        "stop_segment": backup.stop_segment.name(),
    }


def capture_manifest(place: Place, label: str, procedure: Procedure) -> dict[str, Any]:
    """Take the manifest of a backup, here or through the gate at the database host."""
    with procedure.step("Count and checksum the critical tables at one common moment, beside the running service"):
        if place.database_ssh:
            procedure.commands.append(f"ssh {place.database_ssh} manifest {label}")
            answer = place.ask_database("manifest", label, timeout=float(place.limits.get("manifest_timeout_s", 3600)))
            found = manifests.parse(answer)
            return {**found, "repository": place.name}
        from . import measure  # here, because only the database host has psycopg2

        version = run(["pgbackrest", "version"], timeout=10).split()[-1]
        return measure.capture(
            manifests.Subject.parse(place.subject),
            label=label,
            repository=place.name,
            stanza=place.stanza,
            pgbackrest_version=version,
        )


def _write_as(place: Place, target: Path, content: bytes) -> None:
    owner = pwd.getpwnam(place.user)
    for directory in (target.parent.parent, target.parent):
        if not directory.exists():
            directory.mkdir(mode=0o750)
            os.chown(directory, owner.pw_uid, owner.pw_gid)
    new = target.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fchmod(handle.fileno(), 0o640)
        if os.geteuid() == 0:
            os.fchown(handle.fileno(), owner.pw_uid, owner.pw_gid)
        os.fsync(handle.fileno())
    new.replace(target)


def store_manifest(place: Place, found: Mapping[str, Any], procedure: Procedure) -> str:
    """Put a manifest beside its repository, name its checksum in the backup's annotation, drop those of expired backups.

    Returns the sha256 of the stored file.
    """
    label = str(found["label"])
    with procedure.step("Keep the manifest beside the backup, its checksum in the backup's annotation"):
        _write_as(place, place.manifest_directory / f"{label}.json", manifests.serialise(found))
        checksum = manifests.digest(found)
        procedure.run(
            place.pgbackrest(
                "annotate",
                f"--set={label}",
                f"--annotation=manifest-sha256={checksum}",
                f"--annotation=restore-point={found['restore_point']}",
                "--log-level-console=warn",
            ),
            user=place.user,
            timeout=60,
        )
        kept = {backup.label for backup in place.repository.contents().backups}
        for old in place.manifest_directory.glob("*.json"):
            if old.stem not in kept:
                old.unlink()
    return checksum


def wait_for_log(place: Place, found: Mapping[str, Any], procedure: Procedure) -> None:
    """Wait until the segment that holds the manifest's restore point is in the repository."""
    timeout = float(place.limits.get("archive_timeout_s", 60))
    needed = Segment(int(found["timeline"]), parse_lsn(str(found["restore_point_lsn"])) // (16 * 1024 * 1024)).name()
    with procedure.step("See the manifest's restore point arrive in the repository"):
        deadline = time.monotonic() + timeout
        while True:
            archives = json.loads(place.repository.ask("info", "--output=json"))[0].get("archive") or [{}]
            newest = str(archives[-1].get("max") or "")
            if newest[8:] >= needed[8:] and newest[:8] >= needed[:8]:
                return
            if time.monotonic() > deadline:
                raise BackupError(
                    f"Segment {needed}, which holds the manifest's restore point, did not reach the {place.name} repository within "
                    f"{timeout:.0f} s (newest there: {newest or 'none'}). The backup itself is complete. Look at the WAL tail "
                    "(journalctl -u wal-tail -u wal-tail-push) and repeat with -e type=incr."
                )
            time.sleep(0.2)


def verify(place: Place, label: str, procedure: Procedure) -> list[Finding]:
    """See in the repository's own words that the backup is there, without error, and carries its manifest."""
    with procedure.step("Read back what the repository says of the new backup"):
        contents = place.repository.contents()
        backup = next((b for b in contents.backups if b.label == label), None)
        stored = place.manifest_directory / f"{label}.json"
        if backup is None or contents.status_code != 0:
            return [
                blocked(
                    "backup-not-listed",
                    f"The {place.name} repository says '{contents.status}' and {'lists' if backup else 'does not list'} {label}.",
                    "A backup that is not listed cannot be restored.",
                    "Look at /var/log/pgbackrest and take the backup again.",
                )
            ]
        findings: list[Finding] = []
        if backup.error:
            findings.append(
                blocked(
                    "backup-page-errors",
                    f"While taking backup {label}, pgBackRest met pages of the database with a wrong checksum.",
                    "The database itself is damaged; every later backup copies the damage.",
                    "Prove the live database: recovery run database_verify; then restore an earlier backup.",
                )
            )
        try:
            manifests.parse(stored.read_text(encoding="utf-8"), backup.annotation.get("manifest-sha256", "-"))
        except (OSError, manifests.ManifestError) as error:
            findings.append(
                blocked(
                    "manifest-unusable",
                    f"The manifest of {label} cannot be used: {error}",
                    "A restore could not be compared.",
                    "Take the backup again.",
                )
            )
        return findings


def back_up(place: Place, kind: str, procedure: Procedure) -> dict[str, Any]:
    """Take a backup with its manifest and see both in the repository; the whole of ``run`` for module and timer.

    Returns backup, manifest, manifest_sha256, findings. Raises BackupError when there is no complete backup.
    """
    backup = take(place, kind, procedure)
    try:
        found = capture_manifest(place, backup["label"], procedure)
        checksum = store_manifest(place, found, procedure)
        wait_for_log(place, found, procedure)
    except (manifests.ManifestError, CommandError) as error:
        raise BackupError(
            f"Backup {backup['label']} is complete and can be restored, but it has no manifest, so a restore of it could not be "
            f"compared: {error} Take another one: recovery run database_backup -e repository={place.name} -e type=incr"
        ) from error
    return {
        "backup": backup,
        "manifest": found,
        "manifest_sha256": checksum,
        "findings": verify(place, backup["label"], procedure),
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
