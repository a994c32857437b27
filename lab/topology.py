"""The hospital's shape as data: read from topology.yml and, where it has switches, plant.yml; checked before anything is built."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from lab import plant as plants
from lab.errors import LabError
from lab.plant import Plant

DEFAULT = Path(__file__).with_name("topology.yml")
NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")  # also the name of a bridge port: 15 characters is the kernel's limit
SIZE = re.compile(r"(\d+)([MGT])")
UNITS = {"M": 2**20, "G": 2**30, "T": 2**40}


def size_bytes(text: str) -> int:
    """Read ``512M``, ``12G`` or ``1T``."""
    match = SIZE.fullmatch(str(text))
    if match is None:
        raise LabError(f"{text!r} is no size.", "Write a number and M, G or T: 12G.")
    return int(match[1]) * UNITS[match[2]]


@dataclass(frozen=True)
class Disk:
    """A disk of a host: where it is mounted there, and how large it is (bytes)."""

    name: str
    mount: str
    size: int


@dataclass(frozen=True)
class Node:
    """Whatever has a network namespace: a host, a router, the control node."""

    name: str
    kind: str
    about: str
    ports: Mapping[str, str]
    routes: Mapping[str, str]
    role: str = ""
    disks: Mapping[str, Disk] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Return the address by which others name it: its first port's."""
        return next(iter(self.ports.values())).partition("/")[0]


@dataclass(frozen=True)
class Port:
    """One end of a cable."""

    node: str
    name: str

    def __str__(self) -> str:
        """Write it as the topology does."""
        return f"{self.node}:{self.name}"


@dataclass(frozen=True)
class Cable:
    """A cable between two ports."""

    name: str
    a: Port
    b: Port
    about: str = ""


@dataclass(frozen=True)
class Topology:
    """Everything that is in the lab before anything happens."""

    segments: Mapping[str, str]
    nodes: Mapping[str, Node]
    cables: Mapping[str, Cable]
    services: Mapping[str, str] = field(default_factory=dict)
    plant: Plant | None = None  # the switches and their wire; a flat lab has none

    @property
    def hosts(self) -> dict[str, Node]:
        """Return the nodes that boot."""
        return {name: node for name, node in self.nodes.items() if node.kind == "host"}

    @property
    def control(self) -> Node:
        """Return the node in which the administrator acts."""
        return next(node for node in self.nodes.values() if node.kind == "control")

    def with_role(self, role: str) -> list[Node]:
        """Return the hosts of a role."""
        return [node for node in self.hosts.values() if node.role == role]

    def host(self, name: str) -> Node:
        """Return a host, or say which there are."""
        if name not in self.hosts:
            raise LabError(f"There is no host {name!r} in the lab.", f"Hosts: {', '.join(self.hosts)}.")
        return self.hosts[name]

    def disk(self, host: str, name: str) -> Disk:
        """Return a disk of a host, or say which there are."""
        disks = self.host(host).disks
        if name not in disks:
            has = f"Its disks: {', '.join(disks)}." if disks else "It has no disk of its own."
            raise LabError(f"{host} has no disk {name!r}.", has)
        return disks[name]

    def is_switch(self, name: str) -> bool:
        """Tell whether a node is a switch."""
        return self.plant is not None and name in self.plant.switches

    def require_plant(self) -> Plant:
        """Return the plant, or say that this lab has none."""
        if self.plant is None:
            raise LabError("This lab is flat: it has no switches and no fibre.", "Boot one that has: lab down; lab up (without --flat).")
        return self.plant

    def shown(self, port: Port) -> str:
        """Write a port as people do: a switch's by what stands on its front."""
        if self.plant is None or port.node not in self.plant.switches or port.name == self.plant.management["interface"]:
            return str(port)
        return f"{port.node}:{self.plant.switches[port.node].socket(port.name).name}"

    def cable(self, name: str) -> Cable:
        """Return a cable, or say which there are."""
        if name not in self.cables:
            raise LabError(f"There is no cable {name!r} in the lab.", f"Cables: {', '.join(self.cables)}.")
        return self.cables[name]


def load(
    path: Path = DEFAULT,
    disk_sizes: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    *,
    switched: bool = False,
    patched: Mapping[str, Sequence[str]] | None = None,
    temporary: Mapping[str, Mapping[str, Any]] | None = None,
    carried: Mapping[str, str] | None = None,
) -> Topology:
    """Read and check a topology.

    ``disk_sizes`` ({"his-db:data": "12G"}) overrides sizes, the hosts ``without`` are left out. ``switched`` puts the plant in the place
    of the bridges; ``patched`` ({"ward-1": ["ward-1:eth0", "acc-s:GigabitEthernet0/0/1"]}) says which cables have been moved since,
    ``temporary`` ({"temporary-acc-2-1": {route, panels, length_m}}) which fibre has been laid, ``carried`` ({"acc-s": "ward-closet"})
    which switch stands in another room.
    """
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not switched:
        return parse(_lacking(data, without), disk_sizes)
    plant = plants.extended(plants.load(), temporary or {})
    data = plants.furnish(data, plant)
    without = plants.with_dependants(plant, without)
    plant = plants.patch(plants.carried(plants.lacking(plant, without), carried or {}), patched or {})
    return parse(_lacking(data, without), disk_sizes, plant)


def _lacking(data: dict[str, Any], without: Collection[str]) -> dict[str, Any]:
    if unknown := sorted(set(without) - set(data["hosts"])):
        raise LabError(f"There is no host {', '.join(unknown)} in the lab.", f"Hosts: {', '.join(data['hosts'])}.")
    hosts = {name: entry for name, entry in data["hosts"].items() if name not in without}
    cables = [entry for entry in data["cables"] if not {end.split(":")[0] for end in entry["ends"]} & set(without)]
    return {**data, "hosts": hosts, "cables": cables}


def parse(data: Mapping[str, Any], disk_sizes: Mapping[str, str] | None = None, plant: Plant | None = None) -> Topology:
    """Build a topology from its data, with the plant's cables where there is one; refuse one that could not be cabled."""
    segments = {name: str(entry["network"]) for name, entry in data["segments"].items()}
    nodes: dict[str, Node] = {}
    for name, entry in data.get("routers", {}).items():
        nodes[name] = _node(name, "router", entry)
    nodes[data["control"]["name"]] = _node(data["control"]["name"], "control", data["control"])
    for name, entry in data["hosts"].items():
        nodes[name] = _node(name, "host", entry)
    written = [*data["cables"], *(plants.laid(plant) if plant else ())]
    cables = {}
    for entry in written:
        first, second = (Port(*end.split(":")) for end in entry["ends"])
        cables[entry["name"]] = Cable(entry["name"], first, second, entry.get("about", ""))
    services = {name: str(entry["address"]) for name, entry in data.get("services", {}).items()}
    topology = _resized(Topology(segments, nodes, cables, services, plant), disk_sizes or {})
    _check(topology, len(written))
    return topology


def _node(name: str, kind: str, entry: Mapping[str, Any]) -> Node:
    disks = {disk: Disk(disk, str(value["mount"]), size_bytes(value["size"])) for disk, value in (entry.get("disks") or {}).items()}
    return Node(name, kind, entry.get("about", ""), entry["ports"], entry.get("routes", {}), entry.get("role", ""), disks)


def _resized(topology: Topology, sizes: Mapping[str, str]) -> Topology:
    nodes = dict(topology.nodes)
    for key, text in sizes.items():
        host, _, name = key.partition(":")
        disk = topology.disk(host, name)
        nodes[host] = replace(nodes[host], disks={**nodes[host].disks, name: replace(disk, size=size_bytes(text))})
    return replace(topology, nodes=nodes)


def _check(topology: Topology, written: int) -> None:
    problems: list[str] = []
    if len(topology.cables) != written:
        problems.append("two cables share a name")
    used: set[Port] = set()
    for cable in topology.cables.values():
        for port in (cable.a, cable.b):
            if port in used:
                problems.append(f"two cables are plugged into {port}")
            used.add(port)
            node = topology.nodes.get(port.node)
            if node is None and port.node not in topology.segments:
                problems.append(f"cable {cable.name} leads to {port.node}, which does not exist")
            elif node is not None and port.name not in node.ports and not topology.is_switch(port.node):
                problems.append(f"cable {cable.name} leads to {port}, a port that {port.node} does not have")
    addresses: dict[str, str] = {}
    for node in topology.nodes.values():
        for name, address in node.ports.items():
            interface = ipaddress.ip_interface(address)
            if str(interface.ip) in addresses:
                problems.append(f"{node.name}:{name} and {addresses[str(interface.ip)]} have the same address {interface.ip}")
            addresses[str(interface.ip)] = f"{node.name}:{name}"
            if Port(node.name, name) not in used:
                problems.append(f"no cable is plugged into {node.name}:{name}")
    for name, address in topology.services.items():
        service = str(ipaddress.ip_interface(address).ip)
        if service in addresses or name in topology.nodes:
            problems.append(f"the service {name} and {addresses.get(service, name)} have the same name or address {service}")
        addresses[service] = name
    problems += [
        f"{name!r} is no name for a part of the lab (lower case, at most 15 characters)"
        for name in (*topology.nodes, *topology.segments, *(port.name for port in used))
        if not NAME.fullmatch(name)
    ]
    if problems:
        raise LabError(f"The lab's topology cannot be built: {'; '.join(problems)}.", "Correct lab/topology.yml or lab/plant.yml.")
