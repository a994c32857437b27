"""Answers given at another terminal: find the question, judge whether it can still be answered, hand the answer in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recovery.evidence import incident as incidents
from recovery.evidence.journal import JournalError
from recovery.frame import approvals, files, project, status, steps
from recovery.frame.project import FrameError

Question = tuple[Path, dict[str, Any]]


def _directory(reference: str, kind: str) -> Path | None:
    """Return the directory that INCIDENT/N names; None where the reference names no incident."""
    incident, _, number = reference.rpartition("/")
    if not incident or not number.isdigit():
        return None
    try:
        return incidents.open_incident(incident) / kind / number
    except incidents.IncidentError as error:
        raise FrameError(str(error)) from error


def _asked_by_living(incident: Path, found: list[Question]) -> list[Question]:
    """Leave out what a run asked that is gone: killed, it waits for no answer; run again, it asks anew."""
    running = {one.run for one in status.read_incident(incident).runs if one.state == "running"} if found else set()
    return [(path, question) for path, question in found if question.get("run") in running]


def _only(found: list[Question], what: str, number: str = "") -> Path:
    fitting = [path for path, _ in found if not number or path.name == number]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        which = f"{what} {number}" if number else what
        raise FrameError(f"No {which} waits for an answer. What waits: recovery status")
    listed = "\n".join(f"  {path.parent.parent.name}/{path.name}" for path in fitting)
    raise FrameError(f"More than one {what} waits; say which:\n{listed}")


def answer_approval(reference: str, principal: str, key: str, *, deny: bool, reason: str) -> list[str]:
    """Sign an answer to a plan of action. A late, repeated or wrong one is refused and journalled. Returns what to show."""
    named = _directory(reference, approvals.DIRECTORY)
    if named is None:
        waiting = [each for path in incidents.list_incidents() for each in _asked_by_living(path, approvals.open_requests(path))]
        named = _only(waiting, "approval", reference)
    request = files.read_json(named / "request.json")
    if request is None:
        raise FrameError(f"There is no question {reference}. What waits: recovery status")
    lines = [f"{request['runbook']} on {request['target']}, class {request['fault_class']}, asked for by {request['requested_by']}:"]
    lines += [f"  {name}: {value}" for name, value in request["action"].items()]
    try:
        approvals.answer(named, principal, Path(key).expanduser(), deny=deny, reason=reason)
    except FrameError as error:
        _journal_refused(named, request, principal, str(error))
        raise
    lines.append(f"{principal} says {'no' if deny else 'yes'}; signed over request {request['request']}.")
    return lines


def _journal_refused(directory: Path, request: dict[str, Any], principal: str, reason: str) -> None:
    data = {"request": files.sha256(files.canonical(request)), "principal": principal, "reason": reason, "at_terminal": True}
    incident = directory.parent.parent
    try:
        journal = incidents.journal_of(incident, str(request.get("run") or ""))
        journal.append("approval_answer", name="An answer was refused", result="refused", data=data)
    except JournalError as error:
        raise FrameError(f"{reason}\nThis refusal could not be journalled: {error}") from error


def answer_step(reference: str, *, by: str, note: str, evidence: str, done: bool) -> list[str]:
    """Say that a step was done, or that it cannot be done. Returns what to show."""
    named = _directory(reference, steps.DIRECTORY)
    if named is None:
        waiting = [each for path in incidents.list_incidents() for each in _asked_by_living(path, steps.open_steps(path))]
        named = _only(waiting, "step", reference)
    step = files.read_json(named / "step.json") or {}
    if step.get("state") == "waiting" and not _asked_by_living(named.parent.parent, [(named, step)]):
        raise FrameError(f"Step {named.name} was asked by a run that is gone. Run the runbook again: it asks for what is left to do.")
    if not done and not note:
        raise FrameError("Say why it cannot be done: --note TEXT.")
    steps.answer(named, by=by or project.requester(), note=note, done=done, evidence=evidence)
    claim = f" It is {step['claim']} now." if step.get("claim") and done else ""
    return [f"Step {named.name}, {step.get('instruction')}: {'done' if done else 'cannot be done'}.{claim}"]
