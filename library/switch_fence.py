#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Keep a failed switch from coming back while its twin lives."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch_fence
short_description: See that a failed switch is silent, or shut its neighbours' ports towards it
version_added: "0.1.0"
description:
  - Two switches with one name, one address and one bridge identity disturb each other and everybody behind them. Before the spare takes
    the failed one's identity, the failed one must be switched off, or cut off from its neighbours.
  - V(silent) knocks at its addresses and asks its neighbours whether their ports towards it have link. Any sign of life is a refusal.
  - V(shut) shuts the neighbours' ports towards it, V(open) opens them again. Each neighbour is read back.
  - The module runs on the control node. Clause RCV-3 of the plan.
extends_documentation_fragment: [network, failover]
options:
  verb:
    description: What is done.
    type: str
    choices: [silent, shut, open]
    required: true
  patience_s:
    description: How long V(silent) waits for the last sign of life to end. Seconds.
    type: float
    default: 10
  links_only:
    description: V(silent) looks at the neighbours' ports alone, because they are what keeps it away; its own addresses may answer.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Says what would be sent, and changes nothing. That the switch still lives is then told and is no refusal.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: See that the failed switch is silent
  switch_fence:
    verb: silent
    failed: core-a
    switches: "{{ switch_failover_switches }}"
    plant: inventories/lab/plant
    archive: archive
    vault_password_file: bin/vault-password
    incidents: incidents
"""

RETURN = r"""
before:
  description: Which of its addresses answered, and which ports towards it have link.
  returned: with verb silent
  type: dict
after:
  description: The neighbours' ports and whether they are shut or open.
  returned: with verbs shut and open
  type: dict
commands:
  description: What was sent, by neighbour.
  returned: with verbs shut and open
  type: list
  elements: str
findings:
  description: Signs of life (C(not-fenced)).
  returned: with verb silent
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.findings import refusal_text, settle
    from recovery.network import failover_fence
    from recovery.network.failover_call import FAILOVER, PROBLEMS, Place, failure

    MISSING = ""
except ImportError as error:
    MISSING, FAILOVER, PROBLEMS = str(error), {}, (Exception,)


def main() -> None:
    """Look, shut or open."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": ["silent", "shut", "open"], "required": True},
            "patience_s": {"type": "float", "default": 10},
            "links_only": {"type": "bool", "default": False},
            **FAILOVER,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    given, rehearsal = module.params, module.check_mode
    try:
        place = Place.of(given)
        if given["verb"] != "silent":
            module.exit_json(**failover_fence.ports(place, closed=given["verb"] == "shut", rehearsal=rehearsal))
            return
        said, found = failover_fence.silent(place, 0 if rehearsal else given["patience_s"], links_only=given["links_only"])
        told = {"findings": [one.as_dict() for one in found], "changed": False, **said}
        blocking, _ = settle(found)
        if blocking and not rehearsal:
            module.fail_json(msg=refusal_text(blocking), refused=True, **told)
            return
        if not rehearsal:
            failover_fence.note(place)
    except PROBLEMS as error:
        module.fail_json(**failure(error, looking=given["verb"] == "silent"))
        return
    words = "It still gives signs of life; a real run would have it switched off first." if blocking else f"{given['failed']} is silent."
    module.exit_json(msg=words, **told)


if __name__ == "__main__":
    main()
