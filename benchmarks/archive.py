"""Keeping the configurations of many switches: ours against Nornir with netmiko, and what one more switch costs.

Both log in, read running and startup configuration and the running one again, with as many threads. Ours proves every one complete,
takes its secrets out and commits it; Nornir's writes files. ``python -m benchmarks.archive ours|nornir SWITCHES DIRECTORY`` is one
measured run.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import fleet
from benchmarks.measure import PROJECT, BenchmarkError, Series, interleaved, ratio, run, say

SIZES = {10: 5, 100: 3, 500: 2}
"""How many switches, and how often each is measured."""
WORKERS = 32
FLAT = 1.3
"""One of 500 switches may cost so much of what one of 100 costs."""


def ours(switches: list[dict[str, Any]], directory: Path) -> None:
    """Fetch, prove and keep."""
    from recovery.network.archive import Archive
    from recovery.network.fetch import Fetched, each, fetch
    from recovery.network.vault import Vault

    devices = [fleet.device(row) for row in switches]
    results = each(devices, lambda device: fetch(device, tables=()), WORKERS)
    good = [one for one in results.values() if isinstance(one, Fetched) and not [f for f in one.findings if f.severity == "stop"]]
    bad = {name: one for name, one in results.items() if one not in good}
    if bad:
        raise SystemExit("\n".join(f"{name}: {one.findings if isinstance(one, Fetched) else one}" for name, one in bad.items()))
    Archive(directory / "archive", Vault(PROJECT / "bin" / "vault-password")).store(good)


def nornirs(switches: list[dict[str, Any]], directory: Path) -> None:
    """Read the same with Nornir and netmiko, host keys checked too, and write files."""
    from nornir import InitNornir
    from nornir.core.task import Result, Task

    from recovery.network.talk import talk

    checked = {"ssh_strict": True, "system_host_keys": False, "alt_host_keys": True, "alt_key_file": switches[0]["known_hosts"]}
    hosts = {
        row["name"]: {
            "hostname": row["address"],
            "port": row["port"],
            "username": row["user"],
            "password": row["password"],
            "platform": row["platform"],
            "connection_options": {"netmiko": {"extras": {**checked, "secret": row["secret"]}}},
        }
        for row in switches
    }
    (directory / "hosts.yaml").write_text(json.dumps(hosts))
    for name in ("groups.yaml", "defaults.yaml"):
        (directory / name).write_text("{}")
    options = {"host_file": directory / "hosts.yaml", "group_file": directory / "groups.yaml", "defaults_file": directory / "defaults.yaml"}
    nornir = InitNornir(
        inventory={"plugin": "SimpleInventory", "options": {key: str(path) for key, path in options.items()}},
        runner={"plugin": "threaded", "options": {"num_workers": WORKERS}},
        logging={"enabled": False},
    )

    def keep(task: Task) -> Result:
        connection = task.host.get_connection("netmiko", task.nornir.config)
        if task.host.platform in ("cisco_ios", "ruijie_os"):
            connection.enable()
        how = talk(str(task.host.platform))
        for name, command in (("running", how.running), ("startup", how.startup), ("again", how.running)):
            (directory / f"{task.host.name}.{name}").write_text(connection.send_command(command, read_timeout=60))
        connection.disconnect()
        return Result(host=task.host)

    done = nornir.run(task=keep)
    if done.failed:
        raise SystemExit(f"nornir failed at {', '.join(done.failed_hosts)}")


def once(which: str, switches: Path, directory: Path) -> float:
    """Measure one run, as a whole process into an empty directory."""
    with tempfile.TemporaryDirectory(dir=directory) as place:
        return run([sys.executable, "-m", "benchmarks.archive", which, str(switches), place], timeout=1800)[0]


def measure(sizes: dict[int, int] | None = None) -> dict[str, Any]:
    """Return the seconds of each way and size, and what one more switch costs."""
    if importlib.util.find_spec("nornir_netmiko") is None:
        raise BenchmarkError("Nornir is not installed: .venv/bin/pip install -e '.[bench]'")
    series: dict[str, Series] = {}
    for count, repeats in (sizes or SIZES).items():
        with tempfile.TemporaryDirectory(prefix="bench-archive-") as scratch:
            directory = Path(scratch)
            with fleet.served(count, directory, "--ports", "24") as rows:
                switches = directory / "switches.json"
                switches.write_text(json.dumps(rows))
                say(f"  {count} switches")
                series |= interleaved(
                    {
                        f"ours, {count} switches": lambda switches=switches, directory=directory: once("ours", switches, directory),
                        f"Nornir + netmiko, {count} switches": lambda switches=switches, directory=directory: once(
                            "nornir", switches, directory
                        ),
                    },
                    repeats,
                )
    counts = list(sizes or SIZES)
    ratios = {
        f"ours / Nornir, {count}": ratio(series[f"ours, {count} switches"], series[f"Nornir + netmiko, {count} switches"])
        for count in counts
    }
    per = {count: series[f"ours, {count} switches"].median / count for count in counts}
    few, many = counts[-2], counts[-1]
    ratios[f"per switch, {many} / {few}"] = round(per[many] / per[few], 3)
    return {
        "title": "Archive of the switches",
        "series": {name: one.as_dict() for name, one in series.items()},
        "ratios": ratios,
        "aims": {f"per switch, {many} / {few}": FLAT, f"ours / Nornir, {many}": 1.0},
        "notes": [f"Switches in memory on this machine, in one process; {WORKERS} threads. Per switch: {_told(per)}."],
    }


def _told(per: dict[int, float]) -> str:
    return ", ".join(f"{1000 * seconds:.0f} ms of {count}" for count, seconds in per.items())


if __name__ == "__main__":
    chosen = {"ours": ours, "nornir": nornirs}[sys.argv[1]]
    chosen(json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]))
