#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""A segment of the backbone moves from one pair of strands and ports to another, at both ends at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fibre_move
short_description: Move a segment to other strands and ports at both ends at once, with a way back, and prove it
version_added: "0.1.0"
description:
  - V(keep) sees that both switches still are what the plan was made for. V(light) opens the new ports, which carry nothing yet.
  - V(move) shuts the old ports at both ends, then lets the new ones carry all that the old ones did, both ends at a time, so that there
    is no loop at any moment. Every answer is checked; if one end does not take a line, both are put back.
  - V(patched) says whether the right cord is in the right ports, by light, what is lost, link and neighbours, and names the right one
    where it is not. It is the claim of a person's step and changes nothing.
  - V(watch) watches both ends for a while. V(verify) holds both switches against what they carried before, as sets. V(users) says how long
    those behind the segment were without service, and whether anybody else was interrupted.
  - V(save) saves at both ends, only after V(verify) passed. V(release) proposes the changed record as a commit on a branch of its own.
  - V(back) puts both ends back to what they were before.
  - Clauses RCV-2 and RCV-9 of the plan.
extends_documentation_fragment: network
options:
  verb:
    description: What to do.
    type: str
    choices: [keep, light, move, patched, watch, verify, users, save, release, back]
    required: true
  decision:
    description: The plan of action, as M(fibre_plan) returned it and people approved it.
    type: dict
    required: true
  plant:
    description: The directory of the record of the wire.
    type: path
    required: true
  patience_s:
    description: How long V(patched) and V(verify) wait for what takes time to be seen. Seconds.
    type: float
    default: 0
  seconds:
    description: How long V(watch) watches. Seconds.
    type: float
    default: 0
  seen:
    description: With V(users), what M(client_log) read at each workstation.
    type: list
    elements: dict
    default: []
  loss_db:
    description: With V(release), what was measured from side a to side b and back, for the record.
    type: list
    elements: raw
    default: []
attributes:
  check_mode:
    support: full
    description: Says what would be sent; looks, but changes nothing.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Let the new strand carry what the old one carried
  fibre_move:
    verb: move
    switches: "{{ fibre_swap_switches }}"
    plant: "{{ plant_directory }}"
    decision: "{{ planned.decision }}"
"""

RETURN = r"""
verdict:
  description: PASS or FAIL.
  returned: with verbs patched, watch, verify and users
  type: str
reason:
  description: What the verdict rests on; with V(patched) the wrong port and the right one.
  returned: with a verdict
  type: str
after:
  description: What was seen at both ends; with V(release) the branch and the commit.
  returned: when something was looked at
  type: dict
measured:
  description: C(reconfigured_s), C(watched_s), C(loss_db) both ways.
  returned: when something was measured
  type: dict
refused:
  description: True if nothing is different from before.
  returned: on failure
  type: bool
"""

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.database.shell import Procedure
    from recovery.findings import Finding
    from recovery.frame.project import incidents_root
    from recovery.network import fibre_run
    from recovery.network.answers import SwitchError
    from recovery.network.fibre_driver import MoveError
    from recovery.network.options import SWITCHES, devices
    from recovery.network.plant import PlantError
    from recovery.network.proposal import ProposalError

    MISSING = ""
except ImportError as error:
    MISSING, SWITCHES = str(error), {}

VERBS = ["keep", "light", "move", "patched", "watch", "verify", "users", "save", "release", "back"]
LOOKING = ("patched",)


def act(given: dict[str, Any], work: Any) -> dict[str, Any]:
    """Do one verb."""
    verb = given["verb"]
    if verb == "patched":
        return dict(fibre_run.patched(work, given["patience_s"]))
    if verb == "watch":
        return dict(fibre_run.watch(work, given["seconds"]))
    if verb == "users":
        return dict(fibre_run.users(work, given["seen"]))
    if verb == "verify":
        return dict(fibre_run.verify(work, given["patience_s"]))
    if verb == "release":
        measured = [None if one in (None, "") else float(one) for one in given["loss_db"]]
        return dict(fibre_run.release(work, measured, datetime.now(timezone.utc).date()))
    return dict(getattr(fibre_run, verb)(work))


def rehearse(given: dict[str, Any]) -> dict[str, Any]:
    """Say what a real run would send."""
    phases = {"light": ["light"], "move": ["close", "carry"]}.get(given["verb"], [])
    lines = given["decision"].get("lines") or {}
    told = [f"{switch}: {line}" for phase in phases for switch in lines for line in lines[switch].get(phase) or ()]
    return {"changed": bool(told), "commands": told, "msg": "A real run would do this."}


def main() -> None:
    """Run the verb and answer in the shape of every module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": VERBS, "required": True},
            "decision": {"type": "dict", "required": True},
            "plant": {"type": "path", "required": True},
            "patience_s": {"type": "float", "default": 0},
            "seconds": {"type": "float", "default": 0},
            "seen": {"type": "list", "elements": "dict", "default": []},
            "loss_db": {"type": "list", "elements": "raw", "default": []},
            **SWITCHES,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    given = module.params
    if module.check_mode and given["verb"] not in LOOKING:
        module.exit_json(**rehearse(given))
    procedure = Procedure()
    try:
        work = fibre_run.Work(
            plant=Path(given["plant"]),
            devices={device.name: device for device in devices(given["switches"])},
            decision=given["decision"],
            incidents=incidents_root(),
            run=os.environ.get("RECOVERY_RUN", "by-hand"),
            incident=Path(os.environ.get("RECOVERY_INCIDENT_DIR", "")).name,
            procedure=procedure,
        )
        result = act(given, work)
    except MoveError as error:
        finding = Finding(error.code, "stop", str(error), "", "Look at both switches, then run the same command again: it goes on.")
        result = {"changed": not error.restored, "refused": error.restored, "findings": [finding.as_dict()]}
        module.fail_json(msg=str(error), **result, **procedure.as_dict())
        return
    except SwitchError as error:
        refused = given["verb"] == "keep"
        module.fail_json(msg=error.message, changed=False, refused=refused, findings=[error.finding().as_dict()], **procedure.as_dict())
        return
    except (PlantError, ProposalError, ValueError) as error:
        module.fail_json(msg=str(error), changed=False, **procedure.as_dict())
        return
    if result.get("verdict") == "FAIL":
        module.fail_json(msg=result["reason"], **result, **procedure.as_dict())
    module.exit_json(**{"findings": [], **result}, **procedure.as_dict())


if __name__ == "__main__":
    main()
