"""Run the benchmarks and write their results: ``python -m benchmarks.run [PART ...]``.

Everything is measured in one run, so that the ratios belong to one machine in one mood.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from benchmarks import archive, boot, damage, fibre, frame, offsite, patient, promote, restore, switch_failover
from benchmarks.measure import PROJECT, BenchmarkError, machine, say

RESULTS = PROJECT / "benchmarks" / "results"
PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "frame": frame.measure,
    "boot": boot.measure,
    "restore": restore.measure,
    "restore-large": restore.large,
    "offsite": offsite.measure,
    "promote": promote.measure,
    "patient": patient.measure,
    "damage": damage.measure,
    "archive": archive.measure,
    "switch-failover": switch_failover.measure,
    "fibre": fibre.measure,
}


def commit() -> str:
    """Return the version that was measured, marked if the tree held changes."""
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def markdown(result: dict[str, Any]) -> str:
    """Put the result into tables that a person reads."""
    here = result["machine"]
    lines = [
        f"# Benchmarks of {result['at'][:10]}",
        "",
        f"{here['cpu']}, {here['cores']} cores, {here['memory_mb'] // 1024} GB, {here['system']}, kernel {here['kernel']}; "
        f"version {result['version']}; load before the start {here['load_before']}.",
        "Medians; in brackets the least and the most. Ratios are taken round by round within this run.",
    ]
    for part in result["parts"].values():
        lines += ["", f"## {part['title']}", "", "| what | seconds |", "|---|---|"]
        for name, one in part["series"].items():
            lines.append(f"| {name} | {one['median']:.2f} ({one['least']:.2f} to {one['most']:.2f}, n={len(one['seconds'])}) |")
        lines += ["", "| ratio | measured | aim |", "|---|---|---|"]
        for name, value in part["ratios"].items():
            aim = part.get("aims", {}).get(name)
            lines.append(f"| {name} | {value:.2f} | {'' if aim is None else f'at most {aim:.2f}'} |")
        lines += ["", *(f"{note}" for note in part.get("notes", []))]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Measure what is wanted, write JSON and Markdown, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}; all of them without this")
    wanted = parser.parse_args().parts or list(PARTS)
    if os.geteuid() != 0 and set(wanted) != {"frame"}:
        say("Benchmarks of the lab need root: run them as root, or only `frame`.")
        return 77
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what ends this ends what it started
    now = datetime.now(UTC)
    result: dict[str, Any] = {"at": now.isoformat(timespec="seconds"), "version": commit(), "machine": machine(), "parts": {}}
    base = RESULTS / now.strftime("%Y-%m-%d-%H%M")
    failed = False
    for name in wanted:
        say(f"== {name}")
        try:
            result["parts"][name] = PARTS[name]()
        except (BenchmarkError, OSError, subprocess.SubprocessError) as error:
            say(f"  FAILED {name}: {error}")
            failed = True
            continue
        # After each part: one that ends badly does not take the others' figures with it.
        RESULTS.mkdir(parents=True, exist_ok=True)
        base.with_suffix(".json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        base.with_suffix(".md").write_text(markdown(result), encoding="utf-8")
    if not result["parts"]:
        return 1
    say("")
    say(markdown(result))
    say(f"Written: {base.relative_to(PROJECT)}.json and .md")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
