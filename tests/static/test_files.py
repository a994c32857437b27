"""Every source file can be read in one sitting, and speaks of no place that only its authors have."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from support.project import PROJECT, short, tracked

LONGEST = 400
CODE = {".py", ".yml", ".sh", ".j2", ".sql", ".js", ".css", ".html"}
TEXT = CODE | {".md", ".toml", ".cfg", ".txt", ""}
FILES = tracked()


def test_the_list_of_files_is_not_empty() -> None:
    assert len(FILES) > 10


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix in CODE], ids=short)
def test_a_file_is_at_most_400_lines_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_no_file_names_a_directory_of_its_authors() -> None:
    strange = re.compile(rb"/" + rb"work/|/" + rb"tmp/x/")
    assert [short(path) for path in FILES if path.suffix in TEXT and strange.search(path.read_bytes())] == []


def imported(path: Path) -> set[str]:
    """Return the absolute names that a Python file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


def python_files(*under: str) -> list[Path]:
    """Return the Python files below some directories; none at all is an error of the test."""
    found = [path for path in FILES if path.suffix == ".py" and path.is_relative_to(PROJECT / under[0])]
    assert found, f"no Python file below {under[0]}"
    return found


@pytest.mark.parametrize(("here", "stranger"), [("lab", "recovery"), ("src/recovery", "lab"), ("library", "lab")])
def test_the_lab_and_the_recovery_know_nothing_of_each_other(here: str, stranger: str) -> None:
    guilty = {short(path): sorted(n for n in imported(path) if n.split(".")[0] == stranger) for path in python_files(here)}
    assert {path: names for path, names in guilty.items() if names} == {}


# Shipped to the hospital's hosts: Debian's Python and psycopg2 are all there is.
FOREIGN = {"ansible", "ansible_runner", "yaml", "rich", "typer", "weasyprint", "jinja2", "psycopg", "faker", "recovery"}


def test_what_is_shipped_to_hosts_needs_only_their_python() -> None:
    shipped = [*python_files("src/recovery/database"), *python_files("src/recovery/pacs"), PROJECT / "src/recovery/findings.py"]
    guilty = {short(path): sorted(n for n in imported(path) if n.split(".")[0] in FOREIGN) for path in shipped}
    assert {path: names for path, names in guilty.items() if names} == {}


def test_scripts_can_be_executed_and_say_by_what() -> None:
    scripts = [path for path in FILES if path.parent in (PROJECT / "bin", PROJECT / ".ci")]
    assert scripts
    for path in scripts:
        assert path.stat().st_mode & 0o111, f"{short(path)} is not executable"
        assert path.read_text(encoding="utf-8").startswith("#!"), f"{short(path)} has no interpreter line"
