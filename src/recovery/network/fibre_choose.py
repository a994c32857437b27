"""Which spare pair takes over, and into which ports: by loss, within the budget, light both ways (RCV-2, RCV-9). Pure."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recovery.findings import Finding
from recovery.network.plant import Pair, Plant, PlantError, switch_of

TEMPORARY = "recovery run backbone_temporary_cable -e segment={segment}"


@dataclass(frozen=True)
class Move:
    """A segment goes from one pair and its ports to another. Ends are SWITCH:PORT, side a first."""

    segment: str
    old_pair: str
    old_ends: tuple[str, str]
    pair: str
    ends: tuple[str, str]
    route: str
    strands: tuple[int, int]
    panels: tuple[str, str]
    plugged: bool  # patch cords are in both ports already

    def as_dict(self) -> dict[str, Any]:
        """Return it as it travels in a decision."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def spare_findings(plant: Plant, pair: Pair, optic: str, today: datetime.date) -> list[Finding]:
    """Return what speaks against a spare pair: dark, one way only, over budget, or not tested for too long."""
    budget = plant.budget_db(optic)
    where = f"The spare pair {pair.name} (strands {pair.strands[0]} and {pair.strands[1]} of {pair.route})"
    again = f"Measure it: recovery run fibre_check -e pairs={pair.name}."
    other = "Name another spare pair: -e spare=NAME."
    if pair.loss_db is None:
        return [Finding("spare-untested", "stop", f"{where} was never measured.", "Whether light passes is not known.", again, other)]
    if None in pair.loss_db:
        dark = [strand for strand, loss in zip(pair.strands, pair.loss_db, strict=True) if loss is None]
        if len(dark) == 2:
            return [Finding("spare-dark", "stop", f"{where} is dark.", "Nothing would pass over it.", "Have it repaired.", other)]
        said = f"{where} lets light pass one way only: strand {dark[0]} is dark."
        return [Finding("spare-one-way", "stop", said, "Spanning tree would take such a link for a sound one.", "Have it repaired.", other)]
    if pair.worst_db is not None and pair.worst_db > budget:
        said = f"{where} loses {pair.worst_db:.1f} dB; {optic} may lose {budget:.1f} dB."
        return [Finding("spare-over-budget", "stop", said, "The link would come and go.", "Clean its connectors and measure again.", other)]
    if pair.tested is None or (today - pair.tested).days > plant.limits.test_days:
        since = f"on {pair.tested}" if pair.tested else "never"
        said = f"{where} was last measured {since}; every {plant.limits.test_days} days are asked for."
        return [Finding("spare-test-old", "warning", said, "What it loses today shows only when it is plugged.", again)]
    return []


def usable(plant: Plant, segment: str, severed: bool, today: datetime.date) -> tuple[list[Pair], list[Finding]]:
    """Return the spare pairs that could take a segment, the best first, and why others could not.

    By the loss of the worse direction, but what is plugged into two free ports already comes first: nobody has to walk. ``severed``: both
    strands are dark, which is what a cut cable looks like; then pairs in another cable come first, since those beside the broken strands
    were probably cut with them.
    """
    of = plant.segments[segment]
    broken_route = plant.pair_of(segment).route
    good: list[Pair] = []
    reasons: list[Finding] = []
    for pair in plant.spares(of):
        against = spare_findings(plant, pair, of.optic, today)
        reasons += [finding for finding in against if finding.severity == "stop"]
        if not any(finding.severity == "stop" for finding in against):
            good.append(pair)
    return sorted(good, key=lambda pair: (severed and pair.route == broken_route, not pair.ends, pair.worst_db or 0.0, pair.name)), reasons


def choose(
    plant: Plant, segment: str, *, severed: bool, today: datetime.date, spare: str = "", taken: Sequence[str] = ()
) -> tuple[Move | None, list[Finding]]:
    """Choose the pair and the ports that take a segment over; ``spare`` names the pair, ``taken`` ports that are not free after all."""
    of, former = plant.segments[segment], plant.pair_of(segment)
    good, reasons = usable(plant, segment, severed, today)
    if spare:
        named = plant.pairs.get(spare)
        if named is None or named not in plant.spares(of):
            names = ", ".join(pair.name for pair in plant.spares(of)) or "none"
            said = f"{spare!r} is no spare pair between the two ends of {segment}."
            return None, [Finding("no-such-spare", "stop", said, "", f"The record has: {names}.")]
        against = spare_findings(plant, named, of.optic, today)
        if any(finding.severity == "stop" for finding in against):
            return None, against
        good = [named]
    if not good:
        why = " ".join(finding.message for finding in reasons) or "The record has none between these two rooms."
        return None, [
            Finding(
                "no-spare",
                "stop",
                f"There is no spare pair that could take {segment}. {why}",
                "A dark strand carries nobody's data.",
                f"Lay a temporary cable: {TEMPORARY.format(segment=segment)}",
            )
        ]
    # A pair that nothing joins yet needs a free port at either end; one that is plugged has its own.
    best = next((pair for pair in good if len(pair.ends or _free_ends(plant, segment, taken)) == 2), None)
    if best is None:
        return None, [ends_missing(plant, segment, taken)]
    ends = best.ends or _free_ends(plant, segment, taken)
    move = Move(segment, former.name, _both(former.ends), best.name, _both(ends), best.route, best.strands, plant.routes[best.route].panels,
                bool(best.ends))  # fmt: skip
    return move, [finding for finding in spare_findings(plant, best, of.optic, today) if finding.severity != "stop"]


def back(plant: Plant, segment: str, today: datetime.date) -> tuple[Move | None, list[Finding]]:
    """Return the way back to a segment's own pair and ports, once it was repaired and measured."""
    of, now = plant.segments[segment], plant.pair_of(segment)
    home = plant.pairs[of.home]
    if now.name == home.name and now.ends == of.ends:
        said = f"{segment} runs over its own pair {home.name} and its own ports."
        return None, [Finding("nothing-to-restore", "stop", said, "", "After a swap, merge what it proposed to the record first.")]
    found = spare_findings(plant, home, of.optic, today)
    if home.state == "broken":
        said = f"The pair {home.name} stands in the record as broken."
        found = [
            Finding(
                "home-broken",
                "stop",
                said,
                "What is not known to be repaired is not relied upon.",
                f"Have it repaired, then measure it: recovery run fibre_check -e pairs={home.name}; merge what that proposes.",
            )
        ]
    if home.ends and home.ends != of.ends:
        said = f"The pair {home.name} is joined to {' and '.join(home.ends)}, not to the segment's own ports."
        found.append(Finding("record-contradicts", "stop", said, "", "Correct the record (inventory, plant/fibres.yml)."))
    if any(finding.severity == "stop" for finding in found):
        return None, found
    panels = plant.routes[home.route].panels
    return Move(segment, now.name, _both(now.ends), home.name, of.ends, home.route, home.strands, panels, bool(home.ends)), found


def _free_ends(plant: Plant, segment: str, taken: Sequence[str]) -> tuple[str, ...]:
    of = plant.segments[segment]
    first = [[port for port in plant.free_ports(switch_of(end), of.optic) if port not in taken][:1] for end in of.ends]
    return tuple(port for ports in first for port in ports)


def ends_missing(plant: Plant, segment: str, taken: Sequence[str]) -> Finding:
    """Return that one of the two switches has no free port with the right optic."""
    of = plant.segments[segment]
    full = [switch_of(end) for end in of.ends if not set(plant.free_ports(switch_of(end), of.optic)) - set(taken)]
    return Finding(
        "no-free-port",
        "stop",
        f"{' and '.join(full)} has no free port with {of.optic}.",
        "The new strand needs a port of its own: the old one keeps its configuration until the new one carries.",
        f"Put a {of.optic} into a free cage and write it into the record (plant/fibres.yml, transceivers).",
    )


def _both(ends: Sequence[str]) -> tuple[str, str]:
    if len(ends) != 2:
        raise PlantError(["a pair in use is joined to two ports"])
    return ends[0], ends[1]
