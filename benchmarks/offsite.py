"""A database comes back over a slow line: our runbook, the raw tool, and what the line itself can carry."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import Series, interleaved, ratio, say
from benchmarks.restore import DATA, PEOPLE, Bench, moment, working

NAME = "bench-offsite"
SCALE = os.environ.get("BENCH_OFFSITE_SCALE", "500m")
RATE_MBIT = int(os.environ.get("BENCH_OFFSITE_MBIT", "100"))
RAW = (
    "pgbackrest --no-config --stanza=his --repo1-host=10.20.90.11 --repo1-host-user=offsite_reader "
    "--repo1-host-config=/etc/pgbackrest/pgbackrest.conf --repo1-path=/srv/offsite/pgbackrest"
)
REPEATS = int(os.environ.get("BENCH_OFFSITE_REPEATS", "3"))


def measure() -> dict[str, Any]:
    """Boot, protect, slow the line to the remote site down, destroy the database and bring it back over that line."""
    with tempfile.TemporaryDirectory(prefix="bench-offsite-") as scratch:
        bench = Bench(Path(scratch) / "incidents", NAME)
        try:
            say(f"    a hospital of scale {SCALE}, its off-site line at {RATE_MBIT} Mbit/s")
            bench.lab("down")
            bench.lab("up", "--flat", "--scale", SCALE, timeout=3600)
            bench.lab("workload", "start", "--rate", "2")
            bench.recovery("database_backup_setup")
            bench.recovery("database_backup", "-e", "repository=local")
            bench.recovery("database_backup", "-e", "repository=offsite")
            bench.incidents.mkdir(parents=True, exist_ok=True)
            bench.lab("hands", "start", "--incidents", str(bench.incidents), "--script", str(PEOPLE))
            info = json.loads(bench.on_database(f"{RAW} info --output=json", "postgres")[1])
            stored = int(info[0]["backup"][-1]["info"]["repository"]["size"])
            bench.lab("break", "link-slow", f"rate={RATE_MBIT}mbit")

            def raw() -> float:
                bench.destroy()
                bench.on_database("systemctl stop postgresql@15-main")
                took, _ = bench.on_database(f"mkdir -p -m 0700 {DATA}; {RAW} --pg1-path={DATA} restore", "postgres")
                return took

            def ours() -> float:
                bench.destroy()
                bench.recovery("database_restore", "-e", "source=offsite")
                events = bench.latest()
                return working(events) - moment(events, "recovery_started")

            ways = interleaved({"pgbackrest restore (raw)": raw, "our runbook, from approval to the ward working": ours}, REPEATS)
        finally:
            bench.lab("down")
    line = Series("the line itself: stored bytes / rate", [round(stored * 8 / (RATE_MBIT * 1e6), 3)] * REPEATS)
    raw_way, our_way = ways["pgbackrest restore (raw)"], ways["our runbook, from approval to the ward working"]
    return {
        "title": f"Off-site restore over {RATE_MBIT} Mbit/s, {stored / 1e6:.0f} MB stored",
        "series": {one.name: one.as_dict() for one in (*ways.values(), line)},
        "ratios": {
            "pgbackrest restore / the line itself": ratio(raw_way, line),
            "our runbook / the line itself": ratio(our_way, line),
            "our runbook / pgbackrest restore": ratio(our_way, raw_way),
        },
        "stored_bytes": stored,
        "notes": ["The line's figure is a computed floor: the bytes that the repository stores, at the rate that the line is shaped to."],
    }
