"""How the repositories are right now: age against the schedule, log arriving, space with days until full (BKP-2, BKP-4, BKP-11)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..findings import Finding
from . import backup_removable
from .backup import Place, used_and_free
from .pgbackrest import Backup, explain
from .shell import CommandError, Procedure, psql, run

DAY = 86400.0


def age_findings(name: str, newest: float | None, now: float, max_age_hours: float) -> list[Finding]:
    """Compare the age of a repository's newest copy (seconds since the epoch; None: there is none) with the schedule."""
    again = f"recovery run database_backup -e repository={name}"
    if newest is None:
        return [
            Finding(
                "backup-missing",
                "overridable",
                f"The {name} repository holds no backup.",
                "From there nothing could be restored.",
                f"Take one: {again}" + ("" if name == "removable" else " -e type=full"),
            )
        ]
    hours = (now - newest) / 3600
    if hours <= max_age_hours:
        return []
    return [
        Finding(
            "backup-overdue",
            "overridable",
            f"The newest backup in the {name} repository is {hours:.1f} h old; the schedule allows {max_age_hours:.0f} h.",
            "The schedule does not run, or it fails.",
            f"Look at `systemctl list-timers` and `journalctl -u 'hospital-backup*'`, then: {again}",
        )
    ]


def days_until_full(backups: Sequence[tuple[float, int]], free: int) -> float | None:
    """Estimate when a disk is full if backups go on as they did: a straight line through what they added.

    ``backups``: (time, bytes added) of each; fewer than two, or less than a day between them, is no ground for an estimate.
    """
    if len(backups) < 2:
        return None
    times = [moment for moment, _ in backups]
    span = (max(times) - min(times)) / DAY
    added = sum(size for _, size in sorted(backups)[1:])
    return free / (added / span) if span >= 1 and added > 0 else None


def space_findings(name: str, path: str, days: float | None, limits: Mapping[str, Any]) -> list[Finding]:
    """Warn of a disk that is nearly full, or will be soon."""
    used, free = used_and_free(path)
    percent = 100 * free / max(used + free, 1)
    findings = []
    if percent < float(limits.get("min_free_percent", 0)):
        findings.append(f"has {percent:.0f} % free ({free / 2**30:.1f} GiB)")
    if days is not None and days < float(limits.get("min_days_until_full", 0)):
        findings.append(f"will be full in about {days:.0f} days")
    return [
        Finding(
            "repository-space",
            "warning",
            f"The disk of the {name} repository {text}.",
            "A full disk stops archiving, and then the database itself.",
            "Add space, or shorten the retention in the inventory and run recovery run database_backup_setup.",
        )
        for text in findings
    ]


def _unit_findings(place: Place) -> list[Finding]:
    units = ["wal-tail.service", "wal-tail-push.service"]
    states = run(["systemctl", "is-active", *units], accept=(0, 3, 4)).split()
    return [
        Finding(
            "wal-tail-down",
            "overridable",
            f"{unit} beside the {place.name} repository is {state}.",
            "Without it, a restore loses what the last archived segment does not hold.",
            f"Look at `journalctl -u {unit}`; start it: systemctl start {unit}",
        )
        for unit, state in zip(units, states, strict=False)
        if state != "active"
    ]


def _backlog(place: Place) -> list[Path]:
    tail = Path(place.tail)
    return sorted(p for p in tail.iterdir() if len(p.name) == 24) if tail.is_dir() else []


def _server_findings(place: Place) -> tuple[dict[str, Any], list[Finding]]:
    port = int(place.cluster["port"])
    archiver = psql(
        "SELECT coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false), last_archived_wal, last_failed_wal, "
        "coalesce(extract(epoch FROM now() - last_archived_time)::int, -1) FROM pg_stat_archiver",
        database="postgres",
        port=port,
    )[0]
    slots = psql(
        "SELECT s.slot_name, s.active, s.wal_status, coalesce(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), r.flush_lsn)::bigint, -1) "
        "FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid "
        "WHERE s.slot_type = 'physical' AND s.slot_name LIKE 'tail%' ORDER BY 1",
        database="postgres",
        port=port,
    )
    findings: list[Finding] = []
    if archiver[0] == "t":
        findings.append(
            Finding(
                "archiving-broken",
                "overridable",
                f"The server cannot put segment {archiver[2]} into the local repository (last success: {archiver[1] or 'none'}).",
                "Log piles up on the database's disk, and the newest changes are in no backup.",
                "Look at the server's log for archive_command; then recovery run database_backup -e type=incr.",
            )
        )
    for name, active, status, _ in slots:
        if active != "t" or status in ("unreserved", "lost"):
            findings.append(
                Finding(
                    "wal-tail-behind",
                    "overridable",
                    f"Nobody takes the log of the slot {name}" if active != "t" else f"The slot {name} is {status}: the tail is too slow",
                    f"Its state is {status}; when it is lost, that repository has a gap until its next backup.",
                    "Look at wal-tail.service at the other end; a lost slot is made anew by recovery run database_backup_setup.",
                )
            )
    facts = {
        "archived": archiver[1],
        "archived_seconds_ago": int(archiver[3]),
        "slots": {row[0]: {"active": row[1] == "t", "wal_status": row[2], "behind_bytes": int(row[3])} for row in slots},
    }
    return facts, findings


def state(place: Place, procedure: Procedure, only: str = "") -> tuple[dict[str, Any], list[Finding]]:
    """Return the facts of this place's repositories, and what is wrong with them; ``only`` names one of two repositories."""
    if only == "removable":
        with procedure.step("Look at the removable disk"):
            facts_there, findings_there = _removable(place, time.time(), float(place.limits.get("max_age_hours", {}).get(only, 0)))
        return {only: facts_there}, findings_there
    now = time.time()
    limits = place.limits
    hours = dict(limits.get("max_age_hours", {}))
    facts: dict[str, Any] = {}
    findings: list[Finding] = []
    with procedure.step(f"Look at the {place.name} repository: age, space, log"):
        try:
            contents = place.repository.contents()
        except CommandError as error:
            code, sentence = explain(error)
            return facts, [Finding(code, "overridable", sentence, "From there nothing could be restored.", "Repair it, or set it up anew.")]
        backups: tuple[Backup, ...] = contents.backups
        newest = max((b.stop_time for b in backups), default=None)
        days = days_until_full([(float(b.stop_time), b.size) for b in backups if b.kind == "full"], used_and_free(place.path)[1])
        facts[place.name] = {
            "status": contents.status,
            "backups": [b.label for b in backups],
            "newest_at": newest,
            "without_manifest": [b.label for b in backups if "manifest-sha256" not in b.annotation],
            "free_bytes": used_and_free(place.path)[1],
            "days_until_full": days,
            "backlog_segments": len(_backlog(place)),
        }
        findings += age_findings(place.name, newest, now, float(hours.get(place.name, 0)))
        findings += space_findings(place.name, place.path, days, limits)
        findings += _unit_findings(place)
        if len(_backlog(place)) > int(limits.get("max_backlog_segments", 4)):
            findings.append(
                Finding(
                    "wal-tail-backlog",
                    "overridable",
                    f"{len(_backlog(place))} finished segments wait beside the {place.name} repository.",
                    "They are not in the repository yet.",
                    "Look at `journalctl -u wal-tail-push`.",
                )
            )
    if place.cluster:
        with procedure.step("Ask the server whether its log is archived and streamed"):
            try:
                facts["server"], more = _server_findings(place)
                findings += more
            except CommandError as error:
                findings.append(
                    Finding(
                        "server-silent",
                        "overridable",
                        f"The server does not answer: {error.output[-300:]}",
                        "No log is written, archived or streamed.",
                        "If it has failed: recovery run database_restore",
                    )
                )
    if place.removable and not only:
        with procedure.step("Look at the removable disk"):
            more_facts, more = _removable(place, now, float(hours.get("removable", 0)))
            facts["removable"] = more_facts
            findings += more
    return facts, findings


def _removable(place: Place, now: float, max_age_hours: float) -> tuple[dict[str, Any], list[Finding]]:
    if backup_removable.disk_of(place) is None:
        return {"mounted": False}, [
            Finding(
                "removable-not-mounted",
                "warning",
                f"No removable disk is mounted for {place.removable}; how old its copy is cannot be seen.",
                "A disk in the safe is as it should be; it must be there in the middle and at the end of each month.",
            )
        ]
    found = backup_removable.record(place)
    copied = datetime.fromisoformat(found["copied_at"].replace("Z", "+00:00")).timestamp() if found else None
    return {"mounted": True, **found}, age_findings("removable", copied, now, max_age_hours)
