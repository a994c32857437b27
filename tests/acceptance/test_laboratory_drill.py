"""The laboratory's database (MariaDB) is rehearsed from off site and from the removable disk, and a rotten backup turns the drill red.

All of it while the standby of the other system is off: what is no part of the laboratory is no hindrance for its protection (RCV-5, BKP-4).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

import pytest

from support.hospital import Hospital, booted

LIS = ("-e", "system=lis")
VAULT = "/srv/offsite/mariadb/lis/backup"
ROWS = "select (select count(*) from specimen), (select count(*) from result)"


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """A laboratory at work, protected while the other system's standby has no power."""
    with booted("atest-laboratory", tmp_path_factory.mktemp("laboratory"), "--flat", "--without", "pacs") as made:
        made.lab("hands", "start", "--incidents", str(made.incidents))
        made.lab("break", "power-cut", "his-db-2")
        for words in (
            ("database_backup_setup",),
            *(("database_backup", "-e", f"repository={place}") for place in ("local", "offsite", "removable")),
        ):
            status, said = made.run(*words, *LIS)
            assert status == 0, said
        made.lab("workload", "start", "--system", "lis")
        yield made


def rows(laboratory: Hospital) -> tuple[int, ...]:
    """Count the laboratory's work in production, by SQL of our own."""
    told = laboratory.lab("exec", "lis-db", "--", "mariadb", "--batch", "--skip-column-names", "lis", "-e", ROWS)
    return tuple(int(word) for word in told.split())


def due(laboratory: Hospital) -> tuple[int, str]:
    """Ask whether the drill is due."""
    done = laboratory.command("recovery", "drill", "due", "laboratory-restore")
    return done.returncode, done.stdout


def newest_drill(laboratory: Hospital) -> str:
    """Return what history says last."""
    return laboratory.command("recovery", "drill", "history", "laboratory-restore").stdout.strip().splitlines()[-2]


def test_the_other_systems_set_up_does_miss_its_standby(laboratory: Hospital) -> None:
    status, said = laboratory.run("database_backup_setup")
    assert status != 0 and "his-db-2" in said, "the standby was really off while the laboratory was set up"


def test_never_rehearsed_is_red(laboratory: Hospital) -> None:
    status, said = due(laboratory)
    assert status != 0 and "NEVER-RAN" in said


@pytest.mark.parametrize("source", ["offsite", "removable"])
def test_it_is_rehearsed_while_production_works(laboratory: Hospital, source: str) -> None:
    before = rows(laboratory)
    status, said = laboratory.run("database_restore_drill", *LIS, "-e", f"source={source}")
    assert status == 0, said
    assert all(now >= then for now, then in zip(rows(laboratory), before, strict=True)) and rows(laboratory) > before, "work goes on"
    figures = laboratory.measured()["drill"]["figures"]
    assert 0 < figures["rto_s"] <= figures["rto_target_s"] and 0 <= figures["rpo_s"] <= figures["rpo_target_s"]
    assert f"  {source} " in newest_drill(laboratory) and "PASS" in newest_drill(laboratory)
    assert due(laboratory)[0] == 0
    left = laboratory.lab("exec", "drill-1", "--", "sh", "-c", "ls -A /var/lib/mariadb-scratch; pgrep -c mariadbd || true").split()
    assert left == ["0"], "nothing of the rehearsal stays"


def fetch(laboratory: Hospital) -> tuple[list[str], set[str]]:
    """Fetch what is new to the off-site repository; return how its steps ended, and the codes of what was found."""
    status, said = laboratory.run("database_backup", *LIS, "-e", "repository=offsite")
    assert status == 0, said
    tasks = [line for line in laboratory.journal() if line["event"] == "task"]
    return [line["result"] for line in tasks], {one["code"] for line in tasks for one in line["data"].get("findings", [])}


def test_a_rotten_backup_turns_the_drill_red_and_is_fetched_anew(laboratory: Hospital) -> None:
    newest = laboratory.lab("exec", "backup-offsite", "--", "sh", "-c", f"ls {VAULT}/*.tar.enc | tail -n 1").strip()
    laboratory.lab("exec", "backup-offsite", "--", "sh", "-c", f"printf rot | dd of={newest} bs=1 seek=4096 conv=notrunc status=none")
    drill = ("database_restore_drill", *LIS, "-e", "source=offsite", "-e", "target=latest")
    status, said = laboratory.run(*drill)
    assert status != 0 and PurePath(newest).name.removesuffix(".tar.enc") in said, said
    assert due(laboratory)[0] == 13
    results, codes = fetch(laboratory)
    assert "changed" in results and "offsite-copy-damaged" in codes
    status, said = laboratory.run(*drill)
    assert status == 0, said
    assert due(laboratory)[0] == 0
    results, codes = fetch(laboratory)
    assert "changed" not in results and codes == set(), "what is here and whole is not fetched again"
