"""Is the cluster itself sound: the right one, complete, open for work, able to write. Milliseconds, whatever its size."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import psycopg2

from .shell import run
from .verify_ledger import Ledger
from .verify_request import Request, lsn
from .verify_session import Address, connect, is_damage, one, quoted, rows, sentence

SOUND, IDENTITY, REPLAY, CONNECTS, CONSTRAINTS, LENGTHS, FILLED, WRITES = (
    "cluster-sound",
    "cluster-identity",
    "replay-complete",
    "databases-connect",
    "constraints-valid",
    "file-lengths",
    "critical-tables",
    "writable",
)

REBUILD = "Restore again, from another backup if this one is the cause: -e source=best."


def prove_cluster(address: Address, request: Request, ledger: Ledger) -> None:
    """Carry out the checks that do not grow with the data. Raises psycopg2.OperationalError if nobody answers."""
    parts: list[tuple[str, str, Callable[[Any], None]]] = [
        (SOUND, "The server accepts work and stands on checksummed pages", lambda c: _sound(c, address, request, ledger)),
        (CONNECTS, "Every database accepts connections", lambda c: _connects(c, address, ledger)),
        (CONSTRAINTS, "No constraint or index is marked as not valid", lambda c: _constraints(c, ledger)),
        (LENGTHS, "No table's file is missing or shorter than the catalogue says", lambda c: _lengths(c, ledger)),
    ]
    if request.expected_system_identifier:
        parts.append((IDENTITY, "It is the cluster that was asked for", lambda c: _identity(c, request, ledger)))
    if request.expected_timeline_min or request.expected_end_lsn:
        parts.append((REPLAY, "The log was replayed as far as was asked", lambda c: _replayed(c, request, ledger)))
    for code, sentence_of_check, _ in parts:
        ledger.announce(code, sentence_of_check)
    if request.critical_tables:
        ledger.announce(FILLED, "No critical table is empty", len(request.critical_tables))
        ledger.announce(WRITES, "Critical tables can be written (rolled back)", len(request.critical_tables))
    with closing(connect(address)):
        pass  # whether the server answers at all is for the caller to say
    for code, _, part in parts:
        guarded(address, None, ledger, code, part)
    _critical_tables(address, request, ledger)


def guarded(address: Address, snapshot: str | None, ledger: Ledger, code: str, part: Callable[[Any], None]) -> None:
    """Carry out a part on a connection of its own; its error becomes what the check found, or did not do."""
    try:
        with closing(connect(address, snapshot=snapshot)) as connection, ledger.timed(code):
            part(connection)
    except Exception as error:  # whatever it is, the check must not pass
        ledger.announce(code, code)
        if is_damage(error):
            ledger.failed(code, f"The server cannot read its own data: {sentence(error)}.", remedy=REBUILD)
        else:
            ledger.unverified(code, f"The question could not be asked: {sentence(error)}.")


def _control_state(connection: Any, data_directory: str) -> str:
    """Return the cluster state that stands in pg_control on the disk."""
    (bindir,) = one(connection, "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
    text = run([f"{bindir}/pg_controldata", "-D", data_directory], timeout=10)
    found = re.search(r"^Database cluster state:\s+(.*)$", text, re.MULTILINE)
    return found.group(1) if found else "unknown"


def _sound(connection: Any, address: Address, request: Request, ledger: Ledger) -> None:
    recovering, checksums, directory, version = one(
        connection,
        "SELECT pg_is_in_recovery(), current_setting('data_checksums'), current_setting('data_directory'),"
        " current_setting('server_version')",
    )
    with closing(connect(address, access="default")) as as_the_wards:
        (read_only,) = one(as_the_wards, "SHOW transaction_read_only")
    ledger.figure(SOUND, server_version=version, data_directory=directory)
    problems: list[str] = []
    if recovering:
        problems.append("the server is still in recovery: it answers questions and takes no work")
    elif read_only == "on":
        problems.append("new transactions are read-only (default_transaction_read_only): the wards could not save anything")
    if checksums != "on":
        problems.append("data checksums are off: damage on the disk would go unnoticed")
    if request.data_directory:
        if os.path.realpath(directory) != os.path.realpath(request.data_directory):
            problems.append(f"the server works in {directory}, the proof was asked about {request.data_directory}")
        state = _control_state(connection, directory)
        if state != "in production":
            problems.append(f"pg_control says '{state}' instead of 'in production'")
    if problems:
        ledger.failed(SOUND, "The cluster is not sound: " + "; ".join(problems) + ".", remedy=REBUILD)
    else:
        ledger.passed(SOUND)


def _identity(connection: Any, request: Request, ledger: Ledger) -> None:
    (found,) = one(connection, "SELECT system_identifier::text FROM pg_control_system()")
    if found != request.expected_system_identifier:
        ledger.failed(
            IDENTITY,
            f"This is another cluster: its system identifier is {found}, {request.expected_system_identifier} was asked for.",
            why="Letting the wards into another system's data mixes two hospitals' records.",
            remedy="Check which backup repository and stanza were restored.",
        )
    else:
        ledger.passed(IDENTITY)


def _replayed(connection: Any, request: Request, ledger: Ledger) -> None:
    """Compare with where the replay really ended: the last switch in the timeline's history, not today's position."""
    if one(connection, "SELECT pg_is_in_recovery()")[0]:
        ledger.failed(REPLAY, "The replay has not ended: the server is still in recovery.")
        return
    file_name, current = one(connection, "SELECT pg_walfile_name(pg_current_wal_lsn()), pg_current_wal_lsn()::text")
    timeline = int(file_name[:8], 16)
    end = current
    if timeline > 1:
        history = one(connection, "SELECT pg_read_file('pg_wal/' || %s || '.history')", (file_name[:8],))[0]
        switches = [line.split("\t") for line in history.splitlines() if re.match(r"\d+\t", line)]
        end = switches[-1][1]
    ledger.figure(REPLAY, timeline=timeline, replay_ended_at=end)
    if timeline < request.expected_timeline_min:
        ledger.failed(
            REPLAY,
            f"The server is on timeline {timeline}, at least {request.expected_timeline_min} was expected.",
            why="A recovery that ended properly begins a new timeline; an older one lacks what was written after it.",
        )
    elif request.expected_end_lsn and lsn(end) < lsn(request.expected_end_lsn):
        ledger.failed(
            REPLAY,
            f"The replay ended at {end}, before {request.expected_end_lsn}: {lsn(request.expected_end_lsn) - lsn(end)} bytes"
            " of the log are missing.",
            remedy="Look for the missing segments in the other repositories: -e source=best.",
        )
    else:
        ledger.passed(REPLAY)


def _connects(connection: Any, address: Address, ledger: Ledger) -> None:
    names = [name for (name,) in rows(connection, "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname")]
    ledger.figure(CONNECTS, databases=names)
    ledger.announce(CONNECTS, "", len(names) - 1)
    for name in names:
        try:
            with closing(connect(address, database=name)) as other:
                one(other, "SELECT count(*) FROM pg_class")
            ledger.passed(CONNECTS)
        except psycopg2.Error as error:
            ledger.failed(CONNECTS, f"Database {name} does not accept connections: {sentence(error)}.", remedy=REBUILD)


def _constraints(connection: Any, ledger: Ledger) -> None:
    constraints = rows(
        connection,
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE NOT convalidated AND conrelid <> 0 ORDER BY 1, 2",
    )
    indexes = rows(
        connection,
        "SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text FROM pg_index i"
        " WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p"
        " WHERE p.index_relid = i.indexrelid) ORDER BY 1, 2",
    )
    triggers = rows(
        connection,
        "SELECT DISTINCT tgrelid::regclass::text, coalesce(c.conname, t.tgname) FROM pg_trigger t"
        " LEFT JOIN pg_constraint c ON c.oid = t.tgconstraint WHERE t.tgenabled = 'D' ORDER BY 1, 2",
    )
    found = [f"constraint {name} of {table} is NOT VALID" for table, name in constraints]
    found += [f"index {name} of {table} is not valid" for table, name in indexes]
    found += [f"trigger or foreign key {name} of {table} is switched off" for table, name in triggers]
    if found:
        ledger.failed(
            CONSTRAINTS,
            "; ".join(found) + ".",
            why="Nothing keeps wrong rows out while a rule is not enforced.",
            remedy="ALTER TABLE ... VALIDATE CONSTRAINT, REINDEX or ALTER TABLE ... ENABLE TRIGGER, after looking at the rows.",
        )
    else:
        ledger.passed(CONSTRAINTS)


# A table's file: nothing of it may be missing. VACUUM cuts the file first and tells the catalogue a moment later.
_SHORT = """
SELECT c.oid::regclass::text, pg_relation_filepath(c.oid), c.relpages, pg_relation_size(c.oid) / current_setting('block_size')::int,
       (pg_stat_file(pg_relation_filepath(c.oid), true)).size IS NULL
FROM pg_class c
WHERE c.relkind IN ('r', 'm', 't', 'i', 'S') AND c.relpersistence <> 't' AND pg_relation_filepath(c.oid) IS NOT NULL
  AND (c.relpages > pg_relation_size(c.oid) / current_setting('block_size')::int
       OR (pg_stat_file(pg_relation_filepath(c.oid), true)).size IS NULL)
"""


def _lengths(connection: Any, ledger: Ledger, patience_s: float = 3.0) -> None:
    until = time.monotonic() + patience_s
    short = rows(connection, _SHORT)
    while short and time.monotonic() < until:
        time.sleep(0.25)
        short = rows(connection, _SHORT)
    ledger.announce(LENGTHS, "", max(0, len(short) - 1))
    for relation, path, expected, actual, missing in short:
        what = "is missing" if missing else f"has {actual} pages, the catalogue knows of {expected}"
        ledger.failed(LENGTHS, f"The file {path} of {relation} {what}.", why="Rows are gone.", remedy=REBUILD)
    if not short:
        ledger.passed(LENGTHS)


def _critical_tables(address: Address, request: Request, ledger: Ledger) -> None:
    connection: Any = None
    for table in request.critical_tables:
        with ledger.timed(FILLED):
            try:
                if connection is None or connection.closed:
                    connection = connect(address, access="write")
                    connection.autocommit = False
                _filled_and_writable(connection, table, ledger, empty_in_backup=_empty(request, table))
            except psycopg2.Error as error:
                _report_table(table, error, ledger)
            finally:
                if connection is not None and not connection.closed:
                    connection.rollback()
    if connection is not None:
        connection.close()


def _empty(request: Request, table: str) -> bool:
    """Tell whether the backup's own manifest counted no row in this table."""
    measured = (request.manifest or {}).get("tables", {}).get(table)
    return isinstance(measured, Mapping) and measured.get("rows") == 0


def _filled_and_writable(connection: Any, table: str, ledger: Ledger, *, empty_in_backup: bool = False) -> None:
    """Lock one row, which writes to its page and to the log, inside a savepoint; all of it is rolled back."""
    name = quoted(table)
    if not rows(connection, f"SELECT 1 FROM {name} LIMIT 1"):  # noqa: S608 - quoted
        if empty_in_backup:
            ledger.passed(FILLED)
            ledger.passed(WRITES)
            ledger.note(FILLED, f"Table {table} is empty, as it was when the backup was taken.")
            return
        ledger.failed(FILLED, f"Table {table} is empty.", why="The plan names it as critical.", remedy=REBUILD)
        ledger.unverified(WRITES, f"Table {table} has no row to write to.")
        return
    rows(connection, "SAVEPOINT proof")
    (before,) = one(connection, "SELECT pg_current_wal_insert_lsn() FROM pg_current_xact_id()")
    locked = rows(connection, f"SELECT 1 FROM {name} LIMIT 1 FOR UPDATE SKIP LOCKED")  # noqa: S608
    (grown,) = one(connection, "SELECT pg_current_wal_insert_lsn() > %s::pg_lsn", (before,))
    rows(connection, "ROLLBACK TO SAVEPOINT proof")
    ledger.passed(FILLED)
    if locked and grown:
        ledger.passed(WRITES)
    else:
        ledger.unverified(WRITES, f"No row of {table} could be locked: all are in use.")


def _report_table(table: str, error: psycopg2.Error, ledger: Ledger) -> None:
    """Report an error as what it says of the table; the check of writing then says that it was not carried out."""
    told = f"Table {table}: {sentence(error)}."
    refused = getattr(error, "pgcode", "") or ""
    if is_damage(error) or refused in ("42P01", "25006"):  # no such table; the transaction is read-only
        ledger.failed(FILLED, told, remedy=REBUILD)
    else:
        ledger.unverified(FILLED, told)
    ledger.unverified(WRITES, f"Table {table} was not written to.")
