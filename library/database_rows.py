#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Lost or damaged rows of a table or of one patient, put back from a scratch instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_rows
short_description: Put back rows of a table or of one patient, and nothing else
version_added: "0.2.0"
description:
  - V(survey) looks at the living database and refuses what cannot work. V(read) reads the old rows from a scratch instance, with
    everything that hangs on them and what they hang on, by the foreign keys of the catalogue. V(compare) holds them against the living
    rows and shows every difference. V(apply) puts back what was approved, in one transaction. V(verify) proves it. V(forget) deletes
    what was carried.
  - Only rows that the backup has are put back. Rows that only the living database has are shown and stay.
  - A row that somebody may have changed after the damage is a conflict; it is refused unless a named person chooses.
  - Rows lie in files in memory that root alone can read; results hold counts and digests. Only RV(diff) of
    V(compare) holds values of patients. Clauses RCV-10, CLS-1 and CLS-2 of the plan.
options:
  verb:
    description: The step.
    type: str
    required: true
    choices: [survey, read, compare, apply, verify, forget]
  cluster:
    description: The living database cluster, as the inventory's C(database_cluster) describes it.
    type: dict
    required: true
  mode:
    description: Whole tables, or one patient.
    type: str
    choices: [table, patient]
    default: table
  target:
    description: The moment from which the old rows come, V(time:2026-11-21T03:25:00+08:00) or another target of a restore.
    type: str
    default: ""
  tables:
    description: The tables to put back.
    type: list
    elements: str
    default: []
  patient:
    description: The patient's number.
    type: str
    default: ""
  patient_table:
    description: Table that has one row for each patient, and its column that O(patient) is looked up in.
    type: dict
    default: {}
  until:
    description:
      - The moment by which the damage was over (V(time:...)). An altered row that was written later is somebody's work.
      - Without it every altered row counts as possibly somebody's work.
    type: str
    default: ""
  conflicts:
    description: What happens to altered rows that somebody may have changed since.
    type: str
    choices: [refuse, keep-live, take-backup]
    default: refuse
  conflicts_by:
    description: Who chose O(conflicts). Without a name only V(refuse) is possible.
    type: str
    default: ""
  append_only:
    description: Tables whose triggers refuse changes; an altered row of theirs is set back past the triggers.
    type: list
    elements: str
    default: []
  heartbeat:
    description: Table and column of a row that is written regularly; it tells when a transaction took place.
    type: dict
    default: {}
  most_rows:
    description: More rows than this are refused.
    type: int
    default: 100000
  scratch:
    description: Where the scratch instance answers, as the fact C(database_scratch_ready) says it (C(socket), C(port), C(directory)).
    type: dict
    default: {}
  known:
    description: Whether the living database has the patient, as V(survey) found.
    type: bool
    default: true
  rows:
    description: What V(read) wrote, carried from the scratch host.
    type: str
    default: ""
  digest:
    description: Digest of the approved differences, as V(compare) returned it.
    type: str
    default: ""
  by:
    description: For the audit row, C(run) and C(requested_by).
    type: dict
    default: {}
  lock_timeout_ms:
    description: How long one wait for somebody else's lock lasts.
    type: int
    default: 500
  lock_attempts:
    description: How often the transaction is tried before it gives way.
    type: int
    default: 20
attributes:
  check_mode:
    support: full
    description: V(survey), V(read), V(compare) and V(verify) change nothing of the database; V(apply) and V(forget) do nothing.
  diff_mode:
    support: full
    description: V(compare) shows every row.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Show what differs
  database_rows:
    verb: compare
    cluster: "{{ database_cluster }}"
    mode: patient
    patient: P0000000012
    patient_table: {table: patient, column: mrn}
    target: time:2026-11-21T03:25:00+08:00
    until: time:2026-11-21T03:26:00+08:00
    rows: "{{ carried }}"
"""

RETURN = r"""
tables:
  description: The tables concerned, with those whose rows vanish together with theirs.
  returned: for survey
  type: list
  elements: str
known:
  description: Whether the living database has the patient.
  returned: for survey
  type: bool
file:
  description: Where the rows lie that are to be carried.
  returned: for read
  type: str
digest:
  description: SHA-256 of the diff, which is what people approve.
  returned: for compare
  type: str
action:
  description: The plan of action that people approve; counts and digest, no values.
  returned: for compare
  type: dict
to_do:
  description: How many rows would be put back.
  returned: for compare
  type: int
diff:
  description: Every row. It holds patients' data.
  returned: for compare
  type: list
  elements: dict
verdict:
  description: PASS or FAIL, with RV(reason).
  returned: for verify
  type: str
measured:
  description: Rows and blocks that were read, rows that differed, how long locks were held.
  returned: always
  type: dict
findings:
  description: What speaks against it, each with cause, remedy and alternative.
  returned: always
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database import options, rows
from ansible.module_utils.recovery.database.rows_apply import Patience
from ansible.module_utils.recovery.database.rows_catalogue import RowsError
from ansible.module_utils.recovery.database.rows_diff import CHOICES
from ansible.module_utils.recovery.database.rows_live import MODES, Request
from ansible.module_utils.recovery.database.rows_read import Reading
from ansible.module_utils.recovery.database.shell import Procedure
from ansible.module_utils.recovery.database.verify_session import Address
from ansible.module_utils.recovery.findings import Finding, refusal_text

VERBS = ["survey", "read", "compare", "apply", "verify", "forget"]


def requested(given: dict[str, Any]) -> Request:
    """Return what is asked for."""
    where = given["patient_table"]
    told = {"database": given["cluster"]["name"], "patient_table": where.get("table"), "patient_column": where.get("column")}
    return Request.parse({**given, **told})


def survey(given: dict[str, Any], request: Request, address: Address, store: Path, check: bool) -> dict[str, Any]:
    """Look before anything is restored."""
    findings = request.objections()
    if findings:
        return refused(findings)
    return rows.survey(address, request)


def read(given: dict[str, Any], request: Request, address: Address, store: Path, check: bool) -> dict[str, Any]:
    """Read the old rows; they lie in memory until they are fetched, in check mode too, and `forget` is called by the same play."""
    scratch = given["scratch"]
    there = Address(request.database, int(scratch["port"]), str(scratch["socket"]))
    reading = rows.read_backup(there, request, str(given["cluster"]["data_directory"]), known=given["known"])
    file = rows.write_rows(store, reading.packed())
    findings = [
        Finding("no-index", "info", f"No index leads to the children in {name}: the whole table was read.") for name in reading.unindexed
    ]
    measured = {f"backup_{name}": number for name, number in reading.read.items()}
    return {"file": str(file), "measured": measured, "findings": [finding.as_dict() for finding in findings]}


def compare(given: dict[str, Any], request: Request, address: Address, store: Path, check: bool) -> dict[str, Any]:
    """Show every difference, and what people are asked to approve."""
    backup = Reading.unpack(given["rows"])
    compared = rows.compare(address, request, backup, None if check else store)
    plan = compared.plan
    columns = {name: table.columns for name, table in backup.tables.items()}
    diff = [{"prepared": plan.text(), "artefact": "patient-data.diff"}]
    if extra := plan.extra_text(columns):
        diff.append({"prepared": extra, "artefact": "patient-data-extra.diff"})
    counts = plan.counts()
    result = {
        "digest": plan.digest(),
        "to_do": len(plan.changes),
        "action": {
            "what": f"Put back {len(plan.changes)} rows of {request.subject} in {request.database}, in one transaction",
            "mode": request.mode,
            "target": request.target,
            "until": request.until,
            "tables": counts,
            "conflicts": request.conflicts,
            "conflicts_by": request.conflicts_by,
            "past_triggers": list(plan.past_triggers),
            "diff_sha256": plan.digest(),
        },
        "diff": diff,
        "after": {"differences": counts},
        "measured": {
            **{f"live_{name}": number for name, number in compared.read.items()},
            "rows_to_put_back": len(plan.changes),
            "rows_kept": len(plan.kept),
        },
        "findings": [finding.as_dict() for finding in compared.findings],
    }
    blocking = [finding for finding in compared.findings if finding.severity == "stop"]
    if blocking:
        return {**refused(blocking), **result}
    if plan.conflicts and request.conflicts != "refuse":
        told = f"{len(plan.conflicts)} rows that may have been changed since: {request.conflicts}."
        result["overridden"] = [{"code": "changed-since", "by": request.conflicts_by, "message": told}]
    return result


def apply(given: dict[str, Any], request: Request, address: Address, store: Path, check: bool) -> dict[str, Any]:
    """Put the rows back."""
    if check:
        return {"changed": True}
    patience = Patience(given["lock_timeout_ms"], given["lock_attempts"])
    done = rows.put_back(address, store, given["digest"], patience, {name: str(value) for name, value in given["by"].items()})
    return {
        "changed": bool(done.plan.changes),
        "after": {"tables": done.plan.counts(), "sequences_moved": done.sequences, "audit_row": done.audit},
        "measured": {"rows_put_back": len(done.plan.changes), "lock_attempts": done.attempts, "transaction_s": done.held_s},
    }


def verify(given: dict[str, Any], request: Request, address: Address, store: Path, check: bool) -> dict[str, Any]:
    """Prove that the rows are there."""
    if check:
        return {"verdict": "NOT-RUN", "reason": "A rehearsal puts nothing back."}
    verdict, reason, cost = rows.verify(address, store, given["digest"])
    return {
        "verdict": verdict,
        "reason": reason,
        "failed": verdict == "FAIL",
        "msg": reason,
        "measured": {"verify_rows_read": cost["rows"]},
    }


def forget(given: dict[str, Any], request: Request, address: Address, store: Path, check: bool) -> dict[str, Any]:
    """Delete what was carried."""
    return {"changed": store.exists() if check else rows.forget(store)}


def refused(findings: list[Finding]) -> dict[str, Any]:
    """Return the result of a step that refuses."""
    found = [finding.as_dict() for finding in findings]
    return {"failed": True, "refused": True, "msg": refusal_text(findings), "findings": found}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "required": True, "choices": VERBS},
            "cluster": {"type": "dict", "required": True},
            "mode": {"type": "str", "choices": list(MODES), "default": "table"},
            "target": {"type": "str", "default": ""},
            "tables": {"type": "list", "elements": "str", "default": []},
            "patient": {"type": "str", "default": ""},
            "patient_table": {"type": "dict", "default": {}},
            "until": {"type": "str", "default": ""},
            "conflicts": {"type": "str", "choices": list(CHOICES), "default": "refuse"},
            "conflicts_by": {"type": "str", "default": ""},
            "append_only": {"type": "list", "elements": "str", "default": []},
            "heartbeat": {"type": "dict", "default": {}},
            "most_rows": {"type": "int", "default": 100000},
            "scratch": {"type": "dict", "default": {}},
            "known": {"type": "bool", "default": True},
            "rows": {"type": "str", "default": "", "no_log": True},
            "digest": {"type": "str", "default": ""},
            "by": {"type": "dict", "default": {}},
            "lock_timeout_ms": {"type": "int", "default": 500},
            "lock_attempts": {"type": "int", "default": 20},
        },
        required_if=[
            ("verb", "read", ("scratch",)),
            ("verb", "compare", ("rows",)),
            ("verb", "apply", ("digest",)),
            ("verb", "verify", ("digest",)),
        ],
        supports_check_mode=True,
    )
    given = module.params
    engine = str(given["cluster"].get("engine", "postgresql"))
    if engine != "postgresql":
        other = Finding(
            "engine-without-rows",
            "stop",
            f"Rows can be put back one by one in PostgreSQL only, not in {engine}.",
            remedy="Restore the database to a moment before the fault: recovery run database_restore -e target=time:....",
        )
        module.fail_json(changed=False, **{name: value for name, value in refused([other]).items() if name != "failed"})
    cluster = options.cluster(given["cluster"])
    store = Path(options.runtime(cluster)) / "rows"
    procedure = Procedure()
    step = {"survey": survey, "read": read, "compare": compare, "apply": apply, "verify": verify, "forget": forget}[given["verb"]]
    names = {
        "survey": "Look at the living database's tables and keys",
        "read": "Read the old rows from the scratch instance, by the foreign keys of its catalogue",
        "compare": "Hold the old rows against the living ones",
        "apply": "Put the approved rows back in one transaction, the living ones compared once more under lock",
        "verify": "Read the rows once more",
        "forget": "Delete the rows that were carried",
    }
    try:
        with procedure.step(names[given["verb"]]):
            said = step(given, requested(given), Address(cluster.name, cluster.port), store, module.check_mode)
    except RowsError as error:
        said = refused([rows.findings_of(error)])
    result = {"changed": False, "findings": [], **said, "steps": procedure.steps}
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
