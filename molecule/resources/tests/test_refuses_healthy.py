"""A healthy database is not replaced, whatever the backup."""

from __future__ import annotations

import json

from hospital import host, recovery, remember, sql

# A server of another hospital, with a backup of its own under the same name.
STRANGER = """
set -eu
rm -rf /tmp/stranger && mkdir /tmp/stranger && cd /tmp/stranger
bin=/usr/lib/postgresql/15/bin
$bin/initdb --pgdata=data --no-sync >/dev/null
cat >pgbackrest.conf <<END
[global]
repo1-path=/tmp/stranger/repository
log-path=/tmp/stranger
lock-path=/tmp/stranger
log-level-console=warn
start-fast=y
[his]
pg1-path=/tmp/stranger/data
pg1-port=5999
pg1-socket-path=/tmp/stranger
END
tell="pgbackrest --config=/tmp/stranger/pgbackrest.conf --stanza=his"
cat >>data/postgresql.conf <<END
port = 5999
listen_addresses = ''
unix_socket_directories = '/tmp/stranger'
archive_mode = on
archive_command = '$tell archive-push %p'
END
$bin/pg_ctl start -D data -w -s -l log
$tell stanza-create
$tell backup
$bin/pg_ctl stop -D data -m fast -s
"""


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


def test_the_backup_of_another_system_is_not_put_in_the_place_of_this_one() -> None:
    host("his-db").check_output("runuser -u postgres -- sh -c %s", STRANGER)
    before = started()
    try:
        ran = recovery(
            *("database_restore", "-e", "source=local", "-e", "vault_pgbackrest_local_cipher="),
            *("-e", "override=server-healthy,rpo-missed", "-e", "override_by=duty-administrator"),
            *("-e", json.dumps({"database_repositories": {"local": {"key": 1, "path": "/tmp/stranger/repository"}}})),  # noqa: S108 - on that host
        )
    finally:
        host("his-db").check_output("rm -rf /tmp/stranger")
    assert (ran.status, ran.codes) == (4, {"other-system"}), ran.output
    assert started() == before


def test_a_position_is_noted_to_which_the_database_will_come_back() -> None:
    enter = "insert into patient (name, sex, birth_date) values ('Position {}', 'female', '1980-01-01')"
    sql(enter.format("before"))
    remember("position", {"lsn": sql("select pg_create_restore_point('before-the-mistake')")})
    sql(enter.format("behind"))
    sql("select pg_switch_wal()")
