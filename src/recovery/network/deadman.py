"""The dead man's timer on the control node: a spare that was half configured goes back by itself if its run dies (RCV-3).

A process of its own watches a file. When the file's deadline has passed and nobody disarmed it, it gives the spare its own
configuration back, unless the spare carries traffic by then: wards that work again are not cut off because a terminal was closed. It is
told the spare's account and configuration on its standard input and keeps them in memory only.

    python -m recovery.network.deadman FILE < order.json
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recovery.frame.lock import process_started
from recovery.network.failover_record import put

POLL_S = 1.0
STATES = ("armed", "disarmed", "fired", "left-alone", "failed")


def read(path: Path) -> dict[str, Any]:
    """Return what the timer's file says; empty where there is none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return dict(told) if isinstance(told, dict) else {}


def alive(told: Mapping[str, Any]) -> bool:
    """Tell whether the process of an armed timer lives."""
    pid = int(told.get("pid") or 0)
    return bool(pid) and process_started(pid) == told.get("pid_started")


def arm(path: Path, *, spare: str, entry: Mapping[str, Any], kept: str, seconds: float) -> dict[str, Any]:
    """Start the timer, or set a living one anew. ``entry``: the spare as the inventory has it; ``kept``: its own configuration."""
    told = read(path)
    deadline = time.time() + seconds
    if told.get("state") == "armed" and told.get("spare") == spare and alive(told):
        put(path, {**told, "deadline": deadline})
        return read(path)
    put(path, {"state": "armed", "spare": spare, "deadline": deadline, "pid": 0})
    ours, theirs = os.pipe()
    try:
        with path.with_suffix(".log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "recovery.network.deadman", str(path)],
                stdin=ours,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            )
        os.close(ours)
        ours = -1
        with os.fdopen(theirs, "wb", closefd=False) as stream:
            stream.write(json.dumps({"entry": dict(entry), "kept": kept}, default=str).encode())
    finally:
        if ours >= 0:
            os.close(ours)
        os.close(theirs)
    put(path, {**read(path), "pid": child.pid, "pid_started": process_started(child.pid)})
    return read(path)


def extend(path: Path, seconds: float) -> None:
    """Set the deadline anew: somebody still works. Does nothing once the timer has run off."""
    told = read(path)
    if told.get("state") == "armed":
        put(path, {**told, "deadline": time.time() + seconds})


def disarm(path: Path) -> str:
    """Stop the timer and return the state that it was in: what has fired already is not undone by this."""
    told = read(path)
    state = str(told.get("state") or "")
    if state == "armed":
        put(path, {**told, "state": "disarmed"})
    return state


def due(told: Mapping[str, Any], now: float) -> bool:
    """Tell whether an armed timer has run off."""
    return told.get("state") == "armed" and now >= float(told.get("deadline") or 0)


def _fire(told: Mapping[str, Any], order: Mapping[str, Any]) -> dict[str, Any]:
    """Give the spare its own configuration back, unless people already work through it. Returns what became of it."""
    from recovery.network import failover_driver as driver  # the session is only needed now
    from recovery.network.device import from_inventory

    device = from_inventory(str(told["spare"]), order["entry"])
    working = driver.carrying(device)
    if working:
        return {"state": "left-alone", "why": f"{', '.join(working[:5])} of {told['spare']} carry traffic: undoing would cut them off"}
    back = driver.restore(device, str(order["kept"]))
    state = "fired" if back.clean else "failed"
    return {"state": state, "why": "nobody disarmed the timer in time", "sent": len(back.lines), "refused": back.refused, "left": back.left}


def watch(path: Path, order: Mapping[str, Any]) -> None:
    """Wait until the timer is disarmed, or act when it has run off."""
    while True:
        told = read(path)
        if told.get("state") != "armed":
            return
        if due(told, time.time()):
            break
        time.sleep(POLL_S)
    try:
        outcome = _fire(told, order)
    except Exception as error:  # what went wrong must stand in the file: nobody reads this process's words
        outcome = {"state": "failed", "why": f"{type(error).__name__}: {error}"}
    put(path, {**told, **outcome, "at": time.time()})


if __name__ == "__main__":
    watch(Path(sys.argv[1]), json.load(sys.stdin))
