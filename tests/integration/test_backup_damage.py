"""Damaged backups are refused and named, sound ones are not: some of the kinds that the benchmark ``damage`` draws in numbers."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.backups import Protected
from support.damages import DAMAGES, Damage, inflict

SEED = 20261122
# One of each family; most are refused before anything is restored, which keeps this short. The benchmark draws from all kinds.
CHOSEN = (
    "bit flip in a file of the full backup",
    "file of the differential backup missing",
    "catalogue of backups with a flipped bit",
    "list of files with a flipped bit",
    "segment of the log missing",
    "segment of another system's log",
    "repository of another system",
    "our manifest altered",
    "index without an entry",
)


@pytest.fixture(scope="module")
def protected() -> Iterator[Protected]:
    """A protected database, and a foreign one beside it; in a directory that postgres may enter, unlike pytest's."""
    root = Path(tempfile.mkdtemp(prefix="recovery-test-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    root.chmod(0o711)
    try:
        made = Protected.create(root / "base")
        Protected.create(root / "foreign", full_only=True)
        yield made
    finally:
        shutil.rmtree(root)


@pytest.fixture
def copy(protected: Protected) -> Iterator[Protected]:
    """A copy to damage."""
    made = protected.copy(protected.root.parent / "copy")
    yield made
    made.origin.stop()
    shutil.rmtree(made.root)


def test_a_sound_backup_is_not_refused_and_comes_back_whole(copy: Protected) -> None:
    judgement = copy.judge()
    assert judgement.phase == "", judgement.told()
    assert judgement.content == copy.content


@pytest.mark.parametrize("kind", [kind for kind in DAMAGES if kind.name in CHOSEN], ids=lambda kind: kind.name)
def test_a_damaged_backup_is_refused_by_name(copy: Protected, kind: Damage) -> None:
    place = inflict(copy, kind, random.Random(f"{SEED} {kind.name}"))  # noqa: S311 - repeatable
    judgement = copy.judge()
    assert kind.outcome(judgement, copy.content) in ("named", "harmless"), f"{place}: {judgement.phase} {judgement.told()}"


def test_there_are_twenty_kinds_and_the_chosen_are_among_them() -> None:
    names = [kind.name for kind in DAMAGES]
    assert len(set(names)) == len(names) >= 20
    assert set(CHOSEN) <= set(names)
