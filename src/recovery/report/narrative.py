"""What happened, in one paragraph: sentences that hold nothing but what the journal and the clients' logs say."""

from __future__ import annotations

from collections.abc import Sequence

from .incident import Incident, Run
from .outage import Outage, figures, last_number
from .text import Words
from .workload import Client


def paragraph(words: Words, incident: Incident, outages: Sequence[Outage], clients: Sequence[Client]) -> str:
    """Return the paragraph, in the order in which things happened."""
    count = len(incident.runs)
    key = "n_no_runs" if count == 0 else "n_one_run" if count == 1 else "n_runs"
    parts = [words(key, incident=incident.id, count=count)]
    left = list(incident.runs)
    for outage in outages:
        # A run before this outage's first one (a refused attempt, say) is told in its place.
        last = max((index for index, run in enumerate(left) if run.id in outage.runs), default=-1)
        parts += _before(words, outage)
        parts += [_run(words, run) for run in left[: last + 1]]
        left = left[last + 1 :]
        parts += _after(words, outage)
        parts += _lost(words, incident, outage)
    parts += [_run(words, run) for run in left]
    windows = [outage.window() for outage in outages] or [None]
    for client in clients:
        for window in windows:
            gap = max((gap for gap in client.gaps_in(window) if gap.seconds), key=lambda gap: gap.seconds or 0.0, default=None)
            if gap is not None:
                parts.append(words("n_gap", host=client.host, start=words.time(gap.start), gap=words.duration(gap.seconds)))
    for key, events in (("n_refusals", incident.of("refusal")), ("n_overrides", incident.of("override"))):
        if events:
            parts.append(words(key, count=len(events)))
    return "".join(parts).strip()


def _before(words: Words, outage: Outage) -> list[str]:
    fault, detected = outage.milestones.get("fault"), outage.milestones.get("detected")
    if fault is None:
        return [words("n_fault_unknown")]
    detail = words("n_detail", detail=fault.detail) if fault.detail else ""
    parts = [words("n_fault", at=words.moment(fault.at), detail=detail)]
    if detected is not None and detected.at >= fault.at:
        parts.append(words("n_detected", after=words.duration((detected.at - fault.at).total_seconds())))
    return parts


def _run(words: Words, run: Run) -> str:
    who = str(run.begin_data.get("requested_by") or "") or words("n_somebody")
    text = words(
        "n_run_check" if run.check_mode else "n_run",
        at=words.moment(run.started),
        who=who,
        runbook=run.runbook or words("n_unknown_runbook"),
    )
    tasks = run.of("task")
    text += words(
        "n_tasks",
        count=len(tasks),
        changed=sum(task.result == "changed" for task in tasks),
        failed=sum(task.result in ("failed", "unreachable") for task in tasks),
    )
    if run.interrupted:
        return text + words("n_interrupted", at=words.moment(run.last.at))
    return text + words("n_verdict", verdict=words("verdict_" + run.word))


def _after(words: Words, outage: Outage) -> list[str]:
    proven, told = outage.milestones.get("service_proven"), outage.milestones.get("users_told")
    if proven is None:
        return [words("n_not_proven")]
    parts = []
    if outage.rto_s is not None:
        parts.append(words("n_proven", after=words.duration(outage.rto_s)))
    else:
        parts.append(words("n_proven_at", at=words.moment(proven.at)))
    parts.append(words("n_told", at=words.moment(told.at)) if told else words("n_not_told"))
    return parts


def _lost(words: Words, incident: Incident, outage: Outage) -> list[str]:
    measured = figures(incident, outage.runs)
    lost = last_number(measured, *LOST)
    acknowledged = last_number(measured, *ACKNOWLEDGED)
    if lost is None:
        return [words("n_lost_unknown")]
    if acknowledged is None:
        return [words("n_lost_only", lost=words.count(lost.number))]
    return [words("n_lost", lost=words.count(lost.number), acknowledged=words.count(acknowledged.number))]


RPO = ("rpo_s",)
LOST = ("lost_transactions",)
ACKNOWLEDGED = ("acknowledged_transactions", "acknowledged")
