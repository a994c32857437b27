"""The daily look at a database (BKP-3): state, space, log, archive queue, followers. Reads only; what it finds is judged elsewhere.

Everything is a figure or a line of text here, so that the same look serves the judgement, its history and the report.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .shell import CommandError, psql

# What PostgreSQL writes when its data, its disk or its memory are in danger, whatever the severity it gives the line.
GRAVE = re.compile(
    r"invalid page|could not (read|write|fsync|open) (block|file)|checksum verification failed|No space left|out of memory|"
    r"database system was not properly shut down|archive command failed|requested WAL segment .* has already been removed|"
    r"terminated by signal|PANIC:",
    re.IGNORECASE,
)
LINE = re.compile(r"\b(PANIC|FATAL|ERROR):\s+(.*)")
NUMBER = re.compile(r"\d+")
LONGEST_READ = 64 * 2**20  # of a log that grew since the last check
KINDS = 20  # different complaints that are kept
STATE = """
select pg_is_in_recovery()::text, extract(epoch from now() - pg_postmaster_start_time())::bigint, pg_postmaster_start_time()::text,
    (select count(*) from pg_stat_activity where backend_type = 'client backend'), current_setting('max_connections'),
    coalesce((select sum(checksum_failures) from pg_stat_database), 0), (select max(age(datfrozenxid)) from pg_database),
    coalesce((select extract(epoch from now() - min(prepared))::bigint from pg_prepared_xacts), 0),
    coalesce((select extract(epoch from now() - min(xact_start))::bigint from pg_stat_activity where backend_type = 'client backend'), 0)
"""
QUEUE = """
select (select count(*) from pg_ls_archive_statusdir() where name like '%.ready'),
    (select coalesce(sum(size), 0) from pg_ls_waldir()), coalesce(failed_count, 0),
    coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false)::text, current_setting('archive_mode')
from pg_stat_archiver
"""
# Who only writes the log down (pg_receivewal) replays nothing: what it has flushed counts, in bytes; its times linger when idle.
FOLLOWERS = """
select s.slot_name, s.active::text, coalesce(s.wal_status, ''),
    case when pg_is_in_recovery() then 0
    else pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(r.replay_lsn, r.flush_lsn, s.restart_lsn))::bigint end,
    coalesce(case when r.replay_lsn is not null then extract(epoch from r.replay_lag) end, 0)::numeric(12, 3)
from pg_replication_slots s left join pg_stat_replication r on r.pid = s.active_pid where s.slot_type = 'physical'
"""


@dataclass(frozen=True)
class Subject:
    """What is looked at: the server, its log, and the places whose space matters."""

    database: str
    service: str
    port: int
    socket: str = "/var/run/postgresql"
    log: str = ""
    places: Mapping[str, str] = field(default_factory=dict)


def look(subject: Subject, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Look at everything once; ``seen``: the log's position at the last check, as the last look returned it."""
    found: dict[str, Any] = {"space": space(subject.places), "log": read_log(Path(subject.log), seen) if subject.log else {}}
    try:
        found["state"] = state(subject)
        found["queue"] = queue(subject)
        found["followers"] = followers(subject)
    except CommandError as error:
        found["silent"] = error.output[-300:] or str(error)
    return found


def _ask(subject: Subject, sql: str) -> list[list[str]]:
    return psql(sql, database=subject.database, port=subject.port, socket=subject.socket, timeout=30)


def state(subject: Subject) -> dict[str, Any]:
    """Return the server's own figures."""
    row = _ask(subject, STATE)[0]
    names = ("up_s", "connections", "max_connections", "checksum_failures", "xid_age", "oldest_prepared_s", "oldest_transaction_s")
    values = [row[1], *row[3:]]
    return {"in_recovery": row[0] == "true", "started_at": row[2], **{name: int(float(v)) for name, v in zip(names, values, strict=True)}}


def queue(subject: Subject) -> dict[str, Any]:
    """Return what waits for the archive, and how large the log has become with it."""
    row = _ask(subject, QUEUE)[0]
    return {"waiting": int(row[0]), "wal_bytes": int(row[1]), "failed": int(row[2]), "failing": row[3] == "true", "mode": row[4]}


def followers(subject: Subject) -> dict[str, dict[str, Any]]:
    """Return who follows the server's log (standby, log tails), and how far behind each is."""
    rows = _ask(subject, FOLLOWERS)
    return {
        name: {"active": active == "true", "status": status, "behind_bytes": int(behind or 0), "behind_s": float(late)}
        for name, active, status, behind, late in rows
    }


def space(places: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return used and free bytes of each place that exists; a place on no disk of its own is left out, and named by the judgement."""
    found: dict[str, dict[str, Any]] = {}
    for name, path in places.items():
        if Path(path).is_dir():
            usage = shutil.disk_usage(path)
            found[name] = {"path": path, "used": usage.used, "free": usage.free}
    return found


def read_log(path: Path, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complaints in a log since the last check: the same file is read on, a new one from its beginning.

    Numbers are taken out of the lines, so that a thousand complaints about a thousand rows are one kind with a count.
    """
    if not path.is_file():
        return {"file": str(path), "absent": True}
    status = path.stat()
    same = seen.get("inode") == status.st_ino and int(seen.get("size", 0)) <= status.st_size
    begin = int(seen.get("size", 0)) if same else 0
    skipped = max(0, status.st_size - begin - LONGEST_READ)
    with path.open("rb") as handle:
        handle.seek(begin + skipped)
        text = handle.read(status.st_size - begin - skipped).decode("utf-8", "replace")
    return {
        "file": str(path),
        "inode": status.st_ino,
        "size": status.st_size,
        "read_from": begin + skipped,
        "skipped_bytes": skipped,
        **complaints(text.splitlines()),
    }


def complaints(lines: Iterable[str]) -> dict[str, Any]:
    """Return grave and ordinary complaints, each kind with its count and one example."""
    grave: dict[str, dict[str, Any]] = {}
    other: dict[str, dict[str, Any]] = {}
    for line in lines:
        match = LINE.search(line)
        serious = GRAVE.search(line)
        if not match and not serious:
            continue
        said = match.group(2) if match else line[serious.start() :] if serious else line
        into = grave if serious else other
        kind = NUMBER.sub("N", said)[:160]
        if kind in into or len(into) < KINDS:
            entry = into.setdefault(kind, {"count": 0, "example": line.strip()[:300]})
            entry["count"] += 1
    return {"grave": grave, "errors": other}
