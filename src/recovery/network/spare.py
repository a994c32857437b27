"""Would this spare do, tonight? Looked at while nothing is wrong, changing nothing (ORG-7, BKP-6).

For each switch that it stands in for, the fail-over is worked out as it would be worked out in the night: the archived configuration is
carried over, written for the spare, and the spare reads it without effect where its platform can. What would be refused then is told now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recovery.findings import Finding
from recovery.network import change, failover_driver, portmap
from recovery.network.answers import NotSupportedError, RejectedError, SwitchError
from recovery.network.archive import Archive, ArchiveError, Entry
from recovery.network.carry import carry
from recovery.network.device import Device
from recovery.network.failover_checks import judge_ports, judge_spare, judge_unknown
from recovery.network.failover_plan import target
from recovery.network.model import Switch
from recovery.network.parse import parse
from recovery.network.render import render
from recovery.network.scrub_network import hide_rows
from recovery.network.session import Session
from recovery.network.state import UP, State, read
from recovery.network.talk import talk
from recovery.network.views import view


@dataclass(frozen=True)
class Box:
    """What the inventory says of a spare: the switches that it stands in for, who keeps it, where it is, and its serial number."""

    stands_in_for: tuple[str, ...] = ()
    custodian: str = ""
    place: str = ""
    serial: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Box:
        """Take the inventory's description; custodian and place may be said in several languages."""
        said = {key: told.get(key) or "" for key in ("custodian", "place")}
        plain = {
            key: str(value.get("en") or next(iter(value.values()), "")) if isinstance(value, Mapping) else str(value)
            for key, value in said.items()
        }
        return cls(tuple(told.get("stands_in_for") or ()), plain["custodian"], plain["place"], str(told.get("serial") or ""))


@dataclass(frozen=True)
class Rehearsal:
    """What became of one switch's configuration on the spare: how many lines, how many of them the spare itself has read."""

    failed: str
    lines: int = 0
    read_by_spare: int | None = None
    not_carried: tuple[str, ...] = ()


@dataclass(frozen=True)
class Examined:
    """What came of one spare."""

    name: str
    findings: tuple[Finding, ...]
    rehearsals: tuple[Rehearsal, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Around:
    """What all examinations need: devices by name, the archive, declared compatible models, and the ports with a cable by switch."""

    devices: Mapping[str, Device]
    archive: Archive
    compatible: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cabled: Mapping[str, Sequence[str]] = field(default_factory=dict)
    max_age_s: float = 0.0


@dataclass(frozen=True)
class _Spare:
    device: Device
    box: Box
    state: State
    switch: Switch


def paper(device: Device, box: Box) -> list[Finding]:
    """What speaks against a spare before anybody has looked at it."""
    found = []
    if not box.stands_in_for:
        found.append(
            Finding(
                "spare-for-nobody",
                "warning",
                f"{device.name} stands in for no switch in particular.",
                remedy="Say in the inventory which: network_spare.stands_in_for.",
            )
        )
    for what, value in (("custodian", box.custodian), ("place", box.place)):
        if not value:
            found.append(
                Finding(
                    f"spare-without-{what}",
                    "stop",
                    f"The inventory names no {what} of {device.name}.",
                    "In the night somebody has to find it and may have to ask for its key.",
                    f"Write it down: network_spare.{what}.",
                )
            )
    return found


def examine(device: Device, box: Box, around: Around) -> Examined:
    """Look at one spare and rehearse what it stands in for. Nothing of it is changed."""
    findings = paper(device, box)
    try:
        with Session(device, deadline_s=120) as session:
            state = read(session)
            switch = parse(device.platform, session.running())
    except SwitchError as error:
        return Examined(device.name, (*findings, error.finding()))
    spare = _Spare(device, box, state, switch)
    rehearsals = []
    for failed in box.stands_in_for:
        said, rehearsal = _stand_in(spare, failed, around)
        findings += [one for one in said if one not in findings]
        if rehearsal:
            rehearsals.append(rehearsal)
    facts = {
        "model": state.model or device.model,
        "serial": state.serial,
        "version": state.version,
        "custodian": box.custodian,
        "place": box.place,
    }
    return Examined(device.name, tuple(findings), tuple(rehearsals), facts)


def _stand_in(spare: _Spare, failed: str, around: Around) -> tuple[list[Finding], Rehearsal | None]:
    name, origin = spare.device.name, around.devices.get(failed)
    if origin is None:
        return [Finding("spare-for-nobody", "stop", f"{name} stands in for {failed}, which is no switch of the inventory.")], None
    try:
        entry = around.archive.entry(failed)
        wanted = parse(entry.platform, around.archive.reveal(entry.running), origin.addresses.get("inband", "")) if entry else None
    except (ArchiveError, ValueError) as error:
        return [Finding("archive-damaged", "stop", f"{failed}: {error}")], None
    if entry is None or wanted is None:
        remedy = f"Archive it: recovery run switch_archive -l {failed}."
        return [
            Finding("archive-missing", "stop", f"{failed} was never archived: {name} would not know what to become.", remedy=remedy)
        ], None
    findings = judge_spare(*_described(spare, origin, entry, around), view(spare.switch, spare.state), {})
    used = list(around.cabled.get(failed) or (port for port, seen in entry.state.ports.items() if seen.link == UP and port in wanted.ports))
    mapping = portmap.propose(wanted, spare.switch, used=used)
    carried, left_behind = carry(wanted, mapping.ports, spare.device.platform)
    secret = talk(entry.platform).secrets
    not_carried = hide_rows([*mapping.told(), *({"what": one.what, "why": one.why} for one in left_behind)], secret)
    findings += judge_ports(failed, name, used, mapping.ports, not_carried)
    findings += judge_unknown(failed, hide_rows(({"line": one.line, "text": one.text} for one in wanted.unknown), secret))
    findings += optics(failed, name, entry.state, spare.state, mapping.ports) + power(failed, name, entry.state, spare.state, mapping.ports)
    said, lines, read_by_spare = _written(spare, target(carried, spare.switch), failed)
    return findings + said, Rehearsal(failed, lines, read_by_spare, tuple(f"{one['what']}: {one['why']}" for one in not_carried))


def _described(spare: _Spare, origin: Device, entry: Entry, around: Around) -> tuple[dict[str, Any], dict[str, Any]]:
    was = {"name": origin.name, "model": origin.model, "platform": origin.platform, "software": entry.state.version}
    now = {
        "name": spare.device.name,
        "model": spare.state.model or spare.device.model,
        "expected_model": spare.device.model,
        "platform": spare.device.platform,
        "software": spare.state.version,
        "serial": spare.state.serial,
        "expected_serial": spare.box.serial,
        "standing": True,
        "compatible": list(around.compatible.get(origin.model, ())),
    }
    return was, now


def optics(failed: str, spare: str, was: State, now: State, ports: Mapping[str, str]) -> list[Finding]:
    """Every port that had an optic in it needs one at its new place."""
    dark = sorted(
        new for old, new in ports.items() if old in was.light and was.ports.get(old) and was.ports[old].link == UP and new not in now.light
    )
    if not dark:
        return []
    return [
        Finding(
            "spare-optics-missing",
            "stop",
            f"{spare} has no optic in {', '.join(dark)}, where fibres of {failed} would go.",
            "The fibre has nowhere to go until somebody has found an optic.",
            f"Put the same optics as in {failed} into {spare}, and leave them there.",
        )
    ]


def power(failed: str, spare: str, was: State, now: State, ports: Mapping[str, str]) -> list[Finding]:
    """Every device that was fed through its cable has to be fed at its new place."""
    unfed = sorted(old for old, watts in was.poe.items() if watts > 0 and old in ports and ports[old] not in now.poe)
    if not unfed:
        return []
    return [
        Finding(
            "spare-poe-missing",
            "stop",
            f"{spare} cannot feed what hangs at {', '.join(unfed)} of {failed}.",
            "Telephones and access points there would stay dark.",
            "Keep a spare with power over Ethernet, or injectors beside it.",
        )
    ]


def _written(spare: _Spare, want: Switch, failed: str) -> tuple[list[Finding], int, int | None]:
    """Write the configuration for the spare, read it back from paper, and let the spare read it where it can without effect."""
    name = spare.device.name
    try:
        lines = change.lines(want.platform, change.difference(spare.switch, want))
        again = parse(want.platform, "\n".join(render(want)))
    except ValueError as error:
        return (
            [Finding("configuration-not-expressible", "stop", f"What {failed} is configured to do cannot be said to {name}: {error}")],
            0,
            None,
        )
    found = []
    if left := change.difference(again, want):
        told = ", ".join(f"{one.verb} {one.kind} {one.key}".strip() for one in left[:5])
        message = f"{failed} written for {name} does not read back as what was meant: {told}."
        found.append(Finding("configuration-not-read-back", "stop", message, remedy="Correct the grammar of this platform."))
    try:
        read_by_spare = failover_driver.rehearse(spare.device, want)
    except NotSupportedError:
        message = f"{name} cannot read a change without making it; {len(lines)} lines for {failed} were proven on paper."
        return [*found, Finding("not-rehearsed", "info", message)], len(lines), None
    except RejectedError as error:
        return [*found, error.finding()], len(lines), None
    except SwitchError as error:
        return [*found, error.finding()], len(lines), None
    return found, len(lines), read_by_spare


def reason(examined: Iterable[Examined], blocking: Sequence[Finding]) -> str:
    """Say in a few lines what came of all of them."""
    if blocking:
        return "\n".join(finding.message for finding in blocking)
    parts = []
    for one in examined:
        rehearsed = ", ".join(f"{each.failed} ({each.lines} lines)" for each in one.rehearsals) or "nothing"
        parts.append(f"{one.name} could take over from {rehearsed}.")
    return "\n".join(parts)
