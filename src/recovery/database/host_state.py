"""Bring a host into a described state: accounts, directories, files, keys, services; in check mode only say what would change.

One call does what would be dozens of tasks, each of them a connection; every change is remembered with what was before.
Contents marked secret are written, compared and never shown.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .shell import CommandError, Procedure, run

HIDDEN = "(secret: not shown)\n"
UNITS = Path("/etc/systemd/system")


@dataclass
class HostState:
    """The changes to a host in one call; with ``check`` nothing is written."""

    check: bool
    procedure: Procedure = field(default_factory=Procedure)
    changes: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    def note(self, what: str, before: str = "", after: str = "") -> None:
        """Remember one change: a sentence, and the texts before and after for the diff."""
        self.changes.append(what)
        self.before.append(f"# {what}\n{before}")
        self.after.append(f"# {what}\n{after}")

    @property
    def diff(self) -> dict[str, str]:
        """Return all changes as one diff."""
        return {"before": "\n".join(self.before), "after": "\n".join(self.after)}

    def group(self, name: str) -> None:
        """Have a system group."""
        try:
            grp.getgrnam(name)
        except KeyError:
            self.note(f"group {name}", "", "present\n")
            if not self.check:
                self.procedure.run(["groupadd", "--system", name])

    def account(self, name: str, home: str, groups: Sequence[str] = ()) -> None:
        """Have a system account with a home directory, a shell for forced commands, no password, and these further groups."""
        for group in groups:
            self.group(group)
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            self.note(f"account {name}", "", f"home {home}, groups {', '.join(groups)}\n")
            if not self.check:
                options = ["--system", "--create-home", "--home-dir", home, "--shell", "/bin/sh", "--user-group"]
                self.procedure.run(["useradd", *options, *(["--groups", ",".join(groups)] if groups else []), name])
            return
        missing = [group for group in groups if name not in _members(group) and _gid(group) != entry.pw_gid]
        if missing:
            self.note(f"groups of {name}", "", f"{', '.join(missing)}\n")
            if not self.check:
                self.procedure.run(["usermod", "--append", "--groups", ",".join(missing), name])

    def directory(self, path: str, owner: str, group: str, mode: int) -> None:
        """Have a directory with this owner, group and mode; its contents are left alone."""
        target = Path(path)
        if not target.is_dir():
            self.note(f"directory {path}", "absent\n", f"{owner}:{group} {mode:04o}\n")
            if not self.check:
                target.mkdir(parents=True)
        self._rights(target, owner, group, mode)

    def file(self, path: str, content: str, owner: str = "root", group: str = "root", mode: int = 0o644, *, shown: str = "all") -> bool:
        """Have a file with this content, replaced as a whole; return whether its content changed.

        ``shown`` in the diff: ``all``, ``digest`` (a program: its sha256), ``nothing`` (a secret).
        """
        target = Path(path)
        found = target.read_text(encoding="utf-8", errors="replace") if target.is_file() else None
        changed = found != content
        if changed:
            self.note(f"file {path}", _shown(found, shown), _shown(content, shown))
            if not self.check:
                new = target.with_name(f".{target.name}.new")
                descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                    handle.write(content)
                os.chown(new, _uid(owner), _gid(group))
                new.chmod(mode)
                new.replace(target)
        self._rights(target, owner, group, mode)
        return changed

    def block(self, path: str, name: str, text: str) -> bool:
        """Have a marked block at the beginning of a file that somebody else owns; return whether it changed."""
        target = Path(path)
        found = target.read_text(encoding="utf-8")
        begin, end = f"# BEGIN {name}\n", f"# END {name}\n"
        bare = re.sub(re.escape(begin) + r".*?" + re.escape(end), "", found, flags=re.S)
        wanted = f"{begin}{text.rstrip()}\n{end}{bare}"
        if found == wanted:
            return False
        state = target.stat()
        self.note(f"block {name} in {path}", "" if begin not in found else "other lines\n", text)
        if not self.check:
            new = target.with_name(f".{target.name}.new")
            new.write_text(wanted, encoding="utf-8")
            os.chown(new, state.st_uid, state.st_gid)
            new.chmod(stat.S_IMODE(state.st_mode))
            new.replace(target)
        return True

    def key(self, user: str, path: str, comment: str) -> str:
        """Have an SSH key of a service account (no passphrase: a timer uses it; its forced command limits it); return the public one."""
        public = Path(f"{path}.pub")
        if public.is_file() and Path(path).is_file():
            return public.read_text(encoding="utf-8").strip()
        self.note(f"SSH key {path}", "absent\n", "ed25519\n")
        if self.check:
            return ""
        self.procedure.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], user=user)
        return public.read_text(encoding="utf-8").strip()

    def units(self, wanted: Mapping[str, str], *, reload: bool, restart: Iterable[str] = ()) -> None:
        """Have systemd units enabled and running (``started``) or only enabled; restart those whose files changed."""
        if reload and not self.check:
            self.procedure.run(["systemctl", "daemon-reload"])
        names = list(wanted)
        enabled = _answers(["systemctl", "is-enabled", *names], len(names))
        active = _answers(["systemctl", "is-active", *names], len(names))
        enable = [name for name, state in zip(names, enabled, strict=True) if state != "enabled"]
        start = [
            name for name, state in zip(names, active, strict=True) if wanted[name] == "started" and state not in ("active", "activating")
        ]
        again = [name for name in restart if name in wanted and name not in start]
        for names_changed, what in ((enable, "enable"), (start, "start"), (again, "restart")):
            if names_changed:
                self.note(f"{what} {', '.join(names_changed)}", "", "done\n")
                if not self.check:
                    self.procedure.run(["systemctl", what, *names_changed])

    def units_away(self, names: Sequence[str]) -> None:
        """Have systemd units of an earlier duty of this host neither running nor enabled; those it never had are left alone."""
        known = [name for name in names if (UNITS / name).exists()]
        enabled = _answers(["systemctl", "is-enabled", *known], len(known)) if known else []
        active = _answers(["systemctl", "is-active", *known], len(known)) if known else []
        live = [
            name
            for name, boot, state in zip(known, enabled, active, strict=True)
            if boot == "enabled" or state in ("active", "activating", "failed")
        ]
        if live:
            self.note(f"disable {', '.join(live)}", "of this host's earlier duty\n", "stopped and disabled\n")
            if not self.check:
                self.procedure.run(["systemctl", "disable", "--now", *live])
                self.procedure.run(["systemctl", "reset-failed", *live], accept=(0, 1))

    def _rights(self, target: Path, owner: str, group: str, mode: int) -> None:
        if not target.exists():
            return
        state = target.stat()
        try:
            wanted = (_uid(owner), _gid(group), mode)
        except KeyError:
            return  # in check mode, an account that is still to be made
        found = (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode))
        if found != wanted:
            self.note(f"rights of {target}", f"{found[0]}:{found[1]} {found[2]:04o}\n", f"{owner}:{group} {mode:04o}\n")
            if not self.check:
                os.chown(target, *wanted[:2])
                target.chmod(mode)


def _shown(text: str | None, how: str) -> str:
    if text is None:
        return ""
    if how == "all":
        return text
    return HIDDEN if how == "nothing" else f"sha256 {hashlib.sha256(text.encode()).hexdigest()}\n"


def _uid(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _gid(name: str) -> int:
    return grp.getgrnam(name).gr_gid


def _members(group: str) -> list[str]:
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError:
        return []


def _answers(argv: Sequence[str], count: int) -> list[str]:
    """Return systemctl's answers, one a unit; units that do not exist yet answer nothing in check mode."""
    try:
        lines = run(argv, accept=(0, 1, 3, 4)).split("\n")
    except CommandError:
        lines = []
    answers = [line.strip() for line in lines]
    return [answers[i] if i < len(answers) and len(answers) > count - 1 else "" for i in range(count)]


def apply(state: HostState, wanted: Mapping[str, Any]) -> set[str]:
    """Bring accounts, directories and files of a description into place; return the paths whose content changed."""
    for account in wanted.get("accounts") or ():
        state.account(account["name"], account["home"], account.get("groups") or ())
    for directory in wanted.get("directories") or ():
        state.directory(directory["path"], directory["owner"], directory.get("group") or directory["owner"], int(directory["mode"], 8))
    changed: set[str] = set()
    for entry in wanted.get("files") or ():
        if state.file(
            entry["path"],
            entry["content"],
            entry.get("owner") or "root",
            entry.get("group") or entry.get("owner") or "root",
            int(entry.get("mode") or "0644", 8),
            shown=str(entry.get("shown") or "all"),
        ):
            changed.add(entry["path"])
    return changed
