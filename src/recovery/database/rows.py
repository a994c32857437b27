"""The steps of putting rows back, as the module `database_rows` offers them: survey, read, compare, apply, verify, forget (RCV-10).

What is carried between them lies in memory (/run) of the host that needs it, readable by root alone, until `forget`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..findings import Finding
from .rows_apply import Applied, Patience, apply
from .rows_catalogue import RowsError, read
from .rows_live import Compared, Request, compare_live, extras
from .rows_read import Reading, identity, patient_rows, table_rows
from .verify_session import Address, acting_as, connect, one, quoted, rows


def survey(address: Address, request: Request) -> dict[str, Any]:
    """Look at the living database: are the tables known and keyed, and is the patient there? Raises RowsError."""
    with acting_as("postgres"):
        connection = connect(address, snapshot="")
        try:
            catalogue = read(connection)
            if request.mode == "table":
                return {"tables": catalogue.with_dependants(request.tables), "known": True}
            table = catalogue.keyed(request.patient_table)
            found = rows(connection, f"SELECT 1 FROM {table.name} WHERE {quoted(request.patient_column)} = %s", (request.patient,))  # noqa: S608
            return {"tables": [table.name], "known": bool(found)}
        finally:
            connection.close()


def read_backup(address: Address, request: Request, production: str, *, known: bool) -> Reading:
    """Read the old rows from a scratch instance. Raises RowsError.

    ``production`` is the data directory that must not be the one read; ``known``: whether the living database has the patient.
    """
    with acting_as("postgres"):
        connection = connect(address, snapshot="")
        try:
            here = identity(connection)
            if here["directory"].rstrip("/") == production.rstrip("/") or here["archiving"] != "off":
                raise is_production(here["directory"])
            catalogue = read(connection)
            if request.mode == "table":
                return table_rows(connection, catalogue, request.tables, request.most_rows, parents=True)
            wanted = {"table": request.patient_table, "column": request.patient_column, "value": request.patient}
            reading = patient_rows(connection, catalogue, {**wanted, "most_rows": request.most_rows}, parents=True)
        finally:
            connection.close()
    if not reading.count and not known:
        raise RowsError(
            "patient-unknown",
            f"Neither the living database nor the backup at {request.target} knows a patient {request.patient}.",
            "",
            "Compare the number with the patient's wristband or card, digit by digit.",
            "If the patient was registered later than that moment, name a later one: -e target=time:....",
        )
    if not reading.count:
        raise RowsError(
            "patient-not-in-backup",
            f"The patient {request.patient} is there now, but not in the backup at {request.target}: there is nothing to put back.",
            "",
            "Name a later moment, after the patient was registered and before the fault: -e target=time:....",
        )
    return reading


def is_production(directory: str) -> RowsError:
    """Return the refusal to take production for a scratch instance."""
    return RowsError(
        "scratch-is-production",
        f"The scratch instance that the old rows would be read from is production itself ({directory}).",
        "Its rows are the damaged ones.",
        "Let the runbook make a scratch instance on the drill host; see database_drill_host in the inventory.",
    )


def compare(address: Address, request: Request, backup: Reading, store: Path | None) -> Compared:
    """Compare the old rows with the living ones, and keep what `apply` will need (``store``: None keeps nothing). Raises RowsError.

    What an earlier run has left is deleted first; what is refused is not kept.
    """
    if store is not None:
        forget(store)
    with acting_as("postgres"):
        connection = connect(address, snapshot="")
        try:
            here = identity(connection)
            if (here["directory"], here["started"]) == (backup.server["directory"], backup.server["started"]):
                raise is_production(here["directory"])
            if here["system_identifier"] != backup.server["system_identifier"]:
                raise RowsError(
                    "other-system",
                    f"The old rows come from another database system ({backup.server['system_identifier']}, "
                    f"not {here['system_identifier']}).",
                    "Its patients are not these patients, even where numbers are the same.",
                    "Take the backup of this system: -e system=NAME.",
                )
            catalogue = read(connection)
            compared = compare_live(connection, catalogue, backup, request)
            connection.rollback()
            compared.plan.extra, more = extras(connection, catalogue, backup, request)
        finally:
            connection.close()
    compared.read = {name: compared.read[name] + more[name] for name in compared.read}
    if store is not None and not any(finding.severity == "stop" for finding in compared.findings):
        _write(store, compared.plan.digest(), {"request": asdict(request), "backup": backup.packed()})
    return compared


def put_back(address: Address, store: Path, digest: str, patience: Patience, by: Mapping[str, str]) -> Applied:
    """Apply the plan with this digest. Raises RowsError."""
    kept = _read(store, digest)
    with acting_as("postgres"):
        applied = apply(address, Reading.unpack(kept["backup"]), Request.parse(kept["request"]), digest, patience, dict(by))
    _write(store, digest, {**kept, "transaction": applied.transaction, "audit": applied.audit})
    return applied


def verify(address: Address, store: Path, digest: str) -> tuple[str, str, dict[str, int]]:
    """Return verdict, reason and cost: is every row as the backup has it, or changed by somebody after it was put back?"""
    kept = _read(store, digest)
    request, backup = Request.parse(kept["request"]), Reading.unpack(kept["backup"])
    with acting_as("postgres"):
        connection = connect(address, snapshot="")
        try:
            if kept.get("transaction"):
                (young,) = one(connection, "SELECT age(%s::xid)", (kept["transaction"],))
                (audited,) = one(connection, "SELECT count(*) FROM recovery.rows_put_back WHERE diff_sha256 = %s", (digest,))
            else:
                young, audited = 0, 1  # nothing differed, so nothing was put back and nothing is to be found
            compared = compare_live(connection, read(connection), backup, request)
        finally:
            connection.close()
    lost = [change for change in compared.plan.changes if change.live is None]
    wrong = [change for change in compared.plan.changes if change.live is not None and (change.age is None or change.age >= young)]
    since = len(compared.plan.changes) - len(lost) - len(wrong)
    if lost or wrong or not audited:
        told = f"{len(lost)} rows are missing, {len(wrong)} differ from the backup" + ("" if audited else ", and no audit row was written")
        return "FAIL", told + ".", compared.read
    kept_rows = len(compared.plan.kept)
    reason = f"All {backup.count} rows of {request.subject} are as the backup has them"
    reason += f", but for {kept_rows} that were kept by choice" if kept_rows else ""
    reason += f"; {since} were changed by the wards since they were put back" if since else ""
    return "PASS", reason + ".", compared.read


def forget(store: Path) -> bool:
    """Delete what was carried; return whether there was anything."""
    there = store.exists()
    shutil.rmtree(store, ignore_errors=not there)
    return there


def findings_of(error: RowsError) -> Finding:
    """Return a refusal as a finding."""
    return Finding(error.code, "stop", str(error), error.why, error.remedy, error.alternative)


def write_rows(store: Path, text: str) -> Path:
    """Keep rows that are to be carried; return where."""
    return _write(store, "rows", {"backup": text})


def _write(store: Path, name: str, content: Mapping[str, Any]) -> Path:
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    store.chmod(0o700)
    path, draft = store / f"{name}.json", store / f".{name}.draft"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
    draft.replace(path)
    return path


def _read(store: Path, digest: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((store / f"{digest}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RowsError(
            "rows-not-at-hand",
            f"The rows that were compared are not on this host any more ({error.__class__.__name__}). Nothing was changed.",
            "",
            "Run the same command again: they are read and compared anew.",
        ) from error
    return found
