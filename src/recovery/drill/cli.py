"""``recovery drill``: the history of drills, and which are due."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from recovery.drill import due as judging
from recovery.drill import history as past
from recovery.frame import project
from recovery.frame.files import now
from recovery.frame.project import FrameError
from recovery.frame.verdict import USAGE
from recovery.plan import PlanError, load_drills

app = typer.Typer(no_args_is_help=True, help="What was rehearsed, and what is due.")


def _fail(error: Exception) -> typer.Exit:
    typer.echo(str(error), err=True)
    return typer.Exit(USAGE)


@app.command("history")
def history(
    drill: Annotated[str, typer.Argument(help="Only this drill of plan/drills.yml.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the drills that were run, oldest first, each with its incident and the digest of its evidence."""
    try:
        records = [record for record in past.load() if drill in ("", record.drill)]
    except (past.HistoryError, FrameError) as error:
        raise _fail(error) from error
    for record in records:
        evidence = f"{record.incident}  MANIFEST.sha256 {record.evidence_sha256 or 'not sealed'}"
        typer.echo(json.dumps(asdict(record), ensure_ascii=False) if as_json else f"{record.sentence()}\n    {evidence}")
    if not records and not as_json:
        typer.echo(f"No drill was ever recorded in {past.directory()}.")


@app.command("due")
def due(
    drill: Annotated[str, typer.Argument(help="Only this drill of plan/drills.yml.")] = "",
    at: Annotated[str, typer.Option("--at", help="Judge at this moment (ISO 8601 with zone) instead of now.")] = "",
) -> None:
    """Say how each drill of the plan stands. Exit status: 0 none is due, 11 never ran, 12 overdue, 13 failed; the most pressing counts."""
    try:
        moment = datetime.fromisoformat(at) if at else now()
        if moment.tzinfo is None:
            raise ValueError(f"{at!r} names no zone; write it as 2026-11-21T03:25:00+08:00")
        drills = load_drills(project.project_root() / "plan")
        if drill not in ("", *drills):
            raise ValueError(f"plan/drills.yml knows no drill {drill!r}, only {', '.join(drills)}.")
        found = judging.standings({name: one for name, one in drills.items() if drill in ("", name)}, past.load(), moment)
    except (past.HistoryError, FrameError, PlanError, ValueError) as error:
        raise _fail(error) from error
    for each in found:
        typer.echo(f"{each.state.upper():<10} {each.sentence}")
    raise typer.Exit(judging.worst(found))
