"""The clinical work at the workstations: starts and stops the units his-workload and lis-workload there."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab import host
from lab.errors import LabError
from lab.state import Lab

SYSTEMS = ("his", "lis")


def _workstations(lab: Lab) -> list[str]:
    names = [node.name for node in lab.topology().with_role("workstation")]
    for name in names:
        host.require_leader(lab, name)
    return names


def _unit(system: str) -> str:
    if system not in SYSTEMS:
        raise LabError(f"There is no work with {system!r}.", f"Systems: {', '.join(SYSTEMS)}.")
    return f"{system}-workload.service"


def start(lab: Lab, rate: float | None, system: str = "his") -> list[str]:
    """Start work with a system on every workstation (``rate`` transactions a second each); return where."""
    unit = _unit(system)
    names = _workstations(lab)

    def begin(name: str) -> None:
        if rate is not None:
            host.execute(lab, name, ["sh", "-c", f"cat >/etc/default/{system}-workload"], stdin=f"RATE={rate:g}\n")
        host.execute(lab, name, ["systemctl", "restart", unit])
        if not _running(lab, name, unit):
            raise LabError(f"The clinical work on {name} does not start.", f"See: lab exec {name} -- journalctl -u {unit}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, names))
    return names


def stop(lab: Lab) -> list[str]:
    """Stop clinical work everywhere; return where."""
    names = _workstations(lab)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: host.execute(lab, name, ["systemctl", "stop", *map(_unit, SYSTEMS)]), names))
    return names


def _running(lab: Lab, name: str, unit: str) -> bool:
    return host.execute(lab, name, ["systemctl", "is-active", unit], check=False).stdout.strip() == "active"


def status(lab: Lab, system: str = "his") -> dict[str, dict[str, Any]]:
    """Return, for every workstation, whether it works and what its own log sums up to."""
    unit = _unit(system)
    found: dict[str, dict[str, Any]] = {}
    for name in _workstations(lab):
        summary = host.execute(lab, name, [f"/usr/local/bin/{system}-client", "summary"], check=False).stdout
        try:
            figures = json.loads(summary)
        except json.JSONDecodeError:
            figures = {}
        found[name] = {"running": _running(lab, name, unit), **(figures if isinstance(figures, dict) else {})}
    return found
