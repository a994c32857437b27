"""A scratch instance: where it may be, what it takes, and that a drill's proofs of innocence see what they should."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recovery.database import fingerprint, options, scratch, scratch_check
from recovery.database.assess import Candidate
from recovery.database.cluster import write_state
from recovery.database.errors import RestoreError
from recovery.database.pgbackrest import Archive, Backup
from recovery.database.scratch_check import ScratchRequest, plan
from recovery.database.target import Target
from recovery.database.wal import Segment
from recovery.drill import judging

BACKUP = Backup(
    "20261121-020000F", "full", 1000, 1100, Segment(1, 5), Segment(1, 6), "", "", 1000, False, (), 1, {"manifest-sha256": "x"}
)  # fmt: skip
NOW = 2000.0


class Shelf:
    """A repository of one backup and a few segments."""

    name = "local"

    def contents(self) -> Any:
        """Return its catalogue."""
        return SimpleNamespace(backups=(BACKUP,), archive_id="15-1")

    def archive(self, archive_id: str) -> Archive:
        """Return its log: a segment each 100 seconds."""
        return Archive({Segment(1, number): 1000 + 100 * (number - 5) for number in range(5, 12)}, {})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> scratch.ScratchCluster:
    """Return a place for an instance on a host that is not production's, with a sound repository."""
    cluster = scratch.scratch_cluster("his-look", str(tmp_path / "scratch"), "15", 5432)
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "postgres").touch()
    monkeypatch.setattr(scratch.ScratchCluster, "binaries", property(lambda _: binaries))
    monkeypatch.setattr(scratch_check, "run", lambda *_, **__: "2: eth0    inet 10.20.10.31/24 scope global eth0\n")
    monkeypatch.setattr(scratch_check, "control_data", lambda *_: {})
    candidate = Candidate("local", BACKUP, 1, NOW, Segment(1, 11).name(), "15-1", "42", {})
    monkeypatch.setattr(scratch_check, "examine", lambda *_, **__: candidate)
    return cluster


def request(**more: Any) -> ScratchRequest:
    """Return what is asked."""
    values: dict[str, Any] = {"source": "local", "target": "latest", "seed": 7, "here": "drill-1", "production_host": "his-db"}
    values |= {"production_data": "/var/lib/postgresql/15/main", "production_address": "10.20.10.11"}
    return ScratchRequest(**(values | more))


def codes(found: scratch_check.ScratchPlan, *severities: str) -> set[str]:
    """Return the codes of what blocks."""
    return {finding.code for finding in found.findings if finding.severity in (severities or ("stop", "overridable"))}


def everything(root: Path) -> list[str]:
    """Return what is below a directory."""
    return sorted(str(path) for path in root.rglob("*"))


def test_a_sound_backup_is_chosen_and_nothing_changes(place: scratch.ScratchCluster, tmp_path: Path) -> None:
    before = everything(tmp_path)
    found = plan(place, {"local": Shelf()}, request())  # type: ignore[dict-item]
    assert codes(found) == set()
    assert (found.decision["backup"], found.decision["wal_from"]) == (BACKUP.label, Segment(1, 5).name())
    assert everything(tmp_path) == before


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the production host": ({"here": "his-db"}, "scratch-is-production"),
    "a host with production's address": ({"production_address": "10.20.10.31"}, "scratch-is-production"),
    "a target in the future": ({"target": "time:2999-01-01T00:00:00Z"}, "target-in-future"),
    "a target that is none": ({"target": "yesterday"}, "target-not-understood"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(place: scratch.ScratchCluster, tmp_path: Path, case: str) -> None:
    more, code = REFUSED[case]
    before = everything(tmp_path)
    found = plan(place, {"local": Shelf()}, request(**more))  # type: ignore[dict-item]
    assert code in codes(found)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("data", ["scratch/his-look", "scratch/his-look/data", "scratch"])
def test_the_database_s_own_directory_is_refused(place: scratch.ScratchCluster, tmp_path: Path, data: str) -> None:
    found = plan(place, {"local": Shelf()}, request(production_data=str(tmp_path / data)))  # type: ignore[dict-item]
    assert codes(found) == {"scratch-is-production"}
    assert not place.home.exists()


def test_a_directory_that_leads_elsewhere_is_refused(place: scratch.ScratchCluster, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "elsewhere").mkdir()
    place.home.symlink_to(tmp_path / "elsewhere")
    assert "scratch-is-production" in codes(plan(place, {"local": Shelf()}, request()))  # type: ignore[dict-item]


def test_too_little_disk(place: scratch.ScratchCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_check, "free_bytes", lambda _: 10)
    assert codes(plan(place, {"local": Shelf()}, request())) == {"disk-full"}  # type: ignore[dict-item]
    assert not place.home.exists()


def test_another_major_version(place: scratch.ScratchCluster) -> None:
    (place.binaries / "postgres").unlink()
    assert codes(plan(place, {"local": Shelf()}, request())) == {"other-version"}  # type: ignore[dict-item]


@pytest.mark.parametrize("fresh", [False, True])
def test_another_run_s_instance_is_left_alone_unless_a_person_says_so_or_it_is_a_drill_s_own(
    place: scratch.ScratchCluster, fresh: bool
) -> None:
    place.home.mkdir(parents=True)
    other = request(target=f"backup:{BACKUP.label}").as_dict()
    write_state(place, {"phase": "replayed", "run": "r1", "request": other, "decision": {"source": "local"}})
    before = place.state_file.read_bytes()
    found = plan(place, {"local": Shelf()}, request(fresh=fresh))  # type: ignore[dict-item]
    assert codes(found) == (set() if fresh else {"scratch-occupied"})
    assert codes(found, "stop") == set(), "a named person can override it"
    assert place.state_file.read_bytes() == before


def test_a_directory_of_unknown_origin_is_left_alone_even_by_a_drill(place: scratch.ScratchCluster) -> None:
    place.data.mkdir(parents=True)
    assert codes(plan(place, {"local": Shelf()}, request(fresh=True))) == {"scratch-occupied"}  # type: ignore[dict-item]


def test_its_own_interrupted_run_is_continued_with_the_decision_it_had(place: scratch.ScratchCluster) -> None:
    place.home.mkdir(parents=True)
    decision = {"source": "local", "backup": BACKUP.label, "target": "latest", "mark": 1}
    write_state(place, {"phase": "restored", "run": "r1", "request": request().as_dict(), "decision": decision})
    found = plan(place, {"local": Shelf()}, request())  # type: ignore[dict-item]
    assert (codes(found), found.decision) == (set(), decision)
    assert "continues" in codes(found, "info")


def test_a_seed_draws_the_same_moment_again_and_only_recoverable_ones() -> None:
    drawn = {scratch_check.draw(Shelf(), seed) for seed in range(40)}  # type: ignore[arg-type]
    assert len(drawn) > 20
    assert scratch_check.draw(Shelf(), 7) == scratch_check.draw(Shelf(), 7)  # type: ignore[arg-type]
    first, last = scratch_check.recoverable_range([BACKUP], Shelf().archive("").segments)
    assert (first, last) == (1101, 1500)
    assert all(scratch_check.clock(first) <= each.removeprefix("time:") <= scratch_check.clock(last) for each in drawn)


def test_without_log_behind_the_backup_the_backup_itself_is_drawn() -> None:
    shelf = Shelf()
    shelf.archive = lambda _: Archive({Segment(1, 5): 1000}, {})  # type: ignore[method-assign]
    assert scratch_check.draw(shelf, 1) == f"backup:{BACKUP.label}"  # type: ignore[arg-type]


def test_the_log_that_is_fetched_begins_at_the_backup_and_ends_behind_the_target() -> None:
    decision = {"archive_id": "15-1", "wal_from": Segment(1, 6).name(), "timeline": 1}
    shelf: Any = Shelf()
    assert scratch.needed_log(shelf, decision, Target("latest")) == [Segment(1, n).name() for n in range(6, 12)]
    at = Target("time", time=datetime.fromtimestamp(1250, UTC))
    assert scratch.needed_log(shelf, decision, at) == [Segment(1, n).name() for n in range(6, 10)]


@pytest.mark.parametrize("name", ["", "../his", "His", "a b", "x" * 40])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(RestoreError):
        scratch.scratch_cluster(name, "/scratch", "15", 5432)


def test_a_repository_on_the_database_server_is_read_through_its_door(tmp_path: Path) -> None:
    carried = tmp_path / "removable"
    (carried / "backup" / "his").mkdir(parents=True)
    values = {"local": {"path": "/nowhere"}, "offsite": {"path": "/x", "host": "far"}, "removable": {"path": str(carried)}}
    seen = options.seen_from_elsewhere(values, {"stanza": "his", "address": "192.0.2.1"}, "his-db")
    assert (seen["local"]["host"], seen["local"]["reader"]) == ("his-db", "backup_reader")
    assert seen["offsite"]["host"] == "far"
    assert "host" not in seen["removable"]


# ---- proofs of innocence ----------------------------------------------------------------------------------------------


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x", encoding="utf-8")


def _same_size_same_time(path: Path) -> None:
    state = path.stat()
    path.write_text("y", encoding="utf-8")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


TAMPERED: dict[str, Callable[[Path], None]] = {
    "changed": lambda root: (root / "backup/his/backup.info").write_text("other", encoding="utf-8") and None,
    "changed and its time set back": lambda root: _same_size_same_time(root / "backup/his/backup.info"),
    "deleted": lambda root: (root / "archive/his/15-1/a").unlink(),
    "added": lambda root: _write(root / "backup/his/more"),
    "other rights": lambda root: (root / "backup/his/backup.info").chmod(0o666),
}


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Return a small repository on disk."""
    for name in ("backup/his/backup.info", "archive/his/15-1/a"):
        _write(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("how", TAMPERED)
def test_a_repository_that_was_written_to_is_seen(shelf: Path, how: str) -> None:
    before = fingerprint.scan(shelf)
    TAMPERED[how](shelf)
    findings, figures = fingerprint.compare_repository(before, fingerprint.scan(shelf), "it")
    assert [(f.code, f.severity) for f in findings] == [("repository-changed", "stop")]
    assert figures["changed"] == 1


def test_production_s_own_log_is_no_change(shelf: Path) -> None:
    before = fingerprint.scan(shelf)
    _write(shelf / "archive/his/15-1/b")
    _write(shelf / "archive/his/15-1/c.pgbackrest.tmp")
    findings, figures = fingerprint.compare_repository(before, fingerprint.scan(shelf), "it")
    assert (findings, figures["log_added"]) == ([], 1)
    assert figures["digest_before"] == figures["digest_after"]


def test_a_backup_taken_meanwhile_leaves_it_unproven_and_not_green(shelf: Path) -> None:
    before = fingerprint.scan(shelf)
    _write(shelf / "backup/his/20261122-020000F/backup.manifest")
    findings, _ = fingerprint.compare_repository(before, fingerprint.scan(shelf), "it")
    assert [f.code for f in findings] == ["repository-busy"]


@pytest.mark.parametrize("fact", ["timeline", "started", "settings", "configuration"])
def test_production_that_is_not_as_it_was_is_seen(fact: str) -> None:
    before = {"timeline": "1", "started": "then", "settings": "a", "configuration": "b"}
    assert fingerprint.compare_server(before, dict(before)) == []
    (finding,) = fingerprint.compare_server(before, before | {fact: "other"})
    assert (finding.code, fact in finding.message) == ("production-changed", True)


WELL = {"rto_s": 40.0, "rto_target_s": 300, "rpo_s": 0.4, "rpo_target_s": 30}


@pytest.mark.parametrize(
    ("more", "complaints", "verdict"),
    [
        ({}, [], "PASS"),
        ({"rto_s": 301.0}, [], "FAIL"),
        ({"rpo_s": 31.0}, [], "FAIL"),
        ({"rpo_s": None}, [], "COULD-NOT-VERIFY"),
        ({"rto_target_s": None}, [], "COULD-NOT-VERIFY"),
        ({}, ["ward-1 was without service"], "FAIL"),
        ({"rpo_s": None, "rto_s": 301.0}, [], "FAIL"),
    ],
)
def test_figures_are_held_against_the_plan(more: dict[str, Any], complaints: list[str], verdict: str) -> None:
    found, reason = judging.judge(WELL | more, complaints)
    assert found == verdict
    assert bool(reason) is (verdict != "PASS")


def test_what_the_wards_saw_fail_is_told() -> None:
    gap = {"start": "2026-11-22T01:00:00+00:00", "first_failure": "2026-11-22T01:00:01+00:00", "end": None, "seconds": 5, "failed": 3}
    wards = [{"workstation": "ward-1", "gaps": [gap]}, {"workstation": "outpatient-1", "gaps": []}]
    assert judging.disturbed(wards, "2026-11-22T00:59:00Z") == ["ward-1 was without service for 5.0 s from 2026-11-22T01:00:00+00:00"]
    assert judging.disturbed(wards[1:], "2026-11-22T00:59:00Z") == []
