"""Prove that a MariaDB server is sound and holds what it should: the quick proof and the full one (RCV-1, RCV-5), reading only.

The checks, their codes and their verdicts are those of every engine; the questions are MariaDB's. All of a proof sees one moment.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ..clients import fault, missing_in, moment, service_gap
from ..manifest import compare, sample_ranges
from ..shell import CommandError, Procedure, now
from ..verify_ledger import Ledger
from ..verify_request import Request
from . import measure, server
from .measure import name
from .verify_full import SHOWN, Check, everything


def iso(at: datetime) -> str:
    """Return a time as the journal writes it."""
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def literal(at: datetime) -> str:
    """Return a time as SQL, in UTC."""
    return f"TIMESTAMP'{at.astimezone(timezone.utc).strftime('%Y-%m-%d %H:%M:%S.%f')}'"


def text(value: object) -> str:
    """Return a text as SQL."""
    return "'" + str(value).replace("'", "''") + "'"


class Proof:
    """One proof: what is asked, what came of it, in one ledger."""

    def __init__(self, database: str, socket: str, request: Request) -> None:
        """Nothing is asked yet."""
        self.database, self.socket, self.request = database, socket, request
        self.ledger, self.procedure = Ledger(), Procedure()
        self.measured: dict[str, Any] = {"depth": request.depth}

    def run(self) -> dict[str, Any]:
        """Carry the proof out and return a module's result."""
        started = time.monotonic()
        self._users_view()
        self.ledger.announce("server-answers", "The server answers")
        try:
            with server.Session(self.socket, self.database) as session:
                session.snapshot()
                self.ledger.passed("server-answers")
                self._prove(session)
        except CommandError as error:
            self.ledger.failed("server-answers", f"The server does not answer: {error.output[-300:]}.", remedy="Start it and read its log.")
        self._recovery_point()
        verdict, reason = self.ledger.verdict()
        checks = self.ledger.checks
        self.measured["proven_at"] = now()
        self.measured["seconds"] = {check.code: round(check.seconds, 3) for check in checks}
        self.measured["seconds"]["total"] = round(time.monotonic() - started, 3)
        return {
            "changed": False,
            "verdict": verdict,
            "reason": reason,
            "findings": [finding.as_dict() for finding in self.ledger.findings],
            "measured": self.measured,
            "after": {"checks": [check.as_dict() for check in checks]},
            **self.procedure.as_dict(),
        }

    def _users_view(self) -> None:
        """Take from the workstations' logs when service failed and for how long; a fault named by the caller stands."""
        request = self.request
        if not request.client_summaries:
            return
        gap = service_gap(request.client_summaries, request.outage_after)
        self.measured |= {"service_gap_s": gap["seconds"], "service_gaps": gap["by_workstation"]}
        seen = fault(request.client_summaries, request.outage_after)
        if seen is not None:
            self.procedure.milestone("fault", f"first failure at {seen['workstation']}, last saved {seen['last_acknowledged']}", seen["at"])
            if not request.fault_at:
                self.request = replace(request, fault_at=moment(seen["at"]))

    def _prove(self, session: server.Session) -> None:
        with self.procedure.step("Is the server sound, and is it the right one"):
            self.guarded("server-sound", "The server is the one that was asked for, and can be written to", self._sound)
            if self.request.critical_tables:
                self.guarded("critical-tables", "No critical table is empty", self._critical, len(self.request.critical_tables))
        with self.procedure.step("Is what the hospital entered last there"):
            if self.request.newest_rows:
                self.guarded("newest-rows", "The newest business rows are there", self._newest_rows, len(self.request.newest_rows))
            if self.request.heartbeat:
                self.guarded("heartbeat", "The heartbeat was written up to the end", self._heartbeat)
            if self.request.client_transactions and self.request.acknowledged:
                parts = len(self.request.acknowledged)
                self.guarded("acknowledged-transactions", "What was acknowledged to the workstations is there", self._acknowledged, parts)
            if self.request.target_time is not None:
                sentence = f"Everything up to {iso(self.request.target_time)} is there, and nothing later"
                self.guarded("point-in-time-boundary", sentence, self._boundary)
        if self.request.full:
            with self.procedure.step("Is every page, row, key, index and figure right"):
                everything(self)
        if self.request.manifest:
            with self.procedure.step("Is what the backup's manifest says there"):
                self.guarded("manifest", "The database holds what the backup's manifest says", self._manifest)
        elif self.request.manifest_required:
            self.ledger.announce("manifest", "The database holds what the backup's manifest says")
            self.ledger.unverified("manifest", "The backup has no manifest to compare with.")

    def guarded(self, code: str, sentence: str, check: Check, parts: int = 1) -> None:
        """Announce a check and carry it out in a session of its own; damage fails it, anything else leaves it unproven."""
        self.ledger.announce(code, sentence, parts)
        try:
            with self.ledger.timed(code), server.Session(self.socket, self.database) as session:
                session.snapshot()
                check(session)
        except CommandError as error:
            damaged = any(
                word in error.output for word in ("corrupt", "ERROR 1712", "ERROR 1034", "ERROR 1877", "ERROR 1030", "ERROR 2013")
            )
            told = f"{sentence}: {error.output[-300:]}."
            self.ledger.failed(code, told) if damaged else self.ledger.unverified(code, told)

    # ---- the server ----

    def _sound(self, session: server.Session) -> None:
        directory, read_only = session.ask("SELECT @@datadir, @@read_only")[0]
        request = self.request
        if request.data_directory and Path(directory) != Path(request.data_directory):
            self.ledger.failed("server-sound", f"The server works in {directory}, not in {request.data_directory}.")
            return
        told = server.identity(self.socket)
        if request.expected_system_identifier and (told is None or told.system != request.expected_system_identifier):
            found = told.system if told else "nobody's"
            self.ledger.failed("server-sound", f"The data are {found}, the backup's are {request.expected_system_identifier}.")
            return
        if read_only != "0":
            self.ledger.failed("server-sound", "The server refuses to be written to.", remedy="Look at read_only in its configuration.")
            return
        # Proven by doing it, and undone: a lock on a row is asked for and given back.
        with server.Session(self.socket, self.database) as writer:
            writer.ask("START TRANSACTION")
            for table in request.critical_tables:
                writer.ask(f"SELECT 1 FROM {name(table)} ORDER BY 1 LIMIT 1 FOR UPDATE SKIP LOCKED")  # noqa: S608 - quoted
            writer.ask("ROLLBACK")
        self.ledger.passed("server-sound")

    def _critical(self, session: server.Session) -> None:
        was = (self.request.manifest or {}).get("tables", {})
        for table in self.request.critical_tables:
            there = session.ask(f"SELECT EXISTS (SELECT 1 FROM {name(table)})")[0][0] == "1"  # noqa: S608 - quoted
            if there or was.get(table, {}).get("rows") == 0:
                self.ledger.passed("critical-tables")
            else:
                self.ledger.failed("critical-tables", f"Table {table} is empty.", remedy="Restore from another backup or repository.")

    # ---- what the hospital entered last ----

    def _at(self, session: server.Session, question: Mapping[str, Any], upto: datetime | None) -> datetime | None:
        table, column = name(str(question["table"])), name(str(question.get("column") or "at"))
        where = f"WHERE {column} <= {literal(upto)}" if upto else ""
        # The youngest rows by key hold the newest time: flat with size.
        source = f"(SELECT {column} FROM {table} ORDER BY id DESC LIMIT 20000) s"  # noqa: S608 - quoted
        found = session.ask(f"SELECT DATE_FORMAT(MAX({column}), '%Y-%m-%dT%H:%i:%s.%f+00:00') FROM {source} {where}")[0][0]  # noqa: S608
        return None if found == "NULL" else datetime.fromisoformat(found)

    def _newest_rows(self, session: server.Session) -> None:
        newest: dict[str, datetime] = {}
        for question in self.request.newest_rows:
            label = f"{question['table']}.{question['column']}"
            at = self._at(session, question, self.request.fault_at)
            if at is None:
                self.ledger.failed("newest-rows", f"There is no row of '{label}' in {question['table']}.")
            else:
                newest[label] = at
                self.ledger.passed("newest-rows")
        if newest:
            self.measured["newest_business_row_at"] = iso(max(newest.values()))
            self.measured["newest_rows"] = {label: iso(at) for label, at in newest.items()}
            if self.request.fault_at is not None:
                self.measured["rpo_business_s"] = _seconds(self.request.fault_at - max(newest.values()))

    def _heartbeat(self, session: server.Session) -> None:
        request = self.request
        beat = self._at(session, request.heartbeat, request.fault_at)
        if beat is None:
            self.ledger.failed("heartbeat", f"There is no heartbeat in {request.heartbeat['table']}.")
            return
        self.measured["newest_heartbeat_at"] = iso(beat)
        if request.fault_at is not None:
            self.measured["rpo_heartbeat_s"] = _seconds(request.fault_at - beat)
        live = request.fault_at is None and request.target_time is None and not request.manifest_exact and request.live
        age = datetime.now(timezone.utc) - beat
        if live and age > timedelta(seconds=float(request.heartbeat.get("max_age_s", 30))):
            self.ledger.failed(
                "heartbeat",
                f"The newest heartbeat is of {iso(beat)}, {_seconds(age):.0f} s old; one is written every second.",
                why="Nobody can write, or the writer of the heartbeat has stopped.",
                remedy="Look at the service that writes the heartbeat before trusting the database.",
            )
        else:
            self.ledger.passed("heartbeat")

    def _acknowledged(self, session: server.Session) -> None:
        entry, code = self.request.client_transactions, "acknowledged-transactions"
        table, station_column = name(str(entry["table"])), name(str(entry.get("workstation_column") or "workstation"))
        sequence = name(str(entry.get("sequence_column") or "seq"))
        acknowledged = lost = unknown_present = 0
        first_lost: dict[str, list[int]] = {}
        for station, summary in sorted(self.request.acknowledged.items()):
            ranges = [(int(first), int(last)) for first, last in summary.get("ranges") or ()]
            count = sum(last - first + 1 for first, last in ranges)
            top = max((last for _, last in ranges), default=0)
            where = f"{station_column} = {text(station)} AND {sequence} <= {top}"
            there = {int(row[0]) for row in session.ask(f"SELECT {sequence} FROM {table} WHERE {where}")}  # noqa: S608 - quoted
            gone = missing_in(ranges, there)
            unknown_present += len({int(number) for number in summary.get("unknown") or ()} & there)
            if self.request.opened_at is not None and entry.get("column"):
                where += f" AND {name(str(entry['column']))} < {literal(self.request.opened_at)}"
            newest = int(session.ask(f"SELECT COALESCE(MAX({sequence}), 0) FROM {table} WHERE {where}")[0][0])  # noqa: S608
            acknowledged, lost = acknowledged + count, lost + len(gone)
            if gone:
                first_lost[station] = gone[:SHOWN]
            holes = [number for number in gone if number < newest - int(entry.get("in_flight", 250))]
            shown = ", ".join(map(str, (holes or gone)[:SHOWN])) + (", ..." if len(holes or gone) > SHOWN else "")
            if holes:
                self.ledger.failed(
                    code,
                    f"{station}: {len(holes)} acknowledged transactions are missing in between (first: {shown}); "
                    f"the newest present is {newest}.",
                    why="Later ones are there, so this is damage, or an earlier restore or its rollback gave them up.",
                    alternative="If they were given up, count from the end of that run: add -e since=TIME.",
                    remedy="Restore from another backup or repository.",
                )
            elif gone and self.request.tail_loss == "fail":
                self.ledger.failed(code, f"{station}: {len(gone)} of {count} acknowledged transactions are missing (first: {shown}).")
            else:
                self.ledger.passed(code)
                if gone:
                    told = f"{station}: {len(gone)} of {count} acknowledged transactions came after the point that was restored"
                    self.ledger.note(
                        code, f"{told} (first: {shown}).", "They have to be entered again from the client log and the paper forms."
                    )
        self.measured |= {"acknowledged_transactions": acknowledged, "lost_transactions": lost, "unanswered_but_present": unknown_present}
        if first_lost:
            self.measured["first_lost"] = first_lost

    def _boundary(self, session: server.Session) -> None:
        request, code = self.request, "point-in-time-boundary"
        target, boundary = request.target_time, request.boundary or request.heartbeat
        if target is None or not boundary:
            self.ledger.unverified(code, "No table with a time was named by which the boundary could be told.")
            return
        until = request.opened_at or datetime(9999, 1, 1, tzinfo=timezone.utc)
        later: list[str] = []
        for question in (boundary, request.client_transactions):
            if question and question.get("column"):
                table, column = name(str(question["table"])), name(str(question["column"]))
                sql = f"SELECT id, {column} FROM {table} WHERE {column} > {literal(target)} AND {column} < {literal(until)} LIMIT 1"  # noqa: S608
                later += [f"row {row[0]} of {question['table']}, written {row[1]}" for row in session.ask(sql)]
        table, column = name(str(boundary["table"])), name(str(boundary.get("column") or "at"))
        sql = f"SELECT DATE_FORMAT(MAX({column}), '%Y-%m-%dT%H:%i:%s.%f+00:00') FROM {table} WHERE {column} <= {literal(target)}"  # noqa: S608
        found = session.ask(sql)[0][0]
        before = None if found == "NULL" else datetime.fromisoformat(found)
        if later:
            self.ledger.failed(code, f"The replay went past {iso(target)}: {later[0]}, is there.", remedy="Restore again to that time.")
        elif before is None:
            self.ledger.failed(code, f"{boundary['table']} holds no row before {iso(target)}.")
        elif _seconds(target - before) > float(boundary.get("tolerance_s", 3)):
            told = f"The newest row of {boundary['table']} before {iso(target)} is of {iso(before)}: {_seconds(target - before)} s"
            told += " are not covered."
            self.ledger.unverified(code, told, remedy="Choose a time at which the service was working, or compare with the client logs.")
        else:
            self.ledger.passed(code)
        if before is not None:
            self.measured["boundary_row_at"] = iso(before)

    def _manifest(self, session: server.Session) -> None:
        then, request = dict(self.request.manifest or {}), self.request
        sample = None if request.full else sample_ranges(then, 2, seed=int(time.time()))
        findings = compare(then, measure.live(session, then, sample, request.manifest_exact and request.full), exact=request.manifest_exact)
        for finding in findings:
            if finding.severity == "stop":
                self.ledger.failed("manifest", finding.message, why=finding.why, remedy=finding.remedy, alternative=finding.alternative)
            else:
                self.ledger.note("manifest", finding.message, finding.why)
        if not any(finding.severity == "stop" for finding in findings):
            self.ledger.passed("manifest")

    def _recovery_point(self) -> None:
        """Derive the recovery point: nothing lost if every acknowledged transaction is there, else the newest row before the fault."""
        if self.measured.get("lost_transactions") == 0 and self.measured.get("acknowledged_transactions"):
            self.measured |= {"rpo_s": 0.0, "rpo_from": "acknowledged transactions: all are there"}
            return
        known = [self.measured[one] for one in ("rpo_heartbeat_s", "rpo_business_s") if one in self.measured]
        if known:
            self.measured |= {"rpo_s": min(known), "rpo_from": "newest row or heartbeat before the fault"}


def _seconds(span: timedelta) -> float:
    return round(max(0.0, span.total_seconds()), 3)


def prove(database: str, socket: str, request: Request) -> dict[str, Any]:
    """Carry out the proof and return a module's result: verdict with reason, findings, steps, measured, ``after.checks``."""
    return Proof(database, socket, request).run()
