"""The form of a journal line, and the check of its chain. Pure: from bytes to sentences."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

FIRST_PREV = "sha256:" + "0" * 64
KEYS = ("seq", "at", "run", "event", "clause", "phase", "host", "name", "result", "took_s", "data", "prev")
PHASES = ("CHECK", "DECIDE", "SAFETY", "RUN", "VERIFY", "RELEASE")
EVENTS = frozenset(
    (
        *("run_begin", "play_begin", "task", "refusal", "override", "milestone", "measured", "verdict", "run_end", "note"),
        *("approval_requested", "approval_answer", "approval_granted", "approval_refused"),
        *("manual_step_asked", "manual_step_done", "lock_taken", "lock_released", "lock_taken_over"),
    )
)
_PLAY_NAME = re.compile(r"^\s*(?P<clause>[A-Z][A-Z0-9]*-\d+)\s+\d+/\d+\s+(?P<phase>" + "|".join(PHASES) + r")\s*\|")
_HEX = re.compile(r"^sha256:[0-9a-f]{64}$")


def parse_play_name(name: str) -> tuple[str, str]:
    """Read clause and phase from a play's name (`RCV-1 4/6 RUN | ...`); both empty for a play that belongs to no clause."""
    match = _PLAY_NAME.match(name)
    return (match["clause"], match["phase"]) if match else ("", "")


def now() -> str:
    """Return the time as the journal writes it: UTC, milliseconds, Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(event: Mapping[str, Any]) -> bytes:
    """Put an event into its canonical bytes, without the newline: compact JSON, UTF-8, the keys in the order of the contract."""
    ordered = {key: event[key] for key in KEYS}
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "strict")


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes in hex."""
    return hashlib.sha256(content).hexdigest()


def plain(value: Any) -> Any:
    """Turn what modules return (tagged strings, tuples, sets, dates, infinities) into what JSON has."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if value - value == 0 else str(value)
    if isinstance(value, Mapping):
        return {text(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, datetime):
        return value.isoformat()
    return text(value)


def text(value: Any) -> str:
    """Return well-formed text: half surrogates, which Ansible uses for undecodable bytes, are written as escapes."""
    return str.__str__(value if isinstance(value, str) else str(value)).encode("utf-8", "backslashreplace").decode()


def split_lines(content: bytes) -> tuple[list[bytes], bytes]:
    """Split a journal's bytes into its complete lines (without newline) and what is left behind the last newline."""
    *lines, torn = content.split(b"\n")
    return lines, torn


def verify_lines(content: bytes) -> list[str]:
    """Check form and chain of a journal's bytes; a sentence for each problem. After a break the chain is taken up again."""
    lines, torn = split_lines(content)
    problems: list[str] = []
    prev = FIRST_PREV
    seq = 0
    for number, line in enumerate(lines, 1):
        event, fault = decode(line)
        if event is None:
            problems.append(f"Line {number} {fault}.")
            prev, seq = "sha256:" + digest(line), seq + 1
            continue
        if event["seq"] != seq + 1:
            problems.append(f"Line {number} has the number {event['seq']}, expected was {seq + 1}: lines are missing, moved or doubled.")
        if event["prev"] != prev:
            told = "is not the first line that was written" if number == 1 else f"does not continue line {number - 1}"
            problems.append(f"Line {number} {told}: one of the two was changed, or lines were cut, moved or inserted.")
        prev, seq = "sha256:" + digest(line), event["seq"]
    if torn:
        problems.append(
            f"Line {len(lines) + 1} is incomplete ({len(torn)} bytes without an end): its writer was killed or the file was cut."
        )
    return problems


def decode(line: bytes) -> tuple[dict[str, Any] | None, str]:
    """Read one line (without newline); return the event, or nothing and what is wrong with it."""
    try:
        event = json.loads(line.decode("utf-8", "strict"))
    except (ValueError, RecursionError) as error:
        return None, f"is not JSON ({error})"
    if not isinstance(event, dict) or tuple(event) != KEYS:
        return None, f"does not have the keys {', '.join(KEYS)} in this order"
    if not isinstance(event["event"], str) or event["event"] not in EVENTS:
        return None, f"is of the unknown kind {event['event']!r}"
    if isinstance(event["seq"], bool) or not isinstance(event["seq"], int) or not isinstance(event["data"], dict):
        return None, "has a number or data of the wrong type"
    if not isinstance(event["prev"], str) or not _HEX.match(event["prev"]):
        return None, "names no SHA-256 of the line before"
    try:
        canonical = encode(event)
    except ValueError as error:
        return None, f"is not canonical ({error})"
    return (event, "") if canonical == line else (None, "is not written the way the journal writes (spaces, escapes or doubled keys)")
