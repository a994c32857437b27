"""``make endurance``: kill a recovery after every task in turn, cut the power of hosts in the middle of it, fill the disk; run it again.

    python -m endurance [--runbook database_restore] [--extra source=local]... [--points N --seed S] [--kinds kill power offsite disk]

The list of tasks comes from the journal of a recorded run. One line for each interruption, then a sum; exit status 1 if a promise broke.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from endurance.points import Point, drawn, points, reached
from endurance.rig import BrokenPromiseError, Rig

KINDS = ("kill", "power", "offsite", "disk")


def recorded(rig: Rig) -> list[Point]:
    """Run the runbook once undisturbed, prove its end, and return the points of its journal."""
    rig.destroy()
    process, journal = rig.start()
    status = process.wait(900)
    if status != 0:
        raise BrokenPromiseError(f"Undisturbed, the run ended with status {status}: there is nothing to compare with.")
    found = points(journal())
    rig.check_end([])
    return found


def interrupted(rig: Rig, point: Point, stop: Callable[[object], None], mend: Callable[[], None]) -> str:
    """Break, run up to a point, interrupt there, look, mend, run again, prove; return what happened in a word."""
    rig.destroy()
    process, journal = rig.start()
    came = rig.until(process, lambda: reached(point, journal()))
    if came and process.poll() is None:
        time.sleep(point.after_s)
        stop(process)
    process.wait(900)
    first = max(path.parent for path in rig.incidents.glob("*/journal.jsonl"))
    mend()
    rig.nothing_half_answers()
    status, second = rig.run()
    if status not in (0, 4):
        raise BrokenPromiseError(f"The same command again ended with status {status}: see {second}")
    rig.check_end([first, second])
    return ("not reached" if not came else "continued") if status == 0 else "refused: the work was done already"


def main() -> int:
    """Do what was asked."""
    parser = argparse.ArgumentParser(prog="endurance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runbook", default="database_restore")
    parser.add_argument("--extra", action="append", default=[])
    parser.add_argument("--points", type=int, default=0, help="how many, drawn by --seed; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--incidents", type=Path, default=Path("incidents/endurance").resolve())
    given = parser.parse_args()
    rig = Rig(os.environ.get("LAB_NAME", "endurance"), given.incidents, given.runbook, given.extra or ["source=local"])
    broken = 0
    try:
        rig.up()
        found = recorded(rig)
        print(f"{len(found)} points in the recorded run", flush=True)
        for kind, point in plan(found, given.kinds, given.points, given.seed):
            started = time.monotonic()
            stop, mend = means(rig, kind)
            try:
                said = interrupted(rig, point, stop, mend)
            except BrokenPromiseError as error:
                broken, said = broken + 1, f"BROKEN: {error}"
            except Exception:
                broken, said = broken + 1, f"BROKEN: {traceback.format_exc()}"
            print(f"{kind:<8} {point}: {said} ({time.monotonic() - started:.0f} s)", flush=True)
            if said.startswith("BROKEN"):
                recover(rig)
    finally:
        rig.down()
    print(f"{broken} promises broken", flush=True)
    return 1 if broken else 0


def plan(found: list[Point], kinds: list[str], number: int, seed: int) -> list[tuple[str, Point]]:
    """Return what is done where: kills everywhere; power cuts and a full disk while the backup is read, and beside every long task."""
    long = [point for point in found if point.within]
    made = [("kill", point) for point in drawn(found, number, seed)] if "kill" in kinds else []
    for kind in KINDS[1:]:
        if kind in kinds:
            made += [(kind, point) for point in drawn(long, number, seed)]
    return made


def means(rig: Rig, kind: str) -> tuple[Callable[[object], None], Callable[[], None]]:
    """Return how a run is interrupted, and what a person does before the same command is given again."""
    if kind == "kill":
        return rig.kill, lambda: None  # type: ignore[return-value]
    if kind == "disk":
        return lambda _: rig.call("lab", "break", "disk-full", "his-db", "data"), lambda: rig.call("lab", "repair", "disk-full")  # type: ignore[return-value]
    victim = "his-db" if kind == "power" else "backup-offsite"
    return lambda _: rig.cut(victim), rig.power


def recover(rig: Rig) -> None:
    """After a broken promise: bring the hospital back to where the next interruption can begin, or give up."""
    rig.call("lab", "down")
    for path in rig.incidents.glob(".locks/*.json"):
        path.unlink()
    rig.up()


if __name__ == "__main__":
    sys.exit(main())
