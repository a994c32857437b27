"""The daily watch on a real server: a sound one is left in peace, every trouble made is found, and looking changes nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

from recovery.database import watch, watch_judge
from support.cluster import Cluster

LIMITS = {
    "min_free_percent": 0,
    "min_days_until_full": 1,
    "connections_percent": 90,
    "transaction_age": 1_000_000_000,
    "open_transaction_s": 3600,
    "max_waiting_segments": 2,
    "lag_bytes": 2**26,
    "lag_s": 30,
}


def subject(cluster: Cluster) -> watch.Subject:
    """Describe the cluster."""
    places = {"data": str(cluster.data)}
    return watch.Subject("his", "none", Cluster.PORT, str(cluster.socket), str(cluster.root / "log"), places)


def look(cluster: Cluster, seen: dict[str, Any] | None = None, **limits: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """Look at the cluster and judge it; return code -> grade, and what was seen."""
    found = watch.look(subject(cluster), seen or {})
    return {one.code: one.severity for one in watch_judge.judge(found, [], LIMITS | limits, 0.0)}, found


def restart(cluster: Cluster, *settings: str) -> None:
    """Start the server anew with more settings."""
    cluster.stop()
    with (cluster.data / "postgresql.conf").open("a") as file:
        file.write("\n".join(settings) + "\n")
    cluster.start()


def fingerprint(cluster: Cluster) -> str:
    """Return the digest of every data file of the user's database."""
    cluster.sql("CHECKPOINT")
    total = hashlib.sha256()
    for path in sorted(p for p in (cluster.data / "base").rglob("*") if p.is_file() and "pgsql_tmp" not in str(p)):
        total.update(str(path).encode() + path.read_bytes())
    return total.hexdigest()


def test_a_sound_server_is_left_in_peace_and_looking_changes_nothing(cluster: Cluster) -> None:
    restart(cluster, "archive_mode=on", "archive_command='/bin/true'")
    before = fingerprint(cluster)
    assert look(cluster)[0] == {}
    assert fingerprint(cluster) == before


def test_an_archive_that_takes_nothing_is_found(cluster: Cluster) -> None:
    assert look(cluster)[0] == {"archiving-off": "stop"}
    restart(cluster, "archive_mode=on", "archive_command='/bin/false'")
    for _ in range(4):
        cluster.sql("SELECT pg_switch_wal(), pg_logical_emit_message(true, 'test', 'one more')")
    found: dict[str, str] = {}
    for _ in range(50):
        found, _seen = look(cluster)
        if "archiving-broken" in found:
            break
        cluster.sql("SELECT pg_sleep(0.1)")
    assert found["archiving-broken"] == "stop"
    assert found["archive-queue"] == "stop"
    assert "log-grave" in found, "the server's log says that the archive command failed"


def test_a_follower_that_went_away_is_found(cluster: Cluster) -> None:
    restart(cluster, "archive_mode=on", "archive_command='/bin/true'")
    cluster.sql("SELECT pg_create_physical_replication_slot('standby', true)")
    assert look(cluster)[0] == {"follower-away": "stop"}


def test_errors_since_the_last_look_are_found_once(cluster: Cluster) -> None:
    restart(cluster, "archive_mode=on", "archive_command='/bin/true'")
    _, seen = look(cluster)
    words = ["psql", "-X", "-h", str(cluster.socket), "-p", str(Cluster.PORT), "-d", "his", "-c", "select * from nowhere"]
    subprocess.run(["runuser", "-u", "postgres", "--", *words], capture_output=True, cwd="/", check=False)
    found, later = look(cluster, seen["log"])
    assert found == {"log-errors": "warning"}
    assert "nowhere" in json.dumps(later["log"])
    assert look(cluster, later["log"])[0] == {}


def test_too_little_space_and_too_many_connections_are_found(cluster: Cluster) -> None:
    restart(cluster, "archive_mode=on", "archive_command='/bin/true'")
    assert look(cluster, min_free_percent=101)[0] == {"space-low": "stop"}
    assert look(cluster, connections_percent=0)[0] == {"connections": "warning"}


def test_a_transaction_left_open_is_found(cluster: Cluster) -> None:
    restart(cluster, "archive_mode=on", "archive_command='/bin/true'", "max_prepared_transactions=2")
    cluster.sql("BEGIN; INSERT INTO department (code) VALUES ('left'); PREPARE TRANSACTION 'left'; SELECT pg_sleep(1.1)")
    assert look(cluster, open_transaction_s=0)[0]["transaction-open"] == "warning"


def test_a_server_that_is_down_is_found(cluster: Cluster) -> None:
    cluster.stop()
    assert look(cluster)[0].get("server-silent") == "stop"
    assert Path(cluster.data, "PG_VERSION").exists()
