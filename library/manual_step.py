#!/usr/bin/python
"""Documentation of the action plugin manual_step, which runs on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: manual_step
short_description: Ask people to do something, wait for it, and check the claim where a machine can see it
version_added: "0.1.0"
description:
  - A step of a person is a step like any other. It has an instruction, somebody who does it, a time, evidence, and it counts in the RTO.
  - The instruction is shown in the language of the variable C(language), V(zh) or V(en).
  - It is answered at the terminal of the run, by C(recovery confirm) at any other terminal, or by whoever writes C(answer.json) beside
    C(manual_steps/N/step.json) in the incident directory.
  - With O(claim), a machine looks whether it is so. If it holds already, nobody is asked. If it does not hold after an answer, the
    person is told why and asked again, until it holds or O(timeout_s) has passed.
  - With O(steps), several people work beside one another, each doing one step after another in the order of the list. A claim that is
    being looked at keeps only its own person waiting. If one step is not done, what was asked beside it is withdrawn.
options:
  name:
    description: The step as a sentence, for the journal and the report. This and the next three, or O(steps).
    type: str
  instruction_zh:
    description: What to do, in Chinese.
    type: str
  instruction_en:
    description: What to do, in English.
    type: str
  who:
    description: Who does it, as a role.
    type: str
  clause:
    description: Clause of the plan, where it differs from the play's.
    type: str
    default: ""
  evidence:
    description: What the person is asked to note.
    type: str
    default: ""
  action:
    description: The same instruction for machines, for example C({verb, from, to}). The lab's hands carry it out.
    type: dict
    default: {}
  steps:
    description: Several steps instead of one; O(claim), O(look_first) and O(timeout_s) are those of each of them.
    type: list
    elements: dict
    suboptions:
      name:
        description: As above.
        type: str
        required: true
      instruction_zh:
        description: As above.
        type: str
        required: true
      instruction_en:
        description: As above.
        type: str
        required: true
      who:
        description: As above. Steps of the same role are done one after another.
        type: str
        required: true
      clause:
        description: As above.
        type: str
        default: ""
      evidence:
        description: As above.
        type: str
        default: ""
      action:
        description: As above.
        type: dict
        default: {}
      claim_args:
        description: What is added to the arguments of O(claim) for this step.
        type: dict
        default: {}
  claim:
    description: How a machine sees whether the step was done. The module runs on the host of the task (see C(delegate_to)).
    type: dict
    suboptions:
      module:
        description: Name of a module that changes nothing.
        type: str
        required: true
      args:
        description: Its arguments.
        type: dict
        default: {}
      expect:
        description: >-
          Keys of its result (dotted for nested ones) and the values they must have. Without it the module must succeed, with C(rc) 0 and
          with a C(verdict) of C(PASS) where it returns these.
        type: dict
        default: {}
      vars:
        description: Variables for this module only.
        type: dict
        default: {}
  look_first:
    description: >-
      Look at the claim before anybody is asked, and ask nobody where it holds. V(false) where it is known not to hold; the claim is
      checked after every answer all the same.
    type: bool
    default: true
  timeout_s:
    description: Seconds until the step is refused if it is not done. The figure comes from the plan or the inventory.
    type: float
    required: true
attributes:
  check_mode:
    description: Looks at the claim and says who would be asked for what; asks nobody.
    support: full
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Replace the damaged fibre by the spare one
  manual_step:
    name: The spare fibre carries the light
    who: network administrator on duty
    instruction_zh: 将备用光纤 F2 插入 core-s 的 GE0/0/24 端口
    instruction_en: Plug the spare fibre F2 into port GE0/0/24 of core-s
    evidence: number on the fibre's label
    action: {verb: plug, cable: F2, to: core-s GE0/0/24}
    timeout_s: "{{ manual_step_timeout_s }}"
    claim:
      module: ansible.builtin.command
      args: {argv: [cat, /sys/class/net/fibre2/carrier]}
      expect: {stdout: "1"}

- name: Have two cables moved by two people at a time
  manual_step:
    timeout_s: "{{ manual_step_timeout_s }}"
    steps:
      - name: acc-2-e1 sits in 10GE1/0/43
        who: network administrator
        instruction_zh: 把线缆 acc-2-e1 插入 core-s 的 10GE1/0/43
        instruction_en: Plug acc-2-e1 into 10GE1/0/43 of core-s
        claim_args: {port: 10GE1/0/43}
      - name: acc-3-e1 sits in 10GE1/0/44
        who: duty administrator
        instruction_zh: 把线缆 acc-3-e1 插入 core-s 的 10GE1/0/44
        instruction_en: Plug acc-3-e1 into 10GE1/0/44 of core-s
        claim_args: {port: 10GE1/0/44}
    claim:
      module: port_link
"""

RETURN = r"""
changed:
  description: True if a person did something; false if the claim held already.
  returned: always
  type: bool
before:
  description: Whether the claim held, and why not.
  returned: with a claim
  type: dict
after:
  description: What the person answered, and after how many attempts the claim held; with O(steps) by the step's name.
  returned: when done
  type: dict
steps:
  description: Each instruction with the time it took, as a line of the procedure.
  returned: when done
  type: list
  elements: dict
refused:
  description: True together with C(failed).
  returned: when not done
  type: bool
findings:
  description: Why it was not done. Codes are C(manual-step-timeout) and C(manual-step-impossible).
  returned: when not done
  type: list
  elements: dict
"""
