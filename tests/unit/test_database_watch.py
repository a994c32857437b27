"""The daily watch judges in sentences (BKP-3): each trouble is found and graded, a sound database is left in peace."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from recovery.database import watch, watch_judge

DAY = 86400.0
LIMITS = {
    "min_free_percent": 10,
    "min_days_until_full": 14,
    "connections_percent": 80,
    "transaction_age": 1_000_000_000,
    "open_transaction_s": 3600,
    "max_waiting_segments": 8,
    "lag_bytes": 1_000_000,
    "lag_s": 30,
}
SOUND: dict[str, Any] = {
    "space": {"data": {"path": "/data", "used": 40_000_000_000, "free": 60_000_000_000}},
    "log": {"file": "/log", "inode": 1, "size": 10, "grave": {}, "errors": {}, "skipped_bytes": 0},
    "state": {
        "in_recovery": False,
        "started_at": "2026-11-01",
        "up_s": 1000,
        "connections": 10,
        "max_connections": 60,
        "checksum_failures": 0,
        "xid_age": 1000,
        "oldest_prepared_s": 0,
        "oldest_transaction_s": 3,
    },
    "queue": {"waiting": 0, "wal_bytes": 1000, "failed": 0, "failing": False, "mode": "on"},
    "followers": {"tail_local": {"active": True, "status": "reserved", "behind_bytes": 100, "behind_s": 0.1}},
}
NOW = 1_800_000_000.0


def judged(*path: str, value: Any = None, before: list[dict[str, Any]] | None = None) -> dict[str, str]:
    """Judge the sound look with one thing changed; return code -> grade."""
    found = copy.deepcopy(SOUND)
    place = found
    for key in path[:-1]:
        place = place[key]
    if path:
        place[path[-1]] = value
    return {one.code: one.severity for one in watch_judge.judge(found, before or [], LIMITS, NOW)}


def test_a_sound_database_is_left_in_peace() -> None:
    assert judged() == {}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("state", "in_recovery"), True, {"server-read-only": "stop"}),
        (("state", "checksum_failures"), 2, {"pages-damaged": "stop"}),
        (("state", "connections"), 55, {"connections": "warning"}),
        (("state", "xid_age"), 1_500_000_000, {"transaction-age": "stop"}),
        (("state", "oldest_prepared_s"), 7200, {"transaction-open": "warning"}),
        (("state", "oldest_transaction_s"), 7200, {"transaction-open": "warning"}),
        (("space", "data", "free"), 1_000_000_000, {"space-low": "stop"}),
        (("queue", "mode"), "off", {"archiving-off": "stop"}),
        (("queue", "failing"), True, {"archiving-broken": "stop"}),
        (("queue", "waiting"), 9, {"archive-queue": "stop"}),
        (("followers", "tail_local", "active"), False, {"follower-away": "stop"}),
        (("followers", "tail_local", "status"), "lost", {"follower-away": "stop"}),
        (("followers", "tail_local", "behind_bytes"), 2_000_000, {"follower-lagging": "warning"}),
        (("followers", "tail_local", "behind_s"), 31.0, {"follower-lagging": "warning"}),
        (("log", "absent"), True, {"log-absent": "warning"}),
        (("log", "grave"), {"PANIC": {"count": 1, "example": "PANIC: x"}}, {"log-grave": "stop"}),
        (("log", "errors"), {"x": {"count": 3, "example": "ERROR: x"}}, {"log-errors": "warning"}),
    ],
)
def test_each_trouble_is_found_and_graded(path: tuple[str, ...], value: Any, expected: dict[str, str]) -> None:
    assert judged(*path, value=value) == expected


def test_a_silent_server_is_a_stop_and_its_log_is_read_all_the_same() -> None:
    found = {"silent": "refused", "log": {"file": "/log", "grave": {"PANIC": {"count": 1, "example": "PANIC: x"}}}, "space": {}}
    assert {one.code for one in watch_judge.judge(found, [], LIMITS, NOW)} == {"server-silent", "log-grave"}


def look_before(days: float, used: int) -> dict[str, Any]:
    """Return an earlier look with other used space."""
    found = copy.deepcopy(SOUND)
    found["space"]["data"]["used"] = used
    return {"at": NOW - days * DAY, "found": found}


def test_days_until_full_come_from_history() -> None:
    before = [look_before(10, 0), look_before(5, 20_000_000_000)]
    place = SOUND["space"]["data"]
    assert watch_judge.full_in_days("data", place, before, NOW) == pytest.approx(15)
    fast = [look_before(2, 10_000_000_000)]
    assert watch_judge.full_in_days("data", place, fast, NOW) == pytest.approx(4)
    assert "space-soon-full" in judged(before=fast)
    assert watch_judge.full_in_days("data", place, [look_before(0.2, 0)], NOW) is None, "hours say nothing about days"


def test_a_server_that_was_started_since_is_said() -> None:
    before = [look_before(1, 39_000_000_000)]
    before[0]["found"]["state"]["started_at"] = "2026-10-01"
    assert judged(before=before).get("server-restarted") == "warning"


def test_the_history_is_written_and_read_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "checks" / "his-db.jsonl"
    assert watch_judge.recall(file) == []
    watch_judge.remember(file, SOUND, NOW)
    watch_judge.remember(file, SOUND, NOW + DAY)
    with file.open("a") as handle:
        handle.write('{"at": 1, "fou')
    assert [one["at"] for one in watch_judge.recall(file)] == [NOW, NOW + DAY]


def test_three_states_of_the_restore_test_are_three_findings() -> None:
    lines = ["OK         fine", "NEVER-RAN  has never been run.", "OVERDUE    is overdue.", "FAILED     ended FAIL."]
    found = {one.code: (one.severity, one.message) for one in watch_judge.drill_findings(lines)}
    assert found == {
        "restore-never-tested": ("warning", "has never been run."),
        "restore-test-overdue": ("stop", "is overdue."),
        "restore-test-failed": ("stop", "ended FAIL."),
    }


def test_the_log_is_read_on_from_where_the_last_check_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("2026 [1] ERROR:  relation 17 does not exist\n2026 [1] LOG:  fine\n")
    first = watch.read_log(log, {})
    assert sum(one["count"] for one in first["errors"].values()) == 1
    assert watch.read_log(log, first)["errors"] == {}
    with log.open("a") as handle:
        handle.write("x ERROR:  relation 18 does not exist\nx ERROR:  relation 19 does not exist\nx PANIC:  could not write to file 5\n")
    again = watch.read_log(log, first)
    assert [one["count"] for one in again["errors"].values()] == [2], "numbers do not make two complaints of one"
    assert len(again["grave"]) == 1
    log.rename(tmp_path / "log.1")
    log.write_text("y FATAL:  out of memory\n")
    assert watch.read_log(log, again)["grave"], "a new file is read from its beginning"
