#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Which segment of the backbone is broken, which strand of it, and what takes its place."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fibre_plan
short_description: Find the broken segment, judge it direction by direction, choose what takes its place, and say what speaks against it
version_added: "0.1.0"
description:
  - Reads the hospital's record of its wire and refuses one that contradicts itself. Reads light, link, damaged frames and neighbours at
    both ends of the segments in question, all switches at once, and judges each direction by itself, so that a strand that fails
    towards the root of the spanning tree, which no protocol notices, is found.
  - Chooses the spare pair with the least loss that is within its budget (V(swap)), the segment's own pair once it was repaired
    (V(restore)), or a temporary cable (V(temporary)); works out the lines for both switches and the steps of people.
  - A move that was interrupted is taken up again where it stands.
  - Changes no switch. Outside of check mode it keeps both configurations beside the incidents, as the way back of what may follow.
  - Clauses RCV-2 and RCV-9 of the plan.
extends_documentation_fragment: [network, overriding]
options:
  kind:
    description: What shall be done. V(back) only finds a move that was not released, to take it back.
    type: str
    choices: [swap, restore, temporary, back]
    default: swap
  plant:
    description: The directory of the record, with C(rooms.yml), C(fibres.yml), C(cables.yml) and C(priorities.yml).
    type: path
    required: true
  segment:
    description: The segment by its name in the record. Without it the broken one is looked for.
    type: str
    default: ""
  limit:
    description: Where no segment is named, look at those that end at these switches only.
    type: list
    elements: str
    default: []
  spare:
    description: A spare pair by name, instead of the best one.
    type: str
    default: ""
  sample_s:
    description: Damaged frames are counted for so many seconds.
    type: float
    default: 1
  quiet_window:
    description: C(from) and C(to) as HH:MM in O(time_zone); outside of them a restore is refused. Empty for any time.
    type: dict
    default: {}
  time_zone:
    description: The zone of the hospital's clocks (IANA name).
    type: str
    default: UTC
  laying:
    description: Of a temporary cable, C(zh) and C(en) (which way it goes), C(length_m), C(repair_days).
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: The same, but nothing is kept.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Find what is broken at the switch of the emergency department
  fibre_plan:
    switches: "{{ groups['switches'] | map('extract', hostvars, 'network_switch') | list }}"
    plant: "{{ plant_directory }}"
    limit: [acc-2]
  register: planned
"""

RETURN = r"""
decision:
  description: The plan of action; kind, segment, cause, from, to, order, carried, lines for each switch, steps of people.
  returned: when there is one
  type: dict
segments:
  description: What was seen of each segment that was looked at, direction by direction.
  returned: always
  type: list
  elements: dict
continued:
  description: Whether this is a move that was interrupted.
  returned: always
  type: bool
findings:
  description: What speaks against it, each with cause, remedy and alternative.
  returned: always
  type: list
  elements: dict
refused:
  description: True together with failed.
  returned: when it must not be done
  type: bool
"""

import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.findings import OVERRIDE_ARGUMENTS, refusal_text, rehearsed, settle
    from recovery.frame.project import incidents_root
    from recovery.network import fibre_state
    from recovery.network.answers import SwitchError
    from recovery.network.fibre_assess import Request, assess
    from recovery.network.fibre_plan import KINDS, Laying
    from recovery.network.options import SWITCHES, devices

    MISSING = ""
except ImportError as error:
    MISSING, SWITCHES, OVERRIDE_ARGUMENTS, KINDS = str(error), {}, {}, ()


def plan(given: dict[str, Any], rehearsal: bool) -> dict[str, Any]:
    """Look, judge, choose; keep the way back unless this is a rehearsal."""
    began = time.monotonic()
    told, laying = given["laying"], None
    if told:
        incident = Path(os.environ.get("RECOVERY_INCIDENT_DIR", "")).name or "rehearsal"
        words = (str(told.get(key) or "") for key in ("zh", "en"))
        laying = Laying(*words, float(told.get("length_m") or 0), int(told.get("repair_days") or 0), incident)
    asked = Request(
        plant=Path(given["plant"]),
        devices={device.name: device for device in devices(given["switches"])},
        kind=given["kind"],
        segment=given["segment"],
        limit=given["limit"],
        spare=given["spare"],
        sample_s=given["sample_s"],
        window=given["quiet_window"],
        zone=given["time_zone"],
        laying=laying,
    )
    found = assess(asked, incidents_root(), datetime.now(timezone.utc))
    findings = rehearsed(rehearsed(found.findings, "primary-alive"), "not-quiet") if rehearsal else found.findings
    blocking, overridden = settle(findings, given["override"], given["override_by"])
    if found.record and not blocking and not found.continued and not rehearsal:
        fibre_state.write(incidents_root(), found.record)
    return {
        "changed": False,
        "decision": found.decision,
        "segments": [verdict.as_dict() for verdict in found.verdicts],
        "continued": found.continued,
        "findings": [finding.as_dict() for finding in findings],
        "overridden": overridden,
        "blocking": blocking,
        "measured": {"assessed_s": round(time.monotonic() - began, 2)},
    }


def main() -> None:
    """Plan, or refuse in sentences."""
    module = AnsibleModule(
        argument_spec={
            "kind": {"type": "str", "choices": list(KINDS), "default": "swap"},
            "plant": {"type": "path", "required": True},
            "segment": {"type": "str", "default": ""},
            "limit": {"type": "list", "elements": "str", "default": []},
            "spare": {"type": "str", "default": ""},
            "sample_s": {"type": "float", "default": 1},
            "quiet_window": {"type": "dict", "default": {}},
            "time_zone": {"type": "str", "default": "UTC"},
            "laying": {"type": "dict", "default": {}},
            **SWITCHES,
            **OVERRIDE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    try:
        result = plan(module.params, module.check_mode)
    except SwitchError as error:
        module.fail_json(msg=error.message, changed=False, refused=True, findings=[error.finding().as_dict()])
        return
    blocking = result.pop("blocking")
    if blocking:
        module.fail_json(msg=refusal_text(blocking), refused=True, **result)
    decision = result["decision"]
    said = f"{decision['segment']}: {decision['why']} {decision['from']['pair']} -> {decision['to']['pair']}."
    module.exit_json(msg=f"Going on with {said}" if result["continued"] else said, **result)


if __name__ == "__main__":
    main()
