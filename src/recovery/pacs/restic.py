"""A restic repository: which program is called how, what it says, and what its errors mean. Standard library only."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..database.shell import CommandError, Procedure, run

TAG = "pacs"
LIMIT_S = 6 * 3600  # an operation that reads everything; a line that stalls is ended by ssh's own keep-alive long before


@dataclass(frozen=True)
class Snapshot:
    """One backup: files and index as of one moment."""

    id: str
    time: float
    paths: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return the short name by which people call it."""
        return self.id[:8]


@dataclass(frozen=True)
class Repository:
    """Where backups are. ``ssh``: the alias of the host that keeps it, empty for this host; ``user``: who reads and writes it here."""

    name: str
    path: str
    ssh: str = ""
    user: str = ""
    password_file: str = ""
    password: str = field(default="", repr=False)

    @property
    def location(self) -> str:
        """Return the repository in restic's words."""
        return f"sftp:{self.ssh}:{self.path}" if self.ssh else self.path

    @property
    def environment(self) -> dict[str, str]:
        """Return how restic learns the passphrase: never on its command line."""
        return {"RESTIC_PASSWORD": self.password} if self.password else {"RESTIC_PASSWORD_FILE": self.password_file}

    def restic(self, *words: str, procedure: Procedure | None = None, lock: bool = False, timeout: float = LIMIT_S) -> str:
        """Run restic; without ``lock`` it only reads, and needs no right to write."""
        argv = ["restic", "--repo", self.location, "--no-cache", *([] if lock else ["--no-lock"]), *words]
        call = procedure.run if procedure else run
        return call(argv, user=self.user or None, env=self.environment, timeout=timeout)

    def snapshots(self, timeout: float = 120) -> list[Snapshot]:
        """Return every backup, oldest first."""
        found = json.loads(self.restic("snapshots", "--json", "--tag", TAG, timeout=timeout)) or []
        return sorted((_snapshot(entry) for entry in found), key=lambda one: one.time)

    def document(self, snapshot: Snapshot, path: str) -> dict[str, Any]:
        """Return a JSON file of a backup."""
        return dict(json.loads(self.restic("dump", snapshot.id, path, timeout=120)))

    def listing(self, snapshot: Snapshot, path: str) -> dict[str, int]:
        """Return the files of a backup below a directory: name -> size."""
        found: dict[str, int] = {}
        for line in self.restic("ls", "--json", "--recursive", snapshot.id, path).splitlines():
            entry = json.loads(line)
            if entry.get("type") == "file":
                found[str(entry["name"])] = int(entry.get("size", 0))
        return found

    def size(self, snapshot: Snapshot) -> int:
        """Return how many bytes a backup is when it is restored."""
        return int(json.loads(self.restic("stats", "--json", "--mode", "restore-size", snapshot.id))["total_size"])


def _snapshot(entry: dict[str, Any]) -> Snapshot:
    return Snapshot(str(entry["id"]), _moment(str(entry["time"])), tuple(map(str, entry.get("paths") or ())))


TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def _moment(text: str) -> float:
    """Read restic's time, which has up to nine digits of a second."""
    match = TIME.fullmatch(text)
    if not match:
        raise ValueError(f"restic names the time {text!r}, which is none.")
    head, fraction, zone = match.groups()
    return datetime.fromisoformat(f"{head}.{(fraction or '0')[:6]:0<6}{'+00:00' if zone == 'Z' else zone}").timestamp()


REASONS: Sequence[tuple[str, str, str]] = (
    (
        "wrong password or no key found",
        "wrong-passphrase",
        "The {name} repository cannot be opened: the passphrase is not the one it was made with.",
    ),
    ("Is there a repository at", "no-repository", "There is no repository at {location}."),
    ("no such file or directory", "no-repository", "There is no repository at {location}, or files of it are missing."),
    ("unable to open config file", "no-repository", "There is no repository at {location}, or its configuration cannot be read."),
)
# Said before a single byte of the repository was read; by restic itself where ssh ended before it could say why.
NO_WAY = ("Connection timed out", "No route to host", "Connection refused", "Network is unreachable", "unable to start the sftp session")
UNREACHABLE = ("ssh", "EOF", "Connection", "unreachable", "timed out", "subprocess")


def explain(error: CommandError, repository: Repository) -> tuple[str, str]:
    """Return the code and the sentence of a failure."""
    said = error.output
    if repository.ssh and (error.status == 124 or any(words in said for words in NO_WAY)):
        return "repository-unreachable", f"The {repository.name} repository cannot be reached: {_last(said)}"
    for words, code, sentence in REASONS:
        if words in said:
            return code, sentence.format(name=repository.name, location=repository.location)
    if repository.ssh and any(word in said for word in UNREACHABLE):
        return "repository-unreachable", f"The {repository.name} repository cannot be reached: {_last(said)}"
    return "repository-damaged", f"The {repository.name} repository is damaged: {_last(said)}"


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-500:] or "no answer"
