"""A standby takes over: from the command to the service that was proven, beside raw ``pg_ctl promote``."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import BIN, BenchmarkError, Series, ratio, run, say
from benchmarks.restore import BINARIES, DATA, Bench, moment

NAME = "bench-promote"
SCALE = os.environ.get("BENCH_PROMOTE_SCALE", "small")
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
BY_NAME = ("-e", "override=primary-healthy", "-e", "override_by=benchmark")
# Who serves and who follows, before an odd and before an even round.
ROUNDS = (("his-db", "his-db-2"), ("his-db-2", "his-db"))


def _on(bench: Bench, host: str, script: str) -> float:
    """Run a script on a host as the database's owner; return its seconds."""
    shell = ["runuser", "-u", "postgres", "--", "bash", "-euo", "pipefail", "-c", script]
    return run([str(BIN / "lab"), "exec", host, "--", *shell], bench.environment, 600)[0]


def _switch(bench: Bench, serving: str, following: str, whole: Series, proven: Series, accepts: Series) -> None:
    """Let the standby take over by the runbook, and the old server come back behind it."""
    names = ("-e", f"database_host={serving}", "-e", f"database_standby_host={following}")
    began = time.time()
    whole.seconds.append(round(bench.recovery("database_promote", "-e", f"host={following}", *names, *BY_NAME), 3))
    journal = bench.latest()
    proven.seconds.append(round(moment(journal, "service_proven") - began, 3))
    accepts.seconds.append(round(moment(journal, "system_up") - moment(journal, "recovery_started"), 3))
    bench.recovery("database_rejoin", "-e", f"host={serving}", *names)


def _raw(bench: Bench, following: str) -> float:
    """Return the seconds of ``pg_ctl promote`` on a copy from the same backup, on a port of its own: nothing proven, nobody fenced."""
    copy, config = f"{DATA}.raw", "/etc/postgresql/15/main/postgresql.conf"
    reads = f"pgbackrest --config=/etc/pgbackrest/offsite-read.conf --stanza=his --pg1-path={copy}"
    settings = f"-p 5499 -c config_file={config} -c data_directory={copy} -c external_pid_file=/tmp/raw.pid -c archive_command=true"
    lines = (
        f"rm -rf {copy}; mkdir -m 0700 {copy}",
        f"{reads} --type=standby --recovery-option=restore_command='{reads} archive-get %f %p' restore",
        f"{BINARIES}/pg_ctl -D {copy} -w -s -t 300 -l /tmp/raw.log -o '{settings}' start",
    )
    _on(bench, following, "\n".join(lines))
    try:
        return _on(bench, following, f"{BINARIES}/pg_ctl -D {copy} -w promote >/dev/null")
    finally:
        _on(bench, following, f"{BINARIES}/pg_ctl -D {copy} -m immediate -s stop; rm -rf {copy}")


def measure(repeats: int = REPEATS) -> dict[str, Any]:
    """Switch over and back under clinical work, as a person would by the runbook; and promote a copy by the raw program."""
    whole, proven = Series("database_promote, whole run"), Series("database_promote, command to service proven")
    accepts, raw = Series("of it: from the fence to accepting work"), Series("pg_ctl promote (raw)")
    with tempfile.TemporaryDirectory(prefix="bench-promote-") as scratch:
        bench = Bench(Path(scratch), NAME)
        try:
            bench.lab("up", "--flat", "--scale", SCALE)
            bench.recovery("database_backup_setup")
            bench.recovery("database_backup", "-e", "repository=offsite")
            bench.recovery("database_standby")
            bench.lab("hands", "start", "--incidents", scratch)
            bench.lab("workload", "start")
            for number in range(repeats):
                serving, following = ROUNDS[number % 2]
                raw.seconds.append(round(_raw(bench, following), 3))
                _switch(bench, serving, following, whole, proven, accepts)
                say(f"    {number + 1}/{repeats}  proven {proven.seconds[-1]:.1f} s, raw {raw.seconds[-1]:.2f} s")
        finally:
            bench.lab("down")
    if not proven.seconds:
        raise BenchmarkError("no standby took over")
    series = {one.name: one.as_dict() for one in (proven, whole, accepts, raw)}
    return {
        "title": "Promotion: a standby takes over",
        "series": series,
        "ratios": {"command to service proven / pg_ctl promote": round(ratio(proven, raw), 2)},
        "notes": ["The runbook's time holds two approvals by the lab's people, a second each, and the fence of the old server."],
    }
