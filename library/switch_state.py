#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""What many switches are doing now, read at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch_state
short_description: Read what many switches are doing, whatever their make, and change nothing
version_added: "0.1.0"
description:
  - Reads version, model, serial number, ports with link, speed and errors, VLANs, MAC tables, LLDP neighbours, spanning tree, aggregates,
    light levels and PoE of many switches in one call, into one shape for all makes.
  - A table that a switch does not have is named in C(missing). A table that it has and that cannot be read is a failure, never an
    empty set.
  - Clauses RCV-2 and RCV-3 of the plan.
extends_documentation_fragment: network
options:
  tables:
    description: Which tables are asked for, such as V(ports) or V(macs); all of them without this.
    type: list
    elements: str
    default: []
  reachable_only:
    description: A switch that cannot be asked is a warning, not a failure. For looking around while one is dead.
    type: bool
    default: false
  workers:
    description: How many switches are talked to at a time.
    type: int
    default: 32
  deadline_s:
    description: How long one switch may take altogether. Seconds.
    type: float
    default: 60
attributes:
  check_mode:
    support: full
    description: Nothing is ever changed.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Look what the neighbours see
  switch_state:
    switches: "{{ ansible_play_hosts_all | map('extract', hostvars, 'network_switch') | list }}"
    tables: [ports, neighbours, macs]
    reachable_only: true
"""

RETURN = r"""
states:
  description: What each switch is doing, by name.
  returned: always
  type: dict
failed_switches:
  description: The switches that could not be asked, each with the sentence why.
  returned: always
  type: dict
findings:
  description: The same as findings.
  returned: always
  type: list
  elements: dict
measured:
  description: How many switches were asked, and the seconds of it.
  returned: always
  type: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.network.answers import SwitchError
    from recovery.network.fetch import each
    from recovery.network.options import SWITCHES, devices
    from recovery.network.session import Session
    from recovery.network.state import State, read

    MISSING = ""
except ImportError as error:
    MISSING, SWITCHES = str(error), {}


def look(given: dict[str, Any]) -> dict[str, Any]:
    """Ask every switch at once."""
    began = time.monotonic()

    def one(device: Any) -> State:
        with Session(device, deadline_s=given["deadline_s"]) as session:
            return read(session, given["tables"])

    asked = devices(given["switches"])
    results = each(asked, one, given["workers"])
    failed = {name: result for name, result in results.items() if isinstance(result, SwitchError)}
    severity = "warning" if given["reachable_only"] else "stop"
    return {
        "changed": False,
        "states": {name: result.as_dict() for name, result in results.items() if not isinstance(result, SwitchError)},
        "failed_switches": {name: error.message for name, error in failed.items()},
        "findings": [error.finding(severity).as_dict() for error in failed.values()],
        "measured": {"switches": len(asked), "took_s": round(time.monotonic() - began, 2)},
    }


def main() -> None:
    """Read and answer in the shape of every module."""
    module = AnsibleModule(
        argument_spec={
            "tables": {"type": "list", "elements": "str", "default": []},
            "reachable_only": {"type": "bool", "default": False},
            "workers": {"type": "int", "default": 32},
            "deadline_s": {"type": "float", "default": 60},
            **SWITCHES,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    try:
        result = look(module.params)
    except SwitchError as error:
        module.fail_json(msg=error.message, changed=False)
        return
    if result["failed_switches"] and not module.params["reachable_only"]:
        module.fail_json(msg="\n".join(result["failed_switches"].values()), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
