"""``make endurance``: kill a recovery after every task in turn, cut the power of hosts in the middle of it, fill the disk; run it again.

    python -m endurance [--kinds kill power disk offsite scratch] [--points N --seed S] [--only WORDS] [--results FILE] [--anew]

The list of tasks comes from the journal of a recorded run. One line for each interruption, kept in the results at once, then a sum; exit
status 1 if a promise broke. Interrupted itself, the same command goes on with the points that are left, and with those that broke.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from endurance.kinds import COURSES, KINDS, Course, Kind, eligible
from endurance.points import Point, drawn, points, reached, telling_first
from endurance.results import BROKEN, Results
from endurance.rig import BrokenPromiseError, Rig

INCIDENTS = Path("incidents/endurance").resolve()


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


def interrupted(rig: Rig, point: Point, kind: Kind) -> str:
    """Break, run up to a point, interrupt there, look, mend, run again, prove; return what happened in a word."""
    rig.destroy()
    process, journal = rig.start()
    came = rig.until(process, lambda: reached(point, journal()))
    if came and process.poll() is None:
        time.sleep(point.after_s)
        kind.stop(rig, process)
    first_status = process.wait(900)
    first = rig.newest()
    kind.mend(rig)
    rig.nothing_half_answers()
    status, second = rig.run()
    if status not in (0, 4) or (status == 4 and rig.refused(second) != {"server-healthy"}):
        raise BrokenPromiseError(f"The same command again ended with status {status}: see {second}")
    if kind.forgets:
        rig.before["acknowledged"] -= rig.forgotten([first, second])
    rig.check_end([first, second])
    if not came:
        return f"not reached: the first run ended with status {first_status}"
    return "continued" if status == 0 else "refused: the work was done already"


def main() -> int:
    """Do what was asked."""
    parser = argparse.ArgumentParser(prog="endurance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--points", type=int, default=0, help="how many of each kind, drawn by --seed; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="points whose name has these words in it, as the summary says it")
    parser.add_argument("--incidents", type=Path, default=INCIDENTS)
    parser.add_argument("--results", type=Path, help="default: results.jsonl below --incidents")
    parser.add_argument("--show", action="store_true", help="only write the summary of what was seen so far")
    parser.add_argument("--anew", action="store_true", help="forget earlier results instead of continuing them")
    given = parser.parse_args()
    path = (given.results or given.incidents / "results.jsonl").resolve()
    if given.anew:
        path.unlink(missing_ok=True)
    results = Results.read(path)
    if given.show:
        print(results.publish(plan(results, list(KINDS))))
        return 0
    rigs = {course.name: rig(course, given.incidents.resolve()) for course in COURSES}
    wanted: list[tuple[str, Point]] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended from outside; the same command goes on with what is left."))
    try:
        rigs["local"].again()
        for course in dict.fromkeys(KINDS[name].course.name for name in given.kinds):
            if course not in results.points:
                results.record(course, recorded(rigs[course]))
        wanted = [one for one in plan(results, given.kinds, given.points, given.seed) if given.only in str(one[1])]
        left = results.left(wanted)
        print(f"{len(wanted)} points, of which {len(left)} are left", flush=True)
        for name, point in left:
            attempt(results, rigs[KINDS[name].course.name], name, point)
    finally:
        print(f"Summary: {results.publish(plan(results, list(KINDS)))}", flush=True)
        for each in rigs.values():
            each.end()
        rigs["local"].down()
    standing = results.standing()
    broken = sum(standing[one].broken for one in wanted if one in standing)
    print(f"{broken} promises broken", flush=True)
    return 1 if broken else 0


def rig(course: Course, incidents: Path) -> Rig:
    """Return the rig of a course; all of them work in the same lab."""
    return course.rig(os.environ.get("LAB_NAME", "endurance"), incidents, course.runbook, course.extra)


def plan(results: Results, kinds: list[str], number: int = 0, seed: int = 1) -> list[tuple[str, Point]]:
    """Return what is done where, of all or ``number`` points of each kind, for the courses that were recorded."""
    made: list[tuple[str, Point]] = []
    for name in kinds:
        found = eligible(KINDS[name], results.points.get(KINDS[name].course.name, []))
        made += [(name, point) for point in telling_first(drawn(found, number, seed))]
    return made


def attempt(results: Results, rig: Rig, name: str, point: Point) -> None:
    """Interrupt a run once and keep what came of it; after a broken promise the next one begins with a new hospital."""
    started = time.monotonic()
    try:
        said = interrupted(rig, point, KINDS[name])
    except BrokenPromiseError as error:
        said = f"{BROKEN}: {error}"
    except Exception:
        said = f"{BROKEN}: {traceback.format_exc()}"
    seen = results.add(name, point, said, time.monotonic() - started)
    print(f"{name:<8} {point}: {said} ({seen.seconds:.0f} s)", flush=True)
    if seen.broken:
        rig.again()


if __name__ == "__main__":
    sys.exit(main())
