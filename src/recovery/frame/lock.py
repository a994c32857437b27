"""One recovery at a time on a target: lock files that say who holds them, and whether that holder still lives (ORG-5)."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recovery.frame.project import incidents_root

DIRECTORY = ".locks"


@dataclass(frozen=True)
class Holder:
    """Who holds a target: a run, and the process that drives it.

    ``pid_started`` is the kernel's start time of the process in clock ticks since boot; together with ``boot_id`` it tells the
    process from a later one that happens to have the same number.
    """

    target: str
    run: str
    runbook: str
    by: str
    incident: str
    host: str
    boot_id: str
    pid: int
    pid_started: int
    since: str

    def liveness(self) -> str:
        """Return ``alive``, ``dead``, or ``elsewhere`` (another machine's process: nothing can be known from here)."""
        if self.host != socket.gethostname():
            return "elsewhere"
        if self.boot_id != boot_id():
            return "dead"
        started = process_started(self.pid)
        return "alive" if started is not None and started == self.pid_started else "dead"

    def sentence(self) -> str:
        """Say who holds the target and since when."""
        return f"{self.by} runs {self.runbook} on {self.target} since {self.since} (run {self.run}, process {self.pid} on {self.host})"


@dataclass(frozen=True)
class Outcome:
    """What came of asking for a target.

    ``status``: taken, held (by this very run), continued (a dead run of the same runbook), taken_over (by name), or refused.
    ``code`` and ``liveness`` say why it was refused; ``previous`` is the holder that was found.
    """

    status: str
    previous: Holder | None = None
    liveness: str = ""
    code: str = ""
    detail: str = ""


def boot_id() -> str:
    """Return the identity of this boot of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def process_started(pid: int) -> int | None:
    """Return when a process began (clock ticks since boot), or None if it does not live."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name stands in parentheses and may hold anything, also spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def holder(target: str, *, run: str, runbook: str, by: str, incident: str, pid: int | None = None) -> Holder:
    """Describe this process (or ``pid``) as the holder of a target."""
    number = os.getpid() if pid is None else pid
    return Holder(
        target=target,
        run=run,
        runbook=runbook,
        by=by,
        incident=incident,
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=number,
        pid_started=process_started(number) or 0,
        since=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    )


def lock_path(target: str, root: Path | None = None) -> Path:
    """Return the lock file of a target."""
    if not target.strip():
        raise ValueError("A lock needs the name of its target.")
    return (root or incidents_root()) / DIRECTORY / f"{quote(target, safe='')}.json"


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one process at a time look at the locks and decide; the kernel frees it if that process dies."""
    directory = root / DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / ".guard", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> Holder | None:
    """Read a lock file. None: there is none. Raises ValueError if it is not readable as one."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        data: dict[str, Any] = json.loads(text)
        return Holder(**data)
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a lock file any more ({error})") from error


def _write(path: Path, who: Holder) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.new")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(asdict(who), stream, ensure_ascii=False, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _decide(path: Path, who: Holder, takeover_by: str) -> Outcome:
    try:
        found = _read(path)
    except ValueError as error:
        if takeover_by.strip():
            return Outcome("taken_over", detail=str(error))
        return Outcome("refused", code="lock-unreadable", detail=str(error))
    if found is None:
        return Outcome("taken")
    if found.run == who.run:
        return Outcome("held", found)
    liveness = found.liveness()
    if liveness == "alive":
        return Outcome("refused", found, liveness, "lock-held")
    if liveness == "dead" and found.runbook == who.runbook:
        return Outcome("continued", found, liveness)
    if takeover_by.strip():
        return Outcome("taken_over", found, liveness)
    return Outcome("refused", found, liveness, "lock-holder-dead" if liveness == "dead" else "lock-holder-elsewhere")


def look(who: Holder, *, takeover_by: str = "", root: Path | None = None) -> Outcome:
    """Say what ``take`` would answer, and change nothing."""
    return _decide(lock_path(who.target, root), who, takeover_by)


def take(who: Holder, *, takeover_by: str = "", root: Path | None = None) -> Outcome:
    """Take a target for a run, unless somebody else has it. Atomic among all processes of this machine."""
    base = root or incidents_root()
    path = lock_path(who.target, base)
    with _alone(base):
        outcome = _decide(path, who, takeover_by)
        if outcome.status in ("taken", "continued", "taken_over"):
            _write(path, who)
    return outcome


def holders(root: Path | None = None) -> list[Holder]:
    """Return every holder of a target that can be read, oldest first."""
    found: list[Holder] = []
    for path in ((root or incidents_root()) / DIRECTORY).glob("*.json"):
        try:
            who = _read(path)
        except ValueError:
            continue
        if who is not None:
            found.append(who)
    return sorted(found, key=lambda each: each.since)


def release_run(run: str, root: Path | None = None) -> list[str]:
    """Release every target that a run holds and return their names."""
    base = root or incidents_root()
    if not (base / DIRECTORY).is_dir():
        return []
    released: list[str] = []
    with _alone(base):
        for who in holders(base):
            if who.run == run:
                lock_path(who.target, base).unlink(missing_ok=True)
                released.append(who.target)
    return sorted(released)
