#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The spare takes the failed switch's place: keep, arm, configure, name, sheet, confirm; or give it back what it was."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch_failover
short_description: Give a spare the configuration, then the identity, of a failed switch, and keep the way back
version_added: "0.1.0"
description:
  - V(keep) archives the spare's own configuration and sees that it is what the plan of action was made for. V(arm) starts the control
    node's own timer; if the run dies before the proof, the spare goes back by itself, unless people already work through it.
  - V(configure) sends the difference between what the spare holds and what it shall be, in one session, every answer checked, and reads
    it back; where its platform can undo a change by itself, that timer runs until then. A line that it does not take is named, and what
    it was is restored. V(name) adds host name and management address, last.
  - V(sheet) writes the cable sheet, for each person, in both languages. V(sits) says which of its cables sit right already, V(moved)
    sees that every one does. V(confirm) saves, and stops the timer. V(undo) gives the spare its own configuration back. V(propose)
    proposes the change of the inventory as a commit on a branch, and puts the failed box into the repair queue with its fault report.
  - In a failback, V(leave) takes name and address from the box that has them, before its twin gets them, and V(give_back) lets that box
    be the spare again that it was. V(propose) then closes the repair.
  - Every verb can be repeated; what is done already is not done twice. The module runs on the control node. Clauses RCV-3, RCV-6 and
    BKP-6 of the plan.
extends_documentation_fragment: [network, failover]
options:
  verb:
    description: What is done.
    type: str
    choices: [keep, arm, configure, leave, name, sheet, sits, moved, confirm, undo, give_back, propose]
    required: true
  decision:
    description: The plan of action that was approved; in check mode it is all there is.
    type: dict
    default: {}
  seconds:
    description: How long the control node's timer runs with V(arm). Seconds.
    type: float
    default: 3600
  trial_s:
    description: How long the switch's own timer runs, where it has one. 0 does without. Seconds.
    type: float
    default: 0
  patience_s:
    description: How long V(moved) waits for hosts that were just plugged in. Seconds.
    type: float
    default: 10
  head:
    description: What stands at the head of the cable sheet, C(incident) and C(run), and in the fault report.
    type: dict
    default: {}
  queue:
    description: Directory of the repair queue.
    type: path
    default: ""
attributes:
  check_mode:
    support: full
    description: Says what would be done and changes nothing.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Give the spare what the failed switch carried
  switch_failover:
    verb: configure
    failed: core-a
    decision: "{{ switch_failover_weighed.decision }}"
    trial_s: 120
    switches: "{{ switch_failover_switches }}"
    plant: inventories/lab/plant
    archive: archive
    vault_password_file: bin/vault-password
    incidents: incidents
"""

RETURN = r"""
commands:
  description: The lines that were sent, secrets taken out.
  returned: when lines were sent
  type: list
  elements: str
after:
  description: What is so now.
  returned: always
  type: dict
sheets:
  description: The cable sheet by language, as files of the incident.
  returned: with verb sheet
  type: list
  elements: str
diff:
  description: Cable sheets, the proposed change and the fault report, kept as artefacts of the incident.
  returned: with verbs sheet and propose
  type: list
  elements: dict
right:
  description: The numbers of the cables that sit where they belong already.
  returned: with verb sits
  type: list
  elements: int
proposal:
  description: The branch and the commit of the proposed change.
  returned: with verb propose
  type: dict
milestones:
  description: C(recovery_started) and C(system_up).
  returned: with verbs arm and moved
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.network import failover_prove, failover_release, failover_steps
    from recovery.network.failover_call import FAILOVER, PROBLEMS, Place, failure

    MISSING = ""
except ImportError as error:
    MISSING, FAILOVER, PROBLEMS = str(error), {}, (Exception,)

VERBS = ["keep", "arm", "configure", "leave", "name", "sheet", "sits", "moved", "confirm", "undo", "give_back", "propose"]
WOULD = {
    "keep": "would keep {spare}'s own configuration",
    "arm": "would start the timer that gives {spare} back what it was",
    "configure": "would send {lines} lines to {spare}",
    "leave": "would take name and address from the box that has them now",
    "give_back": "would let the box that carried the work be a spare again",
    "name": "would give {spare} the name and address of {failed}",
    "sheet": "would print the sheet of {moves} cables",
    "sits": "would see which of {moves} cables sit right already",
    "moved": "would see that {moves} cables sit where they belong",
    "confirm": "would save, and stop the timer",
    "undo": "would give {spare} back what it was",
    "propose": "would propose the change of the inventory and queue {failed} for repair",
}


def rehearse(given: dict[str, Any]) -> str:
    """Say what a real run would do."""
    plan = given["decision"]
    words = {
        "spare": plan.get("spare", {}).get("name", "the spare"),
        "failed": given["failed"],
        "lines": plan.get("configuration", {}).get("lines", 0),
        "moves": len(plan.get("cables", [])),
    }
    return f"A real run {WOULD[given['verb']].format(**words)}."


def carry_out(given: dict[str, Any]) -> dict[str, Any]:
    """Do the step. Raises one of PROBLEMS."""
    place = Place.of(given)
    job, verb = place.job(), given["verb"]
    if verb == "keep":
        return failover_steps.keep(job)
    if verb == "arm":
        return failover_steps.arm(job, given["seconds"])
    if verb in ("configure", "name"):
        return failover_steps.configure(job, trial_s=given["trial_s"], naming=verb == "name")
    if verb == "sheet":
        return failover_release.sheet(job, place.plant, given["head"])
    if verb == "sits":
        return failover_prove.sits(job, place.platforms())
    if verb == "moved":
        return failover_prove.moved(job, place.scene, place.platforms(), given["patience_s"])
    if verb == "confirm":
        return failover_steps.confirm(job)
    simple = {"undo": failover_steps.undo, "leave": failover_steps.leave, "give_back": failover_steps.give_back}
    if verb in simple:
        return simple[verb](job)
    return failover_release.returned(job, given) if job.record.kind == "failback" else failover_release.propose(job, given)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": VERBS, "required": True},
            "decision": {"type": "dict", "default": {}},
            "seconds": {"type": "float", "default": 3600},
            "trial_s": {"type": "float", "default": 0},
            "patience_s": {"type": "float", "default": 10},
            "head": {"type": "dict", "default": {}},
            "queue": {"type": "path", "default": ""},
            **FAILOVER,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    if module.check_mode:
        module.exit_json(changed=True, msg=rehearse(module.params))
    try:
        module.exit_json(**carry_out(module.params))
    except PROBLEMS as error:
        module.fail_json(**failure(error, looking=False))


if __name__ == "__main__":
    main()
