"""A host's part in the backups of one MariaDB system: what its configuration says (/etc/hospital-backup/SYSTEM.json)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..shell import run
from .repository import Repository

HOME = Path("/etc/hospital-backup")


class BackupError(Exception):
    """A backup that was not taken or not completed; the message says cause, remedy and alternative."""


@dataclass(frozen=True)
class Place:
    """``name`` is local (beside the server), offsite or reader; ``tail`` is where binary logs arrive, ``path`` where backups are kept.

    ``removable``: where the copy of the local repository is on the removable disk; empty if there is none.
    """

    name: str
    system: str
    path: str
    tail: str
    peer: Mapping[str, str] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    retention: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    subject: Mapping[str, Any] = field(default_factory=dict)
    cluster: Mapping[str, Any] = field(default_factory=dict)
    removable: str = ""

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Place:
        """Read a configuration."""
        return cls(**{name: entry[name] for name in cls.__dataclass_fields__ if name in entry})

    @classmethod
    def load(cls, system: str) -> Place:
        """Read this host's configuration for a system."""
        return cls.parse(json.loads((HOME / f"{system}.json").read_text(encoding="utf-8")))

    @property
    def home(self) -> Path:
        """Return the directory of this system's keys and configuration on this host."""
        return HOME / self.system

    @property
    def user(self) -> str:
        """Return the account that keeps this place's repository and whose key opens the door at the other end."""
        return vault_account(self.system) if self.name == "offsite" else "root"

    @property
    def repository(self) -> Repository:
        """Return the repository on this host's disk."""
        return Repository(self.name, self.path, self.tail)

    def ssh(self, *words: str, options: Sequence[str] = ()) -> list[str]:
        """Return the command that goes through the door at the other end."""
        door = door_account(self.system) if self.name == "offsite" else vault_account(self.system)
        return ["ssh", "-F", str(self.home / "ssh_config"), *options, f"{door}@{self.peer['name']}", *words]

    def ask(self, *words: str, timeout: float = 60) -> str:
        """Ask the other end and return its answer. Raises CommandError."""
        return run(self.ssh(*words), user=self.user, timeout=timeout)


def door_account(system: str) -> str:
    """Return the account at the database server through which the off-site server takes what it needs."""
    return f"{system}_door"


def open_to_door(place: Place, *paths: Path) -> None:
    """Let the door read these directories, and what is made in them from now on, also on a disk that was replaced meanwhile."""
    for path in paths:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
        for one in (path, *(entry for entry in path.iterdir() if entry.is_file())):
            shutil.chown(one, group=door_account(place.system))
            one.chmod(0o2750 if one.is_dir() else 0o640)


def vault_account(system: str) -> str:
    """Return the account at the off-site server that keeps the backups there."""
    return f"{system}_vault"
