"""Connections to the hospital's database: found wherever it is, given up at once when it dies, back at once when it returns."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from .web import DatabaseUnavailableError

LOOK_EVERY_S = 0.05
"""Pause between two looks for a lost database: bounds how late its return is noticed."""


@dataclass(frozen=True)
class Settings:
    """Where the database may be and how long anything may take, in seconds."""

    hosts: tuple[str, ...] = ("his-db-service", "drill-1")
    port: int = 5432
    name: str = "his"
    user: str = "his_app"
    password: str = field(default="", repr=False)
    reach_s: float = 0.2
    connect_s: float = 2.0
    statement_s: float = 2.5
    answer_s: float = 3.0
    connections: int = 20

    @classmethod
    def from_environment(cls) -> Settings:
        """Read HIS_DB_HOSTS (comma separated, in order of preference), HIS_DB_PORT and HIS_DB_PASSWORD_FILE."""
        password_file = os.environ.get("HIS_DB_PASSWORD_FILE", "")
        hosts = tuple(host.strip() for host in os.environ.get("HIS_DB_HOSTS", "his-db-service,drill-1").split(",") if host.strip())
        return cls(
            hosts=hosts,
            port=int(os.environ.get("HIS_DB_PORT", "5432")),
            password=Path(password_file).read_text(encoding="utf-8").strip() if password_file else "",
        )


class Session(psycopg2.extensions.connection):
    """A connection that remembers for which appearance of the database it was opened."""

    generation: int = 0


_deadline = threading.local()


def _wait(connection: Any) -> None:
    """Wait for the server, but not for ever: a frozen database host must not freeze the application."""
    until = getattr(_deadline, "at", None) or time.monotonic() + 3.0
    poller = select.poll()
    while True:
        state = connection.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        wanted = select.POLLIN if state == psycopg2.extensions.POLL_READ else select.POLLOUT
        left = until - time.monotonic()
        poller.register(connection.fileno(), wanted)
        ready = poller.poll(max(0, int(left * 1000)))
        poller.unregister(connection.fileno())
        if not ready:
            raise psycopg2.OperationalError("The database did not answer in time.")


psycopg2.extensions.set_wait_callback(_wait)


class Database:
    """A pool of connections to the one writable database among the hosts where it may be."""

    def __init__(self, settings: Settings) -> None:
        """Start looking for the database in the background."""
        self.settings = settings
        self.host: str | None = None
        self._generation = 0
        self._idle: list[Session] = []
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(settings.connections)
        self._lost = threading.Event()
        self._lost.set()
        threading.Thread(target=self._look, name="database-locator", daemon=True).start()

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Yield a cursor; commit at the end. Raises DatabaseUnavailableError when the database is away or lost under way."""
        if not self._slots.acquire(timeout=1.0):
            raise DatabaseUnavailableError("All connections to the database are busy.")
        session: Session | None = None
        try:
            _deadline.at = time.monotonic() + self.settings.answer_s
            session = self._borrow()
            with session.cursor() as cursor:
                yield cursor
            session.commit()
            self._give_back(session)
        except psycopg2.Error as error:
            if session is not None:
                self._judge(session, error)
            if session is None or session.closed or isinstance(error, psycopg2.OperationalError):
                raise DatabaseUnavailableError(str(error).strip() or type(error).__name__) from error
            raise
        except BaseException:
            if session is not None:
                self._roll_back(session)
            raise
        finally:
            _deadline.at = None
            self._slots.release()

    def _borrow(self) -> Session:
        with self._lock:
            host, generation = self.host, self._generation
            if host is not None and self._idle:
                return self._idle.pop()
        if host is None:
            raise DatabaseUnavailableError(f"No writable database on {', '.join(self.settings.hosts)}.")
        try:
            return self._connect(host, generation)
        except psycopg2.OperationalError as error:
            self._mark_lost(generation)
            raise DatabaseUnavailableError(str(error).strip()) from error

    def _connect(self, host: str, generation: int) -> Session:
        limits = f"-c statement_timeout={int(self.settings.statement_s * 1000)} -c idle_in_transaction_session_timeout=5000"
        session: Session = psycopg2.connect(
            host=host,
            port=self.settings.port,
            dbname=self.settings.name,
            user=self.settings.user,
            password=self.settings.password,
            target_session_attrs="read-write",
            connect_timeout=int(self.settings.connect_s),
            tcp_user_timeout=1500,
            keepalives_idle=1,
            keepalives_interval=1,
            keepalives_count=2,
            application_name="his-app",
            options=limits,
            connection_factory=Session,
        )
        session.generation = generation
        return session

    def _give_back(self, session: Session) -> None:
        with self._lock:
            if session.generation == self._generation and not session.closed:
                self._idle.append(session)
                return
        session.close()

    def _roll_back(self, session: Session) -> None:
        try:
            session.rollback()
        except psycopg2.Error as error:
            self._judge(session, error)
            return
        self._give_back(session)

    def _judge(self, session: Session, error: psycopg2.Error) -> None:
        """Decide whether an error means that the database is gone (or no longer writable), or just this statement failed."""
        code = error.pgcode or ""
        connection_error = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) and not code
        if session.closed or connection_error or code[:3] == "57P" or code[:2] == "08" or code == "25006":
            self._mark_lost(session.generation)
            session.close()
        else:
            self._roll_back(session)

    def _mark_lost(self, generation: int) -> None:
        with self._lock:
            if generation != self._generation:
                return
            self._generation += 1
            self.host = None
            dead, self._idle = self._idle, []
        self._lost.set()
        for session in dead:
            session.close()

    def _look(self) -> None:
        """Find the database again whenever it is lost; connections that are cheap to refuse are tried first and often."""
        while True:
            self._lost.wait()
            for host in self._reachable():
                _deadline.at = time.monotonic() + self.settings.connect_s
                try:
                    session = self._connect(host, self._generation)
                except psycopg2.Error:
                    continue
                with self._lock:
                    self._lost.clear()
                    self.host = host
                    self._idle.append(session)
                break
            else:
                time.sleep(LOOK_EVERY_S)

    def _reachable(self) -> list[str]:
        """Return the hosts that accept a TCP connection within ``reach_s``, in order of preference, all asked at once."""
        waiting: dict[int, tuple[str, socket.socket]] = {}
        poller = select.poll()
        found: set[str] = set()
        for host in self.settings.hosts:
            try:
                address = socket.getaddrinfo(host, self.settings.port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
                probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            except OSError:
                continue
            probe.setblocking(False)
            probe.connect_ex(address)
            poller.register(probe.fileno(), select.POLLOUT)
            waiting[probe.fileno()] = (host, probe)
        until = time.monotonic() + self.settings.reach_s
        # As soon as the preferred host answers there is nothing to wait for.
        while waiting and self.settings.hosts[0] not in found and (left := until - time.monotonic()) > 0:
            for number, _events in poller.poll(int(left * 1000) + 1):
                host, probe = waiting.pop(number)
                poller.unregister(number)
                if probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.add(host)
                probe.close()
        for _host, probe in waiting.values():
            probe.close()
        return [host for host in self.settings.hosts if host in found]
