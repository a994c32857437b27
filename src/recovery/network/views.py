"""What a switch is configured to do and what it does, as one view that can be compared (RCV-3). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from recovery.network.compare import View
from recovery.network.model import Switch
from recovery.network.plant import Plant, port_of, switch_of
from recovery.network.state import UP, State
from recovery.network.talk import talk

FullPort = Callable[[str, str], str]


def full_ports(platforms: Mapping[str, str]) -> FullPort:
    """Return a function that writes a port of a switch in full, by the switch's platform; of an unknown device as it came."""

    def full(device: str, port: str) -> str:
        return talk(platforms[device]).full_port(port) if device in platforms else port.strip()

    return full


def floors(plant: Plant, device: str) -> dict[str, float]:
    """Return the weakest light, in dBm, with which each optical port of a switch counts as sound."""
    return {port_of(port): plant.floor_dbm(optic) for port, optic in plant.transceivers.items() if switch_of(port) == device}


def view(
    switch: Switch,
    state: State,
    full: FullPort | None = None,
    lowest: Mapping[str, float] | None = None,
    ports: Iterable[str] | None = None,
) -> View:
    """Put together what is configured and what is seen. ``ports``: only these (those that have a cable); nothing: all of them.

    A trunk carries what is allowed on it and exists; names of ports at far ends are written in full by ``full``.
    """
    only = frozenset(ports) if ports is not None else frozenset(switch.ports) | frozenset(state.ports)
    exist = frozenset(switch.vlans) | {1}
    access: dict[str, int] = {}
    trunks: dict[str, frozenset[int]] = {}
    for name, port in switch.ports.items():
        if name not in only or port.aggregate is not None or not port.enabled:
            continue
        if port.mode == "access":
            access[name] = port.access_vlan
        elif port.mode in ("trunk", "hybrid", "dynamic"):
            trunks[name] = (port.allowed_vlans | port.untagged_vlans) & exist
    for number, aggregate in switch.aggregates.items():
        if aggregate.mode != "access":
            trunks[f"aggregate {number}"] = (aggregate.allowed_vlans | aggregate.untagged_vlans) & exist
    far = full or (lambda _device, port: port)
    return View(
        vlans={number: vlan.name for number, vlan in switch.vlans.items()},
        access=access,
        trunks=trunks,
        links={name: port.link == UP for name, port in state.ports.items() if name in only},
        aggregates={name: frozenset(one for one, carries in members.items() if carries) for name, members in state.aggregates.items()},
        root=state.stp.is_root if state.stp.root else None,
        root_bridge=state.stp.root,
        neighbours={port: (name, far(name, there)) for port, (name, there) in state.neighbours.items() if port in only},
        macs={key: port for key, port in state.macs.items() if port in only},
        errors={name: (port.errors_in or 0) + (port.errors_out or 0) for name, port in state.ports.items() if name in only},
        light={port: (power[0], (lowest or {}).get(port)) for port, power in state.light.items() if port in only},
    )
