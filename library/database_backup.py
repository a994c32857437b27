#!/usr/bin/python
"""Prepare a host for backups, take them, check them: the Ansible side of recovery.database.backup."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_backup
short_description: Backups of a database with pgBackRest, and what a host needs for them
description:
  - One call does the whole of a verb and returns its procedure as named steps; see the role C(database_backup).
  - Runs on the host that keeps a repository (the database host, the off-site server) or that reads one (a drill host).
author: Hospital Recovery
extends_documentation_fragment: overriding
options:
  verb:
    description:
      - C(prepare) has accounts, directories and the SSH key, and returns the public key and this host's own key.
      - C(install) has files, programs and units in place.
      - C(start) brings them to life, that is server settings, replication account, slots, stanza, services.
      - C(check) says what stands against a backup now; C(run) takes one with its manifest; C(copy) fills the removable disk.
      - C(state) says how the repositories are; C(rearm) goes on after the database was restored.
    type: str
    required: true
    choices: [prepare, install, start, check, run, copy, state, rearm]
  place:
    description: This host's backup configuration, the same that is installed as hospital-backup.json.
    type: dict
    required: true
  wanted:
    description: Accounts, directories, files, units and the key that the host shall have.
    type: dict
    default: {}
  secret_contents:
    description: Contents of files that hold secrets, by path; never shown.
    type: dict
    default: {}
  tail_account:
    description: Name of the replication account.
    type: str
    default: ''
  tail_password:
    description: Password of the replication account.
    type: str
    default: ''
  slots:
    description: Physical replication slots that the server keeps for the WAL tails.
    type: list
    elements: str
    default: []
  out_of_reach:
    description: Hosts whose part of V(rearm) could not be done; what is left to do for them is said as a warning.
    type: list
    elements: str
    default: []
  repository:
    description: Which repository is meant, where a host keeps two (C(local) and C(removable)); all of them if empty.
    type: str
    choices: ['', local, offsite, removable]
    default: ''
  type:
    description: Type of the backup to take.
    type: str
    choices: [full, diff, incr]
    default: full
attributes:
  check_mode:
    support: full
    description: Says what would change; a backup, a copy and a WAL switch are not made.
"""

EXAMPLES = r"""
- name: Take a full backup into this host's repository
  database_backup:
    verb: run
    type: full
    place: "{{ backup_configuration }}"
"""

RETURN = r"""
findings:
  description: What stands against a backup, or is wrong with one, each with cause, remedy and alternative.
  returned: always
  type: list
backup:
  description: Label, type, size and duration of the backup that was taken.
  returned: with verb run
  type: dict
manifest:
  description: What the backup holds, in figures.
  returned: with verb run
  type: dict
verdict:
  description: PASS or FAIL, with C(reason).
  returned: with verbs check and state
  type: str
state:
  description: Facts about the repositories of this host.
  returned: with verb state
  type: dict
public_key:
  description: The public half of this host's key for backups, and C(host_key), what the host itself answers with.
  returned: with verb prepare
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database import (
    backup,
    backup_command,
    backup_removable,
    backup_server,
    backup_setup,
    backup_state,
    gate,
    host_state,
    manifest,
    shell,
)
from ansible.module_utils.recovery.database.mariadb import engine as mariadb
from ansible.module_utils.recovery.database.mariadb import place as mariadb_place
from ansible.module_utils.recovery.database.sources import sources_of
from ansible.module_utils.recovery.findings import OVERRIDE_ARGUMENTS, Finding, refusal_text, settle

ARGUMENTS = {
    "verb": {
        "type": "str",
        "required": True,
        "choices": ["prepare", "install", "start", "check", "run", "copy", "state", "rearm"],
    },
    "place": {"type": "dict", "required": True},
    "wanted": {"type": "dict", "default": {}},
    "secret_contents": {"type": "dict", "default": {}, "no_log": True},
    "tail_account": {"type": "str", "default": ""},
    "tail_password": {"type": "str", "default": "", "no_log": True},
    "slots": {"type": "list", "elements": "str", "default": []},
    "out_of_reach": {"type": "list", "elements": "str", "default": []},
    "repository": {"type": "str", "choices": ["", "local", "offsite", "removable"], "default": ""},
    "type": {"type": "str", "choices": ["full", "diff", "incr"], "default": "full"},
    **OVERRIDE_ARGUMENTS,
}


def change(module: AnsibleModule, place: backup.Place, given: dict[str, Any]) -> dict[str, Any]:
    """Carry out a verb that brings the host into a state."""
    host = host_state.HostState(check=module.check_mode)
    wanted = given["wanted"]
    result: dict[str, Any] = {}
    if given["verb"] == "prepare":
        result = backup_setup.prepare(host, wanted)
    elif given["verb"] == "install":
        backup_setup.install(host, wanted, given["secret_contents"], sources_of(backup_command, gate))
    elif given["verb"] == "start":
        result = backup_setup.start(host, place, wanted, (given["tail_account"], given["tail_password"]), given["slots"])
    else:
        result = backup_setup.rearm(host, place, given["slots"])
        result = {"findings": [backup_setup.left_undone(name) for name in given["out_of_reach"]], **result}
    result = {"findings": [], **result}
    return {"changed": bool(host.changes), "diff": host.diff, "changes": host.changes, **host.procedure.as_dict(), **result}


def look(module: AnsibleModule, place: backup.Place, given: dict[str, Any]) -> dict[str, Any]:
    """Carry out a verb that looks at repositories or adds to them."""
    procedure = shell.Procedure()
    verb = given["verb"]
    result: dict[str, Any] = {"changed": False}
    if verb == "check" and given["repository"] == "removable":
        findings = backup_removable.check(place, procedure)
    elif verb == "check":
        findings = backup.check(place, given["type"], procedure, rehearsal=module.check_mode)
    elif verb == "state":
        result["state"], findings = backup_state.state(place, procedure, only=given["repository"])
    elif module.check_mode:
        findings = backup_removable.check(place, procedure) if verb == "copy" else []
        result["changed"] = not findings
    elif verb == "copy":
        done = backup_removable.copy(place, procedure)
        findings = done["findings"]
        result |= {"changed": bool(done["verified"]), "copied_at": done["copied_at"], "verified": done["verified"]}
    else:
        done = backup.back_up(place, given["type"], procedure)
        findings = done["findings"]
        result |= {"changed": True, **{key: done[key] for key in ("backup", "manifest", "manifest_sha256")}}
        result["measured"] = {
            "backup_bytes": done["backup"]["size_bytes"],
            "backup_s": done["backup"]["took_s"],
            "writers_paused_ms": done["manifest"]["writers_paused_ms"],
        }
    return {**result, "findings": findings, **procedure.as_dict()}


def verdict(blocking: list[Finding], overridden: list[dict[str, str]], good: str) -> dict[str, str]:
    """Put what was found into one verdict with its reason; ``good`` is the sentence for nothing found."""
    if blocking:
        return {"verdict": "FAIL", "reason": " ".join(finding.message for finding in blocking)}
    accepted = f"; accepted by name: {', '.join(entry['code'] for entry in overridden)}" if overridden else ""
    return {"verdict": "PASS", "reason": f"{good}{accepted}."}


def main() -> None:
    """Carry out the verb and answer in the shape of every module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    changing = given["verb"] in ("prepare", "install", "start", "rearm")
    try:
        if mariadb.is_mariadb(given["place"]):
            result = (mariadb.change if changing else mariadb.look)(given, module.check_mode)
        else:
            result = (change if changing else look)(module, backup.Place.parse(given["place"]), given)
    except (
        backup.BackupError,
        mariadb_place.BackupError,
        backup_server.ServerError,
        manifest.ManifestError,
        shell.CommandError,
        OSError,
    ) as error:
        module.fail_json(msg=str(error), findings=[])
        return
    findings = result.pop("findings")
    blocking, overridden = settle(findings, given["override"], given["override_by"])
    result |= {"findings": [finding.as_dict() for finding in findings], "overridden": overridden}
    if given["verb"] == "state":
        result |= verdict(blocking, overridden, "Age, space, write-ahead log and manifest are as the schedule asks")
    elif given["verb"] == "check" and not module.check_mode:
        result |= verdict(blocking, overridden, "The write-ahead log reaches the repository, and there is room for one more backup")
    if blocking and not (changing and module.check_mode):
        module.fail_json(msg=refusal_text(blocking), refused=not result["changed"] and given["verb"] != "state", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
