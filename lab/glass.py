"""Light in the fibre: what an optic sends, what is left of it at the far end, and what too little light does to packets.

The lab writes what arrives at each optic into the switch (``LIGHT``), where its command line reads it. Light below the dark
threshold is no link; between there and the optic's sensitivity packets get lost, at the sending side, for that is where the kernel lets
itself be told (nft, netdev egress); a strand that is silent loses all of them while both ends keep their carrier.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.plant import Pair, Plant
from lab.state import Lab
from lab.system import run, write_atomic
from lab.topology import Port, Topology

if TYPE_CHECKING:
    from lab.wiring import Condition

LIGHT = "var/lib/switch/light.json"  # in the switch's file system
DARK_DBM = -40.0
TABLE = "glass"
LOSS_PER_DB = 30  # per cent of the packets that a decibel below the sensitivity costs
SIDES = ("a", "b")


@dataclass(frozen=True)
class Ray:
    """The light of one strand of a patched pair: who sends it to whom, and what arrives (dBm)."""

    pair: str
    sender: Port
    receiver: Port
    rx_dbm: float
    lost_percent: int


def _of(faults: Iterable[Mapping[str, Any]], kind: str) -> list[dict[str, str]]:
    return [entry["parameters"] for entry in faults if entry["fault"] == kind]


def directions(given: str) -> tuple[int, ...]:
    """Read which strand is meant: ``ab`` the first, ``ba`` the second, ``both``."""
    return {"ab": (0,), "ba": (1,)}.get(given, (0, 1))


def loss_db(pair: Pair, strand: int, faults: Collection[Mapping[str, Any]]) -> float:
    """Return what a strand takes of the light (dB); a severed or silent one lets nothing through."""
    cut = any(told["pair"] == pair.name for told in _of(faults, "fibre-cut"))
    silent = any(told["pair"] == pair.name and strand in directions(told["way"]) for told in _of(faults, "fibre-one-way"))
    if cut or silent:
        return float("inf")
    dim = [float(told["db"]) for told in _of(faults, "fibre-dim") if told["pair"] == pair.name and strand in directions(told["way"])]
    return pair.loss_db[strand] + sum(dim)


def received_dbm(plant: Plant, pair: Pair, strand: int, faults: Collection[Mapping[str, Any]], optic: str) -> float:
    """Return the light at the far end of a strand (dBm)."""
    return round(max(DARK_DBM, plant.optics[optic].tx_dbm - loss_db(pair, strand, faults)), 2)


def severed(plant: Plant, faults: Collection[Mapping[str, Any]]) -> set[str]:
    """Return the patched pairs over which there is no link: cut, or so dim that an end sees nothing."""
    found = {told["pair"] for told in _of(faults, "fibre-cut")}
    for told in _of(faults, "fibre-dim"):
        pair = plant.pair(told["pair"])
        for strand, end in enumerate(reversed(pair.ends)):
            if end and all(pair.ends):
                optic = plant.socket(end)[1].optic
                silent = loss_db(pair, strand, faults) == float("inf")
                if not silent and received_dbm(plant, pair, strand, faults, optic) < plant.optics[optic].dark_dbm:
                    found.add(pair.name)
    return found


def rays(plant: Plant, state: Condition, faults: Collection[Mapping[str, Any]]) -> list[Ray]:
    """Return the light in every pair that is patched at both ends; none from a port that is dead or without power."""
    found = []
    for pair in plant.pairs.values():
        if not all(pair.ends):
            continue
        ports, optics = [], []
        for end in pair.ends:
            switch, socket = plant.socket(end)
            ports.append(Port(switch.name, socket.interface))
            optics.append(socket.optic)
        for strand in (0, 1):
            sender, receiver = ports[strand], ports[1 - strand]
            unlit = sender.node in state.off or sender in state.dead
            rx = DARK_DBM if unlit else received_dbm(plant, pair, strand, faults, optics[1 - strand])
            lost = max(0.0, plant.optics[optics[1 - strand]].sensitivity_dbm - rx) * LOSS_PER_DB
            found.append(Ray(pair.name, sender, receiver, rx, min(100, round(lost))))
    return found


def shine(lab: Lab, topology: Topology, state: Condition, faults: Collection[Mapping[str, Any]]) -> None:
    """Let every powered switch see the light at its optics, and lose the packets for which it is too weak."""
    plant = topology.require_plant()
    arriving = {ray.receiver: ray for ray in rays(plant, state, faults)}
    leaving = {ray.sender: ray for ray in arriving.values()}
    for switch in plant.switches.values():
        if switch.name in state.off or not lab.host_root(switch.name).exists():
            continue
        levels: dict[str, dict[str, float]] = {}
        for socket in switch.sockets.values():
            if socket.optic not in plant.optics:
                continue
            port = Port(switch.name, socket.interface)
            tx = DARK_DBM if port in state.dead else plant.optics[socket.optic].tx_dbm
            levels[socket.interface] = {"tx_dbm": tx, "rx_dbm": arriving[port].rx_dbm if port in arriving else DARK_DBM}
        path = lab.host_root(switch.name) / LIGHT
        text = json.dumps(levels, indent=1) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_atomic(path, text)
        lossy = {
            port.name: ray.lost_percent
            for port, ray in leaving.items()
            if port.node == switch.name
            and ray.lost_percent
            and port not in state.dead
            and ray.pair not in state.loose
            and ray.receiver.node not in state.off
        }
        _lose(lab, switch.name, lossy)


def _some(share: int) -> str:
    """Return what lets a rule of nft take a share of the packets (per cent)."""
    return f"numgen random mod 100 < {share} " if share < 100 else ""


def _lose(lab: Lab, switch: str, lossy: Mapping[str, int]) -> None:
    """Drop a share (per cent) of what leaves by some ports of a switch, and nothing elsewhere."""
    marker = lab.host_dir(switch) / "glass"
    if not lossy and not marker.exists():
        return
    chains = [
        f'chain {name} {{ type filter hook egress device "{name}" priority 0; {_some(share)}counter drop; }}'
        for name, share in lossy.items()
    ]
    rules = f"table netdev {TABLE}\ndelete table netdev {TABLE}\ntable netdev {TABLE} {{\n" + "\n".join(chains) + "\n}\n"
    enter = ["nsenter", f"--net={lab.namespace_path(switch)}", "nft", "-f", "-"]
    run(enter, stdin=rules, doing=f"Dimming the fibre at {switch}")
    marker.touch() if lossy else marker.unlink()
