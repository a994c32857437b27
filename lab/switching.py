"""What makes a host a switch: its hardware as its command line knows it, its startup configuration, its services."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from lab import keys
from lab.plant import Switch
from lab.state import Lab
from lab.topology import Node, Topology

TARGET = "switch.target"
PROGRAMS = Path(__file__).with_name("switch")
CONFIGURATIONS = PROGRAMS / "configs"
SERVICES = PROGRAMS / "files"
IN_HOST = "usr/local/lib/switch"
STARTUP = "var/lib/switch/startup.cfg"
DEVICE = "etc/switch/device.json"
CONTROL = "var/lib/switch/control.json"
# The sample accounts of the lab; the inventory has them in its vault. They are asked beside those that the configuration names.
ACCOUNTS = ({"name": "netadmin", "password": "Lab-Net-7781"},)


def furnish(lab: Lab, topology: Topology, node: Node, root: Path) -> None:
    """Give a switch that gets power for the first time its programs, its hardware and the configuration that it was delivered with."""
    marker = lab.host_dir(node.name) / "furnished"
    if marker.exists():
        return
    plant = topology.require_plant()
    switch = plant.switch(node.name)
    package = root / IN_HOST / "lab"
    shutil.copytree(PROGRAMS, package / "switch", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "configs", "files"))
    for name in ("__init__.py", "errors.py"):
        shutil.copyfile(PROGRAMS.with_name(name), package / name)
    units = root / "etc/systemd/system"
    for source in SERVICES.iterdir():
        shutil.copyfile(source, units / source.name)
    (root / "etc/tmpfiles.d").mkdir(exist_ok=True)
    _link(root / "etc/tmpfiles.d/systemd-nologin.conf", "/dev/null")  # nobody logs in here but at the switch's own command line
    (root / "etc/switch").mkdir(exist_ok=True)
    key = root / "etc/switch/host_key"
    shutil.copyfile(keys.host_key(lab, node.name), key)
    key.chmod(0o600)
    device = root / DEVICE
    device.touch(mode=0o600)
    device.write_text(json.dumps(described(switch, plant.management["interface"]), indent=1), encoding="utf-8")
    (root / STARTUP).parent.mkdir(parents=True, exist_ok=True)
    delivered = CONFIGURATIONS / f"{node.name}.cfg"
    if delivered.exists():
        shutil.copyfile(delivered, root / STARTUP)
    marker.touch()


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def described(switch: Switch, management: str) -> dict[str, Any]:
    """Return a switch's hardware as ``lab.switch.device`` wants it."""
    return {
        "name": switch.name,
        "platform": switch.platform,
        "model": switch.model,
        "serial": switch.serial,
        "mac": switch.mac,
        "ports": [
            {
                "name": socket.name,
                "interface": socket.interface,
                "speed": socket.speed_mbps,
                "media": _media(socket.media, socket.optic),
                "poe": socket.poe,
            }
            for socket in switch.sockets.values()
        ],
        "management": {"name": switch.management, "interface": management, "speed": 1000, "media": "copper"},
        "accounts": list(ACCOUNTS),
        "backend": "ovs",
        "listen": [{"address": "", "port": 22}],
        "host_key": "/etc/switch/host_key",
        "startup": f"/{STARTUP}",
        "control": f"/{CONTROL}",
    }


def _media(media: str, optic: str) -> str:
    if media == "copper" or optic.endswith("BASE-T"):
        return "copper"
    return "fibre" if optic else "cage"
