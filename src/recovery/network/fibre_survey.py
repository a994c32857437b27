"""The quarterly look at the fibre: is every spare strand good for the night in which it is needed? (RCV-2, RCV-9). Pure.

A pair that joins two open ports is read from its switches. A spare strand that is dark by nature is measured by people with light source
and power meter; what they write down is ``3=1.71 4=dark``: strand and loss in dB at the optic's wavelength.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recovery.findings import Finding
from recovery.network.fibre_choose import spare_findings
from recovery.network.fibre_judge import End, judge
from recovery.network.fibre_proof import losses
from recovery.network.plant import Loss, Pair, Plant, switch_of

READING = re.compile(r"(?:^|[\s,;])(\d+)\s*=\s*(dark|-?\d+(?:\.\d+)?)(?=$|[\s,;])")


@dataclass(frozen=True)
class Surveyed:
    """One pair: what was measured, by whom (``switches`` or ``people``), and what speaks against it."""

    pair: str
    by: str
    loss_db: Loss | None
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Say whether it may be relied upon."""
        return not any(finding.severity == "stop" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return it as it travels in a module's result."""
        return {"pair": self.pair, "by": self.by, "loss_db": list(self.loss_db) if self.loss_db else None, "good": self.good}


def asked(plant: Plant, names: Sequence[str]) -> tuple[list[Pair], list[Finding]]:
    """Return the pairs that are looked at: those named, or all but the broken ones."""
    unknown = [name for name in names if name not in plant.pairs]
    if unknown:
        said = f"The record has no pair {', '.join(unknown)}."
        return [], [Finding("no-such-pair", "stop", said, "", f"It has: {', '.join(plant.pairs)}.")]
    return [plant.pairs[name] for name in names] or [pair for pair in plant.pairs.values() if pair.state != "broken"], []


def lit(pair: Pair, ends: Mapping[str, End]) -> bool:
    """Say whether a pair can be read from its switches: both ports open, and a make that shows light."""
    seen = [ends.get(end) for end in pair.ends]
    return len(seen) == 2 and all(end is not None and end.answered and end.enabled and end.reads_light for end in seen)


def optic_of(plant: Plant, pair: Pair) -> str:
    """Return the optic that a pair is for: its segment's, or that of the segments between the same rooms."""
    if pair.segment:
        return plant.segments[pair.segment].optic
    sides = [plant.room_of(panel).name for panel in plant.routes[pair.route].panels]
    for segment in plant.segments.values():
        if [plant.room_of(switch_of(end)).name for end in segment.ends] == sides:
            return segment.optic
    return next(iter(plant.optics))


def steps(plant: Plant, pairs: Iterable[Pair]) -> list[dict[str, Any]]:
    """Return what people are asked to measure, one pair a step, in the order of the rooms that they walk to."""
    found = []
    for pair in sorted(pairs, key=lambda one: (plant.routes[one.route].panels, one.name)):
        first, second = plant.routes[pair.route].panels
        near, far = plant.room_of(first), plant.room_of(second)
        nm = plant.optics[optic_of(plant, pair)].wavelength_nm
        there, back = pair.strands
        found.append(
            {
                "pair": pair.name,
                "who": dict(far.keeper),
                "instruction": {
                    "zh": (
                        f"用 {nm} nm 光源和光功率计测 {pair.route} 的 {there}、{back} 芯：{there} 芯从 {near.title['zh']} {first} "
                        f"到 {far.title['zh']} {second}，{back} 芯反向。记录损耗，如 {there}=1.7 {back}=1.8；不通写 dark。"
                    ),
                    "en": (
                        f"Measure strands {there} and {back} of {pair.route} with light source and power meter at {nm} nm: "
                        f"{there} from {first} ({near.title['en']}) to {second} ({far.title['en']}), {back} the other way. "
                        f"Note the loss in dB as {there}=1.7 {back}=1.8; dark where nothing arrives."
                    ),
                },
                "action": {"verb": "measure-fibre", "pair": pair.name, "strands": list(pair.strands), "wavelength_nm": nm},
            }
        )
    return found


def reading(pair: Pair, text: str) -> Loss | None:
    """Read what people, or their meter's JSON, noted of a pair; None where it does not say something of both strands."""
    if text.lstrip().startswith("{"):
        return _from_meter(text)
    told = {int(strand): None if value == "dark" else float(value) for strand, value in READING.findall(text)}
    if not set(pair.strands) <= set(told) or any(value is not None and value < 0 for value in told.values()):
        return None
    return told[pair.strands[0]], told[pair.strands[1]]


def _from_meter(text: str) -> Loss | None:
    try:
        told = json.loads(text)
        there, back = told["loss_ab_db"], told["loss_ba_db"]
        return None if there is None else float(there), None if back is None else float(back)
    except (ValueError, KeyError, TypeError):
        return None


def from_people(plant: Plant, pair: Pair, text: str, today: datetime.date) -> Surveyed:
    """Judge what people measured of a pair."""
    loss = reading(pair, text)
    if loss is None:
        said = f"Of {pair.name} nobody has noted a loss for both strands: {text.strip() or 'nothing'!r}."
        why = "A strand that was not measured may be dark."
        return Surveyed(pair.name, "people", None, (Finding("not-measured", "stop", said, why, "Measure it, and note it as asked."),))
    measured = replace(pair, loss_db=loss, tested=today)
    return Surveyed(pair.name, "people", loss, (*spare_findings(plant, measured, optic_of(plant, pair), today), *_drift(plant, pair, loss)))


def from_switches(plant: Plant, pair: Pair, a: End, b: End, today: datetime.date) -> Surveyed:
    """Judge what both switches show of a pair."""
    loss = losses(a, b)
    if not pair.segment:
        measured = replace(pair, loss_db=loss, tested=today)
        found = [*spare_findings(plant, measured, optic_of(plant, pair), today), *_drift(plant, pair, loss)]
        return Surveyed(pair.name, "switches", loss, tuple(found))
    verdict = judge(plant, pair.segment, a, b)
    found = list(_drift(plant, pair, loss))
    if verdict.broken:
        what = f"recovery run fibre_swap -e segment={pair.segment}"
        found.append(Finding(f"in-use-{verdict.cause}", "stop", verdict.sentence, "Somebody works over it.", what))
    elif verdict.cause == "unproven":
        found.append(
            Finding(
                "in-use-unproven", "stop", verdict.sentence, "What was not looked at may be broken.", "Reach both ends, and look again."
            )
        )
    elif verdict.cause in ("low", "optic", "contradicts"):
        found.append(Finding(f"in-use-{verdict.cause}", "warning", verdict.sentence, "It may fail next.", "See to it before it does."))
    return Surveyed(pair.name, "switches", loss, tuple(found))


def _drift(plant: Plant, pair: Pair, now: Loss) -> list[Finding]:
    """Tell a loss that has grown since the last test more than it should."""
    if pair.loss_db is None:
        return []
    grown = [new - old for new, old in zip(now, pair.loss_db, strict=True) if new is not None and old is not None]
    worst = max(grown, default=0.0)
    if worst <= plant.limits.drift_db:
        return []
    said = f"{pair.name} loses {worst:.1f} dB more than on {pair.tested}; {plant.limits.drift_db:.1f} dB would be ageing."
    why = "Something bends, presses or soils it."
    return [Finding("loss-grown", "warning", said, why, "Clean both plugs, look along the route, and measure again.")]


def standing(plant: Plant, today: datetime.date) -> list[Finding]:
    """Return what the record itself tells: segments without a spare, temporary cables that are overdue."""
    found = []
    for name in plant.segments:
        if not plant.spares(plant.segments[name]):
            said = f"The segment {name} has no spare pair."
            what = "Have one laid or repaired; until then a temporary cable is all there is."
            found.append(Finding("no-spare", "stop", said, "Nothing can take over at once.", what))
    for pair in plant.pairs.values():
        since = plant.routes[pair.route].temporary
        if since is not None and pair.state != "in-use":
            found += left(plant, pair.name)
        elif since is not None:
            late = (today - since.repair_by).days
            said = f"The temporary cable {pair.route} of {since.laid} was to give way to the permanent repair by {since.repair_by}"
            code, severity, tail = ("temporary-overdue", "stop", f", {late} days ago.") if late > 0 else ("temporary", "warning", ".")
            what = "Have the strand repaired, measure it, then: recovery run fibre_restore."
            found.append(Finding(code, severity, said + tail, "It lies where people walk.", what))
    return found


def left(plant: Plant, pair: str) -> list[Finding]:
    """Return what is to be done once a segment has left a pair: a temporary cable is taken away."""
    route = plant.routes[plant.pairs[pair].route]
    if route.temporary is None:
        return []
    said = f"The temporary cable {route.name} of {route.temporary.laid} carries nothing any more."
    what = f"Take {route.name} and its warning signs away; then take it and its pair out of the record (plant/fibres.yml)."
    return [Finding("temporary-left", "warning", said, "It lies where people walk.", what)]


def updated(pairs: Iterable[Pair], surveyed: Iterable[Surveyed], today: datetime.date) -> list[Pair]:
    """Return the pairs as the record should say them: what was measured today; a broken one that is good again is a spare."""
    told = {one.pair: one for one in surveyed if one.loss_db is not None}
    changed = []
    for pair in pairs:
        if pair.name in told:
            state = "spare" if pair.state == "broken" and told[pair.name].good else pair.state
            changed.append(replace(pair, state=state, loss_db=_rounded(told[pair.name].loss_db), tested=today))
    return changed


def _rounded(loss: Loss | None) -> Loss | None:
    return None if loss is None else (_one(loss[0]), _one(loss[1]))


def _one(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
