"""What backups need of the PostgreSQL server: archiving, the replication account, its slots, its door (BKP-2).

Also the way back to all of that after a restore (``rearm_server``): a restored cluster has no replication slots.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .host_state import HostState
from .shell import psql, run
from .wal import format_lsn, parse_history

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class ServerError(Exception):
    """The server cannot be brought into the state that backups need; the message says cause and remedy."""


def _ask(port: int, sql: str, *, write: bool = False) -> list[list[str]]:
    return psql(sql, database="postgres", port=port, timeout=30, read_only=not write)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def have_account(state: HostState, port: int, name: str, password: str) -> None:
    """Have the replication account with this password (scram-sha-256); it can stream the log and nothing else."""
    if not _NAME.fullmatch(name):
        raise ServerError(f"'{name}' is not a plain name for an account.")
    found = _ask(port, f"SELECT rolreplication, rolcanlogin, rolpassword FROM pg_authid WHERE rolname = {_literal(name)}")  # noqa: S608
    if found and found[0][:2] == ["t", "t"] and _scram_matches(found[0][2], password):
        return
    state.note(f"database account {name}", "absent or different\n", "LOGIN REPLICATION, password not shown\n")
    if not state.check:
        verb = "ALTER" if found else "CREATE"
        _ask(
            port,
            "SET log_statement = 'none'; SET log_min_error_statement = 'panic'; SET log_min_duration_statement = -1; "
            "SET password_encryption = 'scram-sha-256'; SET synchronous_commit = local; "
            f"{verb} ROLE {name} LOGIN REPLICATION NOSUPERUSER PASSWORD {_literal(password)}",
            write=True,
        )


def _scram_matches(stored: str, password: str) -> bool:
    """Tell whether a stored SCRAM verifier (RFC 5803) belongs to a password of printable ASCII."""
    import base64
    import hashlib
    import hmac

    match = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)", stored)
    if match is None:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(match[2]), int(match[1]))
    client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), base64.b64decode(match[3]))


def have_slots(state: HostState, port: int, slots: Sequence[str]) -> None:
    """Have physical replication slots that keep the log from now on."""
    present = {row[0] for row in _ask(port, "SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'physical'")}
    for slot in slots:
        if slot in present:
            continue
        if not _NAME.fullmatch(slot):
            raise ServerError(f"'{slot}' is not a plain name for a replication slot.")
        state.note(f"replication slot {slot}", "absent\n", "physical, keeps the log from now on\n")
        if not state.check:
            _ask(port, f"SELECT pg_create_physical_replication_slot({_literal(slot)}, true)", write=True)


def lost_slots(port: int, slots: Sequence[str]) -> list[str]:
    """Return the slots whose log the server has already removed (``wal_status`` lost): they cannot go on."""
    rows = _ask(port, "SELECT slot_name FROM pg_replication_slots WHERE wal_status = 'lost'")
    return [row[0] for row in rows if row[0] in slots]


def renew_lost_slots(state: HostState, port: int, slots: Sequence[str]) -> None:
    """Drop and make again the slots that fell behind further than the server keeps log; the gap stays a gap until a backup."""
    lost = lost_slots(port, slots)
    for slot in lost:
        state.note(f"replication slot {slot}", "lost: it fell too far behind\n", "made again\n")
        if not state.check:
            _ask(port, f"SELECT pg_drop_replication_slot({_literal(slot)})", write=True)
    have_slots(state, port, slots if not state.check else [])


def follow_new_history(state: HostState, port: int, slots: Sequence[str]) -> None:
    """Move slots that point before the newest change of timeline up to it.

    A tail that still asked for the old history after a restore has drawn its slot back there, where nothing can be streamed.
    """
    names = _ask(port, "SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{8}[.]history$' ORDER BY name DESC LIMIT 1")
    if not names:
        return
    text = _ask(port, f"SELECT pg_read_file({_literal('pg_wal/' + names[0][0])})")[0][0]
    history = parse_history(text)
    begin = format_lsn(history[-1][1])
    behind = _ask(port, f"SELECT slot_name FROM pg_replication_slots WHERE NOT active AND restart_lsn < {_literal(begin)}")  # noqa: S608
    for slot in (row[0] for row in behind if row[0] in slots):
        state.note(f"replication slot {slot}", "before the newest history\n", f"at its beginning, {begin}\n")
        if not state.check:
            _ask(port, f"SELECT pg_replication_slot_advance({_literal(slot)}, '{begin}')", write=True)


def settings_in_force(state: HostState, port: int, service: str) -> None:
    """See that the server archives; restart it only where a setting needs it (archive_mode, on the first day)."""

    def off() -> tuple[bool, bool]:
        mode, pending = _ask(port, "SELECT setting NOT IN ('on', 'always'), pending_restart FROM pg_settings WHERE name = 'archive_mode'")[
            0
        ]
        return mode == "t", pending == "t"

    is_off, pending = off()
    for _ in range(20):  # a reload takes a moment to arrive
        if not is_off or pending:
            break
        run(["sleep", "0.1"])
        is_off, pending = off()
    if not is_off:
        return
    if not pending and not state.check:
        raise ServerError(
            "The server does not archive although its configuration says so: ALTER SYSTEM or a later file overrides archive_mode. "
            "Remove that setting and repeat."
        )
    state.note(f"restart of {service}", "archive_mode off\n", "archive_mode on\n")
    if not state.check:
        state.procedure.run(["systemctl", "restart", service], timeout=300)


def identity(port: int) -> dict[str, Any]:
    """Return the system identifier, timeline and version of the running server."""
    row = _ask(
        port,
        "SELECT system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int, "
        "current_setting('server_version') FROM pg_control_system()",
    )[0]
    return {"system_identifier": row[0], "timeline": int(row[1]), "server_version": row[2]}
