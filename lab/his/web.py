"""The HTTP side of the hospital's applications: JSON over connections that workstations keep open, and the heartbeat's clock."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol

log = logging.getLogger("his")
Reply = tuple[int, dict[str, Any]]


class DatabaseUnavailableError(Exception):
    """The database cannot be used now; the transaction under way may or may not have been committed."""


class Service(Protocol):
    """What an application does, apart from HTTP."""

    def transact(self, kind: str, request: dict[str, Any]) -> Reply:
        """Carry out one transaction and its client number, together or not at all."""

    def read(self, path: list[str]) -> Reply:
        """Answer a GET."""

    def refused(self, error: Exception) -> Reply:
        """Say what an error of this application's own means to a client; raise it again if it is none."""


class Handler(BaseHTTPRequestHandler):
    """One workstation's connection, kept open between requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    service: ClassVar[Service]
    transactions: ClassVar[Collection[str]]

    def do_POST(self) -> None:
        """Carry out a transaction."""
        kind = self.path.strip("/")
        try:
            request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        except ValueError:
            request = None
        if kind not in self.transactions:
            self._reply(404, {"ok": False, "error": f"There is no transaction {kind!r}: {', '.join(self.transactions)}."})
        elif not isinstance(request, dict):
            self._reply(400, {"ok": False, "error": "The request is not a JSON object."})
        else:
            self._answer(lambda: self.service.transact(kind, request))

    def do_GET(self) -> None:
        """Read."""
        self._answer(lambda: self.service.read(self.path.strip("/").split("/")))

    def _answer(self, work: Callable[[], Reply]) -> None:
        try:
            status, body = work()
        except DatabaseUnavailableError as error:
            status, body = 503, {"ok": False, "error": str(error)}
        except Exception as error:
            status, body = self.service.refused(error)
        self._reply(status, body)

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body, ensure_ascii=False, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the journal free of a line for each request; the workstations keep that log."""


class Server(ThreadingHTTPServer):
    """A thread for each workstation connection."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line that a workstation went away; anything else with its trace."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            log.info("A workstation's connection ended: %s (%s)", client_address[0], error)
        else:
            log.exception("A connection failed: %s", client_address[0])


def beat(write: Callable[[], None], failures: tuple[type[Exception], ...]) -> None:
    """Write a heartbeat row each second while the database is there: the finest measure of what a restore has lost."""
    due = time.monotonic()
    away_since: float | None = None
    while True:
        try:
            write()
            if away_since is not None:
                log.warning("The database is back after %.1f s.", time.monotonic() - away_since)
                away_since = None
        except failures as error:
            if away_since is None:
                away_since = time.monotonic()
                log.warning("The database is away: %s", error)
        due = max(due + 1.0, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
