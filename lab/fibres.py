"""What people do with fibre: read its state, measure it, patch it to other ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab import glass, network, wiring
from lab.errors import LabError
from lab.plant import Pair, Plant
from lab.state import Lab
from lab.system import read_json
from lab.topology import Topology


def _positions(plant: Plant, pair: Pair) -> str:
    a, b = plant.routes[pair.route]["panels"]
    return f"{a} / {b}, {pair.route} {pair.strands[0]}-{pair.strands[1]}"


def listing(lab: Lab, topology: Topology) -> list[dict[str, Any]]:
    """Return every pair: where it lies, how long it is, where it is patched, the light at both ends, and whether there is a link."""
    plant = topology.require_plant()
    broken = read_json(lab.faults) or []
    light = {(ray.pair, ray.receiver): ray.rx_dbm for ray in glass.rays(plant, wiring.condition(lab, topology), broken)}
    rows = []
    for pair in plant.pairs.values():
        cable = topology.cables.get(pair.name)
        linked = cable is not None and all("LOWER_UP" in network.flags(lab, port) for port in (cable.a, cable.b))
        rows.append(
            {
                "name": pair.name,
                "strands": _positions(plant, pair),
                "length_m": plant.routes[pair.route]["length_m"],
                "a": pair.ends[0],
                "b": pair.ends[1],
                "rx_a_dbm": light.get((pair.name, cable.a)) if cable else None,
                "rx_b_dbm": light.get((pair.name, cable.b)) if cable else None,
                "link": linked,
                "tested": pair.tested,
            }
        )
    return rows


def measure(lab: Lab, topology: Topology, name: str) -> dict[str, Any]:
    """Return what a light source and a power meter at the panels tell of a pair: the loss of each strand (dB; None: dark)."""
    plant = topology.require_plant()
    pair, broken = plant.pair(name), read_json(lab.faults) or []
    losses = [glass.loss_db(pair, strand, broken) for strand in (0, 1)]
    measured = [None if loss == float("inf") else round(loss, 2) for loss in losses]
    return {"pair": name, "loss_ab_db": measured[0], "loss_ba_db": measured[1], "length_m": plant.routes[pair.route]["length_m"]}


def lay(lab: Lab, topology: Topology, name: str, route: str, panels: Sequence[str], length_m: float) -> None:
    """Lay a duplex cable from panel to panel, plugged into nothing yet; one that lies there stays."""
    plant = topology.require_plant()
    if unknown := [panel for panel in panels if panel not in plant.panels]:
        raise LabError(f"There is no panel {', '.join(unknown)}.", f"Panels: {', '.join(plant.panels)}.")
    temporary = dict(lab.read().get("temporary") or {})
    if name in plant.pairs and name not in temporary:
        raise LabError(f"The pair {name} lies there already.", "Give the cable another name.")
    lab.write(temporary={**temporary, name: {"route": route, "panels": list(panels), "length_m": length_m}})


def patch(lab: Lab, topology: Topology, name: str, a: str | None, b: str | None) -> Topology:
    """Join a pair to the switch ports ``a`` and ``b`` (empty: to nothing; None: as it is); return the topology as it is then.

    A port has one socket: the cord that was in it comes out of the pair that it led to, as when a cord is moved from strand to strand.
    """
    plant = topology.require_plant()
    pair = plant.pair(name)
    ends = [_end(plant, pair, side, given) for side, given in enumerate((a, b))]
    if ends[0] and ends[0] == ends[1]:
        raise LabError(f"Both ends of {name} cannot be in {ends[0]}.", "Name two ports.")
    changes: dict[str, list[str]] = {name: ends}
    for other in plant.pairs.values():
        if other.name != name and set(other.ends) & {end for end in ends if end}:
            changes[other.name] = ["" if end in ends else end for end in other.ends]
    for end in filter(None, ends):
        holder = wiring.in_port(topology, end)
        if holder and holder not in plant.pairs:
            raise LabError(f"{end} is taken: the copper cable {holder} is in it.", "Name a free port.")
    return wiring.repatch(lab, changes)


def _end(plant: Plant, pair: Pair, side: int, given: str | None) -> str:
    if given is None:
        return pair.ends[side]
    if not given:
        return ""
    wiring.require_glass(plant, pair, side, given)
    switch, socket = plant.socket(given)
    return f"{switch.name}:{socket.name}"


def side_of(plant: Plant, name: str, panel: str) -> int:
    """Return the side (0: a, 1: b) on which a pair ends on a panel."""
    panels = plant.routes[plant.pair(name).route]["panels"]
    if panel not in panels:
        raise LabError(f"The pair {name} does not end on the panel {panel}, but on {' and '.join(panels)}.", "See: lab fibre list")
    return int(panels.index(panel))
