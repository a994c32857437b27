#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""CHECK of a database restore: what is there, what could be restored, and what speaks against it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_assess
short_description: Decide from which backup a PostgreSQL database can come back, changing nothing
version_added: "0.1.0"
description:
  - Examines the server that would be replaced and every repository that may be used, and returns the plan of action that
    people approve, together with everything that speaks against it.
  - A backup counts only if its catalogue, each of its files and the write-ahead log up to the target are there. The contents of
    the files are compared by checksum later, while they are read into a staging directory.
  - Clauses RCV-1, BKP-2 and BKP-11 of the plan.
extends_documentation_fragment: [database, overriding]
options:
  source:
    description: Where the backup is taken from; V(best) compares all and says why it chose.
    type: str
    choices: [local, offsite, removable, best]
    default: best
  target:
    description:
      - How far to restore, V(latest), V(time:2026-11-21T03:25:00+08:00), V(backup:LABEL), V(lsn:0/1234ABC) or V(name:RESTORE_POINT).
    type: str
    default: latest
  server_only:
    description: Look only at the server of this host, because another host is to take over from it.
    type: bool
    default: false
  heartbeat:
    description: Table and column of a row that is written every second, to say how old the server's data are.
    type: dict
    default: {}
  rpo:
    description:
      - Seconds before the failure that may be lost. A source that reaches less far is refused (C(rpo-missed), overridable by name).
        Empty, the plan's figure only warns.
    type: str
    default: ""
  planned_rpo:
    description: The plan's own figure in seconds; 0 for none.
    type: float
    default: 0
  time_zone:
    description: The hospital's time zone (IANA name), in which a time target is said again beside UTC.
    type: str
    default: ""
  stall_timeout:
    description: Seconds after which a repository that says nothing any more counts as lost.
    type: int
    default: 15
attributes:
  check_mode:
    support: full
    description:
      - The module never changes anything. In check mode, the rehearsal, a healthy server is reported and does not end it.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Find out from which backup the database can come back
  database_assess:
    cluster: "{{ database_cluster }}"
    repositories: "{{ database_repositories }}"
    source: best
    target: time:2026-11-21T03:25:00+08:00
"""

RETURN = r"""
decision:
  description: The plan of action, from source and backup to what happens to the old cluster.
  returned: when some backup can be used
  type: dict
holdings:
  description: The manifest of what the chosen backup holds; empty if it was taken without one.
  returned: always
  type: dict
target_time:
  description: The moment to restore to, in UTC; empty where the target is not a moment.
  returned: always
  type: str
at_manifest:
  description: Whether the result will stand at the very moment of the backup's manifest, and so must equal it.
  returned: always
  type: bool
began_at:
  description: When the recovery began.
  returned: always
  type: str
findings:
  description: What was found, graded info, warning, overridable or stop, each with cause, remedy and alternative.
  returned: always
  type: list
  elements: dict
overridden:
  description: Findings that a named person accepted.
  returned: always
  type: list
  elements: dict
refused:
  description: Whether the restore is refused.
  returned: when refused
  type: bool
steps:
  description: What was examined, with times.
  returned: always
  type: list
  elements: dict
"""


from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database import options
from ansible.module_utils.recovery.database.assess import Asked, assess, assess_server
from ansible.module_utils.recovery.database.mariadb import engine as mariadb
from ansible.module_utils.recovery.database.shell import now
from ansible.module_utils.recovery.database.target import TargetError, parse
from ansible.module_utils.recovery.findings import OVERRIDE_ARGUMENTS, Finding, refusal_text, rehearsed, settle


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **options.COMMON_ARGUMENTS,
            "source": {"type": "str", "choices": ["local", "offsite", "removable", "best"], "default": "best"},
            "target": {"type": "str", "default": "latest"},
            "server_only": {"type": "bool", "default": False},
            "heartbeat": {"type": "dict", "default": {}},
            "rpo": {"type": "str", "default": ""},
            "planned_rpo": {"type": "float", "default": 0},
            "time_zone": {"type": "str", "default": ""},
            "stall_timeout": {"type": "int", "default": 15},
            **OVERRIDE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    began_at = now()
    cluster = options.cluster(given["cluster"])
    try:
        other_engine = mariadb.is_mariadb(given["cluster"])
        target = (mariadb.target.parse if other_engine else parse)(given["target"])
        rpo = options.seconds(given["rpo"])
    except ValueError as error:
        code = "target-not-understood" if isinstance(error, TargetError) else "rpo-not-understood"
        finding = Finding(code, "stop", str(error))
        module.fail_json(msg=refusal_text([finding]), refused=True, findings=[finding.as_dict()])
        return
    asked = Asked(given["heartbeat"] or None, rpo, given["planned_rpo"] or None, given["time_zone"])
    if other_engine:
        assessment = mariadb.assess(given, target, asked)
    elif given["server_only"]:
        assessment = assess_server(cluster, given["heartbeat"] or None)
    else:
        wanted = None if given["source"] == "best" else [given["source"]]
        described = options.patient(given["repositories"], given["stall_timeout"])
        repositories = options.repositories(described, given["ciphers"], given["cluster"]["stanza"], cluster, wanted)
        if not repositories:
            finding = Finding(
                "no-repository",
                "stop",
                f"The inventory describes no {given['source']} repository for this database.",
                remedy="Describe it in database_repositories, or take another source.",
            )
            module.fail_json(msg=refusal_text([finding]), refused=True, findings=[finding.as_dict()])
            return
        assessment = assess(cluster, repositories, options.tails(given["repositories"]), given["source"], target, asked)
    if module.check_mode:
        assessment.findings = rehearsed(assessment.findings)
    blocking, overridden = settle(assessment.findings, given["override"], given["override_by"])
    result = {
        "changed": False,
        "findings": [f.as_dict() for f in assessment.findings],
        "overridden": overridden,
        "decision": assessment.decision,
        "holdings": assessment.holdings or {},
        "began_at": began_at,
        "target_time": target.time.isoformat() if target.time else "",
        "at_manifest": bool(assessment.decision.get("restore_point"))
        and (target.kind == "backup" or target.name == assessment.decision.get("restore_point")),
        **assessment.procedure.as_dict(),
    }
    if blocking:
        module.fail_json(msg=refusal_text(blocking), refused=True, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
