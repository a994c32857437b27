"""The hospital information system's application: HTTP and JSON on one side, the database on the other.

    POST /registration | /order | /charge | /dispense | /result    {"workstation", "seq", "draw", ...} -> {"ok": true, ...}
    GET  /visit/<id>                                               everything about one visit
    GET  /transaction/<workstation>/<seq>                          whether that client transaction was committed
    GET  /health                                                   200 when the database is usable, else 503

Status 200: committed. 400: refused, nothing written. 409: this workstation used that seq before. 503: the database is away; the
transaction may or may not have been committed. Run as ``python3 -m his.app`` (settings: see pool.Settings; HIS_LISTEN, HIS_PORT).
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from functools import partial
from typing import Any

import psycopg2
import psycopg2.errors

from .clinical import TRANSACTIONS, RequestError, read_visit, record
from .pool import Database, Settings
from .web import DatabaseUnavailableError, Handler, Reply, Server, beat

log = logging.getLogger("his")


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

    def refused(self, error: Exception) -> Reply:
        """Say what an error of the request or of the database means to a client."""
        if isinstance(error, RequestError):
            return 400, {"ok": False, "error": str(error)}
        if isinstance(error, (ValueError, TypeError, psycopg2.DataError, psycopg2.IntegrityError)):
            return 400, {"ok": False, "error": f"The request does not fit the database: {str(error).strip()}"}
        if isinstance(error, psycopg2.Error):
            log.error("A request failed.", exc_info=error)
            return 500, {"ok": False, "error": str(error).strip()}
        raise error

    def beat(self, source: str) -> None:
        """Write one heartbeat row."""
        with self.database.transaction() as cursor:
            cursor.execute("insert into heartbeat (source) values (%s)", (source,))


def main() -> None:
    """Serve until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = Settings.from_environment()
    service = Service(Database(settings))
    Handler.service, Handler.transactions = service, TRANSACTIONS
    failures = (DatabaseUnavailableError, psycopg2.Error)
    threading.Thread(target=beat, args=(partial(service.beat, socket.gethostname()), failures), name="heartbeat", daemon=True).start()
    address = (os.environ.get("HIS_LISTEN", "10.20.10.12"), int(os.environ.get("HIS_PORT", "8080")))
    with Server(address, Handler) as server:
        log.info("The hospital information system listens on %s:%d; database: %s.", *address, ", ".join(settings.hosts))
        server.serve_forever()


if __name__ == "__main__":
    main()
