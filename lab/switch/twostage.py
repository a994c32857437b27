"""Two-stage configuration: a candidate for each session, commit, trial, and back to an earlier commit (VRP 8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lab.switch.dialogue import Answering, Ask
from lab.switch.switch import Commit
from lab.switch.tree import RefusedError

if TYPE_CHECKING:
    from lab.switch.session import Session

Values = Mapping[str, Any]
FIRST = 1000000001


def _note(session: Session) -> None:
    switch = session.switch
    number = switch.commits[-1].number + 1 if switch.commits else FIRST
    switch.commits.append(Commit(number, datetime.now().astimezone(), session.user, switch.running.copy()))


def _put(session: Session) -> None:
    session.switch.replace(session.tree)
    _note(session)


def commit(session: Session, values: Values, argument: str) -> str:
    """Make the candidate the running configuration; a trial under way is thereby confirmed."""
    if session.candidate is None:
        return ""
    pending = session.switch.pending
    if pending is not None and pending.owner != session.user:
        raise RefusedError(str(session.data["refusals"]["trial_of_another"]))
    session.switch.pending = None
    if session.uncommitted:
        _put(session)
    return ""


def commit_trial(session: Session, values: Values, argument: str) -> str:
    """Make the candidate run for so many seconds; without a commit until then everything is as before."""
    if session.switch.pending is not None:
        raise RefusedError(str(session.data["refusals"]["trial"]))
    before = session.switch.running.copy()
    seconds = int(values.get("seconds", 600))
    _put(session)
    session.switch.arm(seconds, session.user, before)
    return ""


def abort_trial(session: Session, values: Values, argument: str) -> str:
    """End a trial: everything is as before."""
    pending = session.switch.pending
    if pending is None:
        raise RefusedError(str(session.data["refusals"]["nothing_armed"]))
    session.switch.pending = None
    session.switch.replace(pending.before)
    session.candidate = session.switch.running.copy()
    return ""


def clear_candidate(session: Session, values: Values, argument: str) -> str:
    """Forget what has not been committed."""
    session.candidate = session.switch.running.copy()
    del session.stack[1:]
    return ""


def rollback(session: Session, values: Values, argument: str) -> str:
    """Run what ran after an earlier commit, or before the last so many."""
    commits = list(session.switch.commits)
    earlier = commits[: -int(values["last"])][-1:] if "last" in values else []
    wanted = earlier or [row for row in commits if row.number == values.get("number")]
    if not wanted:
        raise RefusedError(str(session.data["refusals"]["no_commit"]))
    session.switch.replace(wanted[0].tree)
    _note(session)
    if session.candidate is not None:
        session.candidate = session.switch.running.copy()
    return ""


def leaving(session: Session, whole: bool) -> Answering:
    """Ask what becomes of changes that wait for a commit."""
    while True:
        answer = yield Ask(str(session.data["dialogues"]["uncommitted"]))
        first = answer.strip().lower()[:1]
        if first == "c":
            return ""
        if first == "y":
            commit(session, {}, "")
        if first in ("y", "n"):
            session.leave(whole=True)
            return ""
