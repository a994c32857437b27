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

import json
import shlex
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

NEEDED = {"workstation": str, "acknowledged": list, "unknown": list, "gaps": list}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "since": {"type": "str", "default": ""},
            "workstation": {"type": "str", "default": ""},
            "command": {"type": "list", "elements": "str", "default": ["/usr/local/bin/his-client"]},
        },
        supports_check_mode=True,
    )
    given = module.params
    path = Path(given["path"])
    if not path.is_file():
        module.fail_json(msg=f"There is no client log at {path}. Name it in database_client_log, or start the client on this workstation.")
    argv = [*given["command"], "--log", str(path)]
    if given["workstation"]:
        argv += ["--workstation", given["workstation"]]
    argv += ["summary"] + (["--since", given["since"]] if given["since"] else [])
    status, out, err = module.run_command(argv)
    shown = shlex.join(argv)
    if status != 0:
        module.fail_json(msg=f"`{shown}` ended with status {status}: {err.strip() or out.strip()}", commands=[shown])
    try:
        summary = json.loads(out)
    except ValueError:
        module.fail_json(msg=f"`{shown}` did not print JSON: {out[:200]!r}", commands=[shown])
    wrong = [name for name, kind in NEEDED.items() if not isinstance(summary, dict) or not isinstance(summary.get(name), kind)]
    if wrong:
        module.fail_json(msg=f"`{shown}` did not say {', '.join(wrong)} in the form that is needed.", commands=[shown])
    module.exit_json(changed=False, summary=summary, commands=[shown])


if __name__ == "__main__":
    main()
