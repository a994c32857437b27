"""The plan of action for a switch that failed: spare, ports, cables, people, time, and what cannot be carried (RCV-3). Pure.

The same facts always give the same decision, so that a run which continues an interrupted one finds its approval valid.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recovery.network.cable_sheet import UNRANKED, Move
from recovery.network.compare import View
from recovery.network.plant import Area, Plant, port_of, switch_of

End = tuple[str, str]


@dataclass(frozen=True)
class Cable:
    """One cable of the hospital's own record: its label, what it is made of, the two ports that it joins, and whom it serves."""

    label: str
    media: str
    ends: tuple[End, End]
    area: str = ""

    def far(self, device: str) -> End:
        """Return the end that is not at this device."""
        return self.ends[1] if self.ends[0][0] == device else self.ends[0]

    def near(self, device: str) -> End:
        """Return the end at this device. Raises ValueError where it has none."""
        for end in self.ends:
            if end[0] == device:
                return end
        raise ValueError(f"cable {self.label} does not end at {device}")


def cables_of(plant: Plant) -> list[Cable]:
    """Return every cable that joins two ports now: copper, and the fibre pairs in use."""

    def end(text: str) -> End:
        return switch_of(text), port_of(text)

    copper = [Cable(one.name, "copper", (end(one.ends[0]), end(one.ends[1])), one.area) for one in plant.cables]
    joined = [(pair.name, pair.ends) for pair in plant.pairs.values() if pair.state == "in-use"]
    return copper + [Cable(name, "fibre", (end(ends[0]), end(ends[1]))) for name, ends in joined if ends]


def at(cables: Iterable[Cable], device: str) -> list[Cable]:
    """Return the cables that end at a device."""
    return [cable for cable in cables if device in (cable.ends[0][0], cable.ends[1][0])]


def behind(cables: Sequence[Cable], failed: str, anchor: str) -> set[str]:
    """Return what cannot reach ``anchor`` any more while ``failed`` is dead: those who feel it."""
    neighbours: dict[str, set[str]] = {}
    for cable in cables:
        one, other = cable.ends[0][0], cable.ends[1][0]
        neighbours.setdefault(one, set()).add(other)
        neighbours.setdefault(other, set()).add(one)

    def reached(without: str) -> set[str]:
        seen, waiting = {anchor}, deque([anchor])
        while waiting:
            for device in neighbours.get(waiting.popleft(), set()) - {without}:
                if device not in seen:
                    seen.add(device)
                    waiting.append(device)
        return seen

    return reached("") - reached(failed) - {failed}


ELSEWHERE = Area("elsewhere", {"zh": "其他", "en": "elsewhere"}, (), (), ())


def area_of(areas: Mapping[str, Area], cable: Cable, far: str, vlans: Iterable[int]) -> tuple[int, Area]:
    """Return the most urgent area that a cable serves, and its rank: as the record says, by the far end, else by its only VLAN."""
    carried = set(vlans)
    for rank, area in enumerate(areas.values()):
        if cable.area == area.name or (not cable.area and far in area.devices):
            return rank, area
    for rank, area in enumerate(areas.values()):
        if not cable.area and len(carried) == 1 and carried & set(area.vlans):
            return rank, area
    return UNRANKED, ELSEWHERE


def moves(failed: str, cables: Sequence[Cable], before: View, ports: Mapping[str, str], areas: Mapping[str, Area]) -> list[Move]:
    """Return the cables to move, not yet numbered. A cable whose port has no place on the spare is left out: the checks say so."""
    found = []
    for cable in at(cables, failed):
        _, port = cable.near(failed)
        far, far_port = cable.far(failed)
        if port not in ports:
            continue
        vlans = {before.access[port]} if port in before.access else set(before.trunks.get(port, ()))
        rank, area = area_of(areas, cable, far, vlans)
        seen = before.neighbours.get(port)
        addresses = sorted(f"{vlan}/{mac}" for (vlan, mac), learned in before.macs.items() if learned == port)
        found.append(
            Move(
                cable=cable.label,
                media=cable.media,
                old_port=port,
                new_port=ports[port],
                far=far,
                # What LLDP never heard there cannot be asked for: such a cable is known by its addresses.
                far_port=seen[1] if seen else ("" if addresses else far_port),
                area=area.name,
                area_zh=area.title["zh"],
                area_en=area.title["en"],
                rank=rank,
                # Behind another switch stand many hosts: it is known by itself, not by them.
                addresses=() if seen else tuple(addresses[:8]),
            )
        )
    return found


@dataclass(frozen=True)
class Change:
    """What will be sent to the spare: lines by stage, how many ports and VLANs they touch, what leads back."""

    lines: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    inverse: tuple[str, ...] = ()
    not_carried: tuple[Mapping[str, Any], ...] = field(default=())
    unknown: tuple[Mapping[str, Any], ...] = field(default=())


def digest(value: Any) -> str:
    """Return the fingerprint of plain data or lines."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def expected_s(number: int, people: int, lines: int, times: Mapping[str, Any], *, carried: bool = False) -> int:
    """Return how long it should take from the approval on.

    ``times``: fence_s, carry_s (where the spare is ``carried``), move_s (a cable), line_s (a line), prove_s.
    """
    rounds = -(-number // max(1, people))
    total = float(times["fence_s"]) + lines * float(times["line_s"]) + rounds * float(times["move_s"]) + float(times["prove_s"])
    return round(total + (float(times["carry_s"]) if carried else 0))


WAYS_BACK = {
    "failover": "{number} lines that lead back are stored first; once it is repaired: recovery run switch_failback",
    "failback": "{number} lines that lead back are stored first; both boxes forward the same, so each cable can go back as it came",
}


def _said(move: Move, old: str, new: str) -> str:
    return f"{move.number}. {move.cable}: {old} {move.old_port} -> {new} {move.new_port} ({move.area_en}), {move.who}"


def decision(
    *,
    kind: str,
    failed: Mapping[str, Any],
    spare: Mapping[str, Any],
    archived: Mapping[str, Any],
    state: str,
    ports: Mapping[str, str],
    change: Change,
    placed: Sequence[Move],
    fence: Mapping[str, Any],
    affected: Iterable[str],
    times: Mapping[str, Any],
    way: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the plan of action that people approve.

    ``kind``: failover or failback. ``way``: from which room into which the spare is carried first ({from, to, zh, en}); empty
    where it stands in the right one.
    """
    used = {move.old_port for move in placed}
    people = sorted({move.who for move in placed})
    return {
        "kind": kind,
        "failed": {key: failed.get(key, "") for key in ("name", "box", "model", "serial", "software", "platform")},
        "spare": {key: spare.get(key, "") for key in ("name", "box", "model", "serial", "software", "platform", "waits_as")},
        "state": state,
        "archive": {key: archived.get(key, "") for key in ("fetched_at", "sha256", "commit")},
        "port_map": {old: ports[old] for old in sorted(ports) if old in used},
        "ports_mapped": len(ports),
        "same_ports": all(old == new for old, new in ports.items()),
        "not_carried": [dict(one) for one in change.not_carried],
        "not_understood": [dict(one) for one in change.unknown],
        "configuration": {
            "lines": len(change.lines) + len(change.identity),
            "sha256": digest([list(change.lines), list(change.identity)]),
            "identity_last": list(change.identity),
        },
        "cables": [_said(move, str(failed.get("box")), str(spare.get("box"))) for move in placed],
        "people": {who: sum(1 for move in placed if move.who == who) for who in people},
        "fence": dict(fence),
        "carried": dict(way),
        "affected": sorted(affected),
        "expected_s": expected_s(len(placed), len(people), len(change.lines) + len(change.identity), times, carried=bool(way)),
        "way_back": WAYS_BACK[kind].format(number=len(change.inverse)),
    }
