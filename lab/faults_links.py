"""Faults of cables: pulled, or slow in both directions."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from lab import host, network, wiring
from lab.errors import LabError
from lab.faults import Fault, Parameter, Scene, active
from lab.state import Lab
from lab.system import in_network
from lab.topology import Cable, Topology

TOLERANCE = 1.3
Place = str | tuple[str, int]  # a node or segment, or a VLAN in a switch


def _edges(topology: Topology, cable: Cable) -> Iterator[tuple[Place, Place]]:
    """Yield what a cable joins: nodes, or the same VLAN in two switches, or a node and its VLAN in a switch."""
    ends = [(port, topology.is_switch(port.node) and port.name not in topology.nodes[port.node].ports) for port in (cable.a, cable.b)]
    (a, a_switched), (b, b_switched) = ends
    if a_switched and b_switched:
        yield from (((a.node, vlan), (b.node, vlan)) for vlan in topology.require_plant().vlans)
    elif a_switched or b_switched:
        switch, other = (a, b) if a_switched else (b, a)
        yield (switch.node, topology.require_plant().vlan_of(topology.nodes[other.node].ports[other.name]) or 0), other.node
    else:
        yield a.node, b.node


def connected(topology: Topology, start: str, without: str = "", lacking: str = "") -> set[str]:
    """Return every node and segment that can be reached from a node, with one cable or one switch taken out."""
    edges = [edge for cable in topology.cables.values() if cable.name != without for edge in _edges(topology, cable)]
    reached: set[Place] = {start}
    edge: list[Place] = [start]
    while edge:
        here = edge.pop()
        for a, b in edges:
            there = b if here == a else a if here == b else None
            if there is not None and there not in reached and lacking not in (there, there[0]):
                reached.add(there)
                edge.append(there)
    return {place for place in reached if isinstance(place, str)}


def cut_off(topology: Topology, cable: str = "", switch: str = "") -> list[str]:
    """Return the hosts that the control node can reach only through a cable, or only through a switch."""
    start = topology.control.name
    lost = connected(topology, start) - connected(topology, start, without=cable, lacking=switch)
    return [name for name in topology.hosts if name in lost and name != switch] or ([*topology.hosts] if start in lost else [])


def _beyond(scene: Scene, cable: Cable) -> list[str]:
    return [name for name in cut_off(scene.topology, cable.name) if host.leader(scene.lab, name) is not None]


def _pull(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    cable = scene.topology.cable(parameters["cable"])
    if wiring.leads_to_switch(scene.topology, cable):
        wiring.settle(
            scene.lab, scene.topology, [cable.name], faults=[*active(scene.lab), {"fault": "link-down", "parameters": parameters}]
        )
    else:
        network.pull(scene.lab, cable)
    for port in (cable.a, cable.b):
        if "LOWER_UP" in network.flags(scene.lab, port):
            raise LabError(f"{port} still has a carrier although the cable {cable.name} was pulled.")
    if still := [name for name in _beyond(scene, cable) if network.reaches(scene.lab, scene.topology, name, 0.5)]:
        raise LabError(f"{', '.join(still)} can still be reached although the cable {cable.name} was pulled.")
    return {}


def _replug(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    cable = scene.topology.cable(parameters["cable"])
    if wiring.leads_to_switch(scene.topology, cable):
        left = [e for e in active(scene.lab) if (e["fault"], e["parameters"]) != ("link-down", parameters)]
        wiring.settle(scene.lab, scene.topology, [cable.name], faults=left)
    else:
        for port in (cable.a, cable.b):
            network.bring_up(scene.lab, scene.topology, port)
    require_reached(scene, _beyond(scene, cable), f"the cable {cable.name} is plugged in again")


def require_reached(scene: Scene, names: Sequence[str], although: str, timeout_s: float = 20) -> None:
    """Wait until the control node reaches hosts; LabError if it does not."""
    deadline, waiting = time.monotonic() + timeout_s, list(names)
    while waiting := [name for name in waiting if not network.reaches(scene.lab, scene.topology, name)]:
        if time.monotonic() > deadline:
            raise LabError(f"{', '.join(waiting)} cannot be reached although {although}.")


def measure(lab: Lab, topology: Topology, sender: str, receiver: str, seconds: float = 1.0) -> float:
    """Send as fast as possible from one node to another; return the bits a second that arrived."""

    def listen() -> socket.socket:
        return socket.create_server((topology.nodes[receiver].address, 0), reuse_port=False)

    def connect() -> socket.socket:
        return socket.create_connection(server.getsockname(), timeout=5)

    with (
        in_network(lab.namespace_path(receiver), listen) as server,
        in_network(lab.namespace_path(sender), connect) as out,
        server.accept()[0] as into,
    ):
        pump = threading.Thread(target=_pour, args=(out,), daemon=True)
        pump.start()
        into.settimeout(0.5)
        started, arrived = time.monotonic(), 0
        while time.monotonic() - started < seconds:
            with contextlib.suppress(TimeoutError):
                arrived += len(into.recv(65536))
        took = time.monotonic() - started
        out.shutdown(socket.SHUT_RDWR)
        pump.join(1)
    return arrived * 8 / took


def _pour(out: socket.socket) -> None:
    """Send until the connection is shut."""
    with contextlib.suppress(OSError):
        while True:
            out.sendall(bytes(65536))


def _slow(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    cable, rate = scene.topology.cable(parameters["cable"]), network.rate_bits(parameters["rate"])
    network.shape(scene.lab, cable, parameters["rate"])
    far = cut_off(scene.topology, cable.name)
    if not far:
        network.unshape(scene.lab, cable)
        raise LabError(f"No host is reached only through the cable {cable.name}: its speed cannot be measured.", "Choose another cable.")
    measured = {}
    for sender, receiver in ((scene.topology.control.name, far[0]), (far[0], scene.topology.control.name)):
        measured[f"{sender} to {receiver}"] = measure(scene.lab, scene.topology, sender, receiver)
    if too_fast := [f"{way} {bits / 1e6:.1f} Mbit/s" for way, bits in measured.items() if bits > rate * TOLERANCE + 2e6]:
        network.unshape(scene.lab, cable)
        raise LabError(f"The cable {cable.name} should carry {parameters['rate']} and carried {', '.join(too_fast)}.")
    return {"measured_bits_per_second": measured}


def _unslow(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    network.unshape(scene.lab, scene.topology.cable(parameters["cable"]))


CABLE = Parameter("the cable, as named in lab/topology.yml", "offsite")
FAULTS = (
    Fault("link-down", "A cable is pulled: both ends lose their carrier.", _pull, _replug, {"cable": CABLE}),
    Fault(
        "link-slow",
        "A cable carries less, in both directions.",
        _slow,
        _unslow,
        {"cable": CABLE, "rate": Parameter("what is left: 500kbit, 2mbit", "2mbit")},
    ),
)
