"""The old server follows the one that took over; what it alone had was counted and kept."""

from __future__ import annotations

import time

from hospital import DATA, Ran, host, incidents, recovery
from pair import ask, follows, holders, serving

RUN = Ran(0, "", incidents()[-1])


def test_the_old_server_follows() -> None:
    assert follows("his-db") == {"status": "streaming", "sender": "10.20.10.13"}
    assert serving() == ["his-db-2"]
    assert holders() == ["his-db-2"]


def test_each_of_the_two_asks_the_other_one() -> None:
    for server, partner in (("his-db", "10.20.10.13"), ("his-db-2", "10.20.10.11")):
        assert f"host={partner} " in host(server).file("/etc/hospital-standby.json").content_string


def test_it_reads_the_backups_and_keeps_none() -> None:
    info = "runuser -u postgres -- pgbackrest --config=/etc/pgbackrest/offsite-read.conf --stanza=his info"
    assert "status: ok" in host("his-db").check_output(info)
    duties = "wal-tail.service wal-tail-push.service hospital-backup-full.timer hospital-backup-copy.timer"
    assert set(host("his-db").run(f"systemctl is-active {duties}").stdout.split()) == {"inactive"}
    assert set(host("his-db").run(f"systemctl is-enabled {duties}").stdout.split()) == {"disabled"}


def test_what_is_written_there_arrives_here() -> None:
    ask("his-db-2", "insert into heartbeat (source) values ('arrives back')")
    until = time.monotonic() + 10
    while ask("his-db", "select count(*) from heartbeat where source = 'arrives back'") != "1":
        assert time.monotonic() < until
        time.sleep(0.2)


def test_what_only_it_had_was_counted_and_kept() -> None:
    measured = [line["data"] for line in RUN.journal if line["event"] == "measured" and "diverged_transactions" in line["data"]]
    assert measured
    assert measured[-1]["diverged_transactions"] > 0, "it went on working alone for a moment"
    kept = host("his-db").check_output("find /var/lib/postgresql/15 -maxdepth 2 -name transactions.txt -path '*diverged*' -exec cat {} +")
    assert len(kept.splitlines()) == measured[-1]["diverged_transactions"]


def test_a_server_whose_files_are_damaged_comes_back_as_a_whole_copy() -> None:
    """What pg_rewind cannot take back is copied anew; the damaged directory is kept aside by its name."""
    host("his-db").check_output("systemctl stop postgresql@15-main && rm %s/global/pg_control", DATA)
    ran = recovery("database_rejoin")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    told = [line["data"]["rejoined_by"] for line in ran.journal if line["event"] == "measured" and "rejoined_by" in line["data"]]
    assert told == ["copied anew"]
    assert follows("his-db") == {"status": "streaming", "sender": "10.20.10.13"}
    assert serving() == ["his-db-2"]
    assert "main.aside-" in host("his-db").check_output("ls /var/lib/postgresql/15")
