"""Wire: a namespace for every node and segment, veth pairs as cables. Nothing of it is in the outer machine's network."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.state import Lab
from lab.system import in_network, read_json, run
from lab.topology import Cable, Node, Port, Topology

BRIDGE = "switch"
TIMER_HZ = 250
RATE = re.compile(r"(\d+)(kbit|mbit|gbit)")
RATE_UNITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
FORWARDING = "/proc/sys/net/ipv4/ip_forward"


def batch(namespace: str, lines: Sequence[str]) -> None:
    """Give ``ip`` several lines in one namespace."""
    if lines:
        run(["ip", "-n", namespace, "-batch", "-"], stdin="\n".join(lines) + "\n", doing=f"Setting up the network {namespace}")


def interfaces(lab: Lab, node: str) -> dict[str, dict[str, object]]:
    """Return the interfaces in a node's namespace by name, as ``ip -j link`` describes them."""
    listed = run(["ip", "-n", lab.namespace(node), "-j", "link", "show"], doing=f"Looking at the ports of {node}").stdout
    return {entry["ifname"]: entry for entry in json.loads(listed or "[]")}


def flags(lab: Lab, port: Port) -> list[str]:
    """Return a port's flags; LOWER_UP is its carrier."""
    entry = interfaces(lab, port.node).get(port.name) or {}
    found = entry.get("flags")
    return list(found) if isinstance(found, list) else []


def ensure(
    lab: Lab, topology: Topology, pulled: Collection[str] = (), apart: Collection[str] = (), extra: Collection[str] = ()
) -> list[str]:
    """Bring every missing namespace and cable into being; return the nodes whose namespace is new.

    ``pulled`` names cables that a fault holds down: they are laid, but not brought up. The cables ``apart`` are laid by whoever minds them,
    and the namespaces ``extra`` are wanted too.
    """
    nodes = [*topology.segments, *topology.nodes, *extra]
    lab.write(namespaces=sorted({*lab.read().get("namespaces", []), *map(lab.namespace, nodes)}))
    present = set(namespaces_present())
    fresh = [node for node in nodes if lab.namespace(node) not in present]
    for node in fresh:
        _discard_stale(lab.namespace_path(node))
        run(["ip", "netns", "add", lab.namespace(node)], doing=f"Creating the network of {node}")
        batch(lab.namespace(node), ["link set lo up"])
    existing = {node: set(interfaces(lab, node)) for node in nodes}
    for segment in topology.segments:
        if BRIDGE not in existing[segment]:
            batch(lab.namespace(segment), [f"link add {BRIDGE} type bridge stp_state 0 forward_delay 0", f"link set {BRIDGE} up"])
    for cable in topology.cables.values():
        if cable.name in apart:
            continue
        if not all(port.name in existing[port.node] for port in (cable.a, cable.b)):
            for port in (cable.a, cable.b):
                if port.name in existing[port.node]:
                    batch(lab.namespace(port.node), [f"link del dev {port.name}"])
            _lay(lab, cable)
        for port in (cable.a, cable.b):
            if cable.name not in pulled:
                bring_up(lab, topology, port)
    for router in topology.nodes.values():
        if router.kind == "router":
            run(["ip", "netns", "exec", lab.namespace(router.name), "sh", "-c", f"echo 1 >{FORWARDING}"], doing="Routing")
    return fresh


def _lay(lab: Lab, cable: Cable) -> None:
    def end(port: Port) -> list[str]:
        return ["name", port.name, "address", hardware_address(port), "netns", lab.namespace(port.node)]

    run(["ip", "link", "add", *end(cable.a), "type", "veth", "peer", *end(cable.b)], doing=f"Laying the cable {cable.name}")


def remove_port(lab: Lab, port: Port) -> None:
    """Take a port's interface away, if it is there; the other end of its cable goes with it."""
    if port.name in interfaces(lab, port.node):
        batch(lab.namespace(port.node), [f"link del dev {port.name}"])


def hardware_address(port: Port) -> str:
    """Return a port's own address, the same whenever its cable is laid again: what neighbours remember of it stays true."""
    digest = hashlib.sha256(f"{port.node}:{port.name}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def bring_up(lab: Lab, topology: Topology, port: Port) -> None:
    """Give a port what the topology says it has: address, routes, or its place in a segment."""
    if port.node in topology.segments:
        lines = [f"link set dev {port.name} master {BRIDGE} up"]
    else:
        node = topology.nodes[port.node]
        if topology.is_switch(node.name):  # it gives itself its address, as its configuration says
            batch(lab.namespace(node.name), [f"link set dev {port.name} up"])
            return
        network = ipaddress.ip_interface(node.ports[port.name]).network
        lines = [f"address replace {node.ports[port.name]} brd + dev {port.name}", f"link set dev {port.name} up"]
        lines += [f"route replace {to} via {hop}" for to, hop in node.routes.items() if ipaddress.ip_address(hop) in network]
    batch(lab.namespace(port.node), lines)


def pull(lab: Lab, cable: Cable) -> None:
    """Take both ends of a cable down."""
    for port in (cable.a, cable.b):
        batch(lab.namespace(port.node), [f"link set dev {port.name} down"])


def darken(lab: Lab, node: str) -> None:
    """Let the ports of a host without power carry nothing; the addresses that it had given itself are gone with it."""
    if lab.namespace(node) not in namespaces_present():
        return
    for name in interfaces(lab, node):
        if name != "lo":
            run(["ip", "-n", lab.namespace(node), "link", "set", "dev", name.partition("@")[0], "down"], check=False)
    run(["ip", "-n", lab.namespace(node), "address", "flush", "secondary"], check=False)


def plain_checksums(lab: Lab, port: Port) -> None:
    """Let a port compute its checksums itself: a switch in user space passes on what it gets, also a checksum left to the hardware."""
    run(["nsenter", f"--net={lab.namespace_path(port.node)}", "ethtool", "-K", port.name, "tx", "off"], doing=f"Setting up {port}")


def light(lab: Lab, topology: Topology, node: Node) -> None:
    """Bring up the ports of a host that gets power, but for those whose cable a fault holds down."""
    pulled = pulled_cables(lab)
    for cable in topology.cables.values():
        for port in (cable.a, cable.b):
            if port.node == node.name and port.name in node.ports and cable.name not in pulled:
                bring_up(lab, topology, port)


def pulled_cables(lab: Lab, faults: Collection[Mapping[str, Any]] | None = None) -> list[str]:
    """Return the cables that a fault holds down: at present, or among the given faults."""
    broken = (read_json(lab.faults) or []) if faults is None else faults
    return [entry["parameters"]["cable"] for entry in broken if entry["fault"] == "link-down"]


def reaches(lab: Lab, topology: Topology, name: str, timeout: float = 1.0) -> bool:
    """Tell whether a host's SSH port opens from the control node."""

    def connect() -> bool:
        with socket.create_connection((topology.hosts[name].address, 22), timeout=timeout):
            return True

    try:
        return in_network(lab.namespace_path(topology.control.name), connect)
    except OSError:
        return False


def rate_bits(text: str) -> float:
    """Read ``500kbit`` or ``2mbit`` into bits a second."""
    match = RATE.fullmatch(text)
    if match is None:
        raise LabError(f"{text!r} is no rate.", "Write it as 500kbit, 2mbit or 1gbit.")
    return int(match[1]) * RATE_UNITS[match[2]]


def shape(lab: Lab, cable: Cable, rate: str) -> None:
    """Let a cable carry no more than a rate (tc's notation) in either direction."""
    burst = max(16384, int(rate_bits(rate) / 8 / TIMER_HZ))  # what may pass between two ticks of the kernel's timer
    for port in (cable.a, cable.b):
        limits = ["tbf", "rate", rate, "burst", str(burst), "latency", "200ms"]
        run(
            ["tc", "-n", lab.namespace(port.node), "qdisc", "replace", "dev", port.name, "root", *limits],
            doing=f"Slowing the cable {cable.name}",
        )


def unshape(lab: Lab, cable: Cable) -> None:
    """Let a cable carry what it can."""
    for port in (cable.a, cable.b):
        run(["tc", "-n", lab.namespace(port.node), "qdisc", "delete", "dev", port.name, "root"], check=False)


def namespaces_present() -> list[str]:
    """Return the names of the network namespaces of the outer machine that can be entered."""
    listed = run(["ip", "-j", "netns", "list"], check=False).stdout
    return [entry["name"] for entry in json.loads(listed or "[]") if _is_mounted(Path("/run/netns") / entry["name"])]


def _is_mounted(path: Path) -> bool:
    """Tell a namespace from the empty file that a crash leaves in its place."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False


def _discard_stale(path: Path) -> None:
    if path.exists() and not _is_mounted(path):
        path.unlink()


def remove(names: Iterable[str]) -> None:
    """Remove namespaces that the lab recorded, and with them every cable that ends there."""
    present = set(namespaces_present())
    for name in names:
        if not name.startswith("lab."):
            raise LabError(f"{name} is no network of a lab.", "The ledger of the lab is damaged: look at its lab.json.")
        if name in present:
            run(["ip", "netns", "delete", name], doing=f"Removing the network {name}")
        else:
            _discard_stale(Path("/run/netns") / name)
