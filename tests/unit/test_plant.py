"""The hospital's record of its wire: read, refused where it contradicts itself, and changed by proposals only."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from recovery.network import fibre_record
from recovery.network.plant import Pair, Plant, PlantError, Route, Temporary, load, moved, switch_of
from support.project import PROJECT

RECORD = PROJECT / "inventories" / "lab" / "plant"
SEGMENT = "core-a--acc-2"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Return a copy of the lab's record in a git history of its own."""
    directory = tmp_path / "inventory" / "plant"
    shutil.copytree(RECORD, directory)
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "The record"]):
        who = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True)
    return directory


def rewrite(directory: Path, old: str, new: str, name: str = "fibres.yml") -> None:
    path = directory / name
    before = path.read_text(encoding="utf-8")
    assert old in before, "the test changes something"
    path.write_text(before.replace(old, new, 1), encoding="utf-8")


def test_the_record_of_the_lab_is_sound_and_says_what_is_asked() -> None:
    plant = load(RECORD)
    pair = plant.pair_of(SEGMENT)
    assert pair.ends == plant.segments[SEGMENT].ends, "a pair at home need not repeat its ports"
    assert {spare.name for spare in plant.spares(plant.segments[SEGMENT])} == {"acc-2-e2", "acc-2-w1"}
    assert plant.free_ports("acc-2", "10GBASE-LR") == ["acc-2:Ten-GigabitEthernet1/0/26"]
    assert plant.budget_db("10GBASE-LR") == pytest.approx(4.2)
    assert [area.name for area in plant.areas_behind(SEGMENT)] == ["emergency"]
    assert plant.room_of("odf-emergency").name == plant.room_of("acc-2").name


def test_the_record_and_the_lab_tell_of_the_same_wire() -> None:
    import lab.plant

    truth, plant = lab.plant.load(), load(RECORD)
    assert {name: (pair.route, tuple(pair.strands), tuple(pair.loss_db)) for name, pair in truth.pairs.items()} == {
        name: (pair.route, pair.strands, pair.loss_db) for name, pair in plant.pairs.items()
    }
    assert {name: tuple(pair.ends) for name, pair in truth.pairs.items() if all(pair.ends)} == {
        name: pair.ends for name, pair in plant.pairs.items() if pair.ends
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{name: acc-2-e2, route: emergency-east", "{name: acc-2-e2, route: harbour", "a route that the record does not have"),
        ("emergency-east, strands: [3, 4]", "emergency-east, strands: [2, 3]", "strand 2 of emergency-east belongs to two pairs"),
        ("emergency-east, strands: [3, 4]", "emergency-east, strands: [13, 14]", "which has 12"),
        ("state: in-use, segment: core-a--acc-2", "state: spare, segment: core-a--acc-2", "is spare and carries core-a--acc-2"),
        ("state: in-use, segment: core-a--acc-2", "state: spare", "runs over no pair"),
        (
            "route: emergency-east, strands: [3, 4], state: spare",
            "route: emergency-east, strands: [3, 4], state: in-use, segment: core-a--acc-2",
            "runs over acc-2-e1 and acc-2-e2",
        ),
        ("segment: core-a--acc-2", "segment: core-a--acc-9", "a segment that the record does not have"),
        ("home: acc-2-e1", "home: acc-2-e9", "which the record does not have"),
        ('"acc-2:Ten-GigabitEthernet1/0/25"', '"acc-2:Ten-GigabitEthernet1/0/27"', "holds no 10GBASE-LR"),
        ('"core-a:10GE1/0/43"', '"core-a:10GE1/0/42"', "two cables are plugged into core-a:10GE1/0/42"),
        ("panels: [odf-core, odf-emergency], length_m: 320", "panels: [odf-core, odf-lost], length_m: 320", "which is in no room"),
        ("panels: [odf-core, odf-emergency], length_m: 320", "panels: [odf-core, odf-ward], length_m: 320", "which is not"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(record: Path, old: str, new: str, said: str) -> None:
    rewrite(record, old, new)
    with pytest.raises(PlantError) as refused:
        load(record)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("fibres.yml", "state: spare", "state: dark", "none of in-use, spare, broken"),
        ("fibres.yml", "numbers: 41-48", "numbers: 48-41", "must be a range"),
        ("fibres.yml", "tested: 2026-10-12", "tested: last-year", "must be a day"),
        ("fibres.yml", "loss_db: [0.8, 0.9]", "loss_db: [0.8]", "a loss for each"),
        ("fibres.yml", "name: srv-1-e2", "name: srv-1-e1", "two pairs are called srv-1-e1"),
        ("rooms.yml", "switches: [acc-2]", "switches: [acc-2, acc-1]", "acc-1 stands in two rooms"),
        ("rooms.yml", "switches: [acc-2]", "switches: []", "stands in no room"),
        ("cables.yml", "area: pharmacy", "area: chemist", "no area of priorities.yml"),
    ],
)
def test_a_record_that_is_badly_written_is_refused(record: Path, name: str, old: str, new: str, said: str) -> None:
    rewrite(record, old, new, name)
    with pytest.raises(PlantError) as refused:
        load(record)
    assert said in str(refused.value)


def test_a_record_that_is_not_there_is_refused(record: Path) -> None:
    (record / "rooms.yml").unlink()
    with pytest.raises(PlantError, match="missing"):
        load(record)


# --- proposals -------------------------------------------------------------------------------------------------------


def after_a_swap(plant: Plant) -> list[Pair]:
    return moved(plant, SEGMENT, plant.pairs["acc-2-w1"], ("core-a:10GE1/0/46", "acc-2:Ten-GigabitEthernet1/0/26"), "broken")


def git(directory: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(directory), *words], check=True, capture_output=True, text=True).stdout


def test_a_proposal_is_a_commit_of_its_own_and_touches_nothing_else(record: Path) -> None:
    before, head, branch = git(record, "status", "--porcelain"), git(record, "rev-parse", "HEAD"), git(record, "branch", "--show-current")
    text = (record / "fibres.yml").read_text(encoding="utf-8")
    proposal = fibre_record.propose_pairs(record, "2026-11-22-01/run 7", after_a_swap(load(record)), [], "Swapped", "Why")
    assert proposal.branch == "proposal/2026-11-22-01-run-7"
    assert (git(record, "status", "--porcelain"), git(record, "rev-parse", "HEAD"), git(record, "branch", "--show-current")) == (
        before,
        head,
        branch,
    )
    assert (record / "fibres.yml").read_text(encoding="utf-8") == text
    assert git(record, "rev-list", "--count", f"main..{proposal.branch}").strip() == "1"
    assert [line[:2] for line in proposal.diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")].count("- ") == 2


def test_a_proposal_that_was_merged_is_the_new_record(record: Path) -> None:
    proposal = fibre_record.propose_pairs(record, "run-1", after_a_swap(load(record)), [], "Swapped", "Why")
    git(record, "merge", "-q", proposal.branch)
    plant = load(record)
    assert plant.pair_of(SEGMENT).name == "acc-2-w1"
    assert plant.pair_of(SEGMENT).ends == ("core-a:10GE1/0/46", "acc-2:Ten-GigabitEthernet1/0/26")
    assert plant.pairs["acc-2-e1"].state == "broken"
    assert plant.free_ports("acc-2", "10GBASE-LR") == [], "the broken strand is still plugged"


def test_the_same_run_proposes_once(record: Path) -> None:
    first = fibre_record.propose_pairs(record, "run-1", after_a_swap(load(record)), [], "Swapped", "Why")
    second = fibre_record.propose_pairs(record, "run-1", after_a_swap(load(record)), [], "Swapped", "Why")
    assert first.branch == second.branch
    assert git(record, "rev-list", "--count", f"main..{second.branch}").strip() == "1"


def test_a_measurement_changes_one_line_and_a_dark_strand_is_null(record: Path) -> None:
    plant = load(record)
    measured = replace(plant.pairs["acc-3-w1"], loss_db=(2.31, None), tested=datetime.date(2026, 11, 22))
    proposal = fibre_record.propose_pairs(record, "run-2", [measured], [], "Measured", "Quarterly")
    git(record, "merge", "-q", proposal.branch)
    assert load(record).pairs["acc-3-w1"] == measured
    assert proposal.diff.count("\n+ ") == 1


def test_a_temporary_cable_is_a_route_and_a_pair_of_its_own(record: Path) -> None:
    plant = load(record)
    laid = Temporary(datetime.date(2026, 11, 22), datetime.date(2026, 12, 6), "2026-11-22-01")
    route = Route("temporary-acc-2", ("odf-core", "odf-emergency"), 350, 2, {"zh": "沿走廊", "en": 'along the corridor, "north"'}, laid)
    pair = Pair("temporary-acc-2-1", route.name, (1, 2), "spare")
    ends = ("core-a:10GE1/0/46", "acc-2:Ten-GigabitEthernet1/0/26")
    proposal = fibre_record.propose_pairs(record, "run-3", moved(plant, SEGMENT, pair, ends, "broken"), [route], "Temporary cable", "Why")
    git(record, "merge", "-q", proposal.branch)
    after = load(record)
    assert after.routes["temporary-acc-2"] == route
    assert after.pair_of(SEGMENT).route == "temporary-acc-2"


def test_what_would_contradict_itself_is_not_proposed(record: Path) -> None:
    plant = load(record)
    twice = replace(plant.pairs["acc-2-w1"], state="in-use", segment=SEGMENT, ends=("core-a:10GE1/0/46", "acc-2:Ten-GigabitEthernet1/0/26"))
    with pytest.raises(fibre_record.ProposalError, match="would contradict itself"):
        fibre_record.propose_pairs(record, "run-4", [twice], [], "Wrong", "Wrong")
    assert "proposal/run-4" not in git(record, "branch", "--list", "proposal/*")


def test_a_record_without_a_history_cannot_be_proposed_to(tmp_path: Path) -> None:
    shutil.copytree(RECORD, tmp_path / "plant")
    with pytest.raises(fibre_record.ProposalError, match="no git history"):
        fibre_record.check(tmp_path / "plant")


def test_the_switch_of_a_port_with_a_blank_in_its_name() -> None:
    assert switch_of("acc-3:TenGigabitEthernet 0/25") == "acc-3"
