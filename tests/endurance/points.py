"""Where a run can be killed: after every task that did something, and in the middle of every task that takes long. From a journal only."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONG_S = 2.0
ARGUMENTS = "Validating arguments against arg spec"  # Ansible's own task in front of a role; it runs on the control node


@dataclass(frozen=True)
class Point:
    """Kill ``after_s`` seconds after the ``nth`` result of this task on this host."""

    phase: str
    host: str
    task: str
    nth: int
    after_s: float = 0.0
    within: str = ""

    def __str__(self) -> str:
        """Say where."""
        where = f"{self.host}: {self.task}" + (f" (result {self.nth})" if self.nth > 1 else "")
        return f"{self.after_s:.1f} s into {self.within}" if self.within else f"{self.phase:<7} after {where}"


def points(events: Iterable[Mapping[str, Any]]) -> list[Point]:
    """Return the points of a recorded run, in its order."""
    found: list[Point] = []
    seen: dict[tuple[str, str], int] = {}
    last: Point | None = None
    for event in events:
        if event["event"] != "task":
            continue
        key = (str(event["host"]), str(event["name"]))
        seen[key] = seen.get(key, 0) + 1
        took = float(event.get("took_s") or 0)
        if last is not None and took > LONG_S and event["result"] != "skipped":
            found.append(Point(last.phase, last.host, last.task, last.nth, took / 2, within=f"{key[0]}: {key[1]}"))
        last = Point(str(event["phase"]), *key, seen[key])
        if event["result"] in ("ok", "changed"):
            found.append(last)
    return found


def reached(point: Point, events: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether a run has come so far."""
    same = [e for e in events if e["event"] == "task" and (e["host"], e["name"]) == (point.host, point.task)]
    return len(same) >= point.nth


def telling_first(found: Sequence[Point]) -> list[Point]:
    """Return the points in the order of the run, but last those behind which nothing differs from the point before: arguments were read."""
    return sorted(found, key=lambda point: point.task.startswith(ARGUMENTS) and not point.within)


def drawn(found: Sequence[Point], number: int, seed: int) -> list[Point]:
    """Return some of the points, the same for the same seed, in the order of the run; all of them for 0."""
    if not number or number >= len(found):
        return list(found)
    chosen = set(random.Random(seed).sample(range(len(found)), number))  # noqa: S311 - no secret
    return [point for index, point in enumerate(found) if index in chosen]
