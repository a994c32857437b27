"""Look at a PostgreSQL cluster on this host, and start and stop it (Debian's postgresql-common layout). Standard library only."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import RestoreError
from .shell import CommandError, psql, run

OWNER = "postgres"


@dataclass(frozen=True)
class Cluster:
    """Where a cluster lives. ``data_directory`` is what its service starts; staging and kept-aside directories are its siblings."""

    name: str
    version: str
    data_directory: str
    config_directory: str
    service: str
    port: int = 5432

    @property
    def data(self) -> Path:
        """Return the directory that the service starts."""
        return Path(self.data_directory)

    @property
    def staging(self) -> Path:
        """Return the directory into which a backup is read; no service ever starts it."""
        return self.data.with_name(self.data.name + ".restoring")

    @property
    def state_file(self) -> Path:
        """Return the file that remembers how far a recovery came."""
        return self.data.with_name(self.data.name + ".recovery.json")

    @property
    def fence(self) -> Path:
        """Return the file whose presence keeps the service from starting."""
        return self.data.with_name(self.data.name + ".fenced")

    @property
    def binaries(self) -> Path:
        """Return the directory of the server's programs."""
        return Path(f"/usr/lib/postgresql/{self.version}/bin")

    def kept_aside(self) -> list[Path]:
        """Return the old clusters that wait for their release, oldest first."""
        return sorted(self.data.parent.glob(self.data.name + ".aside-*"))


@dataclass(frozen=True)
class Health:
    """What the running server looks like from its own host: ``serving`` means that it can be used."""

    service_active: bool
    answers: bool
    writable: bool
    intact: bool
    checksum_failures: int
    last_commit_age_s: float | None
    said: str = ""

    @property
    def serving(self) -> bool:
        """Return whether users could work with it."""
        return self.service_active and self.answers and self.writable and self.intact and not self.checksum_failures


def control_data(cluster: Cluster, directory: Path) -> dict[str, str]:
    """Return pg_controldata's facts of a directory, empty where they cannot be read."""
    try:
        out = run([str(cluster.binaries / "pg_controldata"), "-D", str(directory)], user=OWNER, timeout=20)
    except CommandError:
        return {}
    pairs = (line.partition(":") for line in out.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def intact(directory: Path) -> bool:
    """Return whether a data directory has what every data directory has."""
    return all((directory / part).exists() for part in ("PG_VERSION", "global/pg_control", "base", "pg_wal"))


def service_active(service: str) -> bool:
    """Ask systemd whether the service runs."""
    return run(["systemctl", "is-active", service], accept=(0, 1, 3, 4)).strip() in ("active", "activating", "reloading")


def health(cluster: Cluster, heartbeat: dict[str, str] | None = None) -> Health:
    """Look at the server without changing anything; ``heartbeat`` names the table and column of the newest known row."""
    active = service_active(cluster.service)
    # The names come from the inventory, not from a user.
    newest = "NULL"
    if heartbeat:
        newest = f"(SELECT extract(epoch FROM clock_timestamp() - max({heartbeat['column']})) FROM {heartbeat['table']})"  # noqa: S608
    sql = f"SELECT not pg_is_in_recovery(), coalesce((SELECT sum(checksum_failures) FROM pg_stat_database), 0)::bigint, {newest}"  # noqa: S608
    try:
        rows = psql(sql, database=cluster.name, port=cluster.port, timeout=8)
        age = float(rows[0][2]) if rows[0][2] else None
        return Health(active, True, rows[0][0] == "t", intact(cluster.data), int(rows[0][1]), age)
    except CommandError as error:
        return Health(active, False, False, intact(cluster.data), 0, None, error.output[-300:])


def free_bytes(path: Path) -> int:
    """Return the free space of the file system that ``path`` is or would be on."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def fsync_directory(path: Path) -> None:
    """Make renames in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_state(cluster: Cluster) -> dict[str, Any]:
    """Return what an earlier or interrupted recovery left, or an empty dict."""
    try:
        state = json.loads(cluster.state_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def write_state(cluster: Cluster, state: dict[str, Any]) -> None:
    """Replace the state file so that a power cut leaves the old or the new one, never half of one."""
    temporary = cluster.state_file.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as handle:
        json.dump(state, handle, indent=1, sort_keys=True)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(cluster.state_file)
    fsync_directory(cluster.state_file.parent)


def postmaster_pid(directory: Path) -> int | None:
    """Return the process that serves a data directory, or None."""
    try:
        pid = int((directory / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, IndexError, ProcessLookupError):
        return None
    return pid


def wait_for_answer(cluster: Cluster, timeout: float = 60) -> None:
    """Wait until the cluster in its place answers a question; raises RestoreError when it does not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            psql("SELECT 1", database=cluster.name, port=cluster.port, timeout=5)
            return
        except CommandError as error:
            if time.monotonic() > deadline:
                raise RestoreError(f"The database was started and does not answer: {error.output[-400:]}", "no-answer") from error
            time.sleep(0.05)
