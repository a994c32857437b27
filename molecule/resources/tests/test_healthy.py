"""Before the disaster: the hospital works, and both backups are there and current."""

from __future__ import annotations

import json
import time

import pytest
from hospital import DATA, WORKSTATIONS, answers, attempts, checksums, counts, host, identity, lost, probe, remember, sql


def test_the_database_serves() -> None:
    assert host("his-db").service("postgresql@15-main").is_running
    assert host("his-db").file(f"{DATA}/PG_VERSION").exists
    assert answers()
    assert sql("show data_checksums") == "on"


@pytest.mark.parametrize("workstation", WORKSTATIONS)
def test_a_ward_can_work(workstation: str) -> None:
    assert probe(workstation) == ""


def test_clinical_work_goes_on_and_nothing_of_it_is_lost() -> None:
    first = len([attempt for attempt in attempts() if attempt.ok])
    time.sleep(2)
    assert len([attempt for attempt in attempts() if attempt.ok]) > first > 0
    assert lost() == []


@pytest.mark.parametrize(
    ("where", "user", "path"),
    [("his-db", "postgres", "/srv/backup/pgbackrest"), ("backup-offsite", "root", "/srv/offsite/pgbackrest")],
)
def test_a_repository_holds_a_backup(where: str, user: str, path: str) -> None:
    catalogue = host(where).run("find %s/backup/his -mindepth 1 -maxdepth 1 -type d -name '2*F'", path)
    assert catalogue.rc == 0, catalogue.stderr
    assert catalogue.stdout.strip(), f"no full backup below {path}"
    assert host(where).run("find %s/archive/his -type f -name '0*'", path).stdout.strip(), "no write-ahead log"


def test_the_log_reaches_the_local_repository() -> None:
    sql("select pg_switch_wal()")
    time.sleep(2)
    row = json.loads(sql("select row_to_json(s) from pg_stat_archiver s"))
    assert row["archived_count"] > 0
    assert row["last_failed_time"] is None or row["last_failed_time"] < row["last_archived_time"]


def test_what_will_be_compared_is_written_down() -> None:
    remember("baseline", {"identity": identity(), "master": checksums(), "counts": counts()})
    assert all(counts().values())
