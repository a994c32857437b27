"""Which recovery point and which source a drill takes: in turn from the history, random by a recorded seed. Pure but for the seed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from recovery.drill.history import Record
from recovery.plan.drills import Drill

RANDOM = "random"
NEWEST = "latest"


@dataclass(frozen=True)
class Choice:
    """What a drill restores, and why just that."""

    source: str
    target: str
    seed: int
    patients: int
    rpo_s: float | None
    because: str

    @property
    def point(self) -> str:
        """Return the kind of recovery point: newest, random, or named."""
        return {NEWEST: "newest", RANDOM: RANDOM}.get(self.target, "named")


def choose(drill: Drill, records: Iterable[Record], asked: Mapping[str, Any]) -> Choice:
    """Choose source, point and seed; what was ``asked`` (source, target, seed) stands. Raises ValueError for an unknown source."""
    sources = {str(entry["name"]): entry for entry in drill.asks.get("sources") or ()}
    if not sources:
        raise ValueError(f"plan/drills.yml names no sources for {drill.name}.")
    own = [r for r in records if r.drill == drill.name and not r.rehearsal and r.source]
    because: list[str] = []
    source = str(asked.get("source") or "")
    if source and source not in sources:
        raise ValueError(f"{source!r} is no source of this drill; the plan names {', '.join(sources)}.")
    if not source:
        # The one whose last drill is longest ago; one that was never rehearsed comes first, in the plan's order.
        last = {name: max((r.began_at for r in own if r.source == name), default="") for name in sources}
        source = min(sources, key=lambda name: (last[name], list(sources).index(name)))
        because.append(f"{source} was " + (f"last rehearsed on {last[source][:10]}" if last[source] else "never rehearsed"))
    target = str(asked.get("target") or "")
    seed = int(asked.get("seed") or 0) or secrets.randbelow(2**31 - 1) + 1
    if not target:
        every = int(drill.asks.get("random_every") or 0)
        before = sum(1 for r in own if r.source == source)
        target = RANDOM if every and before % every == every - 1 else NEWEST
        because.append(f"{before} drill(s) of it before this one, so the point is {'random' if target == RANDOM else 'the newest'}")
    rpo = sources[source].get("rpo_s")
    told = "; ".join(because) or "asked for by name"
    return Choice(source, target, seed, int(drill.asks.get("patients") or 0), None if rpo is None else float(rpo), told)
