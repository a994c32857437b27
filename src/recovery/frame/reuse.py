"""An interrupted run is continued on the word that was given for it: the very same plan of action, unexpired, each signature checked anew.

What people signed stays theirs: request and answers are copied byte for byte beside the run that goes on, so that its own evidence holds
what it acted upon.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recovery.evidence.incident import allocate
from recovery.frame import approvals, files

SAME = ("runbook", "target", "fault_class", "action_sha256", "needed", "of", "requested_by")
"""What must be as it was when people agreed. Who asks is among it: an approver who continues a run cannot have agreed to it."""


@dataclass(frozen=True)
class Given:
    """An approval that stands again, and when it was given first."""

    approval: approvals.Approval
    at: str


@dataclass(frozen=True)
class Earlier:
    """The interrupted run that this run continues."""

    run: str
    incident: Path


def interrupted(events: Iterable[Mapping[str, Any]], run: str) -> list[Earlier]:
    """Return the dead runs whose target this run took to continue them, as its journal says."""
    taken = [
        each for each in events if each.get("run") == run and each.get("event") == "lock_taken_over" and each.get("result") == "continued"
    ]
    data = [each.get("data") or {} for each in taken]
    return [Earlier(str(one["previous_run"]), Path(str(one["previous_incident"]))) for one in data if one.get("previous_incident")]


def reuse(
    earlier: Iterable[Earlier], request: Mapping[str, Any], run: str, incident: Path, signers: Path, tell: approvals.Tell
) -> Given | None:
    """Return the approval that was given to the interrupted run for this very request, or None: then people are asked."""
    for one in earlier:
        for directory, asked in _candidates(one, request):
            given = _again(directory, asked, run, incident, signers, tell)
            if given is not None:
                return given
    return None


def _candidates(earlier: Earlier, request: Mapping[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for directory in reversed(files.numbered(earlier.incident / approvals.DIRECTORY)):
        asked, outcome = files.read_json(directory / "request.json"), files.read_json(directory / "outcome.json")
        if asked is None or outcome is None or outcome.get("outcome") != "granted":
            continue
        if earlier.run not in (asked.get("run"), outcome.get("reused_by")):
            continue
        if any(asked.get(key) != request[key] for key in SAME) or asked.get("action") != request["action"]:
            continue
        if (directory / "request.json").read_bytes() == files.canonical(asked):
            yield directory, asked


def _again(directory: Path, asked: Mapping[str, Any], run: str, incident: Path, signers: Path, tell: approvals.Tell) -> Given | None:
    """Judge the old answers as if they came now: signatures, people, expiry."""
    _, place = allocate(incident, approvals.DIRECTORY)
    answers = [path for path in (directory / "answers").iterdir() if path.is_file() and not path.name.startswith(".")]
    (place / "answers").mkdir(parents=True, exist_ok=True)
    for path in answers:
        shutil.copyfile(path, place / "answers" / path.name)
    approval = approvals.Approval(place, asked, signers, tell)
    state = approval.poll()
    origin = f"{directory.parents[1].name}/{directory.name}"
    if state.outcome != "granted":
        approval.abandon(f"What was given at {origin} does not suffice any more: {state.sentence()}.")
        return None
    first = str((files.read_json(directory / "outcome.json") or {}).get("at", ""))
    outcome = files.read_json(place / "outcome.json") or {}
    files.write_json(place / "outcome.json", outcome | {"at": first, "reused_from": origin, "reused_by": run})
    state.reason = f"{state.reason} Given at {origin} to the run that was interrupted, for this very plan of action."
    return Given(approval, first)
