"""Stock netmiko at the lab's switches, from where the administrator sits: what they show is read by nobody of ours."""

from __future__ import annotations

import os
from pathlib import Path

import paramiko
from netmiko import BaseConnection, ConnectHandler

import lab.plant
from lab.switching import ACCOUNTS

STATE = Path(os.environ.get("LAB_STATE_ROOT") or "/var/lib/recovery-lab")


def login(name: str, switch: str) -> BaseConnection:
    """Log in to a switch of a lab, with the host key that the lab wrote down."""
    found = lab.plant.load().switch(switch)
    address = found.oob.partition("/")[0]
    return ConnectHandler(
        device_type=found.platform,
        host=address,
        username=ACCOUNTS[0]["name"],
        password=ACCOUNTS[0]["password"],
        sock=paramiko.ProxyCommand(f"nsenter --net=/run/netns/lab.{name}.control nc {address} 22"),
        ssh_strict=True,
        system_host_keys=False,
        alt_host_keys=True,
        alt_key_file=str(STATE / name / "known_hosts"),
        conn_timeout=30,
        auth_timeout=30,
        banner_timeout=30,
    )


def show(name: str, switch: str, command: str) -> str:
    """Return what a switch answers to a command."""
    with login(name, switch) as session:
        return str(session.send_command(command, read_timeout=30))
