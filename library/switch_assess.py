#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Is a switch dead, or is it us? And which spare takes over, how: the plan of action, or the refusal."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch_assess
short_description: Look at a switch that is said to have failed, from several sides, and work out how its spare takes over
version_added: "0.1.0"
description:
  - V(look) knocks at the switch's addresses, logs in once, asks its neighbours whether their ports towards it have link, and tries
    hosts that can only be reached through it, beside others that can be reached without it.
  - V(weigh) judges what was seen. A switch that still forwards is not replaced without a named person's word. It reads the archived
    configuration and the spare, maps ports, renders, has the spare read the lines without effect where its platform can, and returns
    the plan of action for the approval. It refuses with cause, remedy and alternative.
  - The module runs on the control node and changes no switch. Clauses RCV-3, RCV-6 and BKP-6 of the plan.
extends_documentation_fragment: [network, failover, overriding]
options:
  verb:
    description: What is done.
    type: str
    choices: [look, weigh]
    required: true
  targets:
    description: The switches of the play. It must be exactly one.
    type: list
    elements: str
    default: []
  kind:
    description: V(failover) replaces a dead switch; V(failback) puts the repaired one back in place of one that works.
    type: str
    choices: [failover, failback]
    default: failover
  spare:
    description: The spare that takes over. Empty chooses one of the same model, else a compatible one.
    type: str
    default: ""
  spares:
    description: The switches that are spares.
    type: list
    elements: str
    default: []
  boxes:
    description: What the inventory knows of a box, by switch. C(serial), C(stands_in_for), C(changed_at) (its last known change).
    type: dict
    default: {}
  compatible:
    description: Models that may stand in for a model.
    type: dict
    default: {}
  fence:
    description: How the failed switch is kept from coming back, V(power) by pulling its cord, V(ports) by shutting its neighbours' ports.
    type: str
    choices: [power, ports]
    default: power
  people:
    description: Who moves cables, C(who), C(zh), C(en) and C(takes) (media).
    type: list
    elements: dict
    default: []
  limits:
    description: C(archive_max_age_s), how old the archived configuration may be.
    type: dict
    default: {}
  times:
    description: How long parts take, C(fence_s), C(move_s) for a cable, C(line_s), C(prove_s). Seconds.
    type: dict
    default: {}
  quiet:
    description: >-
      C(from) and C(to) as HH:MM in O(time_zone): a failback outside of them is refused unless a named person wants it. Empty for any time.
    type: dict
    default: {}
  time_zone:
    description: The zone of the hospital's clocks (IANA name).
    type: str
    default: UTC
  looked:
    description: What V(look) returned.
    type: dict
    default: {}
  client_summaries:
    description: What M(client_log) returned for the workstations that could be asked, of the last seconds.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    support: full
    description: The same is looked at and computed; that the switch lives is then no reason to stop, and no record is written.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Look at the switch from several sides
  switch_assess:
    verb: look
    failed: core-a
    switches: "{{ switch_failover_switches }}"
    plant: inventories/lab/plant
    archive: archive
    vault_password_file: bin/vault-password
    incidents: incidents
"""

RETURN = r"""
looked:
  description: What each side saw, who depends on the switch, and who can be reached now.
  returned: with verb look
  type: dict
decision:
  description: The plan of action (spare, port map, what is not carried, configuration, moves of cables, people, fence, expected time).
  returned: with verb weigh
  type: dict
cable_steps:
  description: The moves of the cables as steps for M(manual_step), the most urgent area first.
  returned: with verb weigh
  type: list
  elements: dict
continues:
  description: Whether a fail-over under way is continued, with the plan of action that was approved.
  returned: with verb weigh
  type: bool
state:
  description: What the sides say together, alive, hung, dead, unproven or cut-off.
  returned: with verb weigh
  type: str
stage:
  description: How far the fail-over is that is continued.
  returned: with verb weigh
  type: str
fenced:
  description: Whether the failed switch was fenced before.
  returned: with verb weigh
  type: bool
to_carry:
  description: From which room into which the spare is still to be carried (C(from), C(to), C(zh), C(en)); empty where it stands in the
    right one.
  returned: with verb weigh
  type: dict
behind:
  description: Hosts that can only be reached through the switch.
  returned: with verb weigh
  type: list
  elements: str
began_at:
  description: When the recovery began.
  returned: always
  type: str
findings:
  description: What was found, each with cause, remedy and alternative.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.findings import OVERRIDE_ARGUMENTS, refusal_text, settle
    from recovery.network import failover_assess
    from recovery.network.failover_call import FAILOVER, PROBLEMS, failure

    MISSING = ""
except ImportError as error:
    MISSING, FAILOVER, OVERRIDE_ARGUMENTS, PROBLEMS = str(error), {}, {}, (Exception,)


def main() -> None:
    """Look or weigh, and refuse what must be refused."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": ["look", "weigh"], "required": True},
            "targets": {"type": "list", "elements": "str", "default": []},
            "kind": {"type": "str", "choices": ["failover", "failback"], "default": "failover"},
            "spare": {"type": "str", "default": ""},
            "spares": {"type": "list", "elements": "str", "default": []},
            "boxes": {"type": "dict", "default": {}},
            "compatible": {"type": "dict", "default": {}},
            "fence": {"type": "str", "choices": ["power", "ports"], "default": "power"},
            "people": {"type": "list", "elements": "dict", "default": []},
            "limits": {"type": "dict", "default": {}},
            "times": {"type": "dict", "default": {}},
            "quiet": {"type": "dict", "default": {}},
            "time_zone": {"type": "str", "default": "UTC"},
            "looked": {"type": "dict", "default": {}},
            "client_summaries": {"type": "list", "elements": "dict", "default": []},
            **FAILOVER,
            **OVERRIDE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    given: dict[str, Any] = module.params
    try:
        said, found = failover_assess.look(given) if given["verb"] == "look" else failover_assess.weigh(given, rehearsal=module.check_mode)
    except PROBLEMS as error:
        module.fail_json(**failure(error, looking=True))
        return
    blocking, overridden = settle(found, given["override"], given["override_by"])
    told = {"findings": [one.as_dict() for one in found], "overridden": overridden, "changed": False}
    if blocking:
        said.pop("record", None)
        module.fail_json(**{**said, **told, "msg": refusal_text(blocking), "refused": True})
        return
    if given["verb"] == "weigh" and not module.check_mode:
        try:
            failover_assess.remember(given, said)
        except PROBLEMS as error:
            module.fail_json(**failure(error, looking=True))
            return
    said.pop("record", None)
    module.exit_json(**told, **said)


if __name__ == "__main__":
    main()
