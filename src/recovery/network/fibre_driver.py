"""Both ends of a segment at once: sessions that stand open, phases that wait for each other, and the way back (RCV-2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import NoReturn, TypeVar

from recovery.database.shell import Procedure
from recovery.network.answers import SwitchError
from recovery.network.device import Device
from recovery.network.fibre_ends import Side
from recovery.network.scrub_network import hide
from recovery.network.session import Session
from recovery.network.state import read

Result = TypeVar("Result")


class MoveError(Exception):
    """A phase that one of the ends did not take: what is so now, and whether both are as they were before."""

    def __init__(self, message: str, restored: bool, code: str = "line-rejected") -> None:
        """Keep the sentence, whether everything was put back, and the finding's code."""
        super().__init__(message)
        self.restored = restored
        self.code = code


@dataclass
class Ends:
    """Open sessions with both switches. Use it as a context manager."""

    sides: Sequence[Side]
    devices: Mapping[str, Device]
    procedure: Procedure
    sessions: dict[str, Session] = field(default_factory=dict)

    def __enter__(self) -> Ends:
        """Log in at both ends at once. Raises SwitchError, with neither session left open."""
        try:
            self._each(lambda side: self.sessions.__setitem__(side.switch, Session(self.devices[side.switch])))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hang up at both ends."""
        self.close()

    def close(self) -> None:
        """Hang up at both ends."""
        for session in self.sessions.values():
            session.close()

    def _each(self, work: Callable[[Side], Result]) -> dict[str, Result]:
        """Do the same at both ends at once. Raises the first error, after both have finished."""
        with ThreadPoolExecutor(max_workers=len(self.sides)) as pool:
            futures = {side.switch: pool.submit(work, side) for side in self.sides}
        return {switch: future.result() for switch, future in futures.items()}

    def running(self) -> dict[str, str]:
        """Return what runs at both ends."""
        return self._each(lambda side: self.sessions[side.switch].running())

    def planned(self, phase: str, running: Mapping[str, str]) -> dict[str, list[str]]:
        """Return what either end would be told in a phase."""
        return {side.switch: side.lines(phase, running[side.switch]) for side in self.sides}

    def send(self, told: Mapping[str, Sequence[str]]) -> bool:
        """Send lines to both ends at once, and let them take effect; return whether either end had anything to say to them."""

        def one(side: Side) -> bool:
            lines = told.get(side.switch)
            return any(answer.text.strip() for answer in self.sessions[side.switch].configure(lines)) if lines else False

        self._remember(told)
        return any(self._each(one).values())

    def _remember(self, told: Mapping[str, Sequence[str]]) -> None:
        for side in self.sides:
            secrets = self.sessions[side.switch].talk.secrets
            self.procedure.commands += [f"{side.switch}: {hide(line, secrets)}" for line in told.get(side.switch) or ()]

    def light(self) -> bool:
        """Open the new ports, which carry nothing yet; return whether anything had to be done."""
        told = self.planned("light", self.running())
        if any(told.values()):
            with self.procedure.step(f"Open {self._ports('new')}, which carry nothing yet"):
                self._or_back(told)
        return any(told.values())

    def move(self) -> float:
        """Shut the old ports at both ends, then let the new ones carry; return the seconds in which neither pair carried anything.

        What has to be typed is worked out before the first line is sent. Raises MoveError.
        """
        running = self.running()
        close = self.planned("close", running)
        carry = self.planned("carry", running)
        if not any(close.values()) and not any(carry.values()):
            return 0.0
        began = time.monotonic()
        with self.procedure.step(f"Shut {self._ports('old')}: from here on there is no loop, whatever is plugged"):
            # Time counts here: what was shut is read back only where a switch had something to say.
            if self._or_back(close):
                self._must_be("close")
        with self.procedure.step(f"Let {self._ports('new')} carry all that the old ports carried"):
            self._or_back(carry)
        took = round(time.monotonic() - began, 3)
        with self.procedure.step("Read both ends back and compare them with what was approved"):
            self._must_be("carry")
        return took

    def _must_be(self, phase: str) -> None:
        """See that nothing of a phase is left to do: a line accepted in silence that did nothing is no better than a rejected one."""
        left = {name: lines for name, lines in self.planned(phase, self.running()).items() if lines}
        if left:
            said = "; ".join(f"{name} was not changed by {lines[-2]!r}" for name, lines in left.items())
            self._go_back(SwitchError(f"{said}, though it accepted the line."))

    def back(self) -> bool:
        """Put both ends back to what they were before: the new ports first, so that there is no loop on the way either.

        A new port into which light comes stays shut: it is plugged by now, and open it would compete with the old one.
        """
        running, phase = self.running(), self._way_back()
        told = self.planned(phase, running)
        if not any(told.values()):
            return False
        with self.procedure.step(f"Shut {self._ports('new')} again"):
            self.send(self.planned("shut-new", running))
        with self.procedure.step(f"Give {self._ports('old')} back what they carried"):
            self.send(self.planned(phase, self.running()))
        return True

    def _way_back(self) -> str:
        def plugged(side: Side) -> bool:
            power = read(self.sessions[side.switch], ["light"]).light.get(side.new)
            return power is not None and power[0] is not None

        return "inverse-shut" if any(self._each(plugged).values()) else "inverse"

    def save(self) -> None:
        """Let both switches start with what runs now."""
        with self.procedure.step("Save at both ends"):
            self._each(lambda side: self.sessions[side.switch].save())

    def _ports(self, which: str) -> str:
        return " and ".join(f"{side.switch} {side.new if which == 'new' else side.old}" for side in self.sides)

    def _or_back(self, told: Mapping[str, Sequence[str]]) -> bool:
        """Send it to both ends, or leave both as they were before; return what `send` does. Raises MoveError."""
        try:
            return self.send(told)
        except SwitchError as error:
            self._go_back(error)
        return False

    def _go_back(self, error: SwitchError) -> NoReturn:
        """Put both ends back, and raise what it was."""
        try:
            self.back()
            restored = not any(self.planned(self._way_back(), self.running()).values())
        except SwitchError as second:
            raise MoveError(f"{error.message} Putting it back failed too: {second.message}", False, error.code) from error
        end = "Both ends are as they were before." if restored else "The ends are NOT as they were before."
        raise MoveError(f"{error.message} {end}", restored, error.code) from error
