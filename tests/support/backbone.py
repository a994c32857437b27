"""The lab's backbone in memory: its switches with the configurations they are delivered with, and glass between them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lab.plant
from lab.switch.backend import Change, Light, MacEntry, Neighbour, StpState
from lab.switch.device import Device as Described
from lab.switching import ACCOUNTS, CONFIGURATIONS, described
from recovery.network.device import Device
from support.switches import Switches, switches


@dataclass
class Backbone:
    """Switches that listen, and what lies between them. ``patched``: pair -> its ends; ``dark``: (pair, strand) without light."""

    served: Switches
    plant: Any
    devices: dict[str, Device]
    patched: dict[str, list[str]]
    dark: set[tuple[str, int]] = field(default_factory=set)
    dim: dict[tuple[str, int], float] = field(default_factory=dict)
    carrier: bool = False  # a silent strand leaves link up, as a failure that spanning tree never sees does
    told: list[tuple[str, Change]] = field(default_factory=list)

    def patch(self, pair: str, end: str) -> None:
        """Plug one cord in, on the side where the switch is."""
        ends = self.patched.setdefault(pair, ["", ""])
        ends[0 if end.startswith("core-a:") else 1] = end
        self.settle()

    def settle(self) -> None:
        """Let light, link and neighbours be what the glass makes of them."""
        for row in self.served.values():
            names = [name for name, port in row.memory.device.ports.items() if port.media == "fibre"]
            row.memory.light = {name: Light(None, -2.2) for name in names}
            row.memory.cabled -= set(names)
            row.memory.heard = []
            row.memory.root = None
        for name, ends in self.patched.items():
            if all(ends):
                self._join(name, ends)

    def _join(self, name: str, ends: list[str]) -> None:
        pair = self.plant.pairs[name]
        for strand in (0, 1):
            sender, reader = ends[strand].partition(":"), ends[1 - strand].partition(":")
            loss = pair.loss_db[strand] + self.dim.get((name, strand), 0.0)
            dark = (name, strand) in self.dark
            memory = self.served[reader[0]].memory
            memory.light[reader[2]] = Light(None if dark else -2.2 - loss, -2.2)
            if not dark or self.carrier:
                memory.cabled.add(reader[2])
            if not dark and sender[0] == "core-a":
                core = self.served["core-a"].memory
                memory.root = StpState(memory.device.mac, root_mac=core.device.mac, root_priority=core.setting.stp.priority)
            if not dark:
                memory.heard = [*memory.heard, Neighbour(reader[2], sender[0], sender[2], self.served[sender[0]].memory.device.mac)]

    def learn(self, switch: str, vlan: int, mac: str, port: str) -> None:
        """Let a switch know an address."""
        self.served[switch].memory.learnt.append(MacEntry(vlan, mac, port))

    def silence(self, pair: str, *strands: int) -> None:
        """Let strands (0: from a to b, 1: back) carry nothing."""
        self.dark |= {(pair, strand) for strand in strands or (0, 1)}
        self.settle()


@contextmanager
def backbone(directory: Path, *names: str) -> Iterator[Backbone]:
    """Serve core-a and these switches, patched as the lab is delivered."""
    truth = lab.plant.load()
    found = []
    for name in ("core-a", *names):
        startup = directory / f"{name}.cfg"
        shutil.copyfile(CONFIGURATIONS / f"{name}.cfg", startup)
        data = described(truth.switch(name), truth.management["interface"])
        data |= {"backend": "memory", "startup": str(startup), "control": "", "host_key": "", "listen": []}
        found.append(Described.from_data(data, directory))
    with switches(*found) as served:
        devices = {
            name: Device(
                name=name,
                platform=row.platform,
                address="127.0.0.1",
                port=row.port,
                user=ACCOUNTS[0]["name"],
                password=ACCOUNTS[0]["password"],
                host_keys=served.known_hosts,
            )
            for name, row in served.items()
        }
        here = {"core-a", *names}
        patched = {
            name: list(pair.ends)
            for name, pair in truth.pairs.items()
            if all(pair.ends) and {end.partition(":")[0] for end in pair.ends} <= here
        }
        glass = Backbone(served, truth, devices, patched)
        for name, row in served.items():
            _overheard(glass, name, row.memory)
        glass.settle()
        yield glass


def _overheard(glass: Backbone, name: str, memory: Any) -> None:
    """Write down, in one list for all switches, what each is asked to be."""
    apply = memory.apply

    def told(change: Change) -> None:
        apply(change)
        glass.told.append((name, change))

    memory.apply = told
