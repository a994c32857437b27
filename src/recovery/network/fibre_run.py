"""The verbs of a move: keep, light, move, see the patch, watch, prove, save, release, and the way back (RCV-2, RCV-9)."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from recovery.database import clients
from recovery.database.shell import Procedure
from recovery.network import fibre_ends, fibre_look, fibre_plan, fibre_proof, fibre_record, fibre_state, fibre_survey
from recovery.network.answers import SwitchError
from recovery.network.compare import View
from recovery.network.device import Device
from recovery.network.fetch import digest, each
from recovery.network.fibre_choose import Move
from recovery.network.fibre_driver import Ends
from recovery.network.fibre_judge import End
from recovery.network.fibre_plan import Laying
from recovery.network.parse import parse
from recovery.network.plant import Pair, Plant, load, moved, switch_of
from recovery.network.session import Session
from recovery.network.state import State, read
from recovery.network.talk import talk
from recovery.network.views import full_ports, view

POLL_S = 0.5
SEEING = ("ports", "light", "neighbours")


@dataclass(frozen=True)
class Work:
    """What every verb is given."""

    plant: Path
    devices: Mapping[str, Device]
    decision: Mapping[str, Any]
    incidents: Path
    run: str
    incident: str
    procedure: Procedure

    @property
    def move(self) -> Move:
        """Return the move that was approved."""
        return fibre_plan.move_of(self.decision)

    def record(self) -> fibre_state.Record:
        """Return what was kept of both ends before anything was done. Raises SwitchError where there is nothing."""
        record = fibre_state.read(self.incidents, self.move.segment)
        if record is None:
            said = f"Nothing was kept of the ends of {self.move.segment}, so there is no way back and nothing is done."
            raise SwitchError(said, remedy="Run the runbook from its beginning.")
        return record

    def ends(self) -> Ends:
        """Return both ends, to be opened."""
        platforms = {device.name: device.platform for device in self.both()}
        return Ends(fibre_ends.sides_of(self.move, platforms, self.record().running), self.devices, self.procedure)

    def both(self) -> list[Device]:
        """Return the switches of both ends."""
        return [self.devices[switch_of(end)] for end in self.move.ends]


def keep(work: Work) -> dict[str, Any]:
    """See that both switches still are what the plan was made for, and note that from here on they may not be. Raises SwitchError."""
    record = work.record()
    if record.stage != "decided":
        return {"changed": False}
    with work.procedure.step("See that nobody changed either switch since the plan was made"), work.ends() as ends:
        running = ends.running()
    other = [
        device.name
        for device in work.both()
        if digest(talk(device.platform), running[device.name]) != digest(talk(device.platform), record.running[device.name])
    ]
    if other or record.decision != work.decision:
        what = (
            f"{' and '.join(other)} was changed since the plan of action was made" if other else "This is not the plan that was made last"
        )
        raise SwitchError(f"{what}; nothing was done.", why="People approved another state.", remedy="Run the runbook again.")
    record.reach("moving")
    fibre_state.write(work.incidents, replace(record, run=work.run, incident=work.incident))
    return {"changed": True}


def light(work: Work) -> dict[str, Any]:
    """Open the new ports, which carry nothing yet."""
    with work.ends() as ends:
        return {"changed": ends.light()}


def move(work: Work) -> dict[str, Any]:
    """Shut the old ports at both ends, then let the new ones carry."""
    with work.ends() as ends:
        work.procedure.milestone("recovery_started", f"{work.move.segment} leaves {work.move.old_pair}")
        took = ends.move()
    return {"changed": took > 0, "measured": {"reconfigured_s": took}}


def back(work: Work) -> dict[str, Any]:
    """Put both ends back to what they were before."""
    with work.ends() as ends:
        changed = ends.back()
    fibre_state.forget(work.incidents, work.move.segment)
    return {"changed": changed}


def _look(work: Work, tables: Sequence[str]) -> dict[str, State]:
    def one(device: Device) -> State:
        with Session(device) as session:
            return read(session, tables)

    found = each(work.both(), one)
    for state in found.values():
        if isinstance(state, SwitchError):
            raise state
    return {name: state for name, state in found.items() if isinstance(state, State)}


def _two(work: Work, states: Mapping[str, State]) -> tuple[End, End]:
    seen = {name: fibre_look.Looked(state, state) for name, state in states.items()}
    first, second = work.move.ends
    return fibre_look.end(first, seen[switch_of(first)], work.devices), fibre_look.end(second, seen[switch_of(second)], work.devices)


def patched(work: Work, patience_s: float) -> dict[str, Any]:
    """Say whether the right cord is in the right ports, waiting for link and neighbours for a while; changes nothing."""
    plant, move = load(work.plant), work.move
    kept = fibre_state.read(work.incidents, move.segment)
    before = {name: State.from_dict(told) for name, told in (kept.states if kept else {}).items()}
    until = time.monotonic() + patience_s
    opened = {device.name: Session(device) for device in work.both()}
    try:
        while True:
            states = {name: read(session, SEEING) for name, session in opened.items()}
            appeared = fibre_proof.appeared(before, states) if before else []
            a, b = _two(work, states)
            seen = fibre_proof.patched(plant, move, a, b, appeared)
            if seen.right or seen.wrong or time.monotonic() >= until:
                break
            time.sleep(POLL_S)
    finally:
        for session in opened.values():
            session.close()
    return {
        "changed": False,
        "verdict": "PASS" if seen.right else "FAIL",
        "reason": seen.sentence,
        "after": {"ends": [a.as_dict(), b.as_dict()], "loss_db": list(seen.loss_db)},
        "measured": {"loss_db": list(seen.loss_db)} if seen.right else {},
    }


def watch(work: Work, seconds: float) -> dict[str, Any]:
    """Watch the moved segment for a while: light, link, neighbours, damaged frames at both ends."""
    plant = after_move(load(work.plant), work.move)
    with work.procedure.step(f"Watch {work.move.segment} for {seconds:.0f} s"):
        seen = fibre_look.look(work.both(), seconds)
    for found in seen.values():
        if isinstance(found, SwitchError):
            raise found
    a, b = fibre_look.both(plant, work.move.segment, seen, work.devices, work.move.ends)
    wrong = fibre_proof.steady(plant, work.move.segment, a, b)
    loss = fibre_proof.losses(a, b)
    reason = wrong or f"For {seconds:.0f} s light, link and counters of {work.move.segment} stayed as they should be at both ends."
    return {
        "changed": False,
        "verdict": "FAIL" if wrong else "PASS",
        "reason": reason,
        "after": {"ends": [a.as_dict(), b.as_dict()]},
        "measured": {"watched_s": seconds, "loss_db": list(loss)},
    }


def after_move(plant: Plant, move: Move) -> Plant:
    """Return the record as it is once the move is done: what is judged now is the new pair."""
    to = plant.pairs.get(move.pair, Pair(move.pair, move.route, move.strands, "spare"))
    changed = {pair.name: pair for pair in moved(plant, move.segment, to, move.ends, "spare")} if _still_there(plant, move) else {}
    return replace(plant, pairs={**plant.pairs, **changed})


def _still_there(plant: Plant, move: Move) -> bool:
    return plant.pair_of(move.segment).name != move.pair


def verify(work: Work, patience_s: float) -> dict[str, Any]:
    """Hold what both switches carry now against what they carried before, as sets; wait a while for what takes time to be seen."""
    record, until = work.record(), time.monotonic() + patience_s
    before = {name: View.from_dict(told) for name, told in record.views.items()}
    full = full_ports({device.name: device.platform for device in work.devices.values()})

    def one(device: Device) -> View:
        with Session(device) as session:
            return view(parse(device.platform, session.running()), read(session), full)

    with work.procedure.step("Compare VLANs, trunks, neighbours, spanning tree and addresses of both switches with what they were"):
        while True:
            now = each(work.both(), one)
            failed = [found for found in now.values() if isinstance(found, SwitchError)]
            if failed:
                raise failed[0]
            after = {name: found for name, found in now.items() if isinstance(found, View)}
            deviations = fibre_proof.carries(before, after, fibre_proof.port_map(work.move))
            grave = [found for found in deviations if found.grave]
            if not grave or time.monotonic() >= until:
                break
            time.sleep(POLL_S)
    if not grave:
        record.reach("proven")
        fibre_state.write(work.incidents, record)
    said = "; ".join(found.sentence() for found in grave)
    return {
        "changed": False,
        "verdict": "FAIL" if grave else "PASS",
        "reason": said
        or f"Both switches carry over {' and '.join(work.move.ends)} all that they carried over {' and '.join(work.move.old_ends)}.",
        "after": {"deviations": [asdict(found) for found in deviations]},
        "measured": {"vlans": {name: len(found.vlans) for name, found in after.items()}},
    }


def users(work: Work, summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say what the users saw: how long those behind the segment were without service, and that nobody else was interrupted."""
    inside = set(work.decision["workstations"])
    planned = clients.moment(work.decision["planned_at"])
    behind = [one for one in summaries if one["workstation"] in inside]
    beside = [one for one in summaries if one["workstation"] not in inside]
    fault = clients.fault(behind, planned)
    if fault:
        work.procedure.milestone("fault", f"first failure at {fault['workstation']}", fault["at"])
    gap = clients.service_gap(behind, planned)
    others = clients.service_gaps(beside, planned)
    disturbed = [f"{station} for {one['seconds']:.1f} s" for station, one in sorted(others.items()) if one["failed"]]
    still = [station for station, one in clients.service_gaps(behind, planned).items() if one["end"] is None]
    wrong = [f"{', '.join(still)} still works with nothing"] if still else []
    wrong += [f"others were interrupted too: {', '.join(disturbed)}"] if disturbed else []
    seconds = gap.get("seconds", 0.0)
    return {
        "changed": False,
        "verdict": "FAIL" if wrong else "PASS",
        "reason": "; ".join(wrong)
        or f"Behind the segment service was away for {seconds:.1f} s; {len(beside)} other workstations saw nothing of it.",
        "measured": {"service_gap_s": seconds, "others_interrupted": len(disturbed)},
    }


def save(work: Work) -> dict[str, Any]:
    """Let both switches start with what runs now: only after the proof."""
    if work.record().stage != "proven":
        raise SwitchError(
            f"{work.move.segment} is not proven, so nothing is saved.", remedy="Prove it first: the VERIFY step of the runbook."
        )
    with work.ends() as ends:
        ends.save()
    return {"changed": True}


def release(work: Work, loss_db: Sequence[float | None], today: datetime.date) -> dict[str, Any]:
    """Propose to the record what is true now, and forget the way back."""
    plant, move = load(work.plant), work.move
    kind = work.decision["kind"]
    routes = []
    to = plant.pairs.get(move.pair)
    if to is None and kind == "temporary":
        laying = Laying(**work.decision["laying"], incident=work.incident)
        route, to = fibre_plan.temporary(plant, move.segment, laying, today)
        routes.append(route)
    if to is None:
        raise SwitchError(f"The record has no pair {move.pair} any more.", remedy="Look at its history, and correct it.")
    if len(loss_db) == 2 and None not in loss_db:
        to = replace(to, loss_db=(loss_db[0], loss_db[1]), tested=today)
    pairs = moved(plant, move.segment, to, move.ends, "spare" if kind == "restore" else "broken")
    subject = {"swap": "Fibre swapped", "restore": "Fibre restored", "temporary": "Temporary cable"}[kind]
    body = f"{work.decision['why']}\n\nIncident {work.incident}, run {work.run}.\n"
    with work.procedure.step("Propose the change of the record as a commit of its own"):
        proposal = fibre_record.propose_pairs(
            work.plant, work.run, pairs, routes, f"{subject}: {move.segment} runs over {move.pair} ({' and '.join(move.ends)})", body
        )
    fibre_state.forget(work.incidents, move.segment)
    return {
        "changed": True,
        "after": {"branch": proposal.branch, "commit": proposal.commit},
        "diff": [{"prepared": proposal.diff, "artefact": "fibres.diff"}],
        "findings": [one.as_dict() for one in (fibre_record.to_merge(proposal, work.plant), *fibre_survey.left(plant, move.old_pair))],
    }
