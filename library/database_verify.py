#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""VERIFY of a database: is the cluster sound, and does it hold what it should."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_verify
short_description: Prove that a database is sound and complete, reading only
version_added: "0.1.0"
description:
  - The quick proof is for the moment before the wards are let in and takes about a second whatever the size. The full proof
    reads every byte beside the running service.
  - Asks the server through its local socket as the operating system's user postgres, so a restored cluster that nobody may
    reach yet can be proven as well. The only write, one row lock in each critical table, is rolled back.
  - The verdict is V(PASS) only if every check really ran. What could not be checked makes it V(COULD-NOT-VERIFY), what is
    wrong V(FAIL), each with its reason.
  - Clauses RCV-1 and RCV-5 of the plan.
options:
  engine:
    description: What runs the database. The proof asks for the same things, each engine in its own way.
    type: str
    choices: [postgresql, mariadb]
    default: postgresql
  database:
    description: The database that holds the clinical data.
    type: str
    required: true
  data_directory:
    description: The data directory the server is expected to work in; a server working elsewhere fails the proof.
    type: path
    default: ""
  port:
    description: The server's port, which is part of its socket's name.
    type: int
    default: 5432
  socket:
    description: The directory of the server's socket.
    type: path
    default: /var/run/postgresql
  user:
    description: The operating system's user that the server runs as, and its role of the same name.
    type: str
    default: postgres
  depth:
    description: How much is read.
    type: str
    choices: [quick, full]
    default: quick
  manifest:
    description: The manifest of the backup, as the backup wrote it.
    type: dict
  manifest_exact:
    description: The database stands at the manifest's own restore point, so it must equal it.
    type: bool
    default: false
  manifest_required:
    description: Without a manifest the verdict is COULD-NOT-VERIFY.
    type: bool
    default: true
  critical_tables:
    description: Tables that must not be empty, by name or as entries of C(database_critical_tables).
    type: list
    elements: raw
    default: []
  business_rules:
    description: Questions that bring back the rows which break a rule, as entries of C(database_business_rules). Full proof only.
    type: list
    elements: dict
    default: []
  heartbeat:
    description: Table and time column of a row that is written every second; C(max_age_s) on a live server, 30 unless told.
    type: dict
    default: {}
  newest_rows:
    description: Tables and time columns whose newest row tells how recent the data are.
    type: list
    elements: dict
    default: []
  client_transactions:
    description:
      - The table in which every acknowledged transaction of a workstation stands, C(workstation_column), C(sequence_column),
        and C(column) for its time.
      - Numbers are drawn in blocks; what is missing within C(in_flight) (250 unless told) of the newest counts as end, not as hole.
    type: dict
    default: {}
  acknowledged:
    description: For each workstation the C(ranges) of numbers acknowledged to it and the C(unknown) ones.
    type: dict
    default: {}
  client_summaries:
    description: What M(client_log) returned for each workstation. Acknowledged transactions, fault and gap in service follow from it.
    type: list
    elements: dict
    default: []
  outage_after:
    description: When the recovery began. Gaps in service that had ended before are not this outage.
    type: str
    default: ""
  tail_loss:
    description: Whether acknowledged transactions missing at the end fail the proof or are only measured as lost.
    type: str
    choices: [fail, measure]
    default: fail
  expected_system_identifier:
    description: The system identifier of the cluster that was asked for.
    type: str
    default: ""
  expected_timeline_min:
    description: The lowest timeline the server may be on.
    type: int
    default: 0
  expected_end_lsn:
    description: The position in the write-ahead log that the replay must have reached, such as V(0/3000148).
    type: str
    default: ""
  target_time:
    description: The point in time that was restored to, with its zone. What was written later must not be there.
    type: str
    default: ""
  boundary:
    description: Table, time C(column), C(key) and C(tolerance_s) by which that is told; the heartbeat unless named.
    type: dict
    default: {}
  fault_at:
    description: When the users first saw the failure. Rows written after it do not count for the recovery point.
    type: str
    default: ""
  opened_at:
    description: When the wards were let in again. What was written since is no breach of the point in time.
    type: str
    default: ""
  live:
    description: The service is running, so its heartbeat must be fresh.
    type: bool
    default: true
  jobs:
    description: How many checks run at the same time in the full proof.
    type: int
    default: 2
  low_priority:
    description: Let the wards' work go first.
    type: bool
    default: false
  statement_timeout_s:
    description: A question that takes longer is given up, and the verdict says so.
    type: int
    default: 3600
attributes:
  check_mode:
    support: full
    description: The module never changes anything.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Prove the staged database before anybody is let in
  database_verify:
    database: his
    socket: /run/recovery/his/socket
    depth: quick
    live: false
    manifest: "{{ backup_manifest }}"
    critical_tables: [patient, visit, charge]

- name: Prove the whole database beside the running service
  database_verify:
    database: his
    depth: full
    manifest_required: false
    low_priority: true
"""

RETURN = r"""
verdict:
  description: PASS, FAIL or COULD-NOT-VERIFY.
  returned: always
  type: str
reason:
  description: What the verdict rests on, naming relation, figure and row.
  returned: always
  type: str
findings:
  description: Everything that is wrong, or could not be checked, with why it matters and the remedy.
  returned: always
  type: list
  elements: dict
after:
  description: Every check with its verdict, parts, duration and figures, as C(checks).
  returned: always
  type: dict
measured:
  description: Recovery point, acknowledged and lost transactions, bytes and rows read, seconds by check.
  returned: always
  type: dict
steps:
  description: The parts of the proof, with times.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database.mariadb import verify as mariadb

try:
    from ansible.module_utils.recovery.database.verify import prove
    from ansible.module_utils.recovery.database.verify_request import request_from
    from ansible.module_utils.recovery.database.verify_session import Address

    MISSING = ""
except ImportError as error:
    MISSING = str(error)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "engine": {"type": "str", "choices": ["postgresql", "mariadb"], "default": "postgresql"},
            "database": {"type": "str", "required": True},
            "data_directory": {"type": "path", "default": ""},
            "port": {"type": "int", "default": 5432},
            "socket": {"type": "path", "default": "/var/run/postgresql"},
            "user": {"type": "str", "default": "postgres"},
            "depth": {"type": "str", "choices": ["quick", "full"], "default": "quick"},
            "manifest": {"type": "dict"},
            "manifest_exact": {"type": "bool", "default": False},
            "manifest_required": {"type": "bool", "default": True},
            "critical_tables": {"type": "list", "elements": "raw", "default": []},
            "business_rules": {"type": "list", "elements": "dict", "default": []},
            "heartbeat": {"type": "dict", "default": {}},
            "newest_rows": {"type": "list", "elements": "dict", "default": []},
            "client_transactions": {"type": "dict", "default": {}},
            "acknowledged": {"type": "dict", "default": {}},
            "client_summaries": {"type": "list", "elements": "dict", "default": []},
            "outage_after": {"type": "str", "default": ""},
            "tail_loss": {"type": "str", "choices": ["fail", "measure"], "default": "fail"},
            "expected_system_identifier": {"type": "str", "default": ""},
            "expected_timeline_min": {"type": "int", "default": 0},
            "expected_end_lsn": {"type": "str", "default": ""},
            "target_time": {"type": "str", "default": ""},
            "boundary": {"type": "dict", "default": {}},
            "fault_at": {"type": "str", "default": ""},
            "opened_at": {"type": "str", "default": ""},
            "live": {"type": "bool", "default": True},
            "jobs": {"type": "int", "default": 2},
            "low_priority": {"type": "bool", "default": False},
            "statement_timeout_s": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    if MISSING and module.params["engine"] == "postgresql":
        module.exit_json(
            changed=False,
            verdict="COULD-NOT-VERIFY",
            reason=f"The host lacks what the proof needs ({MISSING}). Install the Debian package python3-psycopg2.",
        )
    given = module.params
    try:
        request = request_from(given)
    except ValueError as error:
        module.fail_json(msg=f"{error}.")
    if given["engine"] == "mariadb":
        result = mariadb.prove(given["database"], given["socket"], request)
        if result["verdict"] == "FAIL":
            module.fail_json(msg=result["reason"], **result)
        module.exit_json(msg=result["reason"], **result)
    address = Address(
        database=given["database"],
        port=given["port"],
        socket=given["socket"],
        user=given["user"],
        statement_timeout_s=given["statement_timeout_s"],
        low_priority=given["low_priority"],
    )
    result = prove(address, request)
    if result["verdict"] == "FAIL":
        module.fail_json(msg=result["reason"], **result)
    module.exit_json(msg=result["reason"], **result)


if __name__ == "__main__":
    main()
