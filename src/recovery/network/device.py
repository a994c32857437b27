"""A switch as the inventory describes it: where it is reached, by which account, and by which host key it is known (RCV-3, BKP-6)."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import paramiko

from recovery.network.answers import HostKeyMissingError

MANAGEMENT = ("oob", "inband")


@dataclass(frozen=True)
class Device:
    """One switch. ``address`` is the one that is used, ``addresses`` all by management path; secrets stay out of its ``repr``.

    The host key is looked up by ``key_name``, the name of the box, whatever address the box answers at: a spare that has taken over
    an address is still known as the spare.
    """

    name: str
    platform: str
    address: str
    user: str
    password: str = field(repr=False)
    host_keys: Path
    model: str = ""
    port: int = 22
    hostname: str = ""  # the name that its configuration gives it, if that is another
    enable_secret: str = field(default="", repr=False)
    proxy_command: str = ""  # as ssh's ProxyCommand: %h and %p are address and port
    addresses: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    key_name: str = ""

    @property
    def expected(self) -> str:
        """Return the host name that its configuration must have."""
        return self.hostname or self.name

    def via(self, path: str) -> Device:
        """Return the same switch by another management path (oob, inband). Raises ValueError where it has none."""
        if path not in self.addresses:
            raise ValueError(f"{self.name} has no address for the management path {path!r}, only {', '.join(self.addresses) or 'none'}.")
        return replace(self, address=self.addresses[path])

    def proxy(self) -> list[str]:
        """Return the words of the proxy command; empty without one."""
        said = self.proxy_command.replace("%h", self.address).replace("%p", str(self.port)).replace("%%", "%")
        return shlex.split(said)

    def known_key(self) -> tuple[str, list[paramiko.PKey]]:
        """Return the name under which the host key is on file, and the keys. Raises HostKeyMissingError."""
        file = _known_hosts(self.host_keys, self.host_keys.stat().st_mtime_ns) if self.host_keys.is_file() else paramiko.HostKeys()
        by_address = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        for name in (self.key_name or self.name, by_address):
            keys = file.lookup(name)
            if keys:
                return name, list(keys.values())
        raise HostKeyMissingError(f"{self.name}: {self.host_keys} holds no host key of {self.key_name or self.name} or {by_address}.")


@functools.lru_cache(maxsize=8)
def _known_hosts(path: Path, _changed: int) -> paramiko.HostKeys:
    """Read the file once for all devices, again when it has changed."""
    return paramiko.HostKeys(str(path))


def from_inventory(name: str, variables: Mapping[str, Any]) -> Device:
    """Take a switch's inventory variables. Raises ValueError, naming what is missing."""
    needed = ("network_platform", "network_addresses", "network_user", "network_password", "network_known_hosts")
    missing = [key for key in needed if not variables.get(key)]
    if missing:
        raise ValueError(f"{name}: the inventory does not say {', '.join(missing)}.")
    addresses = {path: str(address) for path, address in dict(variables["network_addresses"]).items() if address}
    chosen = str(variables.get("network_management") or next(iter(addresses)))
    if chosen not in addresses:
        raise ValueError(f"{name}: network_management is {chosen!r}, but network_addresses only has {', '.join(addresses) or 'nothing'}.")
    return Device(
        name=name,
        platform=str(variables["network_platform"]),
        address=addresses[chosen],
        user=str(variables["network_user"]),
        password=str(variables["network_password"]),
        host_keys=Path(str(variables["network_known_hosts"])),
        model=str(variables.get("network_model") or ""),
        port=int(variables.get("network_port") or 22),
        hostname=str(variables.get("network_hostname") or ""),
        enable_secret=str(variables.get("network_enable_secret") or ""),
        proxy_command=str(variables.get("network_proxy_command") or ""),
        addresses=addresses,
        encoding=str(variables.get("network_encoding") or "utf-8"),
        key_name=str(variables.get("network_key_name") or ""),
    )


def all_from(entries: Iterable[Mapping[str, Any]]) -> list[Device]:
    """Take several, as a module is given them: each with ``name`` and its inventory variables beside it."""
    return [from_inventory(str(entry["name"]), entry) for entry in entries]
