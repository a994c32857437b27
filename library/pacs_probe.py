#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Does the picture archive work for the person at this workstation: find a patient by name, fetch the images, compare them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pacs_probe
short_description: Find and fetch images at a workstation, and compare them with what was sent
version_added: "0.1.0"
description:
  - Asks the archive for a sign of life (C-ECHO), finds patients by name (C-FIND), fetches their images (C-GET) and compares the checksum of
    each with the one that the workstation wrote down when it stored the image. Success is the milestone C(service_proven).
  - Uses dcmtk's programs. findscu exits 0 when it is refused, so only answers count. Nothing is stored or changed.
  - Clauses RCV-1 and RCV-5 of the plan.
options:
  address:
    description: Where the archive answers.
    type: str
    required: true
  port:
    description: Its DICOM port.
    type: int
    required: true
  called:
    description: The archive's application entity title.
    type: str
    required: true
  calling:
    description: The title under which the archive knows this workstation.
    type: str
    required: true
  log:
    description: The client's log of what was acknowledged, one JSON object a line with C(uid), C(study), C(sha256), C(done), C(ok).
    type: path
    required: true
  until:
    description: Only images acknowledged before this time (ISO 8601, UTC) must be there; all without it.
    type: str
    default: ""
  sample:
    description: How many studies are found and fetched, the newest first.
    type: int
    default: 3
  patience_s:
    description: Wait so many seconds for the sign of life; an archive that has just started may need some.
    type: int
    default: 20
attributes:
  check_mode:
    support: full
    description: In check mode the archive is not asked, and nothing is said about it; the log is read.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Look at images on the ward
  pacs_probe:
    address: 10.20.10.15
    port: 104
    called: PACS
    calling: WARD-1
    log: /var/log/pacs-client/acknowledged.jsonl
"""

RETURN = r"""
verdict:
  description: PASS, FAIL, or COULD-NOT-VERIFY where there is nothing to compare with.
  returned: when the archive was asked
  type: str
reason:
  description: What was found.
  returned: when the archive was asked
  type: str
seen:
  description: From the log, every acknowledged image (C(acknowledged)) and the first failure of the present trouble (C(failed_first)).
  returned: always
  type: dict
measured:
  description: How many images were fetched and compared, and how many patients were found by name.
  returned: when the archive was asked
  type: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database.shell import Procedure, now
from ansible.module_utils.recovery.pacs import dicom


def promises(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the archive has acknowledged to this workstation, and when the newest stretch of failures began."""
    acknowledged = [{key: str(row[key]) for key in ("workstation", "uid", "sha256", "done")} for row in rows if row.get("ok")]
    failed_first = ""
    for row in rows:
        if row.get("ok"):
            continue
        if not failed_first or any(one["done"] > failed_first and one["done"] < str(row["sent"]) for one in acknowledged):
            failed_first = str(row["sent"])
    return {"acknowledged": acknowledged, "failed_first": failed_first}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "called": {"type": "str", "required": True},
            "calling": {"type": "str", "required": True},
            "log": {"type": "path", "required": True},
            "until": {"type": "str", "default": ""},
            "sample": {"type": "int", "default": 3},
            "patience_s": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    given = module.params
    log = Path(given["log"])
    rows = dicom.read_log(log, given["calling"]) if log.is_file() else []
    seen = promises(rows)
    if module.check_mode:
        module.exit_json(changed=False, seen=seen, msg="In a rehearsal the archive is not asked.")
    procedure = Procedure()
    peer = dicom.Peer(given["address"], given["port"], given["called"], given["calling"])
    said = dicom.wait_for_echo(peer, given["patience_s"], procedure)
    if said:
        reason = f"The archive does not answer at this workstation: {said}"
        module.fail_json(msg=reason, verdict="FAIL", reason=reason, seen=seen, **procedure.as_dict())
    found = dicom.look(peer, rows, given["until"], given["sample"], procedure)
    measured = {"images_fetched": found.fetched, "patients_found_by_name": found.found_by_name}
    if found.errors:
        reason = f"The archive answers, and does not show what was stored. {'; '.join(found.errors)}"
        module.fail_json(msg=reason, verdict="FAIL", reason=reason, seen=seen, measured=measured, **procedure.as_dict())
    if not found.fetched:
        reason = f"The archive answers, but {log} names no image to compare with."
        module.exit_json(changed=False, verdict="COULD-NOT-VERIFY", reason=reason, seen=seen, measured=measured, **procedure.as_dict())
    detail = f"{found.found_by_name} patients found by name, {found.fetched} images equal to what was sent"
    procedure.milestone("service_proven", detail, now())
    module.exit_json(changed=False, verdict="PASS", reason=f"{detail}.", seen=seen, measured=measured, **procedure.as_dict())


if __name__ == "__main__":
    main()
