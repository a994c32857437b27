"""Is it the hospital's data that should be there: manifest, newest rows, heartbeat, what clients were promised, the boundary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2

from .clients import missing_in
from .verify_ledger import Ledger
from .verify_request import Request
from .verify_session import Task, Worker, is_damage, one, quoted, rows, sentence, without

RULES, NEWEST, HEARTBEAT, ACKNOWLEDGED, BOUNDARY = (
    "business-rules",
    "newest-rows",
    "heartbeat",
    "acknowledged-transactions",
    "point-in-time-boundary",
)
SHOWN = 5
_WHY_RULE = "The figures that the hospital bills and dispenses by contradict each other."


def rule_tasks(request: Request, ledger: Ledger) -> list[Task]:
    """Announce and return one task for each business rule, or for the rules that one ``sum`` proves: no row may come back.

    ``sql`` names the rows that break a rule. ``sum`` is a far cheaper question which stays empty if no rule that carries it is broken
    (both sides added up, each row weighed by a hash of its key); if it does bring back a row, each rule's ``sql`` is asked.
    """
    if request.business_rules:
        ledger.announce(RULES, "The hospital's own figures agree", len(request.business_rules))
    summed: dict[str, list[Mapping[str, Any]]] = {}
    for rule in request.business_rules:
        if rule.get("sum"):
            summed.setdefault(str(rule["sum"]), []).append(rule)
    single = [_rule(ledger, rule) for rule in request.business_rules if not rule.get("sum")]
    return single + [_sum(ledger, question, rules) for question, rules in summed.items()]


def _sum(ledger: Ledger, question: str, rules: Sequence[Mapping[str, Any]]) -> Task:
    exact = [_rule(ledger, rule) for rule in rules]

    def ask(worker: Worker) -> None:
        try:
            with ledger.timed(RULES):
                agree = not rows(worker.snapshot, question)
        except psycopg2.Error:  # an overflow, a page that cannot be read: the exact questions tell what is wrong
            agree = False
        if agree:
            ledger.passed(RULES, len(rules))
            return
        for task in exact:
            try:
                worker.recover()
                task.run(worker)
            except Exception as error:  # the check must not pass, and the other rules are still of interest
                task.failed(error)

    def failed(error: BaseException) -> None:
        for task in exact:
            task.failed(error)

    return Task(2e9, RULES, ", ".join(str(rule["code"]) for rule in rules), ask, failed)


def _rule(ledger: Ledger, rule: Mapping[str, Any]) -> Task:
    name = str(rule.get("sentence_en") or rule["code"])

    def ask(worker: Worker) -> None:
        ways = ("hashjoin",) if rule.get("joins") == "merge" else ()
        with ledger.timed(RULES), without(worker.snapshot, *ways):
            found = rows(worker.snapshot, str(rule["sql"]))
        if found:
            told = "; ".join(", ".join(str(value) for value in row) for row in found[:SHOWN])
            ledger.failed(
                RULES, f"Rule {rule['code']} ('{name}') is broken by {len(found)} rows: {told}.", why=str(rule.get("why") or _WHY_RULE)
            )
        else:
            ledger.passed(RULES)

    def failed(error: BaseException) -> None:
        told = f"Rule '{name}' could not be asked: {sentence(error)}."
        ledger.failed(RULES, told) if is_damage(error) else ledger.unverified(RULES, told)

    return Task(5e8, RULES, name, ask, failed)


def iso(at: datetime | None) -> str:
    """Return a time as the journal writes it."""
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def prove_newest(connection: Any, request: Request, ledger: Ledger, measured: dict[str, Any]) -> None:
    """Find the newest row of each kind and of the heartbeat (before the fault, if one is named) and take the RPO from them."""
    upto = request.fault_at
    newest: dict[str, datetime] = {}
    if request.newest_rows:
        ledger.announce(NEWEST, "The newest business rows are there", len(request.newest_rows))
    for question in request.newest_rows:
        name = str(question.get("name") or f"{question['table']}.{time_column(question)}")
        with ledger.timed(NEWEST):
            at = _newest(connection, question, upto)
        if at is None:
            ledger.failed(NEWEST, f"There is no row of '{name}' in {question['table']}" + _before(upto) + ".")
        else:
            newest[name] = at
            ledger.passed(NEWEST)
    if newest:
        measured["newest_business_row_at"] = iso(max(newest.values()))
        measured["newest_rows"] = {name: iso(at) for name, at in newest.items()}
    beat = _prove_heartbeat(connection, request, ledger, measured)
    reference = request.fault_at
    if reference is not None:
        if beat is not None:
            measured["rpo_heartbeat_s"] = _seconds(reference - beat)
        if newest:
            measured["rpo_business_s"] = _seconds(reference - max(newest.values()))


def _seconds(span: timedelta) -> float:
    return round(max(0.0, span.total_seconds()), 3)


def _before(at: datetime | None) -> str:
    return f" before {iso(at)}" if at is not None else ""


def time_column(question: Mapping[str, Any]) -> str:
    """Return the column that holds the time."""
    return str(question.get("column") or question.get("time") or "at")


def _newest(connection: Any, question: Mapping[str, Any], upto: datetime | None) -> datetime | None:
    """Return the newest time, not later than ``upto``, among the highest keys: flat with size, whether or not time is indexed.

    Keys are given out before the commit, so the newest time stands among the last keys and not always on the very last.
    """
    table, time, key = quoted(str(question["table"])), quoted(time_column(question)), quoted(str(question.get("key") or "id"))
    stride = 1000
    while True:
        sql = (
            f"SELECT max({time}) FILTER (WHERE %s::timestamptz IS NULL OR {time} <= %s), count(*)"  # noqa: S608 - quoted
            f" FROM (SELECT {time} FROM {table} ORDER BY {key} DESC LIMIT {stride}) s"
        )
        at, seen = one(connection, sql, (upto, upto))
        if at is not None or seen < stride:
            return at if isinstance(at, datetime) else None
        stride *= 10


def _prove_heartbeat(connection: Any, request: Request, ledger: Ledger, measured: dict[str, Any]) -> datetime | None:
    if not request.heartbeat:
        return None
    ledger.announce(HEARTBEAT, "The heartbeat was written up to the end")
    with ledger.timed(HEARTBEAT):
        beat = _newest(connection, request.heartbeat, request.fault_at)
        (now,) = one(connection, "SELECT clock_timestamp()")
    limit = float(request.heartbeat.get("max_age_s", 30))
    if beat is None:
        ledger.failed(HEARTBEAT, f"There is no heartbeat in {request.heartbeat['table']}{_before(request.fault_at)}.")
        return None
    measured["newest_heartbeat_at"] = iso(beat)
    live = request.fault_at is None and request.target_time is None and not request.manifest_exact and request.live
    if live and now - beat > timedelta(seconds=limit):
        ledger.failed(
            HEARTBEAT,
            f"The newest heartbeat is of {iso(beat)}, {_seconds(now - beat):.0f} s old; one is written every second.",
            why="Nobody can write, or the writer of the heartbeat has stopped.",
            remedy="Look at the service that writes the heartbeat before trusting the database.",
        )
    else:
        ledger.passed(HEARTBEAT)
    return beat


# ---- what clients were promised ----


def prove_acknowledged(connection: Any, request: Request, ledger: Ledger, measured: dict[str, Any]) -> None:
    """Count exactly what was acknowledged to the workstations and what of it is not there.

    What is missing behind the last one present was written after the point to which the database came back: it is measured
    as lost, and fails the proof unless ``tail_loss`` is "measure". What is missing in between is damage, always.
    """
    if not request.client_transactions or not request.acknowledged:
        return
    entry = request.client_transactions
    ledger.announce(ACKNOWLEDGED, "What was acknowledged to the workstations is there", len(request.acknowledged))
    acknowledged = lost = unknown_present = 0
    first_lost: dict[str, list[int]] = {}
    for station, summary in sorted(request.acknowledged.items()):
        with ledger.timed(ACKNOWLEDGED):
            ranges = [(int(first), int(last)) for first, last in summary.get("ranges") or ()]
            count = sum(last - first + 1 for first, last in ranges)
            gone = list(_gone(connection, entry, station, ranges))
            unknown_present += _present(connection, entry, station, [int(number) for number in summary.get("unknown") or ()])
            newest = _highest(connection, entry, station, max((last for _, last in ranges), default=0), request.opened_at)
        acknowledged += count
        lost += len(gone)
        if gone:
            first_lost[station] = gone[:SHOWN]
        window = int(entry.get("in_flight", 250))
        holes = [number for number in gone if number < newest - window]
        shown = ", ".join(map(str, (holes or gone)[:SHOWN])) + (", ..." if len(holes or gone) > SHOWN else "")
        if holes:
            ledger.failed(
                ACKNOWLEDGED,
                f"{station}: {len(holes)} acknowledged transactions are missing in between (first: {shown});"
                f" the newest present is {newest}.",
                why="Later ones are there, so this is damage, or an earlier restore or its rollback gave them up.",
                remedy="Restore from another backup or repository.",
                alternative="If they were given up, count from the end of that run: add -e since=TIME.",
            )
        elif gone and request.tail_loss == "fail":
            ledger.failed(
                ACKNOWLEDGED,
                f"{station}: {len(gone)} of {count} acknowledged transactions are missing (first: {shown});"
                f" the newest present is {newest}.",
                remedy="The paper forms and the client log of that workstation say what has to be entered again.",
            )
        else:
            ledger.passed(ACKNOWLEDGED)
            if gone:
                ledger.note(
                    ACKNOWLEDGED,
                    f"{station}: {len(gone)} of {count} acknowledged transactions came after the point to which the"
                    f" database was brought back (first: {shown}).",
                    "They have to be entered again from the client log and the paper forms.",
                )
    measured["acknowledged_transactions"] = acknowledged
    measured["lost_transactions"] = lost
    measured["unanswered_but_present"] = unknown_present
    if first_lost:
        measured["first_lost"] = first_lost


def _columns(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return (
        quoted(str(entry["table"])),
        quoted(str(entry.get("workstation_column") or "workstation")),
        quoted(str(entry.get("sequence_column") or "seq")),
    )


def _gone(connection: Any, entry: Mapping[str, Any], station: str, ranges: Sequence[tuple[int, int]]) -> Iterable[int]:
    table, workstation, sequence = _columns(entry)
    if not ranges:
        return []
    sql = (
        f"SELECT r.a, r.b, (SELECT count(DISTINCT {sequence}) FROM {table} WHERE {workstation} = %s AND {sequence} BETWEEN r.a AND r.b)"  # noqa: S608
        " FROM unnest(%s::bigint[], %s::bigint[]) r(a, b)"
    )
    counted = rows(connection, sql, (station, [a for a, _ in ranges], [b for _, b in ranges]))
    gone: list[int] = []
    for first, last, present in counted:
        if present < last - first + 1:
            sql = f"SELECT DISTINCT {sequence} FROM {table} WHERE {workstation} = %s AND {sequence} BETWEEN %s AND %s"  # noqa: S608
            there = {number for (number,) in rows(connection, sql, (station, first, last))}
            gone += missing_in([(first, last)], there)
    return sorted(gone)


def _present(connection: Any, entry: Mapping[str, Any], station: str, numbers: Sequence[int]) -> int:
    table, workstation, sequence = _columns(entry)
    sql = f"SELECT count(DISTINCT {sequence}) FROM {table} WHERE {workstation} = %s AND {sequence} = ANY(%s::bigint[])"  # noqa: S608
    return int(one(connection, sql, (station, list(numbers)))[0]) if numbers else 0


def _highest(connection: Any, entry: Mapping[str, Any], station: str, upto: int, opened_at: datetime | None) -> int:
    """Return the highest number present among those the workstation knows of, before the service was opened again.

    What was entered since then stands behind what was lost at the end, and would make a hole of it.
    """
    table, workstation, sequence = _columns(entry)
    sql = f"SELECT coalesce(max({sequence}), 0) FROM {table} WHERE {workstation} = %s AND {sequence} <= %s"  # noqa: S608
    if opened_at is None or not entry.get("column"):
        return int(one(connection, sql, (station, upto))[0])
    sql += f" AND {quoted(str(entry['column']))} < %s"
    return int(one(connection, sql, (station, upto, opened_at))[0])


# ---- the boundary of a point in time ----


def prove_boundary(connection: Any, request: Request, ledger: Ledger, measured: dict[str, Any]) -> None:
    """Assert that the last row before the target time is there and that no later one is."""
    target = request.target_time
    if target is None:
        return
    ledger.announce(BOUNDARY, f"Everything up to {iso(target)} is there, and nothing later")
    boundary = request.boundary or request.heartbeat
    if not boundary:
        ledger.unverified(BOUNDARY, "No table with a time was named by which the boundary could be told.")
        return
    table, time, key = quoted(str(boundary["table"])), quoted(time_column(boundary)), quoted(str(boundary.get("key") or "id"))
    until = request.opened_at or datetime.max.replace(tzinfo=UTC)
    with ledger.timed(BOUNDARY):
        (before,) = one(connection, f"SELECT max({time}) FROM {table} WHERE {time} <= %s", (target,))  # noqa: S608
        sql = f"SELECT {key}::text, {time} FROM {table} WHERE {time} > %s AND {time} < %s ORDER BY {time} LIMIT 1"  # noqa: S608
        after = rows(connection, sql, (target, until))
        later = _later_transactions(connection, request, target, until)
    tolerance = float(boundary.get("tolerance_s", 3))
    if after or later:
        told = f"row {after[0][0]} of {boundary['table']}, written {iso(after[0][1])}" if after else later
        ledger.failed(BOUNDARY, f"The replay went past {iso(target)}: {told}, is there.", remedy="Restore again to that time.")
    elif before is None:
        ledger.failed(BOUNDARY, f"{boundary['table']} holds no row before {iso(target)}.")
    elif (target - before).total_seconds() > tolerance:
        ledger.unverified(
            BOUNDARY,
            f"The newest row of {boundary['table']} before {iso(target)} is of {iso(before)}: {_seconds(target - before)} s"
            " are not covered. Either nothing was written then, or rows are missing.",
            remedy="Choose a time at which the service was working, or compare with the client logs of that time.",
        )
    else:
        ledger.passed(BOUNDARY)
    measured["boundary_row_at"] = iso(before)


def _later_transactions(connection: Any, request: Request, target: datetime, until: datetime) -> str:
    entry = request.client_transactions
    if not entry or not entry.get("column"):
        return ""
    table, workstation, sequence = _columns(entry)
    time = quoted(str(entry["column"]))
    sql = f"SELECT {workstation}, {sequence}, {time} FROM {table} WHERE {time} > %s AND {time} < %s ORDER BY {time} LIMIT 1"  # noqa: S608
    found = rows(connection, sql, (target, until))
    return f"transaction {found[0][1]} of {found[0][0]}, written {iso(found[0][2])}" if found else ""
