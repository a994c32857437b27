"""The old server has its power back: it must not serve beside the one that took over, whatever is started on it."""

from __future__ import annotations

from hospital import host, recovery
from pair import ask, holders, on, serving


def test_the_old_server_booted_and_does_not_serve() -> None:
    assert on("his-db")
    assert serving() == ["his-db-2"]
    assert holders() == ["his-db-2"]


def test_not_even_if_somebody_starts_it() -> None:
    host("his-db").run("systemctl start postgresql@15-main his-service-address")
    assert ask("his-db", "select 1") == ""
    assert serving() == ["his-db-2"]
    assert holders() == ["his-db-2"]


def test_a_restore_of_the_old_server_beside_the_one_that_serves_is_refused() -> None:
    ran = recovery("database_restore", "-e", "source=offsite")
    assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output
    assert "other-server-serves" in ran.codes, ran.output
    assert ask("his-db", "select 1") == ""
    assert serving() == ["his-db-2"]
