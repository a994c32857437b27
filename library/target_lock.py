#!/usr/bin/python
"""Documentation of the action plugin target_lock, which runs on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: target_lock
short_description: Take a target for this run, so that no second recovery works on it
version_added: "0.1.0"
description:
  - The first task of every runbook that changes something. Two administrators cannot recover one target at the same time.
  - If another run holds the target and lives, the task refuses. If that run died and was of the same runbook, this run continues its
    work. If it was another runbook, or runs on another machine, the task refuses until a person takes the target over by name.
  - The lock is released by the journal callback when the run ends, however it ends. A run that is killed leaves its lock behind as
    that of a dead holder.
  - Runs on the control node.
options:
  target:
    description: Name of what is recovered, usually a host.
    type: str
    required: true
  takeover_by:
    description:
      - Name of the person on whose word a dead holder's target is taken over. A living holder is never taken over.
      - Usually given on the command line, as C(-e takeover_by=NAME).
    type: str
    default: ""
attributes:
  check_mode:
    description: Says what a real run would answer, refusals included, and takes nothing.
    support: full
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Let nobody else recover this database meanwhile
  target_lock:
    target: "{{ database_host }}"
"""

RETURN = r"""
changed:
  description: Always false. Holding a target changes nothing of the hospital.
  returned: always
  type: bool
before:
  description: Who held the target.
  returned: always
  type: dict
  contains:
    holder:
      description: A sentence, empty if nobody did.
      type: str
after:
  description: Who holds it now (in check mode, who would).
  returned: when not refused
  type: dict
refused:
  description: True together with C(failed).
  returned: when the target is held
  type: bool
findings:
  description: Why it is refused. Codes are C(lock-held), C(lock-holder-dead), C(lock-holder-elsewhere), C(lock-unreadable).
  returned: when the target is held
  type: list
  elements: dict
"""
