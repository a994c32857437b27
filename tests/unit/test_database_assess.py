"""Which backup is chosen, and what is refused, without a host."""

from pathlib import Path
from typing import Any

import pytest

from recovery.database import assess as assessment
from recovery.database import options, reach
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
        return next(assessment.in_order(usable))

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


# ---- how far a source reaches ------------------------------------------------------------------------------------------------

POSITIONS = (
    backup("20260101-000000F", 1000, stop_lsn="0/3000100"),
    backup("20260102-000000F", 2000, first=5, last=5, stop_lsn="0/5000100"),
)


def test_a_position_is_reached_from_the_newest_backup_before_it() -> None:
    shelf = Shelf("local", POSITIONS, log(3, 4, 5, 6))
    assert assessment.examine(shelf, CLUSTER, parse("lsn:0/5000200")).backup == POSITIONS[1]
    assert assessment.examine(shelf, CLUSTER, parse("lsn:0/50000FF")).backup == POSITIONS[0]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("lsn:0/3000000", "target-too-old"),
        ("lsn:0/7000000", "target-too-new"),
        ("time:1970-01-01T01:00:00Z", "target-too-new"),
        ("name:manifest-20990101-000000F", "target-unknown"),
    ],
)
def test_a_target_outside_what_is_there_is_refused_with_what_can_be_asked_instead(target: str, code: str) -> None:
    candidate = assessment.examine(Shelf("local", POSITIONS, log(3, 4, 5, 6)), CLUSTER, parse(target))
    assert code in codes(candidate) and not candidate.usable
    assert all(f.remedy for f in candidate.findings)


def test_log_that_another_machine_may_hold_beside_its_repository_is_left_to_the_replay() -> None:
    shelf = Shelf("offsite", POSITIONS, log(3, 4, 5, 6))
    object.__setattr__(shelf, "host", "backup-offsite")
    assert assessment.examine(shelf, CLUSTER, parse("lsn:0/7000000")).usable


def test_the_name_of_a_manifest_is_its_backup_and_any_other_name_is_looked_for_from_the_newest_backup_backwards() -> None:
    shelf = Shelf("local", POSITIONS, log(3, 4, 5, 6))
    assert assessment.examine(shelf, CLUSTER, parse("name:manifest-20260101-000000F")).backup == POSITIONS[0]
    named = assessment.examine(shelf, CLUSTER, parse("name:before-upgrade"))
    assert (named.backup, named.older) == (POSITIONS[1], (POSITIONS[0],))


def test_a_backup_of_a_history_that_was_given_up_counts_only_by_its_label() -> None:
    given_up = backup("20260103-000000F", 3000, start_segment=Segment(2, 6), stop_segment=Segment(2, 6), stop_lsn="0/6000100")
    histories = {2: [(1, 0x5000200)], 3: [(1, 0x5000300)]}
    shelf = Shelf("local", (*POSITIONS, given_up), Archive(log(3, 4, 5).segments | {Segment(2, 6): 2500, Segment(3, 6): 2600}, histories))
    latest = assessment.examine(shelf, CLUSTER, LATEST)
    assert (latest.backup, latest.timeline) == (POSITIONS[1], 3)
    named = assessment.examine(shelf, CLUSTER, parse("backup:20260103-000000F"))
    assert (named.backup, named.timeline) == (given_up, 2)


def candidate_reaching(moment: float, source: str = "local") -> assessment.Candidate:
    return assessment.Candidate(source, backup=TWO[0], reaches=moment)


def test_a_source_that_loses_more_than_was_asked_is_refused_unless_a_person_accepts_it_by_name() -> None:
    (finding,) = reach.rpo_findings(candidate_reaching(9000), LATEST, 10000, asked=300, planned=30)
    assert (finding.code, finding.severity) == ("rpo-missed", "overridable")
    assert "17 min" in finding.message and finding.remedy
    assert reach.rpo_findings(candidate_reaching(9800), LATEST, 10000, asked=300, planned=30) == []


def test_the_figure_of_the_plan_warns_and_does_not_stop_who_asked_for_nothing() -> None:
    (finding,) = reach.rpo_findings(candidate_reaching(9000), LATEST, 10000, asked=None, planned=30)
    assert finding.severity == "warning"
    assert reach.rpo_findings(candidate_reaching(9000), parse("backup:20260101-000000F"), 10000, asked=None, planned=30) == []


def test_a_named_backup_loses_everything_behind_it() -> None:
    (finding,) = reach.rpo_findings(candidate_reaching(9990), parse("backup:20260101-000000F"), 10000, asked=300, planned=None)
    assert "1970-01-01T00:16:40Z" in finding.message


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", "5 min"])
def test_what_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="-e rpo=300"):
        options.seconds(text)


def test_sources_of_different_systems_are_told_apart_even_where_the_server_has_lost_everything() -> None:
    ours, theirs = candidate_reaching(2000), candidate_reaching(2000, "removable")
    ours.system_identifier, theirs.system_identifier = "77", "78"
    here = Cluster("his", "15", "/nowhere/main", "/nowhere/etc", "postgresql@15-main")
    (finding,) = assessment._identity(here, [ours, theirs])
    assert finding.code == "other-system" and "77" in finding.message and "78" in finding.message
    assert assessment._identity(here, [ours]) == []


def test_an_open_repository_with_a_damaged_catalogue_is_not_blamed_on_a_passphrase() -> None:
    error = CommandError(["pgbackrest", "info"], 29, "ERROR: [029]: FormatError: invalid checksum of backup.info")
    assert explain(error)[0] == "wrong-passphrase"
    code, sentence = explain(error, encrypted=False)
    assert code == "repository-unreadable" and "catalogue is damaged" in sentence
