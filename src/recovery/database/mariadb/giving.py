"""The local repository, given out for reading only to where its backups are rehearsed (RCV-5), in the words of the off-site one."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from ..shell import CommandError, Procedure
from .backup import archive
from .place import Place
from .repository import unsealed


def catalogue(place: Place) -> dict[str, Any]:
    """Return all that a restoring host must know; ``error`` and ``code`` say why nothing can be trusted."""
    here = place.repository
    try:
        backups = here.backups()
        manifests = {one.label: here.manifest(one) for one in backups}
        problems = [(one.label, problem) for one in backups for problem in here.damaged_files([one])]
        told = [unsealed((here.path / "backup" / one.label / "backup.json").read_text(encoding="utf-8")) for one in backups]
    except (CommandError, ValueError, KeyError, OSError) as error:
        return {"error": str(error), "code": "backup-damaged"}
    return {"backups": told, "manifests": manifests, "problems": problems, "histories": here.histories(), "reached": here.reached()}


def give_backup(place: Place, label: str) -> int:
    """Write a backup's files to the standard output; the reader compares their checksums."""
    return subprocess.run(archive(Path(place.path) / "backup" / label), check=False).returncode


def give_logs(place: Place, history: str) -> int:
    """Write the binary logs of a history to the standard output as an archive, each as long as it is now."""
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as stream:
        for path in place.repository.logs(history, Path("/nonexistent"), Procedure()):
            with path.open("rb") as source:
                entry = stream.gettarinfo(fileobj=source, arcname=path.name)
                stream.addfile(entry, source)
    return 0


def give_list(place: Place) -> int:
    """Write the catalogue to the standard output."""
    print(json.dumps(catalogue(place)))
    return 0
