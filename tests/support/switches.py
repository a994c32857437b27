"""Memory switches on 127.0.0.1 for a test: the command line of the lab's switches, without a lab.

with switches(describe("acc-1", "huawei"), describe("acc-4", "cisco_ios")) as served:
    served["acc-1"].port, .user, .password, .secret; served.known_hosts is a file
    served["acc-1"].memory.cabled.add("GigabitEthernet0/0/1")      what the wire does
    served["acc-1"].switch.control_override = Control(delay_s=1)  how sessions misbehave
    served["acc-1"].run("display version")                         a line without SSH
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.switch.device import Device
from lab.switch.fleet import Served, describe, serve
from lab.switch.memory import Memory
from lab.switch.session import Session
from lab.switch.switch import Switch

__all__ = ["PORT", "TOP", "Line", "Switches", "box", "configuring", "describe", "line", "switches", "text"]


class Line:
    """A session without SSH: lines in, answers out, questions answered beforehand."""

    def __init__(self, switch: Switch, user: str = "netadmin") -> None:
        self.session = Session(switch, user)
        self.asked: list[str] = []
        self.answers: list[str] = []

    def __call__(self, line: str, *answers: str) -> str:
        """Type a line, answer its questions in order, return what it says."""
        self.asked = []
        work, given = self.session.run(line), iter(answers)
        try:
            ask = next(work)
            while True:
                self.asked.append(ask.text)
                ask = work.send(next(given))
        except StopIteration as done:
            return str(done.value or "")

    def lines(self, text: str) -> list[str]:
        """Type many lines; returns what was answered to those that were answered anything."""
        return [answer for line in text.splitlines() if (answer := self(line))]

    @property
    def prompt(self) -> str:
        return self.session.prompt()


def line(device: Device, privileged: bool = True) -> Line:
    """Return a session at a memory switch, past `enable`."""
    session = Line(Switch(device, Memory(device)))
    if privileged and "privileged" in session.session.data["exec_views"]:
        session("enable", device.enable_secret)
    return session


# The first port, and the word that leads into the configuration, for who has another than Cisco.
PORT = {
    "huawei": "GigabitEthernet0/0/1",
    "huawei_vrpv8": "10GE1/0/1",
    "hp_comware": "GigabitEthernet1/0/1",
    "ruijie_os": "GigabitEthernet 0/1",
    "cisco_ios": "GigabitEthernet1/0/1",
}
TOP = {"huawei": "system-view", "huawei_vrpv8": "system-view", "hp_comware": "system-view"}


def box(platform: str) -> Line:
    """Return a session at a small switch: three access ports and an uplink."""
    return line(describe("box", platform, access=3, uplinks=1))


def configuring(platform: str, view: str = "") -> Line:
    """Return a session that is configuring, in a view if one is named."""
    typed = box(platform)
    typed(TOP.get(platform, "configure terminal"))
    if view:
        assert typed(view) == ""
    return typed


def text(typed: Line) -> str:
    """Return the configuration that a session edits, as the platform shows it."""
    return typed.session.switch.text(typed.session.tree)


class Switches(dict[str, Served]):
    """The switches that listen, by name, and the file with their host keys."""

    known_hosts: Path
    loop: asyncio.AbstractEventLoop

    def call(self, work: Any) -> None:
        """Do something in the thread that the switches live in."""
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (work(), done.set()))
        done.wait(5)


@contextmanager
def switches(*devices: Device) -> Iterator[Switches]:
    """Serve memory switches from a thread of this process."""
    found, ready, stop = Switches(), threading.Event(), asyncio.Event()
    failure: list[BaseException] = []

    async def work() -> None:
        found.loop = asyncio.get_running_loop()
        try:
            served, fronts = await serve(devices)
            found.update({row.name: row for row in served})
        except BaseException as error:
            failure.append(error)
            raise
        finally:
            ready.set()
        await stop.wait()
        for front in fronts:
            await front.close()

    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    ready.wait(30)
    if failure:
        raise failure[0]
    with tempfile.TemporaryDirectory() as directory:
        found.known_hosts = Path(directory) / "known_hosts"
        found.known_hosts.write_text("".join(row.known_host + "\n" for row in found.values()))
        try:
            yield found
        finally:
            found.loop.call_soon_threadsafe(stop.set)
            thread.join(10)
