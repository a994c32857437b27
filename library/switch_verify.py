#!/usr/bin/python
"""Documentation of the action plugin switch_verify, which runs on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch_verify
short_description: See where a moved cable sits, and hold what the spare carries against what the failed switch carried
version_added: "0.1.0"
description:
  - V(cable) looks whether one cable of the plan sits where it belongs, by link, by LLDP and by the addresses that were learned there. A
    wrong port is named with its right one, and so is the cable that sits in its place.
  - V(service) compares sets with the archive. VLANs, trunks, aggregates, root of the spanning tree, neighbours, addresses per VLAN,
    light at both ends; error counters must stand still; workstations that do not depend on the switch must not have been refused. Its
    verdict counts.
  - It changes no switch. It runs on the control node, inside the run, so that a claim that is checked for every cable costs
    one session at the spare and no more. Clauses RCV-3 and RCV-6 of the plan.
extends_documentation_fragment: [network, failover]
options:
  verb:
    description: What is looked at.
    type: str
    choices: [cable, service]
    required: true
  number:
    description: The number of the cable in the plan, with V(cable).
    type: int
    default: 0
  patience_s:
    description: How long V(cable) waits for the port's link, and V(service) for what is still missing. Seconds.
    type: float
    default: 10
  hear_s:
    description: >-
      How long V(cable) waits for a host behind a port with link to be heard. It may have nobody to speak to before all cables are moved,
      when all of them are looked at again. Seconds.
    type: float
    default: 10
  pause_s:
    description: The time between two readings of the error counters, with V(service). Seconds.
    type: float
    default: 5
  extend_s:
    description: Set the control node's timer anew for so many seconds, since somebody still works. 0 leaves it.
    type: float
    default: 0
  since:
    description: When the recovery began; gaps in service are counted from before it.
    type: str
    default: ""
  client_summaries:
    description: What M(client_log) returned for each workstation.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    support: full
    description: Nothing was moved, so there is nothing to prove.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: See where the cable sits
  switch_verify:
    verb: cable
    number: 3
    failed: core-a
    switches: "{{ switch_failover_switches }}"
    plant: inventories/lab/plant
    archive: archive
    vault_password_file: bin/vault-password
    incidents: incidents
"""

RETURN = r"""
verdict:
  description: PASS or FAIL.
  returned: always but in check mode
  type: str
reason:
  description: What was seen, or what is not as it was.
  returned: always
  type: str
deviations:
  description: Everything that is not as it was, with aspect, key, before, after, and whether it breaks the proof.
  returned: with verb service
  type: list
  elements: dict
measured:
  description: How much of each set is there again, and the gap in service at each workstation.
  returned: with verb service
  type: dict
milestones:
  description: C(fault), the first failure that a user saw.
  returned: with verb service
  type: list
  elements: dict
"""
