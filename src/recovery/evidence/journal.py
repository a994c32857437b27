"""The journal of an incident: one event a line, each line chained to the one before by its SHA-256.

Several processes append to one file (the callback, action plugins in forks, `recovery confirm` at another terminal). An append
takes a lock, reads the tail only, writes and syncs: its cost is that of the sync, however long the journal has become.
The chain finds every edit, cut, swap, duplicate and insertion but one: what happens to the end of the file has no
successor to contradict it. The manifest (see `recovery.evidence.bundle`) closes that end.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recovery.evidence import scrub
from recovery.evidence.lines import EVENTS, FIRST_PREV, digest, encode, now, plain, split_lines, text, verify_lines

FILE_NAME = "journal.jsonl"
LINE_LIMIT = 64 * 1024
NAME_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_TAIL = 8192


class JournalError(Exception):
    """The journal cannot be written; the text says why, what to do, and what to do instead."""


@dataclass(frozen=True)
class Entry:
    """An event before it has a place in the chain. ``attach`` are artefacts (name, content) written and named with it."""

    event: str
    clause: str = ""
    phase: str = ""
    host: str = ""
    name: str = ""
    result: str = ""
    took_s: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    attach: Sequence[tuple[str, bytes]] = ()


def safe_name(name: str) -> str:
    """Turn any text into a file name: letters, digits, dot, dash and underscore; never hidden, never empty, at most 80 long."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")
    return cleaned[-80:].lstrip("-.") or "artefact"


def sync_directory(path: Path) -> None:
    """Make a directory's entries durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_new(path: Path, content: bytes) -> None:
    """Create a file that must not exist yet, durable when this returns. What is named as patients' data is its owner's alone to read."""
    mode = 0o600 if "patient-data" in path.name else 0o640
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    sync_directory(path.parent)


class Journal:
    """Appends to and reads one incident's `journal.jsonl`. One object may be used by several threads and survives a fork."""

    def __init__(self, path: Path | str, run: str = "", clause: str = "", phase: str = "") -> None:
        """Name the file (or its incident directory) and the run, clause and phase that entries without their own belong to."""
        given = Path(path)
        self.path = given / FILE_NAME if given.is_dir() else given
        self.run, self.clause, self.phase = run, clause, phase
        self._handle = -1
        self._opened_by = 0
        self._thread_lock = threading.Lock()

    @classmethod
    def from_environment(cls) -> Journal:
        """Join the run that this process belongs to (`RECOVERY_INCIDENT_DIR`, `RECOVERY_RUN`, set by the callback for its forks)."""
        directory = os.environ.get("RECOVERY_INCIDENT_DIR", "")
        if not directory:
            raise JournalError(
                "No incident is open for this process: RECOVERY_INCIDENT_DIR is not set.\n"
                "Start the runbook with `recovery run RUNBOOK`, or with `ansible-playbook` in the project's directory,"
                " where ansible.cfg enables the journal."
            )
        env = os.environ.get
        return cls(Path(directory) / FILE_NAME, env("RECOVERY_RUN", ""), env("RECOVERY_CLAUSE", ""), env("RECOVERY_PHASE", ""))

    def append(self, event: str, **fields: Any) -> int:
        """Append one event (fields as in `Entry`), durable when this returns; return its number. Raise JournalError otherwise."""
        return self.append_all([Entry(event, **fields)])[-1]

    def append_all(self, entries: Iterable[Entry]) -> list[int]:
        """Append events that belong together with one write and one sync; return their numbers."""
        batch = list(entries)
        for entry in batch:
            if entry.event not in EVENTS:
                raise JournalError(f"{entry.event!r} is no event of the journal; known are {', '.join(sorted(EVENTS))}.")
        try:
            with self._locked() as handle:
                end, seq, prev, torn = self._tail(handle)
                if torn:
                    batch.insert(0, _torn_note(torn))
                lines = []
                for entry in batch:
                    seq += 1
                    line = self._line(entry, seq, prev)
                    prev = "sha256:" + digest(line)
                    lines.append(line + b"\n")
                _write_at(handle, b"".join(lines), end)
        except OSError as error:
            raise JournalError(
                f"The journal {self.path} cannot be written: {error.strerror or error}.\n"
                "Make room or correct the permissions there, or let evidence go elsewhere: RECOVERY_INCIDENTS=DIRECTORY."
            ) from error
        return list(range(seq - len(batch) + 1, seq + 1))[1 if torn else 0 :]

    def read(self) -> list[dict[str, Any]]:
        """Return all complete events, oldest first. Raise JournalError where a line is no event: see `verify`."""
        events: list[dict[str, Any]] = []
        for number, line in enumerate(split_lines(self._bytes())[0], 1):
            try:
                event = json.loads(line)
                if not isinstance(event, dict):
                    raise ValueError("not an object")
            except (ValueError, RecursionError) as error:
                raise JournalError(
                    f"Line {number} of {self.path} is no event: {error}. See: recovery evidence verify {self.path.parent}"
                ) from error
            events.append(event)
        return events

    def verify(self) -> list[str]:
        """Check form and chain of every line; return a sentence for each problem, naming the line. Empty: the chain is whole."""
        return verify_lines(self._bytes())

    def close(self) -> None:
        """Close the file; a later append opens it again."""
        if self._handle >= 0 and self._opened_by == os.getpid():
            os.close(self._handle)
        self._handle = -1

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise JournalError(f"The journal {self.path} cannot be read: {error.strerror or error}.") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        with self._thread_lock:
            # A lock belongs to the open file, which a fork shares with its parent: a fork opens its own.
            if self._handle < 0 or self._opened_by != os.getpid():
                created = not self.path.exists()
                self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
                self._opened_by = os.getpid()
                if created:
                    sync_directory(self.path.parent)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            try:
                yield self._handle
            finally:
                fcntl.flock(self._handle, fcntl.LOCK_UN)

    def _tail(self, handle: int) -> tuple[int, int, str, bytes]:
        """Return where the last complete line ends, its number, its hash, and the torn bytes behind it."""
        size = os.fstat(handle).st_size
        start, buffer, torn_at, line_at = size, b"", -1, -1
        while start > 0:
            step = min(start, max(_TAIL, len(buffer)))
            start -= step
            buffer = os.pread(handle, step, start) + buffer
            torn_at = buffer.rfind(b"\n") + 1
            line_at = buffer.rfind(b"\n", 0, max(torn_at - 1, 0)) + 1
            if torn_at > 0 and (line_at > 0 or start == 0):
                break
        if size == 0 or torn_at == 0:
            return 0, 0, FIRST_PREV, buffer
        line = buffer[line_at : torn_at - 1]
        try:
            seq = json.loads(line)["seq"]
            if not isinstance(seq, int):
                raise TypeError
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"The last line of {self.path} is no event, so nothing can be chained to it: the file was damaged or edited.\n"
                f"Keep it as it is and look: recovery evidence verify {self.path.parent}\n"
                "To go on with the recovery at once, start a new incident: unset RECOVERY_INCIDENT_DIR."
            ) from error
        return start + torn_at, seq, "sha256:" + digest(line), buffer[torn_at:]

    def _line(self, entry: Entry, seq: int, prev: str) -> bytes:
        data = scrub.active().data(plain(entry.data))
        attached = list(entry.attach)
        event: dict[str, Any] = {
            "seq": seq,
            "at": now(),
            "run": entry.run or self.run,
            "event": entry.event,
            "clause": entry.clause or self.clause,
            "phase": entry.phase or self.phase,
            "host": entry.host,
            "name": scrub.active().text(text(entry.name)),
            "result": entry.result,
            "took_s": None if entry.took_s is None else round(float(entry.took_s), 3),
            "data": data,
            "prev": prev,
        }
        if attached:
            data["artifacts"] = self._attach(seq, attached)
        line = encode(event)
        if len(line) <= LINE_LIMIT:
            return line
        whole = json.dumps(data, ensure_ascii=False, indent=1).encode()
        event["data"] = _outline(data) | {
            "artifacts": data.get("artifacts", []) + self._attach(seq, [(f"{entry.event}.json", whole)]),
            "shortened": True,
        }
        event["name"] = event["name"][:1000]
        return encode(event)

    def _attach(self, seq: int, attached: Iterable[tuple[str, bytes]]) -> list[dict[str, Any]]:
        directory = self.path.parent / "artifacts"
        if not directory.is_dir():
            directory.mkdir(mode=0o750, exist_ok=True)
            sync_directory(self.path.parent)
        written = []
        for name, content in attached:
            clean = scrub.active().raw(content)
            path = directory / f"{seq}-{safe_name(name)}"
            copy = 1
            while path.exists():  # left by a process that was killed between its artefact and its line
                copy += 1
                path = directory / f"{seq}-{copy}-{safe_name(name)}"
            write_new(path, clean)
            written.append({"path": f"artifacts/{path.name}", "sha256": digest(clean), "bytes": len(clean)})
        return written


def _write_at(handle: int, content: bytes, end: int) -> None:
    """Write behind the last complete line and sync; put the file back if it does not fit, so that no half line stays."""
    try:
        done = 0
        while done < len(content):
            done += os.pwrite(handle, content[done:], end + done)
        os.ftruncate(handle, end + len(content))
        os.fdatasync(handle)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, end)
        raise


def _torn_note(torn: bytes) -> Entry:
    text = "The last line was incomplete: its writer was killed or the power failed. Its bytes are set aside."
    return Entry("note", name=text, result="torn-line", data={"bytes": len(torn)}, attach=[("torn-line", torn)])


def _outline(data: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a large object what still reads in a line: short values, and the heads of long texts."""
    outline: dict[str, Any] = {}
    for key, value in list(data.items())[:64]:
        if isinstance(value, str):
            outline[key[:100]] = value if len(value) <= 400 else value[:400] + "..."
        elif len(json.dumps(value)) <= 400:
            outline[key[:100]] = value
    return outline
