"""The steps of a fail-over, each of which can be repeated: keep, arm, configure, name, confirm (RCV-3, BKP-6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recovery.findings import Finding
from recovery.network import change, deadman, failback
from recovery.network import failover_driver as driver
from recovery.network import failover_record as records
from recovery.network.answers import RejectedError, SwitchError
from recovery.network.archive import Archive
from recovery.network.carry import carry
from recovery.network.device import Device
from recovery.network.failover_plan import target
from recovery.network.failover_record import Record, Sealed
from recovery.network.fetch import Fetched, digest, fetch
from recovery.network.model import Switch
from recovery.network.parse import parse
from recovery.network.session import Session
from recovery.network.talk import talk
from recovery.network.vault import Vault


class StepError(Exception):
    """A step that did not do what it should. ``finding`` says it; ``sent`` is what went out before."""

    def __init__(self, finding: Finding, sent: list[str] | None = None) -> None:
        """Keep the finding and what was sent."""
        super().__init__(finding.message)
        self.finding, self.sent = finding, sent or []


@dataclass
class Job:
    """A fail-over that was decided, with all that its steps need."""

    record: Record
    incidents: Path
    devices: Mapping[str, Device]
    entries: Mapping[str, Mapping[str, Any]]
    archive: Archive
    vault: Vault

    @property
    def spare(self) -> Device:
        """Return the switch that takes over."""
        return self.devices[self.record.spare]

    @property
    def failed(self) -> Device:
        """Return the switch that failed."""
        return self.devices[self.record.failed]

    @property
    def timer(self) -> Path:
        """Return the file of the dead man's timer."""
        return records.path_of(self.incidents, self.record.failed, "timer.json")

    @property
    def source(self) -> Device:
        """Return the box that carries, or carried, the work."""
        return self.devices[self.record.source or self.record.failed]

    def waiting(self, want: Switch) -> Switch:
        """Return what the spare shall be until it gets the work's name and address: its twin may still have them."""
        svis = {vlan: replace(svi, enabled=False) if vlan == want.management.vlan else svi for vlan, svi in want.svis.items()}
        return replace(want, hostname=self.record.decision["spare"]["waits_as"], svis=svis)

    def sealed(self) -> Sealed:
        """Return what is kept encrypted."""
        return records.unseal(self.record, self.vault)

    def keep(self) -> None:
        """Write the record down."""
        records.write(self.incidents, self.record)

    def want(self) -> Switch:
        """Return what the spare shall be, computed anew from the archive and from what the spare was. Raises StepError."""
        entry = self.archive.entry(self.record.failed)
        if entry is None or entry.digest != self.record.decision["archive"]["sha256"]:
            raise StepError(
                Finding(
                    "archive-changed",
                    "stop",
                    f"The archived configuration of {self.record.failed} is not the one that was approved.",
                    "Something else would be configured than what people agreed to.",
                    "Run the same command again: the plan of action is made anew and asked anew.",
                )
            )
        old = parse(entry.platform, self.archive.reveal(entry.running), self.failed.addresses.get("inband", ""))
        carried, _ = carry(old, self.record.ports, self.spare.platform)
        return target(carried, parse(self.spare.platform, self.sealed().kept))


def now() -> str:
    """Return the time as milestones have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def keep(job: Job) -> dict[str, Any]:
    """Archive the spare's own configuration, and see that the spare is still what the plan of action was made for."""
    device = job.spare
    if job.record.reached("kept"):
        return {"changed": False, "msg": f"{device.name}'s own configuration was kept before."}
    found: Fetched = fetch(device)
    kept = job.sealed().kept
    how = talk(device.platform)
    if digest(how, found.running) != digest(how, kept):
        raise StepError(
            Finding(
                "spare-changed",
                "stop",
                f"{device.name} was reconfigured while people decided.",
                "What was approved was computed for what it was before.",
                "Find out who works on it; then run the same command again.",
            )
        )
    blocking = [one for one in found.findings if one.severity in ("stop", "overridable")]
    # In a failback the box may be called as the work is: the archive's page of that name is the work's.
    commit = (
        ""
        if blocking or device.name == job.record.failed
        else job.archive.store([found], f"before it takes over from {job.record.failed}").commit
    )
    job.record.reach("kept")
    job.keep()
    told = [replace(one, severity="warning") for one in blocking]
    where = f"in the archive ({commit})" if commit else "with this fail-over's record only"
    return {
        "changed": True,
        "msg": f"{device.name}'s own configuration is kept, encrypted, {where}; {len(job.sealed().inverse)} lines lead back to it.",
        "findings": [one.as_dict() for one in told],
        "after": {"kept": digest(how, kept), "inverse_lines": len(job.sealed().inverse), "commit": commit},
    }


def arm(job: Job, seconds: float) -> dict[str, Any]:
    """Start the control node's own timer: if this run dies before the proof, the spare goes back, unless people work through it."""
    told = deadman.arm(job.timer, spare=job.spare.name, entry=job.entries[job.spare.name], kept=job.sealed().kept, seconds=seconds)
    job.record.reach("armed")
    job.keep()
    until = datetime.fromtimestamp(float(told["deadline"]), UTC).isoformat(timespec="seconds")
    return {
        "changed": True,
        "msg": f"Unless this run proves the service by {until}, {job.spare.name} goes back by itself (process {told['pid']}).",
        "after": {"deadline": until, "pid": told["pid"]},
        "milestones": [{"name": "recovery_started", "at": now(), "detail": f"{job.spare.name} prepared for {job.record.failed}"}],
    }


def configure(job: Job, *, trial_s: float, naming: bool) -> dict[str, Any]:
    """Bring the spare to what it shall be, in one session, and read it back; its name and address only when ``naming``."""
    # A repaired box may still hold the name and address that its twin has: they are taken from it before any cable is moved.
    waits = job.record.kind == "failback" and not naming
    want = job.waiting(job.want()) if waits else job.want()
    try:
        sent = driver.make(job.spare, want, last=naming or waits, trial_s=trial_s)
    except RejectedError as error:
        raise StepError(_rejected(job, error), [one.line for one in error.answers]) from error
    if sent.left:
        raise StepError(
            Finding(
                "not-as-intended",
                "stop",
                f"{job.spare.name} took every line and is not as it should be: {'; '.join(sent.left[:5])}.",
                "What cannot be read back cannot be relied upon.",
                "Look at these parts on the switch; then run the same command again: only the difference is sent.",
            ),
            sent.lines,
        )
    job.record.reach("named" if naming else "configured")
    job.keep()
    what = (
        f"carries the name and address of {job.record.failed}"
        if naming
        else f"carries what {job.record.failed} carried, still under its own name"
    )
    timer = "; its own timer ran until that was read back" if sent.trial else ""
    return {
        "changed": bool(sent.lines),
        "msg": f"{job.spare.name} {what}: {len(sent.lines)} lines, every answer checked, read back and compared{timer}.",
        "commands": sent.lines,
        "after": {"lines": len(sent.lines), "device_timer": sent.trial},
    }


def _rejected(job: Job, error: RejectedError) -> Finding:
    """Give the spare back what it was, and say how that went."""
    finding = error.finding()
    try:
        back = driver.restore(job.spare, job.sealed().kept)
    except SwitchError as problem:
        state = f"{job.spare.name} could not be given its own configuration back: {problem.message}"
    else:
        state = (
            f"{job.spare.name} has its own configuration again, read back and compared."
            if back.clean
            else f"{job.spare.name} differs from its own configuration: {'; '.join(back.left[:5])}."
        )
    return replace(finding, message=f"{finding.message} {state}", alternative="Name another spare: -e spare=NAME.")


def leave(job: Job) -> dict[str, Any]:
    """Take name and address from the box that carried the work until now, in a failback, before its twin gets them."""
    name = str(job.record.facts.get("left_as") or _own_name(job))
    sent = failback.leave(job.source, job.failed.addresses.get("inband", ""), name)
    job.record.facts["fenced_at"] = now()
    job.keep()
    return {
        "changed": bool(sent),
        "commands": sent,
        "msg": f"{job.source.name} has given up the name and address of {job.record.failed}; it is {name}.",
    }


def _own_name(job: Job) -> str:
    """Return what the box was called before it took over; where that is not on record, its name in the inventory."""
    if job.record.earlier:
        kept = records.unseal(replace(job.record, sealed=job.record.earlier), job.vault).kept
        return parse(job.source.platform, kept).hostname
    return f"{job.source.name}-spare" if job.source.name == job.failed.expected else job.source.name


def give_back(job: Job) -> dict[str, Any]:
    """Let the box that carried the work be the spare again that it was, and save that."""
    if not job.record.earlier:
        finding = Finding(
            "spare-keeps-configuration",
            "warning",
            f"What {job.source.name} was before it took over is not on record here.",
            "It keeps the configuration that it had, without name and address.",
            "Configure it as a spare by hand, and archive it: recovery run switch_archive.",
        )
        return {"changed": False, "msg": finding.message, "findings": [finding.as_dict()]}
    kept = records.unseal(replace(job.record, sealed=job.record.earlier), job.vault).kept
    back = driver.restore(job.source, kept)
    if not back.clean:
        message = f"{job.source.name} differs from the spare that it was: {'; '.join(back.left[:5])}."
        raise StepError(Finding("not-as-intended", "stop", message, remedy="Look at it by hand."), back.lines)
    with Session(job.source) as session:
        session.save()
    return {
        "changed": bool(back.lines),
        "commands": back.lines,
        "msg": f"{job.source.name} is the spare again that it was, and has saved it.",
    }


def undo(job: Job) -> dict[str, Any]:
    """Give the spare its own configuration back. Raises StepError where people work through it, or where it does not become what it was."""
    working = driver.carrying(job.spare)
    if working and job.record.reached("named"):
        raise StepError(
            Finding(
                "spare-carries-traffic",
                "stop",
                f"People work through {job.spare.name}: {', '.join(working[:5])}.",
                "Taking its configuration away would cut them off.",
                "Move the cables back first, or come back in a quiet window: recovery run switch_failback.",
            )
        )
    back = driver.restore(job.spare, job.sealed().kept)
    deadman.disarm(job.timer)
    if not back.clean:
        raise StepError(
            Finding(
                "not-as-intended",
                "stop",
                f"{job.spare.name} differs from what it was: {'; '.join(back.left[:5])}.",
                remedy="Look at it by hand.",
            ),
            back.lines,
        )
    return {"changed": bool(back.lines), "msg": f"{job.spare.name} is what it was before.", "commands": back.lines}


def confirm(job: Job) -> dict[str, Any]:
    """Save what was proven, and stop the timer: only now does the spare start with it again after a power cut."""
    before = deadman.read(job.timer)
    if before.get("state") in ("fired", "failed"):
        raise StepError(
            Finding(
                "timer-ran-off",
                "stop",
                f"The dead man's timer ran off meanwhile ({before.get('why')}).",
                f"{job.spare.name} is not what was proven any more.",
                "Run the same command again: it configures it anew.",
            )
        )
    with Session(job.spare) as session:
        left = change.difference(driver.own(job.spare, session), job.want())
        if left:
            parts = "; ".join(f"{one.verb} {one.kind} {one.key}" for one in left[:5])
            raise StepError(
                Finding("not-as-intended", "stop", f"{job.spare.name} is not what was proven any more: {parts}.", remedy="Run again.")
            )
        session.save()
    state = deadman.disarm(job.timer)
    job.record.reach("proven")
    job.record.facts["proven_at"] = now()
    job.keep()
    return {
        "changed": True,
        "msg": f"{job.spare.name} has saved what it runs; the timer is stopped ({state or 'it was not running'}).",
        "commands": ["save"],
    }
