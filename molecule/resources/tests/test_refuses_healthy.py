"""A healthy database is not replaced, whatever the backup."""

from __future__ import annotations

from hospital import recovery, remember, sql


def started() -> str:
    """Return when the server was started: it changes if anybody stops it."""
    return sql("select pg_postmaster_start_time()")


def test_a_healthy_server_is_refused_and_goes_on() -> None:
    before = started()
    ran = recovery("database_restore", "-e", "source=local")
    assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output
    assert "server-healthy" in ran.codes
    assert started() == before


def test_an_override_without_a_name_is_none() -> None:
    before = started()
    ran = recovery("database_restore", "-e", "source=local", "-e", "override=server-healthy")
    assert ran.status == 4, ran.output
    assert started() == before


def test_a_rehearsal_says_what_a_real_run_would_do_asks_nobody_and_changes_nothing() -> None:
    before = started()
    ran = recovery("database_restore", "-e", "source=local", "--check")
    assert ran.status == 0, ran.output
    assert "rehearsal" in ran.output and "A real run would be refused" in ran.output
    assert not [line for line in ran.journal if line["event"] in ("approval_requested", "lock_taken")]
    assert started() == before
    remember("refused", {"started": before})
