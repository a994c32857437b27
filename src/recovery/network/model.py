"""What a switch is configured to do, in no vendor's words (RCV-2, BKP-6).

A ``Switch`` is read from a device's own text by ``parse``, written by ``render``, compared by ``change`` and moved by ``carry``.
Everything is explicit: what a platform leaves out of its text because it is its default stands here as a value. What is not
understood stands in ``unknown``; nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ALL_VLANS = frozenset(range(1, 4095))

Mode = Literal["access", "trunk", "hybrid", "dynamic", "routed"]
Protocol = Literal["static", "lacp", "lacp_passive"]


@dataclass(frozen=True)
class Vlan:
    """A VLAN. An empty name is the platform's own default name. VLAN 1 is always there."""

    id: int
    name: str = ""
    description: str = ""


@dataclass(frozen=True)
class Secret:
    """A password or key as its device writes it. Never shown: ``repr`` hides the text.

    ``form``: ``plain``; ``hash`` (irreversible, of one vendor); ``cipher`` (reversible by this device's key only). ``type`` is the
    vendor's own number or word for it (Cisco ``5``, ``7``, ``8``, ``9``; Huawei and H3C ``cipher``, ``irreversible-cipher``, ``hash``).
    """

    form: Literal["plain", "hash", "cipher"]
    type: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class PortSecurity:
    """Which stations a port admits. ``macs`` are (MAC as 12 hex digits, VLAN or 0) learnt or written down."""

    enabled: bool = False
    maximum: int | None = None
    action: Literal["", "protect", "restrict", "shutdown"] = ""
    sticky: bool = False
    macs: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True)
class Storm:
    """Limits of broadcast, multicast and unknown unicast, in percent of the port's speed. ``None``: not limited."""

    broadcast: float | None = None
    multicast: float | None = None
    unicast: float | None = None


@dataclass(frozen=True)
class Poe:
    """Power for the attached device. ``enabled`` is ``None`` where nothing is said (the platform's default)."""

    enabled: bool | None = None
    priority: Literal["", "low", "high", "critical"] = ""


@dataclass(frozen=True)
class PortStp:
    """A port's part in spanning tree. ``edge``: no bridge is expected behind it. ``cost`` and ``priority`` 0: by default."""

    enabled: bool = True
    edge: bool = False
    bpdu_guard: bool = False
    bpdu_filter: bool = False
    root_guard: bool = False
    loop_guard: bool = False
    cost: int = 0
    priority: int = 0


@dataclass(frozen=True)
class Port:
    """A physical port. Its name is the platform's long form, as its configuration writes it.

    ``mode``: ``dynamic`` lets the far end decide (Cisco DTP, Huawei ``negotiation-auto``). ``access_vlan`` counts in access and
    dynamic mode; ``native_vlan`` (untagged, PVID) and ``allowed_vlans`` in trunk, hybrid and dynamic mode: in a hybrid port
    ``allowed_vlans`` are those sent tagged and ``untagged_vlans`` those sent untagged. What does not count holds its default.
    ``speed`` in Mbit/s and ``duplex``: ``None`` and ``""`` negotiate. ``address`` with prefix length, of a routed port.
    ``opaque``: lines known to be ACL or QoS, verbatim: they mean something on this platform only.
    """

    name: str
    description: str = ""
    enabled: bool = True
    mode: Mode = "access"
    access_vlan: int = 1
    native_vlan: int = 1
    allowed_vlans: frozenset[int] = frozenset()
    untagged_vlans: frozenset[int] = frozenset()
    voice_vlan: int | None = None
    speed: int | None = None
    duplex: Literal["", "full", "half"] = ""
    mtu: int | None = None
    stp: PortStp = PortStp()
    security: PortSecurity = PortSecurity()
    dot1x: bool = False
    mac_authentication: bool = False
    storm: Storm = Storm()
    poe: Poe = Poe()
    lldp: bool = True
    snooping_trust: bool = False
    arp_trust: bool = False
    isolated: bool = False
    aggregate: int | None = None
    address: str = ""
    opaque: tuple[str, ...] = ()


@dataclass(frozen=True)
class Aggregate:
    """A link aggregate. Its members are the ports that name it: ``Switch.members``. Fields as those of a port."""

    id: int
    protocol: Protocol = "static"
    description: str = ""
    enabled: bool = True
    mode: Mode = "access"
    access_vlan: int = 1
    native_vlan: int = 1
    allowed_vlans: frozenset[int] = frozenset()
    untagged_vlans: frozenset[int] = frozenset()
    mtu: int | None = None
    stp: PortStp = PortStp()
    snooping_trust: bool = False
    arp_trust: bool = False
    address: str = ""
    opaque: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stp:
    """Spanning tree of the switch. ``priorities``: instance (for ``pvst`` and ``rapid-pvst``: VLAN) to bridge priority."""

    enabled: bool = True
    mode: Literal["stp", "rstp", "mstp", "pvst", "rapid-pvst"] = "mstp"
    priorities: Mapping[int, int] = field(default_factory=dict)
    edge_default: bool = False
    bpdu_guard_default: bool = False


@dataclass(frozen=True)
class Vrrp:
    """A virtual router on an SVI: its group number, address, priority (100 by default) and whether it takes over when it is back."""

    group: int
    address: str = ""
    priority: int = 100
    preempt: bool = True


@dataclass(frozen=True)
class Svi:
    """A VLAN's own interface. Addresses with prefix length; ``relays`` are the DHCP servers asked on behalf of its stations."""

    vlan: int
    description: str = ""
    enabled: bool = True
    address: str = ""
    secondary: frozenset[str] = frozenset()
    vrf: str = ""
    mtu: int | None = None
    relay: bool = False
    relays: frozenset[str] = frozenset()
    vrrp: Mapping[int, Vrrp] = field(default_factory=dict)
    opaque: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """A static route. ``preference`` 0 is the platform's default."""

    prefix: str
    next_hop: str
    preference: int = 0
    vrf: str = ""


@dataclass(frozen=True)
class User:
    """A local account. ``level`` 0..15 in the Cisco sense; a role name (Comware) stands in ``role``."""

    name: str
    level: int | None = None
    role: str = ""
    secret: Secret | None = None
    services: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Community:
    """An SNMP community and what it may do."""

    secret: Secret
    access: Literal["read", "write"] = "read"
    acl: str = ""


@dataclass(frozen=True)
class TrapHost:
    """Where SNMP traps go, under which community and in which version (``v2c``, ``2c``: as the platform writes it)."""

    address: str
    secret: Secret
    version: str = ""


@dataclass(frozen=True)
class Services:
    """What the switch does beside forwarding. The three sets of VLANs are those where DHCP snooping and ARP inspection act."""

    ntp_servers: frozenset[str] = frozenset()
    syslog_hosts: frozenset[str] = frozenset()
    dns_servers: frozenset[str] = frozenset()
    snmp_agent: bool = False
    snmp_contact: str = ""
    snmp_location: str = ""
    snmp_communities: frozenset[Community] = frozenset()
    snmp_traps: frozenset[TrapHost] = frozenset()
    lldp: bool = False
    dhcp: bool = False
    snooping: bool = False
    snooping_vlans: frozenset[int] = frozenset()
    arp_inspection_vlans: frozenset[int] = frozenset()
    dot1x: bool = False
    ssh: bool = False


@dataclass(frozen=True)
class Management:
    """How the switch itself is reached. ``port`` is the dedicated management port, if it has one.

    ``vlan`` names the SVI that carries the in-band management address: no configuration text says which one that is, so it comes
    from the inventory (see ``parse``), does not count in comparisons, and is what makes an operation come last.
    """

    port: str = ""
    description: str = ""
    address: str = ""
    gateway: str = ""
    vrf: str = ""
    enabled: bool = True
    opaque: tuple[str, ...] = ()
    vlan: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Block:
    """Lines carried verbatim within a platform, listed otherwise.

    ``kind``: acl, qos, aaa, line, keys, system... ``header`` opens its view; without ``lines`` it is a line by itself.
    """

    kind: str
    header: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unknown:
    """A line that was not understood: its number in the text, from 1, and the header of the view it stands in (empty: outside of all)."""

    line: int
    view: str
    text: str
    why: str = ""


@dataclass(frozen=True)
class Switch:
    """A switch's whole configuration. ``unknown`` and ``software`` are about the text that was read and do not count in comparisons."""

    platform: str
    hostname: str = ""
    vlans: Mapping[int, Vlan] = field(default_factory=dict)
    ports: Mapping[str, Port] = field(default_factory=dict)
    aggregates: Mapping[int, Aggregate] = field(default_factory=dict)
    stp: Stp = Stp()
    svis: Mapping[int, Svi] = field(default_factory=dict)
    routes: frozenset[Route] = frozenset()
    users: Mapping[str, User] = field(default_factory=dict)
    services: Services = Services()
    management: Management = Management()
    blocks: Mapping[str, Block] = field(default_factory=dict)
    software: str = field(default="", compare=False)
    unknown: tuple[Unknown, ...] = field(default=(), compare=False)

    def members(self, aggregate: int) -> list[str]:
        """Return the names of an aggregate's ports, in the order of the switch's ports."""
        return [name for name, port in self.ports.items() if port.aggregate == aggregate]
