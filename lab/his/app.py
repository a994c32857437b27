"""The hospital information system's application: HTTP and JSON on one side, the database on the other.

    POST /registration | /order | /charge | /dispense | /result    {"workstation", "seq", "draw", ...} -> {"ok": true, ...}
    GET  /visit/<id>                                               everything about one visit
    GET  /transaction/<workstation>/<seq>                          whether that client transaction was committed
    GET  /health                                                   200 when the database is usable, else 503

Status 200: committed. 400: refused, nothing written. 409: this workstation used that seq before. 503: the database is away; the
transaction may or may not have been committed. Run as ``python3 -m his.app`` (settings: see pool.Settings; HIS_LISTEN, HIS_PORT).
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import psycopg2
import psycopg2.errors

from .clinical import TRANSACTIONS, RequestError, read_visit, record
from .pool import Database, DatabaseUnavailableError, Settings

log = logging.getLogger("his")
Reply = tuple[int, dict[str, Any]]


class Service:
    """What the application does, apart from HTTP."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self.database = database

    def transact(self, kind: str, request: dict[str, Any]) -> Reply:
        """Carry out one clinical transaction and its client number, together or not at all."""
        workstation, seq = request.get("workstation"), request.get("seq")
        if not isinstance(workstation, str) or not isinstance(seq, int):
            return 400, {"ok": False, "error": "A transaction names its workstation (text) and seq (whole number)."}
        try:
            with self.database.transaction() as cursor:
                answer = TRANSACTIONS[kind](cursor, request)
                committed_at = record(cursor, workstation, seq, kind)
        except psycopg2.errors.UniqueViolation:
            return 409, {"ok": False, "error": f"{workstation} has used the number {seq} before."}
        return 200, {"ok": True, **answer, "committed_at": committed_at}

    def read(self, path: list[str]) -> Reply:
        """Answer a GET."""
        with self.database.transaction() as cursor:
            if path == ["health"]:
                cursor.execute("select pg_is_in_recovery(), pg_postmaster_start_time()")
                recovering, started = cursor.fetchone()
                return 200, {
                    "ok": not recovering,
                    "database": self.database.host,
                    "database_started": started.isoformat(),
                }
            if len(path) == 2 and path[0] == "visit" and path[1].isdigit():
                return 200, {"ok": True, **read_visit(cursor, int(path[1]))}
            if len(path) == 3 and path[0] == "transaction" and path[2].isdigit():
                cursor.execute(
                    "select kind, committed_at from client_transaction where workstation = %s and seq = %s", (path[1], int(path[2]))
                )
                row = cursor.fetchone()
                return 200, {"ok": True, "committed": row is not None, "kind": row and row[0]}
        return 404, {"ok": False, "error": f"There is nothing at /{'/'.join(path)}."}


class Handler(BaseHTTPRequestHandler):
    """One workstation's connection, kept open between requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    service: ClassVar[Service]

    def do_POST(self) -> None:
        """Carry out a clinical transaction."""
        kind = self.path.strip("/")
        try:
            request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        except ValueError:
            request = None
        if kind not in TRANSACTIONS:
            self._reply(404, {"ok": False, "error": f"There is no transaction {kind!r}: {', '.join(TRANSACTIONS)}."})
        elif not isinstance(request, dict):
            self._reply(400, {"ok": False, "error": "The request is not a JSON object."})
        else:
            self._answer(lambda: self.service.transact(kind, request))

    def do_GET(self) -> None:
        """Read."""
        self._answer(lambda: self.service.read(self.path.strip("/").split("/")))

    def _answer(self, work: Any) -> None:
        try:
            status, body = work()
        except DatabaseUnavailableError as error:
            status, body = 503, {"ok": False, "error": str(error)}
        except RequestError as error:
            status, body = 400, {"ok": False, "error": str(error)}
        except (ValueError, TypeError, psycopg2.DataError, psycopg2.IntegrityError) as error:
            status, body = 400, {"ok": False, "error": f"The request does not fit the database: {str(error).strip()}"}
        except psycopg2.Error as error:
            log.exception("A request failed: %s", self.path)
            status, body = 500, {"ok": False, "error": str(error).strip()}
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


def beat(database: Database, source: str) -> None:
    """Write a heartbeat row each second while the database is there: the finest measure of what a restore has lost."""
    due = time.monotonic()
    away_since: float | None = None
    while True:
        try:
            with database.transaction() as cursor:
                cursor.execute("insert into heartbeat (source) values (%s)", (source,))
            if away_since is not None:
                log.warning("The database is back on %s after %.1f s.", database.host, time.monotonic() - away_since)
                away_since = None
        except (DatabaseUnavailableError, psycopg2.Error) as error:
            if away_since is None:
                away_since = time.monotonic()
                log.warning("The database is away: %s", error)
        due = max(due + 1.0, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def main() -> None:
    """Serve until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = Settings.from_environment()
    database = Database(settings)
    Handler.service = Service(database)
    threading.Thread(target=beat, args=(database, socket.gethostname()), name="heartbeat", daemon=True).start()
    address = (os.environ.get("HIS_LISTEN", "10.20.10.12"), int(os.environ.get("HIS_PORT", "8080")))
    with Server(address, Handler) as server:
        log.info("The hospital information system listens on %s:%d; database: %s.", *address, ", ".join(settings.hosts))
        server.serve_forever()


if __name__ == "__main__":
    main()
