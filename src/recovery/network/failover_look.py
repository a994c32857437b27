"""Looking at a switch that is said to have failed, from several sides at once, changing nothing (RCV-3, RCV-6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from recovery.network import failover_driver as driver
from recovery.network import fence
from recovery.network.answers import HostKeyChangedError, HostKeyMissingError, SwitchError, WrongCredentialsError
from recovery.network.device import Device
from recovery.network.failover import Cable, behind
from recovery.network.fetch import each
from recovery.network.liveness import Sighting
from recovery.network.session import Session
from recovery.network.state import UP, State

TOWARDS = ("ports", "neighbours")
KNOCK_S = 4.0
"""How long its command line may take to answer at all: long enough for a second and a third try of TCP to come through."""


@dataclass(frozen=True)
class Scene:
    """What the inventory knows: every switch, the cables, how a ping goes out, hosts that answer one, and where this control node hangs."""

    devices: Mapping[str, Device]
    cables: Sequence[Cable]
    control: str = ""
    via: Sequence[str] = ()
    probes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Looked:
    """What was seen. ``doors``: address -> answered; ``links``: neighbour -> port towards it -> has link; ``behind``: who depends on it."""

    sightings: tuple[Sighting, ...]
    others_answer: int
    doors: Mapping[str, bool]
    links: Mapping[str, Mapping[str, bool]]
    behind: tuple[str, ...]
    reached: tuple[str, ...]
    refusals: tuple[SwitchError, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as it travels from one step to the next."""
        return {
            "sightings": [asdict(one) for one in self.sightings],
            "others_answer": self.others_answer,
            "doors": dict(self.doors),
            "links": {name: dict(ports) for name, ports in self.links.items()},
            "behind": list(self.behind),
            "reached": list(self.reached),
        }


def _doors(scene: Scene, failed: Device) -> tuple[list[Sighting], dict[str, bool]]:
    """Knock at its addresses. Out of band is a side of its own: it does not depend on what the switch forwards."""
    answered = driver.pings(failed.addresses, scene.via)
    doors = {f"{path} {failed.addresses[path]}": up for path, up in answered.items()}
    sides = {"oob": "out-of-band"}
    seen = [
        Sighting(sides.get(path, "ping"), "control node", "answers" if up else "silent", f"ping to {failed.addresses[path]}")
        for path, up in answered.items()
    ]
    return seen, doors


def _command_line(failed: Device) -> tuple[Sighting, SwitchError | None]:
    """Log in once. Whoever answers with another key, or refuses the account, is told: it is not known that it is the switch."""
    where = f"{failed.user} at {failed.address}"
    try:
        with Session(failed, idle_s=8, deadline_s=20, connect_s=KNOCK_S):
            return Sighting("ssh", "control node", "answers", where), None
    except (HostKeyChangedError, HostKeyMissingError, WrongCredentialsError) as error:
        return Sighting("ssh", "control node", "answers", f"{where}: {error.message}"), error
    except SwitchError as error:
        return Sighting("ssh", "control node", "silent", f"{where}: {error.message}"), None


def _neighbour(name: str, failed: str, ports: Sequence[str], found: State | SwitchError) -> tuple[Sighting, dict[str, bool]]:
    if isinstance(found, SwitchError):
        return Sighting("neighbour", name, "blind", found.message), {}
    links = {port: port in found.ports and found.ports[port].link == UP for port in ports}
    lit = [port for port, up in links.items() if up]
    heard = [port for port in lit if found.neighbours.get(port)]
    if not lit:
        return Sighting("neighbour", name, "dark", f"no link at {', '.join(ports)}"), links
    words = f"link at {', '.join(lit)}" + ("; it was heard there lately" if heard else f"; {failed} is not heard there")
    return Sighting("neighbour", name, "lit", words), links


def look(scene: Scene, failed: str) -> Looked:
    """Look from every side. Takes as long as the slowest side that does not answer, some seconds."""
    device = scene.devices[failed]
    towards = fence.towards(scene.cables, failed, scene.devices)
    others = [scene.devices[name] for name in towards]

    def one(which: Device) -> State | tuple[Sighting, SwitchError | None]:
        return _command_line(which) if which.name == failed else driver.ask(which, TOWARDS)

    with ThreadPoolExecutor(2) as pool:
        knocking, trying = pool.submit(_doors, scene, device), pool.submit(_paths, scene, failed)
        found = each([device, *others], one)
    (doors_seen, doors), (path, depending, reached) = knocking.result(), trying.result()
    sightings, refusals = list(doors_seen), []
    told = found[failed]
    if isinstance(told, tuple):
        sightings.append(told[0])
        refusals += [told[1]] if told[1] is not None else []
    links: dict[str, dict[str, bool]] = {}
    for name, ports in towards.items():
        state = found[name]
        if not isinstance(state, tuple):
            seen, links[name] = _neighbour(name, failed, ports, state)
            sightings.append(seen)
    answering = sum(1 for name in towards if isinstance(found[name], State))
    return Looked(
        (*sightings, *path), answering, doors, {name: one for name, one in links.items() if one}, depending, reached, tuple(refusals)
    )


def _paths(scene: Scene, failed: str) -> tuple[list[Sighting], tuple[str, ...], tuple[str, ...]]:
    """Try the hosts that can only be reached through it, and some that can be reached without it: else it may be us."""
    if not scene.control or not scene.probes:
        return [], (), ()
    cut = behind(scene.cables, failed, scene.control)
    answered = driver.pings(scene.probes, scene.via)
    through = sorted(name for name in scene.probes if name in cut)
    beside = sorted(name for name in scene.probes if name not in cut)
    passed = [name for name in through if answered[name]]
    near = [name for name in beside if answered[name]]
    if not through:
        return [], (), tuple(near)
    by = f"{scene.control} to {', '.join(through)}"
    if passed:
        seen = Sighting("path", by, "forwards", f"{', '.join(passed)} {'answers' if len(passed) == 1 else 'answer'} through it")
    elif beside and not near:
        seen = Sighting("path", by, "blind", f"nobody answers, {', '.join(beside)} neither, which do not depend on it")
    else:
        seen = Sighting("path", by, "stopped", f"nobody answers; {', '.join(near) or 'nobody'} beside it does")
    return [seen], tuple(through), tuple(passed + near)


def users(summaries: Iterable[Mapping[str, Any]], depending: Iterable[str]) -> list[Sighting]:
    """What people behind it saw of late: ``summaries`` of the workstations that could be asked, of the last seconds only."""
    wanted = set(depending)
    found = []
    for one in summaries:
        station = str(one.get("workstation") or "")
        if station not in wanted:
            continue
        saved = sum(int(last) - int(first) + 1 for first, last in one.get("acknowledged") or ())
        failing = any(gap.get("end") is None and gap.get("first_failure") for gap in one.get("gaps") or ())
        if saved and not failing:
            found.append(Sighting("users", station, "forwards", f"{saved} transactions were acknowledged in the last seconds"))
        elif failing:
            found.append(Sighting("users", station, "stopped", "transactions fail there"))
    return found
