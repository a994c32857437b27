"""Hold the database beside the manifest of its backup: all of it in the full proof, ranges within a time budget in the quick one."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from typing import Any

from .manifest import Subject, Table, compare
from .measure import measure_table, server_facts
from .verify_ledger import Ledger
from .verify_relations import TableFacts, rows_by_table
from .verify_request import Request
from .verify_session import Task, Worker, is_damage, one, quoted, rows, sentence

MANIFEST = "manifest"
_REBUILD = "Restore again, from another backup if this one is the cause: -e source=best."

# The quick proof reads ranges for this long at most, so that its duration does not grow with the hospital.
QUICK_BUDGET_S = 0.5
QUICK_RANGES = 3
_SECONDS_PER_ROW = 2.5e-6


class Comparison:
    """The figures of this server, collected table by table on the proof's workers, then compared in one go."""

    def __init__(self, request: Request, ledger: Ledger) -> None:
        """Announce the comparison; without a manifest it is reported as not carried out where one is required."""
        self._request = request
        self._ledger = ledger
        self._lock = threading.Lock()
        self._tables: dict[str, Any] = {}
        self._broken = False
        self.wanted = bool(request.manifest)
        if self.wanted or request.manifest_required:
            ledger.announce(MANIFEST, "It holds what the backup's manifest says")
        if not self.wanted and request.manifest_required:
            ledger.unverified(
                MANIFEST,
                "The backup has no manifest to compare with.",
                remedy="Take backups by this project's role database_backup, which writes one with each.",
            )

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Return the manifest that is compared with."""
        return self._request.manifest or {}

    def tasks(self, sizes: Mapping[str, int]) -> list[Task]:
        """Return one task for each table of the manifest that is there: all its rows are read."""
        return [self._task(name, sizes[name]) for name in self.manifest.get("tables", {}) if name in sizes]

    def _task(self, name: str, size: int) -> Task:
        def measure(worker: Worker) -> None:
            with self._ledger.timed(MANIFEST):
                self._measure(worker.snapshot, name, None)

        return Task(size * 1.0, MANIFEST, name, measure, lambda error: self.fail(name, error))

    def fail(self, name: str, error: BaseException) -> None:
        """Record that a table could not be measured: nothing about it is proven then."""
        with self._lock:
            self._broken = True
        told = f"Table {name} could not be compared with the manifest: {sentence(error)}."
        self._ledger.announce(MANIFEST, "")
        if is_damage(error):
            self._ledger.failed(MANIFEST, told, remedy=_REBUILD)
        else:
            self._ledger.unverified(MANIFEST, told)

    def _measure(self, connection: Any, name: str, only: list[int] | None) -> None:
        then = self.manifest["tables"][name]
        upto = None if self._request.manifest_exact or then["max_key"] is None else int(then["max_key"])
        table = Table(name, then["key"], tuple(then["immutable"]), bool(then["append_only"]))
        found = measure_table(connection, table, chunk_size=int(then["chunk_size"]), upto=upto, only=only)
        with self._lock:
            self._tables[name] = found

    def _chosen(self, seed: int) -> dict[str, list[int]]:
        """Return for each table the ranges to look at, the youngest last."""
        dice = random.Random(seed)  # noqa: S311 - a sample, told with its seed so that it can be repeated
        chosen: dict[str, list[int]] = {}
        for name, then in sorted(self.manifest.get("tables", {}).items()):
            numbers = sorted(int(number) for number in then["chunks"])
            chosen[name] = dice.sample(numbers[:-1], min(QUICK_RANGES, len(numbers[:-1]))) + numbers[-1:]
        return chosen

    def sample(self, connection: Any, seed: int) -> None:
        """Measure the youngest range of each table and further ones, as many as the time budget allows."""
        chosen = self._chosen(seed)
        tables = self.manifest.get("tables", {})
        budget = QUICK_BUDGET_S
        take: dict[str, list[int]] = {name: [] for name in tables}
        # The youngest ranges first, then the others in turn; a range too large for what is left of the budget is passed over.
        turns = [
            [(name, numbers[-turn - 1]) for name, numbers in chosen.items() if len(numbers) > turn] for turn in range(QUICK_RANGES + 1)
        ]
        for name, number in (pair for turn in turns for pair in turn):
            cost = int(tables[name]["chunks"].get(str(number), [0])[0]) * _SECONDS_PER_ROW
            if cost <= budget:
                budget -= cost
                take[name].append(number)
        present = table_sizes(connection)
        started = time.monotonic()
        for name, numbers in take.items():
            if name in present:
                rows(connection, "SAVEPOINT range")
                try:
                    self._measure(connection, name, numbers)
                except Exception as error:  # the check must not pass, and the other tables are still of interest
                    rows(connection, "ROLLBACK TO SAVEPOINT range")
                    self.fail(name, error)
        ranges = sum(map(len, take.values()))
        self._ledger.figure(MANIFEST, ranges=ranges, seed=seed, sampled_s=round(time.monotonic() - started, 3))

    def settle(self, connection: Any, facts: list[TableFacts], measured: dict[str, Any]) -> None:
        """Ask for versions, schema and newest rows, and compare everything."""
        request, manifest = self._request, self.manifest
        # Newest rows are asked for here: by the highest keys first, and by reading a whole table only if that looks wrong.
        live = {**server_facts(connection, Subject(database="", tables=())), "tables": self._tables}
        live["newest"] = {name: _newest_at(connection, name, at) for name, at in manifest.get("newest", {}).items()}
        live["heartbeat"] = {name: _newest_at(connection, name, at) for name, at in manifest.get("heartbeat", {}).items()}
        if request.full:
            counted = rows_by_table(facts)
            others = {name: counted[name] for name in manifest.get("other_tables", {}) if name in counted}
            present = table_sizes(connection)
            # A table that is there and could not be counted has been reported by the reading of its rows.
            live["other_tables"] = {**{name: 1 for name in manifest.get("other_tables", {}) if name in present}, **others}
        wrong = False
        told = dict(manifest)
        if self._broken:
            told["tables"] = {name: then for name, then in manifest.get("tables", {}).items() if name in self._tables}
        for finding in compare(told, live, exact=request.manifest_exact):
            if finding.severity == "stop":
                if wrong:
                    self._ledger.announce(MANIFEST, "")
                wrong = True
                self._ledger.failed(MANIFEST, finding.message, why=finding.why, remedy=finding.remedy, alternative=finding.alternative)
            else:
                self._ledger.note(MANIFEST, finding.message, finding.why)
        if not wrong:
            self._ledger.passed(MANIFEST)
        measured["rows_compared"] = sum(int(table["rows"]) for table in self._tables.values())


def _newest_at(connection: Any, name: str, then: str) -> str:
    """Return the newest time of ``table.column`` as the manifest writes it."""
    table, _, column = name.rpartition(".")
    newest = f"max({quoted(column)})"
    stamp = f'to_char({newest}, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'
    source = quoted(table)
    quick = f"(SELECT {quoted(column)} FROM {source} ORDER BY id DESC LIMIT 1000) s"  # noqa: S608 - quoted
    has_id = rows(connection, "SELECT 1 FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'id'", (source,))
    at = str(one(connection, f"SELECT {stamp} FROM {quick if has_id else source}")[0] or "")  # noqa: S608
    if has_id and at < then:
        at = str(one(connection, f"SELECT {stamp} FROM {source}")[0] or "")  # noqa: S608
    return at


def table_sizes(connection: Any) -> dict[str, int]:
    """Return the size in bytes of every table, named as the manifest names it (tables of schema public without it)."""
    sql = (
        "SELECT c.oid::regclass::text, pg_table_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
    )
    return {name: size or 0 for name, size in rows(connection, sql)}
