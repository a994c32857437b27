"""One patient's rows put back as the database grows: what the runbook does itself, without the scratch restore, must stay flat."""

from __future__ import annotations

import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import BIN, PROJECT, BenchmarkError, Series, run, say

NAME = "bench-patient"
# 1x, 10x and 50x the rows; each patient measured has the same number of visits.
SCALES = os.environ.get("BENCH_PATIENT_SCALES", "40m 400m 2g").split()
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
VISITS = 3
STEPS = ("Read the old rows", "Hold the old rows", "Put the approved rows back", "Read the rows once more")
AIM = 1.5


class Bench:
    """A lab of its own for one size of database."""

    def __init__(self, scale: str, incidents: Path) -> None:
        """Boot it and protect the database."""
        self.incidents = incidents
        self.environment = {
            "LAB_NAME": NAME,
            "RECOVERY_INCIDENTS": str(incidents),
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        say(f"    a hospital of scale {scale} boots and is protected")
        self.call("lab", "down")
        self.call("lab", "up", "--flat", "--scale", scale)
        self.call("lab", "workload", "start", "--rate", "2")
        self.call("recovery", "run", "database_backup_setup")
        self.call("recovery", "run", "database_backup", "-e", "repository=local")
        self.call("lab", "hands", "start", "--incidents", str(incidents))

    def call(self, command: str, *arguments: str) -> str:
        """Run one of our commands."""
        return run([str(BIN / command), *arguments], self.environment, 3600)[1]

    def sql(self, question: str) -> list[str]:
        """Ask the database."""
        words = ("his-db", "--", "runuser", "-u", "postgres", "--", "psql", "-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", "his", "-c")
        return self.call("lab", "exec", *words, question).split()

    def patients(self, number: int) -> list[str]:
        """Return patients of long ago who have the same number of visits."""
        return self.sql(
            "select p.mrn from patient p join visit v on v.patient_id = p.id group by p.id"  # noqa: S608 - numbers of this file
            f" having count(*) = {VISITS} and max(v.closed_at) < now() order by p.id limit {number}"
        )

    def lose_and_put_back(self, mrn: str) -> tuple[float, dict[str, int]]:
        """Delete a patient and put the rows back; return the seconds of our own steps, and what they read."""
        target = datetime.now(UTC).isoformat(timespec="milliseconds")
        time.sleep(3)
        self.call("lab", "break", "patient-rows-deleted", f"patient={mrn}")
        self.call("recovery", "run", "database_restore_patient", "-e", f"patient={mrn}", "-e", f"target=time:{target}")
        journal = max(self.incidents.glob("*/journal.jsonl"), key=lambda path: path.stat().st_mtime)
        events = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        steps = [step for event in events for step in event["data"].get("steps") or [] if step["name"].startswith(STEPS)]
        if len(steps) != len(STEPS):
            raise BenchmarkError(f"the journal {journal} tells {len(steps)} of {len(STEPS)} steps")
        read: dict[str, int] = {}
        for event in events:
            if event["event"] == "measured":
                read |= {name: value for name, value in event["data"].items() if name.endswith(("rows_read", "blocks_read", "put_back"))}
        return sum(step["took_s"] for step in steps), read


def measure() -> dict[str, Any]:
    """Measure each size in turn: the sizes cannot be interleaved, so the steps' own seconds are taken, not the run's."""
    series: list[Series] = []
    notes: list[str] = []
    for scale in SCALES:
        with tempfile.TemporaryDirectory(prefix="bench-patient-") as scratch:
            incidents = Path(scratch) / "incidents"
            incidents.mkdir()
            try:
                bench = Bench(scale, incidents)
                size = int(bench.sql("select pg_database_size('his')")[-1])
                one = Series(f"one patient in {size / 1e6:,.0f} MB")
                for number, mrn in enumerate(bench.patients(REPEATS)):
                    took, read = bench.lose_and_put_back(mrn)
                    one.seconds.append(round(took, 4))
                    say(f"    {number + 1}/{REPEATS}  {one.name:<34} {took:8.3f} s  {read}")
            finally:
                run([str(BIN / "lab"), "down"], {"LAB_NAME": NAME})
            series.append(one)
            told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sorted(read.items()))
            notes.append(f"{one.name}, the last repeat: {told}.")
    ratios = {f"{one.name} / {series[0].name}": round(one.median / series[0].median, 3) for one in series[1:]}
    return {
        "title": "One patient's rows, without the scratch restore, as the database grows",
        "series": {one.name: one.as_dict() for one in series},
        "ratios": ratios,
        "aims": dict.fromkeys(ratios, AIM),
        "notes": notes,
    }
