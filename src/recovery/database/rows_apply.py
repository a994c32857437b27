"""Put approved rows back: one transaction, short locks that are tried again, the differences compared once more under lock.

A lost row is put back as it was: what it once set off (price history, stock level) happened then, so no trigger fires. An altered
row is set back as a change of today: the table's own triggers run (price history gets its line), but for append-only tables,
which would refuse; what triggers wrote into the row itself is then set to the backup's value. Foreign keys are checked by ourselves.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2.extras import execute_values

from .rows_catalogue import Catalogue, RowsError, read
from .rows_diff import Change, Plan, grouped
from .rows_live import Compared, Request, compare_live
from .rows_read import Reader, Reading, cost
from .verify_session import Address, connect, one, quoted, rows, sentence

PASSING = (
    psycopg2.errors.LockNotAvailable,
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.SerializationFailure,
)
AUDIT = """
CREATE SCHEMA IF NOT EXISTS recovery;
CREATE TABLE IF NOT EXISTS recovery.rows_put_back (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), run text NOT NULL,
    requested_by text NOT NULL, mode text NOT NULL, subject text NOT NULL, target text NOT NULL, diff_sha256 text NOT NULL,
    conflicts text NOT NULL, conflicts_by text NOT NULL, tables jsonb NOT NULL)"""


@dataclass(frozen=True)
class Patience:
    """How long to wait for other people's locks: one wait (ms), how often, and the pause between (s)."""

    lock_timeout_ms: int = 500
    attempts: int = 20
    pause_s: float = 0.5


@dataclass
class Applied:
    """What was done: the plan, the number of attempts, the sequences that were moved, the audit row."""

    plan: Plan
    attempts: int = 1
    sequences: dict[str, int] = field(default_factory=dict)
    audit: int | None = None
    transaction: str = ""
    held_s: float = 0.0
    read: dict[str, int] = field(default_factory=dict)


def apply(address: Address, backup: Reading, request: Request, digest: str, patience: Patience, by: dict[str, str]) -> Applied:
    """Put the rows back, if the differences are still those that were approved.

    Raises RowsError: live-changed, rows-busy, parent-missing, put-back-refused. Then nothing was changed.
    """
    connection = connect(address, access="write")
    connection.autocommit = False
    try:
        rows(connection, "SET lock_timeout = %s", (f"{patience.lock_timeout_ms}ms",))
        connection.commit()
        for attempt in range(1, patience.attempts + 1):
            started = time.monotonic()
            try:
                done = _once(connection, backup, request, digest, by)
                connection.commit()
                done.attempts, done.held_s = attempt, round(time.monotonic() - started, 3)
                return done
            except PASSING as error:
                connection.rollback()
                last = sentence(error)
                time.sleep(patience.pause_s * (0.5 + random.random()))  # noqa: S311 - a pause, not a secret
    except psycopg2.errors.UniqueViolation as error:
        connection.rollback()
        raise changed(f"a row that is to be put back is there again ({error.diag.table_name})") from error
    except psycopg2.Error as error:
        connection.rollback()
        raise RowsError(
            "put-back-refused",
            f"The database refused the rows: {sentence(error)}. Nothing was changed.",
            "",
            "If a trigger of an append-only table speaks, describe the table as append_only in database_critical_tables.",
        ) from error
    finally:
        connection.close()
    raise RowsError(
        "rows-busy",
        f"Others held these rows during all of {patience.attempts} attempts ({last}). Nothing was changed.",
        "The wards' work goes first: a lock is waited for only briefly.",
        "Run the same command again in a quieter minute, or find out who holds them: recovery run database_check.",
    )


def changed(how: str) -> RowsError:
    """Return the refusal that the approved differences are not the present ones any more."""
    return RowsError(
        "live-changed",
        f"The living rows have changed since the differences were approved: {how}. Nothing was changed.",
        "What people approved is not what would happen.",
        "Run the same command again: the differences are shown and approved anew.",
    )


def _once(connection: Any, backup: Reading, request: Request, digest: str, by: dict[str, str]) -> Applied:
    catalogue = read(connection)
    compared: Compared = compare_live(connection, catalogue, backup, request, lock=True)
    plan = compared.plan
    if plan.digest() != digest:
        raise changed(f"{len(plan.changes)} rows differ now, by digest {plan.digest()[:12]} instead of {digest[:12]}")
    done = Applied(plan)
    _insert(connection, catalogue, [change for change in plan.changes if change.live is None])
    _update(connection, catalogue, [change for change in plan.changes if change.live is not None], plan.past_triggers)
    check_parents(connection, catalogue, plan.changes, request.most_rows)
    done.sequences = move_sequences(connection, catalogue, plan.changes)
    if plan.changes:
        done.audit = _audit(connection, request, digest, plan, by)
        done.transaction = str(one(connection, "SELECT pg_current_xact_id()::xid::text")[0])
    done.read = cost(connection)
    return done


def _quiet(connection: Any, quiet: bool) -> None:
    rows(connection, f"SET LOCAL session_replication_role = {'replica' if quiet else 'origin'}")


def _insert(connection: Any, catalogue: Catalogue, changes: Sequence[Change]) -> None:
    _quiet(connection, True)
    for name, group in grouped(changes).items():
        table = catalogue.find(name)
        columns = ", ".join(quoted(column.name) for column in table.written)
        casts = ", ".join(f"%s::{column.type}" for column in table.written)
        statement = f"INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE VALUES %s"  # noqa: S608 - names of the catalogue
        with connection.cursor() as cursor:
            execute_values(cursor, statement, [change.backup for change in group], template=f"({casts})", page_size=500)
    _quiet(connection, False)


def _update(connection: Any, catalogue: Catalogue, changes: Sequence[Change], past_triggers: Sequence[str]) -> None:
    for change in changes:
        _quiet(connection, change.table in past_triggers)
        _set(connection, catalogue, change, change.differing)
    _quiet(connection, True)
    for change in changes:  # what a trigger wrote into the very row
        _set(connection, catalogue, change, change.differing, only_if_differing=True)
    _quiet(connection, False)


def _set(connection: Any, catalogue: Catalogue, change: Change, names: Sequence[str], *, only_if_differing: bool = False) -> None:
    table = catalogue.find(change.table)
    if only_if_differing:
        names = change.columns
    parts = [f"{quoted(name)} = %s::{table.type_of(name)}" for name in names]
    keyed = " AND ".join(f"{quoted(name)} = %s::{table.type_of(name)}" for name, _ in change.key)
    values = [*change.pick(names), *(value for _, value in change.key)]
    differs = ""
    if only_if_differing:
        told = ", ".join(f"{quoted(name)}::text" for name in names)
        differs = f" AND ({told}) IS DISTINCT FROM ({', '.join(['%s'] * len(names))})"
        values += change.pick(names)
    rows(connection, f"UPDATE {change.table} SET {', '.join(parts)} WHERE {keyed}{differs}", values)  # noqa: S608


def check_parents(connection: Any, catalogue: Catalogue, changes: Sequence[Change], most_rows: int) -> None:
    """See that every row put back finds the rows it points to, and keep them there until the end. Raises RowsError."""
    for name, group in grouped(changes).items():
        for key in catalogue.parents_of(name):
            wanted = {values for change in group if None not in (values := change.pick(key.columns))}
            reader = Reader(connection, catalogue, most_rows)
            found = reader.by(key.parent, key.parent_columns, wanted, lock=" FOR KEY SHARE OF r")
            into = reader.of(key.parent)
            missing = wanted - {into.pick(row, key.parent_columns) for row in found}
            if missing:
                raise RowsError(
                    "parent-missing",
                    f"{len(missing)} rows of {name} would point to rows of {key.parent} that are not there ({key.name}). "
                    "Nothing was changed.",
                    "",
                    f"Put the rows of {key.parent} back as well: -e tables={name},{key.parent}.",
                )


def move_sequences(connection: Any, catalogue: Catalogue, changes: Sequence[Change]) -> dict[str, int]:
    """Move a sequence that would give out a key which is there again behind the highest key; return what was moved."""
    moved: dict[str, int] = {}
    for name in grouped(changes):
        for column in catalogue.find(name).columns:
            if column.sequence:
                (top,) = one(connection, f"SELECT max({quoted(column.name)}) FROM {name}")  # noqa: S608
                (last, called) = one(connection, f"SELECT last_value, is_called FROM {column.sequence}")  # noqa: S608
                if top is not None and (last < top or (last == top and not called)):
                    one(connection, "SELECT setval(%s, %s)", (column.sequence, top))
                    moved[column.sequence] = int(top)
    return moved


def _audit(connection: Any, request: Request, digest: str, plan: Plan, by: dict[str, str]) -> int:
    if not one(connection, "SELECT to_regclass('recovery.rows_put_back') IS NOT NULL")[0]:
        rows(connection, AUDIT)
    counts = {table: {k: n for k, n in of.items() if k != "extra"} for table, of in plan.counts().items()}
    values = (
        *(by.get("run", ""), by.get("requested_by", ""), request.mode, request.subject, request.target, digest),
        *(request.conflicts, request.conflicts_by, json.dumps(counts)),
    )
    sql = (
        "INSERT INTO recovery.rows_put_back (run, requested_by, mode, subject, target, diff_sha256, conflicts, conflicts_by, tables)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb) RETURNING id"
    )
    return int(one(connection, sql, values)[0])
