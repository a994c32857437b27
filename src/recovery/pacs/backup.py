"""Back up a picture archive (BKP-2, BKP-11): one snapshot that holds the index and every file the index names.

Orthanc writes an image's file first and enters it into the index afterwards. So the index is written down first, as of one moment, and the
files are copied after it: whatever the index named at that moment is on disk before copying begins, and images that arrive meanwhile
are in the copy as files without an entry. The other way round, the newest entries would name files that the copy does not have.
Only a deletion in between could break that, so the finished snapshot is compared with its index, name by name.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..database.cluster import OWNER
from ..database.shell import CommandError, Procedure, now
from ..findings import Finding
from .archive import ENTRIES, NAMED, Archive, Entry, digest, entries, reconcile
from .restic import TAG, Repository, Snapshot, explain

LEVELS = {0: "patients", 1: "studies", 2: "series", 3: "images"}  # Orthanc's numbers
SKEW_S = 600  # how far two hosts' clocks may be apart
INDEX_DUMP, MANIFEST = "index.dump", "manifest.json"


@dataclass(frozen=True)
class Place:
    """What a host does for the archive's backups: it keeps the archive and the local repository, or fetches the off-site one."""

    name: str
    repository: Repository
    source: Repository | None
    archive: Archive | None
    handover: Path
    retention: Mapping[str, int]
    limits: Mapping[str, Any]

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Place:
        """Read the configuration that the role writes to the host."""
        return cls(
            name=str(values["name"]),
            repository=Repository(**values["repository"]),
            source=Repository(**values["source"]) if values.get("source") else None,
            archive=Archive.parse(values["archive"]) if values.get("archive") else None,
            handover=Path(values.get("handover") or "/nowhere"),
            retention=dict(values.get("retention") or {}),
            limits=dict(values.get("limits") or {}),
        )


class BackupError(Exception):
    """A backup that did not come about: a sentence."""


def check(place: Place, procedure: Procedure) -> list[Finding]:
    """Say what stands against a backup now. Changes nothing."""
    findings = []
    with procedure.step("Look at repository, space and archive"):
        try:
            place.repository.snapshots()
        except CommandError as error:
            code, sentence = explain(error, place.repository)
            findings.append(_stop(code, sentence, "A backup has nowhere to go.", "Repair it, or set it up: recovery run pacs_backup_setup"))
        free = shutil.disk_usage(place.repository.path).free if Path(place.repository.path).is_dir() else 0
        needed = int(place.limits.get("min_free_mb", 0)) * 2**20
        if free < needed:
            findings.append(
                _stop(
                    "disk-full",
                    f"{free // 2**20} MB are free for {place.repository.path}; {needed // 2**20} MB are wanted.",
                    "A backup would end in the middle.",
                    "Add space, or keep fewer backups (pacs_backup_retention).",
                )
            )
        if place.archive:
            findings += _archive_findings(place.archive)
        if place.source:
            findings += _source_findings(place.source)
    return findings


def _source_findings(source: Repository) -> list[Finding]:
    remedy = "Look at the line and at the archive's host; then: recovery run pacs_backup -e repository=offsite"
    try:
        if source.snapshots():
            return []
    except CommandError as error:
        code, sentence = explain(error, source)
        return [_stop(code, sentence, "There is nothing to fetch from.", remedy)]
    return [
        Finding(
            "nothing-to-fetch",
            "overridable",
            "The archive's host has no backup yet that could be fetched.",
            "The off-site repository stays as it is.",
            "Take one first: recovery run pacs_backup",
        )
    ]


def _archive_findings(archive: Archive) -> list[Finding]:
    try:
        found = reconcile(archive.entries(), archive.store, read=False)
    except CommandError as error:
        return [
            _stop(
                "index-silent",
                f"The archive's index does not answer: {error.output[-300:]}",
                "Without it, a backup would hold files that nobody can find.",
                "If the archive has failed: recovery run pacs_restore",
            )
        ]
    if found.sound:
        return []
    return [
        Finding(
            "archive-incomplete",
            "overridable",
            f"The archive is not whole: {found.sentence()}.",
            "A backup of it would in time take the place of backups that have these images.",
            "Bring them back first: recovery run pacs_restore",
        )
    ]


def _stop(code: str, message: str, why: str, remedy: str) -> Finding:
    return Finding(code, "stop", message, why, remedy)


def back_up(place: Place, procedure: Procedure) -> dict[str, Any]:
    """Take a backup of the archive into the local repository; return ``backup``, ``manifest`` and ``findings``."""
    archive = place.archive
    if archive is None:
        raise BackupError(f"The place {place.name} has no archive of its own; it fetches what the archive's host has backed up.")
    began = time.monotonic()
    with procedure.step("Write down the index as of one moment"):
        place.repository.restic("unlock", procedure=procedure, lock=True)  # only locks of processes that are dead
        known, manifest = _hand_over(archive, place.handover, procedure)
    with procedure.step("Copy the index and all files into the repository"):
        words = ["backup", "--json", "--quiet", "--tag", TAG, "--host", TAG, str(place.handover), str(archive.store)]
        said = place.repository.restic(*words, procedure=procedure, lock=True)
        snapshot = _finished(place.repository, said)
    with procedure.step("See that the backup holds every file that its index names"):
        findings = complete(place.repository, snapshot, archive, known)
        if findings:
            place.repository.restic("forget", snapshot.id, procedure=procedure, lock=True)
    if not findings:
        with procedure.step("Let backups go that the plan does not ask for any more"):
            forget(place, procedure)
    return {
        "backup": {"label": snapshot.label, "id": snapshot.id, "time": snapshot.time, "took_s": round(time.monotonic() - began, 3)},
        "manifest": manifest,
        "findings": findings,
    }


def _hand_over(archive: Archive, handover: Path, procedure: Procedure) -> tuple[dict[str, Entry], dict[str, Any]]:
    """Write index and manifest where the repository's account reads them: both of one and the same snapshot of the database."""
    import psycopg2  # type: ignore[import-untyped, unused-ignore, import-not-found]  # only the archive's host has it

    group = handover.stat().st_gid
    draft = handover / f".{INDEX_DUMP}.new"
    draft.touch()
    os.chown(draft, pwd.getpwnam(OWNER).pw_uid, group)
    draft.chmod(0o640)
    taken = now()
    with _acting_as(OWNER):
        connection = psycopg2.connect(dbname=archive.database, host="/var/run/postgresql", port=archive.port, connect_timeout=5)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            ((snapshot,),) = cursor.fetchall()
            cursor.execute(ENTRIES)
            known = entries([[str(value) for value in row] for row in cursor.fetchall()])
            cursor.execute("SELECT resourcetype, count(*) FROM resources GROUP BY 1")
            figures = {LEVELS.get(kind, str(kind)): int(count) for kind, count in cursor.fetchall()}
        words = ["pg_dump", "--format=custom", "--compress=0", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
        procedure.run([*words, f"--port={archive.port}", f"--file={draft}", archive.database], user=OWNER)
    finally:
        connection.close()
    manifest = {
        "taken_at": taken,
        "version": archive.version,
        "entries": len(known),
        "bytes": sum(entry.size for entry in known.values()),
        "index_bytes": draft.stat().st_size,
        "digest": digest(known),
        **figures,
    }
    draft.replace(handover / INDEX_DUMP)
    text = handover / f".{MANIFEST}.new"
    text.write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
    os.chown(text, 0, group)
    text.chmod(0o640)
    text.replace(handover / MANIFEST)
    return known, manifest


@contextmanager
def _acting_as(user: str) -> Iterator[None]:
    """Open a connection as the server's own account, which the server knows by its user id."""
    os.seteuid(pwd.getpwnam(user).pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def _finished(repository: Repository, said: str) -> Snapshot:
    """Return the snapshot that restic says it has made."""
    made = next((json.loads(line).get("snapshot_id", "") for line in reversed(said.splitlines()) if "snapshot_id" in line), "")
    found = [one for one in repository.snapshots() if made and one.id.startswith(made)]
    if not found:
        raise BackupError(f"restic ended well and named no backup: {said[-300:] or 'it said nothing'}.")
    return found[-1]


def complete(repository: Repository, snapshot: Snapshot, archive: Archive, known: Mapping[str, Entry]) -> list[Finding]:
    """Compare the files of a backup with the index that it holds, by name and size."""
    listed = repository.listing(snapshot, str(archive.store))
    absent = [f"{name} ({entry.uid})" for name, entry in sorted(known.items()) if listed.get(name) != entry.size]
    if not absent:
        return []
    return [
        Finding(
            "backup-incomplete",
            "stop",
            f"{len(absent)} of {len(known)} files that the index names are not whole in the backup: {', '.join(absent[:NAMED])}.",
            "They were deleted, or damaged, while the backup was taken. The backup was given up; older ones are as they were.",
            "Look at the archive (recovery run pacs_verify), then take the backup again.",
        )
    ]


def forget(place: Place, procedure: Procedure) -> None:
    """Let old backups go as the retention says, and give their space back."""
    if place.retention:
        keep = [word for name, count in sorted(place.retention.items()) for word in (f"--keep-{name}", str(count))]
        place.repository.restic("forget", "--tag", TAG, "--group-by", "tags", *keep, "--prune", "--quiet", procedure=procedure, lock=True)


def fetch(place: Place, procedure: Procedure) -> dict[str, Any]:
    """Fetch what the archive's host has backed up into the off-site repository: pulled, so the archive's host has no right here."""
    source = place.source
    if source is None:
        raise BackupError(f"The place {place.name} fetches from nowhere: only the off-site place does.")
    began = time.monotonic()
    ahead = [one.label for one in source.snapshots() if one.time > time.time() + SKEW_S]
    if ahead:  # the retention counts from the newest backup: one dated ahead would let every other one go
        raise BackupError(
            f"The archive's host has backups dated ahead of now ({', '.join(ahead)}); nothing was fetched. Look into that first."
        )
    with procedure.step("Fetch what is new from the archive's own repository, every block compared with its checksum"):
        words = ["copy", "--from-repo", source.location, "--from-password-file", source.password_file, "--tag", TAG, "--quiet"]
        place.repository.restic("unlock", procedure=procedure, lock=True)  # only locks of processes that are dead
        place.repository.restic(*words, procedure=procedure)
    with procedure.step("See that the off-site repository holds the newest backup whole"):
        theirs, ours = source.snapshots(), place.repository.snapshots()
        if not theirs or not ours or ours[-1].time < theirs[-1].time - 1:
            raise BackupError("restic ended well, but the newest backup of the archive's host is not in the off-site repository.")
        place.repository.restic("check", "--quiet", procedure=procedure)
        manifest = place.repository.document(ours[-1], str(place.handover / MANIFEST))
    with procedure.step("Let backups go that the plan does not ask for any more"):
        forget(place, procedure)
    newest = ours[-1]
    return {
        "backup": {"label": newest.label, "id": newest.id, "time": newest.time, "took_s": round(time.monotonic() - began, 3)},
        "manifest": manifest,
        "findings": [],
    }


def state(place: Place, procedure: Procedure) -> tuple[dict[str, Any], list[Finding]]:
    """Return what this place's repository holds, and whether that is as young and as roomy as the plan asks."""
    again = f"recovery run pacs_backup -e repository={place.name}"
    with procedure.step(f"Look at the {place.name} repository: age and space"):
        try:
            found = place.repository.snapshots()
        except CommandError as error:
            code, sentence = explain(error, place.repository)
            return {}, [Finding(code, "overridable", sentence, "From there nothing could be restored.", "Repair it, or set it up anew.")]
        usage = shutil.disk_usage(place.repository.path)
    facts = {"backups": len(found), "newest_at": found[-1].time if found else None, "free_bytes": usage.free}
    findings = []
    allowed = float(place.limits.get("max_age_hours", 0))
    if not found:
        findings.append(
            Finding("backup-missing", "overridable", f"The {place.name} repository holds no backup.", remedy=f"Take one: {again}")
        )
    elif (hours := (time.time() - found[-1].time) / 3600) > allowed:
        findings.append(
            Finding(
                "backup-overdue",
                "overridable",
                f"The newest backup in the {place.name} repository is {hours:.1f} h old; the plan allows {allowed:g} h.",
                "The schedule does not run, or it fails.",
                f"Look at `systemctl list-timers 'hospital-images*'` and `journalctl -u 'hospital-images*'`, then: {again}",
            )
        )
    if usage.free < int(place.limits.get("min_free_mb", 0)) * 2**20:
        findings.append(
            Finding(
                "repository-space",
                "warning",
                f"{usage.free // 2**20} MB are free for the {place.name} repository.",
                "A full disk ends the backups.",
                "Add space, or keep fewer backups (pacs_backup_retention).",
            )
        )
    return facts, findings


def have_repository(place: Place, rehearsal: bool, procedure: Procedure) -> bool:
    """Make the repository if there is none; return whether it was, or would be, made. A damaged one is never made anew."""
    if (Path(place.repository.path) / "config").exists():
        return False
    if not rehearsal:
        words = []
        if place.source:  # the same cutting points, so that a block is stored once however often it is fetched
            words = ["--copy-chunker-params", "--from-repo", place.source.location, "--from-password-file", place.source.password_file]
        place.repository.restic("init", *words, procedure=procedure, lock=not words)
    return True
