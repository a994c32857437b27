"""What a forced command lets through: the other end asks, this end decides (BKP-2). Pure but for ``execute``.

Keys cross between the database host, the off-site backup server and the drill host, each with ``restrict,command=``:

- the backup server's key at the database host (``database`` gate): pgBackRest's protocol for this one stanza, the manifest of
  a backup just taken, the control file that identifies the system;
- the database host's and the drill host's key at the backup server, and the drill host's at the database host (``reader`` gate):
  pgBackRest's protocol in commands that read, and the WAL tail.
  pgBackRest's protocol could also write, so the gate's user owns nothing there: the file system refuses what the gate overlooks.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

READING = ("archive-get", "info", "repo-get", "repo-ls", "restore", "verify")
BACKING_UP = ("backup", "check", "stanza-create", "stanza-upgrade")
_OPTION = re.compile(r"--(?P<name>[a-z0-9-]+)(?:=(?P<value>[A-Za-z0-9/._:@+%, -]*))?")
_LABEL = re.compile(r"[0-9]{8}-[0-9]{6}F(?:_[0-9]{8}-[0-9]{6}[DI])?")
# Options that would make pgBackRest start a program, read another configuration, or go on to a third host.
_FORBIDDEN = re.compile(r"(cmd|cmd-ssh|config-path|config-include-path|.*-host.*|.*-(s3|gcs|azure)-.*|tls-.*|beta)")


class RefusedError(Exception):
    """A command that the gate does not let through; the message says which rule it breaks."""


@dataclass(frozen=True)
class Gate:
    """The rules of one gate: which pgBackRest commands, which words of our own, and the fixed values of options."""

    commands: tuple[str, ...]
    words: Mapping[str, Sequence[str]]
    stanza: str
    fixed: Mapping[str, Sequence[str]]

    def resolve(self, asked: str) -> list[str]:
        """Return the command to execute for what the other end asked. Raises RefusedError for everything else."""
        try:
            argv = shlex.split(asked)
        except ValueError as error:
            raise RefusedError("the command cannot be read") from error
        if not argv:
            raise RefusedError("no command was asked for, and there is no shell here")
        if argv[0] in self.words:
            if len(argv) > 2 or not all(_LABEL.fullmatch(argument) for argument in argv[1:]):
                raise RefusedError(f"'{argv[0]}' takes at most one argument, the label of a backup")
            return [*self.words[argv[0]], *argv[1:]]
        if argv[0] != "pgbackrest":
            raise RefusedError(f"'{argv[0]}' is not a command of this gate")
        self._check_pgbackrest(argv[1:])
        return ["/usr/bin/pgbackrest", *argv[1:]]

    def _check_pgbackrest(self, arguments: Sequence[str]) -> None:
        verbs = [argument for argument in arguments if not argument.startswith("--")]
        allowed = {f"{command}:remote" for command in self.commands}
        if len(verbs) != 1 or verbs[0] not in allowed:
            raise RefusedError(f"pgbackrest {' '.join(verbs) or 'without a command'} is not allowed here")
        for argument in arguments:
            if argument in verbs:
                continue
            option = _OPTION.fullmatch(argument)
            if option is None:
                raise RefusedError(f"the option '{argument}' is malformed")
            name, value = option["name"], option["value"] or ""
            if name == "stanza" and value != self.stanza:
                raise RefusedError(f"the stanza '{value}' is not served here")
            if name in self.fixed:
                if value not in self.fixed[name]:
                    raise RefusedError(f"--{name} must be {' or '.join(self.fixed[name])}")
            elif _FORBIDDEN.fullmatch(name) or name == "config":
                raise RefusedError(f"the option --{name} is not allowed here")


def reader_gate(stanza: str, repository_path: str, config: str, tail_command: Sequence[str], *more_paths: str) -> Gate:
    """Return the rules for a host that restores from here; ``more_paths``: further repositories of this host (a removable disk)."""
    return Gate(
        commands=READING,
        words={"tail": tail_command},
        stanza=stanza,
        fixed={"config": (config,), "repo1-path": (repository_path, *more_paths), "remote-type": ("repo",), "log-level-file": ("off",)},
    )


def database_gate(stanza: str, data_directory: str, command: str) -> Gate:
    """Return the rules for the backup server that takes its backups from this database host."""
    return Gate(
        commands=BACKING_UP,
        words={"manifest": [command, "manifest"], "pg-control": ["/usr/bin/base64", "--wrap=0", f"{data_directory}/global/pg_control"]},
        stanza=stanza,
        fixed={"pg1-path": (data_directory,), "remote-type": ("pg",), "log-level-file": ("off",)},
    )


def execute(gate: Gate, environment: Mapping[str, str]) -> int:
    """Become the command that was asked for (``SSH_ORIGINAL_COMMAND``), or refuse with exit status 126 and a log entry."""
    asked = environment.get("SSH_ORIGINAL_COMMAND", "")
    try:
        argv = gate.resolve(asked)
    except RefusedError as refusal:
        subprocess.run(  # the refusal must not depend on the log
            ["/usr/bin/logger", "-p", "auth.warning", "-t", "hospital-backup", f"refused: {refusal}: {asked[:200]}"], check=False
        )
        os.write(2, f"Refused: {refusal}.\n".encode())
        return 126
    os.execv(argv[0], argv)  # noqa: S606 - resolved above, no shell
