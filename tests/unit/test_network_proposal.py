"""What a run would change in the hospital's records is a commit on a branch of its own; nothing else of the repository moves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recovery.network.exchange import keyed, swapped
from recovery.network.proposal import ProposalError, base, propose


def git(directory: Path, *words: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    done = subprocess.run(["git", *identity, "-C", str(directory), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A repository with a record, and work of somebody's that is not committed yet."""
    directory = tmp_path / "hospital" / "plant"
    directory.mkdir(parents=True)
    git(tmp_path / "hospital", "init", "--quiet", "--initial-branch=main")
    (directory / "fibres.yml").write_text("pairs: old\n")
    git(tmp_path / "hospital", "add", "--all")
    git(tmp_path / "hospital", "commit", "--quiet", "--message", "The record")
    (directory / "notes.txt").write_text("not committed\n")
    return directory


def test_a_proposal_is_a_branch_and_touches_nothing_else(records: Path) -> None:
    before = (git(records, "rev-parse", "HEAD"), git(records, "status", "--porcelain"))
    made = propose(records, "20261122T030000Z-1", {records / "fibres.yml": "pairs: new\n"}, "A pair moved", "Run 1.")
    assert made.branch == "proposal/20261122T030000Z-1"
    assert git(records, "show", f"{made.branch}:plant/fibres.yml") == "pairs: new"
    assert git(records, "rev-parse", f"{made.branch}^") == before[0]
    assert "-pairs: old\n+pairs: new" in made.diff
    assert (git(records, "rev-parse", "HEAD"), git(records, "status", "--porcelain")) == before
    assert (records / "fibres.yml").read_text() == "pairs: old\n"


def test_the_same_run_proposes_once(records: Path) -> None:
    for text in ("pairs: half\n", "pairs: whole\n"):
        made = propose(records, "one run", {records / "fibres.yml": text}, "A pair moved", "Run 1.")
    assert git(records, "rev-list", "--count", f"HEAD..{made.branch}") == "1"
    assert git(records, "show", f"{made.branch}:plant/fibres.yml") == "pairs: whole"


def test_records_outside_of_a_history_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProposalError, match="lie in no git history"):
        base(tmp_path)


def test_two_boxes_change_places_in_a_text() -> None:
    pairs = {"10.20.99.11": "10.20.99.12", "SERIAL-A": "SERIAL-S", "": "ignored"}
    text = "oob: 10.20.99.11\nserial: SERIAL-A\nnear: 10.20.99.110\nspare: 10.20.99.12 SERIAL-S\n"
    assert swapped(text, pairs) == "oob: 10.20.99.12\nserial: SERIAL-S\nnear: 10.20.99.110\nspare: 10.20.99.11 SERIAL-A\n"


def test_a_host_names_the_box_whose_key_it_shows_and_no_longer_when_it_is_its_own() -> None:
    text = "    core-a:\n      network_addresses: {oob: 10.20.99.12}\n    core-s:\n      network_addresses: {oob: 10.20.99.11}\n"
    exchanged = keyed(text, {"core-a": "core-s", "core-s": "core-a"})
    assert "network_addresses: {oob: 10.20.99.12}\n      network_key_name: core-s\n" in exchanged
    assert keyed(exchanged, {"core-a": "core-a", "core-s": "core-s"}) == text
