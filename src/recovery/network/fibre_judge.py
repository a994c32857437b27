"""Is it the glass, and which strand? What both ends of a segment show, weighed direction by direction (RCV-2). Pure.

A strand that fails towards the root bridge is never noticed by spanning tree: link stays up, frames leave and do not arrive. So each
direction is judged by itself: by the light that its reader receives and, where both ends count, by frames that were sent and received.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recovery.findings import Finding
from recovery.network.plant import Optic, Pair, Plant, switch_of

FORTY_DARK_DBM = -35.0
"""Below this a transceiver sees nothing; makes differ in whether they then say -40, no figure, or --."""


@dataclass(frozen=True)
class End:
    """What one end shows. ``rx_dbm``/``tx_dbm``: None where it says none; ``reads_light``: whether its make shows light at all.

    ``sent``, ``received``: frames counted while it was watched, None where they are not counted. ``neighbour``: whom it hears, as
    SWITCH:PORT (the port may be empty).
    """

    end: str
    answered: bool = True
    enabled: bool = True
    link: bool = False
    reads_light: bool = True
    rx_dbm: float | None = None
    tx_dbm: float | None = None
    sent: int | None = None
    received: int | None = None
    errors: int = 0
    neighbour: str = ""
    aggregate: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as it travels in a module's result."""
        return asdict(self)

    @property
    def sees_light(self) -> bool:
        """Say whether any light comes in."""
        return self.rx_dbm is not None and self.rx_dbm > FORTY_DARK_DBM


@dataclass(frozen=True)
class Direction:
    """One direction: who sends, who reads, and what became of the light. ``state``: sound, dark, deaf, weak, low, errors, unknown."""

    sender: str
    reader: str
    strand: int
    state: str
    detail: str

    def sentence(self) -> str:
        """Say it in one line."""
        return f"strand {self.strand} from {self.sender} to {self.reader}: {self.state}, {self.detail}"


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a segment. ``cause``: sound, low, weak, one-way, cut, errors, optic, shut, not-glass, unproven, contradicts."""

    segment: str
    pair: str
    cause: str
    sentence: str
    directions: tuple[Direction, ...]
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> bool:
        """Say whether the glass is what has to be replaced."""
        return self.cause in BROKEN

    def as_dict(self) -> dict[str, Any]:
        """Return it as it travels in a module's result."""
        return {
            "segment": self.segment,
            "pair": self.pair,
            "cause": self.cause,
            "broken": self.broken,
            "sentence": self.sentence,
            "directions": [asdict(one) for one in self.directions],
        }


BROKEN = ("weak", "one-way", "cut", "errors")


def direction(sender: End, reader: End, strand: int, optic: Optic, reserve_db: float) -> Direction:
    """Judge one direction by what its reader sees of its sender."""

    def told(state: str, detail: str) -> Direction:
        return Direction(sender.end, reader.end, strand, state, detail)

    if not reader.answered:
        return told("unknown", f"{switch_of(reader.end)} does not answer")
    if reader.reads_light:
        if not reader.sees_light:
            return told("dark", f"{reader.end} receives no light")
        rx = reader.rx_dbm or 0.0
        if rx < optic.sensitivity_dbm:
            return told("weak", f"{reader.end} receives {rx:.1f} dBm, its limit is {optic.sensitivity_dbm:.1f}")
    # Light may pass where frames do not: a strand bent so that one wavelength suffers, a port that no longer listens.
    if reader.link and sender.sent and reader.received == 0:
        return told("deaf", f"{sender.end} sent {sender.sent} frames, {reader.end} received none")
    # Each end speaks LLDP: where no light is shown, who is heard at one end only is a probe of either way.
    if reader.link and not reader.reads_light and not reader.neighbour and sender.neighbour:
        return told("deaf", f"{sender.end} hears its neighbour, {reader.end} hears nobody though it has link")
    if reader.errors:
        return told("errors", f"{reader.end} counted {reader.errors} damaged frames")
    if reader.reads_light and reader.rx_dbm is not None and reader.rx_dbm < optic.sensitivity_dbm + reserve_db:
        return told("low", f"{reader.end} receives {reader.rx_dbm:.1f} dBm, which eats into the reserve of {reserve_db:.1f} dB")
    if not reader.reads_light and reader.received is None:
        return told("unknown" if reader.link else "dark", f"{reader.end} shows neither light nor counters")
    return told("sound", f"{reader.end} receives {reader.rx_dbm:.1f} dBm" if reader.rx_dbm is not None else f"{reader.end} receives frames")


def judge(plant: Plant, segment: str, a: End, b: End) -> Verdict:
    """Weigh what both ends of a segment show. ``a`` is the end at side a of its pair."""
    pair = plant.pair_of(segment)
    optic = plant.optics[plant.segments[segment].optic]
    reserve = plant.limits.reserve_db
    ways = (direction(a, b, pair.strands[0], optic, reserve), direction(b, a, pair.strands[1], optic, reserve))
    cause, sentence = _cause(segment, pair, (a, b), ways, optic)
    return Verdict(segment, pair.name, cause, sentence, ways, tuple(_findings(plant, segment, pair, cause, sentence, (a, b))))


def _cause(segment: str, pair: Pair, ends: Sequence[End], ways: Sequence[Direction], optic: Optic) -> tuple[str, str]:
    detail = "; ".join(way.detail for way in ways)
    shut = [end.end for end in ends if end.answered and not end.enabled]
    if shut:
        return "shut", f"The segment {segment} is dark because {' and '.join(shut)} is shut down in its switch's configuration."
    strangers = [end for end, other in zip(ends, reversed(ends), strict=True) if end.neighbour and not _same(end.neighbour, other.end)]
    if strangers:
        heard = "; ".join(f"{end.end} hears {end.neighbour}" for end in strangers)
        return "contradicts", f"The record says that {pair.name} joins {ends[0].end} and {ends[1].end}, but {heard}."
    if not all(end.answered for end in ends):
        silent = " and ".join(switch_of(end.end) for end in ends if not end.answered)
        return "unproven", f"{silent} does not answer, so the segment {segment} is seen from one side at most: {detail}."
    states = [way.state for way in ways]
    faint = [end for end in ends if end.tx_dbm is not None and end.tx_dbm < optic.tx_min_dbm]
    if faint and any(state in ("dark", "weak", "low") for state in states):
        sending = "; ".join(f"{end.end} sends {end.tx_dbm:.1f} dBm, a sound one {optic.tx_min_dbm:.1f} or more" for end in faint)
        return "optic", f"It is a transceiver and not the glass of {segment}: {sending}."
    gone = [state in ("dark", "deaf") for state in states]
    if all(gone):
        return "cut", f"Nothing passes over {pair.name} in either direction: {detail}."
    if any(gone):
        way = ways[gone.index(True)]
        return (
            "one-way",
            f"Over {pair.name} nothing passes in one direction, strand {way.strand} from {way.sender} to {way.reader}: {way.detail}.",
        )
    for state, words in (("weak", "too little light"), ("errors", "damaged frames"), ("low", "little light")):
        if state in states:
            return state, f"Over {pair.name} arrives {words}: {detail}."
    if not all(end.link for end in ends):
        return "not-glass", f"Light passes over {pair.name} both ways ({detail}), and yet there is no link."
    return ("unproven" if "unknown" in states else "sound"), f"{pair.name} carries {segment} in both directions: {detail}."


def _same(heard: str, end: str) -> bool:
    """Say whether a neighbour that was heard is the other end; makes abbreviate the port, some do not tell it."""
    switch, _, port = heard.partition(":")
    wanted, _, wanted_port = end.partition(":")
    return switch == wanted and (not port or _digits(port) == _digits(wanted_port))


def _digits(port: str) -> str:
    return "".join(sign for sign in port if sign.isdigit() or sign == "/")


def _findings(plant: Plant, segment: str, pair: Pair, cause: str, sentence: str, ends: Sequence[End]) -> list[Finding]:
    found = [aggregate_half(segment, ends)] if any(end.aggregate for end in ends) else []
    if cause in AGAINST:
        found.append(AGAINST[cause](sentence, segment))
    return found


def _alive(remedy: str) -> Callable[[str, str], Finding]:
    def finding(sentence: str, segment: str) -> Finding:
        why = "Patients' data pass over it at this moment; a swap interrupts them."
        planned = f"If it shall be moved all the same, in a quiet hour: -e segment={segment}, with the override."
        return Finding("primary-alive", "overridable", sentence, why, remedy, planned)

    return finding


def _stop(code: str, why: str, remedy: str, alternative: str = "") -> Callable[[str, str], Finding]:
    return lambda sentence, segment: Finding(code, "stop", sentence, why, remedy, alternative)


AGAINST = {
    "sound": _alive("Look elsewhere for the fault: the switches, the far end."),
    "low": _alive("Clean the connectors and measure again."),
    "shut": _stop(
        "end-shut",
        "Another strand would stay dark as well.",
        "Find out who shut it and why, then open it. After a swap or a restore: merge what it proposed to the record first.",
    ),
    "optic": _stop("optic-faint", "Over another strand it would send as little.", "Replace the transceiver."),
    "not-glass": _stop(
        "not-the-glass",
        "Another strand would not give a link either.",
        "Look at speed, mode and transceivers of both ports.",
        "If a switch is dead: recovery run switch_failover.",
    ),
    "contradicts": _stop(
        "record-contradicts",
        "Who follows a wrong record pulls the wrong cord.",
        "See what is plugged where, and correct the record (inventory, plant/fibres.yml).",
    ),
    "unproven": _stop(
        "end-silent",
        "Which strand it is, and whether it is one, shows at both ends only.",
        "Reach the silent end by its other management path: -e network_management=oob.",
        "If the switch itself is dead: recovery run switch_failover.",
    ),
}
"""What speaks against moving a segment, by what is wrong with it; what is not here is broken glass."""


def aggregate_half(segment: str, ends: Sequence[End]) -> Finding:
    """Return what speaks against moving a port that is a member of an aggregate."""
    members = ", ".join(f"{end.end} in {end.aggregate}" for end in ends if end.aggregate)
    return Finding(
        "aggregate-half",
        "stop",
        f"The segment {segment} is a part of an aggregate ({members}).",
        "One member moved alone leaves an aggregate whose halves disagree; the others carry its traffic meanwhile.",
        "Let the aggregate carry on, and replace the strand of this member in a quiet hour, together with its aggregate.",
    )


def choose_segment(verdicts: Sequence[Verdict]) -> tuple[Verdict | None, list[Finding]]:
    """Return the segment that is broken where none was named; refuse where it is none or more than one."""
    broken = [verdict for verdict in verdicts if verdict.broken]
    if len(broken) == 1:
        return broken[0], []
    if broken:
        names = ", ".join(verdict.segment for verdict in broken)
        return None, [
            Finding(
                "several-broken",
                "stop",
                f"{len(broken)} segments are broken: {names}.",
                "Each is moved by a run of its own, the most urgent one first.",
                f"Name one: -e segment={broken[0].segment}. {' '.join(verdict.sentence for verdict in broken)}",
            )
        ]
    seen = " ".join(verdict.sentence for verdict in verdicts) or "There is no segment among these switches."
    return None, [Finding("nothing-broken", "stop", f"No segment is broken. {seen}", "There is nothing to replace.",
                          "Look elsewhere for the fault, or name the segment that shall be moved: -e segment=NAME.")]  # fmt: skip
