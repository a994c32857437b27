"""Backups of a MariaDB server as they lie in a repository, and the binary logs beside them (BKP-2, BKP-11). Standard library only.

    backup/LABEL/backup.json      what it is, each file's size and checksum      binlog/HISTORY/history.json, NAME.000001 ...
    backup/LABEL/manifest.json    what it holds, in figures
    backup/LABEL/data/            as mariadb-backup wrote it

An off-site repository keeps the same, encrypted, and gives it out through a reading door (``recovery.database.mariadb.vault``).
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from ..errors import NO_ANSWER
from ..pgbackrest import STALL_TIMEOUT_S
from ..shell import CommandError, Procedure, _become, run
from . import binlog

FORMAT = "hospital-recovery mariadb backup 1"
CHUNK = 1 << 20
DAMAGED = 65  # how a reading door ends when what it gives out is damaged


class DamageError(Exception):
    """A backup that is not what it was when it was taken: which file, and what is wrong."""


@dataclass(frozen=True)
class Backup:
    """A backup in a repository. ``gtid``: the position of its data; ``chain``: the labels that a restore of it reads, full one first."""

    label: str
    kind: str
    chain: tuple[str, ...]
    start_time: float
    stop_time: float
    gtid: str
    history: str
    system: str
    version: str
    size: int
    manifest_gtid: str
    files: Mapping[str, Sequence[Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Backup:
        """Read a backup.json. Raises ValueError if it is not of our format, KeyError if something is missing."""
        if values.get("format") != FORMAT:
            raise ValueError(f"it is not of format {FORMAT!r}")
        names = {name: values[name] for name in cls.__dataclass_fields__ if name not in ("chain", "files")}
        return cls(**names, chain=tuple(values["chain"]), files=values.get("files") or {})


def sealed(values: Mapping[str, Any]) -> bytes:
    """Return a description with its own checksum, as it is stored."""
    body = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return (json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}) + "\n").encode()


def unsealed(text: str) -> dict[str, Any]:
    """Read a stored description. Raises ValueError if a byte of it is not as it was written."""
    stored = json.loads(text)
    body = stored["body"]
    if hashlib.sha256(body.encode()).hexdigest() != stored["sha256"]:
        raise ValueError("its checksum is wrong")
    return dict(json.loads(body))


def digest(path: Path) -> str:
    """Return a file's sha256."""
    found = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(CHUNK):
            found.update(block)
    return found.hexdigest()


class Repository:
    """A repository on a disk of this host."""

    name = "local"

    def __init__(self, name: str, path: str, tail: str = "") -> None:
        """``tail`` is the directory of the shipped binary logs."""
        self.name = name
        self.path = Path(path)
        self.tail = Path(tail or path + "/binlog")

    def backups(self) -> list[Backup]:
        """Return the finished backups, oldest first.

        Raises CommandError if there is no repository, ValueError if the description of one cannot be trusted.
        """
        if not (self.path / "backup").is_dir():
            raise CommandError(["ls", str(self.path)], 2, f"there is no repository in {self.path}")
        found = []
        for entry in sorted((self.path / "backup").iterdir()):
            description = entry / "backup.json"
            if entry.suffix == ".partial" or not entry.is_dir():
                continue
            try:
                found.append(Backup.parse(unsealed(description.read_text(encoding="utf-8"))))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ValueError(f"the description of backup {entry.name} cannot be trusted: {error}") from error
        return sorted(found, key=lambda one: one.stop_time)

    def find(self, label: str) -> Backup:
        """Return a backup by its label. Raises DamageError if it is not there any more."""
        found = next((one for one in self.backups() if one.label == label), None)
        if found is None:
            raise DamageError(f"{label} is not there any more")
        return found

    def manifest(self, backup: Backup) -> dict[str, Any]:
        """Return what a backup holds; its checksum stands among the backup's files."""
        text = (self.path / "backup" / backup.label / "manifest.json").read_bytes()
        if hashlib.sha256(text).hexdigest() != backup.files.get("manifest.json", ("", ""))[1]:
            raise ValueError(f"the manifest of backup {backup.label} was altered")
        return dict(json.loads(text))

    def damaged_files(self, backups: Sequence[Backup]) -> list[str]:
        """Return files that are missing or of another size: what a glance can see; contents are compared while they are read."""
        problems = []
        for one in backups:
            for name, (size, _) in one.files.items():
                path = self.path / "backup" / one.label / name
                if not path.is_file():
                    problems.append(f"{one.label}/{name} is missing")
                elif path.stat().st_size != size:
                    problems.append(f"{one.label}/{name} has {path.stat().st_size} bytes instead of {size}")
        return problems

    def histories(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each history whose binary logs are here."""
        found = {}
        for told in sorted(self.tail.glob("*/history.json")):
            found[told.parent.name] = dict(json.loads(told.read_text(encoding="utf-8")))
        return found

    def logs(self, history: str, into: Path, procedure: Procedure) -> list[Path]:
        """Return the binary logs of a history, oldest first; where a shorter and a longer receipt of one exist, the longer."""
        kept = self.tail / history / "kept"
        found = {path.name: path for path in binlog.files(self.tail / history)}
        for earlier in binlog.files(kept):
            mine = found.get(earlier.name)
            if mine is None or (mine.stat().st_size < earlier.stat().st_size and binlog.same_log(mine, earlier)):
                found[earlier.name] = earlier
        return sorted(found.values(), key=binlog.number)

    def reached(self) -> float:
        """Return when the newest log here was written last (seconds since the epoch); 0 if there is none."""
        return max((path.stat().st_mtime for path in self.tail.glob("*/*") if path.is_file() and path.name != "history.json"), default=0.0)

    def read(self, backup: Backup, into: Path, procedure: Procedure) -> None:
        """Copy a backup's data to a directory, each file's checksum compared. Raises DamageError at the first difference."""
        base = self.path / "backup" / backup.label
        for name, (size, wanted) in backup.files.items():
            if name.startswith("data/"):
                target = into / name.removeprefix("data/")
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    found = copy(base / name, target)
                except OSError as error:
                    if error.errno == 28:
                        raise
                    raise DamageError(f"{name} cannot be read: {error.strerror}") from error
                if found != (size, wanted):
                    raise DamageError(f"the checksum of {name} is wrong")


def copy(source: Path, target: Path) -> tuple[int, str]:
    """Copy a file and return its size and checksum, computed from the very bytes that were written."""
    found, size = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(CHUNK):
            found.update(block)
            size += len(block)
            writer.write(block)
    return size, found.hexdigest()


class Patient:
    """A stream that is given up when nothing comes for a while. Raises TimeoutError then."""

    def __init__(self, stream: IO[bytes], wait_s: float) -> None:
        """``wait_s``: how long its silence is borne."""
        self._stream, self._wait_s = stream, wait_s

    def read(self, size: int = CHUNK) -> bytes:
        """Return what has come, at most ``size`` bytes; nothing at the end."""
        if not select.select([self._stream], [], [], self._wait_s)[0]:
            raise TimeoutError
        return os.read(self._stream.fileno(), size)


class Vault(Repository):
    """A repository on another host, read through its reading door by SSH: what is encrypted there is decrypted there, too."""

    def __init__(self, name: str, destination: str, config: str, user: str, stall_timeout: float = STALL_TIMEOUT_S) -> None:
        """``destination`` as ssh takes it; ``config`` is the ssh configuration; ``user`` is whose key opens the door.

        ``stall_timeout``: seconds after which a silent repository counts as lost.
        """
        super().__init__(name, "/nonexistent")
        self.user, self.stall_timeout = user, stall_timeout
        self.command = ["ssh", "-F", config, "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", destination]
        self._told: dict[str, Any] | None = None
        self.code = ""

    def ask(self) -> dict[str, Any]:
        """Return what the repository says of itself. Raises CommandError."""
        if self._told is None:
            self._told = dict(json.loads(run([*self.command, "list"], user=self.user, timeout=10 + self.stall_timeout)))
        return self._told

    def backups(self) -> list[Backup]:
        """Return the backups, oldest first."""
        told = self.ask()
        if told.get("error"):
            self.code = str(told.get("code", ""))
            raise ValueError(told["error"])
        return sorted((Backup.parse(values) for values in told["backups"]), key=lambda one: one.stop_time)

    def manifest(self, backup: Backup) -> dict[str, Any]:
        """Return what a backup holds."""
        return dict(self.ask()["manifests"].get(backup.label) or {})

    def damaged_files(self, backups: Sequence[Backup]) -> list[str]:
        """Return what the other end found missing or of another size."""
        labels = {one.label for one in backups}
        return [problem for label, problem in self.ask()["problems"] if label in labels]

    def histories(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each history whose binary logs are there."""
        return dict(self.ask()["histories"])

    def reached(self) -> float:
        """Return when the newest log there was written last."""
        return float(self.ask().get("reached") or 0)

    def logs(self, history: str, into: Path, procedure: Procedure) -> list[Path]:
        """Fetch the binary logs of a history and return them, oldest first."""
        target = into / history
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        self._receive(["logs", history], target, procedure)
        return binlog.files(target)

    def read(self, backup: Backup, into: Path, procedure: Procedure) -> None:
        """Fetch a backup's data, each file's checksum compared. Raises DamageError, and CommandError with status 124 if it is lost."""
        into.mkdir(parents=True, exist_ok=True)
        seen = self._receive(["get", backup.label], into, procedure, inside="data/")
        for name, (size, wanted) in backup.files.items():
            if name.startswith("data/") and seen.get(name) != (size, wanted):
                raise DamageError(f"{name} is missing or its checksum is wrong")

    def _receive(self, words: Sequence[str], into: Path, procedure: Procedure, inside: str = "") -> dict[str, tuple[int, str]]:
        argv = [*self.command, *words]
        procedure.commands.append(" ".join(argv))
        seen: dict[str, tuple[int, str]] = {}
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_become(self.user)
        ) as process:
            stream, failure = Patient(cast("IO[bytes]", process.stdout), self.stall_timeout), ""
            try:
                try:
                    _unpack(stream, into, inside, seen)
                except (tarfile.TarError, EOFError) as error:
                    failure = f"the stream was cut: {error}"
                while stream.read():  # what is wrong, the other end says behind it
                    pass
            except TimeoutError as error:
                process.kill()
                raise CommandError(argv, NO_ANSWER, f"no answer within {self.stall_timeout:g} s") from error
            except BaseException:
                process.kill()
                raise
            said = process.stderr.read().decode("utf-8", "replace").strip() if process.stderr else ""
            status = process.wait()
        if status == DAMAGED:
            raise DamageError(said)
        if status or failure:
            # 255 is ssh's own: the line or the other end is gone.
            raise CommandError(argv, NO_ANSWER if status == 255 else status or 1, said or failure)
        return seen


def _unpack(stream: Patient, into: Path, inside: str, seen: dict[str, tuple[int, str]]) -> None:
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as archive:
        for member in archive:
            if not member.isfile() or not member.name.startswith(inside):
                continue
            relative = Path(member.name.removeprefix(inside))
            if relative.is_absolute() or ".." in relative.parts:
                raise tarfile.TarError(f"{member.name} points elsewhere")
            source = archive.extractfile(member)
            target = into / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            found, size = hashlib.sha256(), 0
            if source is None:
                raise tarfile.TarError(f"{member.name} has no content")
            with target.open("wb") as writer:
                while block := source.read(CHUNK):
                    found.update(block)
                    size += len(block)
                    writer.write(block)
            seen[member.name] = (size, found.hexdigest())


def local_writer(path: Path) -> Callable[[bytes], int]:
    """Return a function that replaces a file as a whole, durably."""

    def write(content: bytes) -> int:
        new = path.with_name(f".{path.name}.new")
        with new.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        new.replace(path)
        return len(content)

    return write
