#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""CHECK of a restore of the picture archive: what is there, what could be restored, and what speaks against it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pacs_assess
short_description: Decide from which backup a picture archive can come back, changing nothing
version_added: "0.1.0"
description:
  - Examines the archive that would be replaced and every repository that may be used, and returns the plan of action that people
    approve, together with everything that speaks against it. Repositories are read and their blocks compared with their checksums.
  - Clauses RCV-1, BKP-2 and BKP-11 of the plan.
extends_documentation_fragment: overriding
options:
  archive:
    description: The archive, as the inventory's C(pacs_archive) describes it.
    type: dict
    required: true
  repositories:
    description: The repositories by name, with path, C(ssh) (the alias of the host that keeps it), and C(user) who reads it here.
    type: dict
    required: true
  passphrases:
    description: Their passphrases, by name.
    type: dict
    required: true
  handover:
    description: The directory in a backup that holds index and manifest.
    type: path
    required: true
  source:
    description: Where the backup is taken from; V(best) is the newest that can be used.
    type: str
    choices: [local, offsite, best]
    default: best
  target:
    description: Which backup, V(latest) or V(backup:LABEL).
    type: str
    default: latest
  read_data_subset:
    description: How much of a repository is read and compared, in restic's words, such as V(100%) or V(10%).
    type: str
    default: 100%
attributes:
  check_mode:
    support: full
    description:
      - The module never changes anything. In check mode, the rehearsal, a healthy archive is reported and does not end it.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Find out from which backup the archive can come back
  pacs_assess:
    archive: "{{ pacs_archive }}"
    repositories: "{{ repositories }}"
    passphrases: "{{ passphrases }}"
    handover: /srv/backup/pacs-index
"""

RETURN = r"""
decision:
  description: The plan of action.
  returned: when some backup can be used
  type: dict
manifest:
  description: What the chosen backup holds, in figures.
  returned: always
  type: dict
began_at:
  description: When the recovery began.
  returned: always
  type: str
findings:
  description: What was found, graded info, warning, overridable or stop, each with cause, remedy and alternative.
  returned: always
  type: list
  elements: dict
"""

import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database.shell import now
from ansible.module_utils.recovery.findings import OVERRIDE_ARGUMENTS, Finding, refusal_text, rehearsed, settle
from ansible.module_utils.recovery.pacs.archive import Archive
from ansible.module_utils.recovery.pacs.assess import assess
from ansible.module_utils.recovery.pacs.restic import Repository


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "dict", "required": True},
            "repositories": {"type": "dict", "required": True},
            "passphrases": {"type": "dict", "required": True, "no_log": True},
            "handover": {"type": "path", "required": True},
            "source": {"type": "str", "choices": ["local", "offsite", "best"], "default": "best"},
            "target": {"type": "str", "default": "latest"},
            "read_data_subset": {"type": "str", "default": "100%"},
            **OVERRIDE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    began_at = now()
    if not re.fullmatch(r"latest|backup:[0-9a-f]{8,64}", given["target"]):
        finding = Finding(
            "target-not-understood",
            "stop",
            f"The target {given['target']!r} is neither latest nor backup:LABEL.",
            remedy="Say -e target=latest, or name a backup by its label of eight letters and figures or more.",
        )
        module.fail_json(msg=refusal_text([finding]), refused=True, findings=[finding.as_dict()])
    repositories = {
        name: Repository(name=name, password=given["passphrases"].get(name, ""), **entry) for name, entry in given["repositories"].items()
    }
    found = assess(
        Archive.parse(given["archive"]), repositories, given["handover"], given["source"], given["target"], given["read_data_subset"]
    )
    if module.check_mode:
        found.findings = rehearsed(found.findings)
    blocking, overridden = settle(found.findings, given["override"], given["override_by"])
    result = {
        "changed": False,
        "findings": [one.as_dict() for one in found.findings],
        "overridden": overridden,
        "decision": found.decision,
        "manifest": found.manifest,
        "began_at": began_at,
        **found.procedure.as_dict(),
    }
    if blocking:
        module.fail_json(msg=refusal_text(blocking), refused=True, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
