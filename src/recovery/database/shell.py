"""Run programs on the database host and remember what was done, as sentences with times. Standard library only."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


class CommandError(Exception):
    """A program that did not succeed: what was run, how it ended, what it said."""

    def __init__(self, argv: Sequence[str], status: int, output: str) -> None:
        """Keep the command, its exit status (124: it took too long) and what it printed."""
        self.argv = list(argv)
        self.status = status
        self.output = output.strip()
        super().__init__(f"`{shlex.join(self.argv)}` ended with status {status}: {self.output[-2000:]}")


def now() -> str:
    """Return this moment as the journal writes it: UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Procedure:
    """The steps of one module call, its commands and milestones, in the order in which they happened."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    milestones: list[dict[str, str]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record one line of the procedure with its duration, whether it succeeds or not."""
        entry: dict[str, Any] = {"name": name, "at": now()}
        self.steps.append(entry)
        started = time.monotonic()
        try:
            yield
        except BaseException:
            entry["failed"] = True
            raise
        finally:
            entry["took_s"] = round(time.monotonic() - started, 3)

    def milestone(self, name: str, detail: str = "", at: str | None = None) -> None:
        """Record a point of the recovery time (see the closed list in docs/architecture.md)."""
        self.milestones.append({"name": name, "at": at or now(), "detail": detail})

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float | None = None,
        accept: Sequence[int] = (0,),
        quiet: bool = False,
    ) -> str:
        """Run a program, as another user if named, and return its standard output.

        ``env`` adds variables (the way for secrets: they never stand in the argument list). ``quiet`` keeps a mere question
        out of the list of commands. Raises CommandError unless the exit status is in ``accept``.
        """
        if not quiet:
            self.commands.append(shlex.join(argv))
        return run(argv, user=user, env=env, stdin=stdin, timeout=timeout, accept=accept)

    def as_dict(self) -> dict[str, Any]:
        """Return what belongs into a module's result."""
        return {"steps": self.steps, "commands": self.commands, "milestones": self.milestones}


def _become(user: str | None) -> Callable[[], None] | None:
    if user is None or os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(user)

    def drop() -> None:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)

    return drop


def run(
    argv: Sequence[str],
    *,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    accept: Sequence[int] = (0,),
) -> str:
    """Run a program and return its standard output; see Procedure.run, which also remembers it."""
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    if user is not None:
        environment |= {"HOME": pwd.getpwnam(user).pw_dir, "USER": user, "LOGNAME": user}
    environment |= dict(env or {})
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environment,
            cwd="/",
            preexec_fn=_become(user),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(argv, 124, f"no answer within {timeout} s") from error
    except FileNotFoundError as error:
        raise CommandError(argv, 127, f"{argv[0]} is not installed") from error
    if done.returncode not in accept:
        raise CommandError(argv, done.returncode, done.stderr or done.stdout)
    return done.stdout


def psql(
    sql: str,
    *,
    database: str,
    port: int = 5432,
    socket: str = "/var/run/postgresql",
    user: str = "postgres",
    timeout: float | None = None,
    read_only: bool = True,
) -> list[list[str]]:
    """Ask the local server over its socket and return rows of text; NULL is the empty string.

    The first error ends it with CommandError (ON_ERROR_STOP); a question is asked read-only unless said otherwise.
    """
    options = "-c default_transaction_read_only=on" if read_only else ""
    out = run(
        [
            "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-F",
            "\x1f",
            "-R",
            "\x1e",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            socket,
            "-p",
            str(port),
            "-d",
            database,
            "-f",
            "-",
        ],
        user=user,
        env={"PGOPTIONS": options, "PGCONNECT_TIMEOUT": "5"},
        stdin=sql,
        timeout=timeout,
    )
    text = out[:-1] if out.endswith("\n") else out
    return [row.split("\x1f") for row in text.split("\x1e") if row != ""]
