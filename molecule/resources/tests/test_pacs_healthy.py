"""Before the disaster: images are stored, found by their Chinese names and fetched unaltered; both backups are there."""

from __future__ import annotations

import pytest
from hospital import host, recovery, remember
from images import acknowledged, echo, fetch, find, index, listing, log, stored, studies


def test_the_archive_answers_and_keeps_what_it_was_sent() -> None:
    assert echo()
    assert len(acknowledged()) >= 12
    assert fetch(studies()[0]).items() <= acknowledged().items()


def test_patients_are_found_by_their_chinese_names() -> None:
    names = [name for name in find("") if name]
    assert names
    assert all(not name.isascii() for name in names)
    assert names[0] in find(names[0])
    assert find("无名^氏") == []
    # The first dozen was stored before the first backups; who came later may be lost, and is counted.
    first = dict.fromkeys(row["study"] for row in log()[:12])
    remember("names", [name for study in first for name in find("", study)])


def test_index_and_files_agree() -> None:
    known = index()
    assert known.items() <= stored().items()


@pytest.mark.parametrize(("where", "path"), [("pacs", "/srv/backup/restic-pacs"), ("backup-offsite", "/srv/offsite/restic-pacs")])
def test_a_repository_holds_backups(where: str, path: str) -> None:
    assert str(host(where).check_output(f"ls {path}/snapshots")).split()


@pytest.mark.parametrize(
    "attack",
    [
        "ssh -n images-offsite rm -rf /restic-pacs",
        "printf 'rm /restic-pacs/config\\n' | sftp -b - images-offsite",
        "printf 'put /etc/hostname /restic-pacs/config\\n' | sftp -b - images-offsite",
        "RESTIC_PASSWORD=any restic -r sftp:images-offsite:/restic-pacs forget --keep-last 1 --prune",
    ],
)
def test_who_owns_the_archive_does_not_own_the_remote_backup(attack: str) -> None:
    """BKP-11: with every right and key that the archive's host has, the off-site copy cannot be deleted or altered."""
    listing = "find /srv/offsite/restic-pacs -type f -not -path '*/locks/*' -printf '%P %s %T@\n' | sort | sha256sum"
    before = host("backup-offsite").check_output(listing)
    assert host("pacs").run("bash -c %s", f"timeout 60 bash -c {attack!r} || exit 1").rc == 1, "it was accepted"
    assert host("backup-offsite").check_output(listing) == before


def test_a_working_archive_is_not_replaced() -> None:
    host("ward-1").check_output("systemctl stop pacs-workload")
    before = listing()
    ran = recovery("pacs_restore", "-e", "source=local")
    assert (ran.status, ran.verdict, ran.codes) == (4, "NOT-RUN", {"server-healthy"}), ran.output
    assert listing() == before
    assert echo()
    host("ward-1").check_output("systemctl start pacs-workload")
    assert log()


def test_without_an_old_archive_there_is_no_way_back() -> None:
    host("ward-1").check_output("systemctl stop pacs-workload")
    before = listing()
    ran = recovery("pacs_rollback")
    assert (ran.status, ran.verdict, ran.codes) == (4, "NOT-RUN", {"nothing-aside"}), ran.output
    assert not [line for line in ran.journal if line["event"] == "approval_requested"]
    assert listing() == before
    host("ward-1").check_output("systemctl start pacs-workload")
