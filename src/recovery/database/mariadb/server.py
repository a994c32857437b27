"""A MariaDB server on this host, asked with its own client program over its socket. Standard library only.

Operating system accounts are database accounts of the same name (unix_socket), so no password is kept anywhere.
"""

from __future__ import annotations

import os
import pwd
import select
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from .. import options
from ..cluster import Cluster, Health, service_active
from ..errors import RestoreError
from ..shell import CommandError, Procedure, now, run

OWNER = "mysql"
SOCKET = "/run/mysqld"
# Rows are compared as text: the same settings, whoever asks.
SETTINGS = "SET time_zone='+00:00', NAMES utf8mb4, sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"
# What says whose data these are, and which history of them: it travels with every backup.
IDENTITY = "hospital_recovery.identity"
END = "--answered--"
# A server that nobody shall reach: no network, no replication, no events of its own.
PRIVATE = ("--skip-networking", "--skip-slave-start", "--event-scheduler=OFF")


def socket_file(directory: str) -> str:
    """Return the server's socket in its directory."""
    return f"{directory}/mysqld.sock"


def server(values: Mapping[str, Any]) -> Cluster:
    """Read the inventory's description of a server (``cluster`` of a system)."""
    return options.cluster(values, port=3306)


def client(socket: str, user: str = "root") -> list[str]:
    """Return the client's command line for a socket directory."""
    return ["mariadb", "--no-defaults", f"--socket={socket_file(socket)}", f"--user={user}", "--batch", "--skip-column-names"]


def ask(query: str, *, socket: str = SOCKET, user: str = "root", timeout: float | None = 20) -> list[list[str]]:
    """Ask and return rows of text; the first error ends it with CommandError."""
    out = run([*client(socket, user), "--connect-timeout=5"], stdin=f"{SETTINGS};\n{query};\n", timeout=timeout)
    return [line.split("\t") for line in out.splitlines()]


class Session:
    """One connection that stays, for questions that must see one moment. Ends with the first error, as CommandError."""

    def __init__(self, socket: str, database: str, timeout_s: float = 3600) -> None:
        """Connect; ``timeout_s`` bounds each answer."""
        self.timeout_s = timeout_s
        self._argv = [*client(socket), "--unbuffered", "--connect-timeout=5", database]
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C.UTF-8"}
        )
        self._rest = b""
        self.ask(SETTINGS)

    def __enter__(self) -> Session:
        """Use it in a with statement."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """End the client."""
        self.close()

    def snapshot(self) -> None:
        """See only this moment from now on."""
        self.ask("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.ask("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def position(self) -> str:
        """Return the GTID of the last transaction that the snapshot sees; empty if none was logged yet."""
        status = dict(self.ask("SHOW STATUS LIKE 'binlog_snapshot_%'"))
        file, at = status.get("Binlog_snapshot_file", ""), status.get("Binlog_snapshot_position", "0")
        return self.ask(f"SELECT BINLOG_GTID_POS('{file}', {int(at)})")[0][0] if file else ""

    def ask(self, query: str) -> list[list[str]]:
        """Ask and return rows of text. ``query`` is one statement without its semicolon."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:  # pragma: no cover - both are pipes
            raise CommandError(self._argv, 1, "no pipes")
        with suppress(BrokenPipeError):
            stdin.write(f"{query}\n;\nSELECT '{END}';\n".encode())
            stdin.flush()
        lines: list[list[str]] = []
        deadline = time.monotonic() + self.timeout_s
        while True:
            line, found, rest = self._rest.partition(b"\n")
            if found:
                self._rest = rest
                if line.decode() == END:
                    return lines
                lines.append(line.decode("utf-8", "replace").split("\t"))
                continue
            if not select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self.close()
                raise CommandError(self._argv, 124, f"no answer within {self.timeout_s:g} s to: {query[:300]}")
            more = os.read(stdout.fileno(), 1 << 16)
            if not more:
                said = self._process.stderr.read().decode("utf-8", "replace") if self._process.stderr else ""
                self.close()
                raise CommandError(self._argv, self._process.returncode or 1, f"{said.strip()} (asked: {query[:300]})")
            self._rest += more

    def close(self) -> None:
        """End the client, whatever it is doing."""
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True)
class Identity:
    """Whose data these are (``system``, for ever) and which history of them (``history``, new with each restore and each rollback).

    ``parent`` is the history before it, ``left_at`` the last transaction of that one which these data have.
    """

    system: str
    history: str
    based_on: str
    since: str
    parent: str = ""
    left_at: str = ""


def begin_history(socket: str, *, parent: str, based_on: str) -> None:
    """Give the data a history of their own from here on: their logs must never be taken for the old ones."""
    ask(
        f"SET sql_log_bin = 0; UPDATE {IDENTITY} SET history = '{uuid.uuid4()}', based_on = '{based_on}', since = '{now()}',"  # noqa: S608 - our own
        f" parent = '{parent}', left_at = @@gtid_binlog_pos",
        socket=socket,
    )


def identity(socket: str = SOCKET, user: str = "root") -> Identity | None:
    """Return the identity that the server's data carry, or None if they were never prepared for backups."""
    try:
        found = ask(f"SELECT system, history, based_on, since, parent, left_at FROM {IDENTITY}", socket=socket, user=user)  # noqa: S608 - our own table
    except CommandError as error:
        if "doesn't exist" in error.output or "Unknown database" in error.output:
            return None
        raise
    return Identity(*found[0]) if found else None


def serving_pid(directory: Path) -> int | None:
    """Return the server process that works in a directory, or None. The server's working directory is its data directory."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "comm").read_text(encoding="ascii").strip() != "mariadbd":
                    continue
                works_in = str((entry / "cwd").readlink()).removesuffix(" (deleted)")
                if works_in == str(directory):
                    return int(entry.name)
    return None


def stop(directory: Path, procedure: Procedure, *, at_once: bool = False, timeout: float = 300) -> None:
    """End the server that works in a directory, in good order or at once. Raises RestoreError if it does not end."""
    pid = serving_pid(directory)
    if pid is None:
        return
    procedure.commands.append(f"kill -{'KILL' if at_once else 'TERM'} {pid}")
    os.kill(pid, signal.SIGKILL if at_once else signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while serving_pid(directory) is not None:
        if time.monotonic() > deadline:
            raise RestoreError(f"The server in {directory} does not end (process {pid}).", "server-does-not-end")
        time.sleep(0.05)


@dataclass(frozen=True)
class Private:
    """A server of its own over a data directory, which only its socket reaches: for replay, proof and rehearsal.

    ``properties`` are those of its unit; ``configured``: whether this host's own configuration of MariaDB counts for it.
    """

    directory: Path
    runtime: str
    unit: str
    properties: Mapping[str, str] = field(default_factory=dict)
    configured: bool = True

    @property
    def socket(self) -> str:
        """Return the directory of its socket."""
        return f"{self.runtime}/socket"

    @property
    def log(self) -> Path:
        """Return where it writes what it has to say."""
        return Path(self.runtime) / "server.log"

    def start(self, procedure: Procedure, *options: str) -> None:
        """Start it as a unit of its own. Raises CommandError, with the end of its log."""
        owner = pwd.getpwnam(OWNER)
        for path, mode in ((Path(self.runtime), 0o755), (Path(self.socket), 0o755)):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
            os.chown(path, owner.pw_uid, owner.pw_gid)
        self.log.unlink(missing_ok=True)
        run(["systemctl", "reset-failed", f"{self.unit}.service"], accept=(0, 1, 5))
        told = {"LimitNOFILE": "32768", "TimeoutStartSec": "600", **self.properties}
        command = ["systemd-run", f"--unit={self.unit}", f"--uid={OWNER}", f"--gid={OWNER}", "--service-type=notify", "--quiet"]
        command += [f"--property={name}={value}" for name, value in told.items()]
        command += ["/usr/sbin/mariadbd", *([] if self.configured else ["--no-defaults"])]
        command += [f"--datadir={self.directory}", f"--socket={socket_file(self.socket)}"]
        command += [f"--pid-file={self.socket}/mysqld.pid", f"--log-error={self.log}", *PRIVATE, *options]
        try:
            procedure.run(command)
        except CommandError as error:
            said = self.log.read_text(encoding="utf-8", errors="replace")[-1500:] if self.log.exists() else ""
            raise CommandError(error.argv, error.status, f"{error.output} {said}".strip()) from error

    def stop(self, procedure: Procedure) -> None:
        """End it in good order."""
        stop(self.directory, procedure)
        run(["systemctl", "stop", f"{self.unit}.service"], accept=(0, 5))


def intact(directory: Path) -> bool:
    """Return whether a data directory has what every data directory has."""
    return all((directory / part).exists() for part in ("ibdata1", "ib_logfile0", "mysql"))


def health(cluster: Cluster, heartbeat: Mapping[str, str] | None = None, socket: str = SOCKET) -> Health:
    """Look at the server without changing anything; ``heartbeat`` names the table and column of the newest known row."""
    active = service_active(cluster.service)
    newest = "NULL"
    if heartbeat:
        # Names of the inventory. The server's clock is the host's.
        newest = f"(SELECT TIMESTAMPDIFF(MICROSECOND, MAX({heartbeat['column']}), NOW(6)) / 1e6 FROM {cluster.name}.{heartbeat['table']})"  # noqa: S608
    try:
        rows = ask(f"SELECT @@read_only, {newest}", socket=socket, timeout=8)
        age = None if rows[0][1] == "NULL" else float(rows[0][1])
        return Health(active, True, rows[0][0] == "0", intact(cluster.data), 0, age)
    except CommandError as error:
        return Health(active, False, False, intact(cluster.data), 0, None, error.output[-300:])


def wait_for_answer(cluster: Cluster, socket: str = SOCKET, timeout: float = 60) -> None:
    """Wait until the server answers a question; raises RestoreError when it does not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            ask(f"SELECT 1 FROM information_schema.schemata WHERE schema_name = '{cluster.name}'", socket=socket, timeout=5)  # noqa: S608
            return
        except CommandError as error:
            if time.monotonic() > deadline:
                raise RestoreError(f"The database was started and does not answer: {error.output[-400:]}", "no-answer") from error
            time.sleep(0.05)


def configured_directory() -> str:
    """Return the data directory that this host's configuration names for its service; the program's own where it names none."""
    try:
        said = run(["my_print_defaults", "mysqld", "server", "mariadb", "mariadbd"])
    except CommandError:
        return ""
    named = [line.partition("=")[2] for line in said.splitlines() if line.replace("_", "-").startswith("--datadir=")]
    return named[-1].rstrip("/") if named else "/var/lib/mysql"


def version(words: Sequence[str] = ("mariadbd", "--version")) -> str:
    """Return the major version of the server that is installed here, such as 10.11; empty if none is."""
    try:
        said = run(list(words))
    except CommandError:
        return ""
    found = said.partition("Ver ")[2].split("-")[0].strip()
    return ".".join(found.split(".")[:2])
