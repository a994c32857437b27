"""The clinical work at the workstations: starts and stops the unit his-workload there."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab import host
from lab.errors import LabError
from lab.state import Lab

UNIT = "his-workload.service"
SETTINGS = "/etc/default/his-workload"


def _workstations(lab: Lab) -> list[str]:
    names = [node.name for node in lab.topology().with_role("workstation")]
    for name in names:
        host.require_leader(lab, name)
    return names


def start(lab: Lab, rate: float | None) -> list[str]:
    """Start clinical work on every workstation (``rate`` transactions a second each); return where."""
    names = _workstations(lab)

    def begin(name: str) -> None:
        if rate is not None:
            host.execute(lab, name, ["sh", "-c", f"cat >{SETTINGS}"], stdin=f"RATE={rate:g}\n")
        host.execute(lab, name, ["systemctl", "restart", UNIT])
        if not _running(lab, name):
            raise LabError(f"The clinical work on {name} does not start.", f"See: lab exec {name} -- journalctl -u {UNIT}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, names))
    return names


def stop(lab: Lab) -> list[str]:
    """Stop clinical work everywhere; return where."""
    names = _workstations(lab)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: host.execute(lab, name, ["systemctl", "stop", UNIT]), names))
    return names


def _running(lab: Lab, name: str) -> bool:
    return host.execute(lab, name, ["systemctl", "is-active", UNIT], check=False).stdout.strip() == "active"


def status(lab: Lab) -> dict[str, dict[str, Any]]:
    """Return, for every workstation, whether it works and what its own log sums up to."""
    found: dict[str, dict[str, Any]] = {}
    for name in _workstations(lab):
        summary = host.execute(lab, name, ["/usr/local/bin/his-client", "summary"], check=False).stdout
        try:
            figures = json.loads(summary)
        except json.JSONDecodeError:
            figures = {}
        found[name] = {"running": _running(lab, name), **(figures if isinstance(figures, dict) else {})}
    return found
