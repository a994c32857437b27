"""Binary logs and backups of MariaDB, made byte by byte for the tests of what reads them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

from recovery.database.mariadb import binlog
from recovery.database.mariadb.repository import FORMAT

LABEL = "20261122-041500F"


def event(kind: int, body: bytes, at: int = 1000) -> bytes:
    head = struct.pack("<IBIIIH", at, kind, 14, 19 + len(body) + 4, 0, 0)
    return head + body + struct.pack("<I", zlib.crc32(head + body))


def transaction(seq: int, at: int = 1000) -> bytes:
    gtid = struct.pack("<QIB", seq, 0, 0) + b"\0" * 6
    return event(162, gtid, at) + event(2, b"insert", at) + event(16, b"\0" * 8, at)


def log(path: Path, *events: bytes) -> Path:
    path.write_bytes(binlog.MAGIC + event(15, b"format") + b"".join(events))
    return path


def numbers(found: list[binlog.Transaction]) -> list[int]:
    return [one.gtid.seq for one in found]


def described(files: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "label": LABEL,
        "kind": "full",
        "chain": [LABEL],
        "start_time": 1.0,
        "stop_time": 2.0,
        "gtid": "0-14-10",
        "history": "h1",
        "system": "s",
        "version": "10.11",
        "size": 3,
        "manifest_gtid": "0-14-11",
        "files": files,
    }
