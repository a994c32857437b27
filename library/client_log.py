#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""What a workstation's own log says about the service: what was acknowledged, what was not answered, and for how long."""

from __future__ import annotations

DOCUMENTATION = r"""
module: client_log
short_description: Read what the users of a workstation saw of the service
version_added: "0.1.0"
description:
  - Runs the client's own summary of its log and checks its form. Writes nothing.
  - From several workstations together follow the fault (the first failure that a user saw), the gap in service and exactly which
    acknowledged transactions a restored database lacks, see M(database_verify).
  - Clauses RCV-1 and RCV-4 of the plan.
options:
  path:
    description: The log of attempts, one JSON object a line.
    type: path
    required: true
  since:
    description: Only attempts sent since this time (ISO 8601, with zone); from the beginning of the log without it.
    type: str
    default: ""
  workstation:
    description: The name under which the workstation writes its transactions; the client's own unless told.
    type: str
    default: ""
  command:
    description: The client's program and its options, to which C(summary) is appended.
    type: list
    elements: str
    default: [/usr/local/bin/his-client]
attributes:
  check_mode:
    support: full
    description: The module never changes anything.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Read what the ward saw
  client_log:
    path: /var/log/his-client/acknowledged.jsonl
    since: "2026-11-21T03:20:00+08:00"
  register: seen
"""

RETURN = r"""
summary:
  description: C(workstation), C(acknowledged) ranges, C(unknown), C(gaps), C(per_second), C(totals), as the client prints them.
  returned: always
  type: dict
commands:
  description: What was run.
  returned: always
  type: list
  elements: str
"""

import shlex

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database import client_log


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=client_log.OPTIONS, supports_check_mode=True)
    shown = shlex.join(client_log.command(module.params))
    try:
        module.exit_json(changed=False, summary=client_log.read(module.run_command, module.params), commands=[shown])
    except client_log.ClientLogError as error:
        module.fail_json(msg=str(error), commands=[shown])


if __name__ == "__main__":
    main()
