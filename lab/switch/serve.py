"""The command line of one switch, or of several: `python3 -m lab.switch.serve DEVICE.json ...`.

Runs inside a switch's host under systemd, with Debian's Python and asyncssh. It says READY=1 to systemd when it listens. SIGTERM ends it
and leaves the switch behind as it is; a restart begins like a power-up, with the startup configuration.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from lab.switch.backend import Backend
from lab.switch.device import Device, DeviceError
from lab.switch.server import Front
from lab.switch.switch import Switch

log = logging.getLogger("switch")


def make_backend(device: Device) -> Backend:
    """Return the back end that a device names: `lab.switch.memory.Memory`, `lab.switch.ovs.Ovs`."""
    names = {"memory": "Memory", "ovs": "Ovs"}
    if device.backend not in names:
        raise DeviceError(f"There is no back end {device.backend!r}, only {', '.join(names)}.")
    backend: Backend = getattr(import_module(f"lab.switch.{device.backend}"), names[device.backend])(device)
    return backend


def notify(state: str) -> None:
    """Tell systemd; without it nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.send(state.encode())


async def run(paths: Sequence[Path]) -> None:
    """Power the switches on and serve until told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    fronts = []
    for path in paths:
        device = Device.load(path)
        switch = Switch(device, make_backend(device))
        for line in switch.unknown:
            log.warning("%s: startup configuration line %d is not known in %s: %s", device.name, line.number, line.view, line.text)
        front = Front(switch)
        for listen in device.listen:
            port = await front.listen(listen)
            print(f"{device.name} {listen.address or '*'} {port}", flush=True)
        fronts.append(front)
    notify("READY=1")
    await stop.wait()
    for front in fronts:
        await front.close()


def main() -> None:
    """Read the command line."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    if len(sys.argv) < 2:
        sys.exit("usage: python3 -m lab.switch.serve DEVICE.json ...")
    try:
        asyncio.run(run([Path(name) for name in sys.argv[1:]]))
    except DeviceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
