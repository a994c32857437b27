"""What both ends of a segment are told when it moves from one pair of ports to another, and what leads back (RCV-2). Pure.

The old ports are shut at both ends before a new one carries anything, so there is no loop at any moment. Everything that the old port was
is carried to the new one; the old one becomes what the new one was, shut.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

from recovery.findings import Finding
from recovery.network.change import difference, lines
from recovery.network.fibre_choose import Move
from recovery.network.model import Port, Switch
from recovery.network.parse import parse as parse_anew
from recovery.network.plant import port_of, switch_of

# The same text is looked at phase after phase, and what comes of it never changes.
parse = functools.lru_cache(maxsize=16)(parse_anew)
PHASES = ("light", "close", "carry", "shut-new", "inverse", "inverse-shut")
LAST_CHOICE = 20_000_000
"""A path cost with which spanning tree takes a link only where there is no other."""


@dataclass(frozen=True)
class Side:
    """One end: its switch, the port that is left and the one that is taken, and the switch's configuration before anything was done."""

    switch: str
    platform: str
    old: str
    new: str
    before: Switch
    pairs: tuple[str, str] = ("", "")  # the pair that is left and the one that is taken, as the port's description may name them

    def lit(self, now: Switch) -> Switch:
        """Return the switch with light in the new port, which carries nothing: as it stood on the shelf, but open.

        Spanning tree may know no VLANs: of two links between the same switches it blocks one, and that must not be the one that carries.
        """
        new = now.ports[self.new]
        return _with(now, replace(new, enabled=True, stp=replace(new.stp, cost=LAST_CHOICE)))

    def closed(self, now: Switch) -> Switch:
        """Return the switch with the old port shut."""
        return _with(now, replace(now.ports[self.old], enabled=False))

    def carried(self, now: Switch) -> Switch:
        """Return the switch with everything of the old port in the new one, and the old one empty and shut."""
        was, shelf = self.before.ports[self.old], self.before.ports[self.new]
        words = was.description.replace(*self.pairs) if all(self.pairs) else was.description
        taken = replace(was, name=self.new, enabled=True, description=words)
        left = replace(shelf, name=self.old, enabled=False, description=f"free, was {was.description}" if was.description else "free")
        return _with(now, left, taken)

    def restored(self, now: Switch) -> Switch:
        """Return the switch with both ports as they were before."""
        return _with(now, self.before.ports[self.new], self.before.ports[self.old])

    def restored_shut(self, now: Switch) -> Switch:
        """Return the switch as it was before, but with the new port shut: a cord is in it, and two open links would compete."""
        return _with(now, replace(self.before.ports[self.new], enabled=False), self.before.ports[self.old])

    def reopened(self, now: Switch) -> Switch:
        """Return the switch with the new port shut and the old one still shut: the first half of the way back."""
        return _with(now, replace(now.ports[self.new], enabled=False))

    def lines(self, phase: str, running: str) -> list[str]:
        """Return what has to be typed for one of ``PHASES``, from what runs now; nothing where it is so already.

        ``carry`` takes it that the old port was shut meanwhile.
        """
        now = parse(self.platform, running)
        if phase == "carry":
            now = self.closed(now)
        wanted = {"light": self.lit, "close": self.closed, "carry": self.carried, "shut-new": self.reopened, "inverse": self.restored}
        wanted["inverse-shut"] = self.restored_shut
        return lines(self.platform, difference(now, wanted[phase](now)))


def _with(switch: Switch, *ports: Port) -> Switch:
    return replace(switch, ports={**switch.ports, **{port.name: port for port in ports}})


def sides_of(move: Move, platforms: Mapping[str, str], running: Mapping[str, str]) -> list[Side]:
    """Return both ends of a move. ``running``: each switch's configuration before anything was done."""
    found = []
    for old, new in zip(move.old_ends, move.ends, strict=True):
        switch = switch_of(new)
        before = parse(platforms[switch], running[switch])
        found.append(Side(switch, platforms[switch], port_of(old), port_of(new), before, (move.old_pair, move.pair)))
    return found


def against(side: Side) -> list[Finding]:
    """Return what speaks against the two ports of one end."""
    missing = [port for port in (side.old, side.new) if port not in side.before.ports]
    if missing:
        return [
            Finding(
                "record-contradicts",
                "stop",
                f"{side.switch} has no port {' and '.join(missing)}, of which the record speaks.",
                "Who follows a wrong record pulls the wrong cord.",
                "Correct the record (inventory, plant/fibres.yml).",
            )
        ]
    found = []
    new, old = side.before.ports[side.new], side.before.ports[side.old]
    if old.aggregate is not None:
        found.append(
            Finding(
                "aggregate-half",
                "stop",
                f"{side.switch} {side.old} is a member of aggregate {old.aggregate}.",
                "One member moved alone leaves an aggregate whose halves disagree; the others carry its traffic meanwhile.",
                "Let the aggregate carry on, and move it as a whole in a quiet hour.",
            )
        )
    if new.aggregate is not None or new.mode in ("trunk", "hybrid", "routed"):
        what = f"a member of aggregate {new.aggregate}" if new.aggregate is not None else f"configured as {new.mode}"
        found.append(
            Finding(
                "port-not-free",
                "stop",
                f"{side.switch} {side.new} is {what}, though the record has it as free.",
                "Somebody has put it to use, and would lose it.",
                "Find out who, and correct the record (plant/fibres.yml); or name another spare pair: -e spare=NAME.",
            )
        )
    return found


def summary(port: Port) -> Mapping[str, object]:
    """Return of a port what people approve: what it carries."""
    vlans = sorted(port.allowed_vlans) if port.mode != "access" else [port.access_vlan]
    return {"mode": port.mode, "vlans": vlans, "native_vlan": port.native_vlan, "description": port.description}
