"""The archive of the switches: what they are configured to do, and do, in a git history of its own (BKP-6, BKP-11).

    archive/<switch>/running.cfg    as the switch writes it, each secret replaced by a word that stays the same as long as the secret does
    archive/<switch>/startup.cfg    the same, of what it starts with
    archive/<switch>/state.json     version, model, serial, ports, VLANs, MAC table, neighbours, spanning tree, light levels
    archive/<switch>/fetched.json   when, from where, how many lines, digest
    archive/secrets.vault           the secrets, encrypted with the project's vault password

Only what was proven complete gets in; the last good one stays otherwise. The history is plain git: ``git log -p acc-1/running.cfg``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recovery.network.change import difference
from recovery.network.fetch import Fetched, digest, steady
from recovery.network.parse import parse
from recovery.network.scrub_network import replace
from recovery.network.state import State
from recovery.network.talk import talk
from recovery.network.vault import Vault

SECRETS = "secrets.vault"
WORD = "secret-"
IDENTITY = ("-c", "user.name=Hospital Recovery", "-c", "user.email=recovery@localhost", "-c", "commit.gpgsign=false")


class ArchiveError(Exception):
    """The archive cannot be read or written: what is wrong and what to do."""


@dataclass(frozen=True)
class Entry:
    """The last good fetch of one switch. In ``running`` and ``startup`` secrets are words; `Archive.reveal` puts them back."""

    name: str
    platform: str
    at: datetime
    address: str
    lines: int
    digest: str
    running: str = field(repr=False)
    startup: str = field(repr=False)
    state: State = field(repr=False, default_factory=State)

    @property
    def saved(self) -> bool:
        """Say whether the switch starts with what it runs, however it writes it down: a saved text may be older than the software."""
        how = talk(self.platform)
        if not self.startup or steady(how, self.startup) == steady(how, self.running):
            return bool(self.startup)
        try:
            kept, runs = parse(self.platform, self.startup), parse(self.platform, self.running)
            both = {name: port for name, port in runs.ports.items() if name in kept.ports}  # a port without a line is as from the factory
            same = not difference(kept, dataclasses.replace(runs, ports=both))
        except ValueError:
            return False
        return same and {row.text for row in kept.unknown} == {row.text for row in runs.unknown}


@dataclass(frozen=True)
class Stored:
    """What a round of fetches changed in the archive. ``diff``: readable, of all running configurations that changed."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    diff: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # switch: readable text before and now
    commit: str = ""


class Archive:
    """The archive in one directory. Writing needs the vault; reading needs it only to reveal secrets."""

    def __init__(self, directory: Path, vault: Vault | None = None) -> None:
        """Name the directory; nothing is made or read yet."""
        self.directory = directory
        self._vault = vault
        self._secrets: dict[str, Any] | None = None
        self._known = -1

    # -- reading

    def names(self) -> list[str]:
        """Return the switches that are in it."""
        return sorted(path.parent.name for path in self.directory.glob("*/fetched.json"))

    def entry(self, name: str) -> Entry | None:
        """Return the last good fetch of a switch; None if there never was one. Raises ArchiveError for one that is damaged."""
        place = self.directory / name
        if not (place / "fetched.json").is_file():
            return None
        try:
            told = json.loads((place / "fetched.json").read_text(encoding="utf-8"))
            running = (place / "running.cfg").read_text(encoding="utf-8")
            startup = (place / "startup.cfg").read_text(encoding="utf-8")
            state = State.from_dict(json.loads((place / "state.json").read_text(encoding="utf-8")))
            at = datetime.fromisoformat(told["at"])
            known = (str(told["platform"]), str(told["address"]), int(told["lines"]), str(told["digest"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArchiveError(
                f"{place} is damaged: {error}.\nTake the last good version back: git -C {self.directory} checkout HEAD -- {name}"
            ) from error
        if digest(talk(known[0]), running) != known[3]:
            raise ArchiveError(
                f"{place}/running.cfg is not what was fetched: its digest differs from the one in fetched.json.\n"
                f"Take the last good version back: git -C {self.directory} checkout HEAD -- {name}"
            )
        return Entry(name, known[0], at, known[1], known[2], known[3], running, startup, state)

    def reveal(self, text: str) -> str:
        """Return a readable configuration with its secrets put back. Raises VaultError, or ArchiveError for one that is not on file."""
        values = self._opened()["values"]
        for word in sorted(_words(text), reverse=True):
            if word in values:
                text = text.replace(word, values[word])
        return text

    def history(self, name: str) -> list[tuple[str, str]]:
        """Return the commits that changed a switch's running configuration, newest first: (hash, time)."""
        told = self._git("log", "--format=%h %cI", "--", f"{name}/running.cfg")
        return [(line.split()[0], line.split()[1]) for line in told.splitlines() if line]

    # -- writing

    def store(self, fetched: Iterable[Fetched], note: str = "") -> Stored:
        """Put proven fetches into the archive and its history. Raises ArchiveError, VaultError."""
        with self._writing():
            new: list[str] = []
            changed: list[str] = []
            same: list[str] = []
            diffs: dict[str, tuple[str, str]] = {}
            for one in fetched:
                before = self.entry(one.name)
                patterns = talk(one.platform).secrets
                running, startup = (_tidy(replace(text, patterns, self._word)) for text in (one.running, one.startup))
                how = talk(one.platform)
                if before is None:
                    new.append(one.name)
                elif before.digest != digest(how, running):
                    changed.append(one.name)
                    diffs[one.name] = (before.running, running)
                else:
                    same.append(one.name)
                    running = before.running  # what changes by itself is no change
                    startup = before.startup if digest(how, before.startup) == digest(how, startup) else startup
                told: dict[str, Any] = {"at": one.at, "platform": one.platform, "address": one.address}
                told |= {"lines": len(steady(how, running)), "digest": digest(how, running)}
                place = self.directory / one.name
                place.mkdir(exist_ok=True)
                _write(place / "running.cfg", running)
                _write(place / "startup.cfg", startup)
                _write(place / "state.json", json.dumps(one.state.as_dict(), indent=1, ensure_ascii=False) + "\n")
                _write(place / "fetched.json", json.dumps(told, indent=1) + "\n")
            self._keep_secrets()
            return Stored(tuple(new), tuple(changed), tuple(same), diffs, self._commit(_message(new, changed, same), note))

    def _word(self, secret: str) -> str:
        """Return the word that stands for a secret: the same for the same secret, and telling nothing about it."""
        if secret.startswith(WORD):
            return secret
        opened = self._opened()
        mac = hmac.new(bytes.fromhex(opened["key"]), secret.encode(), hashlib.sha256).hexdigest()
        word = f"{WORD}{mac[:12]}"
        if opened["values"].setdefault(word, secret) != secret:
            raise ArchiveError("Two secrets have come to the same word, which should not happen in the life of a hospital. Report it.")
        return word

    def _opened(self) -> dict[str, Any]:
        if self._secrets is None:
            if self._vault is None:
                raise ArchiveError("The archive's secrets need the vault's password.")
            path = self.directory / SECRETS
            opened = json.loads(self._vault.open(path)) if path.is_file() else {"key": secrets.token_hex(32), "values": {}}
            self._secrets = opened
            self._known = len(opened["values"]) if path.is_file() else -1
        return self._secrets

    def _keep_secrets(self) -> None:
        """Encrypt the secrets anew only when there are new ones: each encryption looks different."""
        opened = self._opened()
        if self._vault and len(opened["values"]) != self._known:
            _write(self.directory / SECRETS, self._vault.encrypt(json.dumps(opened, indent=1, sort_keys=True)))
            self._known = len(opened["values"])

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the archive for one writer; make it if it is not there."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            if not (self.directory / ".git").is_dir():
                self._git("init", "--quiet", "--initial-branch=main")
            with (self.directory / ".git" / "recovery.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise ArchiveError(
                f"The archive {self.directory} cannot be written: {error}.\nMake room or correct its permissions."
            ) from error

    def _commit(self, message: str, note: str) -> str:
        self._git("add", "--all")
        if not self._git("status", "--porcelain"):
            return self._git("rev-parse", "--short", "HEAD").strip()
        self._git(*IDENTITY, "commit", "--quiet", "--message", message + (f"\n\n{note}" if note else ""))
        return self._git("rev-parse", "--short", "HEAD").strip()

    def _git(self, *words: str) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        command = ["git", "-c", f"safe.directory={self.directory}", "-C", str(self.directory), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ArchiveError(f"git {words[0]} in {self.directory} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


def age_s(entry: Entry, at: datetime | None = None) -> float:
    """Return how old a fetch is, in seconds."""
    return ((at or datetime.now(UTC)) - entry.at).total_seconds()


def _words(text: str) -> set[str]:
    return {part for line in text.splitlines() if WORD in line for part in line.split() if part.startswith(WORD)}


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n") + "\n" if text.strip() else ""


def _message(new: list[str], changed: list[str], same: list[str]) -> str:
    parts = [f"{', '.join(names)} {what}" for names, what in ((changed, "changed"), (new, "first fetched")) if names]
    if same:
        parts.append(f"{len(same)} unchanged")
    return "; ".join(parts) or "Nothing fetched"


def _write(path: Path, text: str) -> None:
    """Put a file in place, whole or not at all."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    aside.chmod(0o600)
    aside.replace(path)
