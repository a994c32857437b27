"""Where a moved cable really sits, and whether everything is as it was: the proof of a fail-over (RCV-3, RCV-6)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recovery.database import clients
from recovery.findings import Finding
from recovery.network import cable_sheet, deadman, fence
from recovery.network import compare as sets
from recovery.network import failover_driver as driver
from recovery.network import failover_record as records
from recovery.network.answers import SwitchError
from recovery.network.cable_sheet import Move
from recovery.network.compare import Deviation, View
from recovery.network.device import Device
from recovery.network.failover import Cable
from recovery.network.failover_call import Place
from recovery.network.failover_look import Scene
from recovery.network.failover_record import Record
from recovery.network.failover_steps import Job, StepError, now
from recovery.network.fetch import each
from recovery.network.model import Switch
from recovery.network.plant import Plant
from recovery.network.session import Session
from recovery.network.state import State, read
from recovery.network.views import floors, full_ports, view

HEAR_S = 0.25
"""How often is looked whether somebody was heard. Seconds."""
TABLES = ("ports", "macs", "neighbours", "stp_root", "stp", "aggregates", "light", "vlans", "errors", "speeds")


def moves_of(record: Record) -> list[Move]:
    """Return the cables to move, in their order."""
    return [Move.from_dict(one) for one in record.moves]


class Speaking:
    """Lets those speak who are silent by themselves: an echo to each makes the routers on the way ask for it, and be learned.

    Whoever waits for one of them does not wait for all the others: the echoes go out beside it.
    """

    def __init__(self, scene: Scene) -> None:
        """Begin with the first round of echoes."""
        inband = {f"{name} in band": device.addresses["inband"] for name, device in scene.devices.items() if "inband" in device.addresses}
        self._targets, self._via = {**scene.probes, **inband}, scene.via
        self._problem: SwitchError | None = None
        self._round = self._begin()

    def _begin(self) -> threading.Thread:
        thread = threading.Thread(target=self._speak, daemon=True)  # a round under way at the end holds up nobody
        thread.start()
        return thread

    def _speak(self) -> None:
        try:
            driver.pings(self._targets, self._via)
        except SwitchError as error:
            self._problem = error

    def go_on(self) -> None:
        """Wait a moment, and begin the next round when the last one is over. Raises SwitchError if no echo can be sent from here."""
        self._round.join(HEAR_S)
        if self._problem is not None:
            raise self._problem
        if not self._round.is_alive():
            self._round = self._begin()


def cable(scene: Scene, record: Record, number: int, platforms: Mapping[str, str], patience_s: float, hear_s: float) -> tuple[bool, str]:
    """Tell whether a cable sits where it belongs, by link, neighbour and address.

    A port may need a moment until it has link (``patience_s``), and a host until it is heard (``hear_s``); a wrong port does not become
    right by waiting.
    """
    moves, spare = moves_of(record), scene.devices[record.spare]
    move = next(one for one in moves if one.number == number)
    full = full_ports(platforms)
    began = time.monotonic()
    speaking = Speaking(scene)
    bare = Switch(spare.platform)  # where a cable sits is told by what is seen, not by what is configured
    with Session(spare, deadline_s=patience_s + 60) as session:
        while True:
            seen = cable_sheet.look(move, view(bare, read(session, driver.LOOKING), full), spare.name, moves)
            took = time.monotonic() - began
            if seen.unheard and took >= hear_s:
                # Whom it could speak to may not be plugged in yet: all of them are looked at again when the last cable is moved.
                return True, f"{seen.sentence} It is looked at again when all cables are moved."
            if not (seen.unheard or seen.dark) or took >= patience_s:
                return seen.right, seen.sentence
            speaking.go_on()


def sits(job: Job, platforms: Mapping[str, str]) -> dict[str, Any]:
    """Say which cables sit where they belong already: a run that continues asks nobody for them."""
    moves, full = moves_of(job.record), full_ports(platforms)
    with Session(job.spare, deadline_s=60) as session:
        seen = view(Switch(job.spare.platform), read(session, driver.LOOKING), full)
    looks = {move.number: cable_sheet.look(move, seen, job.spare.name, moves) for move in moves}
    # What has link and is not heard yet is looked at again when all cables are moved.
    right = [number for number, one in looks.items() if one.right or one.unheard]
    return {"changed": False, "right": right, "msg": f"{len(right)} of {len(moves)} cables sit in {job.spare.name} already."}


def moved(job: Job, scene: Scene, platforms: Mapping[str, str], patience_s: float) -> dict[str, Any]:
    """See in one session that every cable sits where it belongs. Raises StepError, naming each that does not."""
    moves, full = moves_of(job.record), full_ports(platforms)
    until = time.monotonic() + patience_s
    speaking = Speaking(scene)
    with Session(job.spare, deadline_s=patience_s + 120) as session:
        while True:
            seen = view(Switch(job.spare.platform), read(session, driver.LOOKING), full)
            missing = [one for one in (cable_sheet.look(move, seen, job.spare.name, moves) for move in moves) if not one.right]
            if not missing or time.monotonic() >= until:
                break
            speaking.go_on()
    wrong = [one for one in missing if not one.unheard]
    if wrong:
        sentences = " ".join(one.sentence for one in wrong)
        remedy = "Correct these cables, and run the same command again: those that sit right are not asked for."
        raise StepError(Finding("cables-not-right", "stop", sentences, "Whoever hangs there has no network.", remedy))
    at = now()
    job.record.facts["counted"] = count(scene, job.record, platforms)
    job.keep()
    quiet = [Finding("cable-not-heard", "warning", one.sentence, remedy="Look at the label of that cable.") for one in missing]
    return {
        "changed": False,
        "findings": [one.as_dict() for one in quiet],
        "msg": f"All {len(moves)} cables sit where they belong in {job.spare.name}.",
        "milestones": [{"name": "system_up", "at": at, "detail": f"all {len(moves)} cables sit in {job.spare.name}"}],
    }


def _neighbours(scene: Scene, record: Record) -> dict[str, list[str]]:
    towards = fence.towards(scene.cables, record.failed, scene.devices)
    return {name: ports for name, ports in towards.items() if name != record.spare}


def count(scene: Scene, record: Record, platforms: Mapping[str, str]) -> dict[str, Any]:
    """Return the error counters of the spare and of its neighbours' ports towards it. Raises SwitchError if the spare cannot be read.

    ``at``; ``errors``, switch -> port -> errors; ``unread``, neighbour -> why it could not be read.
    """
    towards, names = _neighbours(scene, record), full_ports(platforms)
    states = each([scene.devices[name] for name in (record.spare, *towards)], lambda device: driver.ask(device, ("ports", "errors")))
    errors: dict[str, dict[str, int]] = {}
    unread: dict[str, str] = {}
    for name, state in states.items():
        if isinstance(state, SwitchError):
            if name == record.spare:
                raise state
            unread[name] = state.message
        else:
            seen = view(Switch(platforms[name]), state, names)
            errors[name] = dict(seen.errors) if name == record.spare else {port: seen.errors.get(port, 0) for port in towards[name]}
    return {"at": now(), "errors": errors, "unread": unread}


@dataclass(frozen=True)
class Proof:
    """What the proof holds against each other: everything in plain data, found by ``gather``. ``counted``: errors some seconds before."""

    before: View
    after: View
    ports: Mapping[str, str]
    far: Mapping[str, State]
    counted: Mapping[str, Mapping[str, int]]
    unread: Mapping[str, str]


def gather(scene: Scene, plant: Plant, record: Record, *, settle_s: float, pause_s: float) -> Proof:
    """Read the spare and its neighbours, ``pause_s`` or more after errors were counted; wait up to ``settle_s`` for what is missing."""
    devices = scene.devices
    spare = devices[record.spare]
    platforms = {name: one.platform for name, one in devices.items()}
    full, lowest = full_ports(platforms), floors(plant, record.spare)
    before = View.from_dict(record.before)
    # The counters were read when the last cable sat right; what the users did since ran over these ports.
    counted = record.facts.get("counted") or count(scene, record, platforms)
    time.sleep(max(0.0, pause_s - (datetime.now(UTC) - clients.moment(counted["at"])).total_seconds()))
    until = time.monotonic() + settle_s
    speaking = Speaking(scene)
    with Session(spare, deadline_s=settle_s + 120) as session:
        while True:
            after = view(driver.own(spare, session), read(session, TABLES), full, lowest)
            if not _missing(before, after, record) or time.monotonic() >= until:
                break
            speaking.go_on()
    found = each([devices[name] for name in _neighbours(scene, record)], lambda device: driver.ask(device, TABLES))
    return Proof(
        before,
        after,
        record.ports,
        {name: one for name, one in found.items() if isinstance(one, State)},
        counted["errors"],
        {**counted["unread"], **{name: one.message for name, one in found.items() if isinstance(one, SwitchError)}},
    )


def _missing(before: View, after: View, record: Record) -> list[Deviation]:
    return [one for one in sets.compare(before, after, record.ports, steady=_steady(record), spared=_spared(record)) if one.grave]


def _steady(record: Record) -> set[str]:
    """Addresses that must be seen again: the only one of its cable."""
    return {address.partition("/")[2] for move in moves_of(record) if len(move.addresses) == 1 for address in move.addresses}


def _spared(record: Record) -> set[str]:
    """New ports to which no cable was moved: nothing is expected there but their configuration."""
    return set(record.ports.values()) - {move.new_port for move in moves_of(record)}


def deviations(proof: Proof, devices: Mapping[str, Device], plant: Plant, cables: Sequence[Cable], record: Record) -> list[Deviation]:
    """Return what is not as it was, at the spare and at the far ends."""
    found = sets.compare(proof.before, proof.after, proof.ports, steady=_steady(record), spared=_spared(record))
    used = [move.new_port for move in moves_of(record)]
    found += sets.still(proof.counted.get(record.spare, {}), proof.after.errors)
    found += sets.dim(record.spare, proof.after.light, used)
    towards = fence.towards(cables, record.failed, devices)
    for name, state in proof.far.items():
        ports = towards.get(name, [])
        lowest = floors(plant, name)
        light = {port: (power[0], lowest.get(port)) for port, power in state.light.items() if port in ports}
        found += sets.dim(name, light, ports)
        if name in proof.counted:
            found += [replace_key(one, name) for one in sets.still(proof.counted[name], _errors(state, ports))]
        if proof.after.root and state.stp.root and proof.after.root_bridge != state.stp.root:
            found.append(Deviation("stp", f"root as {name} sees it", proof.after.root_bridge, state.stp.root))
    found += [Deviation("neighbours", name, "answers", why) for name, why in sorted(proof.unread.items())]
    return found


def replace_key(one: Deviation, name: str) -> Deviation:
    """Say of which switch a port is."""
    return Deviation(one.aspect, f"{name} {one.key}", one.before, one.after, one.grave)


def _errors(state: State, ports: Iterable[str]) -> dict[str, int]:
    return {name: (state.ports[name].errors_in or 0) + (state.ports[name].errors_out or 0) for name in ports if name in state.ports}


def outsiders(summaries: Sequence[Mapping[str, Any]], affected: Iterable[str], since: datetime) -> list[Deviation]:
    """Return the workstations that did not hang on the failed switch and were refused all the same, since the recovery began to act."""
    inside = set(affected)
    found = []
    for one in summaries:
        station = str(one["workstation"])
        gaps = [gap for gap in one.get("gaps") or () if gap.get("first_failure") and clients.moment(gap["first_failure"]) >= since]
        if station not in inside and gaps:
            worst = max(float(gap["seconds"]) for gap in gaps)
            found.append(Deviation("outsiders", station, "no failed transaction", f"{len(gaps)} gaps, the longest {worst:.1f} s"))
    return found


def measured(summaries: Sequence[Mapping[str, Any]], began: datetime | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the service gap as the workstations felt it, and the milestone of the fault: the first failure that a user saw."""
    gap = clients.service_gap(summaries, began)
    figures: dict[str, Any] = {"service_gap_s": round(float(gap["seconds"]), 3), "service_gap_at": gap["workstation"]}
    figures["service_gaps"] = {name: round(float(one["seconds"]), 3) for name, one in gap["by_workstation"].items()}
    first = clients.fault(summaries, began)
    if first is None:
        return figures, []
    detail = f"first failed transaction, at {first['workstation']}"
    return figures, [{"name": "fault", "at": first["at"], "detail": detail}]


def told(found: Sequence[Deviation], proof: Proof) -> tuple[str, str, dict[str, Any]]:
    """Return verdict, reason and figures."""
    grave = [one for one in found if one.grave]
    figures = {f"proof_{key}": value for key, value in sets.counts(proof.before, proof.after, proof.ports).items()}
    if grave:
        return "FAIL", "; ".join(one.sentence() for one in grave[:8]), figures
    quiet = f"; {len(found)} things are told beside it" if found else ""
    return "PASS", f"VLANs, trunks, links, neighbours, addresses, spanning tree, light and counters are as they were{quiet}.", figures


def cable_call(place: Place, given: Mapping[str, Any]) -> dict[str, Any]:
    """Look at one cable of the plan of action. Raises one of `failover_call.PROBLEMS`."""
    record = place.record()
    if given["extend_s"]:
        deadman.extend(records.path_of(place.incidents, record.failed, "timer.json"), given["extend_s"])
    right, sentence = cable(place.scene, record, given["number"], place.platforms(), given["patience_s"], given["hear_s"])
    return {"verdict": "PASS" if right else "FAIL", "reason": sentence}


def service_call(place: Place, given: Mapping[str, Any]) -> dict[str, Any]:
    """Prove the whole fail-over. Raises one of `failover_call.PROBLEMS`."""
    job = place.job()
    if given["extend_s"]:
        deadman.extend(job.timer, given["extend_s"])
    proof = gather(place.scene, place.plant, job.record, settle_s=given["patience_s"], pause_s=given["pause_s"])
    began = clients.moment(given["since"]) if given["since"] else None
    found = deviations(proof, place.devices, place.plant, place.cables, job.record)
    summaries = given["client_summaries"]
    found += outsiders(summaries, job.record.decision["affected"], began) if began else []
    verdict, reason, figures = told(found, proof)
    gap, milestones = measured(summaries, began)
    job.record.facts["fault_at"] = milestones[0]["at"] if milestones else str(job.record.facts.get("fault_at") or "")
    job.record.facts["deviations"] = [one.as_dict() for one in found]
    job.keep()
    return {
        "verdict": verdict,
        "reason": reason,
        "deviations": [one.as_dict() for one in found],
        "measured": {**figures, **gap},
        "milestones": milestones,
        "before": proof.before.as_dict(),
        "after": proof.after.as_dict(),
        "msg": reason,
    }
