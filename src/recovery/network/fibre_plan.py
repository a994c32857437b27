"""The plan of action for a segment that has to move: what people approve, and what they are asked to do (RCV-2, RCV-9). Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from recovery.findings import Finding
from recovery.network import fibre_choose, fibre_ends
from recovery.network.fibre_choose import Move
from recovery.network.plant import Pair, Plant, Route, Temporary, switch_of

KINDS = ("swap", "restore", "temporary", "back")
"""``back``: a move that was not released is taken back."""
DEAD = ("cut", "one-way")
"""Causes by which the old pair carries nobody's data any more: then both ends are configured before people patch."""


@dataclass(frozen=True)
class Laying:
    """A temporary cable: which way it goes, how long it is, and within how many days the permanent repair is due."""

    zh: str
    en: str
    length_m: float
    repair_days: int
    incident: str


def choose(
    plant: Plant,
    kind: str,
    segment: str,
    cause: str,
    today: datetime.date,
    spare: str = "",
    laying: Laying | None = None,
    taken: Sequence[str] = (),
) -> tuple[Move | None, list[Finding]]:
    """Return where the segment goes, and what speaks against it.

    A ``laying`` is needed for a temporary cable; ``taken`` are ports that somebody uses although the record has them as free.
    """
    if kind == "restore":
        return fibre_choose.back(plant, segment, today)
    if kind == "swap":
        return fibre_choose.choose(plant, segment, severed=cause == "cut", today=today, spare=spare, taken=taken)
    good, _ = fibre_choose.usable(plant, segment, cause == "cut", today)
    found = []
    if good:
        better = good[0].name
        said = f"There is a spare pair that could take {segment}: {better}."
        why = "A cable on the floor is stumbled over and torn; the spare pair lies where it is safe."
        found = [Finding("spare-there", "overridable", said, why, f"recovery run fibre_swap -e segment={segment} -e spare={better}")]
    if laying is None or not laying.zh.strip() or not laying.en.strip():
        said = "Nobody has said which way the temporary cable goes."
        remedy = "Say it in both languages: -e 'way_zh=...' -e 'way_en=...' -e length_m=METRES."
        return None, [*found, Finding("way-not-told", "stop", said, "Whoever lays it and whoever is warned of it has to know.", remedy)]
    route, pair = temporary(plant, segment, laying, today)
    if route.name in plant.routes:
        said = f"The record has a temporary cable {route.name} already, laid on {_laid(plant.routes[route.name])}."
        return None, [*found, Finding("temporary-there", "stop", said, "", "Use it, or have it taken away and out of the record.")]
    with_it = replace(
        plant, routes={**plant.routes, route.name: route}, pairs={**plant.pairs, pair.name: replace(pair, loss_db=(0.0, 0.0))}
    )
    move, against = fibre_choose.choose(with_it, segment, severed=False, today=today, spare=pair.name, taken=taken)
    return move, [*found, *(one for one in against if one.severity == "stop")]


def _laid(route: Route) -> str:
    return str(route.temporary.laid) if route.temporary else "an unknown day"


def temporary(plant: Plant, segment: str, laying: Laying, today: datetime.date) -> tuple[Route, Pair]:
    """Return the temporary cable as the record will have it: two strands between the rooms of the segment's own pair."""
    panels = plant.routes[plant.pairs[plant.segments[segment].home].route].panels
    name = f"temporary-{switch_of(plant.segments[segment].ends[1])}"
    due = Temporary(today, today + datetime.timedelta(days=laying.repair_days), laying.incident)
    route = Route(name, panels, laying.length_m, 2, {"zh": laying.zh, "en": laying.en}, due)
    return route, Pair(f"{name}-1", name, (1, 2), "spare", tested=today)


# --- what people approve ---------------------------------------------------------------------------------------------


def decision(
    plant: Plant,
    kind: str,
    move: Move,
    cause: str,
    sentence: str,
    sides: Sequence[fibre_ends.Side],
    running: Mapping[str, str],
    laying: Laying | None = None,
) -> dict[str, Any]:
    """Return the plan of action, as it is shown, approved and followed."""
    pair = plant.pairs.get(move.pair)
    first = cause in DEAD and kind != "restore"
    steps = [] if move.plugged else patching(plant, move)
    way = {key: value for key, value in asdict(laying).items() if key != "incident"} if laying is not None else {}
    return {
        "kind": kind,
        "segment": move.segment,
        "cause": cause,
        "why": sentence,
        "from": {"pair": move.old_pair, "ends": list(move.old_ends)},
        "to": {
            "pair": move.pair,
            "route": move.route,
            "strands": list(move.strands),
            "panels": list(move.panels),
            "ends": list(move.ends),
            "loss_db": list(pair.loss_db) if pair is not None and pair.loss_db is not None else None,
            "plugged": move.plugged,
        },
        "order": "configure-first" if first and steps else "patch-first",
        "carried": {side.switch: fibre_ends.summary(side.before.ports[side.old]) for side in sides},
        "lines": {side.switch: {phase: side.lines(phase, running[side.switch]) for phase in ("light", "close", "carry")} for side in sides},
        "steps": steps,
        "areas": [area.title["en"] for area in plant.areas_behind(move.segment)],
        "laying": way,
        "workstations": [station for area in plant.areas_behind(move.segment) for station in area.workstations],
    }


def move_of(told: Mapping[str, Any]) -> Move:
    """Read the move back from a plan of action."""
    first, then = told["from"], told["to"]
    return Move(
        told["segment"],
        first["pair"],
        (first["ends"][0], first["ends"][1]),
        then["pair"],
        (then["ends"][0], then["ends"][1]),
        then["route"],
        (then["strands"][0], then["strands"][1]),
        (then["panels"][0], then["panels"][1]),
        then["plugged"],
    )


def patching(plant: Plant, move: Move) -> list[dict[str, Any]]:
    """Return the steps of people: a patch cord at either end, side b first, because light shows once both are in."""
    steps = []
    numbers = f"{move.strands[0]}-{move.strands[1]}"
    for side in (1, 0):
        end, panel = move.ends[side], move.panels[side]
        room = plant.room_of(panel)
        switch, _, port = end.partition(":")
        steps.append(
            {
                "end": end,
                "who": dict(room.keeper),
                "instruction": {
                    "zh": (
                        f"{room.title['zh']}：用双芯跳线把配线架 {panel} 上 {move.route} 的 {numbers} 芯"
                        f"接到 {switch} 的 {port}。旧跳线先不要动。"
                    ),
                    "en": (
                        f"{room.title['en']}: with a duplex patch cord join strands {numbers} of {move.route} on panel {panel} "
                        f"to {port} of {switch}. Leave the old cord where it is."
                    ),
                },
                "action": {"verb": "patch-fibre", "pair": move.pair, "end": end, "panel": panel, "strands": list(move.strands)},
            }
        )
    return steps
