"""A mode of a runbook is a playbook of its own, and `recovery run` finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from recovery.frame.project import FrameError, route
from recovery.frame.runner import Order


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project with three runbooks."""
    (tmp_path / "playbooks").mkdir()
    for name in ("restore", "restore_beside", "verify"):
        (tmp_path / "playbooks" / f"{name}.yml").write_text("# x\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("runbook", "mode", "found"),
    [("restore", "beside", "restore_beside"), ("restore", "", "restore"), ("restore", "replace", "restore"), ("verify", "fast", "verify")],
)
def test_a_mode_leads_to_its_playbook(project: Path, runbook: str, mode: str, found: str) -> None:
    assert route(runbook, mode, project) == found


def test_an_unknown_mode_is_refused_with_the_list(project: Path) -> None:
    with pytest.raises(FrameError, match=r"no mode 'sideways', and nothing was started. Its modes are: replace, beside\."):
        route("restore", "sideways", project)


@pytest.mark.parametrize(
    ("extra", "value"),
    [
        ([], ""),
        (["mode=beside"], "beside"),
        (["source=local mode=beside"], "beside"),
        (["mode=table", "mode=beside"], "beside"),
        (['{"mode": "beside"}'], "beside"),
        (["note='mode=table'"], ""),
        (["@file.yml", "note='unbalanced"], ""),
    ],
)
def test_the_mode_is_read_as_it_was_given(extra: list[str], value: str) -> None:
    assert Order("restore", extra=extra).variable("mode") == value
