"""Moments and checksums for the scenario in which single rows are put back."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial

from hospital import Ran, recovery, sql

PATIENT = "P0000000001"
# Each run brings a backup to life first; other scenarios may boot beside this one.
run = partial(recovery, timeout=600)
# Everything that hangs on the patient, told by SQL of this test's own: table -> condition.
VISITS = "select v.id from visit v join patient p on p.id = v.patient_id where p.mrn = '{mrn}'"
OWN = {
    "patient": "mrn = '{mrn}'",
    "visit": f"id in ({VISITS})",
    "clinical_order": f"visit_id in ({VISITS})",
    "prescription": f"visit_id in ({VISITS})",
    "prescription_line": f"prescription_id in (select id from prescription where visit_id in ({VISITS}))",  # noqa: S608
    "lab_result": f"order_id in (select id from clinical_order where visit_id in ({VISITS}))",  # noqa: S608
    "charge": f"visit_id in ({VISITS})",
    "invoice": f"visit_id in ({VISITS})",
    "invoice_line": f"invoice_id in (select id from invoice where visit_id in ({VISITS}))",  # noqa: S608
}


def moment() -> str:
    """Return this moment as a target, with a second of ordinary work on either side of it."""
    time.sleep(1.5)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    time.sleep(1.5)
    return f"time:{now}"


def own(mrn: str = PATIENT) -> dict[str, str]:
    """Return a checksum of each table's rows of one patient."""
    ask = "select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by id)), '') from {} t where {}"
    return {table: sql(ask.format(table, where.format(mrn=mrn))) for table, where in OWN.items()}


def others(mrn: str = PATIENT) -> str:
    """Return a checksum of all results, doses and charges of long ago that are not this patient's: clinical work leaves them alone."""
    parts = [
        f"select md5(string_agg(t::text, '|' order by id)) from {table} t where id <= 100 and not ({OWN[table].format(mrn=mrn)})"  # noqa: S608
        for table in ("lab_result", "charge", "patient", "invoice_line")
    ]
    return " ".join(sql(part) for part in parts)


def diff(ran: Ran) -> str:
    """Return the differences that a run has shown, from its artefact, which nobody else may read."""
    assert ran.incident is not None, ran.output
    (path,) = (ran.incident / "artifacts").glob("*-patient-data.diff")
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text(encoding="utf-8")
