"""The hospital's own record of its wire: rooms, panels, fibre, cables, and who gets them back first (RCV-2, RCV-9).

``inventories/<i>/plant/`` holds four files. A port is written ``SWITCH:PORT``, the port as its vendor writes it.

``rooms.yml``::

    rooms:
      core-room: {zh: 核心机房, en: core machine room, keeper: {zh: 核心机房管理员, en: keeper of the core room},
                  switches: [core-a, core-s], panels: {odf-core: 96}}       # panel: how many positions it has

``fibres.yml`` (pairs and routes are written in braces, so that a change of one is a change of its own line)::

    optics:                     # the weakest light that a sound one sends, the weakest and the strongest that it reads
      10GBASE-LR: {wavelength_nm: 1310, tx_min_dbm: -8.2, sensitivity_dbm: -14.4, overload_dbm: 0.5}
    limits: {reserve_db: 2.0, drift_db: 1.0, test_days: 92}
    transceivers:               # which ports hold which optic; those that no pair names are free
      - {switch: core-a, ports: "10GE1/0/{n}", numbers: 41-48, optic: 10GBASE-LR}
    routes:                     # a cable of glass between two panels; side a is the first one
      srv-east: {panels: [odf-core, odf-srv], length_m: 60, strands: 12, zh: 一号竖井, en: riser 1}
    segments:                   # what the network needs: a link, the optic that it is made for, and its own pair and ports
      core-a--srv-1: {optic: 10GBASE-LR, home: srv-1-e1, ends: ["core-a:10GE1/0/41", "srv-1:Ten-GigabitEthernet1/0/49"]}
    pairs:                      # strands: the first carries light from side a to side b, the second back
      - {name: srv-1-e1, route: srv-east, strands: [1, 2], state: in-use, segment: core-a--srv-1, loss_db: [0.8, 0.9], tested: 2026-10-12}
      - {name: srv-1-e2, route: srv-east, strands: [3, 4], state: spare, loss_db: [0.8, 0.8], tested: 2026-10-12}

``limits.reserve_db`` is kept of every budget for ageing and repairs, ``drift_db`` is how much a loss may grow between two tests before
it is told, ``test_days`` how old a spare's test may be. ``state`` is ``in-use`` (with ``segment``, and with
``ends``, side a first, where they are not the segment's own), ``spare`` (with ``ends`` only where patch cords already join it to two
free ports) or ``broken`` (``ends`` while it is still plugged). ``loss_db``
is measured from side a to side b and back; ``null``: no light came through. A temporary cable is a route that has
``temporary: {laid: 2026-11-22, repair_by: 2026-12-06, incident: 2026-11-22-01}``.

``cables.yml``: copper, ``cables: [{name: ward-1, ends: ["ward-1:eth0", "acc-1:GigabitEthernet0/0/1"], area: wards}]``.

``priorities.yml``: areas, the most urgent first, with the switches and VLANs behind which they work and the workstations that prove it:
``priorities: [{area: emergency, zh: 急诊科, en: emergency department, devices: [acc-2], vlans: [22], workstations: [emergency-1]}]``.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recovery.plan.reader import Field, PlanError, read

STATES = ("in-use", "spare", "broken")
Ends = tuple[str, str] | tuple[()]
Loss = tuple[float | None, float | None]


class PlantError(Exception):
    """A record that cannot be relied upon; ``problems`` says each thing that is wrong with it."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep what is wrong."""
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True)
class Room:
    """Where switches and panels stand, and who has the key. ``panels``: name to number of positions."""

    name: str
    title: Mapping[str, str]
    keeper: Mapping[str, str]
    switches: tuple[str, ...]
    panels: Mapping[str, int]


@dataclass(frozen=True)
class Optic:
    """A class of transceiver: what a sound one sends at least, and the weakest and strongest light that it reads (dBm)."""

    name: str
    wavelength_nm: int
    tx_min_dbm: float
    sensitivity_dbm: float
    overload_dbm: float


@dataclass(frozen=True)
class Limits:
    """``reserve_db`` kept of every budget, ``drift_db`` that a loss may grow between tests, ``test_days`` that a test may be old."""

    reserve_db: float
    drift_db: float
    test_days: int


@dataclass(frozen=True)
class Temporary:
    """What makes a cable temporary: when it was laid, until when the permanent repair is due, and for which incident."""

    laid: datetime.date
    repair_by: datetime.date
    incident: str


@dataclass(frozen=True)
class Route:
    """A cable of glass between two panels, side a first."""

    name: str
    panels: tuple[str, str]
    length_m: float
    strands: int
    title: Mapping[str, str]
    temporary: Temporary | None = None


@dataclass(frozen=True)
class Pair:
    """Two strands of a route. ``loss_db``: from side a to side b and back; None: dark. ``ends``: ports joined to it, side a first."""

    name: str
    route: str
    strands: tuple[int, int]
    state: str
    segment: str = ""
    loss_db: Loss | None = None
    tested: datetime.date | None = None
    ends: Ends = ()

    @property
    def worst_db(self) -> float | None:
        """Return the loss of the worse direction; None where light does not come through both ways, or was never measured."""
        if self.loss_db is None or self.loss_db[0] is None or self.loss_db[1] is None:
            return None
        return max(self.loss_db[0], self.loss_db[1])


@dataclass(frozen=True)
class Segment:
    """A link that the network needs: its optic, the pair and the ports (side a first) that are its own."""

    name: str
    optic: str
    home: str
    ends: tuple[str, str]


@dataclass(frozen=True)
class Cable:
    """Copper between a node's port and a switch's, and the area that works over it."""

    name: str
    ends: tuple[str, str]
    area: str


@dataclass(frozen=True)
class Area:
    """Who works over the wire: switches and VLANs behind which they do, and one workstation of each class that proves it."""

    name: str
    title: Mapping[str, str]
    devices: tuple[str, ...]
    vlans: tuple[int, ...]
    workstations: tuple[str, ...]


@dataclass(frozen=True)
class Plant:
    """The whole record, as ``load`` found it and found it sound."""

    rooms: Mapping[str, Room]
    optics: Mapping[str, Optic]
    limits: Limits
    transceivers: Mapping[str, str]  # SWITCH:PORT to the optic's class
    routes: Mapping[str, Route]
    segments: Mapping[str, Segment]
    pairs: Mapping[str, Pair]
    cables: tuple[Cable, ...]
    areas: Mapping[str, Area]  # the most urgent first

    def room_of(self, place: str) -> Room:
        """Return the room of a panel or a switch. Raises PlantError where there is none."""
        for room in self.rooms.values():
            if place in room.panels or place in room.switches:
                return room
        raise PlantError([f"no room of the record holds {place}"])

    def pair_of(self, segment: str) -> Pair:
        """Return the pair over which a segment runs according to the record. Raises PlantError."""
        for pair in self.pairs.values():
            if pair.segment == segment:
                return pair
        raise PlantError([f"the record has no pair in use for the segment {segment!r} (segments: {', '.join(self.segments)})"])

    def segments_of(self, switch: str) -> list[str]:
        """Return the segments that end at a switch."""
        return [name for name, segment in self.segments.items() if switch in map(switch_of, segment.ends)]

    def areas_behind(self, segment: str) -> list[Area]:
        """Return the areas that work behind a segment: those of its switches' side b."""
        return [area for area in self.areas.values() if switch_of(self.segments[segment].ends[1]) in area.devices]

    def free_ports(self, switch: str, optic: str) -> list[str]:
        """Return the ports of a switch that hold an optic of a class and to which no pair is joined, as ``SWITCH:PORT``."""
        taken = {port for pair in self.pairs.values() for port in pair.ends} | {end for cable in self.cables for end in cable.ends}
        return [port for port, name in self.transceivers.items() if name == optic and switch_of(port) == switch and port not in taken]

    def spares(self, segment: Segment) -> list[Pair]:
        """Return the spare pairs that join the rooms of a segment's two switches, side a being where the segment's side a is."""
        rooms = [self.room_of(switch_of(end)).name for end in segment.ends]
        sides = {name: [self.room_of(panel).name for panel in route.panels] for name, route in self.routes.items()}
        return [pair for pair in self.pairs.values() if pair.state == "spare" and sides[pair.route] == rooms]

    def budget_db(self, optic: str) -> float:
        """Return the loss that a link of this optic may have: the weakest sender against the reader's limit, less the reserve."""
        of = self.optics[optic]
        return round(of.tx_min_dbm - of.sensitivity_dbm - self.limits.reserve_db, 2)

    def floor_dbm(self, optic: str) -> float:
        """Return the weakest light with which a link counts as sound: the reader's limit and the reserve."""
        return round(self.optics[optic].sensitivity_dbm + self.limits.reserve_db, 2)


def switch_of(end: str) -> str:
    """Return the switch of ``SWITCH:PORT``."""
    return end.partition(":")[0]


def port_of(end: str) -> str:
    """Return the port of ``SWITCH:PORT``."""
    return end.partition(":")[2]


# --- reading ---------------------------------------------------------------------------------------------------------


def load(directory: Path) -> Plant:
    """Read the record and refuse one that is incomplete or contradicts itself. Raises PlantError with all that is wrong."""
    try:
        plant = _load(directory)
    except PlanError as error:
        raise PlantError([str(error)]) from error
    from recovery.network.plant_sound import contradictions  # it needs the types above

    problems = list(contradictions(plant))
    if problems:
        raise PlantError(problems)
    return plant


def _load(directory: Path) -> Plant:
    fibres = read(directory / "fibres.yml").mapping(["optics", "limits", "transceivers", "routes", "segments", "pairs"], [])
    limits = fibres["limits"].mapping(["reserve_db", "drift_db", "test_days"], [])
    segments = {name: _segment(name, field) for name, field in fibres["segments"].mapping().items()}
    pairs = [_pair(field, segments) for field in fibres["pairs"].items()]
    doubles = [name for name, number in Counter(pair.name for pair in pairs).items() if number > 1]
    if doubles:
        raise PlantError([f"two pairs are called {name}" for name in doubles])
    return Plant(
        rooms={name: _room(name, field) for name, field in read(directory / "rooms.yml").mapping(["rooms"], [])["rooms"].mapping().items()},
        optics={name: _optic(name, field) for name, field in fibres["optics"].mapping().items()},
        limits=Limits(limits["reserve_db"].number(), limits["drift_db"].number(), limits["test_days"].integer(1)),
        transceivers=dict(entry for field in fibres["transceivers"].items() for entry in _transceivers(field)),
        routes={name: _route(name, field) for name, field in fibres["routes"].mapping().items()},
        segments=segments,
        pairs={pair.name: pair for pair in pairs},
        cables=tuple(_cable(field) for field in read(directory / "cables.yml").mapping(["cables"], [])["cables"].items()),
        areas={
            area.name: area for area in map(_area, read(directory / "priorities.yml").mapping(["priorities"], [])["priorities"].items())
        },
    )


def _title(keys: Mapping[str, Field]) -> dict[str, str]:
    return {language: keys[language].text() for language in ("zh", "en")}


def _room(name: str, field: Field) -> Room:
    keys = field.mapping(["zh", "en", "keeper"], ["switches", "panels"])
    panels = {panel: size.integer(1) for panel, size in keys["panels"].mapping().items()} if "panels" in keys else {}
    switches = keys["switches"].texts() if "switches" in keys else ()
    return Room(name, _title(keys), _title(keys["keeper"].mapping(["zh", "en"], [])), switches, panels)


def _optic(name: str, field: Field) -> Optic:
    keys = field.mapping(["wavelength_nm", "tx_min_dbm", "sensitivity_dbm", "overload_dbm"], [])
    low = -100.0
    return Optic(
        name,
        keys["wavelength_nm"].integer(1),
        *(float(keys[key].number(low)) for key in ("tx_min_dbm", "sensitivity_dbm", "overload_dbm")),
    )


def _transceivers(field: Field) -> Iterator[tuple[str, str]]:
    keys = field.mapping(["switch", "ports", "numbers", "optic"], [])
    match = re.fullmatch(r"(\d+)-(\d+)", str(keys["numbers"].value))
    if match is None or int(match[1]) > int(match[2]):
        raise keys["numbers"].wrong("must be a range like 41-48")
    for number in range(int(match[1]), int(match[2]) + 1):
        yield f"{keys['switch'].text()}:{keys['ports'].text().replace('{n}', str(number))}", keys["optic"].text()


def _route(name: str, field: Field) -> Route:
    keys = field.mapping(["panels", "length_m", "strands", "zh", "en"], ["temporary"])
    temporary = None
    if "temporary" in keys:
        told = keys["temporary"].mapping(["laid", "repair_by", "incident"], [])
        temporary = Temporary(_date(told["laid"]), _date(told["repair_by"]), told["incident"].text())
    return Route(name, _two(keys["panels"]), float(keys["length_m"].number()), keys["strands"].integer(2), _title(keys), temporary)


def _segment(name: str, field: Field) -> Segment:
    keys = field.mapping(["optic", "home", "ends"], [])
    return Segment(name, keys["optic"].text(), keys["home"].text(), _two(keys["ends"]))


def _pair(field: Field, segments: Mapping[str, Segment]) -> Pair:
    keys = field.mapping(["name", "route", "strands", "state"], ["segment", "loss_db", "tested", "ends"])
    strands = [each.integer(1) for each in keys["strands"].items()]
    loss = [None if each.value is None else float(each.number()) for each in keys["loss_db"].items()] if "loss_db" in keys else [None, None]
    if len(strands) != 2 or len(loss) != 2:
        raise field.wrong("must have two strands, and a loss for each")
    segment = keys["segment"].text() if "segment" in keys else ""
    own: Ends = segments[segment].ends if segment in segments else ()
    return Pair(
        keys["name"].text(),
        keys["route"].text(),
        (strands[0], strands[1]),
        keys["state"].text(STATES),
        segment,
        (loss[0], loss[1]) if "loss_db" in keys else None,
        _date(keys["tested"]) if "tested" in keys else None,
        _two(keys["ends"]) if "ends" in keys else own,
    )


def _cable(field: Field) -> Cable:
    keys = field.mapping(["name", "ends"], ["area"])
    return Cable(keys["name"].text(), _two(keys["ends"]), keys["area"].text() if "area" in keys else "")


def _area(field: Field) -> Area:
    keys = field.mapping(["area", "zh", "en"], ["devices", "vlans", "workstations"])
    vlans = tuple(each.integer(1) for each in keys["vlans"].items()) if "vlans" in keys else ()
    devices, workstations = (keys[key].texts() if key in keys else () for key in ("devices", "workstations"))
    return Area(keys["area"].text(), _title(keys), devices, vlans, workstations)


def _two(field: Field) -> tuple[str, str]:
    texts = field.texts()
    if len(texts) != 2:
        raise field.wrong("must name two ends")
    return texts[0], texts[1]


def _date(field: Field) -> datetime.date:
    if not isinstance(field.value, datetime.date) or isinstance(field.value, datetime.datetime):
        raise field.wrong("must be a day, as 2026-10-12")
    return field.value


def moved(plant: Plant, segment: str, to: Pair, ends: tuple[str, str], old: str) -> list[Pair]:
    """Return the pairs as the record should say them once a segment runs over another pair; ``old``: what its former pair becomes."""
    former = plant.pair_of(segment)
    return [replace(former, state=old, segment=""), replace(to, state="in-use", segment=segment, ends=ends)]
