"""After the disaster: files and index are gone; what cannot be done is refused, and nothing is changed by it."""

from __future__ import annotations

import time

from hospital import host, lab, recovery
from images import ARCHIVE, find, listing, log


def test_the_ward_saw_it_and_stops_sending() -> None:
    """An archive that has lost its index goes on writing files of images that it does not acknowledge: what follows needs stillness."""
    for _ in range(60):
        if not log()[-1]["ok"]:
            break
        time.sleep(1)
    assert not log()[-1]["ok"]
    host("ward-1").check_output("systemctl stop pacs-workload")
    before = ""
    while before != (before := listing()):
        time.sleep(3)


def test_files_and_index_are_gone() -> None:
    assert not host("pacs").file(f"{ARCHIVE}/index/PG_VERSION").exists
    assert find("") == []


def test_a_wrong_passphrase_is_refused() -> None:
    before = listing()
    ran = recovery("pacs_restore", "-e", "source=local", "-e", "vault_pacs_restic_local=not-the-passphrase")
    assert (ran.status, ran.verdict, ran.codes) == (4, "NOT-RUN", {"wrong-passphrase"}), ran.output
    assert listing() == before


def test_an_unknown_backup_is_refused() -> None:
    before = listing()
    ran = recovery("pacs_restore", "-e", "source=local", "-e", "target=backup:0123456789")
    assert (ran.status, ran.verdict, ran.codes) == (4, "NOT-RUN", {"no-such-backup"}), ran.output
    assert listing() == before


def test_a_damaged_repository_is_refused() -> None:
    before = listing()
    pack = str(host("pacs").check_output("find /srv/backup/restic-pacs/data -type f -size +8k | sort | head -n 1")).strip()
    assert pack
    flip = "import sys; f = open(sys.argv[1], 'r+b'); f.seek(4000); b = f.read(8); f.seek(4000); f.write(bytes(x ^ 255 for x in b))"
    host("pacs").check_output("chmod u+w %s && python3 -c %s %s", pack, flip, pack)
    try:
        ran = recovery("pacs_restore", "-e", "source=local")
    finally:
        host("pacs").check_output("python3 -c %s %s", flip, pack)
    assert (ran.status, ran.verdict, ran.codes) == (4, "NOT-RUN", {"repository-damaged"}), ran.output
    assert listing() == before


def test_the_remote_site_cannot_be_reached() -> None:
    before = listing()
    lab("break", "link-down", "offsite")
    try:
        ran = recovery("pacs_restore", "-e", "source=offsite")
    finally:
        lab("repair", "link-down")
    assert (ran.status, ran.verdict, ran.codes) == (4, "NOT-RUN", {"repository-unreachable"}), ran.output
    assert listing() == before
