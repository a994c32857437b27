#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Does the service work for the person at this workstation: the proof that counts, made where the user sits."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_probe
short_description: Do at a workstation what its user would do first, and say whether it worked
version_added: "0.1.0"
description:
  - Runs the hospital's probe command until it succeeds or patience ends. Success is the milestone C(service_proven).
  - The probe makes a clinical transaction of its own in the hospital's data; the module changes nothing else.
  - Clauses RCV-1 and RCV-5 of the plan.
options:
  command:
    description: The probe and its options; exit status 0 means that the service worked.
    type: list
    elements: str
    required: true
  patience_s:
    description: Try again for so many seconds; a service that has just started may need some.
    type: int
    default: 15
  log:
    description: >-
      Read then what the users of this workstation saw, as M(client_log) does; its options. While their service is still away,
      it is read again until O(patience_s) is over.
    type: dict
    suboptions:
      path:
        description: The log of attempts, one JSON object a line.
        type: path
        required: true
      since:
        description: Only attempts sent since this time (ISO 8601, with zone).
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
    description: In check mode the probe is not made and nothing is said about the service; a log is read all the same.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Register a patient at the ward
  service_probe:
    command: [/usr/local/bin/his-client, probe]
    log:
      path: /var/log/his-client/acknowledged.jsonl
      since: "2026-11-21T03:20:00+08:00"
"""

RETURN = r"""
verdict:
  description: PASS or FAIL; absent in check mode.
  returned: when the probe was made
  type: str
reason:
  description: What the probe said.
  returned: when the probe was made
  type: str
milestones:
  description: C(service_proven) with its time.
  returned: on success
  type: list
  elements: dict
measured:
  description: C(probe_s), how long the successful attempt took, and C(probe_attempts).
  returned: when the probe was made
  type: dict
summary:
  description: What the users saw, see M(client_log).
  returned: with O(log), unless the probe failed
  type: dict
"""

import shlex
import time
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database import client_log

PAUSE_S = 0.5


def seen(module: AnsibleModule) -> dict[str, Any]:
    """Return what the users saw, if it was asked for; ends the module where it cannot be read.

    The probe may come before the users' own next attempt: for as long as patience lasts, their gap is given the time to end.
    """
    if not module.params["log"]:
        return {}
    until = time.monotonic() + (0 if module.check_mode else module.params["patience_s"])
    while True:
        try:
            summary = client_log.read(module.run_command, module.params["log"])
        except client_log.ClientLogError as error:
            module.fail_json(msg=f"The service works at this workstation, but what its users saw cannot be read. {error}")
        if all(gap.get("end") for gap in summary["gaps"]) or time.monotonic() >= until:
            return {"summary": summary}
        time.sleep(PAUSE_S)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "command": {"type": "list", "elements": "str", "required": True},
            "patience_s": {"type": "int", "default": 15},
            "log": {"type": "dict", "options": client_log.OPTIONS},
        },
        supports_check_mode=True,
    )
    argv = module.params["command"]
    shown = shlex.join(argv)
    if module.check_mode:
        module.exit_json(changed=False, msg=f"Would run `{shown}` here.", **seen(module))
    until = time.monotonic() + module.params["patience_s"]
    attempts = 0
    while True:
        attempts += 1
        began = time.monotonic()
        status, out, err = module.run_command(argv)
        took = round(time.monotonic() - began, 3)
        said = (err.strip() or out.strip())[-1000:]
        if status == 0 or time.monotonic() >= until:
            break
        time.sleep(PAUSE_S)
    measured = {"probe_s": took, "probe_attempts": attempts}
    if status != 0:
        reason = f"`{shown}` ended with status {status} in {attempts} attempts: {said}"
        module.fail_json(
            msg=f"The service does not work at this workstation. {reason}",
            verdict="FAIL",
            reason=reason,
            measured=measured,
            commands=[shown],
        )
    at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    module.exit_json(
        changed=False,
        verdict="PASS",
        reason=f"the service worked at this workstation in {took} s",
        measured=measured,
        milestones=[{"name": "service_proven", "at": at, "detail": f"`{shown}` succeeded"}],
        commands=[shown],
        **seen(module),
    )


if __name__ == "__main__":
    main()
