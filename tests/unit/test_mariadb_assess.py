"""What speaks against a source of a MariaDB restore: damage, holes, targets out of range, other systems; and how far it reaches."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recovery.database.cluster import Cluster, Health
from recovery.database.mariadb import assess, line, server
from recovery.database.mariadb.repository import Backup, Repository, sealed
from recovery.database.mariadb.target import parse
from recovery.database.reach import rpo_findings
from recovery.database.shell import Procedure
from support.binlogs import LABEL, described, log, transaction

CLUSTER = Cluster("lis", "10.11", "/nonexistent/main", "/etc/mysql", "no-such-service", 3306)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A backup complete at second 2 with GTID 10, and its log: 11 and 12 of second 1000, 13 of second 2000."""
    base = tmp_path / "backup" / LABEL
    (base / "data").mkdir(parents=True)
    files: dict[str, Any] = {}
    for name, content in (("data/ibdata1", b"rows"), ("manifest.json", b"{}")):
        (base / name).write_bytes(content)
        files[name] = [len(content), hashlib.sha256(content).hexdigest()]
    (base / "backup.json").write_bytes(sealed(described(files)))
    tail = tmp_path / "binlog" / "h1"
    tail.mkdir(parents=True)
    (tail / "history.json").write_text(json.dumps({"system": "s", "since": "1"}))
    log(tail / "bin.000001", transaction(11, 1000))
    log(tail / "bin.000002", transaction(12, 1000))
    log(tail / "bin.000003", transaction(13, 2000))
    return Repository("local", str(tmp_path))


def examined(repository: Repository, target: str) -> assess.Candidate:
    return assess.examine(repository, CLUSTER, parse(target), Procedure())


def codes(found: assess.Candidate) -> list[str]:
    return [finding.code for finding in found.findings]


@pytest.mark.parametrize(
    ("target", "ends_at"),
    [
        ("latest", "0-14-13"),
        ("time:1970-01-01T00:16:41Z", "0-14-12"),
        ("time:1970-01-01T00:16:40Z", "0-14-10"),
        ("gtid:0-14-11", "0-14-11"),
        (f"backup:{LABEL}", "0-14-11"),
    ],
)
def test_a_sound_source_says_where_a_restore_would_end(repository: Repository, target: str, ends_at: str) -> None:
    found = examined(repository, target)
    assert (codes(found), found.usable, found.ends_at) == ([], True, ends_at)
    assert found.plan()["log"] == [["h1", ""]] and found.plan()["wal_to"] == "0-14-13"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("time:1970-01-01T00:00:01Z", "target-too-old"),
        ("gtid:0-14-9", "target-too-old"),
        ("time:1970-01-01T00:33:22Z", "target-too-new"),
        ("gtid:0-14-14", "target-too-new"),
        ("backup:20200101-000000F", "target-unknown"),
    ],
)
def test_a_target_out_of_range(repository: Repository, target: str, code: str) -> None:
    assert codes(examined(repository, target)) == [code]


def test_a_missing_log_and_a_damaged_one_are_told_apart(repository: Repository) -> None:
    middle = repository.tail / "h1" / "bin.000002"
    content = bytearray(middle.read_bytes())
    content[-30] ^= 1
    middle.write_bytes(bytes(content))
    assert codes(examined(repository, "latest")) == ["wal-damaged"]
    middle.unlink()
    assert codes(examined(repository, "latest")) == ["wal-missing"]


def test_other_versions_missing_parents_and_lost_repositories(repository: Repository, tmp_path: Path) -> None:
    (repository.path / "backup" / LABEL / "backup.json").write_bytes(
        sealed({**described({}), "version": "10.5", "chain": ["20260101-000000F", LABEL]})
    )
    assert set(codes(examined(repository, "latest"))) == {"other-version", "backup-damaged"}
    assert codes(examined(Repository("local", str(tmp_path / "none")), "latest")) == ["no-backup"]


def candidate(source: str, system: str, reaches: float) -> assess.Candidate:
    backup = replace(Backup.parse(described({})), system=system)
    return assess.Candidate(source, backup, [backup], [line.Stretch("h1")], reaches, "0-14-13", "0-14-13")


def test_a_backup_of_another_system_is_known_by_the_note_of_the_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(assess, "HOME", tmp_path)
    silent = Health(False, False, False, False, 0, None)
    assert assess._identity(CLUSTER, silent, [candidate("local", "s", 1.0)]) == []
    assert [one.code for one in assess._identity(CLUSTER, silent, [candidate("local", "s", 1.0), candidate("offsite", "t", 1.0)])] == [
        "other-system"
    ]
    (tmp_path / "lis").mkdir()
    (tmp_path / "lis" / "system").write_text("t\n")
    (finding,) = assess._identity(CLUSTER, silent, [candidate("local", "s", 1.0)])
    assert finding.code == "other-system" and "s in the local repository" in finding.message and "t on this host" in finding.message


def test_what_would_be_lost_is_held_against_what_was_asked() -> None:
    found = candidate("offsite", "s", 900.0)
    assert rpo_findings(found, parse("latest"), 1000.0, 100.0, None, tail_counted=True) == []
    (asked,) = rpo_findings(found, parse("latest"), 1000.0, 99.0, None, tail_counted=True)
    assert (asked.code, asked.severity) == ("rpo-missed", "overridable") and "tail" not in asked.message
    (planned,) = rpo_findings(found, parse("latest"), 1000.0, None, 30.0, tail_counted=True)
    assert planned.severity == "warning"


@pytest.mark.parametrize(("directory", "found"), [("/var/lib/mysql", ["no-configuration"]), ("/nonexistent/main", [])])
def test_a_host_that_is_not_configured_for_the_database_is_refused(monkeypatch: pytest.MonkeyPatch, directory: str, found: list) -> None:
    monkeypatch.setattr(server, "version", lambda: "10.11")
    monkeypatch.setattr(server, "configured_directory", lambda: directory)
    told = assess.examine_server(CLUSTER, Health(False, False, False, False, 0, None), 0)
    assert [one.code for one in told if one.severity == "stop"] == found
