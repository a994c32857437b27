"""CHECK of a move: which segment, what is wrong with it, where it goes, and what speaks against it; changes nothing (RCV-2, RCV-9)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recovery.findings import Finding
from recovery.network import fibre_ends, fibre_judge, fibre_look, fibre_plan, fibre_state, proposal, quiet
from recovery.network.answers import SwitchError
from recovery.network.device import Device
from recovery.network.fetch import each
from recovery.network.fibre_choose import Move
from recovery.network.fibre_judge import Verdict
from recovery.network.fibre_plan import Laying
from recovery.network.plant import Plant, PlantError, load, port_of, switch_of
from recovery.network.session import Session
from recovery.network.state import State, read
from recovery.network.views import full_ports, view


@dataclass(frozen=True)
class Request:
    """What is asked: the kind of move, the segment or the switches to look for it at, a spare by name, and the bounds of the inventory."""

    plant: Path
    devices: Mapping[str, Device]
    kind: str
    segment: str = ""
    limit: Sequence[str] = ()
    spare: str = ""
    sample_s: float = 1.0
    window: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    laying: Laying | None = None


@dataclass
class Assessment:
    """What CHECK found. Without a ``record`` there is nothing that could be done."""

    findings: list[Finding] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    record: fibre_state.Record | None = None
    continued: bool = False

    @property
    def decision(self) -> dict[str, Any]:
        """Return the plan of action; empty without one."""
        return self.record.decision if self.record else {}


def assess(asked: Request, incidents: Path, now: datetime.datetime) -> Assessment:
    """Look, judge, choose and plan; or take up again a move that was interrupted. Raises SwitchError."""
    try:
        plant = load(asked.plant)
        proposal.base(asked.plant)
    except PlantError as error:
        return Assessment([_bad_record(error)])
    except proposal.ProposalError as error:
        said = Finding("record-not-kept", "stop", str(error), "What changes must be proposed to it.", "Put the record under git.")
        return Assessment([said])
    if asked.segment and asked.segment not in plant.segments:
        said = Finding(
            "no-such-segment", "stop", f"The record has no segment {asked.segment!r}.", "", f"It has: {', '.join(plant.segments)}."
        )
        return Assessment([said])
    taken_up = _interrupted(asked, incidents)
    if taken_up is None and asked.kind == "back":
        nothing = "No move is under way that could be taken back."
        return Assessment(
            [Finding("nothing-under-way", "stop", nothing, "", "What was released goes back with: recovery run fibre_restore.")]
        )
    return taken_up if taken_up is not None else _afresh(asked, plant, now)


def _bad_record(error: PlantError) -> Finding:
    listed = "; ".join(error.problems[:5]) + (f"; and {len(error.problems) - 5} more" if len(error.problems) > 5 else "")
    why = "Who follows a wrong record pulls the wrong cord."
    return Finding(
        "record-contradicts-itself", "stop", f"The record of the wire cannot be true: {listed}.", why, "Correct it (inventory, plant/)."
    )


def _interrupted(asked: Request, incidents: Path) -> Assessment | None:
    """Return the move that was under way when its run died, if this is the same one."""
    try:
        moving = [record for record in fibre_state.under_way(incidents) if record.stage != "decided"]
    except ValueError as error:
        return Assessment([Finding("move-record-damaged", "stop", str(error), "What was under way is not known.")])
    for record in moving:
        mine = record.segment == asked.segment if asked.segment else _at(record, asked.limit)
        if mine and asked.kind in ("back", record.decision["kind"]):
            return Assessment(record=record, continued=True)
        if mine:
            said = f"A {record.decision['kind']} of {record.segment} is under way and did not come to its end (run {record.run})."
            return Assessment([Finding("other-move", "stop", said, "Its ends may stand half-way.", "Run it to its end first.")])
    return None


def _at(record: fibre_state.Record, limit: Sequence[str]) -> bool:
    return not limit or bool({switch_of(end) for end in record.decision["to"]["ends"]} & set(limit))


def _afresh(asked: Request, plant: Plant, now: datetime.datetime) -> Assessment:
    names = [asked.segment] if asked.segment else _candidates(plant, asked)
    known = [asked.devices[name] for name in fibre_look.switches_of(plant, names) if name in asked.devices]
    seen = fibre_look.look(known, asked.sample_s)
    verdicts = [fibre_judge.judge(plant, name, *fibre_look.both(plant, name, seen, asked.devices)) for name in names]
    found = Assessment(verdicts=verdicts)
    found.findings += [error.finding("warning") for error in seen.values() if isinstance(error, SwitchError)]
    chosen: Verdict | None
    if asked.segment:
        chosen = verdicts[0]
        found.findings += _of_kind(asked, chosen, now)
    elif asked.kind == "restore":
        chosen, against = _away(plant, verdicts)
        found.findings += against + (_of_kind(asked, chosen, now) if chosen else [])
    else:
        chosen, against = fibre_judge.choose_segment(verdicts)
        found.findings += against
    if chosen is None or any(one.severity == "stop" for one in found.findings):
        return found
    before = list(found.findings)
    taken: list[str] = []
    while True:
        move, against = fibre_plan.choose(
            plant, asked.kind, chosen.segment, chosen.cause, now.date(), asked.spare, asked.laying, taken=taken
        )
        found.findings = [*before, *against]
        if move is None or any(one.severity == "stop" for one in against):
            return found
        found.record, used = _planned(asked, plant, move, chosen, found.findings, now)
        # A port that the record has as free, and somebody uses: the next one may do.
        stops = {one.code for one in found.findings if one.severity == "stop"}
        if not used or move.plugged or stops != {"port-not-free"}:
            return found
        taken += used
        before += [replace(one, severity="warning") for one in found.findings if one.code == "port-not-free"]


def _candidates(plant: Plant, asked: Request) -> list[str]:
    """Return the segments to look at: those that end at the switches named, or all."""
    ends = {name: {switch_of(end) for end in plant.pair_of(name).ends} for name in plant.segments}
    return [name for name in plant.segments if not asked.limit or ends[name] & set(asked.limit)]


def _away(plant: Plant, verdicts: Sequence[Verdict]) -> tuple[Verdict | None, list[Finding]]:
    """Return the one segment that does not run over its own pair."""
    away = [one for one in verdicts if plant.pair_of(one.segment).ends != plant.segments[one.segment].ends]
    if len(away) == 1:
        return away[0], []
    names = ", ".join(one.segment for one in away) or "none"
    said = f"Segments that do not run over their own pair: {names}."
    return None, [Finding("nothing-to-restore" if not away else "several-away", "stop", said, "", "Name one: -e segment=NAME.")]


def _of_kind(asked: Request, verdict: Verdict, now: datetime.datetime) -> list[Finding]:
    """Return what speaks against moving this segment: a way back is planned, everything else needs a fault."""
    if asked.kind != "restore":
        return list(verdict.findings)
    found = [one for one in verdict.findings if one.code != "primary-alive"]
    why = f"The segment {verdict.segment} works; moving it interrupts those behind it for a moment."
    return [*found, *quiet.against(asked.window, asked.zone, now, why)]


def _planned(
    asked: Request, plant: Plant, move: Move, verdict: Verdict, findings: list[Finding], now: datetime.datetime
) -> tuple[fibre_state.Record | None, list[str]]:
    """Read both switches whole, and work out what either is told. Returns also the new ports that are in use after all."""
    switches = [asked.devices[switch_of(end)] for end in move.ends]

    def whole(device: Device) -> tuple[str, State]:
        with Session(device) as session:
            return session.running(), read(session)

    read_now = each(switches, whole)
    failed = [one for one in read_now.values() if isinstance(one, SwitchError)]
    if failed:
        findings += [error.finding() for error in failed]
        return None, []
    running = {name: one[0] for name, one in read_now.items() if not isinstance(one, SwitchError)}
    states = {name: one[1] for name, one in read_now.items() if not isinstance(one, SwitchError)}
    sides = fibre_ends.sides_of(move, {device.name: device.platform for device in switches}, running)
    against = {end: fibre_ends.against(side) for end, side in zip(move.ends, sides, strict=True)}
    strangers = _stranger_in_new_port(asked, move, states)
    findings += [one for each_end in against.values() for one in each_end] + [one for one in strangers.values()]
    used = [end for end in move.ends if end in strangers or any(one.code == "port-not-free" for one in against[end])]
    if any(one.severity == "stop" for one in findings):
        return None, used
    at = now.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    full = full_ports({device.name: device.platform for device in asked.devices.values()})
    record = fibre_state.Record(
        segment=move.segment,
        decision=fibre_plan.decision(plant, asked.kind, move, verdict.cause, verdict.sentence, sides, running, asked.laying)
        | {"planned_at": at},
        running=running,
        views={side.switch: view(side.before, states[side.switch], full).as_dict() for side in sides},
        states={name: state.as_dict() for name, state in states.items()},
    )
    return record, []


def _stranger_in_new_port(asked: Request, move: Move, states: Mapping[str, State]) -> dict[str, Finding]:
    """Refuse a port that somebody uses already, whatever the record says of it."""
    found = {}
    for end, other in ((move.ends[0], move.ends[1]), (move.ends[1], move.ends[0])):
        heard = fibre_look.named(asked.devices, states[switch_of(end)].neighbours.get(port_of(end)))
        learnt = [mac for (_, mac), port in states[switch_of(end)].macs.items() if port == port_of(end)]
        if (heard and switch_of(heard) != switch_of(other)) or (learnt and not heard):
            who = heard or f"{len(learnt)} addresses"
            found[end] = Finding(
                "port-not-free",
                "stop",
                f"{end} is free in the record, but {who} is behind it.",
                "Somebody has put it to use, and would lose it.",
                "See who it is, and correct the record (plant/fibres.yml).",
            )
    return found
