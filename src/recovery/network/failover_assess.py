"""What `switch_assess` does: look, weigh, and remember what was decided (RCV-3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from recovery.findings import Finding
from recovery.network import cable_sheet, failback, failover_look, liveness, quiet
from recovery.network import failover_record as records
from recovery.network.answers import SwitchError
from recovery.network.archive import Entry
from recovery.network.failover_call import Place
from recovery.network.failover_look import Looked
from recovery.network.failover_plan import Asked
from recovery.network.failover_plan import weigh as work_out
from recovery.network.failover_prove import moves_of
from recovery.network.failover_record import Record
from recovery.network.failover_steps import now
from recovery.network.liveness import Sighting


def look(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """Look from every side. Raises one of `failover_call.PROBLEMS`."""
    targets = [str(one) for one in given["targets"]]
    if len(targets) > 1:
        message = f"The play is about {len(targets)} switches: {', '.join(targets[:6])}."
        remedy = "Name the one that failed: -e failed=NAME, or -l NAME."
        return {}, [Finding("one-switch-at-a-time", "stop", message, "Each is replaced by a plan of action of its own.", remedy)]
    began = now()
    looked = failover_look.look(Place.of(given).scene, given["failed"])
    seen = "; ".join(one.sentence() for one in looked.sightings)
    refused = [error.finding() for error in looked.refusals]
    return {"looked": looked.as_dict(), "began_at": began, "msg": f"{given['failed']}: {seen}."}, refused


def _looked(told: Mapping[str, Any]) -> Looked:
    return Looked(
        tuple(Sighting(**one) for one in told.get("sightings") or ()),
        int(told.get("others_answer") or 0),
        dict(told.get("doors") or {}),
        {name: dict(ports) for name, ports in (told.get("links") or {}).items()},
        tuple(told.get("behind") or ()),
        tuple(told.get("reached") or ()),
    )


def weigh(given: Mapping[str, Any], *, rehearsal: bool) -> tuple[dict[str, Any], list[Finding]]:
    """Judge and plan; what is under way is continued with the plan of action that was approved. Raises one of `failover_call.PROBLEMS`."""
    place = Place.of(given)
    last = records.read(place.incidents, given["failed"])
    running = last if last is not None and not last.reached("released") and last.kind == given["kind"] else None
    if running is not None and running.reached("kept") and given["spare"] in ("", running.spare) and _still_archived(running, place):
        return _continued(running, place)
    back = failback.boxes(given["failed"], given["spare"], place.devices, last, given["spares"]) if given["kind"] == "failback" else None
    entry, refused = _fresh(place, back, rehearsal=rehearsal) if back else (None, [])
    asked = Asked(
        failed=given["failed"],
        spare=back.repaired if back else given["spare"],
        kind=given["kind"],
        source=back.source if back and not back.merged else "",
        entry=entry,
        own_name=failback.neutral(back.repaired, place.devices[given["failed"]].expected) if back else "",
        fence=given["fence"],
        spares=given["spares"],
        boxes=given["boxes"],
        compatible=given["compatible"],
        people=given["people"],
        limits=given["limits"],
        times=given["times"],
    )
    looked = _looked(given["looked"])
    found = work_out(place.scene, place.plant, place.archive, place.vault, asked, looked, given["client_summaries"], datetime.now(UTC))
    findings = [*refused, *found.findings, *_quiet(given)]
    if rehearsal:
        findings = liveness.rehearsed(findings)
    said: dict[str, Any] = {**found.facts, "continues": False, "stage": "", "fenced": False, "began_at": now()}
    if found.record is not None:
        found.record.facts["boxes"] = _addresses(place, found.record)
        found.record.earlier = failback.before_it_stood_in(last) if back else ""
        found.record.facts["home"] = failback.home(last, place.plant) if back else {}
        said |= {
            "decision": found.record.decision,
            "to_carry": found.record.decision["carried"],
            "home": found.record.facts["home"],
            "cable_steps": _steps(found.record),
            "record": vars(found.record),
            "measured": _figures(found.record),
        }
        said["msg"] = _sentence(found.record)
    if said.get("state") in ("dead", "hung"):
        said["milestones"] = [{"name": "detected", "at": said["began_at"], "detail": str(said.get("sentence") or "")[:300]}]
    return said, findings


def _still_archived(record: Record, place: Place) -> bool:
    """Tell whether the archive still holds what people approved; else the plan of action is made anew."""
    entry = place.archive.entry(record.failed)
    return entry is not None and entry.digest == record.decision["archive"]["sha256"]


def _fresh(place: Place, back: failback.Boxes, *, rehearsal: bool) -> tuple[Entry, list[Finding]]:
    """Read what the box that works now is configured to do: what is put back must be what runs, not what was archived last night."""
    device = failback.as_work(place.devices[back.source], place.devices[back.work])
    return failback.fresh(device, place.archive, keep=not rehearsal)


def _addresses(place: Place, record: Record) -> dict[str, str]:
    """Return where the two boxes are reached out of band, whatever they are called: a failback finds them by it."""
    source = place.devices[record.source or record.failed]
    return {"failed_oob": source.addresses.get("oob", ""), "spare_oob": place.devices[record.spare].addresses.get("oob", "")}


def _quiet(given: Mapping[str, Any]) -> list[Finding]:
    """A failback interrupts the wards for as long as cables are moved: it waits for the quiet window."""
    if given["kind"] != "failback":
        return []
    why = "Every cable that is moved cuts somebody off for some seconds."
    return quiet.against(given["quiet"], given["time_zone"], datetime.now(UTC), why)


def _continued(record: Record, place: Place) -> tuple[dict[str, Any], list[Finding]]:
    message = f"The fail-over of {record.failed} to {record.spare} is under way (as far as {record.stage}); it is continued."
    said = {
        "decision": record.decision,
        "cable_steps": _steps(record),
        "continues": True,
        "stage": record.stage,
        "fenced": bool(record.facts.get("fenced_at")),
        # The timer starts as soon as the spare answers from its new place.
        "to_carry": {} if record.reached("armed") else record.decision["carried"],
        "home": record.facts.get("home") or {},
        "state": record.decision["state"],
        "behind": record.decision["affected"],
        "began_at": str(record.facts.get("began_at") or now()),
        "msg": message,
    }
    if record.spare not in place.devices:
        raise SwitchError(
            f"{record.spare}, to which {record.failed} was being moved, is not in the inventory any more.", remedy="Put it back there."
        )
    return said, [Finding("continues", "info", message, "People approved this very plan of action; they are not asked again.")]


def _steps(record: Record) -> list[dict[str, Any]]:
    return cable_sheet.steps(moves_of(record), record.decision["failed"]["box"], record.decision["spare"]["box"])


def _figures(record: Record) -> dict[str, Any]:
    plan = record.decision
    return {"cables_to_move": len(record.moves), "expected_s": plan["expected_s"], "lines_to_send": plan["configuration"]["lines"]}


def _sentence(record: Record) -> str:
    plan = record.decision
    ports = "the same ports" if plan["same_ports"] else "mapped ports"
    return (
        f"{record.spare} takes over from {record.failed}: {len(record.moves)} cables to {ports}, {plan['configuration']['lines']} lines, "
        f"{len(plan['not_carried'])} settings not carried, {len(plan['people'])} people, about {plan['expected_s'] // 60 + 1} min."
    )


def remember(given: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    """Write down what was decided, so that the steps that follow, and a run that continues, know it. Raises RecordError."""
    told = said.get("record")
    if told is not None:
        record = Record(**told)
        record.facts["began_at"] = said["began_at"]
        records.write(Place.of(given).incidents, record)
