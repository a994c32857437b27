"""What a fail-over leaves behind: the cable sheet, the proposed change of the inventory, the repair queue (RCV-3, RCV-6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recovery.findings import Finding
from recovery.network import cable_sheet, exchange
from recovery.network.cable_sheet import LANGUAGES, TEMPLATES
from recovery.network.failover import digest
from recovery.network.failover_prove import moves_of
from recovery.network.failover_record import put
from recovery.network.failover_steps import Job, now
from recovery.network.plant import Plant, PlantError
from recovery.network.proposal import Proposal, ProposalError

QUEUE = ".repairs"


def _place(plant: Plant, switch: str, language: str) -> str:
    try:
        return str(plant.room_of(switch).title[language])
    except PlantError:
        return ""


def sheet(job: Job, plant: Plant, head: Mapping[str, Any]) -> dict[str, Any]:
    """Return the printable sheets, one in each language, as artefacts of the incident."""
    moves = moves_of(job.record)
    old, new = job.record.failed, job.record.spare
    made = []
    for language in LANGUAGES:
        told = {
            "incident": head.get("incident", ""),
            "plan": digest(job.record.decision)[:16],
            "made_at": now(),
            "old_place": _place(plant, old, language),
            "new_place": _place(plant, new, language),
        }
        page = cable_sheet.page(moves, old, new, told, language)
        made.append({"prepared": page, "artefact": f"cable-sheet.{language}.html"})
    return {
        "changed": False,
        "msg": f"The cable sheets of {len(job.record.decision['people'])} people are artefacts of the incident: print them.",
        "sheets": [str(one["artefact"]) for one in made],
        "diff": made,
    }


def fault_report(job: Job, head: Mapping[str, Any], language: str) -> str:
    """Return the equipment fault report (RCV-6): device, cause as far as it is known, effect, what was done, what is left to do."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["html"]),  # this is a text for people, not for a browser
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plan, facts = job.record.decision, job.record.facts
    return environment.get_template(f"fault_report.{language}.j2").render(
        plan=plan, facts=facts, head=head, made_at=now(), moves=moves_of(job.record)
    )


def returned(job: Job, given: Mapping[str, Any]) -> dict[str, Any]:
    """Close the repair of a box that is back; the inventory is exchanged again only if the first exchange was merged."""
    head, record = given["head"], job.record
    queue = Path(given["queue"]) if given["queue"] else job.incidents / QUEUE
    closed = []
    for path in sorted(queue.glob(f"{record.failed}-*.json")):
        ticket = json.loads(path.read_text(encoding="utf-8"))
        if ticket.get("state") != "returned":
            put(path, {**ticket, "state": "returned", "returned_at": now(), "returned_by_run": head.get("run", "")})
            closed.append(path.name)
    proposal, findings = (None, []) if record.source else _proposed(job, head)
    record.reach("released")
    job.keep()
    words = f"the exchange of the boxes is proposed on the branch {proposal.branch}" if proposal else "the inventory says it as it is"
    return {
        "changed": True,
        "msg": f"{record.failed} is its own box again; {len(closed)} repairs are closed; {words}.",
        "proposal": {"branch": proposal.branch, "commit": proposal.commit} if proposal else {},
        "findings": findings,
        "diff": [{"prepared": proposal.diff, "artefact": "inventory.diff"}] if proposal else [],
    }


def _proposed(job: Job, head: Mapping[str, Any]) -> tuple[Proposal | None, list[dict[str, Any]]]:
    try:
        made = exchange.propose(Path(head["inventory"]), str(head.get("run") or "run"), job.source, job.spare, job.record)
    except ProposalError as error:
        finding = Finding(
            "not-proposed", "warning", str(error), "The inventory still has the old box in its place.", "Exchange the two by hand."
        )
        return None, [finding.as_dict()]
    return made, []


def propose(job: Job, given: Mapping[str, Any]) -> dict[str, Any]:
    """Queue the failed box for repair with its report, and propose the exchange of the boxes as a commit that a person merges."""
    head, record = given["head"], job.record
    reports = [{"prepared": fault_report(job, head, language), "artefact": f"fault-report.{language}.txt"} for language in LANGUAGES]
    queue = Path(given["queue"]) if given["queue"] else job.incidents / QUEUE
    box = record.decision["failed"]
    ticket = {
        "switch": record.failed,
        "kind": record.kind,
        "model": box["model"],
        "serial": box["serial"],
        "replaced_by": record.spare,
        "incident": head.get("incident", ""),
        "run": head.get("run", ""),
        "queued_at": now(),
        "state": "to be repaired",
        "report": reports[0]["prepared"],
    }
    path = queue / f"{record.failed}-{head.get('run') or 'run'}.json"
    put(path, ticket)
    proposal, findings = _proposed(job, head)
    record.reach("released")
    job.keep()
    branch = (
        f"the inventory's change is proposed on the branch {proposal.branch}"
        if proposal
        else "the inventory's change could not be proposed"
    )
    return {
        "changed": True,
        "msg": f"{record.failed}'s box ({box['model']} {box['serial']}) is in the repair queue with its fault report; {branch}.",
        "after": {"ticket": str(path)},
        "proposal": {"branch": proposal.branch, "commit": proposal.commit} if proposal else {},
        "findings": findings,
        "diff": [*reports, *([{"prepared": proposal.diff, "artefact": "inventory.diff"}] if proposal else [])],
    }
