#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Fingerprints before and after a drill: neither the repository nor production has changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_fingerprint
short_description: Prove that a drill left a backup repository or a running database as it was
version_added: "0.2.0"
description:
  - V(take) looks at the repository where it lies (every file's name, size, owner, rights and times) or at the running server (identity,
    start time, settings, roles, slots, schema, archiver, directory, configuration). V(compare) looks again and says what differs.
  - The repository's listing is kept in memory on its own host between the two calls, since it may be long; only its digest travels.
  - New files of the archive are production's own log and no change. Clause RCV-5 of the plan.
options:
  verb:
    description: The step.
    type: str
    required: true
    choices: [take, compare]
  subject:
    description: What is looked at.
    type: str
    required: true
    choices: [repository, server]
  name:
    description: Under which name the two calls find each other.
    type: str
    required: true
  path:
    description: The repository's directory on this host.
    type: path
    default: ""
  cluster:
    description: The cluster, as the inventory's C(database_cluster) describes it; for V(server).
    type: dict
    default: {}
  before:
    description: What V(take) returned as C(fingerprint).
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: The module changes neither the repository nor the server.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Take the repository's fingerprint before the drill
  database_fingerprint:
    verb: take
    subject: repository
    name: drill
    path: /srv/backup/pgbackrest
  register: taken
"""

RETURN = r"""
fingerprint:
  description: For a repository the number of files and their digest, for a server its facts.
  returned: for take
  type: dict
findings:
  description: What is not as it was.
  returned: always
  type: list
  elements: dict
verdict:
  description: PASS if nothing differs, FAIL if something does, COULD-NOT-VERIFY if that cannot be told.
  returned: for compare
  type: str
reason:
  description: Why it is not PASS.
  returned: for compare
  type: str
after:
  description: What is there now; for a repository with both digests and how much log has arrived meanwhile.
  returned: for compare
  type: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database import fingerprint, options
from ansible.module_utils.recovery.database.mariadb import engine
from ansible.module_utils.recovery.database.mariadb import rehearsal as mariadb
from ansible.module_utils.recovery.database.shell import CommandError, Procedure
from ansible.module_utils.recovery.findings import refusal_text


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "required": True, "choices": ["take", "compare"]},
            "subject": {"type": "str", "required": True, "choices": ["repository", "server"]},
            "name": {"type": "str", "required": True},
            "path": {"type": "path", "default": ""},
            "cluster": {"type": "dict", "default": {}},
            "before": {"type": "dict", "default": {}},
        },
        required_if=[("subject", "repository", ("path",)), ("subject", "server", ("cluster",))],
        supports_check_mode=True,
    )
    given = module.params
    procedure = Procedure()
    repository = given["subject"] == "repository"
    if repository and not Path(given["path"]).is_dir():
        module.fail_json(msg=f"There is no repository at {given['path']} on this host. Name the right path in database_repositories.")
    try:
        with procedure.step(f"Look at the {given['subject']}, {'before' if given['verb'] == 'take' else 'after'} the drill"):
            cluster = None if repository else options.cluster(given["cluster"])
            of_engine = mariadb.production if engine.is_mariadb(given["cluster"]) else fingerprint.server
            now: Any = of_engine(cluster) if cluster else fingerprint.scan(Path(given["path"]))
    except CommandError as error:
        module.fail_json(msg=f"Production does not answer, so nothing can be said of it: {error.output[-300:]}", **procedure.as_dict())
        return
    if given["verb"] == "take":
        if repository:
            fingerprint.keep(given["name"], now)
            now = {"files": len(now), "digest": fingerprint.digest(now)}
        module.exit_json(changed=False, fingerprint=now, findings=[], **procedure.as_dict())
    if repository:
        before = fingerprint.kept(given["name"])
        if before is None or fingerprint.digest(before) != given["before"].get("digest"):
            reason = "The repository's fingerprint from before the drill is gone, so nothing can be compared with it."
            module.exit_json(changed=False, findings=[], verdict="COULD-NOT-VERIFY", reason=reason, after={}, **procedure.as_dict())
        findings, after = fingerprint.compare_repository(before, now, f"The repository {given['path']}")
    else:
        findings, after = fingerprint.compare_server(given["before"], now), now
    said = {"changed": False, "findings": [f.as_dict() for f in findings], "after": after, **procedure.as_dict()}
    if any(f.severity == "stop" for f in findings):
        module.fail_json(msg=refusal_text(findings), verdict="FAIL", reason=findings[0].message, **said)
    verdict, reason = ("COULD-NOT-VERIFY", f"{findings[0].message} {findings[0].why}") if findings else ("PASS", "")
    module.exit_json(verdict=verdict, reason=reason, **said)


if __name__ == "__main__":
    main()
