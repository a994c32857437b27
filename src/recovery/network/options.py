"""The options that modules about switches share, and how such a module takes up its package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from recovery.network.answers import SwitchError
from recovery.network.device import Device, from_inventory

# One switch, as the inventory's `network_switch` describes it.
SWITCH: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "network_platform": {"type": "str", "required": True},
    "network_model": {"type": "str", "default": ""},
    "network_addresses": {"type": "dict", "required": True},
    "network_management": {"type": "str", "default": ""},
    "network_port": {"type": "int", "default": 22},
    "network_user": {"type": "str", "required": True},
    "network_password": {"type": "str", "required": True, "no_log": True},
    "network_enable_secret": {"type": "str", "default": "", "no_log": True},
    "network_known_hosts": {"type": "path", "required": True},
    "network_key_name": {"type": "str", "default": "", "no_log": False},
    "network_hostname": {"type": "str", "default": ""},
    "network_proxy_command": {"type": "str", "default": ""},
    "network_encoding": {"type": "str", "default": "utf-8"},
}
SWITCHES: dict[str, Any] = {"switches": {"type": "list", "elements": "dict", "required": True, "options": SWITCH}}


def devices(entries: Iterable[Mapping[str, Any]]) -> list[Device]:
    """Take the switches that a module was given. Raises SwitchError, naming what is missing or twice there."""
    try:
        found = [from_inventory(str(entry["name"]), entry) for entry in entries]
    except ValueError as error:
        raise SwitchError(str(error), remedy="Complete the switch's variables in the inventory.") from error
    names = [device.name for device in found]
    if len(set(names)) != len(names):
        raise SwitchError(f"A switch is named twice: {', '.join(sorted({name for name in names if names.count(name) > 1}))}.")
    return found
