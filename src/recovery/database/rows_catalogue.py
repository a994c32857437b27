"""Tables, keys and foreign keys as the database itself knows them (pg_class, pg_constraint): nothing of it stands in a list of ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .verify_session import quoted, rows

CASCADING = ("c", "n", "d")
"""What a deleted parent does to its children besides refusing: ON DELETE CASCADE, SET NULL, SET DEFAULT."""


class RowsError(Exception):
    """What stops a recovery of rows: a sentence, the code of its finding, and what to do about it."""

    def __init__(self, code: str, message: str, why: str = "", remedy: str = "", alternative: str = "") -> None:
        """Keep the parts of the finding."""
        super().__init__(message)
        self.code, self.why, self.remedy, self.alternative = code, why, remedy, alternative


@dataclass(frozen=True)
class Column:
    """A column; ``written`` is false where the database computes it (GENERATED ALWAYS AS)."""

    name: str
    type: str
    written: bool
    sequence: str = ""


@dataclass(frozen=True)
class ForeignKey:
    """Rows of ``child`` point to rows of ``parent``; ``indexed``: an index leads from the parent's key to the children."""

    name: str
    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str
    indexed: bool


@dataclass(frozen=True)
class Table:
    """A table by the name under which SQL knows it (quoted where needed). ``key``: its primary key, empty if it has none."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    triggers: tuple[str, ...] = ()

    @property
    def written(self) -> tuple[Column, ...]:
        """Return the columns that a row consists of; the others follow from them."""
        return tuple(column for column in self.columns if column.written)

    def type_of(self, name: str) -> str:
        """Return a column's type as a cast names it."""
        return next(column.type for column in self.columns if column.name == name)


@dataclass(frozen=True)
class Catalogue:
    """The tables and the foreign keys among them."""

    tables: dict[str, Table] = field(default_factory=dict)
    foreign_keys: tuple[ForeignKey, ...] = ()

    def children_of(self, table: str) -> list[ForeignKey]:
        """Return the foreign keys that point to a table."""
        return [key for key in self.foreign_keys if key.parent == table]

    def parents_of(self, table: str) -> list[ForeignKey]:
        """Return the foreign keys by which a table points to others, or to itself."""
        return [key for key in self.foreign_keys if key.child == table]

    def find(self, name: str) -> Table:
        """Return a table. Raises RowsError (table-unknown) with the names that come near."""
        table = self.tables.get(name) or self.tables.get(quoted(name))
        if table is None:
            near = sorted(known for known in self.tables if name.lower()[:4] in known.lower())
            hint = f"Names that come near: {', '.join(near[:6])}." if near else f"It has: {', '.join(sorted(self.tables)[:40])}."
            raise RowsError("table-unknown", f"The database has no table {name}.", "", hint)
        return table

    def keyed(self, name: str) -> Table:
        """Return a table whose rows can be told apart. Raises RowsError (no-primary-key)."""
        table = self.find(name)
        if not table.key:
            raise RowsError(
                "no-primary-key",
                f"The table {table.name} has no primary key: nothing says which of its rows is which.",
                "Rows could be doubled or mistaken for one another.",
                "Give it a primary key together with the vendor, or take its rows from a scratch instance by hand "
                "(recovery run database_restore -e mode=beside).",
            )
        return table

    def with_dependants(self, names: Iterable[str]) -> list[str]:
        """Return tables with those whose rows vanish or change when a row of them is deleted (ON DELETE CASCADE, SET ...)."""
        found = [self.keyed(name).name for name in names]
        for name in found:  # grows while it is walked: dependants have dependants
            for key in self.children_of(name):
                if key.on_delete in CASCADING and key.child not in found:
                    found.append(self.keyed(key.child).name)
        return found

    def parents_first(self, names: Iterable[str]) -> list[str]:
        """Return tables in an order in which every parent stands before its children; a circle is cut by name."""
        left, ordered = sorted(set(names)), list[str]()
        while left:
            free = [n for n in left if not any(k.parent in left and k.parent != n for k in self.parents_of(n))] or left[:1]
            ordered += free
            left = [name for name in left if name not in free]
        return ordered


_NAMES = "ARRAY(SELECT a.attname::text FROM unnest({keys}) WITH ORDINALITY k (n, o) JOIN pg_attribute a ON a.attrelid = {of} AND a.attnum = k.n ORDER BY k.o)"  # noqa: E501
_OURS = (
    "c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' AND n.nspname !~ '^(pg_|information_schema$|recovery$)'"
)
_COLUMNS = f"""
SELECT c.oid::regclass::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attgenerated = '',
       coalesce(pg_get_serial_sequence(c.oid::regclass::text, a.attname), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE {_OURS} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.oid, a.attnum"""  # noqa: S608 - constants
_INDEXES = f"""
SELECT c.oid::regclass::text, i.indisprimary, {_NAMES.format(keys="i.indkey::int2[]", of="c.oid")}
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL ORDER BY i.indexrelid"""  # noqa: S608
_FOREIGN = f"""
SELECT f.conname::text, f.conrelid::regclass::text, {_NAMES.format(keys="f.conkey", of="f.conrelid")},
       f.confrelid::regclass::text, {_NAMES.format(keys="f.confkey", of="f.confrelid")}, f.confdeltype::text,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = f.conrelid AND i.indisvalid AND i.indpred IS NULL
               AND (i.indkey::int2[])[0:cardinality(f.conkey) - 1] @> f.conkey)
FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND f.contype = 'f' AND f.conparentid = 0 ORDER BY f.oid"""  # noqa: S608
_TRIGGERS = f"""
SELECT c.oid::regclass::text, t.tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 16 <> 0 ORDER BY 1, 2"""  # noqa: S608


def read(connection: Any) -> Catalogue:
    """Read the catalogue of the database that is connected."""
    columns: dict[str, list[Column]] = {}
    for table, name, kind, written, sequence in rows(connection, _COLUMNS):
        columns.setdefault(table, []).append(Column(name, kind, written, sequence))
    keys: dict[str, tuple[str, ...]] = {}
    uniques: dict[str, list[tuple[str, ...]]] = {}
    for table, primary, names in rows(connection, _INDEXES):
        if primary:
            keys[table] = tuple(names)
        else:
            uniques.setdefault(table, []).append(tuple(names))
    triggers: dict[str, list[str]] = {}
    for table, name in rows(connection, _TRIGGERS):
        triggers.setdefault(table, []).append(name)
    found = {
        name: Table(name, tuple(of), keys.get(name, ()), tuple(uniques.get(name, ())), tuple(triggers.get(name, ())))
        for name, of in columns.items()
    }
    foreign = (
        ForeignKey(name, child, tuple(own), parent, tuple(theirs), deleted, indexed)
        for name, child, own, parent, theirs, deleted, indexed in rows(connection, _FOREIGN)
    )
    return Catalogue(found, tuple(foreign))
