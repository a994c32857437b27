"""Follow patients drawn at random through all of their records in a restored database (RCV-5): readable, whole, consistent.

What belongs to a patient is found from the catalogue's foreign keys. A record is whole if each of its rows can be read in
full, and consistent if everything that one of its rows points to is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import psycopg2

from ..findings import Finding
from .rows_catalogue import Catalogue, RowsError, read
from .rows_read import Reading, patient_rows
from .shell import Procedure
from .verify_session import Address, acting_as, connect, quoted, rows, sentence

SHOWN = 5


def draw(connection: Any, table: str, column: str, seed: int, count: int) -> list[str]:
    """Draw ``count`` patients by the seed: the same ones whenever the same rows are there."""
    name, key = quoted(table), quoted(column)
    sql = f"SELECT {key}::text FROM {name} ORDER BY md5(%s || {key}::text), {key} LIMIT %s"  # noqa: S608 - names of the inventory, quoted
    return [row[0] for row in rows(connection, sql, (f"{seed}/", count))]


def dangling(catalogue: Catalogue, reading: Reading) -> list[str]:
    """Return what rows of a record point to and is not there, in sentences."""
    found: list[str] = []
    for name, table in reading.tables.items():
        for key in catalogue.parents_of(name):
            parents = reading.tables.get(key.parent)
            have = {parents.pick(row, key.parent_columns) for row in parents.rows.values()} if parents else set()
            for row in table.rows.values():
                wanted = table.pick(row, key.columns)
                if None not in wanted and wanted not in have:
                    found.append(f"{name} {', '.join(map(str, table.pick(row, table.key)))} points to a missing row of {key.parent}")
    return found


def follow(address: Address, subject: Mapping[str, Any], seed: int, count: int, procedure: Procedure) -> dict[str, Any]:
    """Draw and follow patients; return verdict, reason, findings and ``measured`` (patients, rows by table)."""
    table, column = str(subject["table"]), str(subject.get("key") or subject.get("column") or "id")
    limit = {"table": table, "column": column, "most_rows": int(subject.get("most_rows") or 100000)}
    by_table: dict[str, int] = {}
    findings: list[Finding] = []
    drawn: list[str] = []
    try:
        with acting_as(address.user), closing(connect(address, snapshot="")) as connection:
            catalogue = read(connection)
            drawn = draw(connection, table, column, seed, count)
            with procedure.step(f"Follow {len(drawn)} patients, drawn by the seed {seed}, through all of their records"):
                for who in drawn:
                    found = patient_rows(connection, catalogue, {**limit, "value": who}, parents=True)
                    for name, held in found.tables.items():
                        by_table[name] = by_table.get(name, 0) + len(held.rows)
                    broken = dangling(catalogue, found)
                    if broken:
                        message = f"The record of patient {who} is not whole: {'; '.join(broken[:SHOWN])}."
                        findings.append(Finding("patient-inconsistent", "stop", message, "A doctor would miss something in it."))
    except (psycopg2.Error, RowsError, LookupError) as error:
        who = f"after {sum(by_table.values())} rows"
        findings.append(
            Finding("patient-unreadable", "stop", f"The records of the patients drawn cannot all be read ({who}): {sentence(error)}.")
        )
    measured = {"patients": len(drawn), "seed": seed, "rows": sum(by_table.values()), "rows_by_table": by_table}
    verdict, reason = ("FAIL", findings[0].message) if findings else ("PASS", "")
    if not findings and not drawn:
        verdict, reason = "COULD-NOT-VERIFY", f"The restored database has no patients in {table} to follow."
    told = [f.as_dict() for f in findings]
    return {"verdict": verdict, "reason": reason, "findings": told, "measured": {"patients_followed": measured}}
