"""The `hospital-images` command on a host that keeps backups of the picture archive: what its timers call (BKP-2, BKP-11).

hospital-images run       take a backup (the archive's host), or fetch what the archive's host has backed up (the off-site host)
hospital-images state     say how the repository of this host is (JSON); exit status 1 with a finding
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..database.shell import CommandError, Procedure
from ..findings import Finding
from . import backup

CONFIGURATION = Path("/etc/pacs-backup/place.json")


def _show(findings: Sequence[Finding]) -> None:
    for finding in findings:
        sentences = (finding.message, finding.why, finding.remedy, finding.alternative)
        print(f"{finding.severity.upper()} {finding.code}: {' '.join(text for text in sentences if text)}", file=sys.stderr)


def _run(place: backup.Place) -> int:
    procedure = Procedure()
    findings = backup.check(place, procedure)
    _show(findings)
    if any(finding.severity in ("stop", "overridable") for finding in findings):
        return 1
    done = backup.fetch(place, procedure) if place.source else backup.back_up(place, procedure)
    _show(done["findings"])
    print(json.dumps({"backup": done["backup"], "manifest": done["manifest"], "steps": procedure.steps}))
    return 1 if done["findings"] else 0


def _state(place: backup.Place) -> int:
    facts, findings = backup.state(place, Procedure())
    _show(findings)
    print(json.dumps(facts))
    return 1 if findings else 0


def main() -> int:
    """Carry out one verb; every failure is a sentence and exit status 1, a usage error 64."""
    verbs = {"run": _run, "state": _state}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        return verbs[sys.argv[1]](backup.Place.parse(json.loads(CONFIGURATION.read_text(encoding="utf-8"))))
    except (backup.BackupError, CommandError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
