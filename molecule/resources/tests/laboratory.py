"""The scenario's laboratory, seen from outside: SQL of its own over SSH, and what the workstations wrote down."""

from __future__ import annotations

import json
from typing import Any

from hospital import WORKSTATIONS, host

DATA = "/srv/lis/main"
LABEL = "2*F*"
# What laboratory work never changes.
MASTER = ("instrument", "test")


def sql(query: str) -> str:
    """Ask the laboratory's database on its own host; an error of SQL fails the test."""
    return str(host("lis-db").check_output("mariadb --batch --skip-column-names lis -e %s", query)).strip()


def answers() -> bool:
    """Tell whether the database answers at all."""
    return bool(host("lis-db").run("mariadb --batch lis -e 'select 1'").rc == 0)


def probe(workstation: str) -> str:
    """Do a ward's work with the laboratory once; return what failed, or nothing."""
    done = host(workstation).run("lis-client probe --timeout 20")
    return "" if done.rc == 0 else f"{done.stdout}{done.stderr}"


def acknowledged() -> set[tuple[str, int]]:
    """Return the transactions that workstations saw acknowledged."""
    found = set()
    for name in WORKSTATIONS:
        for line in str(host(name).check_output("cat /var/log/lis-client/acknowledged.jsonl")).splitlines():
            row: dict[str, Any] = json.loads(line)
            if row["ok"]:
                found.add((name, int(row["seq"])))
    return found


def committed() -> set[tuple[str, int]]:
    """Return the transactions that the database holds."""
    rows = sql("select concat(workstation, ' ', seq) from client_transaction").splitlines()
    return {(workstation, int(seq)) for workstation, seq in (row.split() for row in rows)}


def checksums() -> dict[str, str]:
    """Return a checksum of the tables that work never changes."""
    return {table: sql(f"checksum table {table} extended") for table in MASTER}
