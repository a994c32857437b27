"""The switched hospital, seen from outside: stock netmiko at the switches, ping and the client's own log at the workstations."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from netmiko import BaseConnection

from support import vendor_session

CONFIGS = Path(__file__).parents[2] / "lab/switch/configs"
NAME = "itest-switches"
# What these tests do not touch is not booted.
ABSENT = ("his-db-2", "lis-db", "pacs", "drill-1", "backup-offsite", "acc-3", "acc-4", "acc-s")
MOVES = {
    **{f"gateway-{area}": f"10GE1/0/{n}" for n, area in enumerate(("servers", "wards", "outpatient", "emergency"), start=1)},
    "srv-1-e1": "10GE1/0/41",
    "acc-1-e1": "10GE1/0/42",
    "acc-2-e1": "10GE1/0/43",
}


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the lab command, which must succeed."""
    done = subprocess.run(["lab", *words], env={**os.environ, "LAB_NAME": NAME}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"lab {' '.join(words)}: {done.stdout} {done.stderr}"
    return done


def console(host: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as root at a host's console, whatever its network does."""
    words = ["lab", "exec", host, "--", "sh", "-c", command]
    return subprocess.run(words, env={**os.environ, "LAB_NAME": NAME}, capture_output=True, text=True, check=False)


def answered(host: str, address: str, patience_s: float = 0, source: str = "") -> bool:
    """Tell whether a host gets through to the SSH server of an address, now or within some seconds."""
    words = ["nsenter", f"--net=/run/netns/lab.{NAME}.{host}", "nc", "-z", "-w1", *(["-s", source] if source else []), address, "22"]
    deadline = time.monotonic() + patience_s
    while subprocess.run(words, check=False, capture_output=True).returncode != 0:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.1)
    return True


def login(switch: str) -> BaseConnection:
    """Log in to a switch from where the administrator sits."""
    return vendor_session.login(NAME, switch)


def show(switch: str, command: str) -> str:
    """Return what a switch answers."""
    return vendor_session.show(NAME, switch, command)


def acknowledged(host: str) -> int:
    """Return how many transactions the workstation's own log says were acknowledged."""
    summary = json.loads(console(host, "/usr/local/bin/his-client summary").stdout)
    return sum(last - first + 1 for first, last in summary["acknowledged"])


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    """Boot the switched hospital for this module."""
    lab("down")
    without = [word for name in ABSENT for word in ("--without", name)]
    lab("up", "--scale", "small", *without)
    lab("workload", "start", "--rate", "5")
    yield
    lab("down")


def test_the_wards_work_goes_through_three_switches() -> None:
    before = acknowledged("ward-1")
    table = show("core-a", "display mac-address")
    assert [line.split()[2] for line in table.splitlines() if " 20/-" in line] != []
    assert {line.split()[2] for line in table.splitlines() if " 20/-" in line} == {"10GE1/0/2", "10GE1/0/42"}
    neighbours = show("core-a", "display lldp neighbor brief")
    assert all(name in neighbours for name in ("srv-1", "acc-1", "acc-2"))
    assert acknowledged("ward-1") > before


def test_vlans_keep_stations_apart_until_a_port_changes_its_vlan() -> None:
    stranger = {"host": "outpatient-1", "address": "10.20.20.21", "source": "10.20.20.99"}
    assert answered("outpatient-1", "10.20.20.21", 5)
    subprocess.check_call(["ip", "-n", f"lab.{NAME}.outpatient-1", "address", "add", "10.20.20.99/24", "dev", "eth0"])
    assert not answered(**stranger)
    with login("acc-1") as session:
        said = [session.send_command(line, expect_string=r"\]\s*$") for line in ("system-view", "interface GigabitEthernet0/0/25")]
        said.append(session.send_command("port default vlan 20", expect_string=r"\]\s*$"))
        assert answered(**stranger, patience_s=10)
        assert "Error" in session.send_command("port default vlan 2020", expect_string=r"\]\s*$")
        said.append(session.send_command("port default vlan 21", expect_string=r"\]\s*$"))
        assert "Error" not in "".join(said)
    assert not answered(**stranger)
    subprocess.check_call(["ip", "-n", f"lab.{NAME}.outpatient-1", "address", "del", "10.20.20.99/24", "dev", "eth0"])


def test_a_cable_is_pulled_and_plugged() -> None:
    lab("cable", "pull", "ward-1")
    assert not answered("ward-1", "10.20.10.12")
    assert "up" not in next(line for line in show("acc-1", "display interface brief").splitlines() if "GigabitEthernet0/0/1 " in line)
    lab("cable", "plug", "ward-1")
    assert answered("ward-1", "10.20.10.12", 5)


def test_a_fibre_that_is_silent_one_way_keeps_its_lights_and_carries_nothing() -> None:
    lab("fibre", "one-way", "acc-2-e1", "--way", "ab")
    link = show("acc-2", "display interface brief")
    light = show("acc-2", "display transceiver diagnosis interface Ten-GigabitEthernet1/0/25")
    far = show("core-a", "display interface 10GE1/0/43 transceiver")
    assert not answered("emergency-1", "10.20.10.12")
    assert " UP " in next(line for line in link.splitlines() if line.startswith("XGE1/0/25"))
    assert "-40.00" in light or "-36.96" in light, light
    assert "-3.8" in far, far
    lab("fibre", "repair", "acc-2-e1")
    assert answered("emergency-1", "10.20.10.12", 10)


def test_a_switch_that_hangs_keeps_its_lights_on() -> None:
    lab("switch", "hang", "acc-2")
    assert not answered("emergency-1", "10.20.10.12")
    assert "up" in next(line for line in show("core-a", "display interface brief").splitlines() if line.startswith("10GE1/0/43 "))
    lab("switch", "repair", "acc-2")
    assert answered("emergency-1", "10.20.10.12", 20)


def test_the_spare_core_takes_over_once_it_is_configured_and_the_cables_are_moved() -> None:
    lab("switch", "kill", "core-a")
    assert not answered("ward-1", "10.20.10.12")
    text = (CONFIGS / "core-a.cfg").read_text(encoding="utf-8").partition("#\ninterface MEth")
    ports = [block for block in text[2].split("#\n") if block.startswith("interface 10GE") and "shutdown" not in block]
    wanted = ["vlan batch 10 20 21 22 23 24 99", *(line for block in ports for line in block.splitlines())]
    with login("core-s") as session:
        session.send_config_set(wanted, error_pattern="Error", exit_config_mode=False)
        session.send_command("commit", expect_string=r"\[", read_timeout=30)
    for cable, port in MOVES.items():
        lab("cable", "move", cable, f"core-a:{port}", f"core-s:{port}")
    assert answered("ward-1", "10.20.10.12", 15)
    assert answered("emergency-1", "10.20.10.12", 5)
    before, deadline = acknowledged("ward-1"), time.monotonic() + 15
    while acknowledged("ward-1") <= before:
        assert time.monotonic() < deadline, "nothing was acknowledged through core-s"
        time.sleep(0.5)
    deadline = time.monotonic() + 15  # a neighbour speaks every five seconds
    while "srv-1" not in (heard := show("core-s", "display lldp neighbor brief")):
        assert time.monotonic() < deadline, heard
        time.sleep(0.5)
    log = console("core-s", "ovs-vsctl list-ports br0").stdout.split()
    assert {"xg1", "xg2", "xg41", "xg42", "xg43"} <= set(log)
