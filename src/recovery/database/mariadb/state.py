"""How the repository of a place is now (BKP-2, BKP-3): age, space, whether the binary log arrives."""

from __future__ import annotations

import shutil
import time
from datetime import datetime
from typing import Any

from ...findings import Finding
from ..backup_state import age_findings, days_until_full, space_findings
from ..shell import CommandError, Procedure, run
from . import binlog, removable, vault
from .place import Place
from .repository import Backup


def state(place: Place, procedure: Procedure, only: str = "") -> tuple[dict[str, Any], list[Finding]]:
    """Return the facts of this place's repositories, and what is wrong with them; ``only`` names one of two repositories."""
    if only == "removable":
        with procedure.step("Look at the removable disk"):
            facts, findings = _disk(place)
        return {only: facts}, findings
    kept, findings = _repository(place, procedure)
    if place.removable and not only:
        with procedure.step("Look at the removable disk"):
            kept["removable"], more = _disk(place)
            findings += more
    return kept, findings


def _disk(place: Place) -> tuple[dict[str, Any], list[Finding]]:
    if not removable.mounted(place):
        return {"mounted": False}, [
            Finding(
                "removable-not-mounted",
                "warning",
                f"No removable disk is mounted for {place.removable or place.system}; how old its copy is cannot be seen.",
                "A disk in the safe is as it should be; it must be there in the middle and at the end of each month.",
            )
        ]
    found = removable.record(place)
    copied = datetime.fromisoformat(found["copied_at"].replace("Z", "+00:00")).timestamp() if found else None
    hours = float(dict(place.limits.get("max_age_hours", {})).get("removable", 0))
    return {"mounted": True, **found}, age_findings("removable", copied, time.time(), hours)


def _repository(place: Place, procedure: Procedure) -> tuple[dict[str, Any], list[Finding]]:
    findings: list[Finding] = []
    with procedure.step(f"Look at the {place.name} repository: age, space, log"):
        try:
            if place.name == "offsite":
                told, problems = vault.stored_backups(place)
                backups = [Backup.parse(one) for one in told]
                findings += [
                    Finding("backup-damaged", "overridable", f"Backup {label}: {text}.", "It cannot be restored.", "Take a new backup.")
                    for label, text in problems
                ]
            else:
                backups = place.repository.backups()
        except (CommandError, ValueError, KeyError) as error:
            remedy = "Repair it, or set it up anew: recovery run database_backup_setup"
            return {}, [
                Finding("backup-damaged", "overridable", f"The {place.name} repository: {error}.", "Nothing could be restored.", remedy)
            ]
        newest = max((int(one.stop_time) for one in backups), default=None)
        free = shutil.disk_usage(place.path).free
        days = days_until_full([(one.stop_time, one.size) for one in backups if len(one.chain) == 1], free)
        findings += age_findings(place.name, newest, time.time(), float(dict(place.limits.get("max_age_hours", {})).get(place.name, 0)))
        findings += space_findings(place.name, place.path, days, place.limits)
        unit = f"binlog-tail@{place.system}.service"
        if run(["systemctl", "is-active", unit], accept=(0, 3, 4)).strip() != "active":
            findings.append(
                Finding(
                    "wal-tail-behind",
                    "overridable",
                    f"Nobody receives the binary log beside the {place.name} repository ({unit} does not run).",
                    "What is acknowledged now would be in no backup.",
                    f"Look at: journalctl -u {unit}",
                )
            )
    histories = place.repository.histories()
    logs = {name: [path.name for path in binlog.files(place.repository.tail / name)][-1:] for name in histories}
    facts = {
        "backups": [one.label for one in backups],
        "newest_at": newest,
        "free_bytes": free,
        "days_until_full": days,
        "newest_logs": logs,
    }
    return {place.name: facts}, findings
