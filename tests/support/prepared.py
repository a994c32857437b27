"""A protected hospital: booted, set up and backed up once, by the runbooks themselves; what needs one begins with a copy of it.

``python -m support.prepared`` brings up the lab LAB_NAME as such a copy. It is made anew when anything that it is made by has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from lab import cluster, image
from lab.state import Lab
from lab.system import exclusive, read_json, write_json

PROJECT = Path(__file__).resolve().parents[2]
BIN = PROJECT / ".venv" / "bin"
# Whatever may leave its mark on a protected hospital.
MAKERS = (
    "ansible.cfg", "action_plugins", "callback_plugins", "doc_fragments", "filter_plugins", "inventories", "lab", "library", "plan",
    "playbooks", "roles", "src",
)  # fmt: skip
SCALE = "small"
UP = ("lab", "up", "--flat", "--scale", SCALE, "--without", "lis-db", "--without", "pacs")
PROTECT = (
    ("recovery", "run", "database_backup_setup"),
    ("recovery", "run", "database_backup", "-e", "repository=local"),
    ("recovery", "run", "database_backup", "-e", "repository=offsite"),
)
# Then a daily backup may have become due, which would be taken as soon as the copy boots.
MAX_AGE_S = 6 * 3600
PATIENCE_S = 900


def digest() -> str:
    """Return what the prepared hospital depends on, as a short digest."""
    found = hashlib.sha256(f"{image.key()} {cluster.key(SCALE)}".encode())
    paths = sorted(path for part in MAKERS for path in [PROJECT / part, *(PROJECT / part).rglob("*")])
    for path in paths:
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(f"{path.relative_to(PROJECT)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def call(words: tuple[str, ...], environment: Mapping[str, str]) -> None:
    """Run a command of the project; say what it said if it fails."""
    done = subprocess.run(
        [str(BIN / words[0]), *words[1:]], cwd=PROJECT, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")


def ensure() -> Path:
    """Return the directory of a prepared hospital, making it if there is none that is young and of this very code."""
    final = image.cache_root() / f"prepared-{digest()}"
    with exclusive(image.cache_root() / "prepared.lock", "Preparing a hospital", wait_s=PATIENCE_S):
        made = (read_json(final / "prepared.json") or {}).get("at", 0)
        if time.time() - made > MAX_AGE_S:
            shutil.rmtree(final, ignore_errors=True)
            older = sorted(image.cache_root().glob("prepared-*/"), key=lambda path: path.stat().st_mtime)
            for path in older[:-1]:  # the newest may be what another scenario copies at this moment
                shutil.rmtree(path)
            _make(final)
    return final


def _make(final: Path) -> None:
    lab = Lab.named("prepare")
    with tempfile.TemporaryDirectory() as incidents:
        environment = {**os.environ, "LAB_NAME": lab.name, "RECOVERY_INCIDENTS": incidents, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")}
        call(("lab", "down"), environment)
        for words in (UP, *PROTECT, ("lab", "down", "--keep")):
            call(words, environment)
    lab.root.rename(final)
    write_json(final / "prepared.json", {"at": time.time()})


def up(name: str) -> None:
    """Bring up a lab of this name as a copy of the prepared hospital."""
    call(("lab", "up", "--from", str(ensure())), {**os.environ, "LAB_NAME": name})


if __name__ == "__main__":
    up(sys.argv[1] if len(sys.argv) > 1 else os.environ["LAB_NAME"])
