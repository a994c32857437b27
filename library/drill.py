#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""A drill's choices and figures (action plugin; see action_plugins/drill.py)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drill
short_description: Choose what a drill rehearses, and hold its figures against the plan
version_added: "0.2.0"
description:
  - V(choose) takes source and recovery point in turn from the history of drills, as C(plan/drills.yml) asks, and begins the clock.
  - V(judge) reads this run's own journal, computes recovery time by segment and recovery point from the data, and holds both against
    C(plan/targets.yml). What the wards saw meanwhile is part of it. The figures go into the history of drills.
  - Runs on the control node and changes nothing. Clause RCV-5 of the plan.
options:
  verb:
    description: The step.
    type: str
    required: true
    choices: [choose, judge]
  name:
    description: The drill's name in C(plan/drills.yml).
    type: str
    required: true
  asked:
    description: What the operator asks for by name, C(source), C(target), C(seed); what is empty is chosen.
    type: dict
    default: {}
  choice:
    description: What V(choose) returned; for V(judge).
    type: dict
    default: {}
  decision:
    description: What was restored, C(backup) and C(target); for V(judge).
    type: dict
    default: {}
  proven_at:
    description: When the quick proof had passed; for V(judge).
    type: str
    default: ""
  began_at:
    description: When the restore was asked for; for V(judge).
    type: str
    default: ""
  wards:
    description: Summaries of what the workstations saw, see M(client_log); for V(judge).
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    support: full
    description: The plugin changes nothing.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Choose the recovery point of this drill
  drill:
    verb: choose
    name: database-restore
  register: drill_chosen
"""

RETURN = r"""
choice:
  description: C(source), C(target), C(point), C(seed), C(patients), C(rpo_s) and C(because).
  returned: for choose
  type: dict
figures:
  description: C(rto_s), C(rpo_s), their targets, and C(segments).
  returned: for judge
  type: dict
verdict:
  description: PASS, FAIL where a target was missed or the wards were disturbed, COULD-NOT-VERIFY where a figure is missing.
  returned: for judge
  type: str
reason:
  description: Why it is not PASS.
  returned: for judge
  type: str
"""
