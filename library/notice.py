#!/usr/bin/python
"""Documentation of the action plugin notice, which runs on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: notice
short_description: Tell the departments, keep what they were told as evidence, and know who was reached
version_added: "0.2.0"
description:
  - Writes the notice into the incident's artefacts, then sends it through every channel at the same time.
  - An audience is told when one of its channels has taken the notice. What a service answers is read, since several answer HTTP 200
    to what they refuse. A board (a file) is read back.
  - Not reaching somebody never fails a recovery. It is a finding that names whom to call.
  - Runs on the control node.
options:
  title:
    description: The notice in one line.
    type: str
    required: true
  body:
    description: The rest of it.
    type: str
    required: true
  channels:
    description:
      - Each with C(name), C(audience) with C(zh) and C(en), and either C(url), as apprise writes it, or C(file), a board.
      - Addresses may hold tokens; they are never shown or journalled.
    type: list
    elements: dict
    default: []
  milestone:
    description: What is reached once every audience was told.
    type: str
    default: ""
  language:
    description: In which language the notice is written.
    type: str
    choices: [zh, en]
    default: zh
  via:
    description: Words put before the sender's command, where the channels are reached from another network.
    type: list
    elements: str
    default: []
  timeout_s:
    description: How long a channel may take, in seconds.
    type: float
    default: 15
attributes:
  check_mode:
    description: Says who would be told, and tells nobody.
    support: full
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Tell the wards that work may resume
  notice:
    title: The hospital information system works again
    body: Enter again from paper what was done between 03:10 and 03:25.
    milestone: users_told
    channels:
      - {name: ward-board, audience: {zh: 病区, en: wards}, url: "json://10.20.20.21:8087/notices"}
"""

RETURN = r"""
changed:
  description: Whether somebody was told.
  returned: always
  type: bool
after:
  description: C(channels), each with C(name), C(delivered) and what it C(said).
  returned: when the notice was sent
  type: dict
milestones:
  description: The milestone with its time.
  returned: when every audience was told
  type: list
  elements: dict
findings:
  description: Whom to call. Codes are C(departments-not-told), C(no-notice-channel), C(notice-channels-misdescribed).
  returned: when an audience was not told
  type: list
  elements: dict
"""
