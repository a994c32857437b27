"""What the fail-over does at switches: ask, send, read back, undo. Every line is answered for (RCV-3)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from recovery.network.answers import Answer
from recovery.network.device import Device
from recovery.network.session import Session
from recovery.network.state import UP, State, read

LOOKING = ("ports", "macs", "neighbours")


def ask(device: Device, tables: Sequence[str] = ()) -> State:
    """Return what a switch is doing. Raises SwitchError."""
    with Session(device, idle_s=15, deadline_s=60) as session:
        return read(session, tables)


def pings(addresses: Mapping[str, str], via: Sequence[str] = ()) -> dict[str, bool]:
    """Return which of several hosts (name: address) answer a ping; two are sent to each, and one answer is enough."""

    def one(address: str) -> bool:
        argv = [*via, "ping", "-n", "-q", "-c", "2", "-i", "0.3", "-W", "1", address]
        return (
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
            == 0
        )

    with ThreadPoolExecutor(max_workers=max(1, min(32, len(addresses)))) as pool:
        return dict(zip(addresses, pool.map(one, addresses.values()), strict=True))


def carrying(device: Device) -> list[str]:
    """Return the ports of a switch through which somebody works now: link, and an address or a neighbour behind it."""
    state = ask(device, LOOKING)
    spoken = set(state.macs.values()) | set(state.neighbours)
    return sorted(name for name, port in state.ports.items() if port.link == UP and name in spoken)


def undo(device: Device, lines: Sequence[str]) -> list[str]:
    """Send the stored inverse, every line whatever becomes of the others; return the lines that were refused, with the answer."""
    with Session(device) as session:
        answers = session.undo(lines)
    return [f"{one.line}: {one.text}" for one in answers if one.rejected]


def said(answers: Iterable[Answer]) -> list[str]:
    """Return what was sent, as the result of a module shows it (secrets are out already)."""
    return [one.line for one in answers]
