"""The verdict of a run, computed from its journal lines and from nothing else (docs/architecture.md, `verdict of a run`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PASS = "PASS"  # noqa: S105 - a verdict, not a password
FAIL = "FAIL"
COULD_NOT_VERIFY = "COULD-NOT-VERIFY"
NOT_RUN = "NOT-RUN"
EXIT_STATUS = {PASS: 0, FAIL: 2, COULD_NOT_VERIFY: 3, NOT_RUN: 4}
USAGE = 64

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """How a run ended. ``reason`` is empty for PASS only; ``scope`` is ``rehearsal`` in check mode, else ``run``."""

    result: str
    reason: str
    exit_status: int
    scope: str


def _verdict(result: str, reason: str, scope: str) -> Verdict:
    return Verdict(result, reason, EXIT_STATUS[result], scope)


def _data(event: Event) -> Mapping[str, Any]:
    data = event.get("data")
    return data if isinstance(data, Mapping) else {}


def _who(event: Event) -> str:
    host = event.get("host") or "the control node"
    return f"{host}: {event.get('name') or 'a task without a name'}"


def _refusal_reason(event: Event) -> str:
    findings = _data(event).get("findings") or []
    sentences = [str(each["message"]) for each in findings if isinstance(each, Mapping) and each.get("message")]
    return " ".join(sentences) or f"{_who(event)}: refused without saying why"


def _failure_reason(event: Event) -> str:
    message = str(_data(event).get("msg") or "").strip()
    first = message.splitlines()[0] if message else ""
    ended = "could not be reached" if event.get("result") == "unreachable" else "failed"
    return f"{_who(event)} ({ended})" + (f": {first}" if first else "")


def _expected(event: Event) -> bool:
    """Tell whether a host was out of reach where the runbook reckons with a dead one (ignore_unreachable) and goes on by itself."""
    return event.get("result") == "unreachable" and bool(_data(event).get("ignored"))


def is_rehearsal(events: Iterable[Event]) -> bool:
    """Tell whether the run was in check mode, from its ``run_begin``."""
    return any(event.get("event") == "run_begin" and _data(event).get("check_mode") is True for event in events)


def judge(events: Iterable[Event]) -> Verdict:
    """Judge a run that came to its end by its journal lines (``run_end`` itself is not needed, and not believed).

    The lines must be those of one run. Use ``judge_run`` for a run that may have been interrupted.
    """
    lines = list(events)
    rehearsal = is_rehearsal(lines)
    scope = "rehearsal" if rehearsal else "run"
    if not any(event.get("event") == "run_begin" for event in lines):
        return _verdict(COULD_NOT_VERIFY, "The journal holds no beginning of this run.", scope)
    tasks = [event for event in lines if event.get("event") == "task"]
    verdicts = [event for event in lines if event.get("event") == "verdict"]
    refusals = [event for event in lines if event.get("event") == "refusal"]
    # A CHECK changes nothing of the hospital; what it sets up beside production (a scratch instance) is no change of it.
    changed = not rehearsal and any(event.get("result") == "changed" and event.get("phase") != "CHECK" for event in tasks)
    if refusals and not changed:
        return _verdict(NOT_RUN, _refusal_reason(refusals[0]), scope)
    failure = _failure(tasks, verdicts, refusals, scope)
    if failure:
        return failure
    return _proof(lines, tasks, verdicts, rehearsal, scope)


def _failure(tasks: list[Event], verdicts: list[Event], refusals: list[Event], scope: str) -> Verdict | None:
    if refusals:
        return _verdict(FAIL, f"Refused after something had been changed. {_refusal_reason(refusals[0])}", scope)
    failed = [event for event in tasks if event.get("result") in ("failed", "unreachable") and not _expected(event)]
    if failed:
        return _verdict(FAIL, _failure_reason(failed[0]), scope)
    for event in verdicts:
        if event.get("result") == FAIL:
            return _verdict(FAIL, str(_data(event).get("reason") or f"{_who(event)}: FAIL without a reason"), scope)
    return None


def _proof(lines: list[Event], tasks: list[Event], verdicts: list[Event], rehearsal: bool, scope: str) -> Verdict:
    """Judge what did not fail: proven, unproven or empty."""
    if not any(event.get("result") in ("ok", "changed") for event in tasks):
        return _verdict(COULD_NOT_VERIFY, "Not one task of the runbook did anything: no host matched, or everything was skipped.", scope)
    begun = [event.get("phase") for event in lines if event.get("event") == "play_begin" and event.get("phase")]
    announced = [phase for event in lines if event.get("event") == "run_begin" for phase in _data(event).get("phases") or []]
    if len(begun) < len(announced):
        where = f"play {len(begun) + 1} of {len(announced)} ({announced[len(begun)]})"
        return _verdict(COULD_NOT_VERIFY, f"The run ended before {where}: no host was left to go on with.", scope)
    phases = {*begun, *announced}
    in_verify = [event for event in verdicts if event.get("phase") == "VERIFY"]
    if "VERIFY" in phases and not rehearsal and not in_verify:
        return _verdict(COULD_NOT_VERIFY, "The runbook has a VERIFY phase, and no verdict came out of it.", scope)
    for event in verdicts:
        if event.get("result") == PASS or (rehearsal and event.get("result") == NOT_RUN):
            continue
        reason = _data(event).get("reason") or f"{_who(event)}: {event.get('result')} without a reason"
        return _verdict(COULD_NOT_VERIFY, str(reason), scope)
    return _verdict(PASS, "", scope)


def judge_run(events: Iterable[Event]) -> Verdict:
    """Judge a run that may have been interrupted: without its ``run_end`` it is never PASS."""
    lines = list(events)
    verdict = judge(lines)
    if verdict.result == PASS and not any(event.get("event") == "run_end" for event in lines):
        return _verdict(COULD_NOT_VERIFY, "The run was interrupted: its end is not in the journal.", verdict.scope)
    return verdict
