"""The removable copy: encrypted, read back whole, old copies go only behind a sound new one; and what is given out for a rehearsal."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from recovery.database.mariadb import command, giving, removable, vault
from recovery.database.mariadb.backup import archive
from recovery.database.mariadb.place import BackupError, Place
from recovery.database.mariadb.repository import sealed
from recovery.database.shell import Procedure
from support.binlogs import LABEL, described, log, transaction

HISTORY = "01234567-0123-4000-8000-0123456789ab"


def take(root: Path, label: str) -> None:
    base = root / "repository" / "backup" / label
    (base / "data").mkdir(parents=True)
    files: dict[str, Any] = {}
    for name, content in (("data/ibdata1", b"rows of patients"), ("manifest.json", b'{"format": "x"}')):
        (base / name).write_bytes(content)
        files[name] = [len(content), hashlib.sha256(content).hexdigest()]
    told = described(files) | {"label": label, "chain": [label], "history": HISTORY}
    (base / "backup.json").write_bytes(sealed(told))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a long one\n")
    monkeypatch.setattr(vault, "passphrase_file", lambda place: passphrase)
    monkeypatch.setattr(removable, "mounted", lambda place: True)
    take(tmp_path, LABEL)
    tail = tmp_path / "tail" / HISTORY
    tail.mkdir(parents=True)
    (tail / "history.json").write_text(json.dumps({"system": "s", "since": "1"}))
    log(tail / "bin.000001", transaction(11), transaction(12))
    return Place("local", "lis", str(tmp_path / "repository"), str(tmp_path / "tail"), removable=str(tmp_path / "disk" / "mariadb"))


@pytest.fixture
def disk(place: Place) -> Path:
    Path(place.removable).parent.mkdir()
    return Path(place.removable)


def test_the_copy_holds_everything_encrypted_and_says_when_it_was_made(place: Place, disk: Path) -> None:
    done = removable.copy(place, Procedure())
    assert (done["findings"], done["verified"]["backups"], done["verified"]["logs"]) == ([], [LABEL], 1)
    assert removable.record(place)["copied_at"] == done["copied_at"]
    assert not any(b"patients" in path.read_bytes() for path in disk.rglob("*") if path.is_file())
    assert [one["label"] for one in vault.catalogue(removable.disk_place(place))["backups"]] == [LABEL]


def test_a_second_copy_adds_what_is_new_and_lets_go_of_what_expired(place: Place, disk: Path, tmp_path: Path) -> None:
    removable.copy(place, Procedure())
    newer = LABEL.replace("041500", "051500")
    take(tmp_path, newer)
    shutil.rmtree(Path(place.path) / "backup" / LABEL)
    assert removable.copy(place, Procedure())["verified"]["backups"] == [newer]
    assert sorted(path.name for path in (disk / "backup").glob("*.enc")) == [f"{newer}.tar.enc"]


@pytest.mark.parametrize("what", [f"backup/{LABEL}.tar.enc", f"backup/{LABEL}.json", f"binlog/{HISTORY}/bin.000001.enc"])
def test_a_copy_that_does_not_read_back_fails_and_nothing_is_let_go(place: Place, disk: Path, tmp_path: Path, what: str) -> None:
    first = removable.copy(place, Procedure())
    take(tmp_path, LABEL.replace("041500", "051500"))
    content = bytearray((disk / what).read_bytes())
    content[len(content) // 2] ^= 1
    (disk / what).write_bytes(bytes(content))
    done = removable.copy(place, Procedure())
    assert [finding.code for finding in done["findings"]] == ["copy-damaged"]
    assert removable.record(place)["copied_at"] == first["copied_at"]
    assert (disk / what).exists()


def test_what_a_person_deleted_from_the_copy_is_copied_again(place: Place, disk: Path) -> None:
    removable.copy(place, Procedure())
    (disk / f"backup/{LABEL}.tar.enc").unlink()
    assert removable.copy(place, Procedure())["verified"]["backups"] == [LABEL]


def test_what_rotted_is_found_by_reading_it_and_taken_in_anew(place: Place, disk: Path) -> None:
    removable.copy(place, Procedure())
    there, far = place.repository.backups(), removable.disk_place(place)
    assert vault.damaged(far, [LABEL, "never-fetched"]) == {}
    for name, said in ((f"{LABEL}.tar.enc", "checksum"), (f"{LABEL}.manifest.json", "altered"), (f"{LABEL}.json", "checksum")):
        path = disk / "backup" / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))
        rotten = vault.damaged(far, [LABEL])
        assert list(rotten) == [LABEL] and said in rotten[LABEL]
        export = lambda label: archive(Path(place.path) / "backup" / label)  # noqa: E731
        assert vault.take_in(far, there, export, Procedure(), anew=rotten) == [LABEL]
        assert vault.damaged(far, [LABEL]) == {}


def test_with_another_passphrase_nothing_is_called_damaged(
    place: Place, disk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    removable.copy(place, Procedure())
    other = tmp_path / "other"
    other.write_text("another\n")
    monkeypatch.setattr(vault, "passphrase_file", lambda place: other)
    with pytest.raises(BackupError, match="nothing was changed"):
        vault.damaged(removable.disk_place(place), [LABEL])


def test_without_a_disk_nothing_is_copied_and_nothing_is_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removable, "mounted", lambda place: False)
    assert [finding.code for finding in removable.copy(place, Procedure())["findings"]] == ["removable-not-mounted"]
    assert command.on_disk(place, ["list"]) == 2
    assert not Path(place.removable).exists()


def test_an_empty_repository_does_not_replace_a_copy(place: Place, disk: Path) -> None:
    removable.copy(place, Procedure())
    shutil.rmtree(Path(place.path) / "backup" / LABEL)
    assert [finding.code for finding in removable.copy(place, Procedure())["findings"]] == ["nothing-to-copy"]
    assert (disk / "backup" / f"{LABEL}.tar.enc").exists()


@pytest.mark.parametrize("words", [[], ["rm"], ["get", "../x"], ["logs", "../.."], ["export", LABEL], ["mark"], ["socket"]])
def test_who_rehearses_can_only_read(place: Place, words: list[str]) -> None:
    assert command.reader(place, words) == 77
    assert command.on_disk(place, words) == 77


def test_what_is_given_out_here_has_the_form_of_what_is_far_away(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    told = giving.catalogue(place)
    assert set(told) == set(vault.catalogue(removable.disk_place(place)))
    assert told["histories"][HISTORY]["system"] == "s" and told["reached"] > 0 and told["problems"] == []
    stream = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(stream))
    assert giving.give_logs(place, HISTORY) == 0
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue()), mode="r|") as archive:
        assert [member.name for member in archive] == ["bin.000001"]


def test_a_description_that_cannot_be_trusted_is_said_to_the_reader(place: Place) -> None:
    (Path(place.path) / "backup" / LABEL / "backup.json").write_text("{}")
    assert giving.catalogue(place)["code"] == "backup-damaged"
