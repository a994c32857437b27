"""What the pages tell people to type exists, and what they point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from lab.cli import app as lab_app
from recovery.cli import app as recovery_app
from support.project import PROJECT, clauses, playbooks, short, tracked

PAGES = [path for path in tracked() if path.suffix == ".md" and "results" not in path.parts]
TYPED = re.compile(r"(?:^|`|\s)(recovery|lab) ([a-z]+)(?: ([a-z_]+))?", re.M)
SHOWN = re.compile(r"`([^`\n]+)`|^(?: {4}|\t)(.+)$", re.M)


def test_there_are_pages() -> None:
    names = {short(path) for path in PAGES}
    assert names >= {"README.md", "CHANGELOG.md", "docs/administrator.md", "docs/auditor.md", "docs/architecture.md"}


def shown(path: Path) -> str:
    """Return what a page shows as code: inline, or indented."""
    return "\n".join(inline or block for inline, block in SHOWN.findall(path.read_text(encoding="utf-8")))


def commands(app: typer.Typer) -> set[str]:
    """Return the names of an application's commands."""
    click = typer.main.get_command(app)
    return set(click.list_commands(None))  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_a_page_points_only_at_what_is_there(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_a_page_names_only_targets_of_make_that_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.M))
    assert targets
    named = set(re.findall(r"(?:^|\s|`)make ([a-z]+)", shown(path)))
    assert named - targets == set()


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_a_page_names_only_commands_and_runbooks_that_exist(path: Path) -> None:
    known = {"recovery": commands(recovery_app), "lab": commands(lab_app)}
    runbooks = {runbook.stem for runbook in playbooks()}
    guilty = []
    for program, command, argument in TYPED.findall(shown(path)):
        if command not in known[program]:
            guilty.append(f"{program} {command}")
        if (program, command) == ("recovery", "run") and argument and argument not in runbooks:
            guilty.append(f"recovery run {argument}")
    assert guilty == []


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_a_page_names_only_clauses_of_the_plan(path: Path) -> None:
    plan = clauses()
    kinds = {clause.split("-")[0] for clause in plan}
    named = {text for text in re.findall(r"\b([A-Z]{3,4}-\d+)\b", path.read_text(encoding="utf-8")) if text.split("-")[0] in kinds}
    assert named - set(plan) == set()


def test_every_runbook_is_named_on_a_page() -> None:
    text = " ".join(path.read_text(encoding="utf-8") for path in PAGES)
    assert [path.stem for path in playbooks() if path.stem not in text] == []
