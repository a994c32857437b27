"""A database comes back: by our runbook, by the raw tools, by Barman; and what proving it costs.

Two sizes: part ``restore`` (2 GB) and part ``restore-large`` (8 GB); BENCH_SCALE and BENCH_LARGE_SCALE choose others.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import BIN, PROJECT, BenchmarkError, Series, interleaved, ratio, run, say

NAME = "bench-restore"
SCALE = os.environ.get("BENCH_SCALE", "2g")
LARGE_SCALE = os.environ.get("BENCH_LARGE_SCALE", "8g")
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
BINARIES = "/usr/lib/postgresql/15/bin"
DATA = "/var/lib/postgresql/15/main"
BARMAN = Path(__file__).with_name("barman.sh")
PEOPLE = Path(__file__).with_name("people.yml")
# The database, its old state and the copies of the raw ways stand side by side.
DISKS = ("--disk", "his-db:data=48G", "--disk", "his-db:backup=32G")
PROOF = "Prove the database"
WORKERS = 2  # what our proof uses on two cores
AMCHECK = "pg_amcheck --heapallindexed (as it stands: one job)"
AMCHECK_PARALLEL = f"pg_amcheck --heapallindexed --jobs={WORKERS}"
RESTORE_ARGUMENTS = ("-e", "source=local")


class Bench:
    """A lab of its own with a protected database of the wanted size."""

    def __init__(self, incidents: Path, name: str = NAME) -> None:
        """Remember where the runs' evidence goes; nothing is booted yet."""
        self.incidents = incidents
        self.environment = {
            "LAB_NAME": name,
            "RECOVERY_INCIDENTS": str(incidents),
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }

    def lab(self, *arguments: str, timeout: float = 1800) -> float:
        """Run a command of the lab; return its seconds."""
        return run([str(BIN / "lab"), *arguments], self.environment, timeout)[0]

    def on_database(self, script: str, user: str = "root") -> tuple[float, str]:
        """Run a script on the database server; return its seconds and what it printed."""
        shell = ["bash", "-euo", "pipefail", "-c", script]
        if user != "root":
            shell = ["runuser", "-u", user, "--", *shell]
        return run([str(BIN / "lab"), "exec", "his-db", "--", *shell], self.environment, 1800)

    def destroy(self) -> None:
        """Delete the data directory under the running server, again and again (the lab's own fault happens once)."""
        self.on_database(f"rm -rf {DATA} {DATA}.aside-*; sync")

    def recovery(self, runbook: str, *arguments: str) -> float:
        """Run a runbook; return the seconds from the command to its end."""
        return run([str(BIN / "recovery"), "run", runbook, *arguments], self.environment, 1800)[0]

    def wait_until_it_answers(self) -> None:
        """Wait until the database answers to the socket: what `server start` ends with."""
        self.on_database(
            "for _ in $(seq 600); do psql -X -qAtc 'select 1' his >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1", "postgres"
        )

    def latest(self) -> list[dict[str, Any]]:
        """Return the journal of the newest incident."""
        journals = sorted(self.incidents.glob("*/journal.jsonl"), key=lambda path: path.stat().st_mtime)
        if not journals:
            raise BenchmarkError(f"no journal below {self.incidents}")
        return [json.loads(line) for line in journals[-1].read_text(encoding="utf-8").splitlines()]


def moment(events: list[dict[str, Any]], milestone: str) -> float:
    """Return when a milestone was last reached (seconds since 1970)."""
    found = [event["data"]["at"] for event in events if event["event"] == "milestone" and event["name"] == milestone]
    if not found:
        raise BenchmarkError(f"the journal holds no milestone {milestone}")
    return datetime.fromisoformat(str(found[-1])).timestamp()


def raw_parts(bench: Bench, parts: dict[str, Series]) -> Callable[[], float]:
    """Return the raw way: `pgbackrest restore`, then the server's start; its parts are kept beside their sum."""

    def once() -> float:
        bench.destroy()
        bench.on_database("systemctl stop postgresql@15-main")
        restored, _ = bench.on_database(f"mkdir -p -m 0700 {DATA}; pgbackrest --stanza=his --repo=1 restore", "postgres")
        copied, _ = bench.on_database(f"cp -a {DATA} {DATA}.copy; sync")
        bench.on_database(f"rm -rf {DATA}.copy")
        started = time.monotonic()
        bench.on_database("systemctl start postgresql@15-main")
        bench.wait_until_it_answers()
        start = time.monotonic() - started
        parts["pgbackrest restore (raw)"].seconds.append(round(restored, 3))
        parts["cp -a of the data directory, and sync"].seconds.append(round(copied, 3))
        parts["server start and replay (raw)"].seconds.append(round(start, 3))
        return restored + start

    return once


def working(events: list[dict[str, Any]]) -> float:
    """Return when the last ward had a transaction acknowledged again, by the wards' own logs (seconds since 1970)."""
    ends = [gap["end"] for event in events if event["event"] == "measured" for gap in event["data"].get("service_gaps", {}).values()]
    if not ends or not all(ends):
        raise BenchmarkError("the journal does not say when the wards worked again")
    return max(datetime.fromisoformat(str(end)).timestamp() for end in ends)


def our_way(bench: Bench, proven: Series, whole: Series) -> Callable[[], float]:
    """Return our way: from the command to the moment at which every ward works again; ``proven``: to the end of the proof of it."""

    def once() -> float:
        bench.destroy()
        began = time.time()
        whole.seconds.append(round(bench.recovery("database_restore", *RESTORE_ARGUMENTS), 3))
        events = bench.latest()
        proven.seconds.append(round(moment(events, "service_proven") - began, 3))
        return working(events) - began

    return once


def barman(bench: Bench) -> Callable[[], float]:
    """Set Barman up on the database server, take its backup, and return its way back (into a directory of its own)."""
    bench.on_database(BARMAN.read_text(encoding="utf-8"))

    def once() -> float:
        bench.on_database(f"rm -rf {DATA}.barman; sync")
        took, _ = bench.on_database(f"cd / && barman recover his latest {DATA}.barman", "postgres")
        bench.on_database(f"rm -rf {DATA}.barman")
        return took

    return once


def proofs(bench: Bench, repeats: int) -> dict[str, Series]:
    """Measure the full proof beside raw pg_amcheck and beside reading everything once by pg_dump, on the same running database."""

    def amcheck(jobs: int) -> Callable[[], float]:
        return lambda: bench.on_database(f"{BINARIES}/pg_amcheck --heapallindexed --jobs={jobs} his", "postgres")[0]

    def dump() -> float:
        return bench.on_database("pg_dump his > /dev/null", "postgres")[0]

    def full() -> float:
        bench.recovery("database_verify", "-e", "depth=full")
        return sum(float(event["took_s"] or 0) for event in bench.latest() if event["event"] == "task" and event["name"] == PROOF)

    bench.on_database("psql -X -q -v ON_ERROR_STOP=1 -c 'create extension if not exists amcheck' his", "postgres")
    things = {AMCHECK: amcheck(1), AMCHECK_PARALLEL: amcheck(WORKERS), "pg_dump > /dev/null": dump, "full proof (ours)": full}
    return interleaved(things, repeats)


def large() -> dict[str, Any]:
    """Measure the larger database: each thing once, it takes minutes."""
    return measure(LARGE_SCALE, int(os.environ.get("BENCH_LARGE_REPEATS", "1")))


def measure(scale: str = SCALE, repeats: int = REPEATS) -> dict[str, Any]:
    """Boot, protect, destroy and bring back, in turn by either way; then prove in turn by either way."""
    with tempfile.TemporaryDirectory(prefix="bench-restore-") as scratch:
        bench = Bench(Path(scratch) / "incidents")
        try:
            say(f"    a hospital of scale {scale} boots and is protected")
            bench.lab("down")
            bench.lab("up", "--flat", "--scale", scale, *DISKS, timeout=3600)
            bench.lab("workload", "start", "--rate", "2")
            bench.recovery("database_backup_setup")
            bench.recovery("database_backup", "-e", "repository=local")
            bench.incidents.mkdir(parents=True, exist_ok=True)
            bench.lab("hands", "start", "--incidents", str(bench.incidents), "--script", str(PEOPLE))
            size = int(bench.on_database("psql -X -qAtc \"select pg_database_size('his')\" his", "postgres")[1].split()[-1])
            names = ("pgbackrest restore (raw)", "server start and replay (raw)", "cp -a of the data directory, and sync")
            parts = {name: Series(name) for name in names}
            whole, probed = Series("our runbook, whole run"), Series("our runbook, to the probe at every ward")
            # Proven while nothing is lost yet: the raw way back loses what the archive did not have, and our proof says so.
            proven = proofs(bench, repeats)
            things = {
                "barman recover (raw)": barman(bench),
                "raw restore and start": raw_parts(bench, parts),
                "our runbook, to the ward working": our_way(bench, probed, whole),
            }
            ways = interleaved(things, repeats)
        finally:
            bench.lab("down")
    ours, raw = ways["our runbook, to the ward working"], ways["raw restore and start"]
    full = proven["full proof (ours)"]
    copy = parts["cp -a of the data directory, and sync"]
    return {
        "title": f"Restore and proof of a database of {size / 1e9:.1f} GB",
        "series": {one.name: one.as_dict() for one in (*ways.values(), probed, whole, *parts.values(), *proven.values())},
        "ratios": {
            "our runbook to the ward working / raw restore and start": ratio(ours, raw),
            "our runbook to the ward working / barman recover": ratio(ours, ways["barman recover (raw)"]),
            "our runbook to the ward working / cp -a and sync": ratio(ours, copy),
            "full proof / pg_amcheck as it stands": ratio(full, proven[AMCHECK]),
            "full proof / pg_amcheck with as many workers": ratio(full, proven[AMCHECK_PARALLEL]),
            "full proof / pg_dump > /dev/null": ratio(full, proven["pg_dump > /dev/null"]),
        },
        "aims": {
            "our runbook to the ward working / raw restore and start": 1.5,
            "full proof / pg_amcheck as it stands": 1.2,
            "full proof / pg_amcheck with as many workers": 1.2,
        },
        "database_bytes": size,
        "verified_mb_per_s": {name: round(size / 1e6 / one.median, 1) for name, one in proven.items()},
        "notes": [
            "A ward works when its own log shows a transaction acknowledged again. Our runbook also checks, reads the whole backup and "
            "proves it before it touches the old state, and probes each ward afterwards; the raw restore and Barman do none of that, and "
            "Barman's figure is without the server's start. The page cache is warm for all, and the two people who approve do so at once.",
            "Verification: " + ", ".join(f"{name} {size / 1e6 / one.median:.0f} MB/s" for name, one in proven.items()) + ".",
        ],
    }
