"""A protected hospital: booted, set up and backed up once by the runbooks themselves, then kept stopped; a lab begins as a copy of it.

``python -m lab.prepared`` brings up the lab LAB_NAME as a copy of the small one without switches, which the tests use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import cluster, image
from lab.state import Lab
from lab.system import exclusive, read_json, write_json

PROJECT = Path(__file__).resolve().parents[1]
BIN = PROJECT / ".venv" / "bin"
# Whatever may leave its mark on a protected hospital.
MAKERS = (
    "ansible.cfg", "action_plugins", "callback_plugins", "doc_fragments", "filter_plugins", "inventories", "lab", "library", "plan",
    "playbooks", "roles", "src",
)  # fmt: skip
# Then a daily backup may have become due, which would be taken as soon as the copy boots.
MAX_AGE_S = 6 * 3600
PATIENCE_S = 900
ARCHIVE = "archive"
Step = tuple[str, tuple[str, ...]]
Call = Callable[[str, Sequence[str], Mapping[str, str]], None]
"""Does one step: what it is as a sentence, its command, its environment."""
PROTECT: tuple[Step, ...] = (
    ("Its database is protected: here and off site", ("recovery", "run", "database_backup_setup")),
    ("The first local backup", ("recovery", "run", "database_backup", "-e", "repository=local")),
    ("The first offsite backup", ("recovery", "run", "database_backup", "-e", "repository=offsite")),
)


@dataclass(frozen=True)
class Kind:
    """A kind of prepared hospital: how large it is, with what it boots, and what is done to it before it is kept."""

    name: str
    scale: str
    boot: tuple[str, ...]
    steps: tuple[Step, ...] = PROTECT

    def digest(self) -> str:
        """Return what it depends on, as a short digest."""
        found = hashlib.sha256(f"{image.key()} {cluster.key(self.scale)} {self}".encode())
        paths = sorted(path for part in MAKERS for path in [PROJECT / part, *(PROJECT / part).rglob("*")])
        for path in paths:
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(f"{path.relative_to(PROJECT)}\0".encode() + path.read_bytes() + b"\0")
        return found.hexdigest()[:12]

    def directory(self) -> Path:
        """Return where one that is made by the present code is kept."""
        return image.cache_root() / f"prepared-{self.name}-{self.digest()}"


# Whose disasters are not among those of the hospital's own system and its network.
WITHOUT = ("--without", "lis-db", "--without", "pacs")
FLAT = Kind("flat", "small", ("--flat", *WITHOUT))


def switched(scale: str) -> Kind:
    """Return a hospital with its switches, whose configurations are kept in an archive beside its disks."""
    return Kind("switched", scale, WITHOUT, (*PROTECT, ("The switches' configurations are kept", ("recovery", "run", "switch_archive"))))


def young(kind: Kind) -> Path | None:
    """Return the directory of a prepared hospital of this very code, if one is kept and young enough."""
    final = kind.directory()
    made = (read_json(final / "prepared.json") or {}).get("at", 0)
    return final if time.time() - made <= MAX_AGE_S else None


def ensure(kind: Kind, call: Call, incidents: Path) -> Path:
    """Return the directory of a prepared hospital, making it if need be; ``incidents`` gets the evidence of its making."""
    with exclusive(image.cache_root() / f"prepared-{kind.name}.lock", "Preparing a hospital", wait_s=PATIENCE_S):
        found = young(kind)
        if found is None:
            found = kind.directory()
            shutil.rmtree(found, ignore_errors=True)
            older = sorted(image.cache_root().glob(f"prepared-{kind.name}-*/"), key=lambda path: path.stat().st_mtime)
            for path in older[:-1]:  # the newest may be what another lab is copied from at this moment
                shutil.rmtree(path)
            _make(kind, found, call, incidents)
    return found


def _make(kind: Kind, final: Path, call: Call, incidents: Path) -> None:
    lab = Lab.named(f"prepare-{kind.name}")
    environment = {
        **os.environ,
        "LAB_NAME": lab.name,
        "RECOVERY_INCIDENTS": str(incidents),
        "RECOVERY_ARCHIVE": str(lab.root / ARCHIVE),
        "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
    }
    boot: Step = ("A hospital boots", ("lab", "up", "--scale", kind.scale, *kind.boot))
    keep: Step = ("It is stopped, and kept for the next time", ("lab", "down", "--keep"))
    for text, words in (("What is left of an earlier preparation goes", ("lab", "down")), boot, *kind.steps, keep):
        call(text, words, environment)
    lab.root.rename(final)
    write_json(final / "prepared.json", {"at": time.time()})


def quietly(text: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command of the project; say what it said only if it fails."""
    done = subprocess.run(
        [str(BIN / words[0]), *words[1:]], cwd=PROJECT, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{text}: {' '.join(words)} ended with {done.returncode}\n{done.stdout}{done.stderr}")


def up(name: str) -> None:
    """Bring up a lab of this name as a copy of the small prepared hospital."""
    with tempfile.TemporaryDirectory() as incidents:
        source = ensure(FLAT, quietly, Path(incidents))
    quietly("A copy boots", ("lab", "up", "--from", str(source)), {**os.environ, "LAB_NAME": name})


if __name__ == "__main__":
    up(sys.argv[1] if len(sys.argv) > 1 else os.environ["LAB_NAME"])
