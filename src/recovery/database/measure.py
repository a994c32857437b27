"""Measure a database for a manifest: rows, checksums, newest rows, versions, all of one moment (BKP-2).

Session A keeps writers out of the critical tables for a few milliseconds, session B takes its snapshot in that pause, session
A writes the restore point and lets go; session B then computes at leisure. Needs psycopg2 on the database host, nothing else
beyond the standard library.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from .manifest import CHUNKS, FORMAT, ManifestError, Newest, Subject, Table, restore_point
from .manifest import sample_ranges as sample_ranges

# The text of a row depends on these settings, so they are the same for every manifest and every comparison.
_SESSION = """
SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET extra_float_digits = 1;
SET bytea_output = 'hex'; SET statement_timeout = 0; SET search_path = public; SET application_name = 'recovery manifest';
"""

_SCHEMA_SQL = """
SELECT 'column', n.nspname, c.relname, a.attnum::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
       coalesce(pg_get_expr(d.adbin, d.adrelid), '')
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
UNION ALL
SELECT 'constraint', n.nspname, c.relname, '', o.conname, pg_get_constraintdef(o.oid), o.convalidated::text, ''
  FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT 'index', n.nspname, c.relname, '', i.relname, pg_get_indexdef(x.indexrelid), x.indisvalid::text, ''
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
ORDER BY 1, 2, 3, 4, 5, 6
"""

_TABLES_SQL = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


def _quoted(name: str) -> str:
    parts = name.split(".")
    if not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", part) for part in parts):
        raise ManifestError(f"'{name}' is not a plain name of a table or column; correct the inventory's database_critical_tables.")
    return ".".join(f'"{part}"' for part in parts)


@contextmanager
def _as_peer(user: str) -> Iterator[None]:
    """Be this operating system's user while a session is opened: the server asks the kernel who connects (peer)."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(pwd.getpwnam(user).pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def connect(subject: Subject) -> Any:
    """Open a session on the server's own socket with the settings that all figures depend on."""
    import psycopg2  # type: ignore[import-untyped, unused-ignore, import-not-found]

    try:
        with _as_peer(subject.user):
            connection = psycopg2.connect(
                dbname=subject.database, host=subject.socket, port=subject.port, user=subject.user, connect_timeout=5
            )
    except psycopg2.Error as error:
        raise ManifestError(
            f"The database {subject.database} does not answer on {subject.socket} ({str(error).strip()}). Start it and repeat."
        ) from error
    connection.autocommit = True
    connection.cursor().execute(_SESSION)
    return connection


def _rows(connection: Any, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    cursor.execute(sql, parameters or None)
    return list(cursor.fetchall())


def _columns(connection: Any, name: str) -> tuple[list[str], bool]:
    """Return a table's columns, and whether PostgreSQL can hash each of them as it is: twice as fast as their text."""
    found = _rows(
        connection,
        """
        SELECT a.attname, t.typtype = 'e' OR t.typcategory = 'S' OR EXISTS (
            SELECT 1 FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
            WHERE m.amname = 'hash' AND o.opcdefault AND o.opcintype = t.oid)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """,
        (name,),
    )
    return [row[0] for row in found], all(row[1] for row in found)


def measure_table(
    connection: Any,
    table: Table,
    *,
    chunk_size: int = 0,
    chunks: int = CHUNKS,
    upto: int | None = None,
    only: Iterable[int] | None = None,
) -> dict[str, Any]:
    """Count and checksum one table, by ranges of its key: ``{rows, rows_hash, immutable_hash, max_key, chunk_size, chunks}``.

    A checksum is the sum of 64-bit hashes of the rows, so the order of rows does not matter. ``upto`` leaves out
    younger keys; ``only`` reads just these ranges (a sample; the totals are then of the sample and ``complete`` is false).
    """
    name, key = _quoted(table.name), _quoted(table.key)
    if not chunk_size:
        top = _rows(connection, f"SELECT coalesce(max({key}), 0) FROM {name}")[0][0]  # noqa: S608 - names are checked above
        if not isinstance(top, int):
            raise ManifestError(f"The key {table.key} of {table.name} is not an integer; name an integer key in the inventory.")
        chunk_size = max(1, top // chunks + 1)
    columns, hashable = _columns(connection, name)
    hashed = "hash_record_extended({}, 0)" if hashable else "hashtextextended(({})::text, 0)"
    # Where no column ever changes, the one checksum is the other.
    same = set(columns) == set(table.immutable)
    immutable = ", ".join(f"subject.{_quoted(column)}" for column in table.immutable)
    immutable_sql = f"sum({hashed.format(f'ROW({immutable})')})" if immutable and not same else "NULL"
    conditions = [f"subject.{key} <= {int(upto)}"] if upto is not None else []
    if only is not None:
        spans = [f"(subject.{key} >= {int(n) * chunk_size} AND subject.{key} < {(int(n) + 1) * chunk_size})" for n in only]
        conditions.append("(" + (" OR ".join(spans) or "false") + ")")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    found = _rows(
        connection,
        f"SELECT (subject.{key} / {chunk_size})::bigint, count(*), sum({hashed.format('subject')}), {immutable_sql}, "  # noqa: S608
        f"max(subject.{key}) FROM {name} AS subject {where} GROUP BY 1 ORDER BY 1",
    )
    if any(row[0] is None for row in found):
        raise ManifestError(
            f"Table {table.name} holds rows whose key {table.key} is empty, which no server writes into a key: the table is damaged. "
            "Prove it with recovery run database_verify -e depth=full, then restore from a backup before the damage."
        )
    if same:
        found = [(*row[:3], row[2], *row[4:]) for row in found]
    return {
        "key": table.key,
        "immutable": list(table.immutable),
        "append_only": table.append_only,
        "complete": only is None,
        "sampled": [] if only is None else [str(n) for n in only],
        "chunk_size": chunk_size,
        "rows": sum(row[1] for row in found),
        "rows_hash": str(sum(int(row[2]) for row in found)),
        "immutable_hash": str(sum(int(row[3]) for row in found)) if immutable else "",
        "max_key": max((row[4] for row in found), default=None),
        "chunks": {str(row[0]): [row[1], str(row[2]), "" if row[3] is None else str(row[3])] for row in found},
    }


def _iso(value: Any) -> str:
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return aware.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return "" if value is None else str(value)


def newest_row(connection: Any, question: Newest) -> dict[str, str]:
    """Return ``{"table.column": time}`` of the newest row (UTC, ISO 8601); the time is empty where the table is."""
    found = _rows(connection, f"SELECT max({_quoted(question.column)}) FROM {_quoted(question.table)}")  # noqa: S608
    return {f"{question.table}.{question.column}": _iso(found[0][0])}


def server_facts(connection: Any, subject: Subject) -> dict[str, Any]:
    """Return identity, versions, databases, extensions, schema fingerprint and newest rows of the server."""
    system, version = _rows(connection, "SELECT system_identifier::text, current_setting('server_version') FROM pg_control_system()")[0]
    schema = hashlib.sha256()
    for row in _rows(connection, _SCHEMA_SQL):
        schema.update("\x1f".join(str(column) for column in row).encode() + b"\n")
    databases = _rows(connection, "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")
    return {
        "system_identifier": system,
        "server_version": version,
        "databases": [row[0] for row in databases],
        "extensions": dict(_rows(connection, "SELECT extname, extversion FROM pg_extension ORDER BY 1")),
        "schema_sha256": schema.hexdigest(),
        "newest": {name: at for question in subject.newest for name, at in newest_row(connection, question).items()},
        "heartbeat": newest_row(connection, subject.heartbeat) if subject.heartbeat else {},
    }


def other_tables(connection: Any, subject: Subject) -> dict[str, int]:
    """Count the rows of every table that is not critical, as the snapshot sees them."""
    critical = {table.name for table in subject.tables}
    names = [row[0] for row in _rows(connection, _TABLES_SQL) if row[0] not in critical]
    return {name: _rows(connection, f"SELECT count(*) FROM {_quoted(name)}")[0][0] for name in names if _plain(name)}  # noqa: S608


def _plain(name: str) -> bool:
    return all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", part) for part in name.split("."))


def _pin(subject: Subject, label: str) -> tuple[Any, dict[str, Any]]:
    """Open the snapshot session in a pause of the writers and write the restore point; return the session and its moment."""
    import psycopg2

    gate, reader = connect(subject), connect(subject)
    names = ", ".join(_quoted(table.name) for table in subject.tables)
    cursor = gate.cursor()
    for attempt in range(1, subject.lock_attempts + 1):
        started = time.monotonic()
        try:
            cursor.execute(f"BEGIN; SET LOCAL lock_timeout = {subject.lock_timeout_ms}")
            if names:
                cursor.execute(f"LOCK TABLE {names} IN SHARE MODE")
            reader.cursor().execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1 FROM pg_class LIMIT 1")
            cursor.execute("SELECT pg_create_restore_point(%s)::text, clock_timestamp()", (restore_point(label),))
            lsn, moment = cursor.fetchone()
            cursor.execute("COMMIT")
            break
        except psycopg2.errors.LockNotAvailable:
            cursor.execute("ROLLBACK")
            reader.cursor().execute("ROLLBACK")
            time.sleep(0.05 + 0.01 * attempt)
    else:
        raise ManifestError(
            f"Writers held the critical tables through {subject.lock_attempts} attempts, so no common moment was found. "
            "Take the manifest when the long transaction is over: `recovery run database_backup -e type=incr`."
        )
    pause = time.monotonic() - started
    timeline = int(_rows(gate, "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")[0][0], 16)
    cursor.execute("SELECT pg_switch_wal()")
    gate.close()
    return reader, {
        "restore_point": restore_point(label),
        "restore_point_lsn": lsn,
        "restore_point_at": _iso(moment),
        "timeline": timeline,
        "writers_paused_ms": round(pause * 1000, 1),
    }


def capture(subject: Subject, *, label: str, repository: str, stanza: str, pgbackrest_version: str = "") -> dict[str, Any]:
    """Take the manifest of the backup ``label``: pause, snapshot, restore point, go on; then compute.

    Must run on the database host as a superuser of the server. Raises ManifestError when no common moment was found.
    """
    started = time.monotonic()
    reader, moment = _pin(subject, label)
    try:
        facts = server_facts(reader, subject)
        tables = {table.name: measure_table(reader, table, chunks=subject.chunks) for table in subject.tables}
        others = other_tables(reader, subject)
    finally:
        reader.close()
    return {
        "format": FORMAT,
        "label": label,
        "repository": repository,
        "stanza": stanza,
        "database": subject.database,
        "pgbackrest_version": pgbackrest_version,
        "captured_at": _iso(datetime.now(timezone.utc)),
        "took_s": round(time.monotonic() - started, 3),
        **moment,
        **facts,
        "tables": tables,
        "other_tables": others,
    }


def live_facts(
    subject: Subject, manifest: Mapping[str, Any], *, exact: bool, sample: Mapping[str, Sequence[int]] | None = None
) -> dict[str, Any]:
    """Measure this server so that ``manifest.compare`` can hold it beside a manifest.

    Without ``exact``, keys above the manifest's highest are left out: they came later. ``sample`` names for each table the key
    ranges to read (see ``sample_ranges``); tables that it leaves out are then not read at all. Read only.
    """
    connection = connect(subject)
    try:
        connection.cursor().execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        facts = server_facts(connection, subject)
        present = {row[0] for row in _rows(connection, _TABLES_SQL)}
        tables: dict[str, Any] = {}
        for name, then in manifest.get("tables", {}).items():
            if name not in present:
                continue
            only = None if sample is None else list(sample.get(name, ()))
            tables[name] = measure_table(
                connection,
                Table(name, then["key"], tuple(then["immutable"]), then["append_only"]),
                chunk_size=int(then["chunk_size"]),
                upto=None if exact or then["max_key"] is None else int(then["max_key"]),
                only=only,
            )
        if sample is None:
            facts["other_tables"] = other_tables(connection, subject)
    finally:
        connection.close()
    return {**facts, "tables": tables}
