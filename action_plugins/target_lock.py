"""Take a target for this run, so that no second recovery works on it at the same time."""

from __future__ import annotations

from typing import Any, ClassVar

from recovery.findings import Finding
from recovery.frame import lock
from recovery.frame.action import FrameAction, RunContext, refuse


class ActionModule(FrameAction):
    """See library/target_lock.py for the documentation."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "target": {"type": "str", "required": True},
        "takeover_by": {"type": "str", "default": ""},
    }

    def act(self, run: RunContext, arguments: dict[str, Any]) -> dict[str, Any]:
        """Take the target, continue a dead run's work on it, or refuse."""
        takeover_by = str(arguments["takeover_by"] or self.variable("takeover_by"))
        who = lock.holder(arguments["target"], run=run.run, runbook=run.runbook, by=run.by, incident=str(run.incident), pid=run.pid)
        rehearsal = self._task.check_mode
        outcome = (lock.look if rehearsal else lock.take)(who, takeover_by=takeover_by)
        previous = outcome.previous
        if outcome.status == "refused":
            return refuse(_finding(outcome, who), before=_summary(previous))
        sentence = _sentence(outcome, who, rehearsal, takeover_by)
        if not rehearsal and outcome.status != "held":
            taken_over = outcome.status in ("taken_over", "continued")
            run.tell(
                "lock_taken_over" if taken_over else "lock_taken",
                name=sentence,
                result=outcome.status,
                target=who.target,
                holder=who.sentence(),
                previous=previous.sentence() if previous else outcome.detail,
                previous_run=previous.run if previous else "",
                previous_incident=previous.incident if previous else "",
                by=takeover_by or run.by,
            )
        # Holding a target changes nothing of the hospital: a refusal after it still means that nothing was changed.
        return {"changed": False, "msg": sentence, "before": _summary(previous), "after": {"holder": who.sentence()}}


def _summary(previous: lock.Holder | None) -> dict[str, str]:
    return {"holder": previous.sentence() if previous else ""}


def _sentence(outcome: lock.Outcome, who: lock.Holder, rehearsal: bool, takeover_by: str) -> str:
    would = "would take" if rehearsal else "has taken"
    if outcome.status == "held":
        return f"This run holds {who.target} already."
    if outcome.status == "continued" and outcome.previous:
        return f"This run {would} {who.target} to continue run {outcome.previous.run}, which died."
    if outcome.status == "taken_over":
        before = outcome.previous.sentence() if outcome.previous else outcome.detail
        return f"This run {would} {who.target} on the word of {takeover_by}, from: {before}."
    return f"This run {would} {who.target}."


def _finding(outcome: lock.Outcome, who: lock.Holder) -> Finding:
    previous = outcome.previous
    by_name = "take it over by name: -e takeover_by=NAME (journalled)."
    if outcome.code == "lock-held" and previous:
        return Finding(
            "lock-held",
            "stop",
            f"{who.target} is being recovered already: {previous.sentence()}.",
            "Two recoveries of one target destroy each other's work.",
            "Let it end, or stop it there with Ctrl-C; `recovery status` shows how far it is.",
        )
    if outcome.code == "lock-unreadable":
        return Finding(
            outcome.code,
            "stop",
            f"The lock of {who.target} cannot be read: {outcome.detail}.",
            "Who worked on it, and whether still, is not known.",
            "Ask the colleagues and look at `recovery status`.",
            f"If nobody works on it, {by_name}",
        )
    what = previous.sentence() if previous else who.target
    elsewhere = outcome.code == "lock-holder-elsewhere"
    return Finding(
        outcome.code,
        "stop",
        f"{who.target} is held from another machine: {what}." if elsewhere else f"{who.target} is held by a run that died: {what}.",
        "Whether it still runs cannot be seen from here."
        if elsewhere
        else "It was another runbook, and it may have left its work half done.",
        f"Look at `recovery status`; to continue it: recovery run {previous.runbook if previous else 'RUNBOOK'}.",
        f"If its state is known and this runbook is the right one, {by_name}",
    )
