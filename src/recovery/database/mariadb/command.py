"""The `hospital-mariadb` command on hosts that keep backups of a MariaDB system: what timers and forced commands call (BKP-2, BKP-4).

hospital-mariadb SYSTEM run full|diff|incr     take a backup here, or fetch what is new (off site)
hospital-mariadb SYSTEM run copy               copy the repository of this place to the removable disk
hospital-mariadb SYSTEM tail                   receive the binary log until stopped
hospital-mariadb SYSTEM state                  say how the repository of this place is (JSON)
hospital-mariadb SYSTEM door                   a forced command at the database server: list | export LABEL | mark | socket
hospital-mariadb SYSTEM reader                 a forced command where a repository lies: [removable] list | get LABEL | logs HISTORY
hospital-mariadb SYSTEM removable WORDS        the same words, of the removable disk on this host
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...findings import Finding
from ..shell import CommandError, Procedure
from . import backup, giving, removable, shipping, state, vault
from .place import BackupError, Place, door_account
from .repository import unsealed

LABEL = re.compile(r"[0-9]{8}-[0-9]{6}F(_[0-9]{8}-[0-9]{6}[DI])?")
HISTORY = re.compile(r"[0-9a-f-]{36}")


def _run(place: Place, kind: str) -> int:
    procedure = Procedure()
    findings = backup.check(place, procedure)
    if not findings:
        done = vault.fetch(place, procedure) if place.name == "offsite" else backup.back_up(place, kind, procedure)
        findings = done["findings"]
        print(json.dumps({"backup": done["backup"], "steps": procedure.steps}))
    return _tell(findings)


def _copy(place: Place) -> int:
    done = removable.copy(place, Procedure())
    print(json.dumps({"copied_at": done["copied_at"], "verified": done["verified"]}))
    return _tell(done["findings"])


def _tell(findings: Sequence[Finding]) -> int:
    for finding in findings:
        print(f"{finding.severity.upper()} {finding.code}: {finding.message} {finding.remedy}", file=sys.stderr)
    return 1 if any(finding.severity in ("stop", "overridable") for finding in findings) else 0


def _state(place: Place) -> int:
    facts, findings = state.state(place, Procedure())
    print(json.dumps({"state": facts, "findings": [finding.as_dict() for finding in findings]}, indent=1))
    return 1 if findings else 0


def door(place: Place, words: Sequence[str]) -> int:
    """Let the off-site server take what it may take, and nothing else."""
    store = Path(place.path) / "backup"
    if words == ["list"]:
        found = [
            unsealed(path.read_text(encoding="utf-8")) for path in sorted(store.glob("*/backup.json")) if path.parent.suffix != ".partial"
        ]
        print(json.dumps(sorted(found, key=lambda one: float(one["stop_time"]))))
        return 0
    if len(words) == 2 and words[0] == "export" and LABEL.fullmatch(words[1]) and (store / words[1]).is_dir():
        return subprocess.run(backup.archive(store / words[1]), check=False).returncode
    if words == ["mark"]:
        print(json.dumps(backup.mark(door_account(place.system))))
        return 0
    if words == ["socket"]:
        return shipping.connect_server()
    return _refuse(words)


def reader(place: Place, words: Sequence[str]) -> int:
    """Give out what a restore reads, and nothing else; where a removable disk may be, its copy as well."""
    if words[:1] == ["removable"] and place.removable:
        return on_disk(place, words[1:])
    source: Any = giving if place.name == "local" else vault
    if words == ["list"]:
        return int(source.give_list(place))
    if len(words) == 2 and words[0] == "get" and LABEL.fullmatch(words[1]):
        return int(source.give_backup(place, words[1]))
    if len(words) == 2 and words[0] == "logs" and HISTORY.fullmatch(words[1]):
        return int(source.give_logs(place, words[1]))
    return _refuse(words)


def on_disk(place: Place, words: Sequence[str]) -> int:
    """Give out what the removable disk on this host holds."""
    if not removable.mounted(place):
        print(f"no removable disk is mounted for {place.removable or place.system}", file=sys.stderr)
        return 2
    return reader(removable.disk_place(place), words)


def _refuse(words: Sequence[str]) -> int:
    print(f"This door does not open for: {' '.join(words) or 'nothing'}", file=sys.stderr)
    return 77


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands above and return its exit status; errors are sentences on the standard error."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    os.umask(0o027)
    asked = shlex.split(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
    try:
        place = Place.load(words[0]) if words else None
        if place is not None and words[1:] == ["tail"]:
            return shipping.tail(place)
        if place is not None and words[1:] == ["state"]:
            return _state(place)
        if place is not None and len(words) == 3 and words[1] == "run" and words[2] in backup.TYPES:
            return _run(place, words[2])
        if place is not None and words[1:] == ["run", "copy"]:
            return _copy(place)
        if place is not None and words[1:2] == ["removable"]:
            return on_disk(place, words[2:])
        if place is not None and words[1:] in (["door"], ["reader"]):
            return {"door": door, "reader": reader}[words[1]](place, asked)
    except (BackupError, CommandError, OSError, ValueError) as error:
        print(f"hospital-mariadb: {error}", file=sys.stderr)
        return 1
    print(__doc__, file=sys.stderr)
    return 64
