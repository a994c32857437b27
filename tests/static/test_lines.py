"""Every source file stays short enough to be read in one sitting, and speaks of no place that only its authors have."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
LONGEST = 400
CODE = {".py", ".yml", ".sh", ".j2", ".sql", ".js", ".css", ".html"}


def tracked() -> list[Path]:
    """Return the files of the project: tracked ones, and in an archive without .git all but the caches."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=False)
    if listed.returncode == 0:
        found = [PROJECT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        caches = {".venv", ".cache", "incidents", "build"}
        found = [path for path in PROJECT.rglob("*") if not caches & set(path.relative_to(PROJECT).parts)]
    return [path for path in found if path.is_file()]


FILES = tracked()


def test_the_list_of_files_is_not_empty() -> None:
    assert len(FILES) > 10


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix in CODE], ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_file_is_at_most_400_lines_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_no_file_names_a_directory_of_its_authors() -> None:
    strange = "/" + "work" + "/"
    named = [str(path.relative_to(PROJECT)) for path in FILES if strange.encode() in path.read_bytes() and path.suffix != ".png"]
    assert named == []
