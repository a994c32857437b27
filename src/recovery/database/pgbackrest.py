"""Ask a pgBackRest repository what it holds (pgBackRest 2.45 command reference). Standard library only."""

from __future__ import annotations

import configparser
import hashlib
import io
import json
import os
import pwd
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .shell import CommandError, run
from .wal import SEGMENT, Segment, parse_history

CRYPTO_ERROR = 95
INFO_ERROR = 99  # `info` itself succeeds, and tells in its answer that the repository could not be read
SSH = """\
#!/bin/sh
# The way to the repository: one connection for all questions, if it is open.
exec ssh -o ControlPath={directory}/ssh-%C -o ServerAliveInterval={interval} -o ServerAliveCountMax=3 "$@"
"""
STALL_TIMEOUT_S = 15
OFFSITE_CONFIG = "/etc/pgbackrest/pgbackrest.conf"


@dataclass(frozen=True)
class Backup:
    """One backup set as ``pgbackrest info`` tells it; times are seconds since the epoch, sizes are bytes."""

    label: str
    kind: str
    start_time: int
    stop_time: int
    start_segment: Segment
    stop_segment: Segment
    start_lsn: str
    stop_lsn: str
    size: int
    error: bool
    references: tuple[str, ...]
    database_id: int
    annotation: dict[str, str]

    @classmethod
    def parse(cls, entry: dict[str, Any]) -> Backup:
        """Read one entry of ``info --output=json``."""
        return cls(
            label=entry["label"],
            kind=entry["type"],
            start_time=int(entry["timestamp"]["start"]),
            stop_time=int(entry["timestamp"]["stop"]),
            start_segment=Segment.parse(entry["archive"]["start"]),
            stop_segment=Segment.parse(entry["archive"]["stop"]),
            start_lsn=entry.get("lsn", {}).get("start", ""),
            stop_lsn=entry.get("lsn", {}).get("stop", ""),
            size=int(entry["info"]["size"]),
            error=bool(entry.get("error", False)),
            references=tuple(entry.get("reference") or ()),
            database_id=int(entry["database"]["id"]),
            annotation=dict(entry.get("annotation") or {}),
        )


@dataclass(frozen=True)
class Contents:
    """What a repository holds for one stanza."""

    status_code: int
    status: str
    backups: tuple[Backup, ...]
    systems: dict[int, dict[str, Any]]
    archive_id: str


@dataclass(frozen=True)
class Archive:
    """The WAL of a repository: complete segments with the time at which each was stored, and timeline histories."""

    segments: dict[Segment, int]
    histories: dict[int, list[tuple[int, int]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Repository:
    """A repository as a recovery reaches it: a path, the host it is on if that is another one, and how to decrypt it."""

    name: str
    path: str
    stanza: str
    host: str = ""
    host_user: str = "offsite_reader"
    cipher_pass: str = field(default="", repr=False)
    ssh_command: str = ""
    config: str = ""
    user: str = "postgres"
    stall_timeout: int = STALL_TIMEOUT_S
    """Seconds without a byte after which a repository counts as lost."""

    def write_config(self, directory: str, data_directory: str) -> Repository:
        """Write the configuration for reading this repository into ``directory`` (in memory, owner only), and return self with it.

        The recovery brings its own configuration so that it depends on nothing that the failed machine may have lost. The
        passphrase of a remote repository stays there: pgBackRest hands it over the connection.
        """
        parser = configparser.ConfigParser(interpolation=None)
        options = {
            "repo1-path": self.path,
            "log-level-console": "warn",
            "log-level-file": "off",
            "lock-path": f"{directory}/lock",
            "spool-path": f"{directory}/spool",
            "io-timeout": str(self.stall_timeout),
            "protocol-timeout": str(self.stall_timeout * 2),
            "compress-level-network": "1",
        }
        if self.host:
            options |= {"repo1-host": self.host, "repo1-host-user": self.host_user, "repo1-host-config": OFFSITE_CONFIG}
            options["cmd-ssh"] = f"{directory}/ssh"
        elif self.cipher_pass:
            options |= {"repo1-cipher-type": "aes-256-cbc", "repo1-cipher-pass": self.cipher_pass}
        parser["global"] = options
        parser[self.stanza] = {"pg1-path": data_directory}
        entry = pwd.getpwnam(self.user)
        Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(directory, entry.pw_uid, entry.pw_gid)
        if self.host:
            _write(Path(directory) / "ssh", SSH.format(directory=directory, interval=max(1, self.stall_timeout // 3)), 0o700, entry)
        target = Path(directory) / f"{self.name}.conf"
        text = io.StringIO()
        parser.write(text, space_around_delimiters=False)
        _write(target, text.getvalue(), 0o600, entry)
        return Repository(**{**self.__dict__, "config": str(target), "ssh_command": options.get("cmd-ssh", "")})

    def connect(self) -> None:
        """Open one connection that everything which follows shares: a handshake for each segment of log would cost minutes."""
        if not self.host:
            return
        # The shared connection outlives this call, so it must not hold on to this call's output.
        shared = ["-M", "-f", "-N", "-o", "ControlPersist=60", f"{self.host_user}@{self.host}"]
        test = [self.ssh_command, "-O", "check", f"{self.host_user}@{self.host}"]
        try:
            run(test, user=self.user, timeout=5)
        except CommandError:
            with suppress(CommandError):  # whoever asks next connects by himself, and says why if that fails
                run(["sh", "-c", '"$@" >/dev/null 2>&1', "sh", self.ssh_command, *shared], user=self.user, timeout=15)

    def command(self, *words: str) -> list[str]:
        """Return a pgBackRest command line that reads this repository."""
        return ["pgbackrest", f"--config={self.config}", f"--stanza={self.stanza}", *words]

    def ask(self, *words: str, timeout: float | None = 60, accept: Sequence[int] = (0,)) -> str:
        """Run a pgBackRest command that changes nothing and return what it printed."""
        return run(self.command(*words), user=self.user, timeout=timeout, accept=accept)

    def contents(self) -> Contents:
        """Return what ``info`` says of the stanza. Raises CommandError when the repository cannot be read."""
        # With a wrong passphrase pgBackRest puts what it deciphered into its message, control characters and all.
        answer = json.loads(self.ask("info", "--output=json") or "[]", strict=False)
        entry = next((e for e in answer if e.get("name") == self.stanza), None)
        if entry is None:
            return Contents(1, "the repository has no such stanza", (), {}, "")
        archives = entry.get("archive") or []
        repo_status = (entry.get("repo") or [{}])[0].get("status", entry["status"])
        if int(repo_status["code"]) == INFO_ERROR:
            raise CommandError(self.command("info"), INFO_ERROR, str(repo_status["message"]))
        return Contents(
            status_code=int(repo_status["code"]),
            status=str(repo_status["message"]),
            # A backup of a stopped server names no log: there is nothing to replay behind it.
            backups=tuple(Backup.parse(b) for b in entry.get("backup") or [] if b["archive"].get("start")),
            systems={int(d["id"]): d for d in entry.get("db") or []},
            archive_id=str(archives[-1]["id"]) if archives else "",
        )

    def list_files(self, path: str) -> dict[str, dict[str, Any]]:
        """Return the files below ``path`` of the repository: relative name -> {size, time}."""
        listed = json.loads(self.ask("repo-ls", "--recurse", "--output=json", path) or "{}")
        return {name: entry for name, entry in listed.items() if entry.get("type") == "file"}

    def archive(self, archive_id: str) -> Archive:
        """Return the WAL segments and timeline histories of one archive id (such as ``15-1``)."""
        base = f"archive/{self.stanza}/{archive_id}"
        segments: dict[Segment, int] = {}
        histories: dict[int, list[tuple[int, int]]] = {}
        for name, entry in self.list_files(base).items():
            leaf = name.rsplit("/", 1)[-1]
            if leaf.endswith(".history"):
                histories[int(leaf[:8], 16)] = parse_history(self.ask("repo-get", f"{base}/{name}"))
            elif SEGMENT.match(leaf) and leaf[24:25] == "-":
                segments[Segment.parse(leaf)] = int(entry.get("time", 0))
        return Archive(segments, histories)

    def manifest_files(self, label: str) -> dict[str, dict[str, Any]]:
        """Return the files that a backup says it holds: name -> {size, reference, repo-size, checksum}."""
        parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=(), interpolation=None, strict=False)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        try:
            parser.read_string(self.ask("repo-get", f"backup/{self.stanza}/{label}/backup.manifest"))
        except configparser.Error as error:
            raise ValueError(f"the list of files of backup {label} is damaged") from error
        defaults = {key: json.loads(value) for key, value in parser["target:file:default"].items()}
        return {name: {**defaults, **json.loads(value)} for name, value in parser["target:file"].items()}

    def holdings(self, backup: Backup) -> dict[str, Any] | None:
        """Return the manifest of what a backup holds, or None if it was taken without one.

        Raises ValueError when it is not the one that the backup's annotation names.
        """
        sealed = backup.annotation.get("manifest-sha256", "")
        if not sealed:
            return None
        text = self.ask("repo-get", "--raw", f"manifests/{self.stanza}/{backup.label}.json")
        if hashlib.sha256(text.encode("utf-8")).hexdigest() != sealed:
            raise ValueError(f"the manifest of backup {backup.label} is not the one that was sealed with it")
        found: dict[str, Any] = json.loads(text)
        return found

    def damaged_files(self, backup: Backup) -> list[str]:
        """Compare a backup's manifest with the files that are there; return what is wrong, in sentences.

        Presence and size are compared, which costs no reading of the data; the contents are compared by checksum while they
        are read into the staging directory.
        """
        suffixes = ("", ".lz4", ".gz", ".zst", ".bz2")
        listings = {label: self.list_files(f"backup/{self.stanza}/{label}") for label in {backup.label, *backup.references}}
        problems: list[str] = []
        for name, entry in self.manifest_files(backup.label).items():
            if not int(entry.get("size", 0)):
                continue
            listing = listings.get(str(entry.get("reference", backup.label)), {})
            found = next((listing[name + s] for s in suffixes if name + s in listing), None)
            stored = int(entry.get("repo-size", entry["size"]))
            if found is None:
                problems.append(f"{name} is missing from the backup")
            elif "repo-size" in entry and int(found["size"]) != stored:
                problems.append(f"{name} has {found['size']} bytes in the backup where its manifest says {stored}")
        return problems


def _write(path: Path, text: str, mode: int, owner: pwd.struct_passwd) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    os.chown(path, owner.pw_uid, owner.pw_gid)


def explain(error: CommandError, encrypted: bool = True) -> tuple[str, str]:
    """Turn a failed pgBackRest command into a finding's code and a sentence; ``encrypted``: a passphrase may be what is wrong.

    The code is one of wrong-passphrase, repository-unreachable, repository-unreadable.
    """
    text = error.output
    brief = next((line.strip() for line in text.splitlines() if "ERROR" in line or "unable" in line), text.strip()[-300:])
    if error.status == CRYPTO_ERROR or "CryptoError" in text or "cipher" in text.lower() or "FormatError" in text:
        if not encrypted:
            return "repository-unreadable", f"Its catalogue is damaged, or it is encrypted and no passphrase was given for it ({brief})."
        # Deciphered with a wrong passphrase, a catalogue is noise: pgBackRest then complains of its form as often as of its cipher.
        said = f"The repository cannot be deciphered with the passphrase in the vault, or its catalogue is damaged ({brief})."
        return "wrong-passphrase", said
    unreachable = ("timed out", "Connection refused", "No route to host", "Could not resolve", "Connection closed", "unreachable")
    if error.status == 124 or any(sign in text for sign in unreachable):
        return "repository-unreachable", f"The repository cannot be reached ({brief})."
    return "repository-unreadable", f"The repository cannot be read ({brief})."
