"""Which port of the spare becomes which port of the failed switch, and what finds no place (BKP-6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from . import names
from .facts import flat
from .grammar import load
from .model import Port, Switch

Media = Literal["copper", "fibre", ""]
# From here on a port is taken for one with an optic, unless the inventory says what it is.
FIBRE_FROM = 10000


@dataclass(frozen=True)
class Socket:
    """What a port can do. ``speed`` in Mbit/s; None, empty and None again: nobody has said."""

    name: str
    speed: int | None = None
    media: Media = ""
    poe: bool | None = None
    uplink: bool = False


@dataclass(frozen=True)
class Unplaced:
    """A port of the failed switch for which the spare has none, and why."""

    port: str
    why: str


@dataclass(frozen=True)
class PortMap:
    """Old port to new port, and what could not be placed."""

    ports: Mapping[str, str] = field(default_factory=dict)
    unplaced: tuple[Unplaced, ...] = ()

    def told(self) -> list[dict[str, str]]:
        """Return what could not be placed, as it stands in a plan."""
        return [{"what": f"port {one.port}", "why": one.why} for one in self.unplaced]


def sockets(switch: Switch) -> dict[str, Socket]:
    """Return what the names of a switch's ports promise; the inventory knows better what the media are and which give power."""
    found = {}
    for name in switch.ports:
        speed = names.speed(switch.platform, name)
        found[name] = Socket(name, speed, "" if speed is None else "fibre" if speed >= FIBRE_FROM else "copper")
    fastest = max((socket.speed or 0 for socket in found.values()), default=0)
    slowest = min((socket.speed or 0 for socket in found.values()), default=0)
    return {name: Socket(name, socket.speed, socket.media, None, slowest < fastest == socket.speed) for name, socket in found.items()}


def propose(
    old: Switch,
    spare: Switch,
    used: Collection[str] = (),
    declared: Mapping[str, str] | None = None,
    old_sockets: Mapping[str, Socket] | None = None,
    new_sockets: Mapping[str, Socket] | None = None,
) -> PortMap:
    """Map the ports of one switch to those of another.

    ``used`` are the old ports with a cable in them: they must find a place, as must those that are configured. ``declared`` is the
    inventory's own map: it wins, and is checked. A spare with the same ports takes every one under its own name.
    """
    have = {**sockets(old), **(old_sockets or {})}
    there = {**sockets(spare), **(new_sockets or {})}
    given, wrong = _declared(declared or {}, old, have, there)
    if old.platform == spare.platform and list(old.ports) == list(spare.ports) and not given and not wrong:
        return PortMap({name: name for name in old.ports})
    free = {name: socket for name, socket in there.items() if name not in given.values()}
    needed = [name for name in old.ports if name not in given and (name in used or _configured(old, old.ports[name]))]
    ports, unplaced = dict(given), list(wrong)
    # Uplinks choose first: the fewest ports can take their place. Then those with a cable in them.
    for name in sorted(needed, key=lambda name: (not _is_uplink(old, name, have[name]), name not in used, -(have[name].speed or 0))):
        chosen, why = _choose(old.ports[name], have[name], _is_uplink(old, name, have[name]), free)
        if chosen:
            ports[name] = chosen
            del free[chosen]
        elif name not in {one.port for one in wrong}:
            unplaced.append(Unplaced(name, why))
    for name in old.ports:
        if name not in ports and name not in needed and name in free:
            ports[name] = name
            del free[name]
    order = list(old.ports)
    return PortMap(
        {name: ports[name] for name in order if name in ports},
        tuple(sorted(unplaced, key=lambda one: order.index(one.port) if one.port in order else len(order))),
    )


def _configured(switch: Switch, port: Port) -> bool:
    """Say whether a port is more than an empty socket. A port that is shut and nothing else is not."""
    default = load(switch.platform).default("port")
    return any(value != default.get(fact) for fact, value in flat(port).items() if fact != "enabled")


def _is_uplink(switch: Switch, name: str, socket: Socket) -> bool:
    port = switch.ports[name]
    return socket.uplink or port.aggregate is not None


def _needs_power(port: Port, socket: Socket) -> bool:
    return bool(socket.poe) and port.poe.enabled is not False


def _misfit(port: Port, old: Socket, new: Socket) -> str:
    """Say why a new port cannot take the place of an old one; empty if it can."""
    if old.media and new.media and old.media != new.media:
        return f"{new.name} is {new.media}, and {old.name} is {old.media}"
    if old.speed and new.speed and new.speed < (port.speed or old.speed):
        return f"{new.name} has {new.speed} Mbit/s, and {old.name} {port.speed or old.speed}"
    if _needs_power(port, old) and new.poe is False:
        return f"{new.name} gives no power (PoE), and {old.name} did"
    return ""


def _choose(port: Port, old: Socket, uplink: bool, free: Mapping[str, Socket]) -> tuple[str, str]:
    """Return the free port that fits best, or why there is none."""
    if not free:
        return "", "the spare has no port left"
    reasons = {name: _misfit(port, old, socket) for name, socket in free.items()}
    fitting = [socket for name, socket in free.items() if not reasons[name]]
    if not fitting:
        kinds = {
            "medium": any(" is " in why for why in reasons.values()),
            "speed": any("Mbit/s" in why for why in reasons.values()),
            "power (PoE)": any("PoE" in why for why in reasons.values()),
        }
        lacking = " or ".join(kind for kind, found in kinds.items() if found)
        return "", f"no free port of the spare has its {lacking}: {next(why for why in reasons.values() if why)}"
    rank = list(free)

    def worth(socket: Socket) -> tuple[bool, bool, int, bool, int]:
        # Its own name, the same role, the next speed up; what has power is kept for those that need it.
        wasted = bool(socket.poe) and not _needs_power(port, old)
        return (socket.name != old.name, socket.uplink != uplink, (socket.speed or 0) - (old.speed or 0), wasted, rank.index(socket.name))

    return min(fitting, key=worth).name, ""


def _declared(
    declared: Mapping[str, str], old: Switch, have: Mapping[str, Socket], there: Mapping[str, Socket]
) -> tuple[dict[str, str], list[Unplaced]]:
    """Return the declared pairs that hold, and what is wrong with the others."""
    good: dict[str, str] = {}
    wrong: list[Unplaced] = []
    for name, new in declared.items():
        why = ""
        if name not in have:
            why = f"the inventory maps {name}, and the failed switch has no such port"
        elif new not in there:
            why = f"the inventory maps it to {new}, and the spare has no such port"
        elif new in good.values():
            why = f"the inventory maps two ports to {new}"
        else:
            why = _misfit(old.ports[name], have[name], there[new])
            why = f"the inventory maps it to {new}, but {why}" if why else ""
        if why:
            wrong.append(Unplaced(name, why))
        else:
            good[name] = new
    return good, wrong


def from_plant(ports: Iterable[Mapping[str, object]]) -> dict[str, Socket]:
    """Read sockets as inventories write them: name, speed_mbps, media, poe, uplink; ``cage`` is a fibre port without its optic."""
    found = {}
    for port in ports:
        name, speed, media = str(port["name"]), port.get("speed_mbps"), str(port.get("media", ""))
        kind: Media = "fibre" if media in ("fibre", "cage") else "copper" if media == "copper" else ""
        found[name] = Socket(
            name, int(str(speed)) if speed else None, kind, bool(port["poe"]) if "poe" in port else None, bool(port.get("uplink"))
        )
    return found
