"""The picture archive's pure parts: index against files, what restic and findscu say, which backup is chosen, what counts as lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recovery.database.cluster import write_state
from recovery.database.errors import RestoreError
from recovery.database.shell import CommandError, Procedure
from recovery.pacs import assess, backup, dicom, given_up, proof, restic, restore
from recovery.pacs.archive import Archive, Entry, dataset_sha256, digest, place_of, reconcile
from recovery.pacs.restic import Repository, Snapshot

ARCHIVE = Archive("/srv/a", "orthanc", "orthanc", "pacs", "15", "postgresql@15-pacs", "/etc", 5432, "127.0.0.1", 104, "PACS")


def dicom_file(path: Path, body: bytes, meta: bytes = b"meta") -> Path:
    """Write a file of DICOM's form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little") + meta
    path.write_bytes(head + body)
    return path


def keep(store: Path, name: str, body: bytes = b"image") -> Entry:
    """Put a file where the archive keeps it, and return its index entry."""
    path = dicom_file(place_of(store, name), body)
    return Entry(path.stat().st_size, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(), f"1.2.{name[0]}")


def test_index_and_files_that_fit(tmp_path: Path) -> None:
    known = {name: keep(tmp_path, name) for name in ("aabb-1", "ccdd-2")}
    found = reconcile(known, tmp_path, read=True)
    assert found.sound
    assert (found.entries, found.orphans) == (2, [])
    assert digest(known) != digest({"aabb-1": known["aabb-1"]})


@pytest.mark.parametrize(
    ("harm", "read", "what"),
    [
        (lambda path: path.unlink(), False, "missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), False, "wrong"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"X"), True, "wrong"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, harm: Callable[[Path], Any], read: bool, what: str) -> None:
    known = {"aabb-1": keep(tmp_path, "aabb-1"), "ccdd-2": keep(tmp_path, "ccdd-2")}
    harm(place_of(tmp_path, "aabb-1"))
    found = reconcile(known, tmp_path, read=read)
    assert not found.sound
    assert getattr(found, what) == ["aabb-1 (1.2.a)"]
    assert "aabb-1" in found.sentence()


def test_a_file_without_an_entry_is_an_orphan_and_no_damage(tmp_path: Path) -> None:
    known = {"aabb-1": keep(tmp_path, "aabb-1")}
    keep(tmp_path, "eeff-3")
    found = reconcile(known, tmp_path, read=True)
    assert found.sound
    assert found.orphans == ["eeff-3"]


def test_the_checksum_of_an_image_does_not_depend_on_its_writer(tmp_path: Path) -> None:
    one, other = dicom_file(tmp_path / "1", b"same", b"a writer"), dicom_file(tmp_path / "2", b"same", b"another writer")
    assert dataset_sha256(one) == dataset_sha256(other) != dataset_sha256(dicom_file(tmp_path / "3", b"Same"))
    (tmp_path / "4").write_bytes(b"text")
    with pytest.raises(ValueError, match="not a DICOM file"):
        dataset_sha256(tmp_path / "4")


def test_restic_times_are_read() -> None:
    assert restic._moment("2026-11-22T04:42:42.123456789Z") == restic._moment("2026-11-22T12:42:42.123456+08:00")
    with pytest.raises(ValueError, match="none"):
        restic._moment("yesterday")


@pytest.mark.parametrize(
    ("ssh", "status", "said", "code"),
    [
        ("", 1, "Fatal: wrong password or no key found", "wrong-passphrase"),
        ("", 1, "Fatal: unable to open config file: no such file\nIs there a repository at the following location?", "no-repository"),
        ("", 1, "Pack ID does not match, want 1, got 2\nFatal: repository contains errors", "repository-damaged"),
        ("far", 1, "ssh: connect to host far port 22: Connection timed out\nFatal: unable to open: EOF", "repository-unreachable"),
        ("far", 124, "no answer within 120 s", "repository-unreachable"),
        ("far", 1, "Fatal: unable to open it: unable to start the sftp session, error: EOF", "repository-unreachable"),
        ("far", 1, "Fatal: unable to start the sftp session, error: read |0: file already closed", "repository-unreachable"),
    ],
)  # fmt: skip
def test_what_restic_says_becomes_a_code(ssh: str, status: int, said: str, code: str) -> None:
    repository = Repository("local", "/r", ssh=ssh)
    found, sentence = restic.explain(CommandError(["restic"], status, said), repository)
    assert found == code
    assert sentence.endswith((".", "errors", "EOF", "s", "closed"))


def test_a_passphrase_is_never_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(restic, "run", lambda argv, **more: seen.update(argv=argv, **more) or "[]")
    Repository("local", "/r", password="secret-words").snapshots()
    assert "secret-words" not in " ".join(seen["argv"])
    assert seen["env"] == {"RESTIC_PASSWORD": "secret-words"}
    assert "secret-words" not in repr(Repository("local", "/r", password="secret-words"))


def test_answers_of_findscu_are_read_with_their_padding_taken_off() -> None:
    text = (
        "I: Find Response: 1 (Pending)\nI: (0010,0010) PN [秦^燕 ]                 #   8, 1 PatientName\n"
        "I: (0020,000d) UI [1.2.3\0]                #   6, 1 StudyInstanceUID\n"
        "I: Find Response: 2 (Pending)\nI: (0010,0010) PN [王^芳]   #   7, 1 PatientName\n"
    )
    assert dicom.answers(text) == [{"0010,0010": "秦^燕", "0020,000d": "1.2.3"}, {"0010,0010": "王^芳"}]
    assert dicom.answers("F: Association rejected") == [], "findscu ends with 0 all the same"


class Fake(Repository):
    """A repository with backups given by the test."""

    def snapshots(self, timeout: float = 120) -> list[Snapshot]:
        """Return what the test put there."""
        return [Snapshot("a" * 64, 100.0, ()), Snapshot("b" * 64, 200.0, ())]

    def restic(self, *words: str, procedure: Procedure | None = None, lock: bool = False, timeout: float = 0) -> str:
        """Read nothing."""
        return ""

    def document(self, snapshot: Snapshot, path: str) -> dict[str, Any]:
        """Return a manifest."""
        return {"images": 3}

    def size(self, snapshot: Snapshot) -> int:
        """Return a size."""
        return 10


def test_the_newest_backup_is_chosen_or_the_named_one_or_none() -> None:
    latest = assess.examine(Fake("local", "/r"), "/h", "latest", "100%", Procedure())
    assert latest.snapshot and latest.snapshot.label == "b" * 8
    named = assess.examine(Fake("local", "/r"), "/h", "backup:aaaaaaaa", "100%", Procedure())
    assert named.snapshot and named.snapshot.time == 100.0
    unknown = assess.examine(Fake("local", "/r"), "/h", "backup:cccccccc", "100%", Procedure())
    assert not unknown.usable
    assert [finding.code for finding in unknown.findings] == ["no-such-backup"]


def test_nothing_is_fetched_from_a_host_whose_backups_are_dated_ahead() -> None:
    class Ahead(Fake):
        def snapshots(self, timeout: float = 120) -> list[Snapshot]:
            return [Snapshot("f" * 64, 4e9, ())]

    place = backup.Place("offsite", Fake("offsite", "/r"), Ahead("local", "/s"), None, Path("/h"), {"within": "31d"}, {})
    with pytest.raises(backup.BackupError, match="dated ahead"):
        backup.fetch(place, Procedure())


def test_images_stored_before_the_backup_must_be_there_and_later_ones_are_counted_as_lost(tmp_path: Path) -> None:
    archive = Archive.parse(
        {
            "path": str(tmp_path),
            "service": "orthanc",
            "owner": "orthanc",
            "index": {"database": "pacs", "version": "15", "service": "x", "config_directory": "/etc", "port": 1},
            "dicom": {"address": "127.0.0.1", "port": 104, "title": "PACS"},
        }
    )
    entry = keep(archive.store, "aabb-1")
    total = dataset_sha256(place_of(archive.store, "aabb-1"))
    rows = [
        {"workstation": "w", "uid": entry.uid, "sha256": total, "done": "2026-11-22T01:00:00.000Z"},
        {"workstation": "w", "uid": "9.9", "sha256": "x", "done": "2026-11-22T03:00:00.000Z"},
        {"workstation": "w", "uid": "9.8", "sha256": "x", "done": "2026-11-22T03:00:10.000Z"},
    ]
    after = proof.Proof()
    proof._promises(archive, {"aabb-1": entry}, [{"acknowledged": rows}], "2026-11-22T02:00:00.000Z", after)
    assert (after.verdict, after.measured["lost_images"], after.measured["rpo_s"]) == ("PASS", 2, 10.0)
    before = proof.Proof()
    proof._promises(archive, {"aabb-1": entry}, [{"acknowledged": rows}], "2026-11-22T04:00:00.000Z", before)
    assert before.verdict == "FAIL"
    altered = proof.Proof()
    proof._promises(archive, {"aabb-1": entry}, [{"acknowledged": [rows[0] | {"sha256": "other"}]}], "", altered)
    assert altered.verdict == "FAIL"
    assert json.dumps(altered.measured)


def test_what_an_earlier_restore_gave_up_is_not_missed_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_up, "PLACE", tmp_path / "state" / "given-up.json")
    row = {"workstation": "w", "uid": "9.9", "done": "2026-11-22T01:00:00.000Z"}
    given_up.note([row], "restore-1")

    def proven() -> proof.Proof:
        found = proof.Proof()
        proof._promises(ARCHIVE, {}, [{"acknowledged": [row]}], "2026-11-22T02:00:00.000Z", found)
        return found

    assert (proven().verdict, proven().measured["lost_images"], proven().measured["given_up_images"]) == ("PASS", 0, 1)
    given_up.forget("restore-2")
    assert proven().verdict == "PASS"
    given_up.forget("restore-1")
    assert proven().verdict == "FAIL"


class Undo(restore.Restore):
    """A restore whose services need not run."""

    def fence(self) -> None:
        """Keep nothing from starting but by the fence's file."""
        self.cluster.fence.touch()

    def _start(self) -> None:
        pass


def undo(tmp_path: Path, **state: str) -> Undo:
    """Return a restored archive whose predecessor was kept aside."""
    index = {"service": "postgresql@15-pacs", "version": "15", "database": "pacs", "port": 5432, "config_directory": "/etc/none"}
    dicom = {"address": "192.0.2.1", "port": 104, "title": "PACS"}
    archive = Archive.parse({"path": str(tmp_path / "archive"), "service": "orthanc", "owner": "orthanc", "index": index, "dicom": dicom})
    for name in ("archive", "archive.aside-1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "whose").write_text(name)
    known = {"phase": "finished", "backup": "b", "source": "local", "aside": str(tmp_path / "archive.aside-1")}
    write_state(archive.cluster, {**known, **state})
    return Undo(archive, {})


def test_a_rollback_puts_the_old_archive_back_and_is_continued_wherever_it_was_interrupted(tmp_path: Path) -> None:
    ours = undo(tmp_path)
    rejected = Path(ours.rollback())
    assert (tmp_path / "archive/whose").read_text() == "archive.aside-1"
    assert (rejected / "whose").read_text() == "archive"
    assert not ours.cluster.fence.exists()


@pytest.mark.parametrize("renamed", [0, 1, 2])
def test_a_killed_rollback_goes_on(tmp_path: Path, renamed: int) -> None:
    rejected = tmp_path / "archive.rejected-1"
    ours = undo(tmp_path, phase="rolling-back", rejected=str(rejected))
    ours.fence()
    for old, new in [("archive", "archive.rejected-1"), ("archive.aside-1", "archive")][:renamed]:
        (tmp_path / old).rename(tmp_path / new)
    assert ours.rollback() == str(rejected)
    assert (tmp_path / "archive/whose").read_text() == "archive.aside-1"
    assert (rejected / "whose").read_text() == "archive"
    assert not ours.cluster.fence.exists()
    with pytest.raises(RestoreError, match="no old archive"):
        ours.way_back()


def test_without_an_old_archive_there_is_no_way_back_and_nothing_changes(tmp_path: Path) -> None:
    ours = undo(tmp_path)
    (tmp_path / "archive.aside-1").rename(tmp_path / "elsewhere")
    for verb in (ours.way_back, ours.rollback):
        with pytest.raises(RestoreError, match="no old archive"):
            verb()
    assert (tmp_path / "archive/whose").read_text() == "archive"
    assert not ours.cluster.fence.exists()
