"""What the modules of the fail-over share: their options, and how a call takes up the inventory, the record and the archive."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recovery.findings import Finding, refusal_text
from recovery.network import failover_record as records
from recovery.network.answers import SwitchError
from recovery.network.archive import Archive, ArchiveError
from recovery.network.device import Device
from recovery.network.failover import Cable, cables_of
from recovery.network.failover_look import Scene
from recovery.network.failover_record import Record, RecordError
from recovery.network.failover_steps import Job, StepError
from recovery.network.options import SWITCHES, devices
from recovery.network.plant import Plant, PlantError, load
from recovery.network.vault import Vault, VaultError

FAILOVER: dict[str, Any] = {
    "failed": {"type": "str", "required": True},
    "plant": {"type": "path", "required": True},
    "archive": {"type": "path", "required": True},
    "vault_password_file": {"type": "path", "required": True, "no_log": False},
    "incidents": {"type": "path", "required": True},
    "via": {"type": "list", "elements": "str", "default": []},
    "probes": {"type": "dict", "default": {}},
    "control": {"type": "str", "default": ""},
    **SWITCHES,
}
PROBLEMS = (SwitchError, ArchiveError, VaultError, PlantError, RecordError, StepError)


@dataclass
class Place:
    """The inventory as one call sees it."""

    given: Mapping[str, Any]
    devices: dict[str, Device]
    plant: Plant
    cables: list[Cable]

    @functools.cached_property
    def vault(self) -> Vault:
        """Return what opens the archive's secrets. Raises VaultError."""
        return Vault(Path(self.given["vault_password_file"]))

    @functools.cached_property
    def archive(self) -> Archive:
        """Return the archive of the switches' configurations."""
        return Archive(Path(self.given["archive"]), self.vault)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Place:
        """Take up a module's arguments. Raises one of PROBLEMS."""
        found = {device.name: device for device in devices(given["switches"])}
        if given["failed"] not in found:
            raise SwitchError(
                f"{given['failed']} is not among the switches of the inventory ({', '.join(sorted(found))}).",
                remedy="Name the switch as the inventory does: -e failed=NAME.",
            )
        plant = load(Path(given["plant"]))
        return cls(given, found, plant, cables_of(plant))

    @property
    def incidents(self) -> Path:
        """Return the directory of all incidents."""
        return Path(self.given["incidents"])

    @property
    def scene(self) -> Scene:
        """Return what looking needs."""
        probes = {str(name): str(address) for name, address in self.given["probes"].items()}
        return Scene(self.devices, self.cables, self.given["control"], self.given["via"], probes)

    def platforms(self) -> dict[str, str]:
        """Return each switch's platform."""
        return {name: device.platform for name, device in self.devices.items()}

    def record(self) -> Record:
        """Return the record of the fail-over that was decided. Raises StepError where none was, RecordError."""
        record = records.read(self.incidents, self.given["failed"])
        if record is None:
            raise StepError(
                Finding(
                    "nothing-decided",
                    "stop",
                    f"No fail-over of {self.given['failed']} was decided.",
                    remedy=f"Begin with it: recovery run switch_failover -l {self.given['failed']}.",
                )
            )
        return record

    def job(self) -> Job:
        """Return the fail-over that was decided, with all that its steps need. Raises StepError, RecordError, VaultError."""
        entries = {str(entry["name"]): entry for entry in self.given["switches"]}
        return Job(self.record(), self.incidents, self.devices, entries, self.archive, self.vault)


def failure(error: Exception, *, looking: bool) -> dict[str, Any]:
    """Return what a module fails with. ``looking``: it changes nothing, so that its failure is a refusal."""
    sent: list[str] = []
    if isinstance(error, StepError):
        finding, sent = error.finding, error.sent
    elif isinstance(error, SwitchError):
        finding = error.finding()
    else:
        codes = {
            ArchiveError: "archive-damaged",
            VaultError: "vault-closed",
            PlantError: "plant-contradicts",
            RecordError: "record-unreadable",
        }
        code = next((code for kind, code in codes.items() if isinstance(error, kind)), "failover-failed")
        cause, _, remedy = str(error).partition("\n")
        finding = Finding(code, "stop", cause, remedy=remedy or "Correct it, and run the same command again.")
    return {"msg": refusal_text([finding]), "refused": looking, "findings": [finding.as_dict()], "commands": sent, "changed": bool(sent)}
