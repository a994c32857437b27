"""A switch that exists in memory only: hundreds in one process, its tables set by whoever tests with it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lab.switch.backend import (
    AggregateState,
    BackendError,
    Change,
    Counters,
    Light,
    MacEntry,
    Neighbour,
    PortState,
    Setting,
    StpPort,
    StpState,
)
from lab.switch.device import Device


class Memory:
    """A back end without a wire. What is `cabled`, heard and learnt is set from outside; the rest follows from the setting.

    Attributes that tests may change at any time: `cabled` (ports whose far end is up), `light` and `counters` by port, `poe`,
    `learnt`, `heard`, `root` (another bridge as root: its state), `fail` (the next change is refused with this sentence).
    """

    def __init__(self, device: Device) -> None:
        """Begin as a box that has just been powered, with nothing plugged in."""
        self.device = device
        self.setting = Setting()
        self.cabled: set[str] = set()
        self.light: dict[str, Light] = {}
        self.counted: dict[str, Counters] = {}
        self.poe: dict[str, float] = {}
        self.learnt: list[MacEntry] = []
        self.heard: list[Neighbour] = []
        self.root: StpState | None = None
        self.fail = ""
        self.changes: list[Change] = []
        self._since = time.monotonic()

    def apply(self, change: Change) -> None:
        """Take the setting over."""
        if self.fail:
            sentence, self.fail = self.fail, ""
            raise BackendError(sentence)
        self.changes = [*self.changes[-99:], change]
        self.setting = change.after

    def ports(self) -> Mapping[str, PortState]:
        """Return a state for each port: the link is up if it is cabled and enabled."""
        found = {}
        for name, port in self.device.ports.items():
            asked = self.setting.ports.get(name)
            up = name in self.cabled and (asked is None or asked.enabled)
            light = self.light.get(name, Light(-3.0 if up else None, -2.5)) if port.media == "fibre" else None
            found[name] = PortState(
                link=up,
                speed=port.speed if up else None,
                counters=self.counted.get(name, Counters()),
                light=light,
                poe_watts=self.poe.get(name, 0.0) if port.poe else None,
            )
        return found

    def macs(self) -> Sequence[MacEntry]:
        """Return the learnt addresses of ports that are up, in VLANs that exist."""
        up = {name for name, state in self.ports().items() if state.link}
        up |= {name for name, row in self.aggregates().items() if row.up}
        return sorted(row for row in self.learnt if row.port in up and row.vlan in self.setting.vlans)

    def neighbours(self) -> Sequence[Neighbour]:
        """Return what was heard on ports that are up."""
        up = self.ports()
        return [row for row in self.heard if self.setting.lldp and row.port in up and up[row.port].link]

    def stp(self) -> StpState:
        """Return the spanning tree: this bridge is the root unless another was set."""
        roles = {
            name: StpPort(edge=self.setting.ports[name].edge)
            for name, state in self.ports().items()
            if state.link and name in self.setting.ports
        }
        priority = self.setting.stp.priority
        if self.root is not None:
            return replace(self.root, bridge_mac=self.device.mac, priority=priority, ports={**roles, **self.root.ports})
        return StpState(self.device.mac, priority, self.device.mac, priority, ports=roles)

    def aggregates(self) -> Mapping[str, AggregateState]:
        """Return the aggregates: a member that is up is selected."""
        up = {name for name, state in self.ports().items() if state.link}
        found = {}
        for name, row in self.setting.aggregates.items():
            members = {member: member in up for member in row.members}
            found[name] = AggregateState(any(members.values()) and row.port.enabled, members)
        return found

    def flush_macs(self) -> None:
        """Forget what was learnt."""
        self.learnt.clear()

    def clear_counters(self, port: str = "") -> None:
        """Count from zero."""
        for name in [port] if port else list(self.counted):
            self.counted.pop(name, None)

    def uptime(self) -> float:
        """Return the seconds since power or the last reboot."""
        return time.monotonic() - self._since

    def reboot(self) -> None:
        """Forget what was asked for and learnt."""
        self.setting = Setting()
        self.learnt.clear()
        self._since = time.monotonic()
