"""The outer machine: programs, processes with their identity, files that are whole or absent."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lab.errors import LabError

T = TypeVar("T")
PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "nsenter": "util-linux",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "ip": "iproute2",
    "tc": "iproute2",
    "nc": "netcat-openbsd",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    timeout: float | None = 120,
    check: bool = True,
    doing: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a program of the outer machine; a failure becomes a LabError that says what was being done."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{doing or words[0]}: `{shlex.join(words)}` gave no answer within {timeout} s.") from error
    except FileNotFoundError as error:
        package = PROGRAMS.get(words[0], words[0])
        raise LabError(f"{words[0]} is not installed.", f"Install it: apt-get install {package}") from error
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise LabError(f"{doing or words[0]} failed: `{shlex.join(words)}` ended with status {done.returncode}: {said}")
    return done


def require_lab_machine(programs: Sequence[str] = tuple(PROGRAMS)) -> None:
    """Refuse, in a sentence, a machine on which the lab cannot boot."""
    if sys.platform != "linux":
        raise LabError("The lab boots Linux containers; this is not Linux.", "Run it on Debian 12, in a virtual machine if need be.")
    if os.geteuid() != 0:
        raise LabError("The lab mounts, boots and cables hosts: that needs root.", "Run it as root, e.g. with sudo -E.")
    missing = sorted({PROGRAMS.get(program, program) for program in programs if shutil.which(program) is None})
    if missing:
        raise LabError(f"These Debian packages are missing: {', '.join(missing)}.", f"Install them: apt-get install {' '.join(missing)}")


def require_space(path: Path, megabytes: int, purpose: str) -> None:
    """Refuse to start what will fill the disk half-way."""
    nearest = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(nearest).free // 2**20
    if free < megabytes:
        raise LabError(
            f"{purpose} needs {megabytes} MB below {path}, and {free} MB are free.",
            "Free some space, or point LAB_CACHE and LAB_STATE_ROOT to a larger disk.",
        )


INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_WANTED = 2048


def raise_limits(say: Callable[[str], None]) -> None:
    """Allow what some dozens of hosts need together: each systemd takes a few inotify instances of one user's 128."""
    present = int(INOTIFY.read_text(encoding="ascii"))
    if present < INOTIFY_WANTED:
        INOTIFY.write_text(str(INOTIFY_WANTED), encoding="ascii")
        say(f"This machine: fs.inotify.max_user_instances raised from {present} to {INOTIFY_WANTED} until the next boot")


# --- files -----------------------------------------------------------------------------------------------------------


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with draft.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs."""
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON, or None if there is none (or only a torn piece of it)."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None


@contextmanager
def exclusive(path: Path, purpose: str, wait_s: float = 0) -> Iterator[None]:
    """Hold a lock file; a second holder waits ``wait_s`` seconds, then is told who is at work."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    while True:
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    file.seek(0)
                    holder = file.read().strip() or "another process"
                    raise LabError(f"{purpose} is under way elsewhere ({holder}).", "Wait for it to end.") from error
                time.sleep(0.2)
                continue
            if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                continue  # the last holder took the file away with it
            file.seek(0)
            file.truncate()
            file.write(f"pid {os.getpid()}")
            file.flush()
            yield
            return


# --- processes -------------------------------------------------------------------------------------------------------


def boot_id() -> str:
    """Return the identity of this boot of the outer machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number."""

    boot: str
    pid: int
    started: int

    @classmethod
    def from_file(cls, path: Path) -> Process | None:
        """Read what LAUNCH wrote; None when there is no such record."""
        try:
            boot, pid, started = path.read_text(encoding="ascii").split()
            return cls(boot, int(pid), int(started))
        except (FileNotFoundError, ValueError):
            return None

    def alive(self) -> bool:
        """Tell whether this very process still runs (a zombie does not)."""
        stat = _stat(self.pid)
        return stat is not None and self.boot == boot_id() and int(stat[19]) == self.started and stat[0] not in "ZX"

    def send(self, number: signal.Signals | int) -> None:
        """Signal it, if it is still this very process."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout: float) -> bool:
        """Wait until it is gone; False if it is not."""
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                return False
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
            time.sleep(0.02)
        return True


def _stat(pid: int) -> list[str] | None:
    """Return /proc/PID/stat from the state on (index 0 is the state, 19 the start time)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def identify(pid: int) -> Process | None:
    """Return the identity of a running process."""
    stat = _stat(pid)
    return Process(boot_id(), pid, int(stat[19])) if stat else None


# The child writes its own identity before it becomes the program: there is no moment at which it runs unrecorded.
LAUNCH = """
record=$1; shift
for group in $LAB_CGROUPS; do echo $$ >"$group/cgroup.procs"; done
unset LAB_CGROUPS
read -r boot </proc/sys/kernel/random/boot_id
read -r stat </proc/self/stat
start=$(echo "${stat##*) }" | cut -d' ' -f20)
echo "$boot $$ $start" >"$record.new" && mv "$record.new" "$record" && exec "$@"
"""


def launch(argv: Sequence[str | Path], record: Path, log: Path, *, cgroups: Sequence[Path] = (), env: dict[str, str] | None = None) -> None:
    """Start a program in a session of its own, recorded in ``record`` from its first instruction on."""
    record.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    with log.open("ab") as output:
        subprocess.Popen(
            ["/bin/sh", "-c", LAUNCH, "sh", str(record), *[str(word) for word in argv]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **(env or {}), "LAB_CGROUPS": " ".join(str(group) for group in cgroups)},
        )
    deadline = time.monotonic() + 5
    while not record.exists():
        if time.monotonic() > deadline:
            raise LabError(f"{argv[0]} did not start.", f"Its output: {log}")
        time.sleep(0.005)


def children(pid: int) -> list[int]:
    """Return the process numbers of the direct children."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


# --- network namespaces ----------------------------------------------------------------------------------------------


def in_network(namespace: Path, function: Callable[[], T]) -> T:
    """Call a function in a thread that has entered a network namespace; the rest of the program stays where it is."""
    outcome: dict[str, Any] = {}

    def enter() -> None:
        try:
            with namespace.open("rb") as file:
                if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number), str(namespace))
            outcome["value"] = function()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]  # type: ignore[no-any-return]
