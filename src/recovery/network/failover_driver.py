"""What the fail-over does at switches: ask, send, read back, give back. Every line is answered for (RCV-3)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from recovery.network import change, echo
from recovery.network.answers import NotSupportedError, SwitchError
from recovery.network.change import Operation
from recovery.network.device import Device
from recovery.network.model import Switch
from recovery.network.parse import parse
from recovery.network.session import Session
from recovery.network.state import UP, State, read

LOOKING = ("ports", "macs", "neighbours")


def ask(device: Device, tables: Sequence[str] = ()) -> State:
    """Return what a switch is doing. Raises SwitchError."""
    with Session(device, idle_s=15, deadline_s=60) as session:
        return read(session, tables)


def pings(addresses: Mapping[str, str], via: Sequence[str] = ()) -> dict[str, bool]:
    """Return which of several hosts (name: address) answer an echo. Raises SwitchError where none can be sent from here."""
    if not addresses:
        return {}
    argv = [*via, sys.executable, str(Path(echo.__file__)), *addresses.values()]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        said = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    if said:
        raise SwitchError(
            f"This control node cannot knock at anybody's address: {said}",
            why="Who is silent cannot be told from who was not asked.",
            remedy="See that network_via leads to the network, and that the account may send echoes (root, or net.ipv4.ping_group_range).",
        )
    heard = set(done.stdout.split())
    return {name: address in heard for name, address in addresses.items()}


def carrying(device: Device) -> list[str]:
    """Return the ports of a switch through which somebody works now: link, and an address or a neighbour behind it."""
    state = ask(device, LOOKING)
    spoken = set(state.macs.values()) | set(state.neighbours)
    return sorted(name for name, port in state.ports.items() if port.link == UP and name in spoken)


def own(device: Device, session: Session) -> Switch:
    """Return what a switch is configured to do now."""
    return parse(device.platform, session.running())


def split(operations: Sequence[Operation]) -> tuple[list[Operation], list[Operation]]:
    """Return the operations that nobody feels, and those that change the switch's own name and address, which go last."""
    return [one for one in operations if not one.last], [one for one in operations if one.last]


@dataclass(frozen=True)
class Sent:
    """What was sent and what came of it. ``left``: operations by which the switch still differs; ``trial``: its own timer ran meanwhile."""

    lines: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    trial: bool = False

    @property
    def clean(self) -> bool:
        """Tell whether the switch is now as it should be."""
        return not self.left


def _told(operations: Sequence[Operation]) -> list[str]:
    return [f"{one.verb} {one.kind} {one.key}".rstrip() for one in operations]


def make(device: Device, want: Switch, *, last: bool, trial_s: float = 0.0) -> Sent:
    """Bring a switch to a configuration in one session, and read it back. Raises SwitchError; a line that is refused is RejectedError.

    ``last``: its own name and address as well, else all but these. ``trial_s``: where the platform can, it undoes the change by itself
    unless what was read back is what was wanted.
    """
    with Session(device) as session:
        have = own(device, session)
        early, late = split(change.difference(have, want))
        chosen = [*early, *late] if last else early
        if not chosen:
            return Sent()
        wanted = change.lines(device.platform, chosen)
        trial = bool(trial_s) and session.talk.trial is not None
        answers = session.configure(wanted, trial_s=trial_s if trial else 0.0)
        left = change.difference(own(device, session), want)
        still = left if last else split(left)[0]
        if trial:
            session.revert() if still else session.confirm()
    return Sent([one.line for one in answers], [], _told(still), trial)


def rehearse(device: Device, want: Switch) -> int:
    """Let a switch read the lines without letting them take effect, where its platform keeps changes back until they are committed.

    Returns how many lines it took. Raises RejectedError with the first that it does not take, NotSupportedError on other platforms.
    """
    with Session(device) as session:
        if not session.talk.commit or not session.talk.abandon:
            raise NotSupportedError(f"{device.name} ({device.platform}) cannot read a change without making it.")
        operations = change.difference(own(device, session), want)
        wanted = change.lines(device.platform, split(operations)[0])
        session.configure(wanted, commit=False)
        if wanted:
            session.abandon()
        return len(wanted)


def restore(device: Device, kept: str) -> Sent:
    """Give a switch a configuration back: every line of the difference is sent whatever becomes of the others, then it is compared."""
    with Session(device) as session:
        want = parse(device.platform, kept)
        have = own(device, session)
        want = replace(want, ports={name: port for name, port in want.ports.items() if name in have.ports})
        operations = change.difference(have, want)
        answers = session.undo(change.lines(device.platform, operations)) if operations else []
        left = change.difference(own(device, session), want)
    return Sent([one.line for one in answers], [f"{one.line}: {one.text}" for one in answers if one.rejected], _told(left))
