#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Is every spare strand good for the night in which it is needed?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: fibre_check
short_description: Measure every strand of the record, judge it against its budget, and propose the figures to the record
version_added: "0.1.0"
description:
  - V(look) reads the light of every pair that joins two open ports, all switches at once, and says which pairs people have to measure,
    since a spare strand is dark by nature.
  - V(judge) takes what people noted, judges every strand in both directions against its loss budget and against its last test, and tells
    segments without a spare and temporary cables whose permanent repair is overdue.
  - V(propose) proposes the measured figures to the record, as a commit on a branch of its own. A broken pair that was measured and is good
    again is proposed as a spare.
  - Changes no switch. Clauses RCV-2 and RCV-9 of the plan.
extends_documentation_fragment: network
options:
  verb:
    description: The step.
    type: str
    choices: [look, judge, propose]
    required: true
  plant:
    description: The directory of the record of the wire.
    type: path
    required: true
  pairs:
    description: Only these pairs, broken ones too; without it all that are not broken.
    type: list
    elements: str
    default: []
  sample_s:
    description: Damaged frames are counted for so many seconds.
    type: float
    default: 1
  looked:
    description: What V(look) returned as C(ends); for V(judge) and V(propose).
    type: dict
    default: {}
  answers:
    description: The results of the people's steps, from the loop over C(people); for V(judge) and V(propose).
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    support: full
    description: Looks and judges; proposes nothing. What people would have to measure is not judged.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: See which strands can be read from the switches
  fibre_check:
    verb: look
    switches: "{{ fibre_check_switches }}"
    plant: "{{ plant_directory }}"
  register: looked
"""

RETURN = r"""
ends:
  description: What every port of a pair shows.
  returned: with verb look
  type: dict
steps:
  description: What was done, as sentences with times.
  returned: always
  type: list
  elements: dict
people:
  description: The pairs that people have to measure; instruction in zh and en, who, action.
  returned: with verb look
  type: list
  elements: dict
after:
  description: Every pair with what was measured; with V(propose) branch and commit.
  returned: with verbs judge and propose
  type: dict
verdict:
  description: PASS if every strand that was looked at may be relied upon, else FAIL; COULD-NOT-VERIFY where one was not measured.
  returned: with verb judge
  type: str
measured:
  description: How many pairs were read from switches, measured by people, and are good.
  returned: with verb judge
  type: dict
"""

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.database.shell import Procedure
    from recovery.findings import Finding
    from recovery.network import fibre_look, fibre_record, fibre_survey
    from recovery.network.answers import SwitchError
    from recovery.network.fibre_judge import End
    from recovery.network.options import SWITCHES, devices
    from recovery.network.plant import Plant, PlantError, load, switch_of
    from recovery.network.proposal import ProposalError

    MISSING = ""
except ImportError as error:
    MISSING, SWITCHES = str(error), {}


def look(given: dict[str, Any], plant: Any, pairs: list[Any], procedure: Any) -> dict[str, Any]:
    """Read what can be read from the switches."""
    known = {device.name: device for device in devices(given["switches"])}
    wanted = list(dict.fromkeys(switch_of(end) for pair in pairs for end in pair.ends))
    with procedure.step(f"Read light and counters of {len(wanted)} switches"):
        seen = fibre_look.look([known[name] for name in wanted if name in known], given["sample_s"])
    ends = {end: fibre_look.end(end, seen.get(switch_of(end)), known) for pair in pairs for end in pair.ends}
    dark = [pair for pair in pairs if not fibre_survey.lit(pair, ends) and (pair.state != "in-use" or given["pairs"])]
    silent = [found.finding("warning").as_dict() for found in seen.values() if isinstance(found, SwitchError)]
    return {
        "changed": False,
        "ends": {name: end.as_dict() for name, end in ends.items()},
        "people": fibre_survey.steps(plant, dark),
        "findings": silent,
    }


def noted(answers: list[dict[str, Any]]) -> dict[str, str]:
    """Return what people noted of each pair, as the evidence of their step or as its note."""
    found = {}
    for answer in answers:
        said = answer.get("after") or {}
        found[str(answer["item"]["pair"])] = str(said.get("evidence") or said.get("note") or "")
    return found


def survey(given: dict[str, Any], plant: Any, pairs: list[Any], today: Any, asked_people: bool) -> list[Any]:
    """Judge every pair, by the switches or by what people noted."""
    ends = {name: End(**told) for name, told in given["looked"].items()}
    readings = noted(given["answers"]) if asked_people else {}
    found = []
    for pair in pairs:
        if pair.name in readings:
            found.append(fibre_survey.from_people(plant, pair, readings[pair.name], today))
        elif fibre_survey.lit(pair, ends) or pair.state == "in-use":
            a, b = (ends.get(end) or End(end, answered=False) for end in pair.ends)
            found.append(fibre_survey.from_switches(plant, pair, a, b, today))
        elif asked_people:
            found.append(fibre_survey.from_people(plant, pair, "", today))
    return found


def judge(plant: Any, surveyed: list[Any], today: Any) -> dict[str, Any]:
    """Say which strands may be relied upon."""
    findings = [finding for one in surveyed for finding in one.findings] + fibre_survey.standing(plant, today)
    bad = [finding for finding in findings if finding.severity == "stop"]
    unmeasured = [finding for finding in bad if finding.code in ("not-measured", "spare-untested", "in-use-unproven")]
    verdict = "PASS" if not bad else "COULD-NOT-VERIFY" if len(unmeasured) == len(bad) else "FAIL"
    return {
        "changed": False,
        "verdict": verdict,
        "reason": " ".join(finding.message for finding in bad) or f"All {len(surveyed)} pairs carry light both ways within their budget.",
        "after": {"pairs": [one.as_dict() for one in surveyed]},
        "findings": [finding.as_dict() for finding in findings],
        "measured": {
            "pairs": len(surveyed),
            "pairs_good": sum(1 for one in surveyed if one.good),
            "measured_by_people": sum(1 for one in surveyed if one.by == "people"),
        },
    }


def propose(given: dict[str, Any], pairs: list[Any], surveyed: list[Any], today: Any) -> dict[str, Any]:
    """Propose the figures to the record."""
    changed = [pair for pair in fibre_survey.updated(pairs, surveyed, today) if pair not in pairs]
    if not changed:
        return {"changed": False, "msg": "The record says what was measured."}
    incident, run = Path(os.environ.get("RECOVERY_INCIDENT_DIR", "")).name, os.environ.get("RECOVERY_RUN", "by-hand")
    subject = f"Fibre measured: {len(changed)} pairs"
    body = f"Incident {incident}, run {run}.\n"
    proposal = fibre_record.propose_pairs(Path(given["plant"]), run, changed, [], subject, body)
    return {
        "changed": True,
        "after": {"branch": proposal.branch, "commit": proposal.commit},
        "diff": [{"prepared": proposal.diff, "artefact": "fibres.diff"}],
        "findings": [fibre_record.to_merge(proposal, Path(given["plant"])).as_dict()],
    }


def work(given: dict[str, Any], rehearsal: bool) -> dict[str, Any]:
    """Do one verb."""
    procedure, today = Procedure(), datetime.now(timezone.utc).date()
    plant: Plant = load(Path(given["plant"]))
    pairs, against = fibre_survey.asked(plant, given["pairs"])
    if against:
        return {"failed": True, "msg": against[0].message, "refused": True, "findings": [one.as_dict() for one in against]}
    if given["verb"] == "look":
        return {**look(given, plant, pairs, procedure), **procedure.as_dict()}
    surveyed = survey(given, plant, pairs, today, not rehearsal)
    if given["verb"] == "judge":
        return judge(plant, surveyed, today)
    if rehearsal:
        return {"changed": True, "msg": f"A real run would propose the figures of {len(surveyed)} pairs."}
    return propose(given, pairs, surveyed, today)


def main() -> None:
    """Run the verb and answer in the shape of every module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": ["look", "judge", "propose"], "required": True},
            "plant": {"type": "path", "required": True},
            "pairs": {"type": "list", "elements": "str", "default": []},
            "sample_s": {"type": "float", "default": 1},
            "looked": {"type": "dict", "default": {}},
            "answers": {"type": "list", "elements": "dict", "default": []},
            **SWITCHES,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    try:
        result = work(module.params, module.check_mode)
    except PlantError as error:
        finding = Finding("record-contradicts-itself", "stop", f"The record of the wire cannot be true: {error}", "", "Correct it.")
        module.fail_json(msg=finding.message, changed=False, refused=True, findings=[finding.as_dict()])
        return
    except (SwitchError, ProposalError) as error:
        module.fail_json(msg=str(error), changed=False)
        return
    if result.get("failed") or result.get("verdict") == "FAIL":
        module.fail_json(**{"msg": result.get("reason", ""), **result})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
