#!/usr/bin/python
"""Documentation of the action plugin approval, which runs on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: approval
short_description: Ask the people whom the plan names whether this very action may happen
version_added: "0.1.0"
description:
  - Writes a request with the plan of action into the incident directory and waits until enough of the people whom C(plan/approvals.yml)
    names for the class of the fault have signed it with their SSH keys, until one of them says no, or until it expires.
  - People answer with C(recovery approve) and C(recovery deny), or with C(ssh-keygen -Y sign -n recovery-approval) alone.
  - The answer of the one who asks does not count, under whatever name it is signed. A late, wrong or repeated answer is refused.
    A request that was altered after it was asked ends the run.
  - A run that continues an interrupted one (M(target_lock)) does not ask again for the very same plan of action of the same person.
    What was granted and has not expired counts, after every signature was checked again. Another plan of action is asked anew.
  - Runs on the control node.
options:
  action:
    description: The plan of action. What people sign is this, with target, run, incident and time of expiry.
    type: dict
    required: true
  fault_class:
    description: Class of the fault (CLS-1 to CLS-3). It decides who is asked and how many have to agree.
    type: str
    choices: [I, II, III]
    required: true
  target:
    description: Name of what is acted upon.
    type: str
    required: true
  allowed_signers:
    description:
      - File of the approvers' public keys (C(man ssh-keygen), ALLOWED SIGNERS).
      - By default the inventory variable C(approval_allowed_signers).
    type: path
attributes:
  check_mode:
    description: Says who would be asked, and asks nobody.
    support: full
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Approve this plan of action
  approval:
    fault_class: I
    target: "{{ database_host }}"
    action:
      runbook: database_restore
      source: offsite
      target: latest
"""

RETURN = r"""
changed:
  description: Always false. A decision changes nothing of the hospital.
  returned: always
  type: bool
after:
  description: Who agreed, and the fingerprint of each key.
  returned: when granted
  type: dict
before:
  description: The request as it would be asked.
  returned: in check mode
  type: dict
measured:
  description: How long the decision took, C(approval_wait_s).
  returned: when people were asked
  type: dict
refused:
  description: True together with C(failed).
  returned: when not granted
  type: bool
findings:
  description: >-
    Why it was not granted. Codes are C(approval-denied), C(approval-expired), C(approval-request-altered), C(approval-no-signers).
  returned: when not granted
  type: list
  elements: dict
"""
