"""Read the rows of one patient, or of whole tables, with what hangs on them and what they hang on. By keys, through indexes.

A value travels as the text that PostgreSQL prints for it (see verify_session.ROW_TEXT) and is cast back to its own type.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .rows_catalogue import Catalogue, ForeignKey, RowsError, Table
from .verify_session import one, quoted, rows

Value = tuple[Any, ...]
"""Texts (or None), in the order of some columns."""

CHUNK = 5000
# By keys or not at all: a plan that reads a whole table because it is small today would not stay flat as it grows.
BY_KEYS = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"


@dataclass
class TableRows:
    """Rows of one table by primary key. ``needed``: keys of rows that are only there because others point to them."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: dict[Value, Value] = field(default_factory=dict)
    needed: set[Value] = field(default_factory=set)
    ages: dict[Value, int] = field(default_factory=dict)
    written_at: dict[Value, float | None] = field(default_factory=dict)

    def pick(self, row: Value, names: Sequence[str]) -> Value:
        """Return some columns of a row."""
        return tuple(row[self.columns.index(name)] for name in names)


@dataclass
class Reading:
    """What was read, where, and how much of it: ``server`` tells one running server from any other."""

    tables: dict[str, TableRows] = field(default_factory=dict)
    server: dict[str, str] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)
    unindexed: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Return how many rows it holds."""
        return sum(len(table.rows) for table in self.tables.values())

    def packed(self) -> str:
        """Return the reading as text that can be carried to another host."""
        tables = {
            name: {"columns": t.columns, "key": t.key, "rows": list(t.rows.values()), "needed": sorted(t.needed, key=repr)}
            for name, t in self.tables.items()
        }
        body = {"tables": tables, "server": self.server, "read": self.read, "unindexed": self.unindexed}
        return base64.b64encode(zlib.compress(json.dumps(body, ensure_ascii=False).encode())).decode("ascii")

    @classmethod
    def unpack(cls, text: str) -> Reading:
        """Return what was carried. Raises RowsError (rows-unreadable)."""
        try:
            body = json.loads(zlib.decompress(base64.b64decode(text, validate=True)))
        except (ValueError, zlib.error) as error:
            raise RowsError(
                "rows-unreadable", f"What came from the scratch instance cannot be read ({error}).", "", "Run the same command again."
            ) from error
        reading = cls(server=body["server"], read=body["read"], unindexed=body["unindexed"])
        for name, told in body["tables"].items():
            table = TableRows(tuple(told["columns"]), tuple(told["key"]))
            for values in told["rows"]:
                row = tuple(values)
                table.rows[table.pick(row, table.key)] = row
            table.needed = {tuple(key) for key in told["needed"]}
            reading.tables[name] = table
        return reading


class Reader:
    """Reads in one transaction of one connection; ``most_rows`` bounds what is carried about."""

    def __init__(self, connection: Any, catalogue: Catalogue, most_rows: int) -> None:
        """Remember where to read; nothing is read yet."""
        self.connection, self.catalogue, self.most_rows = connection, catalogue, most_rows
        self.stamps = bool(one(connection, "SELECT current_setting('track_commit_timestamp') = 'on'")[0])
        self.reading = Reading(server=identity(connection))
        rows(connection, BY_KEYS)

    def of(self, name: str) -> TableRows:
        """Return what was read of a table so far."""
        table = self.catalogue.keyed(name)
        columns = tuple(column.name for column in table.written)
        return self.reading.tables.setdefault(table.name, TableRows(columns, table.key))

    def by(self, name: str, names: Sequence[str], wanted: Iterable[Value], *, lock: str = "") -> list[Value]:
        """Read the rows whose columns have one of these values, each with the age and time of its writer; return the new ones."""
        table, keys, fresh = self.catalogue.find(name), sorted(set(wanted), key=repr), list[Value]()
        for start in range(0, len(keys), CHUNK):
            where, values = among(table, names, keys[start : start + CHUNK])
            fresh += self._take(name, f" WHERE {where}{lock}", values)
        return fresh

    def _take(self, name: str, rest: str, values: Sequence[Any] = ()) -> list[Value]:
        table = self.catalogue.find(name)
        stamp = "extract(epoch FROM pg_xact_commit_timestamp(r.xmin))::float8" if self.stamps else "NULL"
        chosen = ", ".join(f"r.{quoted(column.name)}::text" for column in table.written)
        # Names come from the catalogue, quoted; values are parameters.
        sql = f"SELECT {chosen}, age(r.xmin), {stamp} FROM {table.name} r{rest}"  # noqa: S608
        found = rows(self.connection, sql, values or None)
        if not found:
            return []
        into, fresh = self.of(name), list[Value]()
        for *told, age, written_at in found:
            row = tuple(told)
            key = into.pick(row, into.key)
            if key not in into.rows:
                fresh.append(row)
                into.rows[key] = row
                into.ages[key] = age
                into.written_at[key] = written_at
        if self.reading.count > self.most_rows:
            raise RowsError(
                "too-many-rows",
                f"More than {self.most_rows} rows would have to be compared.",
                "That is not a few lost rows any more.",
                "Restore the database to a moment before the fault instead: recovery run database_restore -e target=time:....",
                "If it must be done by rows: -e database_rows_most_rows=N.",
            )
        return fresh

    def whole(self, name: str) -> None:
        """Read every row of a table."""
        self.of(name)
        self._take(name, "")

    def down(self, name: str, start: Sequence[Value]) -> None:
        """Follow the foreign keys from these rows to all rows that hang on them, however deep."""
        frontier: dict[str, list[Value]] = {name: list(start)}
        while frontier:
            deeper: dict[str, list[Value]] = {}
            for parent, found in frontier.items():
                for key in self.catalogue.children_of(parent):
                    self._note(key)
                    fresh = self.by(key.child, key.columns, self._values(parent, found, key.parent_columns))
                    if fresh:
                        deeper.setdefault(key.child, []).extend(fresh)
            frontier = deeper

    def up(self) -> None:
        """Read the rows that those read so far point to, and the rows that these point to; mark them as merely needed."""
        frontier = {name: list(table.rows.values()) for name, table in self.reading.tables.items()}
        while frontier:
            higher: dict[str, list[Value]] = {}
            for child, found in frontier.items():
                for key in self.catalogue.parents_of(child):
                    wanted = self._values(child, found, key.columns)
                    if key.parent in self.reading.tables:
                        have = self.reading.tables[key.parent]
                        wanted -= {have.pick(row, key.parent_columns) for row in have.rows.values()}
                    fresh = self.by(key.parent, key.parent_columns, wanted) if wanted else []
                    if fresh:
                        into = self.of(key.parent)
                        into.needed |= {into.pick(row, into.key) for row in fresh}
                        higher.setdefault(key.parent, []).extend(fresh)
            frontier = higher

    def _values(self, table: str, found: Sequence[Value], names: Sequence[str]) -> set[Value]:
        into = self.of(table)
        if set(names) - set(into.columns):  # a foreign key to a computed column: not carried, so it cannot be followed
            raise RowsError("computed-key", f"A foreign key to {table} rests on a computed column ({', '.join(names)}).")
        return {values for row in found if None not in (values := into.pick(row, names))}

    def _note(self, key: ForeignKey) -> None:
        told = f"{key.child} ({', '.join(key.columns)})"
        if not key.indexed and told not in self.reading.unindexed:
            self.reading.unindexed.append(told)

    def done(self) -> Reading:
        """Add up what this transaction has read, and return the reading."""
        self.reading.read = {**cost(self.connection), "rows": self.reading.count}
        return self.reading


def among(table: Table, names: Sequence[str], keys: Sequence[Value]) -> tuple[str, list[Any]]:
    """Return the condition that some columns of ``r`` have one of these values, and its parameters."""
    columns = [f"r.{quoted(name)}" for name in names]
    arrays = [f"%s::{table.type_of(name)}[]" for name in names]
    values = [list(part) for part in zip(*keys)]
    if len(names) == 1:
        return f"{columns[0]} = ANY ({arrays[0]})", values
    return f"({', '.join(columns)}) IN (SELECT * FROM unnest({', '.join(arrays)}))", values  # noqa: S608 - names of the catalogue


def identity(connection: Any) -> dict[str, str]:
    """Return what tells this running server from a copy of it: its directory, when it was started, and its history."""
    row = one(
        connection,
        "SELECT system_identifier::text, current_setting('data_directory'), pg_postmaster_start_time()::text,"
        " current_setting('archive_mode') FROM pg_control_system()",
    )
    return dict(zip(("system_identifier", "directory", "started", "archiving"), map(str, row)))


_COST = """SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(c.oid)) FILTER (WHERE c.relkind <> 'i'), 0)::bigint
    + coalesce(sum(pg_stat_get_xact_tuples_fetched(c.oid)) FILTER (WHERE c.relkind <> 'i'), 0)::bigint,
    coalesce(sum(pg_stat_get_xact_blocks_fetched(c.oid)), 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'i') AND n.nspname !~ '^(pg_|information_schema$)'"""


def cost(connection: Any) -> dict[str, int]:
    """Return how many rows and blocks (tables and indexes) this connection's transaction has read, by the server's own count."""
    found = one(connection, _COST)
    return {"rows_read": int(found[0]), "blocks_read": int(found[1])}


def patient_rows(connection: Any, catalogue: Catalogue, wanted: Mapping[str, Any], *, parents: bool) -> Reading:
    """Read one patient: ``table``, ``column`` and ``value`` say who. An unknown patient is an empty reading."""
    reader = Reader(connection, catalogue, int(wanted["most_rows"]))
    name = catalogue.keyed(str(wanted["table"])).name
    reader.down(name, reader.by(name, (str(wanted["column"]),), [(str(wanted["value"]),)]))
    if parents:
        reader.up()
    return reader.done()


def table_rows(connection: Any, catalogue: Catalogue, names: Sequence[str], most_rows: int, *, parents: bool) -> Reading:
    """Read whole tables."""
    reader = Reader(connection, catalogue, most_rows)
    rows(connection, "SET LOCAL enable_seqscan = on")  # every row is wanted
    for name in names:
        reader.whole(catalogue.keyed(name).name)
    rows(connection, BY_KEYS)
    if parents:
        reader.up()
    return reader.done()
