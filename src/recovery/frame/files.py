"""Small files of an incident that several processes read: written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo


def now() -> datetime:
    """Return this moment in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Write a moment as the journal does: UTC, ISO 8601, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> datetime:
    """Read a moment as ``iso`` writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def local_time(text: str, zone: str = "UTC") -> str:
    """Write a moment of the journal as the clock on the wall shows it in an IANA zone; an empty text stays empty. Raises ValueError."""
    return f"{parse_iso(text).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}" if text else ""


def later(moment: datetime, seconds: float) -> datetime:
    """Return the moment so many seconds later."""
    return moment + timedelta(seconds=seconds)


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return the one byte form of a mapping: sorted keys, no spaces, UTF-8. This is what people sign."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes in hex."""
    return hashlib.sha256(content).hexdigest()


def write(path: Path, content: bytes, *, private: bool = False) -> None:
    """Put a file in place, durable when this returns; a reader sees the old one or the new one, never a part.

    ``private``: only its owner may read it, from the first moment on.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600 if private else 0o666)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    place = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def write_json(path: Path, value: Mapping[str, Any], *, private: bool = False) -> None:
    """Put a readable JSON file in place."""
    write(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=False).encode() + b"\n", private=private)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the mapping in a JSON file; None if there is none, or if it is not (yet) a whole one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def numbered(parent: Path) -> list[Path]:
    """Return the numbered directories in their order."""
    if not parent.is_dir():
        return []
    return sorted((each for each in parent.iterdir() if each.name.isdigit()), key=lambda each: int(each.name))
