"""Where a record of the wire contradicts itself: a record that cannot be true is refused, whole (RCV-2). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from recovery.network.plant import Pair, Plant, switch_of


def contradictions(plant: Plant) -> Iterator[str]:
    """Say, one sentence each, where the record cannot be true."""
    yield from _places(plant)
    strands: Counter[tuple[str, int]] = Counter()
    for pair in plant.pairs.values():
        yield from _about_pair(plant, pair)
        strands.update((pair.route, strand) for strand in pair.strands)
    yield from (f"strand {strand} of {route} belongs to two pairs" for (route, strand), number in strands.items() if number > 1)
    joined = Counter(port for pair in plant.pairs.values() for port in pair.ends)
    joined.update(end for cable in plant.cables for end in cable.ends)
    yield from (f"two cables are plugged into {port}" for port, number in joined.items() if number > 1)
    for name, segment in plant.segments.items():
        carrying = [pair.name for pair in plant.pairs.values() if pair.segment == name]
        if len(carrying) != 1:
            yield f"the segment {name} runs over {' and '.join(carrying) or 'no pair'}, and must run over one"
        if segment.home not in plant.pairs:
            yield f"the segment {name} has the pair {segment.home} as its own, which the record does not have"
        if segment.optic not in plant.optics:
            yield f"the segment {name} is made for the optic {segment.optic}, of which the record says nothing"
        yield from (
            f"{end}, an end of {name}, holds no {segment.optic}" for end in segment.ends if plant.transceivers.get(end) != segment.optic
        )
    yield from (f"the cable {cable.name} is for {cable.area!r}, which is no area of priorities.yml" for cable in plant.cables
                if cable.area and cable.area not in plant.areas)  # fmt: skip


def _places(plant: Plant) -> Iterator[str]:
    placed = Counter(place for room in plant.rooms.values() for place in (*room.switches, *room.panels))
    yield from (f"{place} stands in two rooms" for place, number in placed.items() if number > 1)
    yield from (f"{switch_of(port)} holds optics and stands in no room" for port in {switch_of(p): p for p in plant.transceivers}.values()
                if switch_of(port) not in placed)  # fmt: skip
    for name, route in plant.routes.items():
        yield from (f"the route {name} ends at the panel {panel}, which is in no room" for panel in route.panels if panel not in placed)


def _about_pair(plant: Plant, pair: Pair) -> Iterator[str]:
    route = plant.routes.get(pair.route)
    if route is None:
        yield f"the pair {pair.name} lies in {pair.route}, a route that the record does not have"
        return
    if max(pair.strands) > route.strands or pair.strands[0] == pair.strands[1]:
        yield f"the pair {pair.name} is strands {pair.strands[0]} and {pair.strands[1]} of {pair.route}, which has {route.strands}"
    if (pair.state == "in-use") != bool(pair.segment):
        yield f"the pair {pair.name} is {pair.state} and {'carries ' + pair.segment if pair.segment else 'carries no segment'}"
    if pair.segment and pair.segment not in plant.segments:
        yield f"the pair {pair.name} carries {pair.segment}, a segment that the record does not have"
    if pair.state == "in-use" and not pair.ends:
        yield f"the pair {pair.name} is in use and joined to no ports"
    segment = plant.segments.get(pair.segment)
    for side, end in enumerate(pair.ends):
        if end not in plant.transceivers:
            yield f"{end}, an end of {pair.name}, holds no optic"
        if segment and switch_of(end) != switch_of(segment.ends[side]):
            yield f"the pair {pair.name} ends at {switch_of(end)}, and its segment {segment.name} at {switch_of(segment.ends[side])}"
        room = next((room for room in plant.rooms.values() if switch_of(end) in room.switches), None)
        if room is not None and route.panels[side] not in room.panels:
            yield f"{end} is in {room.name}, and the pair {pair.name} ends there at the panel {route.panels[side]}, which is not"
