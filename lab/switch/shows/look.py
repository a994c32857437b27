"""What show commands look at: the switch's tables, read once for each command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lab.switch.backend import AggregateState, MacEntry, Neighbour, PortSetting, PortState, StpState
from lab.switch.tree import Context

if TYPE_CHECKING:
    from lab.switch.session import Session


Show = Callable[["Look", Mapping[str, Any]], str]


class Look:
    """One look at a switch."""

    def __init__(self, session: Session) -> None:
        """Look through a session."""
        self.session = session
        self.switch = session.switch
        self.device = session.switch.device
        self.setting = session.switch.applied
        self.short = session.switch.environment.short

    @functools.cached_property
    def ports(self) -> Mapping[str, PortState]:
        """Read the ports."""
        return self.switch.backend.ports()

    @functools.cached_property
    def macs(self) -> Sequence[MacEntry]:
        """Read the learnt addresses."""
        return self.switch.backend.macs()

    @functools.cached_property
    def neighbours(self) -> Sequence[Neighbour]:
        """Read what LLDP has heard."""
        return self.switch.backend.neighbours()

    @functools.cached_property
    def stp(self) -> StpState:
        """Read the spanning tree."""
        return self.switch.backend.stp()

    @functools.cached_property
    def aggregates(self) -> Mapping[str, AggregateState]:
        """Read the aggregates."""
        return self.switch.backend.aggregates()

    @property
    def uptime(self) -> timedelta:
        """Return how long the switch has been up."""
        return timedelta(seconds=int(self.switch.backend.uptime()))

    @property
    def now(self) -> datetime:
        """Return the switch's clock."""
        return datetime.now().astimezone()

    def asked(self, name: str) -> PortSetting:
        """Return what a port or an aggregate is asked to do."""
        if name in self.setting.aggregates:
            return self.setting.aggregates[name].port
        return self.setting.ports.get(name, PortSetting())

    def up(self, name: str) -> bool:
        """Say whether a port or an aggregate has a link."""
        if name in self.setting.aggregates:
            return name in self.aggregates and self.aggregates[name].up
        return name in self.ports and self.ports[name].link

    def speed(self, name: str) -> int:
        """Return the speed of a link in Mbit/s; of an aggregate, all of its working members together."""
        if name in self.setting.aggregates:
            state = self.aggregates.get(name)
            return sum(self.speed(member) for member, selected in state.members.items() if selected) if state else 0
        state_of = self.ports.get(name)
        return (state_of.speed or 0) if state_of else 0

    def carriers(self) -> list[str]:
        """Return what carries VLANs: aggregates, and ports that are no member of one."""
        return [*self.setting.aggregates, *(name for name in self.device.ports if not self.setting.ports[name].aggregate)]

    def in_vlan(self, number: int, tagged: bool) -> list[str]:
        """Return the ports and aggregates that carry a VLAN, tagged or not."""
        return [n for n in self.carriers() if number in (self.asked(n).tagged if tagged else self.asked(n).untagged)]

    def contexts(self, *views: str) -> list[Context]:
        """Return the opened views of some kinds, of the running configuration."""
        return [child for child in self.switch.running.root.children.values() if child.view in views]

    def svis(self) -> list[str]:
        """Return the names of the switch's own interfaces: management and VLANs."""
        return list(self.setting.layer_three)

    def svi_up(self, name: str) -> bool:
        """Say whether an interface of the switch itself is up: some port of its VLAN has a link."""
        row = self.setting.layer_three[name]
        if not row.enabled:
            return False
        if row.vlan is None:
            return True
        return row.vlan in self.setting.vlans and any(self.up(n) for tagged in (True, False) for n in self.in_vlan(row.vlan, tagged))


def hyphen(mac: str) -> str:
    """Return a MAC address as Huawei and H3C write it: 5254-0012-3456."""
    plain = mac.replace(":", "")
    return "-".join(plain[i : i + 4] for i in (0, 4, 8))


def dotted(mac: str) -> str:
    """Return a MAC address as Cisco and Ruijie write it: 5254.0012.3456."""
    return hyphen(mac).replace("-", ".")


def columns(items: Sequence[str], width: int, each: int) -> list[str]:
    """Return items in columns, so many a line."""
    return ["".join(item.ljust(width) for item in items[i : i + each]).rstrip() for i in range(0, len(items), each)]


def spell(span: timedelta) -> tuple[int, int, int, int]:
    """Return weeks, days, hours, minutes."""
    minutes = int(span.total_seconds()) // 60
    return minutes // 10080, minutes // 1440 % 7, minutes // 60 % 24, minutes % 60
