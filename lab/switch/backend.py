"""What stands behind a switch's command line: settings that are asked for, and tables that are read back.

A back end (`memory`, `ovs`) is made from a `Device` (see `lab.switch.device` for `device.json`) and knows nothing of
vendors: the command line translates. Ports and aggregates are called as the command line calls them, in full
(`GigabitEthernet0/0/1`, `Bridge-Aggregation1`); which network interface that is, `device.ports[name].interface` says.

The command line calls `apply` after each accepted line (or once, with everything, after a commit, at boot and after a
factory reset). A `Change` holds only what is different, each part whole, and `after` holds everything that is wanted:
a back end may go by either. `apply` raises `BackendError` with a sentence when it cannot; the line is then rejected and
not stored. Calls are never concurrent for one device. Reading must not change anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

VLAN_ONE = frozenset({1})
EVERY_VLAN = frozenset(range(1, 4095))


class BackendError(Exception):
    """The change could not be made; the sentence says why, and nothing of it was kept."""


@dataclass(frozen=True)
class PortSetting:
    """What a port or an aggregate shall do with frames; VLANs are already cut down to those that exist on the switch.

    An access port has `untagged` = {pvid}; a trunk has `tagged`, and `untagged` = {pvid} if its native VLAN is allowed. Both are
    empty for a port whose only VLAN does not exist, and for a routed one: it carries nothing.
    """

    enabled: bool = True
    mode: Literal["access", "trunk", "hybrid", "routed"] = "access"
    pvid: int = 1
    untagged: frozenset[int] = VLAN_ONE
    tagged: frozenset[int] = frozenset()
    aggregate: str = ""  # the aggregate whose member this port is; its own VLANs then mean nothing
    stp: bool = True
    edge: bool = False
    stp_cost: int | None = None
    stp_priority: int | None = None
    bpdu_guard: bool = False
    root_guard: bool = False
    lldp: bool = True
    poe: bool = True
    speed: int | None = None  # Mbit/s; None negotiates
    mtu: int | None = None
    isolated: bool = False
    description: str = ""


@dataclass(frozen=True)
class AggregateSetting:
    """An aggregate of ports, with the port setting that all of them share."""

    number: int
    port: PortSetting
    members: tuple[str, ...] = ()
    lacp: bool = False
    passive: bool = False
    fast: bool = False


@dataclass(frozen=True)
class StpSetting:
    """The bridge's spanning tree. Every mode is run as one rapid spanning tree."""

    enabled: bool = True
    mode: Literal["stp", "rstp", "mstp", "pvst"] = "rstp"
    priority: int = 32768


@dataclass(frozen=True)
class LayerThreeSetting:
    """An address of the switch itself: on a VLAN (`vlan`) or on its management port (`vlan` None)."""

    vlan: int | None
    addresses: tuple[str, ...] = ()  # 10.20.99.11/24
    enabled: bool = True


@dataclass(frozen=True, order=True)
class Route:
    """A static route."""

    prefix: str  # 0.0.0.0/0
    via: str


@dataclass(frozen=True)
class Setting:
    """Everything that a switch shall be."""

    hostname: str = ""
    vlans: Mapping[int, str] = field(default_factory=dict)  # with their names
    ports: Mapping[str, PortSetting] = field(default_factory=dict)  # every port of the device
    aggregates: Mapping[str, AggregateSetting] = field(default_factory=dict)
    stp: StpSetting = StpSetting()
    layer_three: Mapping[str, LayerThreeSetting] = field(default_factory=dict)  # by interface name
    routes: frozenset[Route] = frozenset()
    lldp: bool = False


@dataclass(frozen=True)
class Change:
    """What is different between two settings. A None among `aggregates` and `layer_three` means: remove it."""

    after: Setting
    hostname: str | None = None
    vlans_added: Mapping[int, str] = field(default_factory=dict)
    vlans_removed: frozenset[int] = frozenset()
    ports: Mapping[str, PortSetting] = field(default_factory=dict)
    aggregates: Mapping[str, AggregateSetting | None] = field(default_factory=dict)
    stp: StpSetting | None = None
    layer_three: Mapping[str, LayerThreeSetting | None] = field(default_factory=dict)
    routes: frozenset[Route] | None = None
    lldp: bool | None = None

    @property
    def empty(self) -> bool:
        """Say whether there is nothing to do."""
        parts = (self.vlans_added, self.vlans_removed, self.ports, self.aggregates, self.layer_three)
        return not any(parts) and (self.hostname, self.stp, self.routes, self.lldp) == (None, None, None, None)


Value = TypeVar("Value")


def _changed(have: Mapping[str, Value], want: Mapping[str, Value]) -> dict[str, Value | None]:
    gone: dict[str, Value | None] = {name: None for name in have if name not in want}
    return gone | {name: value for name, value in want.items() if have.get(name) != value}


def difference(have: Setting, want: Setting) -> Change:
    """Return what leads from one setting to the other."""
    return Change(
        after=want,
        hostname=want.hostname if want.hostname != have.hostname else None,
        vlans_added={number: name for number, name in want.vlans.items() if have.vlans.get(number) != name},
        vlans_removed=frozenset(have.vlans) - frozenset(want.vlans),
        ports={name: port for name, port in want.ports.items() if have.ports.get(name) != port},
        aggregates=_changed(have.aggregates, want.aggregates),
        stp=want.stp if want.stp != have.stp else None,
        layer_three=_changed(have.layer_three, want.layer_three),
        routes=want.routes if want.routes != have.routes else None,
        lldp=want.lldp if want.lldp != have.lldp else None,
    )


@dataclass(frozen=True)
class Counters:
    """What a port has counted since it was last cleared."""

    in_octets: int = 0
    in_packets: int = 0
    in_errors: int = 0
    in_crc: int = 0
    in_drops: int = 0
    out_octets: int = 0
    out_packets: int = 0
    out_errors: int = 0
    out_drops: int = 0


@dataclass(frozen=True)
class Light:
    """The optical power at a transceiver, in dBm; None is dark."""

    rx_dbm: float | None
    tx_dbm: float | None
    bias_ma: float = 6.0
    temperature_c: float = 35.0
    voltage_v: float = 3.3


@dataclass(frozen=True)
class PortState:
    """What a port is doing. `light` is None for copper and for an empty cage, `poe_watts` None for a port without PoE."""

    link: bool = False
    speed: int | None = None  # Mbit/s
    full_duplex: bool = True
    counters: Counters = Counters()
    light: Light | None = None
    poe_watts: float | None = None


@dataclass(frozen=True, order=True)
class MacEntry:
    """A learnt address: `mac` as `52:54:00:12:34:56`; `port` a port or an aggregate."""

    vlan: int
    mac: str
    port: str


@dataclass(frozen=True)
class Neighbour:
    """What LLDP says about the far end of a cable."""

    port: str
    system_name: str
    port_id: str
    chassis_id: str
    port_description: str = ""
    system_description: str = ""
    management_address: str = ""
    capabilities: tuple[str, ...] = ("Bridge",)
    ttl: int = 120


@dataclass(frozen=True)
class StpPort:
    """A port's part in the spanning tree."""

    role: Literal["root", "designated", "alternate", "backup", "disabled"] = "designated"
    state: Literal["forwarding", "learning", "discarding"] = "forwarding"
    cost: int = 20000
    priority: int = 128
    edge: bool = False


@dataclass(frozen=True)
class StpState:
    """The spanning tree as this bridge sees it. MAC addresses as `52:54:00:12:34:56`; `root_port` is empty on the root."""

    bridge_mac: str
    priority: int = 32768
    root_mac: str = ""
    root_priority: int = 32768
    root_cost: int = 0
    root_port: str = ""
    ports: Mapping[str, StpPort] = field(default_factory=dict)


@dataclass(frozen=True)
class AggregateState:
    """Which members of an aggregate carry frames."""

    up: bool = False
    members: Mapping[str, bool] = field(default_factory=dict)  # True: selected
    partner: str = ""  # system MAC of the other side, empty without LACP


class Backend(Protocol):
    """What a command line needs of the switch behind it."""

    def apply(self, change: Change) -> None:
        """Make it so, whole or not at all; BackendError says why not."""

    def ports(self) -> Mapping[str, PortState]:
        """Read every port of the device."""

    def macs(self) -> Sequence[MacEntry]:
        """Read the learnt addresses."""

    def neighbours(self) -> Sequence[Neighbour]:
        """Read what LLDP has heard."""

    def stp(self) -> StpState:
        """Read the spanning tree."""

    def aggregates(self) -> Mapping[str, AggregateState]:
        """Read which members are in use, by the aggregate's name."""

    def flush_macs(self) -> None:
        """Forget every learnt address."""

    def clear_counters(self, port: str = "") -> None:
        """Count from zero, on one port or on all."""

    def uptime(self) -> float:
        """Return the seconds since the switch was powered."""

    def reboot(self) -> None:
        """Lose everything that was applied; `apply` follows with what the startup configuration holds."""
