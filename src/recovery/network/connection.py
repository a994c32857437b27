"""The connection under a session: netmiko's, with known host keys only, one try per account, and a socket of our own making.

The socket is ours so that a host key is looked up by the switch's name and not by its address, and so that a proxy command (a jump
host, a network namespace) is a real socket, which paramiko waits on instead of polling.
"""

from __future__ import annotations

import logging
import socket
import subprocess
from typing import Any

import paramiko
from netmiko.base_connection import BaseConnection
from netmiko.exceptions import NetmikoBaseException
from netmiko.ssh_dispatcher import CLASS_MAPPER

from recovery.network.answers import HostKeyChangedError, SwitchError, UnreachableError, WrongCredentialsError
from recovery.network.device import Device

CONNECT_S = 8.0
"""How long a switch may take to answer at all; a login on a slow one may take twice that."""
# Both write what they see into the log of whoever turned it on, secrets of the configuration too.
for _name in ("paramiko", "netmiko"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class _Known:
    """What is different from netmiko's own drivers: keys from our file alone, and no waiting at login; the session prepares itself."""

    known: tuple[str, list[paramiko.PKey]]

    def _build_ssh_client(self) -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        name, keys = self.known
        for key in keys:
            client.get_host_keys().add(name, key.get_name(), key)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        return client

    def session_preparation(self) -> None:
        """Leave it to the session, which knows the platform's prompts."""

    def special_login_handler(self, delay_factor: float = 1.0) -> None:
        """Leave it to the session."""

    def _try_session_preparation(self, force_data: bool = True) -> None:
        """Leave it to the session."""

    def cleanup(self, command: str = "") -> None:
        """Hang up; the session has left every view before."""


class Line:
    """An open connection. ``driver`` is netmiko's; ``close`` ends it and what it was led through."""

    def __init__(self, device: Device, connect_s: float = CONNECT_S) -> None:
        """Connect and log in, once; ``connect_s``: how long it may take to answer at all. Raises SwitchError."""
        known = device.known_key()
        self._proxy: subprocess.Popen[bytes] | None = None
        sock = self._socket(device, connect_s)
        base = CLASS_MAPPER[device.platform]
        kind = type(f"Known{base.__name__}", (_Known, base), {"known": known})
        try:
            self.driver: BaseConnection = kind(
                **self._parameters(device, known[0], sock, connect_s),
            )
        except (NetmikoBaseException, paramiko.SSHException, OSError, EOFError) as error:
            self._hang_up(sock)
            raise self._meaning(device, error) from error
        self.channel: Any = self.driver.remote_conn

    @staticmethod
    def _parameters(device: Device, known_name: str, sock: socket.socket, connect_s: float) -> dict[str, Any]:
        port = 22 if known_name == (device.key_name or device.name) else device.port
        return {
            "device_type": device.platform,
            "host": device.address if known_name.startswith("[") else known_name,
            "port": port,
            "username": device.user,
            "password": device.password,
            "secret": device.enable_secret,
            "sock": sock,
            "ssh_strict": True,
            "system_host_keys": False,
            "alt_host_keys": True,
            "alt_key_file": str(device.host_keys),
            "use_keys": False,
            "allow_agent": False,
            "conn_timeout": connect_s,
            "banner_timeout": connect_s,
            "auth_timeout": 2 * connect_s,
            "encoding": device.encoding,
        }

    def _socket(self, device: Device, connect_s: float) -> socket.socket:
        try:
            words = device.proxy()
            if not words:
                return socket.create_connection((device.address, device.port), timeout=connect_s)
            ours, theirs = socket.socketpair()
            with theirs:
                self._proxy = subprocess.Popen(
                    words, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL, start_new_session=True
                )
            ours.settimeout(connect_s)
            return ours
        except OSError as error:
            raise UnreachableError(f"{device.name} cannot be reached at {device.address}: {error.strerror or error}.") from error

    @staticmethod
    def _meaning(device: Device, error: BaseException) -> SwitchError:
        """Say what really happened: netmiko turns most of it into a timeout."""
        cause: BaseException = error
        while type(cause).__module__.startswith("netmiko") and cause.__context__:
            cause = cause.__context__
        if isinstance(cause, paramiko.BadHostKeyException):
            expected, got = cause.expected_key.fingerprint, cause.key.fingerprint
            return HostKeyChangedError(
                f"{device.name} at {device.address} shows the host key {got}, on file is {expected}. Nothing was sent."
            )
        if isinstance(cause, paramiko.AuthenticationException):
            return WrongCredentialsError(f"{device.name} at {device.address} refused the account {device.user}.")
        if "not found in known_hosts" in str(cause):
            return HostKeyChangedError(
                f"{device.name} at {device.address} shows a host key of another kind than the one on file. Nothing was sent."
            )
        return UnreachableError(f"{device.name} cannot be reached at {device.address}: {str(cause).strip() or type(cause).__name__}.")

    def _hang_up(self, sock: socket.socket | None = None) -> None:
        if sock is not None:
            sock.close()
        if self._proxy is not None:
            self._proxy.terminate()
            try:
                self._proxy.wait(2)
            except subprocess.TimeoutExpired:
                self._proxy.kill()
                self._proxy.wait()
            self._proxy = None

    def close(self) -> None:
        """End the connection; doing it twice does nothing."""
        self.driver.disconnect()
        self._hang_up()
