#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""A restore of the picture archive in steps that can be interrupted anywhere and continued."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pacs_restore
short_description: Bring a picture archive back, files and index as of one moment
version_added: "0.1.0"
description:
  - V(stage) stops the archive, reads the approved backup into a directory beside the old one, loads the index into a cluster that nobody
    reaches, and compares it with the manifest and with the checksum of every file. The old files are not touched.
  - V(swap) keeps the old archive aside by its name and gives its place to files and index together, by one rename.
  - V(reindex) enters images that are there as files and not in the index, also those that only the old archive's disk still holds.
  - V(finish) notes that the archive was proven. V(way_back) says which archive a rollback would put back, or refuses; V(rollback) does it.
  - V(release) deletes what was kept aside, each by its name.
  - Clause RCV-1 of the plan.
options:
  verb:
    description: The step.
    type: str
    required: true
    choices: [stage, swap, reindex, finish, way_back, rollback, release]
  archive:
    description: The archive, as the inventory's C(pacs_archive) describes it.
    type: dict
    required: true
  repositories:
    description: The repositories by name, as for M(pacs_assess).
    type: dict
    default: {}
  passphrases:
    description: Their passphrases, by name.
    type: dict
    default: {}
  handover:
    description: The directory in a backup that holds index and manifest.
    type: path
    default: ""
  decision:
    description: The approved plan of action, as M(pacs_assess) returned it.
    type: dict
    default: {}
  manifest:
    description: What the backup holds in figures, as M(pacs_assess) returned it.
    type: dict
    default: {}
  aside:
    description: Where the old archive was kept, as V(swap) returned it.
    type: str
    default: ""
  names:
    description: Which archives V(release) deletes.
    type: list
    elements: str
    default: []
  lost:
    description: The images that V(finish) notes as given up, as M(pacs_verify) named them; the next proof does not count them once more.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    support: full
    description: Says whether something would be done, and changes nothing.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Read the backup into a directory beside the old archive
  pacs_restore:
    verb: stage
    archive: "{{ pacs_archive }}"
    repositories: "{{ repositories }}"
    passphrases: "{{ passphrases }}"
    handover: /srv/backup/pacs-index
    decision: "{{ assessed.decision }}"
    manifest: "{{ assessed.manifest }}"
"""

RETURN = r"""
staged:
  description: What was staged, with C(entries), C(bytes) and C(orphans), files without an entry.
  returned: for stage
  type: dict
aside:
  description: Where the old archive is kept; empty if there was none.
  returned: for swap
  type: str
opened_at:
  description: When the archive answered in its place.
  returned: for swap
  type: str
way_back:
  description: The archive that a rollback puts back into its place.
  returned: for way_back
  type: str
rejected:
  description: Where the restored archive is kept after a rollback.
  returned: for rollback
  type: str
entered:
  description: Files that were entered into the index; C(left) could not be.
  returned: for reindex
  type: list
  elements: str
kept_aside:
  description: Names of the old archives that wait for their release.
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database.errors import RestoreError
from ansible.module_utils.recovery.database.shell import CommandError
from ansible.module_utils.recovery.findings import Finding, refusal_text
from ansible.module_utils.recovery.pacs.archive import Archive
from ansible.module_utils.recovery.pacs.reindex import reindex
from ansible.module_utils.recovery.pacs.restic import Repository
from ansible.module_utils.recovery.pacs.restore import Restore, kept_aside

VERBS = ["stage", "swap", "reindex", "finish", "way_back", "rollback", "release"]


def carry_out(given: dict[str, Any], restore: Restore) -> dict[str, Any]:
    """Do the step that was asked for and return what it has to say."""
    verb = given["verb"]
    if verb == "stage":
        name = given["decision"]["source"]
        repository = Repository(name=name, password=given["passphrases"].get(name, ""), **given["repositories"][name])
        staged = restore.stage(repository, given["handover"], given["manifest"])
        return {"staged": staged, "measured": {"bytes_restored": staged["bytes"], "images_restored": staged["entries"]}}
    if verb == "swap":
        return restore.swap()
    if verb == "reindex":
        entered, left, findings = reindex(restore.archive, given["aside"], restore.procedure)
        measured = {"images_reindexed": len(entered)}
        return {"entered": entered, "left": left, "findings": [one.as_dict() for one in findings], "measured": measured}
    if verb == "way_back":
        return {"way_back": restore.way_back()["aside"]}
    if verb == "rollback":
        return {"rejected": restore.rollback()}
    if verb == "release":
        return {"deleted": restore.release(given["names"])}
    restore.finish(given["lost"])
    return {}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "required": True, "choices": VERBS},
            "archive": {"type": "dict", "required": True},
            "repositories": {"type": "dict", "default": {}},
            "passphrases": {"type": "dict", "default": {}, "no_log": True},
            "handover": {"type": "path", "default": ""},
            "decision": {"type": "dict", "default": {}},
            "manifest": {"type": "dict", "default": {}},
            "aside": {"type": "str", "default": ""},
            "names": {"type": "list", "elements": "str", "default": []},
            "lost": {"type": "list", "elements": "dict", "default": []},
        },
        required_if=[("verb", "stage", ("decision", "repositories", "handover")), ("verb", "swap", ("decision",))],
        supports_check_mode=True,
    )
    given = module.params
    archive = Archive.parse(given["archive"])
    before = {"kept_aside": [path.name for path in kept_aside(archive)]}
    if module.check_mode and given["verb"] != "way_back":
        changes = given["verb"] != "finish" and not (given["verb"] == "release" and not given["names"])
        module.exit_json(changed=changes, before=before, **before)
    restore = Restore(archive, given["decision"])
    try:
        said = carry_out(given, restore)
    except (RestoreError, CommandError) as error:
        code = getattr(error, "code", "restore-failed")
        remedy = getattr(error, "remedy", "") or "Repair the cause and run the same command again."
        finding = Finding(code, "stop", str(error), remedy=remedy)
        # Failed staging leaves everything as it was found: a refusal, only that it took reading the backup to know.
        refused = given["verb"] in ("stage", "way_back", "release") or code == "nothing-aside"
        module.fail_json(
            msg=refusal_text([finding]), refused=refused, findings=[finding.as_dict()], before=before, **restore.procedure.as_dict()
        )
        return
    after = {"kept_aside": [path.name for path in kept_aside(archive)]}
    changed = bool(restore.procedure.commands) or bool(restore.procedure.steps) or before != after
    module.exit_json(changed=changed, before=before, after=after, **after, **said, **restore.procedure.as_dict())


if __name__ == "__main__":
    main()
