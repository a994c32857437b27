"""Measuring: interleaved repeats, medians, and the machine that the figures belong to."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
BIN = PROJECT / ".venv" / "bin"


class BenchmarkError(Exception):
    """A measured command failed: its figure would mean nothing."""


def say(line: str) -> None:
    """Print progress at once."""
    print(line, flush=True)


def run(command: list[str], environment: Mapping[str, str] | None = None, timeout: float = 900) -> tuple[float, str]:
    """Run a command; return how long it took in seconds and what it printed. A failure is an error, never a figure."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
    )
    took = time.monotonic() - started
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(command)} ended with {done.returncode}:\n{text[-3000:]}")
    return took, text


@dataclass
class Series:
    """The repeats of one measured thing; seconds."""

    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the repeats."""
        return statistics.median(self.seconds)

    def as_dict(self) -> dict[str, Any]:
        """Return every repeat with its median and spread, so that a reader sees the noise."""
        return {
            **asdict(self),
            "median": round(self.median, 3),
            "least": round(min(self.seconds), 3),
            "most": round(max(self.seconds), 3),
        }


def interleaved(things: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, Series]:
    """Measure several things in turn, round after round, so that a slow minute of the machine hits all of them.

    The order turns with every round: whoever comes second after a pause gains nothing by it. Each callable returns its seconds.
    """
    series = {name: Series(name) for name in things}
    names = list(things)
    for number in range(repeats):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            took = things[name]()
            series[name].seconds.append(round(took, 4))
            say(f"    {number + 1}/{repeats}  {name:<34} {took:8.2f} s")
    return series


def ratio(one: Series, other: Series) -> float:
    """Return the median of the ratios round by round: steadier than the ratio of medians on a noisy machine."""
    pairs = zip(one.seconds, other.seconds, strict=True)
    return round(statistics.median(a / b for a, b in pairs), 3)


def machine() -> dict[str, Any]:
    """Describe the machine: figures without it are worth nothing."""
    model = next((line.split(":", 1)[1].strip() for line in lines("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = next((int(line.split()[1]) // 1024 for line in lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    pretty = next((line.split("=", 1)[1].strip('"') for line in lines("/etc/os-release") if line.startswith("PRETTY_NAME")), "")
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": memory,
        "system": pretty,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def lines(path: str) -> list[str]:
    """Return the lines of a small file of the system."""
    return Path(path).read_text(encoding="utf-8").splitlines()
