"""How one switch is described: `device.json`, read by `python3 -m lab.switch.serve`.

    {
      "name": "acc-1",                      the lab's name of the box; the host name is what its configuration says
      "platform": "huawei",                 huawei | huawei_vrpv8 | hp_comware | ruijie_os | cisco_ios
      "model": "S5735-L48P4X-A1",
      "version": "V200R021C10SPC600",       as the platform writes it; empty: the grammar's own
      "serial": "2102353ABC10N5000001",
      "mac": "52:54:00:20:00:01",           its bridge address
      "ports": [{"name": "GigabitEthernet0/0/1", "interface": "ge1", "speed": 1000, "media": "copper", "poe": true}, ...],
      "management": {"name": "MEth0/0/1", "interface": "oob0"},       may be left out: no management port
      "accounts": [{"name": "netadmin", "password": "..."}],          valid beside those of the configuration
      "enable_secret": "...",               cisco_ios, ruijie_os; empty: `enable` asks nothing
      "banner": "Authorized staff only.",   before the prompt, in the way of the platform
      "backend": "ovs",                     memory | ovs
      "listen": [{"address": "", "port": 22}],
      "host_key": "/etc/switch/host_key",   an OpenSSH private key; made if it is not there
      "startup": "/var/lib/switch/startup.cfg",   what `save` writes; if it is not there, the switch comes up as from the factory
      "control": "/run/switch/control.json",      see below; may be left out
      "limits": {"sessions": 5, "wrong_passwords": 5, "lock_s": 300}
    }

`media` is `copper`, `fibre` (a cage with its optic in it) or `cage` (an empty one); `speed` is in Mbit/s. Relative paths
begin at the directory of `device.json`.

The control file is looked at before every line that a session reads; faults write it (whole, by rename) and remove it:
`{"delay_s": 2.0, "drop_after_lines": 12, "refuse": true, "hang": true}`, see `Control`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

PLATFORMS = ("huawei", "huawei_vrpv8", "hp_comware", "ruijie_os", "cisco_ios")


class DeviceError(Exception):
    """A device description that cannot be used; the sentence says why."""


@dataclass(frozen=True)
class PortModel:
    """One socket of the box."""

    name: str
    interface: str = ""
    speed: int = 1000
    media: Literal["copper", "fibre", "cage"] = "copper"
    poe: bool = False


@dataclass(frozen=True)
class Account:
    """A local user."""

    name: str
    password: str


@dataclass(frozen=True)
class Listen:
    """Where the command line listens; an empty address is every one."""

    address: str = ""
    port: int = 22


@dataclass(frozen=True)
class Limits:
    """How many sessions at once, and when an account is locked for how long."""

    sessions: int = 5
    wrong_passwords: int = 5
    lock_s: float = 300.0


@dataclass
class Control:
    """How a session misbehaves, set while it runs."""

    delay_s: float = 0.0  # before each answer
    drop_after_lines: int | None = None  # the connection is lost after so many more lines of each session
    refuse: bool = False  # new connections are closed before the login
    hang: bool = False  # lines are read and never answered

    @classmethod
    def read(cls, path: Path | None) -> Control:
        """Read the control file; without one, or with half a one, nothing misbehaves."""
        try:
            given = json.loads(path.read_text(encoding="utf-8")) if path else {}
        except (OSError, ValueError):
            return cls()
        return cls(**{f.name: given[f.name] for f in fields(cls) if f.name in given})


@dataclass(frozen=True)
class Device:
    """A switch as it stands in the rack."""

    name: str
    platform: str
    model: str = ""
    version: str = ""
    serial: str = ""
    mac: str = "52:54:00:00:00:01"
    ports: Mapping[str, PortModel] = field(default_factory=dict)
    management: PortModel | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)
    enable_secret: str = ""
    banner: str = ""
    backend: str = "memory"
    listen: tuple[Listen, ...] = ()
    host_key: Path | None = None
    startup: Path | None = None
    control: Path | None = None
    limits: Limits = Limits()

    @classmethod
    def load(cls, path: Path) -> Device:
        """Read a description; DeviceError says what is wrong with it."""
        try:
            return cls.from_data(json.loads(path.read_text(encoding="utf-8")), path.resolve().parent)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DeviceError(
                f"{path} does not describe a switch: {type(error).__name__}: {error}. lab/switch/device.py says how one is."
            ) from error

    @classmethod
    def from_data(cls, data: Mapping[str, Any], directory: Path) -> Device:
        """Take a description as it stands in JSON; relative paths begin at the directory."""
        if data["platform"] not in PLATFORMS:
            raise ValueError(f"no platform {data['platform']!r}, only {', '.join(PLATFORMS)}")
        ports = [PortModel(**port) for port in data["ports"]]
        if len({port.name for port in ports}) != len(ports):
            raise ValueError("two ports have one name")
        paths = {key: directory / data[key] if data.get(key) else None for key in ("host_key", "startup", "control")}
        plain = {key: str(data[key]) for key in ("model", "version", "serial", "mac", "enable_secret", "banner", "backend") if key in data}
        return cls(
            name=data["name"],
            platform=data["platform"],
            ports={port.name: port for port in ports},
            management=PortModel(**data["management"]) if data.get("management") else None,
            accounts={row["name"]: row["password"] for row in data.get("accounts", [])},
            listen=tuple(Listen(**row) for row in data.get("listen", [])),
            limits=Limits(**data.get("limits", {})),
            host_key=paths["host_key"],
            startup=paths["startup"],
            control=paths["control"],
            model=plain.get("model", ""),
            version=plain.get("version", ""),
            serial=plain.get("serial", ""),
            mac=plain.get("mac", cls.mac),
            enable_secret=plain.get("enable_secret", ""),
            banner=plain.get("banner", ""),
            backend=plain.get("backend", cls.backend),
        )
