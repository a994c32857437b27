"""Looking at both ends of segments, many switches at once, changing nothing (RCV-2)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recovery.network.answers import SwitchError
from recovery.network.device import Device
from recovery.network.fetch import each
from recovery.network.fibre_judge import End
from recovery.network.plant import Plant, port_of, switch_of
from recovery.network.session import Session
from recovery.network.state import DISABLED, UP, State, read
from recovery.network.talk import talk

TABLES = ("ports", "errors", "light", "neighbours", "aggregates")
COUNTED = ("ports", "errors")


@dataclass(frozen=True)
class Looked:
    """A switch as it was, and its ports some time later."""

    state: State
    later: State


def look(devices: Sequence[Device], sample_s: float, tables: Iterable[str] = TABLES) -> dict[str, Looked | SwitchError]:
    """Read the switches, and their counters again after ``sample_s``. One that does not answer is there as its error."""

    def one(device: Device) -> Looked:
        with Session(device, idle_s=10, deadline_s=60 + sample_s) as session:
            state = read(session, tables)
            time.sleep(sample_s)
            return Looked(state, read(session, COUNTED))

    return each(devices, one)


def named(devices: Mapping[str, Device], heard: tuple[str, str] | None) -> str:
    """Return a neighbour that was heard as SWITCH:PORT: the switch as the inventory calls it, its port in full."""
    if heard is None:
        return ""
    name, port = heard
    known = next((device for device in devices.values() if name in (device.expected, device.name)), None)
    return f"{known.name}:{talk(known.platform).full_port(port)}" if known else f"{name}:{port}"


def end(name: str, looked: Looked | SwitchError | None, devices: Mapping[str, Device]) -> End:
    """Return what one end of a segment shows; ``name`` is SWITCH:PORT."""
    if not isinstance(looked, Looked):
        return End(name, answered=False)
    state, port = looked.state, port_of(name)
    seen = state.ports.get(port)
    rx, tx = state.light.get(port, (None, None))
    return End(
        name,
        enabled=seen is None or seen.link != DISABLED,
        link=seen is not None and seen.link == UP,
        reads_light=port in state.light,
        rx_dbm=rx,
        tx_dbm=tx,
        errors=damaged(looked, port),
        neighbour=named(devices, state.neighbours.get(port)) if seen is not None and seen.link == UP else "",
        aggregate=next((aggregate for aggregate, members in state.aggregates.items() if port in members), ""),
    )


def damaged(looked: Looked, port: str) -> int:
    """Return how many damaged frames a port counted between the two looks."""
    first, second = looked.state.ports.get(port), looked.later.ports.get(port)
    if first is None or second is None or first.errors_in is None or second.errors_in is None:
        return 0
    return max(0, second.errors_in - first.errors_in)


def both(
    plant: Plant, segment: str, seen: Mapping[str, Looked | SwitchError], devices: Mapping[str, Device], ends: Sequence[str] = ()
) -> tuple[End, End]:
    """Return the two ends of a segment, at the ports of its present pair or at those that are named."""
    first, second = ends or plant.pair_of(segment).ends
    return end(first, seen.get(switch_of(first)), devices), end(second, seen.get(switch_of(second)), devices)


def switches_of(plant: Plant, segments: Iterable[str]) -> list[str]:
    """Return the switches at the ends of segments, in the record's order."""
    return list(dict.fromkeys(switch_of(end) for segment in segments for end in plant.pair_of(segment).ends))
