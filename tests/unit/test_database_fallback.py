"""Which source is taken when the approved one fails while it is read, and what a rollback and a release may touch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from recovery.database import wayback
from recovery.database.cluster import Cluster
from recovery.database.errors import RestoreError, replay_failure, silent
from recovery.database.fallback import stage_in_turn
from recovery.database.pgbackrest import Repository
from recovery.database.restore import Restore, Staged
from recovery.database.shell import CommandError, Procedure
from recovery.database.target import parse

LATEST = parse("latest")
STAGED = Staged("/staging", "/socket", 5432, "77", 2, "0/5000000", "", False)
LOCAL = {"source": "local", "backup": "20260102-000000F", "reaches": "2026-01-02T00:00:00Z"}
REMOVABLE = {"source": "removable", "backup": "20260101-000000F", "reaches": "2026-01-01T00:00:00Z"}
DECISION = {"source": "offsite", "backup": "20260103-000000F", "target": "latest", "alternatives": [LOCAL, REMOVABLE]}


class Rehearsed(Restore):
    """A restore whose staging succeeds or fails as the test says; the turn-taking is the real thing."""

    def __init__(self, cluster: Cluster, decision: dict[str, Any], outcomes: dict[str, Exception]) -> None:
        super().__init__(cluster, decision, {}, "", "/nowhere")
        self.outcomes = outcomes
        self.tried: list[tuple[str, bool]] = []

    def stage(self, repositories: Sequence[Repository], tails: Any, target: Any, jobs: int) -> Staged:
        source = repositories[0].name
        self.tried.append((source, self.another_follows))
        if source in self.outcomes:
            raise self.outcomes[source]
        return STAGED


def shelves(name: str) -> list[Repository]:
    return [Repository(name=name, path="/shelf", stanza="his")]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster("his", "15", str(tmp_path / "main"), str(tmp_path), "no-such-service")


def test_the_approved_source_is_taken_while_it_can_be_read(cluster: Cluster) -> None:
    restore = Rehearsed(cluster, DECISION, {})
    assert stage_in_turn(restore, shelves, {}, LATEST, 1) == (STAGED, [])
    assert restore.tried == [("offsite", True)] and restore.plan["backup"] == DECISION["backup"]


@pytest.mark.parametrize(
    "failure",
    [
        RestoreError("The offsite repository stopped answering.", "source-lost"),
        RestoreError("Damaged.", "backup-damaged"),
        CommandError(["ssh"], 255, "Timeout, server 10.20.90.11 not responding."),
    ],
)
def test_the_next_approved_one_is_taken_and_it_is_said(cluster: Cluster, failure: Exception) -> None:
    restore = Rehearsed(cluster, DECISION, {"offsite": failure})
    _, (finding,) = stage_in_turn(restore, shelves, {}, LATEST, 1)
    assert [source for source, _ in restore.tried] == ["offsite", "local"]
    assert restore.plan["backup"] == LOCAL["backup"]
    assert (finding.code, finding.severity) == ("fell-back", "warning")
    assert "local" in finding.message and LOCAL["backup"] in finding.message and "offsite" in finding.remedy


def test_the_last_failure_is_the_answer(cluster: Cluster) -> None:
    lost = {name: RestoreError(name, "source-lost") for name in ("offsite", "local", "removable")}
    restore = Rehearsed(cluster, DECISION, dict(lost))
    with pytest.raises(RestoreError, match="removable"):
        stage_in_turn(restore, shelves, {}, LATEST, 1)
    assert restore.tried == [("offsite", True), ("local", True), ("removable", False)]


def test_what_another_source_would_not_be_spared_ends_it(cluster: Cluster) -> None:
    restore = Rehearsed(cluster, DECISION, {"offsite": CommandError(["pgbackrest"], 28, "No space left on device")})
    with pytest.raises(RestoreError, match="No space"):
        stage_in_turn(restore, shelves, {}, LATEST, 1)
    assert [source for source, _ in restore.tried] == ["offsite"]


def test_an_interrupted_recovery_goes_on_with_the_alternative_it_had_come_to(cluster: Cluster) -> None:
    state = {"request": {}, "decision": DECISION, "phase": "staging", "taken": LOCAL}
    cluster.state_file.write_text(json.dumps(state), encoding="utf-8")
    restore = Rehearsed(cluster, DECISION, {})
    stage_in_turn(restore, shelves, {}, LATEST, 1)
    assert restore.tried == [("local", True)]


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        ("ERROR: [042]: unable to read from fd 5: timeout after 15000ms", True),
        ("client_loop: send disconnect: Broken pipe", True),
        ("ERROR: [062]: remote process on '10.20.90.11' terminated unexpectedly [255]", True),
        ("ERROR: [125]: raised from local-1 protocol: remote-1 process on '10.20.90.11' terminated unexpectedly [255]", True),
        ("ERROR: [039]: raised from local-2 protocol: client state is 'data-get' but expected 'idle'", True),
        ("ERROR: [029]: error restoring 'base/1': checksum does not match", False),
        ("ERROR: [039]: invalid checksum", False),
    ],
)
def test_silence_is_told_from_damage(said: str, lost: bool) -> None:
    assert silent(said) is lost
    code, _ = replay_failure("latest", "", f"archive-get 0 with x: status 1: {said}", "")
    assert code == ("source-lost" if lost else "replay-failed")


# ---- the ways back --------------------------------------------------------------------------------------------------------


def kept(cluster: Cluster, name: str, whole: bool = True) -> Path:
    directory = cluster.data.with_name(name)
    for part in ("global", "base", "pg_wal"):
        (directory / part).mkdir(parents=True)
    if whole:
        (directory / "PG_VERSION").write_text("15", encoding="ascii")
        (directory / "global/pg_control").write_text("control", encoding="ascii")
    return directory


def test_only_what_is_named_is_deleted(cluster: Cluster) -> None:
    first, second, place = kept(cluster, "main.aside-1"), kept(cluster, "main.rejected-2"), kept(cluster, "main")
    cluster.state_file.write_text(json.dumps({"aside": str(first)}), encoding="utf-8")
    assert wayback.release(cluster, Procedure(), []) == []
    assert wayback.release(cluster, Procedure(), ["main.aside-1"]) == ["main.aside-1"]
    assert (first.exists(), second.exists(), place.exists()) == (False, True, True)
    with pytest.raises(RestoreError, match="released"):
        wayback.way_back(cluster)


@pytest.mark.parametrize("name", ["main", "main.restoring", "main.aside-9", "../main.aside-1", "/etc", ""])
def test_any_other_name_is_refused_and_nothing_is_deleted(cluster: Cluster, name: str) -> None:
    directories = [kept(cluster, one) for one in ("main", "main.restoring", "main.aside-1")]
    with pytest.raises(RestoreError, match="Nothing was deleted") as refused:
        wayback.release(cluster, Procedure(), ["main.aside-1", name])
    assert "main.aside-1" in refused.value.remedy
    assert all(directory.exists() for directory in directories)


def test_there_is_no_way_back_to_what_is_not_there_or_not_whole(cluster: Cluster) -> None:
    with pytest.raises(RestoreError) as nothing:
        wayback.rollback(cluster, Procedure())
    assert nothing.value.code == "nothing-aside"
    half = kept(cluster, "main.aside-1", whole=False)
    cluster.state_file.write_text(json.dumps({"phase": "finished", "aside": str(half)}), encoding="utf-8")
    with pytest.raises(RestoreError) as incomplete:
        wayback.rollback(cluster, Procedure())
    assert incomplete.value.code == "aside-incomplete"
    assert half.exists() and not cluster.fence.exists()


def test_the_way_back_is_named_before_anybody_is_asked(cluster: Cluster) -> None:
    whole = kept(cluster, "main.aside-1")
    cluster.state_file.write_text(json.dumps({"phase": "finished", "aside": str(whole)}), encoding="utf-8")
    assert wayback.way_back(cluster) == {"aside": str(whole)}


def test_a_segment_that_was_cut_off_is_damage_and_not_silence() -> None:
    fetched = "archive-get 00000001000000000000000E with local.conf: status 42 raised from local: unexpected eof in compressed data"
    code, said = replay_failure("latest", "", fetched, "")
    assert code == "replay-failed" and said.startswith("The write-ahead log is damaged")


def test_a_log_that_belongs_to_another_backup_is_named() -> None:
    log = "LOG:  starting\nFATAL:  could not locate required checkpoint record\nHINT:  If you are restoring from a backup ..."
    code, said = replay_failure("latest", log, "", "")
    assert code == "replay-failed" and "not the one that belongs to this backup" in said
