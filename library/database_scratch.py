#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""A database restored beside production, fenced off from it, and taken away again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_scratch
short_description: Restore a PostgreSQL database beside production, fenced off from it
version_added: "0.2.0"
description:
  - V(check) chooses the backup and refuses, changing nothing. V(run) restores it into a directory of its own, replays the log to the
    target and starts it as a transient systemd unit with no network at all, archiving off, asked only through its socket; then it
    tries from inside to reach production, and takes everything away again should that succeed. V(release) takes it away.
  - The repository is only read. A repository on the database server is read through that server's reading door, unless its disk
    is mounted on this host.
  - V(run) can be killed at any moment; the same call then continues. Clause RCV-5 of the plan.
extends_documentation_fragment: [database, overriding]
options:
  verb:
    description: The step.
    type: str
    required: true
    choices: [check, run, release]
  name:
    description: Name of the scratch instance; several may stand side by side.
    type: str
    required: true
  root:
    description: Directory below which scratch instances live, on a disk with room for one whole database.
    type: path
    default: /var/lib/postgresql/scratch
  cluster:
    description: The production cluster, as the inventory's C(database_cluster) describes it.
    type: dict
    required: true
  production_host:
    description: The host that production runs on; a scratch instance is never made there.
    type: str
    required: true
  here:
    description: The inventory's name of the host that this runs on.
    type: str
    required: true
  ciphers:
    description: Passphrases of repositories whose disk may be mounted on this host, by repository name.
    type: dict
    default: {}
  source:
    description: Where the backup is taken from; V(best) takes what reaches furthest.
    type: str
    choices: [local, offsite, removable, best]
    default: best
  target:
    description: How far to restore, as for M(database_restore), or V(random), a moment of the recoverable range drawn by O(seed).
    type: str
    default: latest
  seed:
    description: Draws the random moment; 0 draws a seed, which is told and recorded.
    type: int
    default: 0
  fresh:
    description:
      - For a drill. What an earlier one left behind is replaced instead of continued, and a backup that cannot be restored fails the
        drill instead of refusing it, since that is what it is there to find out.
    type: bool
    default: false
  decision:
    description: What V(check) came to; for V(run).
    type: dict
    default: {}
  request:
    description: What V(check) was asked, as it returned it; for V(run).
    type: dict
    default: {}
  run_id:
    description: The run that makes the instance; it stands beside it for people who find it.
    type: str
    default: ""
  jobs:
    description: How many processes read the backup. 0 means one for each processor.
    type: int
    default: 0
attributes:
  check_mode:
    support: full
    description: Says what would be done and changes nothing.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Find the backup that will be looked at
  database_scratch:
    verb: check
    name: his-look
    here: "{{ inventory_hostname }}"
    production_host: his-db
    cluster: "{{ database_cluster }}"
    repositories: "{{ database_repositories }}"
    source: offsite
    target: random
  register: checked
"""

RETURN = r"""
decision:
  description: The backup, the target and where they come from.
  returned: for check
  type: dict
request:
  description: What was asked, with the seed that was drawn.
  returned: for check
  type: dict
holdings:
  description: The manifest of what the chosen backup holds; empty if it was taken without one.
  returned: for check
  type: dict
target_time:
  description: The moment to restore to, in UTC; empty where the target is not a moment.
  returned: for check
  type: str
at_manifest:
  description: Whether the result will stand at the very moment of the backup's manifest, and so must equal it.
  returned: for check
  type: bool
began_at:
  description: When the step began.
  returned: always
  type: str
ready:
  description:
    - Host, directory, socket, port, source, backup, target, reached (its last transaction), system_identifier and timeline of the instance.
    - The same is set as the fact C(database_scratch_ready).
  returned: for run
  type: dict
findings:
  description: What was found, each with cause, remedy and alternative.
  returned: always
  type: list
  elements: dict
steps:
  description: The lines of the procedure, with times.
  returned: always
  type: list
  elements: dict
"""

import os
import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database import options, scratch, scratch_check
from ansible.module_utils.recovery.database.errors import RestoreError
from ansible.module_utils.recovery.database.mariadb import engine
from ansible.module_utils.recovery.database.mariadb import scratch as mariadb
from ansible.module_utils.recovery.database.shell import CommandError, Procedure, now
from ansible.module_utils.recovery.database.target import parse
from ansible.module_utils.recovery.findings import OVERRIDE_ARGUMENTS, Finding, refusal_text, settle


def opened(given: dict[str, Any], cluster: scratch.ScratchCluster, names: list[str] | None) -> dict[str, Any]:
    """Return the repositories as this host can read them."""
    if engine.is_mariadb(given["cluster"]):
        return mariadb.repositories(given, names)
    seen = options.seen_from_elsewhere(given["repositories"], given["cluster"], given["production_host"])
    return options.repositories(seen, given["ciphers"], given["cluster"]["stanza"], cluster, names)


def check(module: AnsibleModule, given: dict[str, Any], cluster: scratch.ScratchCluster) -> None:
    """Choose the backup, or refuse."""
    began_at = now()
    earlier = scratch.standing(cluster).get("request", {})
    seed = given["seed"] or earlier.get("seed") or secrets.randbelow(2**31 - 1) + 1
    request = scratch_check.ScratchRequest(
        source=given["source"],
        target=given["target"],
        seed=seed,
        here=given["here"],
        production_host=given["production_host"],
        production_data=given["cluster"]["data_directory"],
        production_address=str(given["cluster"].get("address", "")),
        fresh=given["fresh"],
    )
    wanted = None if given["source"] == "best" else [given["source"]]
    repositories = opened(given, cluster, wanted) if given["here"] != given["production_host"] else {}
    if not repositories and given["here"] != given["production_host"]:
        missing = Finding(
            "no-repository",
            "stop",
            f"The inventory describes no {given['source']} repository for this database.",
            remedy="Describe it in database_repositories, or take another source.",
        )
        module.fail_json(msg=refusal_text([missing]), refused=True, findings=[missing.as_dict()])
    of_engine = mariadb.REHEARSAL if engine.is_mariadb(given["cluster"]) else scratch_check.POSTGRESQL
    plan = scratch_check.plan(cluster, repositories, request, of_engine)
    blocking, overridden = settle(plan.findings, given["override"], given["override_by"])
    target = plan.target
    result = {
        "changed": False,
        "began_at": began_at,
        "findings": [f.as_dict() for f in plan.findings],
        "overridden": overridden,
        "decision": plan.decision,
        "request": request.as_dict(),
        "holdings": plan.holdings or {},
        "target_time": target.time.isoformat() if target and target.time else "",
        "at_manifest": bool(target and target.kind == "backup" and plan.decision.get("restore_point")),
        **plan.procedure.as_dict(),
    }
    if blocking:
        told = given["fresh"] and any(f.code in scratch_check.OF_THE_BACKUP for f in blocking)
        module.fail_json(msg=refusal_text(blocking), refused=not told, **result)
    module.exit_json(**result)


def bring_up(module: AnsibleModule, given: dict[str, Any], cluster: scratch.ScratchCluster) -> None:
    """Restore and start the instance."""
    began_at, decision, request = now(), given["decision"], given["request"]
    earlier = scratch.standing(cluster)
    if module.check_mode:
        module.exit_json(changed=True, began_at=began_at, findings=[], ready={}, steps=[], before={"phase": earlier.get("phase", "")})
    production = {"name": given["cluster"]["name"], "address": given["cluster"].get("address"), "port": given["cluster"].get("port", 5432)}
    cleared = Procedure()
    if earlier and (given["fresh"] or earlier.get("request") != request):
        scratch.remove(cluster, cleared)
    other_engine = engine.is_mariadb(given["cluster"])
    of_engine: Any = mariadb.MariadbScratch if other_engine else scratch.Scratch
    made = of_engine(cluster, decision, request, given["run_id"], production)
    made.procedure.steps, made.procedure.commands = cleared.steps, cleared.commands
    before = {"phase": made.state.get("phase", "")}
    running = before["phase"] == "replayed" and scratch.service_active(cluster.service)
    try:
        repositories = opened(given, cluster, [decision["source"]])
        staged = made.bring_up(
            [repositories[decision["source"]]],
            {} if other_engine else options.tails(given["repositories"]),
            (mariadb.parse if other_engine else parse)(decision["target"]),
            given["jobs"] or os.cpu_count() or 1,
        )
    except (RestoreError, CommandError) as error:
        code, remedy = getattr(error, "code", "restore-failed"), getattr(error, "remedy", "")
        said = (
            str(error)
            .replace(" The old cluster's files have not been touched.", "")
            .replace("; the old cluster's files have not been touched", "")
        )
        finding = Finding(code, "stop", said, remedy=remedy or "Repair the cause and run the same command again.")
        # Not a refusal: that this backup cannot be brought back is what a rehearsal is there to find out.
        module.fail_json(
            msg=refusal_text([finding]), findings=[finding.as_dict()], began_at=began_at, before=before, **made.procedure.as_dict()
        )
        return
    ready = {
        "host": given["here"],
        "name": given["name"],
        "directory": staged.directory,
        "socket": staged.socket,
        "port": staged.port,
        "source": decision["source"],
        "backup": decision["backup"],
        "target": decision["target"],
        "reached": staged.last_commit,
        "system_identifier": staged.system_identifier,
        "timeline": staged.timeline,
        "unit": cluster.service,
        "look": mariadb.look(staged.socket, given["cluster"]["name"])
        if other_engine
        else f"sudo -u postgres psql -h {staged.socket} -p {staged.port} -d {given['cluster']['name']}",
    }
    scratch.remember(cluster, ready | {"run": given["run_id"]})
    told = (
        f"The database stands on {given['here']}, restored from {decision['source']} ({decision['backup']}, {decision['target']}). "
        f"To look at it, there: {ready['look']}   To take it away: recovery run database_release_beside"
    )
    stands = [] if given["fresh"] else [Finding("scratch-stands", "info", told)]
    if not running:
        made.procedure.milestone("system_up", "the database answers beside production")
    module.exit_json(
        changed=not running,
        began_at=began_at,
        before=before,
        after={"phase": "replayed"},
        findings=[finding.as_dict() for finding in stands],
        ready=ready,
        ansible_facts={"database_scratch_ready": ready},
        measured={"bytes_restored": decision["bytes"], "restored_to": staged.last_commit},
        **made.procedure.as_dict(),
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **options.COMMON_ARGUMENTS,
            "verb": {"type": "str", "required": True, "choices": ["check", "run", "release"]},
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "default": "/var/lib/postgresql/scratch"},
            "production_host": {"type": "str", "required": True},
            "here": {"type": "str", "required": True},
            "source": {"type": "str", "choices": ["local", "offsite", "removable", "best"], "default": "best"},
            "target": {"type": "str", "default": "latest"},
            "seed": {"type": "int", "default": 0},
            "fresh": {"type": "bool", "default": False},
            "decision": {"type": "dict", "default": {}},
            "request": {"type": "dict", "default": {}},
            "run_id": {"type": "str", "default": ""},
            "jobs": {"type": "int", "default": 0},
            **OVERRIDE_ARGUMENTS,
        },
        required_if=[("verb", "run", ("decision", "request"))],
        supports_check_mode=True,
    )
    given = module.params
    try:
        cluster = scratch.scratch_cluster(
            given["name"], given["root"], str(given["cluster"]["version"]), int(given["cluster"].get("port", 5432))
        )
    except RestoreError as error:
        finding = Finding(error.code, "stop", str(error))
        module.fail_json(msg=refusal_text([finding]), refused=True, findings=[finding.as_dict()])
        return
    if given["verb"] == "check":
        check(module, given, cluster)
    elif given["verb"] == "run":
        bring_up(module, given, cluster)
    else:
        procedure, there = Procedure(), bool(scratch.standing(cluster)) or cluster.home.exists()
        if there and not module.check_mode:
            scratch.remove(cluster, procedure)
        module.exit_json(changed=there, began_at=now(), findings=[], before={"there": there}, **procedure.as_dict())


if __name__ == "__main__":
    main()
