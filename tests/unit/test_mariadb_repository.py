"""Backups of MariaDB in a repository: damage shows, whichever byte it hits; the far end keeps secrets and notices forgeries."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
from pathlib import Path

import pytest

from recovery.database.mariadb import command, vault
from recovery.database.mariadb.place import Place
from recovery.database.mariadb.repository import DamageError, Patient, Repository, Vault, sealed, unsealed
from recovery.database.shell import CommandError, Procedure
from support.binlogs import LABEL, described


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    backup = tmp_path / "backup" / LABEL
    (backup / "data" / "lis").mkdir(parents=True)
    files = {}
    for name, content in (("data/lis/result.ibd", b"rows"), ("data/ibdata1", b"system"), ("manifest.json", b"{}")):
        (backup / name).write_bytes(content)
        files[name] = [len(content), hashlib.sha256(content).hexdigest()]
    (backup / "backup.json").write_bytes(sealed(described(files)))
    return Repository("local", str(tmp_path))


def test_a_backup_is_read_with_every_checksum(repository: Repository, tmp_path: Path) -> None:
    (one,) = repository.backups()
    repository.read(one, tmp_path / "out", Procedure())
    assert (tmp_path / "out/lis/result.ibd").read_bytes() == b"rows"
    assert repository.damaged_files([one]) == []


@pytest.mark.parametrize("name", ["data/lis/result.ibd", "data/ibdata1"])
def test_a_flipped_byte_of_the_data_is_found_while_it_is_read(repository: Repository, tmp_path: Path, name: str) -> None:
    path = repository.path / "backup" / LABEL / name
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(DamageError, match="checksum"):
        repository.read(repository.backups()[0], tmp_path / "out", Procedure())


def test_a_missing_or_shorter_file_is_seen_at_a_glance(repository: Repository) -> None:
    (repository.path / "backup" / LABEL / "data/ibdata1").unlink()
    (repository.path / "backup" / LABEL / "data/lis/result.ibd").write_bytes(b"r")
    assert len(repository.damaged_files(repository.backups())) == 2


@pytest.mark.parametrize("place", [5, 40, 120])
def test_a_damaged_description_is_not_trusted(repository: Repository, place: int) -> None:
    path = repository.path / "backup" / LABEL / "backup.json"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="cannot be trusted"):
        repository.backups()


def test_an_altered_manifest_is_not_taken(repository: Repository) -> None:
    (repository.path / "backup" / LABEL / "manifest.json").write_text('{"rows": 1}')
    with pytest.raises(ValueError, match="altered"):
        repository.manifest(repository.backups()[0])


def test_a_repository_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        Repository("local", str(tmp_path / "none")).backups()


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a long one\n")
    monkeypatch.setattr(vault, "passphrase_file", lambda place: passphrase)
    (tmp_path / "vault" / "backup").mkdir(parents=True)
    return Place("offsite", "lis", str(tmp_path / "vault"), str(tmp_path / "tail"))


def test_what_is_kept_far_away_is_encrypted_and_comes_back(far: Place) -> None:
    target = Path(far.path) / "x.enc"
    told = vault.encrypt(far, io.BytesIO(b"names of patients" * 100), target)
    assert b"patients" not in target.read_bytes()
    with vault.decrypted(far, target, told) as stream:
        assert stream.read() == b"names of patients" * 100
    target.write_bytes(target.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="checksum"), vault.decrypted(far, target, told):
        pass


def test_a_forged_description_and_another_passphrase_are_told_from_damage(far: Place, tmp_path: Path) -> None:
    path = Path(far.path) / "backup" / f"{LABEL}.json"
    forged = json.dumps(described({}))
    path.write_bytes(sealed({"body": forged, "hmac": "0" * 64}))
    assert vault.catalogue(far)["code"] == "wrong-passphrase"
    path.write_bytes(b"{}")
    assert vault.catalogue(far)["code"] == "backup-damaged"


@pytest.mark.parametrize("words", [[], ["rm", "-rf", "/"], ["export", "../../etc"], ["export"], ["get", LABEL], ["list", "x"]])
def test_the_door_opens_for_nothing_else(far: Place, words: list[str]) -> None:
    assert command.door(far, words) == 77


@pytest.mark.parametrize("words", [[], ["sh"], ["get", "../x"], ["logs", "../.."], ["export", LABEL], ["mark"], ["socket"]])
def test_who_reads_far_away_can_only_read(far: Place, words: list[str]) -> None:
    assert command.reader(far, words) == 77


def test_a_sealed_description_comes_back() -> None:
    assert unsealed(sealed({"a": 1}).decode()) == {"a": 1}


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("exec sleep 20", 124, "no answer within 0.3 s"),
        ("head -c 700 $0; exec sleep 20", 124, "no answer within 0.3 s"),
        ("echo Connection reset by peer >&2; exit 255", 124, "reset"),
        ("echo no such backup >&2; exit 1", 1, "no such backup"),
    ],
)
def test_a_far_repository_that_falls_silent_is_lost_and_not_damaged(tmp_path: Path, program: str, status: int, said: str) -> None:
    far_end = Vault("offsite", "nobody@nowhere", "/dev/null", "root", 0.3)
    far_end.command = ["sh", "-c", program, __file__]
    with pytest.raises(CommandError) as lost:
        far_end.logs("h1", tmp_path, Procedure())
    assert lost.value.status == status and said in lost.value.output


def test_what_the_far_end_calls_damaged_is_damage(tmp_path: Path) -> None:
    far_end = Vault("offsite", "nobody@nowhere", "/dev/null", "root", 5)
    far_end.command = ["sh", "-c", "echo half of it; echo the checksum of x.enc is wrong >&2; exit 65"]
    with pytest.raises(DamageError, match=r"x\.enc"):
        far_end.logs("h1", tmp_path, Procedure())


def test_a_slow_stream_is_not_a_silent_one() -> None:
    with subprocess.Popen(["sh", "-c", "for i in 1 2 3; do sleep 0.2; echo $i; done"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        stream = Patient(process.stdout, 1.0)
        found = b""
        while more := stream.read():
            found += more
    assert found == b"1\n2\n3\n"
