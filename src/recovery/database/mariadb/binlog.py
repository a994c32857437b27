"""Binary logs read from their own bytes: every event with its checksum, every transaction with its GTID and time. Standard library only.

The files' format: four magic bytes, then events of a 19-byte header, a body and a CRC32 (MariaDB Server documentation, Binary Log
Format). GTIDs of one domain are counted without a hole, so a missing file, a lost event or a foreign history shows as a hole.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"\xfebin"
NAME = re.compile(r"[\w-]+\.(\d{6,})")
_HEADER = struct.Struct("<IBIIIH")
_QUERY, _XID, _XA_PREPARE, _GTID = 2, 16, 38, 162
_STANDALONE = 1


class BinlogError(Exception):
    """A binary log that is not whole: which file, where, and what is wrong."""


@dataclass(frozen=True, order=True)
class Gtid:
    """A global transaction identifier, in the order of its domain's counter."""

    seq: int
    domain: int
    server: int

    def __str__(self) -> str:
        """Return it as MariaDB writes it."""
        return f"{self.domain}-{self.server}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Gtid:
        """Read ``0-14-477``. Raises ValueError for anything else, also for positions of several domains, which are not supported."""
        found = re.fullmatch(r"\s*(\d+)-(\d+)-(\d+)\s*", text)
        if not found:
            raise ValueError(f"'{text}' is not one GTID such as 0-14-477")
        domain, server, seq = (int(part) for part in found.groups())
        return cls(seq, domain, server)


@dataclass(frozen=True)
class Transaction:
    """A transaction that is whole in its file: its GTID, the second of its commit (UTC, since the epoch) and its file."""

    gtid: Gtid
    at: int
    file: Path


def number(path: Path) -> int:
    """Return the number of a binary log from its name. Raises ValueError for another file."""
    found = NAME.fullmatch(path.name)
    if not found:
        raise ValueError(f"{path.name} is not a binary log")
    return int(found[1])


def files(directory: Path) -> list[Path]:
    """Return the binary logs of a directory, oldest first."""
    if not directory.is_dir():
        return []
    return sorted((path for path in directory.iterdir() if NAME.fullmatch(path.name) and path.is_file()), key=number)


def read(path: Path, *, last: bool) -> Iterator[Transaction]:
    """Yield the whole transactions of a binary log, each event's checksum compared.

    ``last``: the file is the newest one, whose end may be cut in mid-event; what is cut off was never acknowledged as received. Raises
    BinlogError for damage anywhere else.
    """
    data = path.read_bytes()
    if data[:4] != MAGIC:
        if last and len(data) < len(MAGIC):
            return
        raise BinlogError(f"{path.name} does not begin like a binary log")
    position, current, standalone = len(MAGIC), None, False
    while position < len(data):
        end = position + _HEADER.size
        size = _HEADER.unpack_from(data, position)[3] if end <= len(data) else 0
        if end > len(data) or (position + size > len(data) and size >= _HEADER.size):
            if last:
                return
            raise BinlogError(f"{path.name} ends in the middle of an event at {position}")
        at, kind, _, size, _, _ = _HEADER.unpack_from(data, position)
        body_end = position + size - 4
        if size < _HEADER.size + 4 or not _sound(data, position, body_end, kind):
            raise BinlogError(f"{path.name} is damaged at {position}: the event's checksum is wrong")
        if kind == _GTID:
            seq, domain, flags = struct.unpack_from("<QIB", data, end)
            server = _HEADER.unpack_from(data, position)[2]
            current, standalone = Transaction(Gtid(seq, domain, server), at, path), bool(flags & _STANDALONE)
        elif current is not None and _completes(kind, standalone, data[end:body_end]):
            yield current
            current = None
        position += size


def _sound(data: bytes, position: int, body_end: int, kind: int) -> bool:
    stored = struct.unpack_from("<I", data, body_end)[0] if body_end + 4 <= len(data) else -1
    if zlib.crc32(data[position:body_end]) == stored:
        return True
    if kind != 15:
        return False
    # The server marks a log in use in the format event's flags, outside of its checksum.
    event = bytearray(data[position:body_end])
    event[17] &= 0xFE
    return zlib.crc32(bytes(event)) == stored


def _completes(kind: int, standalone: bool, body: bytes) -> bool:
    if kind in (_XID, _XA_PREPARE):
        return True
    return kind == _QUERY and (standalone or body.endswith((b"COMMIT", b"ROLLBACK")))


def transactions(paths: Sequence[Path], after: Gtid) -> list[Transaction]:
    """Return the transactions behind a GTID, in order and without a hole. Raises BinlogError for damage and for a hole."""
    found: list[Transaction] = []
    expected = after.seq + 1
    for place, path in enumerate(paths):
        for one in read(path, last=place == len(paths) - 1):
            if one.gtid.domain != after.domain or one.gtid.seq < expected:
                continue
            if one.gtid.seq > expected:
                raise HoleError(expected, one)
            found.append(one)
            expected += 1
    return found


def first(path: Path) -> int:
    """Return the number of a log's first whole transaction; 0 if it has none yet, or is damaged before it."""
    try:
        found = next(read(path, last=True), None)
    except BinlogError:
        return 0
    return found.gtid.seq if found else 0


def unneeded(begins: Sequence[tuple[str, int]], oldest: int) -> list[str]:
    """Return which logs no backup needs, of logs in their order with the number of their first transaction.

    ``oldest``: the transaction at which the oldest backup stands. A log may go once the next one begins no later than behind it.
    """
    gone: list[str] = []
    for (name, _), (_, following) in zip(begins, begins[1:]):
        if not following or following > oldest + 1:
            break
        gone.append(name)
    return gone


class HoleError(BinlogError):
    """Transactions are missing in between."""

    def __init__(self, expected: int, found: Transaction) -> None:
        """Say which one is missing first, and what stands in its place."""
        self.expected = expected
        super().__init__(f"transaction {found.gtid.domain}-*-{expected} is missing; {found.file.name} goes on with {found.gtid}")


def before(found: Iterable[Transaction], moment: float) -> list[Transaction]:
    """Return the leading transactions that were all committed before the second in which ``moment`` lies.

    A binary log knows seconds: of the target's own second nothing is taken, so nothing later than the target can be there.
    """
    kept: list[Transaction] = []
    for one in found:
        if one.at >= int(moment):
            break
        kept.append(one)
    return kept


def same_log(one: Path, other: Path) -> bool:
    """Tell whether one file is the beginning of the other, or they are equal: the same log, received to different lengths."""
    size = min(one.stat().st_size, other.stat().st_size)
    with one.open("rb") as left, other.open("rb") as right:
        step = 1 << 20
        for offset in range(0, size, step):
            length = min(step, size - offset)
            mine, theirs = left.read(length), right.read(length)
            if offset == 0 and len(mine) > 23:
                # The flag that a log is in use is set in the server's own file and cleared when it is closed.
                mine, theirs = mine[:21] + mine[22:], theirs[:21] + theirs[22:]
            if mine != theirs:
                return False
    return size > len(MAGIC)
