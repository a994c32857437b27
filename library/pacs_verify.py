#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""VERIFY of the picture archive: index and files fit, and what users were promised is there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pacs_verify
short_description: Prove that a picture archive is whole, reading only
version_added: "0.1.0"
description:
  - Compares every entry of the index with its file, by name and size, or in full by the checksum of every byte. Looks for every image
    that was acknowledged to a workstation and compares it with what was sent; what is lost is counted and named.
  - Clauses RCV-1 and RCV-5 of the plan.
options:
  archive:
    description: The archive, as the inventory's C(pacs_archive) describes it.
    type: dict
    required: true
  depth:
    description: How much is read.
    type: str
    choices: [quick, full]
    default: quick
  seen:
    description: What M(pacs_probe) returned as C(seen) for each workstation.
    type: list
    elements: dict
    default: []
  expected:
    description: How many entries the restored backup had; fewer fail the proof.
    type: int
    default: 0
  taken_at:
    description:
      - The moment of the restored backup (ISO 8601, UTC).
      - An older image that is missing fails the proof, a younger one is counted as lost.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: The module never changes anything.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Prove the whole archive
  pacs_verify:
    archive: "{{ pacs_archive }}"
    depth: full
"""

RETURN = r"""
verdict:
  description: PASS or FAIL.
  returned: always
  type: str
reason:
  description: What the verdict rests on.
  returned: always
  type: str
after:
  description: As C(lost), each acknowledged image that is not there, with workstation, UID and time; its modality is to send it again.
  returned: always
  type: dict
measured:
  description: Entries, bytes compared, acknowledged and lost images, C(rpo_s).
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database.shell import Procedure
from ansible.module_utils.recovery.pacs.archive import Archive
from ansible.module_utils.recovery.pacs.proof import prove


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "dict", "required": True},
            "depth": {"type": "str", "choices": ["quick", "full"], "default": "quick"},
            "seen": {"type": "list", "elements": "dict", "default": []},
            "expected": {"type": "int", "default": 0},
            "taken_at": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    procedure = Procedure()
    proof = prove(Archive.parse(given["archive"]), given["depth"], given["seen"], given["expected"], given["taken_at"], procedure)
    procedure.milestones += proof.milestones
    result = {
        "changed": False,
        "verdict": proof.verdict,
        "reason": proof.reason,
        "after": {"lost": proof.lost},
        "measured": proof.measured,
        "findings": [finding.as_dict() for finding in proof.findings],
        **procedure.as_dict(),
    }
    if proof.verdict == "FAIL":
        module.fail_json(msg=proof.reason, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
