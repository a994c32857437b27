"""A database of 2 GB comes back: by our runbook, by the raw tools, and what proving it costs."""

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
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
DATA = "/var/lib/postgresql/15/main"
RESTORE_ARGUMENTS = ("-e", "source=local")


class Bench:
    """A lab of its own with a protected database of the wanted size."""

    def __init__(self, incidents: Path) -> None:
        """Remember where the runs' evidence goes; nothing is booted yet."""
        self.incidents = incidents
        self.environment = {
            "LAB_NAME": NAME,
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


def our_way(bench: Bench, whole: Series) -> Callable[[], float]:
    """Return our way: from the command to the moment at which the ward was proven to work."""

    def once() -> float:
        bench.destroy()
        began = time.time()
        whole.seconds.append(round(bench.recovery("database_restore", *RESTORE_ARGUMENTS), 3))
        return moment(bench.latest(), "service_proven") - began

    return once


def proofs(bench: Bench) -> dict[str, Series]:
    """Measure the full proof against raw pg_amcheck, on the same running database."""

    def amcheck() -> float:
        return bench.on_database("/usr/lib/postgresql/15/bin/pg_amcheck --heapallindexed --jobs=2 his", "postgres")[0]

    def full() -> float:
        bench.recovery("database_verify", "-e", "depth=full")
        return sum(float(event["took_s"] or 0) for event in bench.latest() if event["event"] == "task" and event["phase"] == "VERIFY")

    bench.on_database("psql -X -q -v ON_ERROR_STOP=1 -c 'create extension if not exists amcheck' his", "postgres")
    return interleaved({"pg_amcheck --heapallindexed (raw)": amcheck, "full proof (ours)": full}, REPEATS)


def measure() -> dict[str, Any]:
    """Boot, protect, destroy and bring back, in turn by either way; then prove in turn by either way."""
    with tempfile.TemporaryDirectory(prefix="bench-restore-") as scratch:
        bench = Bench(Path(scratch) / "incidents")
        try:
            say(f"    a hospital of scale {SCALE} boots and is protected")
            bench.lab("down")
            bench.lab("up", "--scale", SCALE, timeout=3600)
            bench.lab("workload", "start", "--rate", "2")
            bench.recovery("database_backup_setup")
            bench.recovery("database_backup", "-e", "repository=local")
            bench.incidents.mkdir(parents=True, exist_ok=True)
            bench.lab("hands", "start", "--incidents", str(bench.incidents))
            size = int(bench.on_database("psql -X -qAtc \"select pg_database_size('his')\" his", "postgres")[1].split()[-1])
            names = ("pgbackrest restore (raw)", "server start and replay (raw)", "cp -a of the data directory, and sync")
            parts = {name: Series(name) for name in names}
            whole = Series("our runbook, whole run")
            ways = interleaved(
                {"raw restore and start": raw_parts(bench, parts), "our runbook, to the ward working": our_way(bench, whole)}, REPEATS
            )
            proven = proofs(bench)
        finally:
            bench.lab("down")
    ours, raw = ways["our runbook, to the ward working"], ways["raw restore and start"]
    full, amcheck = proven["full proof (ours)"], proven["pg_amcheck --heapallindexed (raw)"]
    copy = parts["cp -a of the data directory, and sync"]
    return {
        "title": f"Restore and proof of a database of {size / 1e9:.1f} GB",
        "series": {one.name: one.as_dict() for one in (*ways.values(), whole, *parts.values(), *proven.values())},
        "ratios": {
            "our runbook to the ward working / raw restore and start": ratio(ours, raw),
            "our runbook to the ward working / cp -a and sync": ratio(ours, copy),
            "full proof / raw pg_amcheck": ratio(full, amcheck),
        },
        "aims": {"our runbook to the ward working / raw restore and start": 1.5, "full proof / raw pg_amcheck": 1.2},
        "database_bytes": size,
        "notes": [
            "Our runbook also checks, reads the whole backup and proves it before it touches the old state, and ends with a probe "
            "from the workstations; the raw restore does none of that. The page cache is warm for both."
        ],
    }
