"""After the runbook: what was backed up is there, equal to what was sent, found by name; what is lost was counted exactly."""

from __future__ import annotations

import pytest
from hospital import Ran, host, incidents, lab, recovery, remembered
from images import acknowledged, echo, fetch, find, index, stored, studies

RUN = Ran(0, "", incidents()[-1])


def test_the_archive_answers_again_and_patients_are_found_by_name() -> None:
    assert echo()
    for name in remembered("names"):
        assert name in find(name)


def test_index_and_files_agree() -> None:
    known = index()
    assert known
    assert known.items() <= stored().items()


def everything() -> dict[str, str]:
    """Fetch every study of the ward and return the checksums."""
    found: dict[str, str] = {}
    for study in studies():
        found |= fetch(study)
    return found


def test_every_image_is_what_was_sent_and_the_journal_counts_what_is_lost() -> None:
    host("ward-1").check_output("systemctl stop pacs-workload")
    sent, fetched = acknowledged(), everything()
    assert fetched
    assert {uid: total for uid, total in fetched.items() if sent.get(uid, total) != total} == {}
    measured = [line["data"] for line in RUN.journal if line["event"] == "measured"]
    counted = next(data["lost_images"] for data in reversed(measured) if "lost_images" in data)
    assert len(sent.keys() - fetched.keys()) == counted
    assert RUN.verdict == "PASS"


def test_the_old_archive_is_kept_until_somebody_lets_it_go() -> None:
    assert str(host("pacs").check_output("ls -d /srv/pacs/archive.aside-*")).strip()


@pytest.mark.parametrize("what", ["index"])
def test_from_the_remote_copy_and_an_old_disk_nothing_is_lost(what: str) -> None:
    """Only the index is gone: it comes back from the remote site, and images younger than the backup from the old archive's files."""
    host("ward-1").check_output("pacs-client run --count 3 --every 0")
    sent, newest = acknowledged(), studies()[-1]
    lab("break", "pacs-store-destroyed", f"what={what}")
    ran = recovery("pacs_restore", "-e", "source=offsite")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    assert fetch(newest).items() <= acknowledged().items()
    assert set(sent) <= everything().keys() | lost_before(), "an image whose file was there is missing"


def lost_before() -> set[str]:
    """Return the images that the first disaster took, as its own journal names them."""
    return {row["uid"] for line in RUN.journal for row in (line["data"].get("after") or {}).get("lost", [])}
