"""The wire of the switched hospital as data: models, switches, rooms, panels, routes, fibre pairs; read from plant.yml and checked."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError

DEFAULT = Path(__file__).with_name("plant.yml")
TEMPORARY_LOSS_DB = 0.6  # connectors of a cable that was made for the drum it came on
LOSS_DB_PER_KM = 0.35
NAME_LIMIT = 15  # characters in the name of a network interface


@dataclass(frozen=True)
class Optic:
    """A kind of transceiver: what it sends and the weakest light it reads (dBm); it sees nothing below ``dark_dbm``."""

    name: str
    tx_dbm: float
    sensitivity_dbm: float
    dark_dbm: float


@dataclass(frozen=True)
class Socket:
    """A port of a switch: its name on the front (as the vendor writes it) and the interface behind it; speed in Mbit/s."""

    name: str
    interface: str
    speed_mbps: int
    media: str
    poe: bool = False
    optic: str = ""  # what sits in the cage; empty for copper ports and empty cages


@dataclass(frozen=True)
class Switch:
    """A switch: its model, where it stands, its addresses, its ports by the vendor's name."""

    name: str
    about: str
    model: str
    vendor: str
    platform: str
    serial: str
    room: str
    oob: str
    management: str
    sockets: Mapping[str, Socket]
    inband: str = ""

    @property
    def mac(self) -> str:
        """Return the address of its bridge."""
        digest = hashlib.sha256(self.name.encode()).digest()
        return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:4], 0))

    def socket(self, name: str) -> Socket:
        """Return a port by the vendor's name or its interface, or say that there is none."""
        for socket in self.sockets.values():
            if name in (socket.name, socket.interface):
                return socket
        first, *_, last = self.sockets
        raise LabError(f"{self.name} has no port {name!r}.", f"Its ports: {first} to {last} ({self.model}).")


@dataclass(frozen=True)
class Pair:
    """Two strands on a route: the first carries light from side a to side b, the second back. Loss in dB, connectors included."""

    name: str
    route: str
    strands: tuple[int, int]
    loss_db: tuple[float, float]
    tested: str
    ends: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Plant:
    """Everything of the wire that is there before anything happens."""

    vlans: Mapping[int, Mapping[str, str]]
    management: Mapping[str, str]
    optics: Mapping[str, Optic]
    switches: Mapping[str, Switch]
    rooms: Mapping[str, Mapping[str, Any]]
    panels: Mapping[str, Mapping[str, Any]]
    routes: Mapping[str, Mapping[str, Any]]
    pairs: Mapping[str, Pair]
    cables: tuple[Mapping[str, Any], ...] = ()
    routers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def switch(self, name: str) -> Switch:
        """Return a switch, or say which there are."""
        if name not in self.switches:
            raise LabError(f"There is no switch {name!r} in the lab.", f"Switches: {', '.join(self.switches)}.")
        return self.switches[name]

    def pair(self, name: str) -> Pair:
        """Return a pair, or say which there are."""
        if name not in self.pairs:
            raise LabError(f"There is no fibre pair {name!r} in the lab.", f"Pairs: {', '.join(self.pairs)}.")
        return self.pairs[name]

    def socket(self, end: str) -> tuple[Switch, Socket]:
        """Read ``acc-1:GigabitEthernet0/0/1``."""
        node, _, port = end.partition(":")
        switch = self.switch(node)
        return switch, switch.socket(port)

    def vlan_of(self, address: str) -> int | None:
        """Return the VLAN whose network holds an address."""
        place = ipaddress.ip_interface(address).ip
        return next((number for number, vlan in self.vlans.items() if place in ipaddress.ip_network(vlan["network"])), None)


def load(path: Path = DEFAULT) -> Plant:
    """Read and check the plant."""
    return parse(yaml.safe_load(path.read_text(encoding="utf-8")))


def parse(data: Mapping[str, Any]) -> Plant:
    """Build a plant from its data; refuse one that could not be laid."""
    optics = {
        name: Optic(name, float(entry["tx_dbm"]), float(entry["sensitivity_dbm"]), float(entry["dark_dbm"]))
        for name, entry in data["optics"].items()
    }
    switches = {name: _switch(name, entry, data["models"]) for name, entry in data["switches"].items()}
    pairs = {entry["name"]: _pair(entry) for entry in data["pairs"]}
    plant = Plant(
        vlans=data["vlans"],
        management=data["management"],
        optics=optics,
        switches=switches,
        rooms=data["rooms"],
        panels=data["panels"],
        routes=data["routes"],
        pairs=pairs,
        cables=tuple(data["cables"]),
        routers=data.get("routers") or {},
        hosts=data.get("hosts") or {},
    )
    if problems := [*_problems(plant), *(["two fibre pairs share a name"] if len(pairs) != len(data["pairs"]) else [])]:
        raise LabError(f"The lab's plant cannot be laid: {'; '.join(problems)}.", "Correct lab/plant.yml.")
    return plant


def numbers(text: str) -> range:
    """Read ``1-48``."""
    first, _, last = str(text).partition("-")
    return range(int(first), int(last or first) + 1)


def _switch(name: str, entry: Mapping[str, Any], models: Mapping[str, Any]) -> Switch:
    model = models[entry["model"]]
    optics = {row["ports"].format(n=n): row["optic"] for row in entry.get("transceivers", ()) for n in numbers(row["numbers"])}
    sockets = {}
    for row in model["ports"]:
        for n in numbers(row["numbers"]):
            port = row["name"].format(n=n)
            sockets[port] = Socket(
                port, row["interface"].format(n=n), row["speed_mbps"], row["media"], bool(row.get("poe")), optics.pop(port, "")
            )
    if optics:
        raise LabError(
            f"{name} has transceivers in ports that a {entry['model']} does not have: {', '.join(optics)}.", "See lab/plant.yml."
        )
    return Switch(
        name=name,
        about=entry["about"],
        model=entry["model"],
        vendor=model["vendor"],
        platform=model["platform"],
        serial=str(entry["serial"]),
        room=entry["room"],
        oob=entry["oob"],
        inband=entry.get("inband", ""),
        management=model["management"],
        sockets=sockets,
    )


def _pair(entry: Mapping[str, Any]) -> Pair:
    first, second = entry["strands"]
    there, back = entry["loss_db"]
    a, b = entry.get("ends") or ("", "")
    return Pair(entry["name"], entry["route"], (first, second), (float(there), float(back)), str(entry["tested"]), (a, b))


def _problems(plant: Plant) -> Iterator[str]:
    strands: dict[tuple[str, int], str] = {}
    for pair in plant.pairs.values():
        if pair.route not in plant.routes:
            yield f"the pair {pair.name} lies on the unknown route {pair.route}"
            continue
        for strand in pair.strands:
            if not 1 <= strand <= plant.routes[pair.route]["strands"]:
                yield f"the route {pair.route} has no strand {strand}"
            if other := strands.get((pair.route, strand)):
                yield f"{pair.name} and {other} share the strand {strand} of {pair.route}"
            strands[pair.route, strand] = pair.name
        for end, panel in zip(pair.ends, plant.routes[pair.route]["panels"], strict=True):
            if end:
                switch, socket = plant.socket(end)
                if socket.optic not in plant.optics:
                    yield f"{end} has no optic for the fibre {pair.name}"
                if switch.room != plant.panels[panel]["room"]:
                    yield f"{end} is not in the room of the panel {panel}"
    for route, entry in plant.routes.items():
        if unknown := [panel for panel in entry["panels"] if panel not in plant.panels]:
            yield f"the route {route} ends on the unknown panel {', '.join(unknown)}"
    for name, place in [*((s.name, s.room) for s in plant.switches.values()), *((p, e["room"]) for p, e in plant.panels.items())]:
        if place not in plant.rooms:
            yield f"{name} is in the unknown room {place}"
    for switch in plant.switches.values():
        interfaces = [socket.interface for socket in switch.sockets.values()]
        if len(set(interfaces)) != len(interfaces) or max(map(len, interfaces)) > NAME_LIMIT:
            yield f"the interfaces of {switch.name} are not distinct names of at most {NAME_LIMIT} characters"


# --- the plant in force ------------------------------------------------------------------------------------------------


def furnish(data: Mapping[str, Any], plant: Plant) -> dict[str, Any]:
    """Return the data of a topology with switches in the place of the bridges: theirs, and the hosts and ports that come with them."""
    networks = {vlan["network"] for vlan in plant.vlans.values()}
    replaced = {name for name, entry in data["segments"].items() if entry["network"] in networks}
    out_of_band = plant.management["segment"]
    segments = {name: entry for name, entry in data["segments"].items() if name not in replaced}
    segments[out_of_band] = {"network": plant.management["network"], "about": "Management network, out of band"}
    routers = {
        name: {**entry, "ports": {**entry["ports"], **plant.routers.get(name, {}).get("ports", {})}}
        for name, entry in data["routers"].items()
    }
    control = {**data["control"], "ports": {**data["control"]["ports"], "eth1": plant.management["control"]}}
    port = plant.management["interface"]
    switches = {s.name: {"role": "switch", "about": s.about, "ports": {port: s.oob}} for s in plant.switches.values()}
    cables = [entry for entry in data["cables"] if not {end.partition(":")[0] for end in entry["ends"]} & replaced]
    cables.append({"name": "control-oob", "ends": [f"{control['name']}:eth1", f"{out_of_band}:control"]})
    cables += [{"name": f"{name}-oob", "ends": [f"{name}:{port}", f"{out_of_band}:{name}"]} for name in switches]
    hosts = {**data["hosts"], **plant.hosts, **switches}
    return {**data, "segments": segments, "routers": routers, "control": control, "hosts": hosts, "cables": cables}


def laid(plant: Plant) -> list[dict[str, Any]]:
    """Return the cables that lead to switches, and the fibre pairs that are patched at both ends, in the topology's notation."""

    def end(text: str) -> str:
        node, _, port = text.partition(":")
        return f"{node}:{plant.switches[node].socket(port).interface}" if node in plant.switches else text

    rows = [*plant.cables, *({"name": pair.name, "ends": list(pair.ends)} for pair in plant.pairs.values() if all(pair.ends))]
    return [{"name": row["name"], "ends": [end(text) for text in row["ends"]]} for row in rows]


def with_dependants(plant: Plant, without: Collection[str]) -> set[str]:
    """Return the hosts to leave out together with those that are plugged into a switch that is left out."""
    gone = set(without)
    for entry in plant.cables:
        ends = {end.partition(":")[0] for end in entry["ends"]}
        if ends & gone & set(plant.switches):
            gone |= ends - set(plant.switches)
    return gone


def lacking(plant: Plant, without: Collection[str]) -> Plant:
    """Return the plant without some switches and hosts: what was plugged into them hangs loose."""

    def stays(end: str) -> bool:
        return end.partition(":")[0] not in without

    return replace(
        plant,
        switches={name: switch for name, switch in plant.switches.items() if name not in without},
        hosts={name: entry for name, entry in plant.hosts.items() if name not in without},
        cables=tuple(entry for entry in plant.cables if all(map(stays, entry["ends"]))),
        pairs={name: pair if all(map(stays, pair.ends)) else replace(pair, ends=("", "")) for name, pair in plant.pairs.items()},
    )


def extended(plant: Plant, temporary: Mapping[str, Mapping[str, Any]]) -> Plant:
    """Return the plant with the cables that people have laid since: each one pair on a route of its own, by the pair's name."""
    routes = {
        str(entry["route"]): {"panels": list(entry["panels"]), "way": "Temporary", "length_m": entry["length_m"], "strands": 2}
        for entry in temporary.values()
    }
    loss = {name: round(TEMPORARY_LOSS_DB + LOSS_DB_PER_KM * float(entry["length_m"]) / 1000, 2) for name, entry in temporary.items()}
    pairs = {name: Pair(name, str(entry["route"]), (1, 2), (loss[name], loss[name]), "") for name, entry in temporary.items()}
    return replace(plant, routes={**plant.routes, **routes}, pairs={**plant.pairs, **pairs})


def carried(plant: Plant, rooms: Mapping[str, str]) -> Plant:
    """Return the plant with some switches in other rooms: where people have carried them."""
    if unknown := sorted(set(rooms.values()) - set(plant.rooms)):
        raise LabError(f"There is no room {', '.join(unknown)} in the lab.", f"Rooms: {', '.join(plant.rooms)}.")
    moved = {name: replace(switch, room=rooms.get(name, switch.room)) for name, switch in plant.switches.items()}
    return replace(plant, switches=moved)


def patch(plant: Plant, patched: Mapping[str, Sequence[str]]) -> Plant:
    """Return the plant with some cables and fibre pairs in other ports; an empty end hangs loose."""

    def ends(name: str, given: Sequence[str]) -> tuple[str, str]:
        a, b = patched.get(name, given)
        return a, b

    return replace(
        plant,
        cables=tuple({**entry, "ends": list(ends(entry["name"], entry["ends"]))} for entry in plant.cables),
        pairs={name: replace(pair, ends=ends(name, pair.ends)) for name, pair in plant.pairs.items()},
    )
