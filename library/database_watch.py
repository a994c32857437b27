#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The daily watch over a database: look at it, and judge what was seen against bounds and history."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_watch
short_description: Look at a PostgreSQL database as an administrator does every morning, and say what was found
version_added: "0.1.0"
description:
  - V(recall) reads, on the control node, what the last check saw. V(look) reads state, space, log, archive queue and followers on the
    database host and changes nothing there. V(judge) compares that with the bounds and with earlier checks, in sentences, and adds the
    look to the history on the control node, a plain file.
  - Backups are examined by M(database_backup), the restore test by C(recovery drill due), whose words V(judge) takes in.
  - Clause BKP-3 of the plan.
options:
  verb:
    description: What to do.
    type: str
    required: true
    choices: [recall, look, judge]
  cluster:
    description: The database cluster, as the inventory's C(database_cluster) describes it.
    type: dict
    default: {}
  log:
    description: The server's log file.
    type: path
    default: ""
  places:
    description: Directories whose space matters, by name.
    type: dict
    default: {}
  seen:
    description: The log's position at the last check, as V(recall) returned it.
    type: dict
    default: {}
  found:
    description: What V(look) returned.
    type: dict
    default: {}
  limits:
    description: The bounds, as the inventory's C(database_check_limits).
    type: dict
    default: {}
  drills:
    description: The lines of C(recovery drill due).
    type: list
    elements: str
    default: []
  history:
    description: The file of earlier checks on the control node.
    type: path
    default: ""
attributes:
  check_mode:
    support: full
    description: The database host is never changed; in check mode the history is not written either.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Look at the database
  database_watch:
    verb: look
    cluster: "{{ database_cluster }}"
    log: /var/log/postgresql/postgresql-15-main.log
    places: {data: /var/lib/postgresql}
"""

RETURN = r"""
found:
  description: Everything that was seen, in figures and lines.
  returned: with verb look
  type: dict
seen:
  description: The log's position at the last check.
  returned: with verb recall
  type: dict
findings:
  description: What is wrong, graded info, warning or stop, each with cause and remedy.
  returned: with verb judge
  type: list
  elements: dict
verdict:
  description: PASS without a finding of the grade stop, else FAIL.
  returned: with verb judge
  type: str
measured:
  description: The figures of the look, and C(days_until_full) of each place where it can be said.
  returned: with verb judge
  type: dict
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database import watch, watch_judge
from ansible.module_utils.recovery.database.shell import Procedure


def recall(given: dict[str, Any]) -> dict[str, Any]:
    """Return what the last check saw of the log."""
    looks = watch_judge.recall(Path(given["history"]))
    return {"changed": False, "seen": looks[-1]["found"].get("log", {}) if looks else {}, "checks_before": len(looks)}


def look(given: dict[str, Any]) -> dict[str, Any]:
    """Look at the database host."""
    cluster = given["cluster"]
    subject = watch.Subject(cluster["name"], cluster["service"], int(cluster["port"]), log=given["log"], places=given["places"])
    procedure = Procedure()
    with procedure.step("Look at state, space, log, archive queue and followers"):
        found = watch.look(subject, given["seen"])
    return {"changed": False, "found": found, **procedure.as_dict()}


def judge(given: dict[str, Any], rehearsal: bool) -> dict[str, Any]:
    """Judge the look, and remember it."""
    history, at = Path(given["history"]), time.time()
    before, found = watch_judge.recall(history), given["found"]
    findings = [*watch_judge.judge(found, before, given["limits"], at), *watch_judge.drill_findings(given["drills"])]
    if not rehearsal:
        watch_judge.remember(history, found, at)
    days = {name: watch_judge.full_in_days(name, place, before, at) for name, place in found.get("space", {}).items()}
    stops = [finding.message for finding in findings if finding.severity == "stop"]
    warnings = sum(finding.severity == "warning" for finding in findings)
    measured = {"days_until_full": {name: round(each) for name, each in days.items() if each is not None}, "warnings": warnings}
    reason = "\n".join(stops) or f"Nothing that must be done at once; {warnings} warnings. Checks before this one: {len(before)}."
    return {
        "changed": False,
        "findings": [finding.as_dict() for finding in findings],
        "verdict": "FAIL" if stops else "PASS",
        "reason": reason,
        "measured": measured,
    }


def main() -> None:
    """Carry out the verb and answer in the shape of every module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "required": True, "choices": ["recall", "look", "judge"]},
            "cluster": {"type": "dict", "default": {}},
            "log": {"type": "path", "default": ""},
            "places": {"type": "dict", "default": {}},
            "seen": {"type": "dict", "default": {}},
            "found": {"type": "dict", "default": {}},
            "limits": {"type": "dict", "default": {}},
            "drills": {"type": "list", "elements": "str", "default": []},
            "history": {"type": "path", "default": ""},
        },
        required_if=[("verb", "look", ("cluster",)), ("verb", "judge", ("found", "limits", "history")), ("verb", "recall", ("history",))],
        supports_check_mode=True,
    )
    given = module.params
    if given["verb"] == "judge":
        result = judge(given, module.check_mode)
        if result["verdict"] == "FAIL":
            module.fail_json(msg=result["reason"], **result)
        module.exit_json(**result)
    module.exit_json(**(recall if given["verb"] == "recall" else look)(given))


if __name__ == "__main__":
    main()
