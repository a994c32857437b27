#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Backups of the picture archive: its files and its index in one snapshot, here and off site."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pacs_backup
short_description: Set up, take, fetch and examine backups of a picture archive
version_added: "0.1.0"
description:
  - A backup is one restic snapshot that holds the index as of one moment and every file which the index names. The index is written
    down first and the files are copied after it, because the archive writes an image's file before it enters it.
  - The off-site place fetches backups itself, over SFTP that can only read. The archive's host has no right there.
  - Clauses BKP-2 and BKP-11 of the plan.
extends_documentation_fragment: overriding
options:
  verb:
    description:
      - V(prepare) has accounts, directories and the key; V(install) has configuration, doors, programs and schedules; V(start) has the
        repository and starts the schedules.
      - V(check) says what stands against a backup; V(run) takes one, or fetches at the off-site place; V(state) says how old and roomy
        the repository is.
    type: str
    required: true
    choices: [prepare, install, start, check, run, state]
  place:
    description: What this host does for the backups, as the role's variable says.
    type: dict
    required: true
  wanted:
    description: Accounts, directories, key, files and units that the host shall have.
    type: dict
    default: {}
  secret_contents:
    description: Contents of files that are never shown, by path.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Says what would change. No backup is taken.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Take a backup of the archive
  pacs_backup:
    verb: run
    place: "{{ place }}"
"""

RETURN = r"""
backup:
  description: The backup that was taken, with label, time and duration.
  returned: with verb run
  type: dict
manifest:
  description: What the backup holds, in figures.
  returned: with verb run
  type: dict
state:
  description: Facts about the repository of this host.
  returned: with verb state
  type: dict
public_key:
  description: The public half of this host's key, and C(host_key), what the host itself answers with.
  returned: with verb prepare
  type: str
steps:
  description: The lines of the procedure, with times.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database import backup_setup, host_state, shell
from ansible.module_utils.recovery.database.sources import sources_of
from ansible.module_utils.recovery.findings import OVERRIDE_ARGUMENTS, refusal_text, settle
from ansible.module_utils.recovery.pacs import backup, backup_command

CHANGING = ("prepare", "install", "start")


def change(module: AnsibleModule, given: dict[str, Any]) -> dict[str, Any]:
    """Bring the host into a state."""
    host = host_state.HostState(check=module.check_mode)
    wanted = given["wanted"]
    result: dict[str, Any] = {}
    if given["verb"] == "prepare":
        result = backup_setup.prepare(host, wanted)
    elif given["verb"] == "install":
        backup_setup.install(host, wanted, given["secret_contents"], sources_of(backup_command))
    else:
        start(host, given)
    return {"findings": [], "changed": bool(host.changes), "diff": host.diff, **host.procedure.as_dict(), **result}


def start(host: host_state.HostState, given: dict[str, Any]) -> None:
    """Have the repository, and the schedules running."""
    place = backup.Place.parse(given["place"])
    with host.procedure.step(f"Have the {place.name} repository"):
        if backup.have_repository(place, host.check, host.procedure):
            host.note(f"repository {place.repository.path}", "absent\n", "created\n")
    with host.procedure.step("Start the schedule"):
        host.units(dict(given["wanted"].get("units") or {}), reload=False)


def look(module: AnsibleModule, given: dict[str, Any]) -> dict[str, Any]:
    """Look at the repository, or add to it."""
    place = backup.Place.parse(given["place"])
    procedure = shell.Procedure()
    result: dict[str, Any] = {"changed": False}
    if given["verb"] == "state":
        result["state"], findings = backup.state(place, procedure)
    elif given["verb"] == "check" or module.check_mode:
        findings = backup.check(place, procedure)
        result["changed"] = given["verb"] == "run" and not findings
    else:
        done = backup.fetch(place, procedure) if place.source else backup.back_up(place, procedure)
        findings = done.pop("findings")
        figures = {"backup_s": done["backup"]["took_s"], "backup_images": done["manifest"].get("images", 0)}
        result |= {"changed": True, **done, "measured": figures}
    return {**result, "findings": findings, **procedure.as_dict()}


def main() -> None:
    """Carry out the verb and answer in the shape of every module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "required": True, "choices": [*CHANGING, "check", "run", "state"]},
            "place": {"type": "dict", "required": True},
            "wanted": {"type": "dict", "default": {}},
            "secret_contents": {"type": "dict", "default": {}, "no_log": True},
            **OVERRIDE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    verb = given["verb"]
    try:
        result = (change if verb in CHANGING else look)(module, given)
    except (backup.BackupError, shell.CommandError, OSError) as error:
        module.fail_json(msg=str(error), findings=[])
        return
    findings = result.pop("findings")
    blocking, overridden = settle(findings, given["override"], given["override_by"])
    result |= {"findings": [finding.as_dict() for finding in findings], "overridden": overridden}
    if verb in ("state", "check") and not module.check_mode:
        said = " ".join(finding.message for finding in blocking) or "The repository is as young and as roomy as the plan asks."
        result |= {"verdict": "FAIL" if blocking else "PASS", "reason": said}
    if blocking and not (verb in CHANGING and module.check_mode):
        module.fail_json(msg=refusal_text(blocking), refused=verb == "check" or verb == "prepare", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
