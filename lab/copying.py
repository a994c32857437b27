"""A new lab as the copy of a stopped one: what its hosts have on their disks, and the keys by which they know each other."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.errors import LabError
from lab.state import Lab
from lab.system import read_json, run, write_json

# What a lab is made of besides its name; the rest of its ledger is about processes and networks that the copy has not got.
INHERITED = ("base", "scale", "disk_sizes", "without", "switched", "plugged")
COPIED = ("disks", "keys", "people")
OF_A_HOST = ("up", "identity", "furnished", "installed")


def begin(lab: Lab, source: Path) -> None:
    """Make a lab that does not exist yet from the state directory of a stopped one; it appears whole or not at all."""
    entries = read_json(source / "lab.json") or {}
    if entries.get("phase") != "stopped":
        raise LabError(f"In {source} there is no stopped lab.", "Stop one, and keep its disks: lab down --keep")
    if lab.exists():
        raise LabError(f"The lab {lab.name} exists already.", f"Take it down first: lab down --name {lab.name}")
    draft = lab.root.with_name(f".{lab.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for part in COPIED:
        _copy(source / part, draft)
    for host in sorted((source / "hosts").iterdir()):
        (draft / "hosts" / host.name).mkdir(parents=True)
        for part in OF_A_HOST:
            if (host / part).exists():
                _copy(host / part, draft / "hosts" / host.name)
    inherited = {key: entries[key] for key in INHERITED if key in entries}
    write_json(draft / "lab.json", {**inherited, "name": lab.name, "phase": "stopped"})
    draft.rename(lab.root)


def _copy(part: Path, target: Path) -> None:
    run(["cp", "-a", "--sparse=always", part, target], timeout=None, doing=f"Copying {part.name} of another lab")
