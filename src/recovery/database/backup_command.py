"""The `hospital-backup` command on a host that keeps backups: what timers and forced commands call (BKP-2, BKP-4).

hospital-backup run full|diff|incr      take a backup of this place, with its manifest
hospital-backup copy                    copy the local repository to the removable disk and check the copy
hospital-backup state                   say how all repositories of this place are (JSON); exit status 1 with a finding
hospital-backup manifest LABEL          the manifest of a backup, taken now (the database host only)
hospital-backup gate database|reader    a forced command: let the other end's command through, or refuse it
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence

from ..findings import Finding
from . import backup, backup_removable, backup_state, gate
from .manifest import ManifestError, serialise
from .shell import CommandError, Procedure

COMMAND = "/usr/local/sbin/hospital-backup"
TAIL_EXPORT = ("/usr/local/sbin/wal-tail", "export")


def _show(findings: Sequence[Finding]) -> None:
    for finding in findings:
        sentences = (finding.message, finding.why, finding.remedy, finding.alternative)
        print(f"{finding.severity.upper()} {finding.code}: {' '.join(text for text in sentences if text)}", file=sys.stderr)


def _run(place: backup.Place, kind: str) -> int:
    if kind not in backup.TYPES:
        raise backup.BackupError(f"'{kind}' is no type of backup; say one of {', '.join(backup.TYPES)}.")
    procedure = Procedure()
    findings = backup.check(place, kind, procedure)
    _show(findings)
    if any(finding.severity == "stop" for finding in findings):
        return 1
    done = backup.back_up(place, kind, procedure)
    _show(done["findings"])
    print(json.dumps({"backup": done["backup"], "manifest_sha256": done["manifest_sha256"], "steps": procedure.steps}))
    return 1 if done["findings"] else 0


def _gate(place: backup.Place, name: str) -> int:
    if name not in ("reader", "database"):
        raise backup.BackupError(f"There is no gate '{name}'.")
    if name == "reader":
        tail = ("/usr/bin/sudo", "-n", "-u", place.user, *TAIL_EXPORT)
        rules = gate.reader_gate(place.stanza, place.path, place.config, tail, *([place.removable] if place.removable else []))
    else:
        rules = gate.database_gate(place.stanza, str(place.cluster["data_directory"]), COMMAND)
    return gate.execute(rules, os.environ)


def _copy(place: backup.Place) -> int:
    result = backup_removable.copy(place, Procedure())
    _show(result["findings"])
    return 1 if result["findings"] else 0


def _state(place: backup.Place) -> int:
    facts, findings = backup_state.state(place, Procedure())
    print(json.dumps({"state": facts, "findings": [finding.as_dict() for finding in findings]}, indent=1))
    return 1 if any(finding.severity != "info" for finding in findings) else 0


def _manifest(place: backup.Place, label: str) -> int:
    sys.stdout.buffer.write(serialise(backup.capture_manifest(place, label, Procedure())))
    return 0


COMMANDS: dict[str, Callable[..., int]] = {"run": _run, "copy": _copy, "state": _state, "manifest": _manifest, "gate": _gate}
ARGUMENTS = {"run": 1, "copy": 0, "state": 0, "manifest": 1, "gate": 1}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands above and return its exit status; errors are sentences on the standard error."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] not in COMMANDS or len(words) != 1 + ARGUMENTS[words[0]]:
        print(__doc__, file=sys.stderr)
        return 64
    os.umask(0o027)
    try:
        return COMMANDS[words[0]](backup.Place.load(), *words[1:])
    except (backup.BackupError, ManifestError, CommandError, OSError) as error:
        print(f"hospital-backup: {error}", file=sys.stderr)
        return 1
