"""How the recoveries stand, read from the journals: what runs, what was interrupted, who is waited for, what continues it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from recovery.evidence import incident as incidents
from recovery.frame import approvals, files, lock, steps
from recovery.frame.figures import duration
from recovery.frame.follow import Follower
from recovery.frame.verdict import COULD_NOT_VERIFY, FAIL, judge_run
from recovery.frame.view import shown_name
from recovery.plan import Deadlines

Event = Mapping[str, Any]


@dataclass
class RunState:
    """One run of an incident: ``state`` is running, interrupted or ended; ``continues`` is the command that goes on."""

    run: str
    runbook: str
    state: str
    began: str
    requested_by: str
    last: str
    result: str = ""
    reason: str = ""
    continues: str = ""
    rehearsal: bool = False


@dataclass
class IncidentState:
    """One incident: its runs, and the people who are waited for, each with a deadline and the command that answers."""

    directory: Path
    runs: list[RunState] = field(default_factory=list)
    waiting: list[dict[str, str]] = field(default_factory=list)
    fault_at: datetime | None = None
    """When the service stopped, while it has not been proven again."""

    @property
    def open(self) -> bool:
        """Tell whether somebody has something to do here: a refused run has left nothing behind."""
        real = [each for each in self.runs if not each.rehearsal]
        unfinished = any(each.state == "running" for each in self.runs)
        ended_badly = bool(real) and (real[-1].state == "interrupted" or real[-1].result in (FAIL, COULD_NOT_VERIFY))
        return unfinished or bool(self.waiting) or ended_badly or self.fault_at is not None


def _continue_command(data: Mapping[str, Any], incident: str) -> str:
    """Return the command that goes on with a run: what was typed, without the program, in the same incident."""
    words = ["recovery", "run", str(data.get("runbook"))]
    raw = data.get("command")
    typed = shlex.split(raw) if isinstance(raw, str) else [str(each) for each in raw or []]
    playbook = str(data.get("playbook") or "")
    if (playbook and f"/playbooks/{words[2]}.yml" not in playbook) or "/tests/" in playbook:
        words[2] = playbook
    for word in typed[1:]:
        if word != playbook and not (word.endswith((".yml", ".yaml")) and Path(word).stem == data.get("runbook")):
            words.append(word)
    return shlex.join([*words, "--incident", incident])


def _last(lines: list[Event]) -> str:
    """Say in one line what the run did last."""
    for event in reversed(lines):
        if event.get("event") in ("task", "manual_step_asked", "approval_requested"):
            place = f"{event.get('clause')} {event.get('phase')}".strip()
            ended = f": {event['result']}" if event.get("result") else ""
            return f"{place}  {event.get('name')}{ended}".strip()
    return "nothing yet"


def _alive(lines: list[Event], run: str, root: Path) -> bool:
    """Tell whether the process of a run lives: as its lock says, or as its own number and the time of its beginning say."""
    held = [each for each in lock.holders(root) if each.run == run]
    if held:
        return held[0].liveness() == "alive"
    begin = next((event for event in lines if event.get("event") == "run_begin"), None)
    if begin is None:
        return False
    pid = (begin.get("data") or {}).get("pid")
    if not isinstance(pid, int) or lock.process_started(pid) is None:
        return False
    try:
        began = Path(f"/proc/{pid}").stat().st_ctime
    except OSError:
        return False
    # A later process with the same number began after this run did.
    return began <= files.parse_iso(str(begin["at"])).timestamp() + 1


def read_incident(directory: Path) -> IncidentState:
    """Read how one incident stands."""
    state = IncidentState(directory)
    by_run: dict[str, list[Event]] = {}
    for event in Follower(directory / "journal.jsonl").poll():
        if event.get("run"):
            by_run.setdefault(str(event["run"]), []).append(event)
    state.fault_at = _fault(event for lines in by_run.values() for event in lines)
    for run, lines in by_run.items():
        begin = next((event for event in lines if event.get("event") == "run_begin"), None)
        if begin is None:
            continue
        data = begin.get("data") or {}
        ended = any(event.get("event") == "run_end" for event in lines)
        verdict = judge_run(lines)
        one = RunState(
            run=run,
            runbook=str(data.get("runbook")),
            state="ended" if ended else ("running" if _alive(lines, run, directory.parent) else "interrupted"),
            began=str(begin.get("at")),
            requested_by=str(data.get("requested_by") or ""),
            last=_last(lines),
            rehearsal=verdict.scope == "rehearsal",
        )
        if ended:
            one.result, one.reason = verdict.result, verdict.reason
        if one.state == "interrupted" or (ended and verdict.result != "PASS"):
            one.continues = _continue_command(data, directory.name)
        state.runs.append(one)
    latest = {each.runbook: each.run for each in state.runs}
    for each in state.runs:
        if latest[each.runbook] != each.run:
            each.continues = ""  # a later run of the same runbook has gone on from there
    running = {each.run for each in state.runs if each.state == "running"}
    for path, request in approvals.open_requests(directory):
        if request.get("run") in running:
            answered = {each.stem for each in (path / "answers").glob("*.sig")}
            missing = [str(each) for each in request["of"] if each not in answered and each != request["requested_by"]]
            state.waiting.append(_waiting(
                f"approval of {request['runbook']} on {request['target']}: {request['needed']} of {', '.join(request['of'])}; "
                f"answered: {', '.join(sorted(answered)) or 'nobody'}; can answer: {', '.join(missing)}",
                str(request["expires_at"]),
                f"recovery approve {directory.name}/{path.name} --as PRINCIPAL --key FILE",
            ))  # fmt: skip
    for path, step in steps.open_steps(directory):
        if step.get("run") in running:
            what = f"step {path.name} for {step['who']}: {step['instruction']}"
            state.waiting.append(_waiting(what, str(step["expires_at"]), f"recovery confirm {directory.name}/{path.name}"))
    return state


def _fault(events: Iterable[Event]) -> datetime | None:
    """Return when the service of an incident stopped, unless it was proven since."""
    moments: dict[str, datetime] = {}
    for event in sorted(events, key=lambda each: int(each.get("seq") or 0)):
        if event.get("event") == "milestone":
            at = (event.get("data") or {}).get("at") or event.get("at")
            moments[str(event.get("name"))] = files.parse_iso(str(at))
    fault = moments.get("fault") or moments.get("detected")
    proven = moments.get("service_proven")
    return fault if fault is not None and (proven is None or proven < fault) else None


def next_deadlines(fault_at: datetime, deadlines: Deadlines, now: datetime) -> list[str]:
    """Return what the downtime clock says (CLK-1 to CLK-4): who works on paper already, and who is next, when."""
    lines: list[str] = []
    for deadline in deadlines.in_force:
        due = files.later(fault_at, deadline.after_minutes * 60)
        who = ", ".join(deadlines.departments[each]["en"] for each in deadline.departments)
        how = "to paper" if deadline.mode == "manual" else "stand-alone"
        at = due.astimezone().strftime("%H:%M")
        if due <= now:
            lines.append(f"  due          {who}: {how} since {at}   {deadline.clause}")
            continue
        lines.append(f"  next         {who}: {how} at {at} (in {duration((due - now).total_seconds())})   {deadline.clause}")
        break
    return lines


def _waiting(what: str, until: str, command: str) -> dict[str, str]:
    left = (files.parse_iso(until) - files.now()).total_seconds()
    return {"what": what, "until": until, "left": duration(max(0.0, left)), "command": command}


def lines_of(state: IncidentState, *, everything: bool, deadlines: Deadlines | None = None) -> list[str]:
    """Return what is shown of an incident, line by line."""
    lines = [f"Incident {state.directory.name}"]
    if state.fault_at is not None:
        lines[0] += f"   open {duration((files.now() - state.fault_at).total_seconds())}"
        lines += next_deadlines(state.fault_at, deadlines, files.now()) if deadlines else []
    for one in state.runs:
        if not (everything or one.state != "ended" or one is state.runs[-1]):
            continue
        since = duration((files.now() - files.parse_iso(one.began)).total_seconds())
        shown = shown_name(one.result) if one.state == "ended" else one.state
        kind = " (rehearsal)" if one.rehearsal else ""
        lines.append(f"  {shown:<12} {one.runbook}{kind}   began {since} ago, asked for by {one.requested_by or 'somebody'}")
        if one.reason:
            lines.append(f"               {one.reason.splitlines()[0]}")
        if one.state != "ended":
            lines.append(f"               last: {one.last}")
        if one.continues:
            lines.append(f"    {'continue' if one.state == 'interrupted' else 'again':<10} {one.continues}")
    for each in state.waiting:
        lines.append(f"  waiting      {each['what']}")
        lines.append(f"               until {each['until']} (in {each['left']})")
        lines.append(f"    do         {each['command']}")
    return lines


def report(root: Path, *, everything: bool = False, deadlines: Deadlines | None = None) -> list[str]:
    """Return how all open incidents and the newest one stand (``everything``: the closed ones too)."""
    lines: list[str] = []
    known = incidents.list_incidents(root)
    for directory in known:
        state = read_incident(directory)
        if state.runs and (everything or state.open or directory == known[-1]):
            lines += lines_of(state, everything=everything, deadlines=deadlines)
    for who in lock.holders(root):
        liveness = {"alive": "alive", "dead": "its process is dead", "elsewhere": "on another machine"}[who.liveness()]
        lines.append(f"Held         {who.target}: {who.sentence()}, {liveness}")
    return lines or ["No incident is open, nothing runs, nobody is waited for."]
