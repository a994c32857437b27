"""Prove that a PostgreSQL cluster is sound and holds what it should: the quick proof and the full one (RCV-1, RCV-5).

Quick: what must be known before the wards are let in, in about a second whatever the size. Full: every byte, beside the
running service. Both only read (the one write, to prove that writing works, is rolled back), ask through the local socket and
see one moment. PASS means that every check announced has really run.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg2

from .clients import fault, moment, service_gap
from .shell import Procedure, now
from .verify_business import ACKNOWLEDGED, BOUNDARY, NEWEST, prove_acknowledged, prove_boundary, prove_newest, rule_tasks
from .verify_cluster import guarded, prove_cluster
from .verify_ledger import Ledger
from .verify_manifest import MANIFEST, Comparison, table_sizes
from .verify_relations import READ, UNIQUE, TableFacts, catalogue, row_tasks, settle_unique
from .verify_request import Request
from .verify_session import Address, Task, acting_as, connect, one, sentence, work_off
from .verify_storage import CHECKSUMS, INDEXES, amcheck_tasks, checksum_tasks

_ANSWER = "server-answers"


def prove(address: Address, request: Request) -> dict[str, Any]:
    """Carry out the proof and return a module's result: verdict with reason, findings, steps, measured, ``after.checks``."""
    procedure, ledger = Procedure(), Ledger()
    measured: dict[str, Any] = {"depth": request.depth}
    started = time.monotonic()
    request = _with_the_users_view(request, procedure, measured)
    with acting_as(address.user):
        _prove(address, request, procedure, ledger, measured)
    verdict, reason = ledger.verdict()
    checks = ledger.checks
    measured["seconds"] = {check.code: round(check.seconds, 3) for check in checks}
    measured["seconds"]["total"] = round(time.monotonic() - started, 3)
    return {
        "changed": False,
        "verdict": verdict,
        "reason": reason,
        "findings": [finding.as_dict() for finding in ledger.findings],
        "measured": measured,
        "after": {"checks": [check.as_dict() for check in checks]},
        **procedure.as_dict(),
    }


def _with_the_users_view(request: Request, procedure: Procedure, measured: dict[str, Any]) -> Request:
    """Take from the workstations' logs when service failed and for how long; a fault named by the caller stands."""
    if not request.client_summaries:
        return request
    gap = service_gap(request.client_summaries, request.outage_after)
    measured["service_gap_s"] = gap["seconds"]
    measured["service_gaps"] = gap["by_workstation"]
    seen = fault(request.client_summaries, request.outage_after)
    if seen is None:
        return request
    procedure.milestone("fault", f"first failure at {seen['workstation']}, last saved {seen['last_acknowledged']}", seen["at"])
    return request if request.fault_at else replace(request, fault_at=moment(seen["at"]))


def _prove(address: Address, request: Request, procedure: Procedure, ledger: Ledger, measured: dict[str, Any]) -> None:
    ledger.announce(_ANSWER, "The server answers")
    try:
        with procedure.step("Is the cluster sound, and is it the right one"):
            prove_cluster(address, request, ledger)
        ledger.passed(_ANSWER)
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        where = f"port {address.port} in {address.socket}"
        ledger.failed(_ANSWER, f"The server does not answer on {where}: {sentence(error)}.", remedy="Start it and read its log.")
        return
    except Exception as error:
        ledger.unverified(_ANSWER, f"The first questions could not be asked: {sentence(error)}.")
        return
    with closing(connect(address, snapshot="")) as keeper:
        (snapshot,) = one(keeper, "SELECT pg_export_snapshot()")
        with procedure.step("Is what the hospital entered last there"):
            for code, part in ((NEWEST, prove_newest), (ACKNOWLEDGED, prove_acknowledged), (BOUNDARY, prove_boundary)):
                guarded(address, snapshot, ledger, code, partial(part, request=request, ledger=ledger, measured=measured))
        comparison = Comparison(request, ledger)
        if request.full:
            with procedure.step("Is every page, row, key, index and figure right"):
                _everything(address, snapshot, request, ledger, comparison, measured)
        elif comparison.wanted:
            with procedure.step("Are samples of the backup's manifest there"):
                seed = int(datetime.now(UTC).timestamp())
                guarded(address, snapshot, ledger, MANIFEST, lambda view: comparison.sample(view, seed))
                guarded(address, snapshot, ledger, MANIFEST, lambda view: comparison.settle(view, [], measured))
    _recovery_point(request, measured)
    measured["proven_at"] = now()


def _everything(
    address: Address, snapshot: str, request: Request, ledger: Ledger, comparison: Comparison, measured: dict[str, Any]
) -> None:
    tables: list[TableFacts] = []
    tasks: list[Task] = []

    def plan_rows(view: Any) -> None:
        tables.extend(catalogue(view))
        tasks.extend(row_tasks(view, ledger, tables))

    # Each is planned on its own: a catalogue that cannot be read must not keep the pages from being read.
    guarded(address, snapshot, ledger, CHECKSUMS, lambda view: tasks.extend(checksum_tasks(view, ledger)))
    guarded(address, snapshot, ledger, INDEXES, lambda view: tasks.extend(amcheck_tasks(view, ledger)))
    guarded(address, snapshot, ledger, READ, plan_rows)
    guarded(address, snapshot, ledger, MANIFEST, lambda view: tasks.extend(comparison.tasks(table_sizes(view))))
    tasks.extend(rule_tasks(request, ledger))
    work_off(address, snapshot, tasks, request.jobs)
    guarded(address, snapshot, ledger, UNIQUE, lambda view: settle_unique(view, ledger, tables))
    if comparison.wanted:
        guarded(address, snapshot, ledger, MANIFEST, lambda view: comparison.settle(view, tables, measured))
    figures = {check.code: check.figures for check in ledger.checks}
    measured["bytes_read"] = figures.get(CHECKSUMS, {}).get("bytes", 0)
    measured["rows_read"] = figures.get(READ, {}).get("rows", 0)


def _recovery_point(request: Request, measured: dict[str, Any]) -> None:
    """Derive the recovery point: nothing lost if every acknowledged transaction is there, else the newest row before the fault."""
    if measured.get("lost_transactions") == 0 and measured.get("acknowledged_transactions"):
        measured["rpo_s"] = 0.0
        measured["rpo_from"] = "acknowledged transactions: all are there"
        return
    known = [measured[name] for name in ("rpo_heartbeat_s", "rpo_business_s") if name in measured]
    if known:
        measured["rpo_s"] = min(known)
        measured["rpo_from"] = "newest row or heartbeat before the fault"
