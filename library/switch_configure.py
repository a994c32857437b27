#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Send lines to one switch, each after the answer to the one before, and put back what was before if one is not accepted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch_configure
short_description: Change one switch line by line, every answer checked, with a way back
version_added: "0.1.0"
description:
  - V(apply) sends lines in one session. The first line that the switch does not accept ends it. The line and what the switch answered are
    named, and the state before is restored, by giving up the change where the platform commits, else by the inverse lines of O(undo). The
    running configuration is read again and compared.
  - With O(trial_s) the switch undoes the change by itself unless V(confirm) comes in time. Not every platform can do that.
  - V(save) lets the switch start with what runs now. V(confirm) and V(revert) end a trial.
  - Clauses RCV-2 and RCV-3 of the plan.
extends_documentation_fragment: network
options:
  verb:
    description: What to do.
    type: str
    choices: [apply, confirm, revert, save]
    default: apply
  lines:
    description: The lines, in order, from the top of the configuration view.
    type: list
    elements: str
    default: []
  undo:
    description: The inverse lines, computed before. They are sent if a line is not accepted and the platform does not keep changes back.
    type: list
    elements: str
    default: []
  trial_s:
    description: Let the switch undo the change by itself after so many seconds unless it is confirmed. 0 does not.
    type: float
    default: 0
  save:
    description: Save at the end, after every line was accepted.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: The switch is logged in to and its configuration read; nothing is sent that changes it.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Let the new port carry the VLAN
  switch_configure:
    switches: ["{{ network_switch }}"]
    lines: ["interface GigabitEthernet0/0/3", "port trunk allow-pass vlan 20"]
    undo: ["interface GigabitEthernet0/0/3", "undo port trunk allow-pass vlan 20"]
"""

RETURN = r"""
answers:
  description: Every line that was sent (line, text, rejected, took_s), without secrets.
  returned: with verb apply
  type: list
  elements: dict
commands:
  description: The lines that were sent, or would be in check mode, without secrets.
  returned: always
  type: list
  elements: str
diff:
  description: The running configuration before and after, without secrets.
  returned: with verb apply
  type: dict
refused:
  description: A line was not accepted, and the configuration is proven to be what it was before.
  returned: when so
  type: bool
restored:
  description: Whether the configuration after a rejected line equals the one before.
  returned: when a line was rejected
  type: bool
findings:
  description: What went wrong, with cause, remedy and alternative.
  returned: always
  type: list
  elements: dict
measured:
  description: How many lines were sent, and the seconds of it.
  returned: with verb apply
  type: dict
"""

import time
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.network.answers import RejectedError, SwitchError
    from recovery.network.fetch import digest, steady
    from recovery.network.options import SWITCHES, devices
    from recovery.network.scrub_network import hide
    from recovery.network.session import Session

    MISSING = ""
except ImportError as error:
    MISSING, SWITCHES = str(error), {}


def end(session: Any, verb: str) -> dict[str, Any]:
    """Confirm or revert a trial, or save."""
    if verb == "save":
        session.save()
        return {"changed": True, "commands": [session.talk.save], "findings": []}
    session.armed = True  # by an earlier task; the switch says if it is not
    session.confirm() if verb == "confirm" else session.revert()
    trial = session.talk.trial
    return {"changed": verb == "revert", "commands": [trial.confirm if verb == "confirm" else trial.abort], "findings": []}


def shown(how: Any, text: str) -> str:
    """Return a configuration for a diff: without secrets, and without what changes by itself."""
    return hide("\n".join(steady(how, text)) + "\n", how.secrets)


def apply(session: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Send the lines; on a rejected one restore, read back and say whether it is as before."""
    how, began = session.talk, time.monotonic()
    before = session.running()
    failed: SwitchError | None = None
    result: dict[str, Any] = {}
    try:
        answers = session.configure(given["lines"], trial_s=given["trial_s"])
    except RejectedError as rejected:
        failed, answers = rejected, rejected.answers
        undone = [] if how.commit else session.undo(given["undo"])
        after = session.running()
        result["restored"] = digest(how, before) == digest(how, after)
        result["refused"] = result["restored"]
        answers = [*answers, *undone]
        failed.message += (
            " The configuration is what it was before."
            if result["restored"]
            else " The configuration is NOT what it was before: see the diff."
        )
    else:
        after = session.running()
        if given["save"]:
            session.save()
    return {
        "changed": digest(how, before) != digest(how, after),
        "answers": [asdict(answer) for answer in answers],
        "commands": [answer.line for answer in answers],
        "diff": {"before": shown(how, before), "after": shown(how, after)},
        "findings": [failed.finding().as_dict()] if failed else [],
        "measured": {"lines": len(answers), "took_s": round(time.monotonic() - began, 2)},
        **result,
    }


def main() -> None:
    """Carry out the verb and answer in the shape of every module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": ["apply", "confirm", "revert", "save"], "default": "apply"},
            "lines": {"type": "list", "elements": "str", "default": []},
            "undo": {"type": "list", "elements": "str", "default": []},
            "trial_s": {"type": "float", "default": 0},
            "save": {"type": "bool", "default": False},
            **SWITCHES,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    given = module.params
    try:
        asked = devices(given["switches"])
        if len(asked) != 1:
            module.fail_json(msg=f"One switch at a time is changed, not {len(asked)}.", changed=False)
        with Session(asked[0]) as session:
            if module.check_mode:
                lines = [hide(line, session.talk.secrets) for line in given["lines"]]
                result = {"changed": bool(lines), "commands": lines, "findings": []}
            else:
                result = apply(session, given) if given["verb"] == "apply" else end(session, given["verb"])
    except SwitchError as error:
        module.fail_json(msg=error.message, changed=False, findings=[error.finding().as_dict()])
        return
    if result["findings"]:
        module.fail_json(msg=result["findings"][0]["message"], **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
