"""After the disaster: it really happened, seen from where people sit."""

from __future__ import annotations

import pytest
from hospital import DATA, WORKSTATIONS, answers, host, probe
from scenario import faults


def test_the_database_is_gone() -> None:
    assert not answers()
    assert not host("his-db").file(f"{DATA}/PG_VERSION").exists


@pytest.mark.parametrize("workstation", WORKSTATIONS)
def test_no_ward_can_work(workstation: str) -> None:
    assert probe(workstation)


def test_the_local_backup_is_gone_when_its_disk_was_lost() -> None:
    lost = ["disk-loss", "his-db", "backup"] in faults()
    assert host("his-db").file("/srv/backup/pgbackrest/backup/his/backup.info").exists is not lost
