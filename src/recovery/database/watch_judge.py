"""What a daily look means (BKP-3): findings in sentences, graded, against the inventory's bounds and the looks before. Pure."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..findings import Finding
from .backup_state import days_until_full

VENDOR = "Tell the software vendor at once (BKP-3)."
HISTORY_LINES = 800  # more than two years of daily checks
DRILLS = {
    "NEVER-RAN": ("restore-never-tested", "warning"),
    "OVERDUE": ("restore-test-overdue", "stop"),
    "FAILED": ("restore-test-failed", "stop"),
}


def judge(found: Mapping[str, Any], before: Sequence[Mapping[str, Any]], limits: Mapping[str, Any], at: float) -> list[Finding]:
    """Judge one look; ``before``: earlier looks, oldest first, each with ``at`` in seconds since the epoch."""
    if "silent" in found:
        return [
            _finding(
                "server-silent",
                "stop",
                f"The database does not answer: {found['silent']}",
                "No ward can work.",
                "If it has failed: recovery run database_restore",
            ),
            *_log(found.get("log", {})),
        ]
    return [
        *_state(found["state"], before[-1]["found"].get("state", {}) if before else {}, limits),
        *_space(found["space"], before, limits, at),
        *_log(found.get("log", {})),
        *_queue(found["queue"], limits),
        *_followers(found["followers"], limits),
    ]


def _finding(code: str, severity: str, message: str, why: str = "", remedy: str = "") -> Finding:
    return Finding(code, severity, message, why, remedy)


def _state(now: Mapping[str, Any], last: Mapping[str, Any], limits: Mapping[str, Any]) -> list[Finding]:
    findings = []
    if now["in_recovery"]:
        text = "The server follows another one: nothing can be entered here."
        findings.append(_finding("server-read-only", "stop", text, "No ward can work with it.", "See which server serves: recovery status"))
    if now["checksum_failures"]:
        text = f"The server has met {now['checksum_failures']} pages whose checksum is wrong."
        findings.append(
            _finding("pages-damaged", "stop", text, "A disk loses data.", f"recovery run database_verify -e depth=full. {VENDOR}")
        )
    if last and last.get("started_at") not in ("", now["started_at"]):
        text = f"The server was started at {now['started_at']}, after the last check."
        findings.append(
            _finding("server-restarted", "warning", text, "If nobody meant it, it fell.", "Look at its log and at `last reboot`.")
        )
    share = 100 * now["connections"] / max(1, now["max_connections"])
    if share > float(limits["connections_percent"]):
        text = f"{now['connections']} of {now['max_connections']} connections are in use ({share:.0f} %)."
        findings.append(_finding("connections", "warning", text, "When none is left, workstations are turned away.", VENDOR))
    if now["xid_age"] > int(limits["transaction_age"]):
        text = f"The oldest rows are {now['xid_age']} transactions old; the server stops at two thousand million."
        findings.append(_finding("transaction-age", "stop", text, "Old rows are not being frozen.", f"Look at autovacuum. {VENDOR}"))
    for name, what in (("oldest_prepared_s", "A prepared transaction has waited"), ("oldest_transaction_s", "A transaction has been open")):
        if now[name] > int(limits["open_transaction_s"]):
            text = f"{what} for {now[name]} s."
            findings.append(_finding("transaction-open", "warning", text, "Space is not given back while it lasts.", "Find who holds it."))
    return findings


def _space(
    now: Mapping[str, Mapping[str, Any]], before: Sequence[Mapping[str, Any]], limits: Mapping[str, Any], at: float
) -> list[Finding]:
    findings = []
    for name, place in now.items():
        percent = 100 * place["free"] / max(1, place["used"] + place["free"])
        days = full_in_days(name, place, before, at)
        if percent < float(limits["min_free_percent"]):
            text = f"{percent:.1f} % of the space at {place['path']} ({name}) is free, {place['free'] / 2**30:.2f} GiB."
            findings.append(_finding("space-low", "stop", text, "When a disk is full, its database stops.", "Add space now."))
        if days is not None and days < float(limits["min_days_until_full"]):
            text = f"The space at {place['path']} ({name}) will be used up in about {days:.0f} days."
            findings.append(_finding("space-soon-full", "warning", text, "It grew like this since the first checks.", "Add space in time."))
    return findings


def full_in_days(name: str, place: Mapping[str, Any], before: Sequence[Mapping[str, Any]], at: float) -> float | None:
    """Return in how many days a place is full if it goes on growing as it did; None where that cannot be said."""
    points = [(float(one["at"]), int(one["found"]["space"][name]["used"])) for one in before if name in one["found"].get("space", {})]
    points.append((at, int(place["used"])))
    added = [(points[0][0], 0)] + [(moment, used - points[i][1]) for i, (moment, used) in enumerate(points[1:])]
    return days_until_full(added, int(place["free"]))


def _log(log: Mapping[str, Any]) -> list[Finding]:
    if log.get("absent"):
        text = f"There is no server log at {log['file']}."
        return [_finding("log-absent", "warning", text, "Errors would not be seen.", "Name it: database_check_log in the inventory.")]
    findings = []
    for kind, entry in log.get("grave", {}).items():
        often = "Once" if entry["count"] == 1 else f"{entry['count']} times"
        text = f"{often} since the last check, the server's log says: {entry['example']}"
        findings.append(_finding("log-grave", "stop", text, f"({kind[:60]}) Data, disk or memory are in danger.", VENDOR))
    errors = log.get("errors", {})
    if errors:
        total = sum(entry["count"] for entry in errors.values())
        first = max(errors.values(), key=lambda entry: int(entry["count"]))
        text = f"{total} errors of {len(errors)} kinds are in the server's log since the last check, most often: {first['example']}"
        findings.append(_finding("log-errors", "warning", text, "Some are users' mistakes, some are the application's.", VENDOR))
    if log.get("skipped_bytes"):
        text = f"{log['skipped_bytes']} bytes of the log were too many to read; the newest were."
        findings.append(_finding("log-large", "info", text))
    return findings


def _queue(now: Mapping[str, Any], limits: Mapping[str, Any]) -> list[Finding]:
    findings = []
    look = "Look at `journalctl -u 'hospital-backup*'` and at the repository's disk; then: recovery run database_backup -e type=incr"
    if now["mode"] == "off":
        text = "The server does not archive its log."
        findings.append(
            _finding("archiving-off", "stop", text, "What is entered now is in no backup.", "recovery run database_backup_setup")
        )
    if now["failing"]:
        text = f"The server cannot archive its log ({now['failed']} failures so far)."
        findings.append(_finding("archiving-broken", "stop", text, "What is entered now is in no backup.", look))
    if now["waiting"] > int(limits["max_waiting_segments"]):
        text = f"{now['waiting']} log segments wait for the archive; the log takes {now['wal_bytes'] / 2**20:.0f} MB."
        findings.append(_finding("archive-queue", "stop", text, "When the disk is full of them, the database stops.", look))
    return findings


def _followers(now: Mapping[str, Mapping[str, Any]], limits: Mapping[str, Any]) -> list[Finding]:
    findings = []
    for name, one in now.items():
        if not one["active"] or one["status"] in ("unreserved", "lost"):
            text = f"Nobody takes the log of the slot {name} (status {one['status'] or 'unknown'})."
            why = "Its standby or repository falls behind, and the log piles up on the database's disk."
            findings.append(_finding("follower-away", "stop", text, why, "See who it belongs to, and start that again."))
        elif one["behind_bytes"] > int(limits["lag_bytes"]) or one["behind_s"] > float(limits["lag_s"]):
            text = f"Who takes the log of the slot {name} is {one['behind_bytes'] / 2**20:.1f} MB and {one['behind_s']:.0f} s behind."
            findings.append(
                _finding("follower-lagging", "warning", text, "So much would be lost if the server failed now.", "Look at the line.")
            )
    return findings


def drill_findings(lines: Sequence[str]) -> list[Finding]:
    """Read what `recovery drill due` prints: a state and a sentence a line."""
    findings = []
    for line in lines:
        word, _, sentence = line.partition(" ")
        if word in DRILLS:
            code, severity = DRILLS[word]
            findings.append(_finding(code, severity, sentence.strip(), "A backup that was never restored is a hope."))
    return findings


def recall(path: Path) -> list[dict[str, Any]]:
    """Return earlier looks, oldest first; a line that was cut while it was written is left out."""
    looks = []
    for line in path.read_text(encoding="utf-8").splitlines()[-HISTORY_LINES:] if path.is_file() else ():
        try:
            one = json.loads(line)
        except ValueError:
            continue
        if isinstance(one, dict) and "found" in one:
            looks.append(one)
    return looks


def remember(path: Path, found: Mapping[str, Any], at: float) -> None:
    """Add one look to the history, a plain file on the control node."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps({"at": at, "found": found}, ensure_ascii=False, sort_keys=True) + "\n")
        handle.flush()
        os.fsync(handle.fileno())


def clock(moment: float) -> str:
    """Write a moment for people."""
    return datetime.fromtimestamp(moment).astimezone().isoformat(timespec="minutes")
