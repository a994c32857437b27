"""Hold the rows of a backup against the living database: what is missing, what differs, who wrote it, what was entered since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..findings import Finding
from .rows_catalogue import Catalogue, RowsError
from .rows_diff import Change, Clock, Plan, compare, grouped
from .rows_read import Reader, Reading, Value, patient_rows, table_rows
from .target import TargetError, parse
from .verify_session import quoted, rows

MODES = ("table", "patient")


@dataclass(frozen=True)
class Request:
    """What is asked for. ``until``: the moment by which the damage was over, as a target (time:...); times carry a zone."""

    mode: str
    database: str
    target: str
    tables: tuple[str, ...] = ()
    patient: str = ""
    patient_table: str = ""
    patient_column: str = ""
    until: str = ""
    conflicts: str = "refuse"
    conflicts_by: str = ""
    append_only: tuple[str, ...] = ()
    heartbeat: Mapping[str, str] = field(default_factory=dict)
    most_rows: int = 100_000

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Request:
        """Read a request as a module is given it."""
        return cls(
            mode=str(given["mode"]),
            database=str(given["database"]),
            target=str(given.get("target") or ""),
            tables=tuple(given.get("tables") or ()),
            patient=str(given.get("patient") or ""),
            patient_table=str(given.get("patient_table") or ""),
            patient_column=str(given.get("patient_column") or ""),
            until=str(given.get("until") or ""),
            conflicts=str(given.get("conflicts") or "refuse"),
            conflicts_by=str(given.get("conflicts_by") or ""),
            append_only=tuple(given.get("append_only") or ()),
            heartbeat=dict(given.get("heartbeat") or {}),
            most_rows=int(given.get("most_rows") or 100_000),
        )

    def objections(self) -> list[Finding]:
        """Return what speaks against the request itself, before anything is looked at."""
        found: list[Finding] = []
        if self.mode == "table" and not self.tables:
            found.append(Finding("tables-not-named", "stop", "Nobody said which tables: -e tables=price_item,price_history."))
        if self.mode == "patient" and not self.patient:
            found.append(Finding("patient-not-named", "stop", "Nobody said which patient: -e patient=MRN."))
        if self.mode == "patient" and not (self.patient_table and self.patient_column):
            found.append(
                Finding(
                    "patient-table-not-described",
                    "stop",
                    "The inventory does not say where this system keeps its patients.",
                    remedy="Describe it: database_patient: {table: patient, column: mrn}.",
                )
            )
        if self.target in ("", "latest"):
            found.append(
                Finding(
                    "target-not-named",
                    "stop",
                    "Nobody said to which moment: the newest state of the backup holds the damage as well.",
                    remedy="Say the moment before the fault: -e target=time:2026-11-21T03:25:00+08:00.",
                )
            )
        for name, told in (("target", self.target), ("until", self.until)):
            try:
                if told:
                    parse(told)
            except TargetError as error:
                found.append(Finding(f"{name}-not-understood", "stop", str(error)))
        if self.conflicts != "refuse" and not self.conflicts_by.strip():
            found.append(
                Finding(
                    "conflicts-by-nobody",
                    "stop",
                    f"conflicts={self.conflicts} decides over what somebody entered, and nobody's name stands for it.",
                    remedy="Say who decides: -e conflicts_by=NAME (journalled).",
                )
            )
        return found

    @property
    def subject(self) -> str:
        """Return what the request is about, in one word or a list."""
        return self.patient if self.mode == "patient" else ", ".join(self.tables)

    def until_timestamp(self) -> float | None:
        """Return the end of the damage in seconds since the epoch; None if nobody said."""
        return parse(self.until).timestamp if self.until else None


def clock(connection: Any, request: Request) -> Clock:
    """Find out what the database can tell about when a row was last written."""
    until = request.until_timestamp()
    (stamps,) = rows(connection, "SELECT current_setting('track_commit_timestamp') = 'on'")
    if stamps[0]:
        return Clock("commit-timestamps", until)
    if not request.heartbeat or until is None:
        return Clock("none", until)
    table, column = quoted(request.heartbeat["table"]), quoted(request.heartbeat["column"])
    sql = f"SELECT age(h.xmin) FROM {table} h WHERE h.{column} <= to_timestamp(%s) ORDER BY h.{column} DESC LIMIT 1"  # noqa: S608
    found = rows(connection, sql, (until,))
    return Clock("heartbeat", until, int(found[0][0]) if found else None)


@dataclass
class Compared:
    """A plan with what it cost to find, and what speaks against it."""

    plan: Plan
    findings: list[Finding]
    read: dict[str, int]
    evidence: str


def same_shape(catalogue: Catalogue, backup: Reading) -> None:
    """Refuse rows that do not fit the living tables. Raises RowsError (schema-changed)."""
    for name, old in backup.tables.items():
        table = catalogue.keyed(name)
        if tuple(column.name for column in table.written) != old.columns or table.key != old.key:
            raise RowsError(
                "schema-changed",
                f"The table {name} has other columns now than at the target.",
                "The old rows do not fit without a decision about the columns that came or went.",
                "Ask the vendor how the rows of that version are carried over; take them from a scratch instance by hand.",
            )


def compare_live(connection: Any, catalogue: Catalogue, backup: Reading, request: Request, *, lock: bool = False) -> Compared:
    """Compare in the connection's transaction. ``lock``: hold the rows that differ, so that they stay as they were compared."""
    same_shape(catalogue, backup)
    reader = Reader(connection, catalogue, 2 * request.most_rows)
    held = clock(connection, request)
    for name, old in sorted(backup.tables.items()):
        reader.by(name, old.key, old.rows)
    live = reader.reading.tables
    if lock:
        _hold(reader, backup)
    order = catalogue.parents_first(backup.tables)
    act, keep = compare(order, backup.tables, live, held, request.conflicts)
    act, collided, stays = _re_entered(connection, catalogue, act, backup, request)
    past = tuple(n for n in order if n in request.append_only and any(c.table == n and c.kind == "altered" for c in act))
    head = [("system", request.database), ("mode", request.mode), ("subject", request.subject), ("target", request.target)]
    head += [("until", request.until or "not said"), ("evidence of when a row was written", held.evidence)]
    head += [("conflicts", f"{request.conflicts} by {request.conflicts_by}" if request.conflicts_by else request.conflicts)]
    plan = Plan(tuple(head), act, [*keep, *stays], collided, past_triggers=past)
    done = reader.done()
    return Compared(plan, _findings(plan, request, held), done.read, held.evidence)


def extras(connection: Any, catalogue: Catalogue, backup: Reading, request: Request) -> tuple[dict[str, list[Value]], dict[str, int]]:
    """Return the rows that only the living database has, by table, and what it cost to find them."""
    if request.mode == "patient":
        wanted = {"table": request.patient_table, "column": request.patient_column, "value": request.patient}
        found = patient_rows(connection, catalogue, {**wanted, "most_rows": 2 * request.most_rows}, parents=False)
    else:
        found = table_rows(connection, catalogue, request.tables, 2 * request.most_rows, parents=False)
    extra: dict[str, list[Value]] = {}
    for name, table in found.tables.items():
        known = backup.tables[name].rows if name in backup.tables else {}
        rest = [row for key, row in table.rows.items() if key not in known]
        if rest:
            extra[name] = rest
    return extra, found.read


def _hold(reader: Reader, backup: Reading) -> None:
    """Lock the rows that differ, in the order of their keys, and read them again as they are then."""
    live = reader.reading.tables
    for name in sorted(backup.tables):
        if name not in live:
            continue
        old, now = backup.tables[name], live[name]
        differ = [key for key, row in now.rows.items() if key not in old.needed and old.rows[key] != row]
        for key in differ:
            del now.rows[key]
        reader.by(name, now.key, differ, lock=" ORDER BY " + ", ".join(f"r.{quoted(n)}" for n in now.key) + " FOR UPDATE OF r")


def _re_entered(
    connection: Any, catalogue: Catalogue, act: Sequence[Change], backup: Reading, request: Request
) -> tuple[list[Change], list[Change], list[Change]]:
    """Part the rows that somebody has entered again under another key: (to do, in the way, left out by choice)."""
    reader = Reader(connection, catalogue, 2 * request.most_rows)
    taken: list[Change] = []
    for name, group in grouped(change for change in act if change.kind != "altered").items():
        for unique in catalogue.find(name).uniques:
            if not set(unique) <= set(group[0].columns):
                continue  # rests on a computed column: it follows from the key
            claims = {change.pick(unique): change for change in group}
            claims = {values: change for values, change in claims.items() if None not in values}
            held = {reader.of(name).pick(row, unique) for row in reader.by(name, unique, claims)}
            taken += [claims[values] for values in claims if values in held and claims[values] not in taken]
    if not taken:
        return list(act), [], []
    if request.conflicts == "keep-live" and not _pointed_to(catalogue, taken, act):
        return [change for change in act if change not in taken], [], taken
    return list(act), taken, []


def _pointed_to(catalogue: Catalogue, taken: Sequence[Change], act: Sequence[Change]) -> bool:
    """Tell whether rows that are to be put back hang on one of these."""
    for change in taken:
        for key in catalogue.children_of(change.table):
            for other in act:
                if other.table == key.child and other not in taken and other.pick(key.columns) == change.pick(key.parent_columns):
                    return True
    return False


def _findings(plan: Plan, request: Request, held: Clock) -> list[Finding]:
    found: list[Finding] = []
    conflicts = plan.conflicts
    if conflicts and request.conflicts == "refuse":
        after = sum(change.since == "after" for change in conflicts)
        unknown = len(conflicts) - after
        parts = [f"{after} were written after {request.until}"] if after else []
        parts += [f"of {unknown} nothing tells when they were written"] if unknown else []
        tables = ", ".join(sorted({change.table for change in conflicts}))
        until = "" if request.until else "Say by when the damage was over, so that it can be told apart: -e until=time:....\n"
        found.append(
            Finding(
                "changed-since",
                "stop",
                f"{len(conflicts)} rows differ in {tables} that somebody may have changed in the meantime: {' and '.join(parts)}.",
                "Putting the old rows back would undo that work in silence.",
                f"{until}Look at the rows in the diff; then -e conflicts=keep-live -e conflicts_by=NAME leaves these rows as they are,",
                "or -e conflicts=take-backup -e conflicts_by=NAME sets them back as well.",
            )
        )
    if plan.collisions:
        found.append(
            Finding(
                "re-entered",
                "stop",
                f"{len(plan.collisions)} lost rows of {', '.join(sorted({c.table for c in plan.collisions}))} "
                "were entered again under another key.",
                "Both cannot stand side by side: a unique value would exist twice.",
                "Decide by hand which of the two stays; -e conflicts=keep-live leaves the lost one out where nothing hangs on it.",
            )
        )
    if held.evidence == "none" and request.until:
        found.append(
            Finding(
                "no-clock",
                "warning",
                "This database does not tell when a row was written: it has no commit timestamps, and no heartbeat is described.",
                "Every altered row counts as possibly changed since.",
                "Describe a table that gets a row regularly (database_heartbeat), or set track_commit_timestamp = on.",
            )
        )
    return found
