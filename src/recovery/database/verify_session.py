"""Connections of a proof: read-only, over the local socket, as the operating system's user postgres, in one snapshot.

A restored cluster that nobody may reach yet is proven through the same socket. Backends can be made to yield to the wards'
work (``low_priority``), and a statement that waits for a lock or runs too long ends as COULD-NOT-VERIFY instead of hanging.
"""

from __future__ import annotations

import os
import pwd
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.extensions

# SQLSTATE classes that mean damage: data exceptions, errors of files and devices, internal errors and corruption.
DAMAGE = ("22", "58", "XX")


@dataclass(frozen=True)
class Address:
    """Where the server listens, and how the proof behaves there."""

    database: str
    port: int = 5432
    socket: str = "/var/run/postgresql"
    user: str = "postgres"
    statement_timeout_s: int = 3600
    lock_timeout_s: int = 10
    low_priority: bool = False


@contextmanager
def acting_as(user: str) -> Iterator[None]:
    """Be this operating system's user for peer authentication, if we are root; files are read with its rights as well."""
    if os.geteuid() != 0:
        yield
        return
    entry = pwd.getpwnam(user)
    groups, group = os.getgroups(), os.getegid()
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


# The text of a row depends on these, so the manifest and its comparison use the same (see measure.py).
ROW_TEXT = {
    "TimeZone": "UTC",
    "datestyle": "ISO,YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}


def connect(address: Address, *, database: str | None = None, snapshot: str | None = None, access: str = "read") -> Any:
    """Open a connection. With ``snapshot`` ("" makes one of its own) it sees one moment only; else it sees the present.

    ``access``: "read" (the rule), "write", or "default": what anybody gets whom the server's configuration alone governs.

    Raises psycopg2.OperationalError if the server does not answer within five seconds.
    """
    settings = {
        "statement_timeout": f"{address.statement_timeout_s}s",
        "lock_timeout": f"{address.lock_timeout_s}s",
        "jit": "off",
        "max_parallel_workers_per_gather": "0",
        "work_mem": "64MB",
        "maintenance_work_mem": "256MB",
        "search_path": "public",
        "client_min_messages": "error",
        **ROW_TEXT,
    }
    if access != "default":
        settings["default_transaction_read_only"] = "off" if access == "write" else "on"
    connection = psycopg2.connect(
        dbname=database or address.database,
        host=address.socket,
        port=address.port,
        user=address.user,
        connect_timeout=5,
        application_name="recovery database_verify",
        options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
    )
    if address.low_priority:
        with suppress(OSError):  # the cluster may run in another user's name: it is then proven at normal priority
            os.setpriority(os.PRIO_PROCESS, connection.info.backend_pid, 15)
    if snapshot is None:
        connection.autocommit = True
        return connection
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    if snapshot:
        rows(connection, "SET TRANSACTION SNAPSHOT %s", (snapshot,))
    return connection


def rows(connection: Any, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    """Ask and return all rows; a statement without rows returns an empty list."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def one(connection: Any, sql: str, parameters: Sequence[Any] | None = None) -> tuple[Any, ...]:
    """Ask and return the first row. Raises LookupError if there is none."""
    found = rows(connection, sql, parameters)
    if not found:
        raise LookupError(f"no row came back for: {sql}")
    return found[0]


@contextmanager
def without(connection: Any, *ways: str) -> Iterator[None]:
    """Switch ways of reading (seqscan, hashjoin, ...) off for a while; the settings end with the savepoint."""
    rows(connection, "SAVEPOINT way")
    try:
        for way in ways:
            rows(connection, f"SET LOCAL enable_{way} = off")
        yield
    finally:
        rows(connection, "ROLLBACK TO SAVEPOINT way")


def is_damage(error: BaseException) -> bool:
    """Return whether the server's error speaks of the data rather than of the circumstances."""
    state = getattr(error, "pgcode", None) or ""
    return state[:2] in DAMAGE


def sentence(error: BaseException) -> str:
    """Return an error's first line."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def quoted(name: str) -> str:
    """Quote one identifier, or a dotted one that is not quoted yet."""
    if '"' in name:
        return name
    return ".".join('"' + part + '"' for part in name.split("."))


class Worker:
    """One pair of connections: one that sees the present (amcheck needs that), one that sees the proof's snapshot."""

    def __init__(self, address: Address, snapshot: str) -> None:
        """Connect twice."""
        self._address = address
        self._snapshot = snapshot
        self.present = connect(address)
        self.snapshot = connect(address, snapshot=snapshot)

    def recover(self) -> None:
        """Replace what an error left unusable, so that the next part can be checked."""
        if self.present.closed:
            self.present = connect(self._address)
        if self.snapshot.closed or self.snapshot.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INERROR:
            with suppress(psycopg2.Error):
                self.snapshot.close()
            self.snapshot = connect(self._address, snapshot=self._snapshot)

    def close(self) -> None:
        """Let go of both connections."""
        for connection in (self.present, self.snapshot):
            with suppress(psycopg2.Error):
                connection.close()


@dataclass(order=True)
class Task:
    """A piece of work with its expected cost (bytes); the dearest are begun first so that the workers end together."""

    cost: float
    code: str
    what: str
    run: Callable[[Worker], None]
    failed: Callable[[BaseException], None]


def work_off(address: Address, snapshot: str, tasks: Sequence[Task], jobs: int) -> None:
    """Carry out the tasks on ``jobs`` workers. A task's own error goes to its ``failed``; nothing is lost silently."""
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in sorted(tasks, key=lambda task: -task.cost):
        waiting.put(task)

    def serve() -> None:
        worker: Worker | None = None
        while True:
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                break
            try:
                if worker is None:
                    worker = Worker(address, snapshot)
                worker.recover()
                task.run(worker)
            except Exception as error:  # whatever it is, the check it belongs to must not pass
                task.failed(error)
        if worker is not None:
            worker.close()

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(max(1, jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
