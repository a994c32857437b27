"""Do the rows keep the rules that the catalogue states: keys, foreign keys, checks, sequences. One pass over each table.

Nothing is trusted because it is declared: a foreign key is proven by looking for every child's parent, a primary key by
counting the table through it and through its blocks, a check by evaluating it. One reading of a table serves all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg2

from .verify_ledger import Ledger
from .verify_session import Task, Worker, is_damage, one, rows, sentence, without

READ, UNIQUE, FOREIGN, CHECKED, SEQUENCES = "rows-readable", "unique-keys", "foreign-keys", "check-constraints", "sequences"
_REBUILD = "Restore again, from another backup if this one is the cause: -e source=best."
SHOWN = 5
# A parent up to this size (bytes) is handed to the reading of its children as a list of keys, which the server hashes: children of
# departments, staff and prices are then followed at hardly any cost beyond the reading itself.
LISTED_PARENT = 1_000_000


@dataclass
class Rule:
    """A constraint: a condition that is true for a wrong row, and the columns that show it."""

    name: str
    code: str
    wrong: str = ""
    expression: str = ""
    text: str = ""
    columns: tuple[str, ...] = ()
    parent: str = ""
    keys: str = ""  # a question for all keys of a small parent; empty for a large one
    ordered: bool = False  # an index of the child begins with the column, so both sides can be read in the key's order

    def unlisted(self, keys: list[int]) -> str:
        """Return the condition for a row whose parent is not among these keys."""
        column = f"c.{self.columns[0]}"
        return f"({column} IS NOT NULL AND {column}::bigint <> ALL ('{{{','.join(map(str, keys))}}}'::bigint[]))"


@dataclass
class TableFacts:
    """A table with all that its catalogue entry promises."""

    oid: int
    name: str
    bytes: int
    rules: list[Rule] = field(default_factory=list)
    foreign: list[Rule] = field(default_factory=list)
    unique: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    rows: int | None = None
    keys_in_blocks: dict[str, int] = field(default_factory=dict)
    keys_through_index: dict[str, int] = field(default_factory=dict)

    def nullable_keys(self) -> list[tuple[str, ...]]:
        """Return the unique keys with a column that may be empty: such rows stand outside the key."""
        filled = {rule.columns[0] for rule in self.rules if rule.name.endswith(" not null")}
        return sorted({columns for _, columns in self.unique if not filled.issuperset(columns)})

    def source(self) -> str:
        """Return the table as a FROM item ``c``, its checks evaluated where only its own columns are in reach."""
        checks = [f", NOT ({rule.expression}) AS broken_{number}" for number, rule in enumerate(self.rules) if rule.expression]
        return f"(SELECT t.ctid AS place, t.*{''.join(checks)} FROM ONLY {self.name} t) c"  # noqa: S608 - quoted by the server

    def wrong(self, number: int) -> str:
        """Return the condition that is true for a row that breaks the rule of this number."""
        return f"c.broken_{number}" if self.rules[number].expression else self.rules[number].wrong


_TABLES = """
SELECT c.oid, c.oid::regclass::text, pg_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND (c.relkind = 'r' OR c.relispopulated)
"""
# A key on a partitioned table has one entry for each pair of partitions; those made for a partition of the parent only serve
# actions and are left out.
_FOREIGN = """
SELECT k.conrelid, k.conname, k.confrelid::regclass::text, p.relkind,
       (SELECT array_agg(quote_ident(a.attname) ORDER BY o) FROM unnest(k.conkey) WITH ORDINALITY u(n, o)
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n),
       (SELECT array_agg(quote_ident(a.attname) ORDER BY o) FROM unnest(k.confkey) WITH ORDINALITY u(n, o)
          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n),
       (SELECT array_agg(format('OPERATOR(%%I.%%s)', s.nspname, q.oprname) ORDER BY o)
          FROM unnest(k.conpfeqop) WITH ORDINALITY u(n, o) JOIN pg_operator q ON q.oid = u.n JOIN pg_namespace s ON s.oid = q.oprnamespace),
       k.confmatchtype,
       cardinality(k.conkey) = 1 AND p.relkind = 'r' AND pg_relation_size(p.oid) <= %s AND NOT EXISTS (
         SELECT FROM pg_attribute a WHERE (a.attrelid, a.attnum) IN ((k.conrelid, k.conkey[1]), (k.confrelid, k.confkey[1]))
         AND a.atttypid NOT IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = k.conkey[1])
FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND c.relkind = 'r'
  AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.oid = k.conparentid AND o.conrelid = k.conrelid)
ORDER BY k.conrelid, k.conname
"""
_CHECKS = "SELECT conrelid, conname, pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 ORDER BY 1, 2"
_NOT_NULL = """
SELECT a.attrelid, quote_ident(a.attname) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped AND c.relkind = 'r' ORDER BY a.attrelid, a.attnum
"""
_UNIQUE = """
SELECT i.indrelid, i.indexrelid::regclass::text,
       (SELECT array_agg(quote_ident(a.attname) ORDER BY o) FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(n, o)
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.n WHERE o <= i.indnkeyatts)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE i.indisunique AND i.indisvalid AND i.indexprs IS NULL AND i.indpred IS NULL AND c.relkind IN ('r', 'm') AND NOT i.indnullsnotdistinct
ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid
"""
_SEQUENCES = """
SELECT DISTINCT s.oid::regclass::text, t.oid::regclass::text, quote_ident(a.attname), q.seqincrement > 0, q.seqcycle
FROM pg_class s JOIN pg_sequence q ON q.seqrelid = s.oid
JOIN (SELECT objid, refobjid, refobjsubid FROM pg_depend WHERE deptype IN ('a', 'i') AND refobjsubid > 0
        AND classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
      UNION SELECT d.refobjid, f.adrelid, f.adnum FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
        WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass) o ON o.objid = s.oid
JOIN pg_class t ON t.oid = o.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = o.refobjsubid
WHERE s.relkind = 'S' AND s.relpersistence <> 't' AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
ORDER BY 1, 2
"""


def catalogue(connection: Any) -> list[TableFacts]:
    """Return every table with its foreign keys, checks, columns that must be filled and unique keys."""
    tables = {oid: TableFacts(oid, name, size or 0) for oid, name, size in rows(connection, _TABLES)}
    for oid, *described in rows(connection, _FOREIGN, (LISTED_PARENT,)):
        if oid in tables:
            tables[oid].foreign.append(_foreign(*described))
    for oid, name, expression in rows(connection, _CHECKS):
        if oid in tables:
            text = f"check {name} ({expression})"
            tables[oid].rules.append(Rule(name, CHECKED, expression=expression, text=text))
    for oid, column in rows(connection, _NOT_NULL):
        if oid in tables:
            tables[oid].rules.append(
                Rule(f"{column} not null", CHECKED, f"c.{column} IS NULL", text=f"column {column} is not null", columns=(column,))
            )
    for oid, index, columns in rows(connection, _UNIQUE):
        if oid in tables:
            tables[oid].unique.append((index, tuple(columns)))
    return sorted(tables.values(), key=lambda table: table.name)


def _foreign(
    name: str,
    parent: str,
    kind: str,
    columns: list[str],
    theirs: list[str],
    operators: list[str],
    match: str,
    listed: bool,
    ordered: bool,
) -> Rule:
    on = " AND ".join(f"p.{key} {operator} c.{column}" for column, key, operator in zip(columns, theirs, operators, strict=True))
    # MATCH FULL: all columns filled or none.
    filled = (" OR " if match == "f" else " AND ").join(f"c.{column} IS NOT NULL" for column in columns)
    only = "ONLY " if kind == "r" else ""
    return Rule(
        name,
        FOREIGN,
        f"({filled}) AND NOT EXISTS (SELECT FROM {only}{parent} p WHERE {on})",
        text=f"foreign key {name} ({', '.join(columns)}) to {parent}",
        columns=tuple(columns),
        parent=parent,
        keys=f"SELECT {theirs[0]} FROM {only}{parent}" if listed else "",  # noqa: S608 - quoted by the server
        ordered=ordered,
    )


def row_tasks(connection: Any, ledger: Ledger, tables: list[TableFacts]) -> list[Task]:
    """Announce and return the reading of all rows: a task for each table's rules, each large parent, each unique key, each sequence."""
    ledger.announce(READ, "Every row of every table can be read", len(tables))
    ledger.announce(UNIQUE, "Every key leads to every row, and to each once", sum(len(table.unique) for table in tables))
    ledger.announce(FOREIGN, "Every row that points to another finds it", sum(len(table.foreign) for table in tables))
    ledger.announce(CHECKED, "Every row keeps the checks of its table", sum(len(table.rules) for table in tables))
    tasks: list[Task] = []
    for table in tables:
        tasks.append(_rules_task(ledger, table))
        tasks.extend(_foreign_task(ledger, table, rule) for rule in table.foreign if not rule.keys)
        tasks.extend(_unique_task(ledger, table, index, columns) for index, columns in table.unique)
    sequences = rows(connection, _SEQUENCES)
    ledger.announce(SEQUENCES, "Every sequence is past the numbers already given", len(sequences))
    return tasks + [_sequence_task(ledger, *found) for found in sequences]


def _rules_task(ledger: Ledger, table: TableFacts) -> Task:
    """Read a table once: its rows, keys, checks and columns that must be filled, and the parents that are small enough to be listed."""
    listed = [rule for rule in table.foreign if rule.keys]

    def read(worker: Worker) -> None:
        asked = [(rule, table.wrong(number)) for number, rule in enumerate(table.rules)]
        with ledger.timed(READ):
            asked += _with_parents(ledger, worker, table, listed)
            keys = [f"count(*) FILTER (WHERE {_filled(columns)})" for columns in table.nullable_keys()]
            wrong = " OR ".join(f"({condition})" for _, condition in asked) or "false"
            found = one(
                worker.snapshot,
                f"SELECT count(*), count(*) FILTER (WHERE {wrong}){''.join(', ' + key for key in keys)} FROM {table.source()}",  # noqa: S608
            )
        ledger.add(READ, "rows", found[0])
        ledger.passed(READ)
        table.rows = found[0]
        counted = dict(zip(table.nullable_keys(), found[2:], strict=True))
        table.keys_in_blocks = {index: counted.get(columns, found[0]) for index, columns in table.unique}
        broken = [0] * len(asked)
        if found[1]:
            each = ", ".join(f"count(*) FILTER (WHERE {condition})" for _, condition in asked)
            broken = list(one(worker.snapshot, f"SELECT {each} FROM {table.source()}"))  # noqa: S608
        for (rule, condition), number in zip(asked, broken, strict=True):
            if number:
                ledger.failed(rule.code, _offenders(worker, table, rule, condition, number), remedy=_REBUILD)
            else:
                ledger.passed(rule.code)

    def failed(error: BaseException) -> None:
        told = f"Table {table.name} cannot be read through: {sentence(error)}."
        ledger.failed(READ, told, remedy=_REBUILD) if is_damage(error) else ledger.unverified(READ, told)
        for rule in (*table.rules, *listed):
            ledger.unverified(rule.code, f"{rule.text} of {table.name} could not be checked: {sentence(error)}.")

    return Task(table.bytes * 1.0, READ, table.name, read, failed)


def _with_parents(ledger: Ledger, worker: Worker, table: TableFacts, listed: list[Rule]) -> Iterator[tuple[Rule, str]]:
    """Yield each foreign key whose parent could be read, with the condition for a row that points to nothing."""
    for rule in listed:
        try:
            keys = [key for (key,) in rows(worker.snapshot, rule.keys) if key is not None]
        except psycopg2.Error as error:
            _not_followed(ledger, table, rule, error)
            worker.recover()
        else:
            yield rule, rule.unlisted(keys)


def _filled(columns: tuple[str, ...]) -> str:
    return " AND ".join(f"c.{column} IS NOT NULL" for column in columns)


def _foreign_task(ledger: Ledger, table: TableFacts, rule: Rule) -> Task:
    """Look for every child's parent: a question of its own, for which the server reads only the columns of the key.

    Where the child has an index, both sides are merged in its order: three to five times cheaper than a hash of millions of keys.
    The index may stand for the table there, because amcheck proves in the same run that it has an entry for every row.
    """

    def read(worker: Worker) -> None:
        with ledger.timed(FOREIGN), without(worker.snapshot, *(("hashjoin",) if rule.ordered else ())):
            (orphans,) = one(worker.snapshot, f"SELECT count(*) FROM ONLY {table.name} c WHERE {rule.wrong}")  # noqa: S608
        if orphans:
            ledger.failed(FOREIGN, _offenders(worker, table, rule, rule.wrong, orphans), remedy=_REBUILD)
        else:
            ledger.passed(FOREIGN)

    return Task(table.bytes * 0.8, FOREIGN, rule.name, read, partial(_not_followed, ledger, table, rule))


def _not_followed(ledger: Ledger, table: TableFacts, rule: Rule, error: BaseException) -> None:
    told = f"Table {table.name}: {rule.text} could not be followed: {sentence(error)}."
    ledger.failed(FOREIGN, told, remedy=_REBUILD) if is_damage(error) else ledger.unverified(FOREIGN, told)


def _offenders(worker: Worker, table: TableFacts, rule: Rule, condition: str, wrong: int) -> str:
    key = ", ".join(f"c.{column}" for column in (table.unique[0][1] if table.unique else ("place",)))
    shown = ", ".join(f"c.{column}" for column in rule.columns)
    sql = f"SELECT ROW({key})::text, ROW({shown})::text FROM {table.source()} WHERE {condition} LIMIT {SHOWN}"  # noqa: S608
    examples = rows(worker.snapshot, sql)
    if rule.parent:
        told = "; ".join(f"row {row} points to {value}, which is not in {rule.parent}" for row, value in examples)
    else:
        told = "; ".join(f"row {row}" for row, _ in examples)
    return f"Table {table.name}: {wrong} rows break {rule.text}: {told}."


def _unique_task(ledger: Ledger, table: TableFacts, index: str, columns: tuple[str, ...]) -> Task:
    """Count the different keys through the index; ``settle_unique`` holds them against the rows counted in the blocks."""
    listed = ", ".join(f"c.{column}" for column in columns)

    def read(worker: Worker) -> None:
        with ledger.timed(UNIQUE), without(worker.snapshot, "seqscan", "bitmapscan", "sort", "hashagg"):
            sql = f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM ONLY {table.name} c WHERE {_filled(columns)}) s"  # noqa: S608
            table.keys_through_index[index] = one(worker.snapshot, sql)[0]

    def failed(error: BaseException) -> None:
        told = f"Table {table.name} cannot be read through index {index}: {sentence(error)}."
        ledger.failed(UNIQUE, told, remedy=_REBUILD) if is_damage(error) else ledger.unverified(UNIQUE, told)

    return Task(table.bytes * 0.5, UNIQUE, index, read, failed)


def settle_unique(connection: Any, ledger: Ledger, tables: list[TableFacts]) -> None:
    """Compare the two counts of every key: damage on either side, or a key that stands twice, shows as a difference."""
    for table in tables:
        for index, columns in table.unique:
            through_index, in_blocks = table.keys_through_index.get(index), table.keys_in_blocks.get(index)
            if through_index is None:
                continue  # its own failure has been reported
            if in_blocks is None:
                ledger.unverified(UNIQUE, f"Index {index} has nothing to be held against: {table.name} could not be read.")
            elif through_index == in_blocks:
                ledger.passed(UNIQUE)
            else:
                told = f"Table {table.name}: {in_blocks} rows in its blocks, {through_index} different keys through index {index}"
                ledger.failed(UNIQUE, f"{told}{_twice(connection, table, columns)}.", remedy=_REBUILD)


def _twice(connection: Any, table: TableFacts, columns: tuple[str, ...]) -> str:
    """Name the keys that stand twice, if that is what is wrong."""
    listed = ", ".join(f"c.{column}" for column in columns)
    sql = (
        f"SELECT ROW({listed})::text, count(*) FROM ONLY {table.name} c WHERE {_filled(columns)} GROUP BY {listed}"  # noqa: S608
        f" HAVING count(*) > 1 ORDER BY 1 LIMIT {SHOWN}"
    )
    try:
        with without(connection, "indexscan", "indexonlyscan", "bitmapscan"):
            return "".join(f"; key {key} stands {number} times" for key, number in rows(connection, sql))
    except psycopg2.Error as error:
        return f" ({sentence(error)})"


def _sequence_task(ledger: Ledger, sequence: str, table: str, column: str, rising: bool, cycles: bool) -> Task:
    def read(worker: Worker) -> None:
        with ledger.timed(SEQUENCES):
            edge = "max" if rising else "min"
            (reached,) = one(worker.snapshot, f"SELECT {edge}({column}) FROM {table}")  # noqa: S608
            following, called = one(worker.present, f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608
        step = (0 if called else 1) if rising else (0 if called else -1)
        given = following - step
        behind = reached is not None and (given < reached if rising else given > reached)
        if behind and not cycles:
            ledger.failed(
                SEQUENCES,
                f"Sequence {sequence} has given {given}, but {table}.{column} already holds {reached}.",
                why="The next entries of the wards would fail or take another row's number.",
                remedy=f"SELECT setval('{sequence}', {reached});",
            )
        else:
            ledger.passed(SEQUENCES)

    def failed(error: BaseException) -> None:
        told = f"Sequence {sequence} could not be compared with {table}.{column}: {sentence(error)}."
        ledger.failed(SEQUENCES, told, remedy=_REBUILD) if is_damage(error) else ledger.unverified(SEQUENCES, told)

    return Task(0.0, SEQUENCES, sequence, read, failed)


def rows_by_table(tables: list[TableFacts]) -> Mapping[str, int]:
    """Return the rows counted for each table that could be read."""
    return {table.name: table.rows for table in tables if table.rows is not None}
