"""Damaged backups, drawn from a seed: none may pass, none that is sound may be refused, each verdict names what is wrong."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import PROJECT, BenchmarkError, Series, say

sys.path.insert(0, str(PROJECT / "tests"))  # the kinds of damage are the tests' own

from support.backups import Judgement, Protected
from support.damages import DAMAGES, Damage, inflict

NUMBER = int(os.environ.get("BENCH_DAMAGES", str(2 * len(DAMAGES))))
SEED = int(os.environ.get("BENCH_SEED", str(int(time.time()))))


def _one(base: Protected, kind: Damage, dice: random.Random) -> tuple[str, Judgement]:
    copy = base.copy(base.root.parent / "copy")
    try:
        return inflict(copy, kind, dice), copy.judge()
    finally:
        copy.origin.stop()
        shutil.rmtree(copy.root)


def measure() -> dict[str, Any]:
    """Damage backups at drawn places and judge each; judge sound ones too. A false pass or a refused sound backup is an error."""
    say(f"    seed {SEED}, {NUMBER} damaged backups of {len(DAMAGES)} kinds")
    dice = random.Random(SEED)  # noqa: S311 - a seed makes the places repeatable, nobody is to be surprised
    found: list[dict[str, Any]] = []
    took = {phase: Series(f"damage stopped in {phase}") for phase in ("CHECK", "SAFETY", "VERIFY")} | {"": Series("sound backup proven")}
    memory = Path("/dev/shm")  # noqa: S108 - in memory: what is measured is judgement, not the disk
    root = Path(tempfile.mkdtemp(prefix="bench-damage-", dir=memory if memory.is_dir() else None))
    root.chmod(0o711)  # the server's own user must get in
    try:
        base, _ = Protected.create(root / "base"), Protected.create(root / "foreign")
        refused = []
        for target in ("latest", *(f"backup:{label}" for label in base.labels)):
            copy = base.copy(root / "copy")
            judgement = copy.judge(target)
            shutil.rmtree(copy.root)
            took[judgement.phase].seconds.append(judgement.took_s)
            if judgement.phase or (target == "latest" and judgement.content != base.content):
                refused.append(f"{target}: {judgement.phase} {judgement.told()}")
        for number in range(NUMBER):
            kind = DAMAGES[number % len(DAMAGES)]
            place, judgement = _one(base, kind, dice)
            outcome = kind.outcome(judgement, base.content)
            took[judgement.phase].seconds.append(judgement.took_s)
            found.append({"kind": kind.name, "place": place, "phase": judgement.phase, "said": judgement.told(), "outcome": outcome})
            say(f"    {number + 1}/{NUMBER}  {outcome:<10} {judgement.phase or 'PASS':<7} {kind.name} ({place})")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    counted = {name: sum(one["outcome"] == name for one in found) for name in ("named", "misnamed", "harmless", "false pass")}
    if counted["false pass"] or refused:
        wrong = [f"{one['kind']} at {one['place']}" for one in found if one["outcome"] == "false pass"]
        raise BenchmarkError(f"seed {SEED}: false passes: {wrong or 'none'}; sound backups refused: {refused or 'none'}")
    return {
        "title": f"{NUMBER} damaged backups of {len(DAMAGES)} kinds, seed {SEED}",
        "series": {one.name: one.as_dict() for one in took.values() if one.seconds},
        "ratios": {
            "false passes / damaged backups": 0.0,
            "sound backups refused": 0.0,
            "verdicts that name what is wrong / damaged backups": round((NUMBER - counted["misnamed"]) / NUMBER, 3),
        },
        "aims": {"false passes / damaged backups": 0.0, "sound backups refused": 0.0},
        "seed": SEED,
        "counted": counted,
        "damages": found,
        "notes": [
            "Harmless: the damage hit bytes that carry nothing, and what came back equals the original in every row (pg_dump).",
            "Real server, real pgBackRest, our own CHECK, SAFETY and VERIFY; services and network are not part of it.",
        ],
    }
