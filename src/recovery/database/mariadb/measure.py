"""What a MariaDB database holds, in figures of the manifest's one form (see recovery.database.manifest). Standard library only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..manifest import FORMAT
from .server import IDENTITY, Session

CHUNKS = 64
UNCRITICAL = ("mysql", "information_schema", "performance_schema", "sys")


def name(text: str) -> str:
    """Return an identifier in quotes."""
    return '"' + text.replace('"', '""') + '"'


def columns(session: Session, table: str) -> list[str]:
    """Return the stored columns of a table, in their order; what the server computes from others is left out."""
    rows = session.ask(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = "  # noqa: S608
        f"'{table}' AND generation_expression IS NULL ORDER BY ordinal_position"
    )
    return [row[0] for row in rows]


def _sum(of: Sequence[str]) -> str:
    """Return an expression that sums a hash of each row, whatever their order; NULL and empty text differ."""
    parts = ", ".join(f"COALESCE(CONCAT('v', CAST({name(column)} AS CHAR)), 'n')" for column in of)
    row = f"MD5(CONCAT_WS('|', {parts}))"
    return (
        f"CONCAT(COALESCE(SUM(CAST(CONV(LEFT({row}, 15), 16, 10) AS UNSIGNED)), 0), '.',"
        f" COALESCE(SUM(CAST(CONV(RIGHT({row}, 15), 16, 10) AS UNSIGNED)), 0))"
    )


def chunks(
    session: Session,
    entry: Mapping[str, Any],
    size: int,
    immutable: Sequence[str],
    upto: int,
    ranges: Iterable[int] | None = None,
) -> dict[str, Any]:
    """Return rows and checksums of a table by ranges of its key, up to a key; of the named ranges only, if any are named."""
    table, key = name(str(entry["name"])), name(str(entry.get("key") or "id"))
    rows = _sum(columns(session, str(entry["name"])))
    fixed = _sum(immutable) if immutable else "''"
    where = f"{key} <= {upto}"
    if ranges is not None:
        where += " AND (" + (" OR ".join(f"{key} BETWEEN {n * size} AND {(n + 1) * size - 1}" for n in ranges) or "FALSE") + ")"
    sql = f"SELECT {key} DIV {size}, COUNT(*), {rows}, {fixed} FROM {table} WHERE {where} GROUP BY 1 ORDER BY 1"  # noqa: S608 - quoted
    return {row[0]: [int(row[1]), row[2], row[3]] for row in session.ask(sql)}


def _general(session: Session, newest: Sequence[Mapping[str, Any]], heartbeat: Mapping[str, Any]) -> dict[str, Any]:
    version = session.ask("SELECT VERSION()")[0][0]
    system = session.ask(f"SELECT system FROM {IDENTITY}")[0][0]  # noqa: S608 - our own table
    databases = [row[0] for row in session.ask("SHOW DATABASES") if row[0] not in UNCRITICAL]
    schema = session.ask(
        "SELECT table_name, column_name, column_type, is_nullable, COALESCE(column_default, ''), column_key FROM information_schema.columns"
        " WHERE table_schema = DATABASE() ORDER BY 1, ordinal_position"
    )
    schema += session.ask(
        "SELECT table_name, constraint_name, constraint_type FROM information_schema.table_constraints"
        " WHERE table_schema = DATABASE() ORDER BY 1, 2, 3"
    )
    told = {}
    for kind, questions in (("newest", newest), ("heartbeat", [heartbeat] if heartbeat else [])):
        told[kind] = {f"{q['table']}.{q['column']}": _newest(session, str(q["table"]), str(q["column"])) for q in questions}
    return {
        "format": FORMAT,
        "server_version": version,
        "system_identifier": system,
        "databases": sorted(databases),
        "extensions": {},
        "schema_sha256": hashlib.sha256(repr(schema).encode()).hexdigest(),
        **told,
    }


def _newest(session: Session, table: str, column: str) -> str:
    """Return the newest time among the youngest rows: flat with size."""
    found = session.ask(
        f"SELECT DATE_FORMAT(MAX({name(column)}), '%Y-%m-%dT%H:%i:%s.%fZ') FROM "  # noqa: S608 - quoted names
        f"(SELECT {name(column)} FROM {name(table)} ORDER BY id DESC LIMIT 1000) s"
    )
    return "" if not found or found[0][0] == "NULL" else found[0][0]


def manifest(session: Session, subject: Mapping[str, Any]) -> dict[str, Any]:
    """Measure everything in the session's snapshot. ``subject``: tables, newest, heartbeat, as the inventory describes them."""
    tables = {}
    for entry in subject.get("tables") or ():
        immutable = list(entry.get("immutable") or ())
        key = name(str(entry.get("key") or "id"))
        top = session.ask(f"SELECT COALESCE(MAX({key}), 0) FROM {name(str(entry['name']))}")[0][0]  # noqa: S608 - quoted names
        size = int(top) // CHUNKS + 1
        found = chunks(session, entry, size, immutable, int(top))
        tables[str(entry["name"])] = {
            "key": str(entry.get("key") or "id"),
            "max_key": int(top),
            "chunk_size": size,
            "immutable": immutable,
            "append_only": bool(entry.get("append_only")),
            "rows": sum(one[0] for one in found.values()),
            "chunks": found,
        }
    others = {}
    for (table,) in session.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"):
        if table not in tables:
            others[table] = int(session.ask(f"SELECT COUNT(*) FROM {name(table)}")[0][0])  # noqa: S608 - quoted
    general = _general(session, subject.get("newest") or (), subject.get("heartbeat") or {})
    return {**general, "tables": tables, "other_tables": others, "gtid": session.position()}


def live(session: Session, then: Mapping[str, Any], sample: Mapping[str, list[int]] | None, exact: bool) -> dict[str, Any]:
    """Measure a database by a manifest's own ranges and columns, up to its highest keys; ``sample`` limits it to some ranges.

    ``exact``: the database stands at the manifest's moment, so rows above the highest keys are looked for as well.
    """
    general = _general(session, [_question(one) for one in then.get("newest", {})], next(map(_question, then.get("heartbeat", {})), {}))
    present = {row[0] for row in session.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")}
    tables: dict[str, Any] = {}
    for table, was in then.get("tables", {}).items():
        if table in present:
            entry = {"name": table, "key": was.get("key", "id")}
            upto = 2**63 - 1 if exact else int(was["max_key"])
            numbers = sample.get(table, []) if sample is not None else None
            tables[table] = {
                "chunk_size": was["chunk_size"],
                "immutable": was["immutable"],
                "complete": sample is None,
                "sampled": [str(number) for number in numbers or ()],
                "chunks": chunks(session, entry, int(was["chunk_size"]), was["immutable"], upto, numbers),
            }
    others = {table: int(session.ask(f"SELECT COUNT(*) FROM {name(table)}")[0][0]) for table in sorted(present - set(tables))}  # noqa: S608
    return {**general, "tables": tables, **({"other_tables": others} if sample is None else {})}


def _question(one: str) -> dict[str, str]:
    table, _, column = one.rpartition(".")
    return {"table": table, "column": column}
