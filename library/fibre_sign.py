#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""What hangs on a temporary cable, and the order of the permanent repair."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fibre_sign
short_description: Print the warning sign of a temporary cable, and the order of the permanent repair with its date
version_added: "0.1.0"
description:
  - V(sign) makes the warning sign, one A4 page in Chinese and English with the way that the cable goes, as an artefact of the incident.
  - V(order) makes the order of the permanent repair in both languages, and returns it as a finding that stays open until its date.
  - Clause RCV-9 of the plan.
options:
  verb:
    description: What is made.
    type: str
    choices: [sign, order]
    required: true
  decision:
    description: The plan of action, as M(fibre_plan) returned it.
    type: dict
    required: true
  contacts:
    description: Whom to call, C(zh) and C(en) each.
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Nothing but an artefact of the incident is ever made.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Print the warning sign
  fibre_sign:
    verb: sign
    decision: "{{ fibre_swap_planned.decision }}"
    contacts: "{{ notice_contacts }}"
"""

RETURN = r"""
diff:
  description: What is kept as artefacts of the incident, to be printed.
  returned: always
  type: list
  elements: dict
findings:
  description: With V(order), the permanent repair as an open action with its date.
  returned: always
  type: list
  elements: dict
after:
  description: C(repair_by), the date of the permanent repair.
  returned: always
  type: dict
"""

import os
from datetime import datetime, timezone
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.findings import Finding
    from recovery.network import fibre_signs

    MISSING = ""
except ImportError as error:
    MISSING = str(error)


def main() -> None:
    """Make it."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": ["sign", "order"], "required": True},
            "decision": {"type": "dict", "required": True},
            "contacts": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    given = module.params
    incident = Path(os.environ.get("RECOVERY_INCIDENT_DIR", "")).name
    words = {"contacts": given["contacts"], "incident": incident}
    about = fibre_signs.about(given["decision"], words, datetime.now(timezone.utc).date())
    after = {"repair_by": about["repair_by"]}
    if given["verb"] == "sign":
        page = {"prepared": fibre_signs.sign(about), "artefact": f"warning-sign-{about['cable']}.html"}
        said = "The warning sign is an artefact of the incident: print it as often as people cross the cable."
        module.exit_json(changed=False, msg=said, diff=[page], after=after, findings=[])
    orders = [
        {"prepared": fibre_signs.order(about, language), "artefact": f"repair-order.{language}.txt"} for language in fibre_signs.LANGUAGES
    ]
    finding = Finding(
        "permanent-repair-open",
        "warning",
        f"The permanent repair of {about['pair']} is due by {about['repair_by']}; a temporary cable carries {about['segment']} until then.",
        "It lies where people walk.",
        f"Have it repaired, measure it (recovery run fibre_check -e pairs={about['pair']}), then: recovery run fibre_restore.",
        "fibre_check reminds of it, and fails once the date has passed.",
    )
    module.exit_json(changed=False, msg=finding.message, diff=orders, after=after, findings=[finding.as_dict()])


if __name__ == "__main__":
    main()
