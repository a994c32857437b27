"""Which backup is chosen, and what is refused, without a host."""

from pathlib import Path
from typing import Any

import pytest

from recovery.database import assess as assessment
from recovery.database.cluster import Cluster, Health
from recovery.database.pgbackrest import CRYPTO_ERROR, Archive, Backup, Contents, Repository, explain
from recovery.database.shell import CommandError
from recovery.database.target import Target, parse
from recovery.database.wal import Segment

CLUSTER = Cluster("his", "15", "/nowhere/main", "/nowhere/etc", "postgresql@15-main")
SERVING = Health(True, True, True, True, 0, 2.0)


def backup(label: str, stop: int, first: int = 3, last: int = 3, **more: Any) -> Backup:
    values: dict[str, Any] = {
        "label": label, "kind": "full", "start_time": stop - 5, "stop_time": stop, "start_segment": Segment(1, first),
        "stop_segment": Segment(1, last), "start_lsn": "", "stop_lsn": "", "size": 1000, "error": False, "references": (),
        "database_id": 1, "annotation": {},
    }  # fmt: skip
    return Backup(**(values | more))


class Shelf(Repository):
    """A repository whose answers the test gives; everything behind the asking is the real thing."""

    def __init__(
        self, name: str, backups: tuple[Backup, ...], archive: Archive, *, version: str = "15", damaged: tuple[str, ...] = ()
    ) -> None:
        super().__init__(name=name, path="/shelf", stanza="his")
        object.__setattr__(self, "_told", (backups, archive, version, damaged))

    def contents(self) -> Contents:
        backups, _, version, _ = self._told  # type: ignore[attr-defined]
        return Contents(0, "ok", backups, {1: {"id": 1, "system-id": 77, "version": version}}, "15-1")

    def archive(self, archive_id: str) -> Archive:
        return self._told[1]  # type: ignore[attr-defined, no-any-return]

    def damaged_files(self, backup: Backup) -> list[str]:
        return list(self._told[3])  # type: ignore[attr-defined]

    def holdings(self, backup: Backup) -> dict[str, Any] | None:
        return None


def log(*numbers: int, at: int = 2000) -> Archive:
    return Archive({Segment(1, n): at + n for n in numbers})


def codes(candidate: assessment.Candidate) -> list[str]:
    return [f.code for f in candidate.findings]


LATEST = Target("latest")
TWO = (backup("20260101-000000F", 1000), backup("20260102-000000F", 2000))


def test_the_newest_backup_before_the_target_is_chosen() -> None:
    shelf = Shelf("local", TWO, log(3, 4))
    newest = assessment.examine(shelf, CLUSTER, LATEST)
    assert newest.usable and newest.backup is not None and newest.backup.label == "20260102-000000F"
    earlier = assessment.examine(shelf, CLUSTER, parse("time:1970-01-01T00:25:00Z"))
    assert earlier.backup is not None and earlier.backup.label == "20260101-000000F"


@pytest.mark.parametrize(
    ("shelf", "target", "code"),
    [
        (Shelf("local", (), log()), LATEST, "no-backup"),
        (Shelf("local", TWO, log(3)), parse("time:1970-01-01T00:00:01Z"), "target-too-old"),
        (Shelf("local", TWO, log(3)), parse("backup:20990101-000000F"), "target-unknown"),
        (Shelf("local", TWO, log(3), version="14"), LATEST, "other-version"),
        (Shelf("local", TWO, log(3), damaged=("base/1 is missing from the backup",)), LATEST, "backup-damaged"),
        (Shelf("local", (backup("20260101-000000F", 1, error=True),), log(3)), LATEST, "backup-damaged"),
        (Shelf("local", TWO, log(3, 5)), LATEST, "wal-missing"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_code_with_a_remedy(shelf: Shelf, target: Target, code: str) -> None:
    candidate = assessment.examine(shelf, CLUSTER, target)
    assert not candidate.usable
    assert code in codes(candidate)
    assert all(f.remedy for f in candidate.findings)


def test_a_hole_behind_a_named_backup_does_not_matter() -> None:
    assert assessment.examine(Shelf("local", TWO, log(3, 9)), CLUSTER, parse("backup:20260102-000000F")).usable


def test_best_prefers_what_loses_least_and_then_what_is_nearest() -> None:
    def candidate(source: str, reaches: float) -> assessment.Candidate:
        return assessment.Candidate(source, backup=TWO[0], reaches=reaches)

    def best(usable: list[assessment.Candidate]) -> assessment.Candidate:
        return next(assessment._in_order(usable))

    assert best([candidate("offsite", 1000.0), candidate("local", 990.0)]).source == "local"
    assert best([candidate("offsite", 1000.0), candidate("local", 10.0)]).source == "offsite"
    assert best([candidate("offsite", 1000.0), candidate("removable", 980.0)]).source == "removable"


def test_a_serving_server_is_not_replaced_without_a_name(tmp_path: Path) -> None:
    here = Cluster("his", "15", str(tmp_path / "main"), str(tmp_path), "postgresql@15-main")
    found = {f.code: f.severity for f in assessment.examine_server(here, SERVING, 10)}
    assert found["server-healthy"] == "overridable"


def test_too_little_disk_is_refused(tmp_path: Path) -> None:
    here = Cluster("his", "15", str(tmp_path / "main"), str(tmp_path), "postgresql@15-main")
    found = {f.code: f for f in assessment.examine_server(here, SERVING, 1 << 60)}
    assert found["disk-full"].severity == "stop"


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (CRYPTO_ERROR, "ERROR: [095]: unable to flush", "wrong-passphrase"),
        (124, "no answer within 60 s", "repository-unreachable"),
        (102, "ERROR: ssh: connect to host 10.0.0.1 port 22: No route to host", "repository-unreachable"),
        (25, "ERROR: [025]: something else", "repository-unreadable"),
    ],
)
def test_a_failed_question_is_explained(status: int, said: str, code: str) -> None:
    assert explain(CommandError(["pgbackrest"], status, said))[0] == code
