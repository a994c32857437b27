"""A cut fibre: how long both ends take to be reconfigured, beside raw netmiko, and how long the ward waits once the cord is in.

``python -m benchmarks.fibre LINES.json`` is one run of the raw script: stock netmiko sends the same lines, one end after the other.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.measure import BIN, PROJECT, BenchmarkError, Series, ratio, run, say

NAME = "bench-fibre"
REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
AIM_S = 0.5
LEFT_OUT = ("lis-db", "pacs", "his-db-2", "drill-1", "backup-offsite", "core-s", "acc-s", "acc-1", "acc-3", "acc-4")
BROKEN, WARD = "acc-2-e1", "emergency-1"
LOG = "/var/log/his-client/acknowledged.jsonl"


def raw(path: Path) -> None:
    """Send the lines with stock netmiko, as a script of an evening would."""
    from netmiko import ConnectHandler

    for end in json.loads(path.read_text(encoding="utf-8")):
        login = {key: end[key] for key in ("device_type", "host", "username", "password", "alt_key_file")}
        with ConnectHandler(**login, ssh_strict=True, system_host_keys=False, alt_host_keys=True) as connection:
            if end["commit"]:
                connection.send_config_set(end["lines"], exit_config_mode=False)
                connection.commit()
            else:
                connection.send_config_set(end["lines"])


class Backbone:
    """A lab with a backbone, its record in a directory of its own, and the package under test beside it."""

    def __init__(self, scratch: Path) -> None:
        """Boot it, and let the ward work."""
        from lab.state import Lab

        self.scratch = scratch
        self.environment = {**os.environ, "LAB_NAME": NAME, "RECOVERY_INCIDENTS": str(scratch / "incidents")}
        self.command("up", "--scale", "small", *(word for host in LEFT_OUT for word in ("--without", host)))
        self.command("workload", "start", "--rate", "10")
        self.lab = Lab.named(NAME)
        self.plant = scratch / "plant"
        shutil.copytree(PROJECT / "inventories" / "lab" / "plant", self.plant)
        who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "The record"]):
            subprocess.run(["git", "-C", str(self.plant), *words], check=True)
        self.inside = ["nsenter", f"--net=/run/netns/lab.{NAME}.control"]
        self.devices = {name: self._device(name, *about) for name, about in self._switches().items()}

    @staticmethod
    def _switches() -> dict[str, tuple[str, str]]:
        return {"core-a": ("huawei_vrpv8", "10.20.99.11"), "acc-2": ("hp_comware", "10.20.99.32")}

    def _device(self, name: str, platform: str, address: str) -> Any:
        from lab.switching import ACCOUNTS
        from recovery.network.device import Device

        account = ACCOUNTS[0]
        return Device(
            name=name,
            platform=platform,
            address=address,
            user=account["name"],
            password=account["password"],
            host_keys=self.lab.root / "known_hosts",
            proxy_command=" ".join([*self.inside, "nc", "%h", "%p"]),
        )

    def command(self, *words: str) -> None:
        """Run the command `lab`."""
        run([str(BIN / "lab"), *words], self.environment, 600)

    def acknowledged(self) -> list[float]:
        """Return when the ward saw transactions acknowledged, in seconds since the epoch."""
        done = subprocess.run(
            [str(BIN / "lab"), "exec", WARD, "--", "tail", "-n", "400", LOG], env=self.environment, capture_output=True, check=True
        )
        rows = [json.loads(line) for line in done.stdout.splitlines()[1:] if line.startswith(b"{")]
        return sorted(datetime.datetime.fromisoformat(row["done"]).timestamp() for row in rows if row["ok"])

    def first_after(self, moment: float) -> float:
        """Return when the ward's first transaction after a moment was acknowledged."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if later := [at for at in self.acknowledged() if at > moment]:
                return later[0]
            time.sleep(0.5)
        raise BenchmarkError(f"{WARD} had nothing acknowledged for 60 s after the patch.")

    def gap_around(self, since: float) -> float:
        """Return the longest time between two acknowledgements of the ward since a moment."""
        self.first_after(time.time() + 1)
        seen = [at for at in self.acknowledged() if at > since - 1]
        return max(later - earlier for earlier, later in pairwise(seen))


def _round(bench: Backbone, series: dict[str, Series], number: int) -> None:
    from lab import fibres, hospital
    from recovery.database.shell import Procedure
    from recovery.network import fibre_run, fibre_state
    from recovery.network.fibre_assess import Request, assess

    incidents = bench.scratch / "incidents"
    bench.command("break", "fibre-cut", BROKEN)
    found = assess(Request(bench.plant, bench.devices, "swap", limit=["acc-2"], sample_s=0), incidents, datetime.datetime.now(datetime.UTC))
    if found.record is None:
        raise BenchmarkError("; ".join(finding.message for finding in found.findings))
    fibre_state.write(incidents, found.record)
    work = fibre_run.Work(bench.plant, bench.devices, found.decision, incidents, f"bench-{number}", "bench", Procedure())
    fibre_run.keep(work)
    began = time.monotonic()
    fibre_run.move(work)
    series["ours"].seconds.append(round(time.monotonic() - began, 3))
    far, near = (step["action"] for step in found.decision["steps"])
    with hospital.changing(bench.lab, 60):
        fibres.patch(bench.lab, bench.lab.topology(), far["pair"], None, far["end"])
        topology = bench.lab.topology()
        plugged = time.time()
        fibres.patch(bench.lab, topology, near["pair"], near["end"], None)
        series["plug"].seconds.append(round(time.time() - plugged, 3))
    series["patch"].seconds.append(round(bench.first_after(plugged) - plugged, 3))
    bench.command("repair", "fibre-cut", BROKEN)
    since = time.time()
    fibre_run.back(work)
    series["change"].seconds.append(round(bench.gap_around(since), 3))
    _raw_round(bench, work, series)
    with hospital.changing(bench.lab, 60):
        fibres.patch(bench.lab, bench.lab.topology(), far["pair"], "", "")


def _raw_round(bench: Backbone, work: Any, series: dict[str, Series]) -> None:
    """Send the same lines with netmiko, then put everything back."""
    from recovery.network import fibre_run, fibre_state

    lines = work.decision["lines"]
    ends = [
        {
            "device_type": device.platform,
            "host": device.address,
            "username": device.user,
            "password": device.password,
            "alt_key_file": str(device.host_keys),
            "commit": device.platform == "huawei_vrpv8",
            "lines": [*lines[name]["close"], *lines[name]["carry"]],
        }
        for name, device in bench.devices.items()
    ]
    path = bench.scratch / "lines.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(ends), encoding="utf-8")
    from recovery.network.fibre_assess import Request, assess

    found = assess(
        Request(bench.plant, bench.devices, "swap", segment=work.decision["segment"], sample_s=0),
        bench.scratch / "incidents",
        datetime.datetime.now(datetime.UTC),
    )
    if found.record is None:
        raise BenchmarkError("; ".join(finding.message for finding in found.findings))
    series["raw"].seconds.append(
        round(run([*bench.inside, sys.executable, "-m", "benchmarks.fibre", str(path)], bench.environment, 300)[0], 3)
    )
    fibre_state.write(bench.scratch / "incidents", found.record)
    fibre_run.back(work)


def measure(repeats: int = REPEATS) -> dict[str, Any]:
    """Cut a fibre, move its segment, plug the spare in, and move it back, round after round."""
    series = {
        "ours": Series("both ends reconfigured and read back, logins included (ours)"),
        "raw": Series("the same lines by netmiko, one end after the other (raw)"),
        "patch": Series("ward: from the hand at the plug to the first acknowledged transaction"),
        "plug": Series("of it: the lab's hand plugging the cord in"),
        "change": Series("ward: longest pause when both ends change over while both pairs are plugged"),
    }
    with tempfile.TemporaryDirectory(prefix="bench-fibre-") as scratch:
        try:
            bench = Backbone(Path(scratch))
            for number in range(repeats):
                _round(bench, series, number)
                said = ", ".join(f"{name} {one.seconds[-1]:.2f} s" for name, one in series.items())
                say(f"    {number + 1}/{repeats}  {said}")
        finally:
            run([str(BIN / "lab"), "down"], {**os.environ, "LAB_NAME": NAME}, 300)
    aim = Series("aim")
    aim.seconds = [AIM_S] * len(series["patch"].seconds)
    return {
        "title": "A cut fibre: the spare pair takes over",
        "series": {one.name: one.as_dict() for one in series.values()},
        "ratios": {
            "both ends, ours / raw netmiko": round(ratio(series["ours"], series["raw"]), 2),
            "gap, the hand's time included / aim of 0.5 s": round(ratio(series["patch"], aim), 2),
        },
        "aims": {"both ends, ours / raw netmiko": 1.3, "gap, the hand's time included / aim of 0.5 s": 1.0},
        "notes": [
            "The ward tries again every 0.15 s: its pause is measured to that.",
            "The aim counts from the cord being in; the hand's own time is in the figure.",
            "Ours logs in at both ends at once, shuts both old ports before a new one carries, and reads both configurations back.",
        ],
    }


if __name__ == "__main__":
    raw(Path(sys.argv[1]))
