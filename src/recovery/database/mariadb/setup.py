"""Set a host up for the backups of a MariaDB system, and again after a restore (BKP-2): the order in which things come to life.

The files that the hosts get stand here, beside the code that relies on their contents.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..backup_setup import missing_programs
from ..host_state import HostState, apply
from ..shell import CommandError, run
from .place import HOME, BackupError, Place, door_account, vault_account
from .server import IDENTITY, ask, identity

PROGRAMS = "/usr/local/lib/hospital-recovery"
COMMAND = "/usr/local/sbin/hospital-mariadb"
LAUNCHER = f"""\
#!/usr/bin/python3 -I
\"\"\"Start the hospital-mariadb command; its code is installed beside the backups by the role database_backup.\"\"\"

import sys

sys.path.insert(0, "{PROGRAMS}")
from recovery.database.mariadb.command import main

sys.exit(main())
"""
SSH_CONFIG = """\
# The way to the other end of the backups of {system}: one key, one known host key, nothing asked.
Host {name}
    HostName {address}
    HostKeyAlias {name}
    IdentityFile {home}/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile {home}/known_hosts
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 10
    ServerAliveInterval 5
    ServerAliveCountMax 3
"""
SSHD_CONFIG = """\
# The door of the backups of {system}: a key kept where only root writes, bound to one command.
Match User {door}
    AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u
    AuthenticationMethods publickey
    AllowUsers {door}
    DisableForwarding yes
    PermitTTY no
"""
TAIL_UNIT = """\
[Unit]
Description=Newest binary log of %i beside the {place} repository
After=network-online.target mariadb.service
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
User={user}
{memory}ExecStart={command} %i tail
Restart=always
RestartSec=1
Nice=5

[Install]
WantedBy=multi-user.target
"""
MEMORY = """\
RuntimeDirectory={directory}
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
"""
BACKUP_UNIT = """\
[Unit]
Description=Backup of {system} into the {place} repository (%i)
RequiresMountsFor={path}

[Service]
Type=oneshot
User={user}
ExecStart={command} {system} run %i
Nice=5
IOSchedulingClass=best-effort
IOSchedulingPriority=6
"""
TIMER = """\
[Unit]
Description=When a {kind} backup of {system} goes into the {place} repository

[Timer]
{calendars}
Unit={system}-backup@{kind}.service
Persistent=true

[Install]
WantedBy=timers.target
"""
NEEDED = {
    "local": ["mariadb", "mariadb-backup", "mariadb-binlog", "openssl", "ssh", "tar"],
    "offsite": ["mariadb", "mariadb-binlog", "openssl", "ssh"],
    "reader": ["mariadb", "mariadb-backup", "mariadb-binlog", "mariadbd", "ssh"],
}
GRANTS = "GRANT RELOAD, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {0}; GRANT SELECT ON hospital_recovery.* TO {0}"


def prepare(state: HostState, place: Place) -> dict[str, Any]:
    """Have accounts, directories and the key; return ``public_key`` and ``host_key`` for the other end."""
    host_key = Path("/etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="utf-8").split()
    answer: dict[str, Any] = {"findings": [], "public_key": "", "host_key": " ".join(host_key[:2])}
    if findings := missing_programs(NEEDED[place.name]):
        # Where backups are only read, a host that cannot restore them is left as it is.
        return answer if place.name == "reader" else {**answer, "findings": findings}
    with state.procedure.step("Have the accounts, directories and the key that backups need"):
        door, vault = door_account(place.system), vault_account(place.system)
        mine = vault if place.name == "offsite" else door
        accounts = [] if place.name == "reader" else [{"name": mine, "home": f"/var/lib/{mine}"}]
        directories = [
            {"path": str(HOME), "owner": "root", "mode": "0755"},
            # The door reads the removable copy for a rehearsal, by its passphrase.
            {"path": str(place.home), "owner": place.user, "group": door, "mode": "0750"}
            if place.removable
            else {"path": str(place.home), "owner": place.user, "mode": "0700"},
            {"path": "/etc/ssh/authorized_keys.d", "owner": "root", "mode": "0755"},
        ]
        if place.name == "local":
            directories += [{"path": path, "owner": "root", "group": door, "mode": "2750"} for path in (place.path, f"{place.path}/backup")]
            # What the tail writes there belongs to the door's group: rehearsals read it.
            directories += [{"path": place.tail, "owner": "root", "group": door, "mode": "2750"}]
        elif place.name == "offsite":
            directories += [{"path": path, "owner": vault, "mode": "0700"} for path in (place.path, f"{place.path}/backup")]
        apply(state, {"accounts": accounts, "directories": directories})
        there = place.home.is_dir() or not state.check
        public = state.key(place.user, str(place.home / "id_ed25519"), f"{place.user}@{place.name}") if there else ""
    return {**answer, "public_key": " ".join(public.split()[:2])}


def _files(place: Place, values: Mapping[str, Any], wanted: Mapping[str, Any], secrets: Mapping[str, str]) -> list[dict[str, Any]]:
    system, home, peer = place.system, str(place.home), place.peer
    offsite = place.name == "offsite"
    door = vault_account(system) if offsite else door_account(system)
    limits = 'restrict,command="{0} {1} {2}"' if offsite else 'restrict,from="{3}",command="{0} {1} {2}"'
    key = limits.format(COMMAND, system, "reader" if offsite else "door", peer["address"]) + f" {wanted['peer_key']} {peer['name']}\n"
    for one in wanted.get("readers") or ():
        key += f'restrict,command="{COMMAND} {system} reader" {one["key"]} {one["name"]}\n'
    memory = MEMORY.format(directory=place.tail.removeprefix("/run/")) if place.tail.startswith("/run/") else ""
    about = {"system": system, "place": place.name, "path": place.path, "user": place.user, "command": COMMAND, "memory": memory}
    files: list[dict[str, Any]] = [
        {"path": str(HOME / f"{system}.json"), "content": json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"},
        {"path": f"{home}/ssh_config", "content": SSH_CONFIG.format(system=system, home=home, **peer), "owner": place.user},
        {"path": f"{home}/known_hosts", "content": f"{peer['name']} {wanted['peer_host_key']}\n", "owner": place.user},
        {"path": f"/etc/ssh/authorized_keys.d/{door}", "content": key},
        {
            "path": f"/etc/ssh/sshd_config.d/31-hospital-backup-{system}.conf",
            "content": SSHD_CONFIG.format(system=system, door=door),
        },
        {"path": COMMAND, "mode": "0755", "content": LAUNCHER},
        {"path": "/etc/systemd/system/binlog-tail@.service", "content": TAIL_UNIT.format(**about)},
        {"path": f"/etc/systemd/system/{system}-backup@.service", "content": BACKUP_UNIT.format(**about)},
    ]
    for kind, calendar in place.schedule.items():
        calendars = "\n".join(f"OnCalendar={one}" for one in ([calendar] if isinstance(calendar, str) else calendar))
        text = TIMER.format(kind=kind, calendars=calendars, **about)
        files.append({"path": f"/etc/systemd/system/{system}-backup-{kind}.timer", "content": text})
    if offsite or place.removable:
        passphrase = f"{secrets['passphrase']}\n"
        rights = {"mode": "0400"} if offsite else {"group": door, "mode": "0440"}
        files.append({"path": f"{home}/passphrase", "content": passphrase, "owner": place.user, "shown": "nothing", **rights})
    return files


def install(
    state: HostState,
    place: Place,
    values: Mapping[str, Any],
    wanted: Mapping[str, Any],
    secrets: Mapping[str, str],
    sources: Mapping[str, str],
) -> None:
    """Have all files in place: configuration, doors, programs, units. What changed is put in force at once."""
    if place.name == "reader":
        _install_reader(state, place, wanted.get("doors") or ())
        return
    with state.procedure.step("Have configuration, doors, programs and schedules in place"):
        directories = [{"path": str(Path(PROGRAMS, name).parent), "owner": "root", "mode": "0755"} for name in sorted(sources)]
        apply(state, {"directories": directories})
        files = _files(place, values, wanted, secrets)
        files += [{"path": f"{PROGRAMS}/{name}", "content": text, "shown": "digest"} for name, text in sources.items()]
        changed = apply(state, {"files": files})
        if state.check:
            return
        if any("/sshd_config.d/" in path for path in changed):
            state.procedure.run(["sshd", "-t"])
            state.procedure.run(["systemctl", "reload", "ssh"])
        if any(path.startswith("/etc/systemd/") for path in changed):
            state.procedure.run(["systemctl", "daemon-reload"])
        unit = f"binlog-tail@{place.system}.service"
        if any(PROGRAMS in path or "binlog-tail" in path for path in changed) and _active(unit):
            state.note(f"restart {unit}", "", "restarted\n")
            state.procedure.run(["systemctl", "restart", unit])


def _install_reader(state: HostState, place: Place, doors: Sequence[Mapping[str, str]]) -> None:
    """Have the way to every repository that is read from here; programs and units are for those who keep one."""
    if not place.home.is_dir():
        return
    home = str(place.home)
    with state.procedure.step("Have the way to the repositories in place"):
        config = "".join(SSH_CONFIG.format(system=place.system, home=home, **door) for door in doors)
        known = "".join(f"{door['name']} {door['host_key']}\n" for door in doors)
        apply(state, {"files": [{"path": f"{home}/ssh_config", "content": config}, {"path": f"{home}/known_hosts", "content": known}]})


def _active(unit: str) -> bool:
    return run(["systemctl", "is-active", unit], accept=(0, 3, 4)).strip() == "active"


def units(place: Place) -> dict[str, str]:
    """Return the units of a place, each started."""
    timers = {f"{place.system}-backup-{kind}.timer": "started" for kind in place.schedule}
    return {f"binlog-tail@{place.system}.service": "started", **timers}


def start(state: HostState, place: Place) -> None:
    """Bring a place to life, in order: the server's part, then the tail and the schedules."""
    if place.name == "reader":
        return
    if place.name == "local":
        with state.procedure.step("Have the server say whose data it holds, and let the off-site server follow its log"):
            settings_in_force(place)
            have_identity(state)
            have_account(state, place)
            note_system(state, place)
    with state.procedure.step("Start the tail of the binary log and the schedules"):
        state.units(units(place), reload=False)


def settings_in_force(place: Place) -> None:
    """See that the server writes what backups need. Raises BackupError naming each setting and its value."""
    wanted = {"log_bin": "1", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1", "binlog_format": "ROW"}
    found = ask("SELECT " + ", ".join(f"@@{name}" for name in wanted))[0]
    wrong = [f"{name} = {value} (is {is_})" for (name, value), is_ in zip(wanted.items(), found) if value != is_]
    if wrong:
        raise BackupError(
            f"The server {place.system} does not write its log safely. Set in its configuration and restart it: {', '.join(wrong)}."
        )


def have_identity(state: HostState) -> None:
    """Have the row that says whose data these are; it is made once and travels with every backup."""
    if identity() is not None:
        return
    state.note(f"table {IDENTITY}", "absent\n", "made, with a new name for these data\n")
    if not state.check:
        ask(
            "CREATE DATABASE IF NOT EXISTS hospital_recovery; CREATE TABLE IF NOT EXISTS hospital_recovery.identity"
            " (one TINYINT PRIMARY KEY DEFAULT 1 CHECK (one = 1), system CHAR(36) NOT NULL, history CHAR(36) NOT NULL,"
            " based_on VARCHAR(64) NOT NULL, since VARCHAR(32) NOT NULL, parent VARCHAR(36) NOT NULL DEFAULT '',"
            " left_at VARCHAR(64) NOT NULL DEFAULT '') ENGINE=InnoDB"
        )
        values = f"('{uuid.uuid4()}', '{uuid.uuid4()}', '', DATE_FORMAT(NOW(6), '%Y-%m-%dT%H:%i:%s.%fZ'))"
        ask(f"INSERT INTO {IDENTITY} (system, history, based_on, since) VALUES {values}")  # noqa: S608 - made here


def note_system(state: HostState, place: Place) -> None:
    """Note whose data these are beside the keys of this host: a server that has failed cannot say it any more."""
    told = identity()
    if told is not None:
        apply(state, {"files": [{"path": str(place.home / "system"), "content": f"{told.system}\n", "owner": place.user}]})


def have_account(state: HostState, place: Place) -> None:
    """Have the database account of the door: it may follow the log and read whose data these are, and comes in by the socket only."""
    account = f"{door_account(place.system)}@localhost"
    try:
        ask(f"SHOW GRANTS FOR {account}")
    except CommandError:
        state.note(f"database account {account}", "absent\n", "may follow the binary log\n")
        if not state.check:
            ask(f"CREATE USER {account} IDENTIFIED VIA unix_socket; {GRANTS.format(account)}")


def rearm(state: HostState, place: Place) -> dict[str, Any]:
    """Go on after the database was restored: the tail follows the new history, beside what it has of the old one."""
    if place.name == "reader":
        return {}
    state.note(f"binary log tail of {place.system}", "of the old history\n", "of the new one\n")
    if not state.check:
        with state.procedure.step("Let the tail of the binary log follow the new history"):
            state.procedure.run(["systemctl", "restart", f"binlog-tail@{place.system}.service"])
    return {}
