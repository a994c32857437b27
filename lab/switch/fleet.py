"""Many switches in one process, on loopback, with memory back ends: for tests and for measuring scale.

    python -m lab.switch.fleet --count 500 --platform mixed --port-base 22000

prints one JSON line a switch (name, platform, address, port, user, password, enable secret) after a first line that names
the known_hosts file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.switch.device import PLATFORMS, Device, Listen
from lab.switch.memory import Memory
from lab.switch.server import Front
from lab.switch.switch import Switch

USER, PASSWORD, ENABLE = "netadmin", "Lab-netadmin-1", "Lab-enable-1"
MODELS: Mapping[str, tuple[str, str, str, str]] = {  # model, access ports, uplinks, management port
    "huawei": ("S5735-L48P4X-A1", "GigabitEthernet0/0/{}", "XGigabitEthernet0/0/{}", "MEth0/0/1"),
    "huawei_vrpv8": ("CE6866-48S8CQ-P", "10GE1/0/{}", "100GE1/0/{}", "MEth0/0/0"),
    "hp_comware": ("S5560X-54C-EI", "GigabitEthernet1/0/{}", "Ten-GigabitEthernet1/0/{}", "M-GigabitEthernet0/0/0"),
    "ruijie_os": ("S5310-48GT4XS-E", "GigabitEthernet 0/{}", "TenGigabitEthernet 0/{}", "Mgmt 0"),
    "cisco_ios": ("WS-C2960X-48FPD-L", "GigabitEthernet1/0/{}", "TenGigabitEthernet1/0/{}", "FastEthernet0"),
}


def describe(name: str, platform: str, number: int = 1, access: int = 48, uplinks: int = 4, **more: Any) -> Device:
    """Return a switch as it could stand in any rack: access ports of copper with PoE, uplinks of fibre."""
    model, port, uplink, management = MODELS[platform]
    first = {"huawei": 1, "huawei_vrpv8": 1}.get(platform, access + 1)
    fast = platform == "huawei_vrpv8"
    ports = [
        {"name": port.format(i), "speed": 10000 if fast else 1000, "media": "fibre" if fast else "copper", "poe": not fast}
        for i in range(1, access + 1)
    ]
    ports += [{"name": uplink.format(first + i), "speed": 100000 if fast else 10000, "media": "fibre"} for i in range(uplinks)]
    data = {
        "name": name,
        "platform": platform,
        "model": model,
        "serial": f"LAB{number:09}",
        "mac": f"52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
        "ports": ports,
        "management": {"name": management},
        "accounts": [{"name": USER, "password": PASSWORD}],
        "enable_secret": ENABLE if platform in ("cisco_ios", "ruijie_os") else "",
        **more,
    }
    return Device.from_data(data, Path())


@dataclass
class Served:
    """A switch that listens."""

    name: str
    platform: str
    switch: Switch
    memory: Memory
    port: int
    known_host: str
    address: str = "127.0.0.1"
    user: str = USER
    password: str = PASSWORD

    @property
    def secret(self) -> str:
        """Return what `enable` asks for."""
        return self.switch.device.enable_secret

    def record(self) -> dict[str, Any]:
        """Return what a client needs to know."""
        keys = ("name", "platform", "address", "port", "user", "password", "secret")
        return {key: getattr(self, key) for key in keys}


async def serve(devices: Sequence[Device], port_base: int = 0) -> tuple[list[Served], list[Front]]:
    """Let memory switches listen on 127.0.0.1, one port each; port base 0 takes free ones."""
    served, fronts = [], []
    for number, device in enumerate(devices):
        memory = Memory(device)
        switch = Switch(device, memory)
        front = Front(switch)
        port = await front.listen(Listen("127.0.0.1", port_base + number if port_base else 0))
        served.append(Served(device.name, device.platform, switch, memory, port, front.known_host("127.0.0.1", port)))
        fronts.append(front)
    return served, fronts


def platforms(which: str, count: int) -> list[str]:
    """Return a platform for each switch; `mixed` goes round."""
    return [PLATFORMS[i % len(PLATFORMS)] if which == "mixed" else which for i in range(count)]


async def _run(arguments: argparse.Namespace) -> None:
    devices = [
        describe(f"{platform.replace('_', '-')}-{i}", platform, i, arguments.ports, arguments.uplinks)
        for i, platform in enumerate(platforms(arguments.platform, arguments.count), 1)
    ]
    served, _ = await serve(devices, arguments.port_base)
    directory = Path(arguments.directory or tempfile.mkdtemp(prefix="fleet-"))
    directory.mkdir(parents=True, exist_ok=True)
    hosts = directory / "known_hosts"
    hosts.write_text("".join(row.known_host + "\n" for row in served), encoding="utf-8")
    print(json.dumps({"known_hosts": str(hosts), "count": len(served)}), flush=True)
    for row in served:
        print(json.dumps(row.record()), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="Serve many memory switches on loopback.")
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--platform", choices=("mixed", *PLATFORMS), default="mixed")
    parser.add_argument("--port-base", type=int, default=0, help="first TCP port; 0 takes free ones")
    parser.add_argument("--ports", type=int, default=48, help="access ports of each switch")
    parser.add_argument("--uplinks", type=int, default=4)
    parser.add_argument("--directory", help="where known_hosts is written")
    try:
        asyncio.run(_run(parser.parse_args()))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
