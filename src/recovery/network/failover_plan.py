"""From what was seen and what the archive holds to the plan of action of a fail-over, or to why there is none (RCV-3, BKP-6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from recovery.findings import Finding
from recovery.network import change, failover, fence, liveness, portmap
from recovery.network import failover_driver as driver
from recovery.network.answers import NotSupportedError, RejectedError, SwitchError
from recovery.network.archive import Archive, ArchiveError, Entry
from recovery.network.cable_sheet import order
from recovery.network.carry import carry, with_entrances
from recovery.network.compare import View
from recovery.network.device import Device
from recovery.network.failover_checks import judge_archive, judge_pairs, judge_ports, judge_spare, judge_unknown
from recovery.network.failover_look import Looked, Scene, users
from recovery.network.failover_record import Record, Sealed
from recovery.network.model import Switch
from recovery.network.parse import parse
from recovery.network.plant import Plant, PlantError
from recovery.network.scrub_network import hide_rows
from recovery.network.session import Session
from recovery.network.state import State, read
from recovery.network.talk import talk
from recovery.network.vault import Vault
from recovery.network.views import floors, full_ports, view


@dataclass(frozen=True)
class Asked:
    """What the operator and the inventory ask for.

    ``spares``: those on the shelf; ``boxes``: name -> serial, stands_in_for, changed_at; ``times`` and ``limits`` in seconds; ``people``
    who handle cables; ``compatible``: model -> models that may stand in for it.
    """

    failed: str
    spare: str = ""
    kind: str = "failover"
    source: str = ""  # the inventory's entry of the box that carries the work, where that is not the one of the same name
    entry: Entry | None = None  # what it is configured to do, where that was read just now; else what the archive holds
    own_name: str = ""  # the name under which the spare waits until it gets the work's
    fence: str = "power"
    spares: Sequence[str] = ()
    boxes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    compatible: Mapping[str, Sequence[str]] = field(default_factory=dict)
    people: Sequence[Mapping[str, Any]] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Weighed:
    """What came of it: findings; the record with the decision, None where none could be made; ``facts`` for the journal."""

    findings: tuple[Finding, ...]
    record: Record | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Spare:
    """The spare as it is now: what it says of itself, what it is configured to do, and its text as it was read."""

    state: State
    switch: Switch
    text: str


def choose(asked: Asked, devices: Mapping[str, Device]) -> str:
    """Return the spare: the one that was named, else one that stands in for it, of the same model, compatible, or any. Empty: none."""
    if asked.spare:
        return asked.spare
    model = devices[asked.failed].model
    known = [name for name in asked.spares if name in devices and name != asked.failed]
    meant = [name for name in known if asked.failed in (asked.boxes.get(name) or {}).get("stands_in_for", ())]
    for good in ([model], list(asked.compatible.get(model, ()))):
        for name in (*meant, *known):
            if devices[name].model in good:
                return name
    return next(iter((*meant, *known)), "")


def weigh(
    scene: Scene,
    plant: Plant,
    archive: Archive,
    vault: Vault,
    asked: Asked,
    looked: Looked,
    summaries: Sequence[Mapping[str, Any]],
    now: datetime,
) -> Weighed:
    """Judge, choose, compute. Talks to the spare alone, and changes nothing there. Raises ArchiveError for an archive that is damaged."""
    judged = liveness.judge(asked.failed, (*looked.sightings, *users(summaries, looked.behind)), looked.others_answer)
    findings = list(judged.findings) if asked.kind == "failover" else []
    facts = {"state": judged.state, "sentence": judged.sentence, "behind": list(looked.behind)}
    entry = asked.entry or archive.entry(asked.failed)
    archived = _archived(asked, scene.devices[asked.failed], entry, archive)
    findings += judge_archive(asked.failed, archived, asked.limits, now)
    name = choose(asked, scene.devices)
    if name not in scene.devices or name == (asked.source or asked.failed):
        return Weighed((*findings, _no_spare(asked, name)), None, facts)
    spare = _read(scene.devices[name])
    if isinstance(spare, SwitchError):
        return Weighed((*findings, _silent(spare, name)), None, facts)
    if entry is None or archived is None or not archived["complete"]:
        return Weighed(tuple(findings), None, facts)
    more, record = _plan(scene, plant, archive, vault, asked, looked, _Chosen(judged.state, entry, archived, name, spare))
    return Weighed((*findings, *more), record, facts)


@dataclass(frozen=True)
class _Chosen:
    state: str
    entry: Entry
    archived: Mapping[str, Any]
    name: str
    spare: Spare


def _plan(
    scene: Scene, plant: Plant, archive: Archive, vault: Vault, asked: Asked, looked: Looked, chosen: _Chosen
) -> tuple[list[Finding], Record | None]:
    """Work out what is sent and moved; the findings say what speaks against it, or why it cannot be worked out."""
    failed, device, spare, entry = asked.failed, scene.devices[chosen.name], chosen.spare, chosen.entry
    wanted = parse(entry.platform, archive.reveal(entry.running), scene.devices[failed].addresses.get("inband", ""))
    used = [cable.near(failed)[1] for cable in failover.at(scene.cables, failed)]
    was, now = _described(asked, scene, chosen)
    mapping = portmap.propose(wanted, spare.switch, used=used)
    carried, left_behind = carry(wanted, mapping.ports, device.platform)
    secrets = talk(entry.platform).secrets  # what is quoted goes into the decision that people read, and into the journal
    not_carried = hide_rows([*mapping.told(), *({"what": one.what, "why": one.why} for one in left_behind)], secrets)
    unknown = hide_rows(({"line": one.line, "view": one.view, "text": one.text} for one in wanted.unknown), secrets)
    findings = judge_spare(was, now, view(spare.switch, spare.state), asked.limits)
    findings += judge_pairs(failed, _pairs(scene, archive, failed))
    findings += judge_ports(failed, chosen.name, used, mapping.ports, not_carried) + judge_unknown(failed, unknown)
    want = target(carried, spare.switch)
    try:
        operations = change.difference(spare.switch, want)
        early, late = driver.split(operations)
        lines = [change.lines(want.platform, part) for part in (early, late)]
        back = change.lines(want.platform, change.inverse(spare.switch, operations))
    except ValueError as error:
        return [*findings, _not_expressible(chosen.name, error)], None
    findings += _rehearsed(device, want)
    full = full_ports({one: other.platform for one, other in scene.devices.items()})
    before = view(wanted, entry.state, full, floors(plant, failed))
    try:
        placed = order(failover.moves(failed, scene.cables, before, mapping.ports, plant.areas), asked.people)
    except ValueError as error:
        return [*findings, _nobody(error)], None
    way, unplaced = way_of(plant, failed, chosen.name) if asked.kind == "failover" else ({}, [])
    findings += unplaced
    plan = failover.decision(
        kind=asked.kind,
        failed=was,
        spare=now,
        archived=chosen.archived,
        state=chosen.state,
        ports=mapping.ports,
        change=failover.Change(tuple(lines[0]), tuple(lines[1]), tuple(back), tuple(not_carried), tuple(unknown)),
        placed=placed,
        fence={"way": asked.fence, "neighbours": fence.towards(scene.cables, failed, scene.devices)},
        affected=looked.behind,
        times=asked.times,
        way=way,
    )
    sealed = Sealed(lines[0], lines[1], back, spare.text).close(vault)
    record = Record(
        failed,
        chosen.name,
        asked.kind,
        plan,
        dict(mapping.ports),
        before.as_dict(),
        [move.as_dict() for move in placed],
        sealed,
        source=asked.source,
    )
    return findings, record


def way_of(plant: Plant, failed: str, spare: str) -> tuple[dict[str, str], list[Finding]]:
    """Return from which room into which a spare is carried, empty where it stands in the right one; and a finding where nobody knows."""
    try:
        here, there = plant.room_of(spare), plant.room_of(failed)
    except PlantError as error:
        return {}, [_unplaced(failed, spare, error)]
    if here.name == there.name:
        return {}, []
    words = {language: f"{here.title[language]} -> {there.title[language]}" for language in ("zh", "en")}
    return {"from": here.name, "to": there.name, **words}, []


def target(carried: Switch, spare: Switch) -> Switch:
    """Return what the spare shall be: everything that was carried, with its own doors, by which it is being configured."""
    whole = with_entrances(carried, spare)
    return replace(whole, ports={name: port for name, port in whole.ports.items() if name in spare.ports})


def _archived(asked: Asked, failed: Device, entry: Entry | None, archive: Archive) -> dict[str, Any] | None:
    if entry is None:
        return None
    box = asked.boxes.get(asked.failed) or {}
    switch = parse(entry.platform, entry.running)
    history = archive.history(asked.failed)
    return {
        "complete": entry.platform == failed.platform and bool(switch.ports),
        "why": f"it is that of a {entry.platform}, not of a {failed.platform}" if entry.platform != failed.platform else "it has no port",
        "hostname": switch.hostname,
        "expected_hostname": failed.expected,
        "serial": entry.state.serial,
        "expected_serial": str(box.get("serial") or ""),
        "fetched_at": entry.at.isoformat(),
        "changed_at": str(box.get("changed_at") or ""),
        "sha256": entry.digest,
        "commit": history[0][0] if history else "",
    }


def _read(device: Device) -> Spare | SwitchError:
    try:
        with Session(device, deadline_s=90) as session:
            state = read(session)
            text = session.running()
    except SwitchError as error:
        return error
    return Spare(state, parse(device.platform, text), text)


def _described(asked: Asked, scene: Scene, chosen: _Chosen) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is known of the two boxes. ``box`` is what stands on the label."""
    work, source, device = scene.devices[asked.failed], scene.devices[asked.source or asked.failed], scene.devices[chosen.name]
    state, spare = chosen.entry.state, chosen.spare.state
    box = asked.boxes.get(chosen.name) or {}
    was = {"name": asked.failed, "box": source.key_name or source.name, "model": state.model or source.model, "platform": work.platform}
    was |= {"software": state.version, "serial": state.serial}
    now = {
        "name": chosen.name,
        "box": device.key_name or device.name,
        "model": spare.model or device.model,
        "expected_model": device.model,
        "platform": device.platform,
        "software": spare.version,
        "serial": spare.serial,
        "expected_serial": str(box.get("serial") or ""),
        "standing": chosen.name in asked.spares or asked.kind == "failback",
        "compatible": list(asked.compatible.get(source.model, ())),
        "waits_as": asked.own_name or chosen.name,
    }
    return was, now


def _pairs(scene: Scene, archive: Archive, failed: str) -> dict[str, list[str]]:
    """Return for each aggregate of the neighbours the switches to which its members lead, from what the archive holds of them."""
    found: dict[str, list[str]] = {}
    for name in fence.towards(scene.cables, failed, scene.devices):
        try:
            entry = archive.entry(name)
        except ArchiveError:
            continue
        for aggregate, members in (entry.state.aggregates if entry else {}).items():
            ends = [cable for cable in failover.at(scene.cables, name) if cable.near(name)[1] in members]
            found[f"{name} {aggregate}"] = [cable.far(name)[0] for cable in ends]
    return found


def _rehearsed(device: Device, want: Switch) -> list[Finding]:
    """Let the spare read the lines without effect, where its platform can: a line that it does not take is known before anybody decides."""
    try:
        number = driver.rehearse(device, want)
    except NotSupportedError:
        return [
            Finding("not-rehearsed", "info", f"{device.name} cannot read a change without making it; each line is checked as it is sent.")
        ]
    except RejectedError as error:
        return [error.finding()]
    except SwitchError as error:
        return [replace(error.finding(), code="rehearsal-failed")]
    return [Finding("rehearsed", "info", f"{device.name} has read all {number} lines and takes them; nothing took effect.")]


def _no_spare(asked: Asked, name: str) -> Finding:
    said = f"{name} is not a switch of the inventory" if name and name != asked.failed else "the inventory has no spare for it"
    return Finding(
        "no-spare",
        "stop",
        f"There is nothing to replace {asked.failed} with: {said}.",
        remedy="Name a spare switch of the inventory: -e spare=NAME.",
        alternative="Ask the supplier for the replacement of the service contract; meanwhile move the most urgent area to free ports.",
    )


def _silent(error: SwitchError, name: str) -> Finding:
    finding = error.finding()
    if error.code != "switch-unreachable":
        return finding
    return replace(
        finding,
        code="spare-unreachable",
        message=f"The spare {name} does not answer: {finding.message}",
        remedy=f"See that {name} has power and that its management cable is plugged in; then repeat.",
        alternative="Name another spare: -e spare=NAME.",
    )


def _not_expressible(name: str, error: ValueError) -> Finding:
    return Finding(
        "configuration-not-expressible",
        "stop",
        f"What the failed switch was configured to do cannot be said to {name}: {error}",
        "Half of a configuration is a fault of its own.",
        "Name another spare (-e spare=NAME), of the same platform if there is one.",
    )


def _nobody(error: ValueError) -> Finding:
    return Finding(
        "nobody-for-the-cables",
        "stop",
        f"The cables cannot be given to anybody: {error}.",
        remedy="Name somebody who handles that medium in the inventory: switch_failover_people.",
    )


def _unplaced(failed: str, spare: str, error: PlantError) -> Finding:
    return Finding(
        "spare-place-unknown",
        "warning",
        f"Whether {spare} has to be carried to {failed} is not known: {error}. Nobody is asked to carry it.",
        "The cables reach it only where the failed switch stands.",
        f"See that {spare} stands beside {failed} before you approve; then write the room of both into the plant's record.",
    )


def live_view(switch: Switch, state: State, plant: Plant, name: str, platforms: Mapping[str, str]) -> View:
    """Return what a switch carries now, for comparison with what was archived."""
    return view(switch, state, full_ports(platforms), floors(plant, name))
