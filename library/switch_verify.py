#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Does the cable sit where it belongs, and is everything as it was before the switch failed?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch_verify
short_description: See where a moved cable sits, and hold what the spare carries against what the failed switch carried
version_added: "0.1.0"
description:
  - V(cable) looks whether one cable of the plan sits where it belongs, by link, by LLDP and by the addresses that were learned there. A
    wrong port is named with its right one, and so is the cable that sits in its place.
  - V(service) compares sets with the archive. VLANs, trunks, aggregates, root of the spanning tree, neighbours, addresses per VLAN,
    light at both ends; error counters must stand still; workstations that do not depend on the switch must not have been refused. Its
    verdict counts.
  - The module changes no switch. It runs on the control node. Clauses RCV-3 and RCV-6 of the plan.
extends_documentation_fragment: [network, failover]
options:
  verb:
    description: What is looked at.
    type: str
    choices: [cable, service]
    required: true
  number:
    description: The number of the cable in the plan, with V(cable).
    type: int
    default: 0
  patience_s:
    description: How long V(cable) waits for a host to be heard, and V(service) for what is still missing. Seconds.
    type: float
    default: 10
  pause_s:
    description: The time between two readings of the error counters, with V(service). Seconds.
    type: float
    default: 5
  extend_s:
    description: Set the control node's timer anew for so many seconds, since somebody still works. 0 leaves it.
    type: float
    default: 0
  since:
    description: When the recovery began; gaps in service are counted from before it.
    type: str
    default: ""
  client_summaries:
    description: What M(client_log) returned for each workstation.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    support: full
    description: With V(cable) the same; with V(service) nothing is said about the service.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: See where the cable sits
  switch_verify:
    verb: cable
    number: 3
    failed: core-a
    switches: "{{ switch_failover_switches }}"
    plant: inventories/lab/plant
    archive: archive
    vault_password_file: bin/vault-password
    incidents: incidents
"""

RETURN = r"""
verdict:
  description: PASS or FAIL.
  returned: always but in check mode
  type: str
reason:
  description: What was seen, or what is not as it was.
  returned: always
  type: str
deviations:
  description: Everything that is not as it was, with aspect, key, before, after, and whether it breaks the proof.
  returned: with verb service
  type: list
  elements: dict
measured:
  description: How much of each set is there again, and the gap in service at each workstation.
  returned: with verb service
  type: dict
milestones:
  description: C(fault), the first failure that a user saw.
  returned: with verb service
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.network import failover_prove
    from recovery.network.failover_call import FAILOVER, PROBLEMS, Place, failure

    MISSING = ""
except ImportError as error:
    MISSING, FAILOVER, PROBLEMS = str(error), {}, (Exception,)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": ["cable", "service"], "required": True},
            "number": {"type": "int", "default": 0},
            "patience_s": {"type": "float", "default": 10},
            "pause_s": {"type": "float", "default": 5},
            "extend_s": {"type": "float", "default": 0},
            "since": {"type": "str", "default": ""},
            "client_summaries": {"type": "list", "elements": "dict", "default": []},
            **FAILOVER,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    given: dict[str, Any] = module.params
    if module.check_mode:
        module.exit_json(changed=False, reason="Nothing was moved, so there is nothing to prove.", verdict="NOT-RUN")
    try:
        place = Place.of(given)
        said = failover_prove.cable_call(place, given) if given["verb"] == "cable" else failover_prove.service_call(place, given)
    except PROBLEMS as error:
        module.fail_json(**{**failure(error, looking=False), "verdict": "FAIL", "reason": str(error)})
        return
    if said["verdict"] != "PASS":
        module.fail_json(msg=said["reason"], changed=False, **said)
        return
    module.exit_json(changed=False, **said)


if __name__ == "__main__":
    main()
