"""A spare of 48 ports takes over a configuration: ours, a raw netmiko script with the same lines, and one Ansible task a port.

Each way is a whole process against a factory-new switch on loopback (``lab.switch.fleet``). Ours reads what the spare holds, sends the
difference with every answer checked, reads it back, compares and saves; the script sends and saves; the collection's tasks are those
that a playbook over a list of ports would hold. One run: ``python -m benchmarks.switch_failover ours|script|tasks SWITCH.json DIRECTORY``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks import fleet
from benchmarks.measure import BIN, BenchmarkError, Series, interleaved, ratio, run

REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
VLANS = (20, 21, 22, 23, 24)
ALONE = "cisco_ios"
"""The only one of our platforms with a collection of its own that is still kept."""
PLATFORMS = ("huawei", ALONE)


def wanted(have: Any) -> Any:
    """Return what the spare shall hold: five VLANs, 48 ports of workstations with names, edge and guard, uplinks as trunks."""
    from recovery.network.model import PortStp, Vlan

    ports = {}
    for number, (name, port) in enumerate(have.ports.items()):
        if number < 48:
            room = f"Room {number // 4 + 1:02} socket {number % 4 + 1}"
            ports[name] = replace(port, description=room, mode="access", access_vlan=VLANS[number % len(VLANS)], stp=PortStp(edge=True))
        else:
            ports[name] = replace(port, description="Uplink", mode="trunk", allowed_vlans=frozenset(VLANS))
    vlans = {**have.vlans, **{number: Vlan(number, f"area-{number}") for number in VLANS}}
    return replace(have, vlans=vlans, ports=ports)


def lines_for(row: dict[str, Any]) -> list[str]:
    """Return the lines of the change, as ours would send them."""
    from recovery.network import change
    from recovery.network.failover_driver import own
    from recovery.network.session import Session

    device = fleet.device(row)
    with Session(device) as session:
        have = own(device, session)
    return change.lines(device.platform, change.difference(have, wanted(have)))


def ours(row: dict[str, Any], _: Path) -> None:
    """Difference, one session, every answer checked, read back, compared, saved."""
    from recovery.network.failover_driver import make, own
    from recovery.network.session import Session

    device = fleet.device(row)
    with Session(device) as session:
        want = wanted(own(device, session))
    sent = make(device, want, last=False)
    if not sent.lines or not sent.clean:
        raise SystemExit(f"not what was wanted: {sent.left}")
    with Session(device) as session:
        session.save()


def script(row: dict[str, Any], directory: Path) -> None:
    """What somebody writes with netmiko in an hour: the same lines, wrong ones noticed, saved."""
    from netmiko import ConnectHandler

    connection = ConnectHandler(
        device_type=row["platform"], host=row["address"], port=row["port"], username=row["user"], password=row["password"],
        secret=row["secret"], ssh_strict=True, system_host_keys=False, alt_host_keys=True, alt_key_file=row["known_hosts"],
    )  # fmt: skip
    if row["secret"]:
        connection.enable()
    lines = json.loads((directory / "lines.json").read_text())
    connection.send_config_set(lines, error_pattern=r"% Invalid|Error:", read_timeout=120)
    connection.save_config()
    connection.disconnect()


def tasks(row: dict[str, Any], directory: Path) -> None:
    """One task a port, with the vendor's collection."""
    blocks: list[list[str]] = []
    for line in json.loads((directory / "lines.json").read_text()):
        if line.startswith(("interface", "vlan")):
            blocks.append([])
        if blocks and line != "exit":
            blocks[-1].append(line.strip())
    play = {
        "name": "A spare is configured port by port",
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"name": block[0], "cisco.ios.ios_config": {"parents": block[0], "lines": block[1:]}} for block in blocks if len(block) > 1
        ]
        + [{"name": "Save", "cisco.ios.ios_config": {"save_when": "always"}}],
    }
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    variables = {
        "ansible_host": row["address"], "ansible_port": row["port"], "ansible_user": row["user"], "ansible_password": row["password"],
        "ansible_connection": "ansible.netcommon.network_cli", "ansible_network_os": "cisco.ios.ios", "ansible_become": True,
        "ansible_become_method": "enable", "ansible_become_password": row["secret"], "ansible_network_cli_ssh_type": "paramiko",

    }  # fmt: skip
    (directory / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {row["name"]: variables}}}))
    (directory / ".ssh").mkdir()
    (directory / ".ssh" / "known_hosts").write_text(Path(row["known_hosts"]).read_text())
    (directory / "ansible.cfg").write_text("[defaults]\nforks = 5\n")
    environment = {"ANSIBLE_CONFIG": str(directory / "ansible.cfg"), "HOME": str(directory)}
    run([str(BIN / "ansible-playbook"), "-i", str(directory / "inventory.yml"), str(directory / "play.yml")], environment)


WAYS: dict[str, Callable[[dict[str, Any], Path], None]] = {"ours": ours, "script": script, "tasks": tasks}


def once(way: str, platform: str) -> float:
    """Measure one run, as a whole process, against a switch that nobody has configured yet; then see that it holds the lines."""
    with tempfile.TemporaryDirectory(prefix="bench-switch-") as scratch:
        directory = Path(scratch)
        with fleet.served(1, directory, platform=platform) as (row,):
            (directory / "switch.json").write_text(json.dumps(row))
            (directory / "lines.json").write_text(json.dumps(lines_for(row)))
            command = [sys.executable, "-m", "benchmarks.switch_failover", way, str(directory / "switch.json"), scratch]
            took, _ = run(command, timeout=1800)
            if left := lines_for(row):
                raise BenchmarkError(f"{way} on {platform} left {len(left)} lines undone, such as {left[:3]}")
            return took


def measure(repeats: int = REPEATS) -> dict[str, Any]:
    """Return the seconds of each way on each platform."""
    names = {way: {platform: f"{title}, {platform}" for platform in PLATFORMS} for way, title in TITLES.items()}
    chosen = [(way, platform) for platform in PLATFORMS for way in WAYS if way != "tasks" or platform == ALONE]
    series: dict[str, Series] = interleaved({names[w][p]: lambda w=w, p=p: once(w, p) for w, p in chosen}, repeats)
    ratios = {f"ours / netmiko script, {p}": ratio(series[names["ours"][p]], series[names["script"][p]]) for p in PLATFORMS}
    ahead = f"one task a port / ours, {ALONE}"
    ratios[ahead] = ratio(series[names["tasks"][ALONE]], series[names["ours"][ALONE]])
    return {
        "title": "A spare of 48 ports is configured",
        "series": {name: one.as_dict() for name, one in series.items()},
        "ratios": ratios,
        "aims": {f"ours / netmiko script, {p}": 1.3 for p in PLATFORMS},
        "notes": [
            f"The aim for `{ahead}` is at least 5. A real switch adds seconds to a login and tens of milliseconds to a line, for all alike."
        ],
    }


TITLES = {"ours": "ours", "script": "netmiko script", "tasks": "one task a port"}

if __name__ == "__main__":
    WAYS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]))
