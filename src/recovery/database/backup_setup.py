"""Set a host up for backups, and set it up again after a restore (BKP-2): the order in which things must come to life."""

from __future__ import annotations

import base64
import shutil
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..findings import Finding
from . import backup_server
from .backup import Place, blocked
from .host_state import HostState, apply
from .shell import CommandError, psql, run
from .wal import SEGMENT

PROGRAMS = "/usr/local/lib/hospital-recovery"
IDENTITY = Path("/etc/pgbackrest/identity/global/pg_control")
CONTROL_TIMELINE = 48  # ControlFileData.checkPointCopy.ThisTimeLineID of PostgreSQL 15 (pg_control.h)
TAIL_UNITS = ("wal-tail.service", "wal-tail-push.service")


def missing_programs(names: Sequence[str]) -> list[Finding]:
    """Say which programs the host lacks; nothing is installed behind the administrator's back."""
    absent = [name for name in names if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if not absent:
        return []
    return [
        blocked(
            "programs-missing",
            f"These programs are not installed: {', '.join(absent)}.",
            "Backups need them on this host.",
            "Install them: apt-get install pgbackrest rsync sudo postgresql-client",
        )
    ]


def prepare(state: HostState, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Have accounts, directories and the key; return ``public_key`` and ``host_key`` for the other end."""
    findings = missing_programs(wanted.get("programs") or ())
    if findings:
        return {"findings": findings, "public_key": "", "host_key": ""}
    with state.procedure.step("Have the accounts, directories and the key that backups need"):
        apply(state, {key: wanted.get(key) or [] for key in ("accounts", "directories")})
        key = wanted["key"]
        public = state.key(key["user"], key["path"], key["comment"]) if Path(key["path"]).parent.is_dir() or not state.check else ""
    host = Path("/etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="utf-8").split()
    return {"public_key": " ".join(public.split()[:2]), "host_key": " ".join(host[:2])}


def install(state: HostState, wanted: Mapping[str, Any], secrets: Mapping[str, str], sources: Mapping[str, str]) -> None:
    """Have all files in place: configuration, doors, programs, units. What changed is put in force at once."""
    files = [
        {**entry, "content": secrets[entry["path"]], "shown": "nothing"} if entry.get("secret") else dict(entry)
        for entry in wanted.get("files") or ()
    ]
    programs = sources if wanted.get("units") else {}
    files += [{"path": f"{PROGRAMS}/{name}", "content": text, "shown": "digest"} for name, text in programs.items()]
    with state.procedure.step("Have configuration, doors, programs and schedules in place"):
        directories = [{"path": str(Path(PROGRAMS, name).parent), "owner": "root", "mode": "0755"} for name in sorted(programs)]
        apply(state, {"directories": directories})
        changed = apply(state, {"files": files})
        for block in wanted.get("blocks") or ():
            if state.block(block["path"], block["name"], block["content"]):
                changed.add(block["path"])
        if any("/sshd_config.d/" in path for path in changed) and not state.check:
            state.procedure.run(["sshd", "-t"])
            state.procedure.run(["systemctl", "reload", "ssh"])
        if any(path.startswith("/etc/systemd/") for path in changed) and not state.check:
            state.procedure.run(["systemctl", "daemon-reload"])
        if wanted.get("server_settings") and changed & set(wanted["server_settings"]) and not state.check:
            psql("SELECT pg_reload_conf()", database="postgres", port=int(wanted["port"]), read_only=False)
        state.units_away(wanted.get("units_away") or ())
        touched = wanted.get("units") or {}
        again = [name for name, paths in (wanted.get("restart_on") or {}).items() if changed & set(paths)]
        running = [name for name in again if name in touched and _active(name)]
        if running:
            state.note(f"restart {', '.join(running)}", "", "restarted\n")
            if not state.check:
                state.procedure.run(["systemctl", "restart", *running])


def _active(unit: str) -> bool:
    return run(["systemctl", "is-active", unit], accept=(0, 3, 4)).strip() == "active"


def start(state: HostState, place: Place, wanted: Mapping[str, Any], tail_login: tuple[str, str], slots: Sequence[str]) -> dict[str, Any]:
    """Bring a place to life, in order: the server's part, the repository's stanza, the tail, the schedules."""
    if place.cluster:
        port = int(place.cluster["port"])
        with state.procedure.step("Have the server archive and stream its log"):
            backup_server.settings_in_force(state, port, str(place.cluster["service"]))
            backup_server.have_account(state, port, *tail_login)
            backup_server.renew_lost_slots(state, port, slots)
    else:
        with state.procedure.step("Know which database system the backups are of"):
            have_identity(state, place)
        follow_if_left_behind(state, place)
    with state.procedure.step(f"Have the {place.name} repository ready for {place.stanza}"):
        have_stanza(state, place)
    with state.procedure.step("Start the WAL tail and the schedules"):
        state.units(dict(wanted.get("units") or {}), reload=False)
    return {}


def have_stanza(state: HostState, place: Place) -> None:
    """Have the repository's stanza for this database system."""
    try:
        known = place.repository.contents().archive_id or place.repository.contents().systems
    except (CommandError, KeyError):  # in check mode, neither the account nor the configuration may be there yet
        if not state.check:
            raise
        known = {}
    if not known:
        state.note(f"stanza {place.stanza} in {place.path}", "absent\n", "created\n")
        if not state.check:
            state.procedure.run(place.pgbackrest("stanza-create", "--log-level-console=warn"), user=place.user, timeout=120)


def have_identity(state: HostState, place: Place) -> None:
    """Have a copy of the database's control file: archive-push compares the system identifier with it."""
    if state.check:
        return
    content = base64.b64decode(place.ask_database("pg-control", timeout=30))
    if len(content) != 8192:
        raise backup_server.ServerError(
            f"The control file of the database could not be read through {place.database_ssh} ({len(content)} bytes instead of 8192). "
            "Is the database host set up? recovery run database_backup_setup sets up both."
        )
    found = IDENTITY.read_bytes() if IDENTITY.is_file() else b""
    # The first eight bytes are the system identifier; the rest changes with every checkpoint and does not matter here.
    if found[:8] != content[:8] or len(found) != len(content):
        state.note(f"identity {IDENTITY}", "absent or of another system\n" if not found else "of another system\n", "copied\n")
        IDENTITY.write_bytes(content)
        IDENTITY.chmod(0o644)


def follow_if_left_behind(state: HostState, place: Place) -> None:
    """Let a tail follow that was out of reach while the database was restored: what it holds is of a history that has ended."""
    if state.check or not IDENTITY.is_file():
        return
    content = base64.b64decode(place.ask_database("pg-control", timeout=30))
    (current,) = struct.unpack_from("<I", content, CONTROL_TIMELINE)
    tail = Path(place.tail)
    held = [int(file.name[:8], 16) for file in tail.iterdir() if SEGMENT.match(file.name)] if tail.is_dir() else []
    if not held or max(held) >= current:
        return
    with state.procedure.step(f"Let the tail, still on history {max(held)}, follow history {current}"):
        state.procedure.run(["systemctl", "stop", *TAIL_UNITS])
        try:
            state.note(f"tail {place.tail}", f"of history {max(held)}\n", f"moved aside: {', '.join(_aside(place))}\n")
        finally:
            state.procedure.run(["systemctl", "start", *TAIL_UNITS])


def left_undone(host: str) -> Finding:
    """Say what a restore could not do at an off-site server that is out of reach."""
    return Finding(
        "offsite-not-rearmed",
        "warning",
        f"{host} could not be reached: its log tail still follows the old history, and what is entered from now on is protected in the "
        "local repository only.",
        why="A second loss, of the database server with both its disks, would now lose everything since the restore.",
        remedy="Once it is back: recovery run database_backup_setup (its tail follows), then recovery run database_backup "
        "-e repository=offsite -e type=incr.",
    )


def rearm(state: HostState, place: Place, slots: Sequence[str]) -> dict[str, Any]:
    """Go on after the database was restored: slots again, the old history's tail moved aside, tails started anew.

    What the old history left in the tail directory is kept in ``aside/`` there: finished segments are still put into the
    repository, the rest goes after the configured days.
    """
    if state.check:
        state.note("WAL tail and replication slots", "of the old history\n", "of the new one\n")
        return {}
    with state.procedure.step("Stop the WAL tail"):
        state.procedure.run(["systemctl", "stop", *TAIL_UNITS])
    try:
        with state.procedure.step("Move the old history's last segments aside"):
            moved = _aside(place)
            if moved:
                state.note(f"tail {place.tail}", "\n".join(moved) + "\n", "moved aside\n")
        if place.cluster:
            with state.procedure.step("Make the replication slots again and see that the server archives"):
                port = int(place.cluster["port"])
                backup_server.settings_in_force(state, port, str(place.cluster["service"]))
                backup_server.renew_lost_slots(state, port, slots)
                backup_server.follow_new_history(state, port, slots)
        else:
            with state.procedure.step("Know which database system the backups are of"):
                have_identity(state, place)
    finally:
        with state.procedure.step("Start the WAL tail on the new history"):
            state.procedure.run(["systemctl", "start", *TAIL_UNITS])
    state.note("WAL tail", "of the old history\n", "of the new one\n")
    return backup_server.identity(int(place.cluster["port"])) if place.cluster else {}


def _aside(place: Place) -> list[str]:
    tail = Path(place.tail)
    names = sorted(path.name for path in tail.iterdir() if path.is_file()) if tail.is_dir() else []
    if names:
        keep = tail / "aside"
        state = tail.stat()
        target = keep / datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
        for directory in (keep, target):
            directory.mkdir(mode=0o700, exist_ok=True)
            shutil.chown(directory, state.st_uid, state.st_gid)
        for name in names:
            (tail / name).rename(target / name)
    return names
