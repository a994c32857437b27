"""Switches in memory for benchmarks: one process on loopback, and each of them as the package knows it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import PROJECT, BenchmarkError

NEW = {"cisco_ios": "Switch", "ruijie_os": "Ruijie", "hp_comware": "H3C"}
"""What a switch calls itself as it leaves the factory; all others: HUAWEI."""


@contextmanager
def served(count: int, directory: Path, *more: str, platform: str = "mixed") -> Iterator[list[dict[str, Any]]]:
    """Let so many factory-new switches listen; yield what a client needs to know of each."""
    command = [sys.executable, "-m", "lab.switch.fleet", "--count", str(count), "--platform", platform, "--directory", str(directory)]
    fleet = subprocess.Popen([*command, *more], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        lines = iter(fleet.stdout or ())
        head = json.loads(next(lines, "{}"))
        rows = [json.loads(next(lines)) | {"known_hosts": head["known_hosts"]} for _ in range(head.get("count", 0))]
        if len(rows) != count:
            raise BenchmarkError(f"Only {len(rows)} of {count} switches came up.")
        yield rows
    finally:
        fleet.terminate()
        fleet.wait(30)


def device(row: dict[str, Any]) -> Any:
    """Return a switch of the fleet as the package knows it."""
    from recovery.network.device import Device

    return Device(
        name=row["name"],
        platform=row["platform"],
        address=row["address"],
        port=row["port"],
        user=row["user"],
        password=row["password"],
        enable_secret=row["secret"],
        host_keys=Path(row["known_hosts"]),
        hostname=NEW.get(row["platform"], "HUAWEI"),
    )
