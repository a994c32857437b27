"""A standby follows; a healthy server is not taken over from, and a standby that is too far behind does not take over."""

from __future__ import annotations

import json
import time

import pytest
from hospital import checksums, counts, identity, recovery, remember
from pair import ask, follows, holders, lives, serving

BY_NAME = ("-e", "override=primary-healthy", "-e", "override_by=database-administrator")


def test_the_standby_follows_and_only_one_server_serves() -> None:
    assert follows("his-db-2") == {"status": "streaming", "sender": "10.20.10.11"}
    assert ask("his-db-2", "select pg_is_in_recovery()") == "t"
    assert serving() == ["his-db"]
    assert holders() == ["his-db"]


def test_what_is_written_here_arrives_there() -> None:
    ask("his-db", "insert into heartbeat (source) values ('arrives')")
    until = time.monotonic() + 10
    while ask("his-db-2", "select count(*) from heartbeat where source = 'arrives'") != "1":
        assert time.monotonic() < until
        time.sleep(0.2)
    remember("baseline", {"identity": identity(), "master": checksums(), "counts": counts()})


@pytest.mark.parametrize(("named", "codes"), [((), {"primary-healthy", "standby-lagging"}), (BY_NAME, {"standby-lagging"})])
def test_a_healthy_server_and_a_lagging_standby_are_refused(named: tuple[str, ...], codes: set[str]) -> None:
    before = lives()
    bounds = json.dumps({"database_standby_limits": {"lag_bytes": 1, "lag_s": 0.5}})
    ask("his-db-2", "select pg_wal_replay_pause()")
    try:
        time.sleep(1)
        ran = recovery("database_promote", "-e", bounds, *named)
    finally:
        ask("his-db-2", "select pg_wal_replay_resume()")
    assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output
    assert {code for code in ran.codes if code in ("primary-healthy", "standby-lagging")} == codes, ran.output
    assert not [line for line in ran.journal if line["event"] == "approval_requested"]
    assert lives() == before
    assert serving() == ["his-db"]
    assert holders() == ["his-db"]
