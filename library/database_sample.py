#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Patients drawn at random, followed through all of their records in a restored database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_sample
short_description: Follow random patients end to end through a restored database
version_added: "0.2.0"
description:
  - Draws patients by a seed and reads everything that belongs to each of them, found by following the foreign keys of the catalogue.
  - A record passes if every row of it can be read in full and everything that one of its rows points to is there. Only reads.
  - Clause RCV-5 of the plan.
options:
  engine:
    description: What runs the database.
    type: str
    choices: [postgresql, mariadb]
    default: postgresql
  database:
    description: The database.
    type: str
    required: true
  socket:
    description: The directory of the server's socket.
    type: path
    required: true
  port:
    description: The server's port.
    type: int
    default: 5432
  subject:
    description: C(table) of patients and C(key), the column that tells them apart.
    type: dict
    required: true
  seed:
    description: Draws the patients; the same seed draws the same ones from the same database.
    type: int
    required: true
  count:
    description: How many are drawn.
    type: int
    required: true
attributes:
  check_mode:
    support: full
    description: The module never changes anything.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Follow twenty patients through all of their records
  database_sample:
    database: his
    socket: /run/recovery/recovery-scratch-his-drill/socket
    subject: {table: patient, key: id}
    seed: 20261121
    count: 20
"""

RETURN = r"""
verdict:
  description: PASS, FAIL, or COULD-NOT-VERIFY where there is nobody to follow.
  returned: always
  type: str
reason:
  description: Why it is not PASS.
  returned: always
  type: str
measured:
  description: How many patients and rows were read, by table, and the seed.
  returned: always
  type: dict
findings:
  description: What is not whole.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database.mariadb import rehearsal as mariadb
from ansible.module_utils.recovery.database.shell import Procedure

try:
    from ansible.module_utils.recovery.database.sample import follow
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
            "socket": {"type": "path", "required": True},
            "port": {"type": "int", "default": 5432},
            "subject": {"type": "dict", "required": True},
            "seed": {"type": "int", "required": True},
            "count": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    if MISSING and given["engine"] != "mariadb":
        reason = f"The host lacks what the proof needs ({MISSING}). Install the Debian package python3-psycopg2."
        module.exit_json(changed=False, verdict="COULD-NOT-VERIFY", reason=reason, findings=[], measured={})
    procedure = Procedure()
    drawn = (given["subject"], given["seed"], given["count"], procedure)
    if given["engine"] == "mariadb":
        followed = mariadb.follow(given["socket"], given["database"], *drawn)
    else:
        followed = follow(Address(given["database"], given["port"], given["socket"]), *drawn)
    result = {"changed": False, **followed, "steps": procedure.steps}
    if result["verdict"] == "FAIL":
        module.fail_json(msg=result["reason"], **result)
    module.exit_json(msg=result["reason"], **result)


if __name__ == "__main__":
    main()
