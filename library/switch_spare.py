#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Would the spare switches do, tonight?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch_spare
short_description: Look at every spare switch and rehearse on it what it stands in for, changing nothing
version_added: "0.1.0"
description:
  - Each spare has to be the box that the inventory names, powered, answering with the host key on file, out of use, with a custodian
    and a place on record, its software not older than that of the switches it stands in for.
  - For each of these switches the archived configuration is carried over with a port map (ports by speed, media, power and role), the
    optics and the power over Ethernet that it needs are looked for, and it is written for the spare. Where the platform keeps changes
    back until a commit, the spare itself reads every line, and it is then given up.
  - Nothing is changed on any switch. Clauses ORG-7 and BKP-6 of the plan.
extends_documentation_fragment: [network, overriding]
options:
  spares:
    description:
      - The spares by name, each with C(stands_in_for) (names of switches), C(custodian), C(place) and C(serial).
      - Custodian and place may be said in several languages, as C({zh, en}).
    type: dict
    required: true
  archive:
    description: The archive of the switches' configurations.
    type: path
    required: true
  vault_password_file:
    description: What holds the vault's password, or prints it if it is a program.
    type: path
    required: true
  compatible:
    description: Models that are declared to stand in for a model, by model.
    type: dict
    default: {}
  plant:
    description: The hospital's record of its wire, which says what ports have a cable; empty takes those that had link when archived.
    type: path
    default: ""
attributes:
  check_mode:
    support: full
    description: The module never changes anything.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: See whether the spares would do
  switch_spare:
    switches: "{{ groups['switches'] | map('extract', hostvars, 'network_switch') | list }}"
    spares: {core-s: {stands_in_for: [core-a], custodian: duty administrator, place: "core room, shelf 2"}}
    archive: archive
    vault_password_file: bin/vault-password
"""

RETURN = r"""
spares:
  description: What came of each spare (facts, and of each switch it stands in for how many lines it would be given), by name.
  returned: always
  type: dict
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
verdict:
  description: PASS if every spare would do, else FAIL with a reason.
  returned: always
  type: str
measured:
  description: How many spares were looked at, for how many switches, and what goes into the history of drills.
  returned: always
  type: dict
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.findings import OVERRIDE_ARGUMENTS, Finding, settle
    from recovery.network.answers import SwitchError
    from recovery.network.archive import Archive
    from recovery.network.failover import at, cables_of
    from recovery.network.fetch import each
    from recovery.network.options import SWITCHES, devices
    from recovery.network.plant import PlantError, load
    from recovery.network.spare import Around, Box, Examined, examine, reason
    from recovery.network.vault import Vault, VaultError

    MISSING = ""
except ImportError as error:
    MISSING, SWITCHES, OVERRIDE_ARGUMENTS = str(error), {}, {}


def cabled(plant: str, names: Any) -> dict[str, list[str]]:
    """Return the ports of each switch that have a cable, by the record of the wire."""
    if not plant:
        return {}
    cables = cables_of(load(Path(plant)))
    return {name: [cable.near(name)[1] for cable in at(cables, name)] for name in names}


def look(given: dict[str, Any]) -> dict[str, Any]:
    """Examine every spare at once."""
    began = time.monotonic()
    known = {device.name: device for device in devices(given["switches"])}
    strangers = sorted(set(given["spares"]) - set(known))
    if strangers or not given["spares"]:
        raise SwitchError(f"These spares are no switches of the inventory: {', '.join(strangers) or 'there is none at all'}.")
    archive = Archive(Path(given["archive"]), Vault(Path(given["vault_password_file"])))
    around = Around(known, archive, given["compatible"], cabled(given["plant"], known))
    boxes = {name: Box.of(told or {}) for name, told in given["spares"].items()}
    results = each([known[name] for name in boxes], lambda device: examine(device, boxes[device.name], around))
    examined = [one for one in results.values() if isinstance(one, Examined)]
    findings: list[Finding] = [finding for one in examined for finding in one.findings]
    findings += [one.finding() for one in results.values() if isinstance(one, SwitchError)]
    blocking, overridden = settle(findings, given["override"], given["override_by"])
    rehearsed = [rehearsal for one in examined for rehearsal in one.rehearsals]
    figures = {"spares": len(boxes), "stand_in_for": len(rehearsed), "lines": sum(one.lines for one in rehearsed), "stops": len(blocking)}
    return {
        "changed": False,
        "spares": {one.name: {**one.facts, "rehearsals": [asdict(each_) for each_ in one.rehearsals]} for one in examined},
        "findings": [finding.as_dict() for finding in findings],
        "overridden": overridden,
        "verdict": "FAIL" if blocking else "PASS",
        "reason": reason(examined, blocking),
        "measured": {**figures, "took_s": round(time.monotonic() - began, 2), "drill": {"figures": figures}},
    }


def main() -> None:
    """Examine and answer in the shape of every module."""
    module = AnsibleModule(
        argument_spec={
            "spares": {"type": "dict", "required": True},
            "archive": {"type": "path", "required": True},
            "vault_password_file": {"type": "path", "required": True, "no_log": False},
            "compatible": {"type": "dict", "default": {}},
            "plant": {"type": "path", "default": ""},
            **SWITCHES,
            **OVERRIDE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    try:
        result = look(module.params)
    except (SwitchError, VaultError, PlantError) as error:
        module.fail_json(msg=str(error), changed=False)
        return
    if result["verdict"] == "FAIL":
        module.fail_json(msg=result["reason"], **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
