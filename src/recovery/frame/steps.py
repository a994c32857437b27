"""The steps of people: plug this cable, call the carrier. Asked in their language, answered by a file, and counted in the RTO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recovery.frame import files
from recovery.frame.project import FrameError

DIRECTORY = "manual_steps"


def ask(directory: Path, step: Mapping[str, Any]) -> None:
    """Write the step that a person is asked to do (``step.json``)."""
    files.write_json(directory / "step.json", {**step, "state": "waiting"})


def update(directory: Path, **changes: Any) -> None:
    """Change the state of a step; whoever watches sees the old one or the new one."""
    step = files.read_json(directory / "step.json") or {}
    files.write_json(directory / "step.json", {**step, **changes})


def answer(directory: Path, *, by: str, note: str = "", done: bool = True, evidence: str = "") -> None:
    """Write a person's answer (``answer.json``). Raises FrameError if the step does not wait (any more)."""
    step = files.read_json(directory / "step.json")
    if step is None:
        raise FrameError(f"There is no step in {directory}. The waiting ones: recovery status")
    if step.get("state") != "waiting":
        raise FrameError(f"Step {directory.name} does not wait any more: it is {step.get('state')}. The waiting ones: recovery status")
    if files.now() >= files.parse_iso(str(step["expires_at"])):
        raise FrameError(f"Step {directory.name} was to be done by {step['expires_at']}; run the runbook again to be asked anew.")
    files.write_json(directory / "answer.json", {"by": by, "at": files.iso(files.now()), "done": done, "note": note, "evidence": evidence})


def meant(waiting: Sequence[tuple[Path, int]], typed: str) -> tuple[Path | None, str]:
    """Return which waiting step (directory, number) a line at the terminal answers, and its note; None and a sentence if none.

    With one step, Enter is enough and a text is the note; with several, the line begins with the step's number.
    """
    line = typed.strip()
    if len(waiting) == 1:
        return waiting[0][0], line
    number, _, note = line.partition(" ")
    for directory, known in waiting:
        if number == str(known):
            return directory, note.strip()
    if not waiting:
        return None, "No step waits for an answer just now."
    numbers = " or ".join(str(known) for _, known in waiting)
    return None, f"Several steps wait. Begin with the number of the one that is done: {numbers}."


def take_answer(directory: Path) -> dict[str, Any] | None:
    """Return the answer that came, if one did; a half-written one is not there yet."""
    found = files.read_json(directory / "answer.json")
    return found if found is not None and isinstance(found.get("done", True), bool) else None


def set_aside(directory: Path, attempt: int) -> None:
    """Keep an answer whose claim did not hold, and make room for the next."""
    (directory / "answer.json").rename(directory / f"answer-{attempt}-did-not-hold.json")


def open_steps(incident: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return the steps of an incident that wait for a person and have not expired."""
    found: list[tuple[Path, dict[str, Any]]] = []
    for directory in files.numbered(incident / DIRECTORY):
        step = files.read_json(directory / "step.json")
        if step is None or step.get("state") != "waiting" or (directory / "answer.json").exists():
            continue
        if files.now() < files.parse_iso(str(step["expires_at"])):
            found.append((directory, step))
    return found
