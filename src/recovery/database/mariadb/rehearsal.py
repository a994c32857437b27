"""What a drill looks at in MariaDB (RCV-5): production's fingerprint before and after it, and patients followed through their records."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...findings import Finding
from ..cluster import Cluster
from ..shell import CommandError, Procedure
from . import server
from .measure import name

SHOWN = 5
# What a drill could disturb, in the server's own words. What moves by itself while work goes on is left out.
_SERVER = {
    "identity": f"SELECT CONCAT(system, ' ', history) FROM {server.IDENTITY}",  # noqa: S608 - our own
    "settings": "SELECT MD5(GROUP_CONCAT(variable_name, '=', variable_value ORDER BY variable_name))"
    " FROM information_schema.global_variables WHERE variable_name NOT LIKE 'gtid%pos' AND variable_name <> 'gtid_binlog_state'",
    "accounts": "SELECT MD5(GROUP_CONCAT(host, user, priv ORDER BY host, user)) FROM mysql.global_priv",
    "tables": "SELECT MD5(GROUP_CONCAT(table_schema, '.', table_name, ' ', COALESCE(engine, ''), COALESCE(create_time, '')"
    " ORDER BY table_schema, table_name)) FROM information_schema.tables WHERE table_type = 'BASE TABLE'",
}


def production(cluster: Cluster) -> dict[str, str]:
    """Return what a running server is by its own word, and what its directory, process and configuration are. Raises CommandError."""
    facts = {}
    for fact, sql in _SERVER.items():
        rows = server.ask(f"SET SESSION group_concat_max_len = 16777216; {sql}")
        facts[fact] = rows[0][0] if rows else ""
    pid = server.serving_pid(cluster.data)
    # A process is the same one if its number and the moment of its start are.
    started = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19] if pid else ""
    state = cluster.data.stat()
    parts = sorted(path for path in Path(cluster.config_directory).rglob("*") if path.is_file())
    configuration = hashlib.sha256(b"".join(str(path).encode() + b"\0" + path.read_bytes() for path in parts)).hexdigest()
    return {**facts, "process": f"{pid} {started}", "directory": f"{state.st_dev}:{state.st_ino}", "configuration": configuration}


@dataclass(frozen=True)
class Key:
    """A foreign key: rows of ``child`` point to rows of ``parent``."""

    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


Row = Mapping[str, str]


def keys(session: server.Session) -> list[Key]:
    """Return the foreign keys of the session's database."""
    found = session.ask(
        "SELECT table_name, GROUP_CONCAT(column_name ORDER BY ordinal_position), referenced_table_name,"
        " GROUP_CONCAT(referenced_column_name ORDER BY ordinal_position) FROM information_schema.key_column_usage"
        " WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL GROUP BY constraint_name, table_name, referenced_table_name"
    )
    return [Key(row[0], tuple(row[1].split(",")), row[2], tuple(row[3].split(","))) for row in found]


def _values(rows: Sequence[Row], columns: Sequence[str]) -> list[tuple[str, ...]]:
    found = {tuple(row[column] for column in columns) for row in rows}
    return sorted(one for one in found if "NULL" not in one)


def _among(columns: Sequence[str], values: Sequence[tuple[str, ...]]) -> str:
    wanted = ", ".join("(" + ", ".join("'" + part.replace("'", "''") + "'" for part in one) + ")" for one in values)
    return f"({', '.join(map(name, columns))}) IN ({wanted})"


class Reader:
    """Reads whole rows of the session's database."""

    def __init__(self, session: server.Session) -> None:
        """Nothing is read yet."""
        self.session = session
        self.keys = keys(session)
        self._columns: dict[str, list[str]] = {}

    def rows(self, table: str, where: str) -> list[Row]:
        """Return the rows of a table, every column of them."""
        if table not in self._columns:
            sql = f"SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '{table}'"  # noqa: S608
            self._columns[table] = [row[0] for row in self.session.ask(f"{sql} ORDER BY ordinal_position")]
        columns = self._columns[table]
        found = self.session.ask(f"SELECT {', '.join(map(name, columns))} FROM {name(table)} WHERE {where}")  # noqa: S608 - quoted
        return [dict(zip(columns, row)) for row in found]

    def record(self, table: str, where: str) -> dict[str, list[Row]]:
        """Return the rows that are meant and all that point to them, however far."""
        found: dict[str, list[Row]] = {}
        waiting = [(table, where)]
        while waiting:
            at, condition = waiting.pop()
            new = [row for row in self.rows(at, condition) if row not in found.get(at, [])]
            if new:
                found[at] = [*found.get(at, []), *new]
                for key in self.keys:
                    if key.parent == at and (values := _values(new, key.parent_columns)):
                        waiting.append((key.child, _among(key.columns, values)))
        return found

    def dangling(self, record: Mapping[str, Sequence[Row]]) -> list[str]:
        """Return what rows of a record point to and is not there, in sentences."""
        found = []
        for key in self.keys:
            values = _values(record.get(key.child, ()), key.columns)
            if not values:
                continue
            present = {tuple(row[one] for one in key.parent_columns) for row in self.rows(key.parent, _among(key.parent_columns, values))}
            found += [f"{key.child} points to {key.parent} {', '.join(one)}, which is missing" for one in values if one not in present]
        return found


def follow(socket: str, database: str, subject: Mapping[str, Any], seed: int, count: int, procedure: Procedure) -> dict[str, Any]:
    """Draw patients by the seed and follow them; return verdict, reason, findings and ``measured``, as for every engine."""
    table, column = str(subject["table"]), str(subject.get("key") or subject.get("column") or "id")
    findings: list[Finding] = []
    by_table: dict[str, int] = {}
    drawn: list[str] = []
    try:
        with server.Session(socket, database) as session:
            session.snapshot()
            reader = Reader(session)
            each = f"SELECT DISTINCT {name(column)} FROM {name(table)}"  # noqa: S608 - names of the inventory, quoted
            drawn = [row[0] for row in session.ask(f"{each} ORDER BY MD5(CONCAT('{seed}/', {name(column)})), 1 LIMIT {count}")]
            with procedure.step(f"Follow {len(drawn)} patients, drawn by the seed {seed}, through all of their records"):
                for who in drawn:
                    record = reader.record(table, _among((column,), [(who,)]))
                    for part, rows in record.items():
                        by_table[part] = by_table.get(part, 0) + len(rows)
                    if broken := reader.dangling(record):
                        message = f"The record of patient {who} is not whole: {'; '.join(broken[:SHOWN])}."
                        findings.append(Finding("patient-inconsistent", "stop", message, "A doctor would miss something in it."))
    except CommandError as error:
        told = f"The records of the patients drawn cannot all be read (after {sum(by_table.values())} rows): {error.output[-300:]}."
        findings.append(Finding("patient-unreadable", "stop", told))
    verdict, reason = ("FAIL", findings[0].message) if findings else ("PASS", "")
    if not findings and not drawn:
        verdict, reason = "COULD-NOT-VERIFY", f"The restored database has no patients in {table} to follow."
    measured = {"patients": len(drawn), "seed": seed, "rows": sum(by_table.values()), "rows_by_table": by_table}
    return {
        "verdict": verdict,
        "reason": reason,
        "findings": [one.as_dict() for one in findings],
        "measured": {"patients_followed": measured},
    }
