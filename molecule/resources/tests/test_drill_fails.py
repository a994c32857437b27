"""A drill of a damaged backup: it fails loudly, names what is damaged, and production is not touched by it."""

from __future__ import annotations

from beside import SCRATCH_ROOT, command, production, repository, unit_pid, untouched
from hospital import host, probe, recovery


def test_a_damaged_backup_is_found_and_named() -> None:
    before, files = production(), repository()
    ran = recovery("database_restore_drill", "-e", "source=local", "-e", "target=latest")
    assert (ran.status, ran.verdict) == (2, "FAIL"), ran.output
    (label,) = host("his-db").check_output("ls /srv/backup/pgbackrest/backup/his | grep -E '^[0-9-]+F$'").split()
    end = next(line for line in ran.journal if line["event"] == "run_end")
    assert label in end["data"]["reason"] and "could not be read whole" in end["data"]["reason"]
    assert production() == before
    untouched(files, repository())
    assert probe("ward-1") == ""


def test_nothing_of_it_stays() -> None:
    assert unit_pid("his-drill") == 0
    assert not host("drill-1").file(f"{SCRATCH_ROOT}/his-drill").exists


def test_it_is_red_until_it_is_repaired() -> None:
    status, said = command("drill", "due", "database-restore")
    assert status == 13, said
    assert "FAILED" in said and "could not be read whole" in said
