"""What an endurance run saw, a line for each point, on disk at once: hours of work, which may itself be interrupted and continued."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from endurance.points import Point

PROJECT = Path(__file__).resolve().parents[2]
BROKEN = "BROKEN"


def version() -> str:
    """Return the version that is put to the test, marked if the tree holds changes."""
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


@dataclass(frozen=True)
class Seen:
    """One interruption, and what came of it."""

    kind: str
    point: Point
    outcome: str
    seconds: float
    version: str
    at: str

    @property
    def broken(self) -> bool:
        """Whether a promise was broken."""
        return self.outcome.startswith(BROKEN)


@dataclass
class Results:
    """The file ``path`` (JSON lines): the points of each recorded run, then a line for each interruption. Beside it the same for people."""

    path: Path
    points: dict[str, list[Point]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Results:
        """Return what is there; nothing is a beginning."""
        found = cls(path)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for row in map(json.loads, lines):
            if "points" in row:
                found.points[row["course"]] = [Point(**point) for point in row["points"]]
            else:
                found.seen.append(Seen(**{**row, "point": Point(**row["point"])}))
        return found

    def record(self, course: str, points: Sequence[Point]) -> None:
        """Keep the points of a course: whoever continues needs the very same ones."""
        self.points[course] = list(points)
        self._write({"course": course, "points": [asdict(point) for point in points]})

    def add(self, kind: str, point: Point, outcome: str, seconds: float) -> Seen:
        """Keep what came of an interruption."""
        seen = Seen(kind, point, outcome, round(seconds), version(), datetime.now(UTC).isoformat(timespec="seconds"))
        self.seen.append(seen)
        self._write(asdict(seen))
        return seen

    def standing(self) -> dict[tuple[str, Point], Seen]:
        """Return the last word on each point that was seen."""
        return {(one.kind, one.point): one for one in self.seen}

    def left(self, wanted: Iterable[tuple[str, Point]]) -> list[tuple[str, Point]]:
        """Return what of this is still to be done: points that nobody saw, and those that broke."""
        standing = self.standing()
        return [one for one in wanted if one not in standing or standing[one].broken]

    def _write(self, row: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def summary(self, wanted: Sequence[tuple[str, Point]]) -> str:
        """Say for each kind how many of its points were seen, and what came of each; of a kind that was begun also what was not run."""
        standing = self.standing()
        begun = {kind for kind, _ in standing}
        lines = ["# Endurance: interrupted, and still right", "", "| kind | points | seen | broken | left |", "|---|---|---|---|---|"]
        for kind in dict.fromkeys(kind for kind, _ in wanted):
            own = [one for one in wanted if one[0] == kind]
            seen = [standing[one] for one in own if one in standing]
            lines.append(f"| {kind} | {len(own)} | {len(seen)} | {sum(one.broken for one in seen)} | {len(own) - len(seen)} |")
        lines += ["", "| kind | interrupted | outcome | seconds | version | at |", "|---|---|---|---|---|---|"]
        for kind, point in (one for one in wanted if one[0] in begun):
            one = standing.get((kind, point))
            said = f"{_cell(one.outcome)} | {one.seconds:.0f} | {one.version} | {one.at}" if one else "not run | | |"
            lines.append(f"| {kind} | {_cell(str(point))} | {said} |")
        return "\n".join(lines) + "\n"

    def publish(self, wanted: Sequence[tuple[str, Point]]) -> Path:
        """Write the summary beside the results, and return where."""
        path = self.path.with_suffix(".md")
        path.write_text(self.summary(wanted), encoding="utf-8")
        return path


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())[:300]
