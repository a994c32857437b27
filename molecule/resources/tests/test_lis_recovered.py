"""After the runbook: the same data, complete, protected again."""

from __future__ import annotations

import pytest
from hospital import WORKSTATIONS, Ran, host, incidents, remembered
from laboratory import acknowledged, checksums, committed, probe, sql

RUN = Ran(0, "", incidents()[-1])


@pytest.mark.parametrize("workstation", WORKSTATIONS)
def test_every_ward_can_work(workstation: str) -> None:
    assert probe(workstation) == ""


def test_what_was_acknowledged_is_there_and_the_journal_counts_what_is_not() -> None:
    promised = acknowledged()
    gone = promised - committed()
    measured = [line["data"] for line in RUN.journal if line["event"] == "measured" and "lost_transactions" in line["data"]]
    assert measured and measured[-1]["lost_transactions"] == len(gone)
    assert len(gone) <= 20, "more than the last moments are lost"


def test_what_never_changes_is_the_same_and_nothing_became_shorter() -> None:
    assert checksums() == remembered("lis")["master"]
    assert int(sql("select count(*) from result")) >= remembered("lis")["results"]
    assert sql("select count(*) from result r left join requested_test d on d.id = r.requested_test_id where d.id is null") == "0"


def test_the_verdict_is_pass_and_the_new_history_is_protected_here_and_far_away() -> None:
    assert RUN.verdict == "PASS"
    history = sql("select history from hospital_recovery.identity")
    assert host("lis-db").run(f"ls /srv/backup/binlog/{history}/mariadb-bin.000001").rc == 0
    assert host("backup-offsite").run(f"ls /srv/offsite/mariadb/lis/binlog/{history}/history.json").rc == 0


def test_nobody_can_reach_what_was_staged() -> None:
    assert str(host("lis-db").check_output("pgrep -c -x mariadbd")).strip() == "1"
