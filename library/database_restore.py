#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""A database restore in steps that can be interrupted anywhere and continued."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_restore
short_description: Bring a PostgreSQL database back from a pgBackRest repository
version_added: "0.1.0"
description:
  - V(stage) stops the failed server, reads every file of the approved backup into a directory beside the old cluster while
    checksums are compared, replays the write-ahead log to the target and lets the result answer on a private socket only.
    The old cluster's files are not touched, whatever the backup turns out to be.
  - V(swap) sets the old cluster aside by renaming it, gives its place to the staged one and starts the service.
  - V(fence) stops the server of this host and keeps it from starting, for a restore that takes place on another host.
  - V(prove) notes that the service was proven, V(finish) that nothing is left to do beside it either. V(abandon) gives up a staged
    cluster. V(way_back) says what V(rollback) would do, and refuses where there is nothing to go back to. V(rollback) puts the cluster
    that was kept aside back into its place, where it begins a history (timeline) of its own. V(release) deletes clusters kept aside,
    each by name; without names it lists them.
  - Each step can be killed at any moment; the same call then continues. Clause RCV-1 of the plan.
extends_documentation_fragment: database
options:
  verb:
    description: The step.
    type: str
    required: true
    choices: [fence, stage, swap, prove, finish, abandon, way_back, rollback, release]
  decision:
    description: The approved plan of action, as M(database_assess) returned it.
    type: dict
    default: {}
  request:
    description: What was asked, C(source) and C(target); by it an interrupted recovery recognises itself.
    type: dict
    default: {}
  wal_sources:
    description: Further repositories that may supply write-ahead log.
    type: list
    elements: str
    default: []
  jobs:
    description: How many processes read the backup. 0 means one for each processor.
    type: int
    default: 0
  stall_timeout:
    description: Seconds after which a repository that says nothing any more counts as lost, and an approved alternative is taken.
    type: int
    default: 15
  names:
    description: Which clusters V(release) deletes.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Says what would be done and changes nothing.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Read the backup into a directory beside the old cluster and replay it there
  database_restore:
    verb: stage
    cluster: "{{ database_cluster }}"
    repositories: "{{ database_repositories }}"
    decision: "{{ assessed.decision }}"
    request: {source: local, target: latest}
"""

RETURN = r"""
staged:
  description: Where the staged cluster is and answers (socket, port), its timeline and the end of its log.
  returned: for stage
  type: dict
taken:
  description: Source and backup that were really taken.
  returned: for stage
  type: dict
fell_back:
  description: Whether an approved alternative was taken; C(holdings) is then the manifest of that backup.
  returned: for stage
  type: bool
holdings:
  description: The manifest of the alternative's backup, empty where the first choice was taken.
  returned: for stage
  type: dict
aside:
  description: Where the old cluster is kept; empty if there was none.
  returned: for swap and way_back
  type: str
opened_at:
  description: When the service was started in its place.
  returned: for swap and rollback
  type: str
rejected:
  description: Where the restored cluster is kept that gave its place back.
  returned: for rollback
  type: str
deleted:
  description: Names of the clusters that were deleted.
  returned: for release
  type: list
  elements: str
kept_aside:
  description: Names of the old clusters that wait for their release.
  returned: always
  type: list
  elements: str
steps:
  description: The lines of the procedure, with times.
  returned: always
  type: list
  elements: dict
"""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database import options, wayback
from ansible.module_utils.recovery.database.alone import alone
from ansible.module_utils.recovery.database.assess import holdings_of
from ansible.module_utils.recovery.database.errors import RestoreError
from ansible.module_utils.recovery.database.fallback import stage_in_turn
from ansible.module_utils.recovery.database.mariadb import engine as mariadb
from ansible.module_utils.recovery.database.restore import Restore
from ansible.module_utils.recovery.database.shell import CommandError, now
from ansible.module_utils.recovery.database.target import parse
from ansible.module_utils.recovery.findings import Finding, refusal_text

VERBS = ["fence", "stage", "swap", "prove", "finish", "abandon", "way_back", "rollback", "release"]
# Verbs that refuse before they change anything.
REFUSING = ("stage", "way_back", "release")


def stage(given: dict[str, Any], restore: Restore) -> dict[str, Any]:
    """Stage the approved backup, or one of its approved alternatives; what was really taken is in the answer."""
    cluster, described = restore.cluster, options.patient(given["repositories"], given["stall_timeout"])
    stanza, jobs = given["cluster"]["stanza"], given["jobs"] or os.cpu_count() or 1
    other_engine = isinstance(restore, mariadb.MariadbRestore)
    tails = {} if other_engine else options.tails(described)

    def sources(first: str) -> list[Any]:
        names = [first, *[n for n in given["wal_sources"] if n != first]]
        if other_engine:
            found: dict[str, Any] = mariadb.repositories(given, names)
        else:
            found = options.repositories(described, given["ciphers"], stanza, cluster, names)
        return [found[n] for n in names if n in found]

    restore.slots = options.slots(described)
    wanted = (mariadb.target.parse if other_engine else parse)(given["decision"]["target"])
    staged, findings = stage_in_turn(restore, sources, tails, wanted, jobs)
    of_backup: Any = mariadb.holdings_of if other_engine else holdings_of
    plan, fell_back = restore.plan, bool(restore.attempt)
    return {
        "staged": asdict(staged),
        "taken": {key: plan[key] for key in ("source", "backup", "taken_at", "reaches")},
        "fell_back": fell_back,
        "holdings": (of_backup(sources(plan["source"])[0], plan["backup"]) or {}) if fell_back else {},
        "findings": [finding.as_dict() for finding in findings],
        "measured": {
            "bytes_restored": plan["bytes"],
            "restored_to": staged.last_commit,
            "restored_from": f"{plan['source']} {plan['backup']}",
            "target_means": given["decision"].get("target_means", ""),
        },
    }


def carry_out(given: dict[str, Any], restore: Restore) -> dict[str, Any]:
    """Do the step that was asked for and return what it has to say."""
    cluster, procedure = restore.cluster, restore.procedure
    if given["verb"] == "stage":
        return stage(given, restore)
    if given["verb"] == "swap":
        aside = restore.swap()
        return {"aside": aside, "opened_at": restore.opened_at}
    if given["verb"] == "fence":
        restore.fence()
    elif given["verb"] in ("prove", "finish"):
        restore.finish("proven" if given["verb"] == "prove" else "finished")
    elif given["verb"] == "abandon":
        wayback.abandon(cluster, procedure, restore.ways)
    elif given["verb"] == "way_back":
        return wayback.way_back(cluster, restore.ways)
    elif given["verb"] == "rollback":
        return {"rejected": wayback.rollback(cluster, procedure, restore.ways), "opened_at": now()}
    elif given["verb"] == "release":
        return {"deleted": wayback.release(cluster, procedure, given["names"])}
    return {}


def _kept(names: list[str]) -> Finding:
    if not names:
        return Finding("kept-aside", "info", "No old database is kept aside.")
    delete = f"recovery run database_release -e names={names[0]}"
    return Finding("kept-aside", "info", f"Kept aside: {', '.join(names)}.", remedy=f"To delete one, by its name: {delete}")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **options.COMMON_ARGUMENTS,
            "verb": {"type": "str", "required": True, "choices": VERBS},
            "decision": {"type": "dict", "default": {}},
            "request": {"type": "dict", "default": {}},
            "wal_sources": {"type": "list", "elements": "str", "default": []},
            "jobs": {"type": "int", "default": 0},
            "stall_timeout": {"type": "int", "default": 15},
            "names": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[("verb", "stage", ("decision", "request")), ("verb", "swap", ("decision", "request"))],
        supports_check_mode=True,
    )
    given = module.params
    cluster = options.cluster(given["cluster"])
    before = {"kept_aside": list(wayback.releasable(cluster))}
    if module.check_mode and given["verb"] != "way_back":
        # A step that finds nothing of its own to do would not change anything.
        changes = given["verb"] not in ("prove", "finish") and not (given["verb"] == "release" and not given["names"])
        module.exit_json(changed=changes, before=before, kept_aside=before["kept_aside"])
    of_engine = mariadb.MariadbRestore if mariadb.is_mariadb(given["cluster"]) else Restore
    restore = of_engine(cluster, given["decision"], given["request"], options.run_id(given), options.runtime(cluster))
    try:
        with alone(Path(f"{options.runtime(cluster)}.lock"), restore.procedure):
            said = carry_out(given, restore)
    except (RestoreError, CommandError) as error:
        code = getattr(error, "code", "restore-failed")
        finding = Finding(
            code, "stop", str(error), remedy=getattr(error, "remedy", "") or "Repair the cause and run the same command again."
        )
        # Failed staging leaves everything as it was found: the same as a refusal, only that it took reading the backup to know.
        refused = given["verb"] in REFUSING
        module.fail_json(
            msg=refusal_text([finding]), refused=refused, findings=[finding.as_dict()], before=before, **restore.procedure.as_dict()
        )
        return
    after = {"kept_aside": list(wayback.releasable(cluster))}
    if given["verb"] == "release":
        said["findings"] = [_kept(after["kept_aside"]).as_dict()]
    changed = bool(restore.procedure.commands) or bool(restore.procedure.steps) or before != after
    module.exit_json(changed=changed, before=before, after=after, **after, **said, **restore.procedure.as_dict())


if __name__ == "__main__":
    main()
