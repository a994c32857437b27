"""Hold a drill's figures against the plan: recovery time, recovery point, and whether the wards felt anything. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recovery.database import clients
from recovery.frame import figures
from recovery.frame.verdict import COULD_NOT_VERIFY, FAIL, PASS
from recovery.plan import RecoveryTarget, Targets


def compute(
    events: Iterable[Mapping[str, Any]], run: str, targets: Targets, choice: Mapping[str, Any], target: RecoveryTarget | None
) -> dict[str, Any]:
    """Return the figures of a drill from its journal lines: seconds, with the plan's targets beside them."""
    found = figures.compute([event for event in events if event.get("run") == run], run, targets)
    allowed = choice.get("rpo_s")
    if choice.get("rpo_s") is None or choice.get("point") == "random":
        allowed = target.rpo_s if target else None
    return {
        "rto_s": None if found.gap_s is None else round(found.gap_s, 1),
        "rto_target_s": target.rto_s if target else None,
        "segments": {name: round(seconds, 1) for name, seconds in found.segments},
        "rpo_s": found.measured.get("rpo_s"),
        "rpo_target_s": allowed,
    }


def disturbed(wards: Sequence[Mapping[str, Any]], since: str) -> list[str]:
    """Return what the workstations saw fail since the drill began, in sentences."""
    gaps = clients.service_gaps(wards, clients.moment(since) if since else None)
    return [f"{station} was without service for {gap['seconds']:.1f} s from {gap['start']}" for station, gap in sorted(gaps.items())]


def judge(told: Mapping[str, Any], complaints: Sequence[str]) -> tuple[str, str]:
    """Return the verdict on the figures, and why it is not PASS."""
    missed: list[str] = []
    unknown: list[str] = []
    for key, name in (("rto", "recovery took"), ("rpo", "the data restored were")):
        value, target = told.get(f"{key}_s"), told.get(f"{key}_target_s")
        if value is None:
            unknown.append(f"{key.upper()} could not be measured")
        elif target is None:
            unknown.append(f"the plan names no {key.upper()} for this drill")
        elif value > target:
            missed.append(f"{name} {value:g} s{' behind' if key == 'rpo' else ''}, and the plan allows {target:g} s")
    missed += [f"production was disturbed: {each}" for each in complaints]
    if missed:
        return FAIL, _sentence(missed)
    return (COULD_NOT_VERIFY, _sentence(unknown)) if unknown else (PASS, "")


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
