"""The ends of cables that lead to switches: in their port, or on the shelf. A port without a cable, light or power is empty.

A veth pair is a cable. The end in a switch wears an alias by which it is found again, wherever it is; the shelf is a namespace
in which nobody lives. A switch brings up by itself what appears in one of its ports, as its configuration says.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab import glass, network
from lab.errors import LabError
from lab.plant import Pair, Plant
from lab.state import Lab
from lab.system import read_json, run
from lab.topology import Cable, Port, Topology

SHELF = "shelf"
ALIAS = "cable "
_at_work = threading.RLock()  # hosts boot side by side
_rising: set[tuple[str, str]] = set()  # switches (lab, name) that get power at this moment


@dataclass(frozen=True)
class Condition:
    """What keeps cables from carrying anything."""

    loose: frozenset[str] = frozenset()  # cables and pairs that are pulled or severed
    dead: frozenset[Port] = frozenset()  # ports that died
    off: frozenset[str] = frozenset()  # switches without power

    def carries(self, cable: Cable, port: Port) -> bool:
        """Tell whether the end of a cable is in its port and the port has power."""
        return cable.name not in self.loose and port not in self.dead and port.node not in self.off


def condition(lab: Lab, topology: Topology, faults: Collection[Mapping[str, Any]] | None = None) -> Condition:
    """Return what holds at present, or would with these faults."""
    plant = topology.require_plant()
    broken = (read_json(lab.faults) or []) if faults is None else faults
    loose = {*network.pulled_cables(lab, faults), *(lab.read().get("unplugged") or ()), *glass.severed(plant, broken)}
    dead = {
        Port(entry["parameters"]["switch"], plant.switch(entry["parameters"]["switch"]).socket(entry["parameters"]["port"]).interface)
        for entry in broken
        if entry["fault"] == "switch-port-dead"
    }
    off = {name for name in plant.switches if (lab.name, name) not in _rising and lab.process(name) is None}
    return Condition(frozenset(loose), frozenset(dead), frozenset(off))


def leads_to_switch(topology: Topology, cable: Cable) -> bool:
    """Tell whether an end of a cable is in a data port of a switch."""
    return any(_movable(topology, port) for port in (cable.a, cable.b))


def _movable(topology: Topology, port: Port) -> bool:
    return topology.is_switch(port.node) and port.name not in topology.nodes[port.node].ports


def _label(cable: str, side: str) -> str:
    return f"{ALIAS}{cable} {side}"


def _shelf_name(label: str) -> str:
    return f"c{hashlib.sha256(label.encode()).hexdigest()[:12]}"


def _found(lab: Lab, nodes: Iterable[str]) -> dict[str, Port]:
    """Return where the switch ends of cables are, by their label; the name of a node or SHELF, and of the interface there."""
    places = {}
    for node in nodes:
        for name, entry in network.interfaces(lab, node).items():
            if str(entry.get("ifalias", "")).startswith(ALIAS):
                places[str(entry["ifalias"])] = Port(node, name)
    return places


def settle(
    lab: Lab,
    topology: Topology,
    only: Collection[str] | None = None,
    faults: Collection[Mapping[str, Any]] | None = None,
) -> None:
    """Bring cables to where they belong under the present faults (or under these), and let optics show what light arrives.

    ``only`` names the cables that may have changed; a cable that the topology has no more is taken away.
    """
    with _at_work:
        _settle(lab, topology, only, faults)


def _settle(lab: Lab, topology: Topology, only: Collection[str] | None, faults: Collection[Mapping[str, Any]] | None) -> None:
    plant = topology.require_plant()
    state = condition(lab, topology, faults)
    wanted = {name: cable for name, cable in topology.cables.items() if leads_to_switch(topology, cable)}
    names = set(wanted) | set(plant.pairs) if only is None else set(only) & (set(wanted) | set(plant.pairs))
    places = _found(lab, [SHELF, *plant.switches])
    for name in sorted(names - set(wanted)):
        _take_away(lab, name, places)
    laid = {name: wanted[name] for name in sorted(names & set(wanted))}
    for name, cable in laid.items():
        if not _whole(lab, topology, cable, places):
            _take_away(lab, name, places)
            _lay(lab, topology, cable)
            places |= {_label(name, side): Port(SHELF, _shelf_name(_label(name, side))) for side in _sides(topology, cable)}
    leaving = [(label, here, there) for label, here, there in _moves(topology, laid.values(), state, places) if there.node == SHELF]
    arriving = [(label, here, there) for label, here, there in _moves(topology, laid.values(), state, places) if there.node != SHELF]
    _move(lab, leaving)  # first, for the port that one cable leaves may be the one that another enters
    _move(lab, arriving)
    glass.shine(lab, topology, state, (read_json(lab.faults) or []) if faults is None else faults)


def _sides(topology: Topology, cable: Cable) -> dict[str, Port]:
    return {side: port for side, port in (("a", cable.a), ("b", cable.b)) if _movable(topology, port)}


def _whole(lab: Lab, topology: Topology, cable: Cable, places: Mapping[str, Port]) -> bool:
    sides = _sides(topology, cable)
    if any(_label(cable.name, side) not in places for side in sides):
        return False
    fixed = [port for side, port in (("a", cable.a), ("b", cable.b)) if side not in sides]
    return all(port.name in network.interfaces(lab, port.node) for port in fixed)


def _lay(lab: Lab, topology: Topology, cable: Cable) -> None:
    words, sides = [], _sides(topology, cable)
    for side, port in (("a", cable.a), ("b", cable.b)):
        node, name = (SHELF, _shelf_name(_label(cable.name, side))) if side in sides else (port.node, port.name)
        words.append(["name", name, "address", network.hardware_address(port), "netns", lab.namespace(node)])
        if side not in sides:
            network.remove_port(lab, port)
    run(["ip", "link", "add", *words[0], "type", "veth", "peer", *words[1]], doing=f"Laying the cable {cable.name}")
    labels = [_label(cable.name, side) for side in sides]
    network.batch(lab.namespace(SHELF), [f'link set dev {_shelf_name(label)} alias "{label}"' for label in labels])


def _take_away(lab: Lab, name: str, places: dict[str, Port]) -> None:
    for side in ("a", "b"):
        if port := places.pop(_label(name, side), None):
            network.remove_port(lab, port)  # the other end is gone with it
            places.pop(_label(name, "b"), None)


def _moves(topology: Topology, cables: Iterable[Cable], state: Condition, places: Mapping[str, Port]) -> list[tuple[str, Port, Port]]:
    found = []
    for cable in cables:
        for side, port in _sides(topology, cable).items():
            label = _label(cable.name, side)
            there = port if state.carries(cable, port) else Port(SHELF, _shelf_name(label))
            if places[label] != there:
                found.append((label, places[label], there))
    return found


def _move(lab: Lab, moves: Collection[tuple[str, Port, Port]]) -> None:
    departures: dict[str, list[str]] = {}
    for _, here, there in moves:
        lines = departures.setdefault(here.node, [])
        lines.append(f"link set dev {here.name} down")
        if here.node == there.node:
            lines.append(f"link set dev {here.name} name {there.name}")
        else:
            lines.append(f"link set dev {here.name} netns {lab.namespace(there.node)} name {there.name}")
    for node, lines in departures.items():
        network.batch(lab.namespace(node), lines)
    arrivals: dict[str, list[str]] = {}
    for _, _, there in moves:
        if there.node != SHELF:
            arrivals.setdefault(there.node, []).append(f"link set dev {there.name} address {network.hardware_address(there)}")
    for node, lines in arrivals.items():
        network.batch(lab.namespace(node), lines)


@contextmanager
def power(lab: Lab, topology: Topology, node: str) -> Iterator[None]:
    """Put the cables into a switch that is about to get power, within the block; several may get it at once."""
    if not topology.is_switch(node):
        yield
        return
    _rising.add((lab.name, node))
    try:
        settle(lab, topology, [cable.name for cable in topology.cables.values() if node in (cable.a.node, cable.b.node)])
        yield
    finally:
        _rising.discard((lab.name, node))


def shelve(lab: Lab, node: str) -> None:
    """Take every cable out of a switch that has no power any more: its lights go out at the far end too."""
    with _at_work:
        if {lab.namespace(SHELF), lab.namespace(node)} <= set(network.namespaces_present()):
            _move(lab, [(label, port, Port(SHELF, _shelf_name(label))) for label, port in _found(lab, [node]).items()])


def ensure(lab: Lab, topology: Topology) -> None:
    """Lay what is missing, put every end where it belongs, and set up the far ends, which live in hosts and routers."""
    for switch in topology.require_plant().switches:  # its ports are no stations of their own: they say nothing unasked
        silent = [f"net.ipv6.conf.{which}.disable_ipv6=1" for which in ("all", "default")]
        run(["nsenter", f"--net={lab.namespace_path(switch)}", "sysctl", "-qw", *silent], doing=f"Setting up {switch}")
    settle(lab, topology)
    for cable in topology.cables.values():
        if leads_to_switch(topology, cable):
            for port in (cable.a, cable.b):
                if not _movable(topology, port):
                    network.plain_checksums(lab, port)
                    network.bring_up(lab, topology, port)


# --- people at the rack ------------------------------------------------------------------------------------------------


def plugged(topology: Topology, name: str) -> tuple[str, str]:
    """Return where the two ends of a cable or fibre pair are at present, as people write it; empty: nowhere."""
    plant = topology.require_plant()
    if name in plant.pairs:
        return plant.pairs[name].ends
    cable = topology.cable(name)
    return topology.shown(cable.a), topology.shown(cable.b)


def in_port(topology: Topology, end: str) -> str:
    """Return the cable or pair that is plugged into a switch port; empty when it is free."""
    plant = topology.require_plant()
    for entry in plant.cables:
        if end in entry["ends"]:
            return str(entry["name"])
    return next((pair.name for pair in plant.pairs.values() if end in pair.ends), "")


def _same_end(topology: Topology, end: str) -> str:
    """Write an end as the plant does, whatever name of the port was given."""
    switch, socket = topology.require_plant().socket(end)
    return f"{switch.name}:{socket.name}"


def move(lab: Lab, topology: Topology, name: str, source: str, target: str) -> Topology:
    """Carry the end of a cable, or the patch cord of a fibre pair, from one switch port to another; return the topology as it is then."""
    plant = topology.require_plant()
    ends = list(plugged(topology, name))
    source, target = _same_end(topology, source), _same_end(topology, target)
    if target in ends:
        return topology  # whoever is asked again finds it done
    if source not in ends:
        raise LabError(f"The cable {name} is not in {source}: its ends are in {' and '.join(filter(None, ends))}.", "See: lab cable list")
    if source == target:
        return topology
    if other := in_port(topology, target):
        raise LabError(f"{target} is taken: {other} is in it.", "Name a free port, or take that cable out first.")
    side = ends.index(source)
    if name in plant.pairs:
        require_glass(plant, plant.pairs[name], side, target)
    elif not takes_copper(plant, target):
        raise LabError(f"{target} is a cage for fibre: a copper cable does not fit.", "Name a copper port.")
    ends[side] = target
    return repatch(lab, {name: ends})


def takes_copper(plant: Plant, end: str) -> bool:
    """Tell whether a copper cable fits into a switch port."""
    _, socket = plant.socket(end)
    return socket.media == "copper" or socket.optic.endswith("BASE-T")


def require_glass(plant: Plant, pair: Pair, side: int, end: str) -> None:
    """Refuse a port into which this end of a fibre pair does not fit, or which its patch cord does not reach."""
    switch, socket = plant.socket(end)
    if socket.optic not in plant.optics:
        raise LabError(f"{end} has no optic for a fibre.", "Name a port with one: lab/plant.yml says where transceivers are.")
    room = plant.panels[plant.routes[pair.route]["panels"][side]]["room"]
    if switch.room != room:
        raise LabError(f"{pair.name} ends in the room {room} on this side, and {switch.name} is in {switch.room}.", "See: lab fibre list")


def repatch(lab: Lab, changes: Mapping[str, Collection[str]]) -> Topology:
    """Write down where ends are now, bring them there, and return the topology as it is then."""
    lab.write(patched={**(lab.read().get("patched") or {}), **{name: list(ends) for name, ends in changes.items()}})
    topology = lab.topology()
    settle(lab, topology, changes)
    return topology


def unplug(lab: Lab, topology: Topology, name: str) -> None:
    """Take a cable's plug out of its switch and leave it hanging, as a person does."""
    lab.write(unplugged=sorted({*(lab.read().get("unplugged") or ()), topology.cable(name).name}))
    settle(lab, topology, [name])


def replug(lab: Lab, topology: Topology, name: str) -> None:
    """Put a hanging cable back."""
    lab.write(unplugged=sorted(set(lab.read().get("unplugged") or ()) - {topology.cable(name).name}))
    settle(lab, topology, [name])


def listing(lab: Lab, topology: Topology) -> list[dict[str, str]]:
    """Return every cable with its ends and whether both have a carrier."""
    flags: dict[str, dict[str, dict[str, object]]] = {}

    def lit(port: Port) -> bool:
        here = flags.setdefault(port.node, network.interfaces(lab, port.node))
        found = here.get(port.name, {}).get("flags", [])
        return isinstance(found, list) and "LOWER_UP" in found

    rows = []
    for cable in topology.cables.values():
        state = "up" if lit(cable.a) and lit(cable.b) else "down"
        rows.append({"name": cable.name, "a": topology.shown(cable.a), "b": topology.shown(cable.b), "state": state})
    return rows
