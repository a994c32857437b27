#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The archive of the switches' configurations: fetch them, or say how old they are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch_archive
short_description: Keep what the switches are configured to do, proven complete, in a git history of its own
version_added: "0.1.0"
description:
  - V(fetch) reads running and startup configuration and the state (versions, ports, VLANs, MAC tables, neighbours, light levels) of many
    switches in one call. A dead one delays nobody, and each failure is named.
  - A fetch counts only if it is proven complete. It ends as its platform ends a configuration, was read the same twice, is about as long
    as the last good one, and parses back to the switch it is of. What is truncated, paged, half empty or another switch's is refused,
    and the last good one stays.
  - Secrets are replaced by words that stay the same as long as the secret does, so that the history can be read by everybody; the
    secrets themselves are encrypted beside it with the project's vault password.
  - V(judge) talks to no switch. It says for which of them the archive has nothing, or nothing recent enough.
  - Clauses BKP-6 and BKP-11 of the plan.
extends_documentation_fragment: [network, overriding]
options:
  verb:
    description: What to do.
    type: str
    choices: [fetch, judge]
    default: fetch
  directory:
    description: The archive's directory, a git repository of its own. It is made if it is not there.
    type: path
    required: true
  vault_password_file:
    description: What holds the vault's password, or prints it if it is a program.
    type: path
    default: ""
  least_share:
    description:
      - A configuration that is shorter than this share of the last good one is not believed (C(archive-shrunk), overridable by name).
    type: float
    default: 0.7
  least_lines:
    description: A configuration with fewer lines than this is none.
    type: int
    default: 8
  max_age_hours:
    description: How old the last good fetch of a switch may be, with V(judge). 0 asks for none in particular.
    type: float
    default: 0
  workers:
    description: How many switches are talked to at a time.
    type: int
    default: 32
  deadline_s:
    description: How long one switch may take altogether. Seconds.
    type: float
    default: 180
  note:
    description: A sentence for the history, such as which run asked for this.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: The switches are read and judged; nothing is written into the archive.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: Keep the configuration of every switch
  switch_archive:
    switches: "{{ ansible_play_hosts_all | map('extract', hostvars, 'network_switch') | list }}"
    directory: "{{ switch_archive_directory }}"
    vault_password_file: bin/vault-password
"""

RETURN = r"""
archived:
  description: What was read of each switch (at, lines, took_s, saved, version, model, serial), by name.
  returned: always
  type: dict
failed_switches:
  description: The switches of which nothing was kept, each with the sentence why.
  returned: always
  type: dict
commit:
  description: The commit of the archive that holds this round.
  returned: with verb fetch, when something was kept
  type: str
diff:
  description: The readable difference of every configuration that changed, without secrets.
  returned: when something changed
  type: list
  elements: dict
findings:
  description: What was found, graded info, warning, overridable or stop, each with cause, remedy and alternative.
  returned: always
  type: list
  elements: dict
verdict:
  description: PASS if every switch's configuration is in the archive, proven complete, else FAIL with a reason.
  returned: always
  type: str
measured:
  description: How many switches were asked and kept, and the seconds of it.
  returned: always
  type: dict
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from recovery.findings import OVERRIDE_ARGUMENTS, Finding, refusal_text, settle
    from recovery.network.answers import SwitchError
    from recovery.network.archive import Archive, ArchiveError, Entry, age_s
    from recovery.network.fetch import Fetched, Limits, each, fetch
    from recovery.network.options import SWITCHES, devices
    from recovery.network.vault import Vault, VaultError

    MISSING = ""
except ImportError as error:
    MISSING, SWITCHES, OVERRIDE_ARGUMENTS = str(error), {}, {}


def last(archive: Archive, names: list[str]) -> dict[str, Entry]:
    """Return the last good fetches of these switches."""
    entries = {name: archive.entry(name) for name in names}
    return {name: entry for name, entry in entries.items() if entry}


def told(one: Fetched, entry: Entry | None) -> dict[str, Any]:
    """Say of a fetch what a person wants to know first."""
    return {
        "at": one.at,
        "lines": entry.lines if entry else len(one.running.splitlines()),
        "took_s": one.took_s,
        "saved": entry.saved if entry else None,
        "version": one.state.version,
        "model": one.state.model,
        "serial": one.state.serial,
    }


def judge(given: dict[str, Any]) -> dict[str, Any]:
    """Say for which switches the archive has nothing recent enough."""
    archive, names = Archive(Path(given["directory"])), [entry["name"] for entry in given["switches"]]
    known = last(archive, names)
    findings = []
    run = "Fetch it: recovery run switch_archive."
    for name in names:
        if name not in known:
            findings.append(Finding("archive-missing", "stop", f"{name}: its configuration was never archived.", remedy=run))
        elif given["max_age_hours"] and age_s(known[name]) > given["max_age_hours"] * 3600:
            hours = age_s(known[name]) / 3600
            message = f"{name}: its last good configuration is {hours:.0f} hours old; {given['max_age_hours']:g} are allowed."
            findings.append(Finding("archive-stale", "stop", message, "What was changed since then would be lost with the switch.", run))
        elif not known[name].saved:
            message = f"{name}: it does not start with the configuration that it runs."
            findings.append(Finding("archive-unsaved", "warning", message, "A power cut would take the difference away.", "Save it."))
    ages = {name: round(age_s(entry)) for name, entry in known.items()}
    stops = {finding.message.partition(":")[0]: finding.message for finding in findings if finding.severity == "stop"}
    return {
        "changed": False,
        "archived": {name: {"at": entry.at.isoformat(), "lines": entry.lines, "saved": entry.saved} for name, entry in known.items()},
        "failed_switches": stops,
        "findings": [finding.as_dict() for finding in findings],
        "verdict": "FAIL" if stops else "PASS",
        "reason": "\n".join(stops.values())
        or f"All {len(names)} switches are in the archive, the oldest of {max(ages.values()) // 60} minutes ago.",
        "measured": {"oldest_s": max(ages.values(), default=0), "switches": len(names)},
    }


def fetch_all(given: dict[str, Any], rehearsal: bool) -> dict[str, Any]:
    """Read every switch at once, keep what is proven complete, and name the others."""
    began = time.monotonic()
    asked = devices(given["switches"])
    vault = Vault(Path(given["vault_password_file"])) if given["vault_password_file"] else None
    archive = Archive(Path(given["directory"]), vault)
    known = last(archive, [device.name for device in asked])
    limits = Limits(given["least_lines"], given["least_share"])

    def one(device: Any) -> Fetched:
        lines = known[device.name].lines if device.name in known else None
        return fetch(device, last_lines=lines, limits=limits, deadline_s=given["deadline_s"])

    results = each(asked, one, given["workers"])
    failed: dict[str, str] = {}
    good: list[Fetched] = []
    findings: list[Finding] = []
    overridden: list[dict[str, str]] = []
    for name, result in results.items():
        if isinstance(result, SwitchError):
            failed[name] = result.message
            findings.append(result.finding())
            continue
        findings += result.findings
        blocking, accepted = settle(result.findings, given["override"], given["override_by"])
        overridden += accepted
        if blocking:
            failed[name] = refusal_text(blocking)
        else:
            good.append(result)
    kept: dict[str, Any] = {}
    if good and not rehearsal:
        stored = archive.store(good, given["note"])
        kept = {"changed": bool(stored.new or stored.changed), "commit": stored.commit}
        if stored.diff:
            kept["diff"] = [
                {"before_header": f"{name} before", "after_header": f"{name} now", "before": old, "after": new, "artefact": f"{name}.diff"}
                for name, (old, new) in stored.diff.items()
            ]
    known = last(archive, [one.name for one in good])
    count = f"{len(good)} of {len(asked)} switches"
    return {
        "changed": False,
        **kept,
        "archived": {one.name: told(one, known.get(one.name)) for one in good},
        "failed_switches": failed,
        "findings": [finding.as_dict() for finding in findings],
        "overridden": overridden,
        "verdict": "FAIL" if failed else "PASS",
        "reason": "\n".join([f"{count} are in the archive; of the others the last good one stays.", *failed.values()])
        if failed
        else f"{count} were fetched, proven complete{'' if rehearsal else ' and kept'}.",
        "measured": {"switches": len(asked), "kept": len(good), "took_s": round(time.monotonic() - began, 2)},
    }


def main() -> None:
    """Carry out the verb and answer in the shape of every module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": ["fetch", "judge"], "default": "fetch"},
            "directory": {"type": "path", "required": True},
            "vault_password_file": {"type": "path", "default": "", "no_log": False},
            "least_share": {"type": "float", "default": 0.7},
            "least_lines": {"type": "int", "default": 8},
            "max_age_hours": {"type": "float", "default": 0},
            "workers": {"type": "int", "default": 32},
            "deadline_s": {"type": "float", "default": 180},
            "note": {"type": "str", "default": ""},
            **SWITCHES,
            **OVERRIDE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("hospital-recovery", reason=f"on the control node's own Python ({MISSING})"))
    try:
        result = judge(module.params) if module.params["verb"] == "judge" else fetch_all(module.params, module.check_mode)
    except (SwitchError, ArchiveError, VaultError) as error:
        module.fail_json(msg=str(error), changed=False)
        return
    if result["verdict"] == "FAIL":
        module.fail_json(msg=result["reason"], **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
