"""A repaired switch takes its place again: which box is which, and what the one that works now carries (RCV-3, RCV-6).

The name stays with the work. After a fail-over it is the spare's box that answers to it, whether or not the inventory's proposed change
was merged yet; which box is meant is told by the out-of-band addresses that the fail-over's record keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recovery.findings import Finding
from recovery.network import change
from recovery.network import failover_driver as driver
from recovery.network.answers import SwitchError
from recovery.network.archive import Archive, Entry
from recovery.network.cable_sheet import LANGUAGES
from recovery.network.device import Device
from recovery.network.failover_record import Record
from recovery.network.fetch import Fetched, digest, fetch, steady
from recovery.network.parse import parse
from recovery.network.plant import Plant
from recovery.network.session import Session
from recovery.network.talk import talk


@dataclass(frozen=True)
class Boxes:
    """``source``: the inventory's entry of the box that carries the work now; ``repaired``: that of the box which takes it back."""

    work: str
    source: str
    repaired: str

    @property
    def merged(self) -> bool:
        """Tell whether the inventory knows already which box carries the work."""
        return self.source == self.work


def boxes(work: str, named: str, devices: Mapping[str, Device], last: Record | None, spares: Sequence[str]) -> Boxes:
    """Find out which box is which. Raises SwitchError where nothing tells it."""
    by_address = {device.addresses.get("oob", ""): name for name, device in devices.items()}
    kept = last.facts.get("boxes", {}) if last is not None else {}
    carries, other = "spare_oob", "failed_oob"
    if last is not None and last.kind == "failback" and not last.reached("released"):
        carries, other = other, carries  # it was on its way back, and what it goes back from still carries the work
    source = by_address.get(str(kept.get(carries) or ""), work)
    repaired = named or by_address.get(str(kept.get(other) or ""), "")
    if not repaired and len(spares) == 1:
        repaired = spares[0]
    if repaired not in devices or repaired == source:
        raise SwitchError(
            f"Which box takes {work} back is not known: no fail-over of it is on record here.",
            remedy="Name the repaired box by its name in the inventory: -e spare=NAME.",
        )
    return Boxes(work, source, repaired)


def before_it_stood_in(last: Record | None) -> str:
    """Return what the box that carries the work now was before, sealed; empty where that is not on record."""
    if last is None:
        return ""
    return last.earlier if last.kind == "failback" else last.sealed


def home(last: Record | None, plant: Plant) -> dict[str, str]:
    """Return from which room into which the box that stood in is carried, empty where it was never carried away.

    ``from``, ``to``, and the way in words, ``zh`` and ``en``.
    """
    if last is None:
        return {}
    if last.kind == "failback":
        return dict(last.facts.get("home") or {})
    way = last.decision.get("carried") or {}
    if not way:
        return {}
    here, there = (plant.rooms[way[key]].title if way[key] in plant.rooms else dict.fromkeys(LANGUAGES, way[key]) for key in ("to", "from"))
    words = {language: f"{here[language]} -> {there[language]}" for language in LANGUAGES}
    return {"from": way["to"], "to": way["from"], **words}


def as_work(device: Device, work: Device) -> Device:
    """Return a box under the name of the work that it does, known by its own host key."""
    return replace(device, name=work.name, hostname=work.expected, key_name=device.key_name or device.name)


def fresh(device: Device, archive: Archive, *, keep: bool) -> tuple[Entry, list[Finding]]:
    """Read the box that works now, whole, and keep it in the archive. Raises SwitchError; what is not proven complete is refused."""
    found: Fetched = fetch(device)
    blocking = [one for one in found.findings if one.severity in ("stop", "overridable")]
    if blocking:
        return _entry(found), blocking
    if keep:
        archive.store([found], f"before {device.name} goes back to its own box")
        entry = archive.entry(device.name)
        if entry is not None:
            return entry, []
    return _entry(found), []


def _entry(found: Fetched) -> Entry:
    from recovery.network.failover_checks import moment

    how = talk(found.platform)
    lines = len(steady(how, found.running))
    return Entry(
        found.name,
        found.platform,
        moment(found.at),
        found.address,
        lines,
        digest(how, found.running),
        found.running,
        found.startup,
        found.state,
    )


def neutral(entry: str, want_name: str) -> str:
    """Return the name under which a box waits: its own in the inventory, unless that is the name that it is to get."""
    return entry if entry != want_name else f"{want_name}-returns"


def leave(source: Device, inband: str, name: str) -> list[str]:
    """Take name and address from the box that carried the work, so that its twin may have them. Returns the lines that were sent."""
    with Session(source) as session:
        have = parse(source.platform, session.running(), inband)
        svis = {vlan: replace(svi, enabled=False) if vlan == have.management.vlan else svi for vlan, svi in have.svis.items()}
        want = replace(have, hostname=name, svis=svis)
        operations = change.difference(have, want)
        if not operations:
            return []
        lines = change.lines(source.platform, operations)
        session.configure(lines)
        left = change.difference(driver.own(source, session), want)
    if left:
        raise SwitchError(
            f"{source.name} did not give its name and address up: {left[0].kind} {left[0].key} is as it was.", remedy="Look at it by hand."
        )
    return lines
