"""The laboratory information system's application: HTTP and JSON on one side, the database on the other.

    POST /specimen | /result | /control     {"workstation", "seq", "draw", ...} -> {"ok": true, ...}
    GET  /specimen/<id>                     its requested tests and their results
    GET  /health                            200 when the database is usable, else 503

Status 200: committed. 400: refused, nothing written. 409: this workstation used that seq before. 503: the database is away; the
transaction may or may not have been committed. Run as ``python3 -m lis.app``.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
from functools import partial
from typing import Any

from his.web import DatabaseUnavailableError, Handler, Reply, Server, beat
from lis.database import RefusedError, Sessions

log = logging.getLogger("lis")
PORT = 8081

SPECIMEN = """
insert into specimen (mrn, kind, collected_at) values (concat('M', lpad(1 + {draw} % 5000, 8, '0')),
    elt(1 + {draw} % 5, 'serum', 'plasma', 'blood', 'urine', 'swab'), now(6) - interval 20 minute);
set @made = last_insert_id();
insert into requested_test (specimen_id, test_id) select @made, 1 + ({draw} + seq * 11) % 60 from seq_1_to_2;
"""
# The next test that waits, or those of one specimen. Skipping what another session holds keeps two of them from waiting for each other.
RESULT = """
set @made = {specimen}, @requested = null;
select id into @requested from requested_test where status = 'waiting' and (@made = 0 or specimen_id = @made)
    order by id limit 1 for update skip locked;
insert into result (requested_test_id, instrument_id, value, flag)
    select d.id, t.instrument_id, t.low + {draw} % 100 * (t.high - t.low) / 100, 'normal'
      from requested_test d join test t on t.id = d.test_id where d.id = @requested;
update requested_test set status = 'done' where id = @requested;
"""
CONTROL = """
insert into quality_control (instrument_id, level, deviation, accepted)
    values (1 + {draw} % 10, 1 + {draw} % 3, {draw} % 240 / 100 - 1.2, true);
set @made = last_insert_id();
"""
TRANSACTIONS = {"specimen": SPECIMEN, "result": RESULT, "control": CONTROL}
RECORD = "insert into client_transaction (workstation, seq, kind) values ('{workstation}', {seq}, '{kind}');"
NAME = re.compile(r"[A-Za-z0-9-]{1,40}")


class Service:
    """What the application does, apart from HTTP."""

    def __init__(self) -> None:
        """Open no session yet."""
        self.sessions = Sessions()

    def transact(self, kind: str, request: dict[str, Any]) -> Reply:
        """Carry out one laboratory transaction and its client number, together or not at all."""
        workstation, seq = request.get("workstation"), request.get("seq")
        numbers = {"seq": seq, "draw": request.get("draw", 0), "specimen": request.get("specimen", 0)}
        if not isinstance(workstation, str) or not NAME.fullmatch(workstation) or not all(isinstance(n, int) for n in numbers.values()):
            return 400, {"ok": False, "error": "A transaction names its workstation (text), seq and draw (whole numbers)."}
        script = (TRANSACTIONS[kind] + RECORD).format(workstation=workstation, kind=kind, **numbers)
        try:
            with self.sessions.session() as session:
                rows = session.ask(f"start transaction; {script} commit; select @made;")
        except RefusedError as error:
            return (409 if "client_once" in str(error) else 400), {"ok": False, "error": str(error)}
        return 200, {"ok": True, kind: int(rows[-1][0])}

    def read(self, path: list[str]) -> Reply:
        """Answer a GET."""
        with self.sessions.session() as session:
            if path == ["health"]:
                return 200, {"ok": session.ask("select @@read_only;") == [["0"]]}
            if len(path) == 2 and path[0] == "specimen" and path[1].isdigit():
                sql = "select d.id, d.status, coalesce(r.value, '') from requested_test d left join result r on r.requested_test_id = d.id"
                rows = session.ask(f"{sql} where d.specimen_id = {int(path[1])} order by d.id;")
                return 200, {"ok": True, "tests": [{"id": int(i), "status": status, "value": value} for i, status, value in rows]}
        return 404, {"ok": False, "error": f"There is nothing at /{'/'.join(path)}."}

    def refused(self, error: Exception) -> Reply:
        """Every refusal of the database has been answered already: what is left is a flaw, and is logged as one."""
        raise error

    def beat(self, source: str) -> None:
        """Write one heartbeat row."""
        with self.sessions.session() as session:
            session.ask(f"insert into heartbeat (source) values ('{source}');")  # noqa: S608 - this host's name


def main() -> None:
    """Serve until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    service = Service()
    Handler.service, Handler.transactions = service, TRANSACTIONS
    failures = (DatabaseUnavailableError, RefusedError)
    threading.Thread(target=beat, args=(partial(service.beat, socket.gethostname()), failures), name="heartbeat", daemon=True).start()
    with Server(("", PORT), Handler) as server:
        log.info("The laboratory information system listens on port %d.", PORT)
        server.serve_forever()


if __name__ == "__main__":
    main()
