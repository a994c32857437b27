"""The full proof of a MariaDB server: every page, row, index, key and rule, beside the running service (RCV-1, RCV-5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..shell import CommandError, run
from . import measure, server
from .measure import name

if TYPE_CHECKING:
    from .verify import Proof

Check = Callable[[server.Session], None]
SHOWN = 5


def everything(proof: Proof) -> None:
    """Plan and carry out every check of the full proof; what cannot be planned is not passed."""
    tables: list[tuple[str, str]] = []
    keys: list[list[str]] = []

    def catalogue(session: server.Session) -> None:
        rows = session.ask(
            "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE() AND engine IS NOT NULL"
        )
        tables.extend((row[0], row[1]) for row in rows)
        keys.extend(
            session.ask(
                "SELECT k.table_name, k.constraint_name, GROUP_CONCAT(k.column_name ORDER BY k.ordinal_position), k.referenced_table_name,"
                " GROUP_CONCAT(k.referenced_column_name ORDER BY k.ordinal_position) FROM information_schema.key_column_usage k"
                " WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL GROUP BY 1, 2, 4"
            )
        )
        proof.ledger.passed("catalogue")

    proof.guarded("catalogue", "The catalogue can be read", catalogue)
    for table, _ in tables:
        proof.guarded(
            "indexes", "Every page of every table and index is sound, and indexes agree with their tables", _check_table(proof, table)
        )
        proof.guarded("rows-read", "Every row can be read", _read_table(proof, table))
    for key in keys:
        proof.guarded("foreign-keys", "Every foreign key leads to a row", _foreign_key(proof, key))
    if proof.request.live or proof.request.data_directory:
        _pages(proof)
    for rule in proof.request.business_rules:
        proof.guarded("business-rules", "The hospital's own figures agree", _rule(proof, rule))


def _check_table(proof: Proof, table: str) -> Check:
    def check(session: server.Session) -> None:
        rows = session.ask(f"CHECK TABLE {name(table)} EXTENDED")
        bad = [row[3] for row in rows if row[2] in ("error", "Error") or (row[2] == "status" and row[3] != "OK")]
        if bad:
            proof.ledger.failed("indexes", f"Table {table}: {'; '.join(bad[:3])}.", remedy="Restore from another backup or repository.")
        else:
            proof.ledger.passed("indexes")

    return check


def _read_table(proof: Proof, table: str) -> Check:
    def check(session: server.Session) -> None:
        of = measure.columns(session, table)
        parts = ", ".join(f"SUM(CRC32({name(column)}))" for column in of)
        count = int(session.ask(f"SELECT COUNT(*), {parts} FROM {name(table)}")[0][0])  # noqa: S608 - quoted
        proof.ledger.passed("rows-read")
        proof.ledger.add("rows-read", "rows", count)
        proof.measured["rows_read"] = proof.measured.get("rows_read", 0) + count

    return check


def _foreign_key(proof: Proof, key: list[str]) -> Check:
    table, constraint, mine, other, theirs = key

    def check(session: server.Session) -> None:
        pairs = list(zip(mine.split(","), theirs.split(",")))
        joined = " AND ".join(f"p.{name(b)} = c.{name(a)}" for a, b in pairs)
        given = " AND ".join(f"c.{name(a)} IS NOT NULL" for a, _ in pairs)
        sql = f"SELECT COUNT(*) FROM {name(table)} c LEFT JOIN {name(other)} p ON {joined} WHERE p.{name(pairs[0][1])} IS NULL AND {given}"  # noqa: S608
        orphans = int(session.ask(sql)[0][0])
        if orphans:
            proof.ledger.failed("foreign-keys", f"{orphans} rows of {table} point to no row of {other} ({constraint}).")
        else:
            proof.ledger.passed("foreign-keys")

    return check


def _pages(proof: Proof) -> None:
    """Compare the checksum of every page with an own program; a page that is being written is looked at again."""
    code = "page-checksums"

    def check(session: server.Session) -> None:
        directory = Path(session.ask("SELECT @@datadir")[0][0]) / proof.database
        files = sorted(directory.glob("*.ibd"))
        size = 0
        for path in files:
            said = ""
            for attempt in range(5):
                try:
                    run(["innochecksum", str(path)], timeout=3600)
                    said = ""
                    break
                except CommandError as error:
                    said = error.output[-200:]
                    time.sleep(0.2 * (attempt + 1))
            if said:
                proof.ledger.failed(code, f"{path.name}: {said}", remedy="Restore from another backup or repository.")
                return
            size += path.stat().st_size
        proof.measured["bytes_read"] = size
        proof.ledger.passed(code)

    proof.guarded(code, "Every page on the disk has its checksum", check)


def _rule(proof: Proof, rule: Mapping[str, Any]) -> Check:
    def check(session: server.Session) -> None:
        found = session.ask(str(rule["sql"]))
        if found:
            told = "; ".join(", ".join(row) for row in found[:SHOWN])
            sentence = rule.get("sentence_en") or rule["code"]
            proof.ledger.failed("business-rules", f"Rule {rule['code']} ('{sentence}') is broken by {len(found)} rows: {told}.")
        else:
            proof.ledger.passed("business-rules")

    return check
