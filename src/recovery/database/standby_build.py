"""Build a standby from a backup and let it follow (BKP-5). Standard library only."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from .backup_server import have_account, have_slots
from .cluster import OWNER, Cluster, fsync_directory
from .errors import RestoreError, unreadable
from .host_state import HostState
from .pgbackrest import Repository
from .shell import CommandError, Procedure, psql, run
from .standby import Partner, log_tail, slot_of, wait_until_following

# What pg_rewind reads of the server that it copies from (PostgreSQL manual, pg_rewind, Notes).
_REWIND = (
    "pg_ls_dir(text, boolean, boolean)",
    "pg_stat_file(text, boolean)",
    "pg_read_binary_file(text)",
    "pg_read_binary_file(text, bigint, bigint, boolean)",
)
ARCHIVE_GET = 'pgbackrest --config={config} --stanza={stanza} --pg1-path="$PWD" archive-get %f "%p"'


def receive(state: HostState, port: int, account: str, password: str, followers: list[str]) -> None:
    """Let a server that serves be followed: the account with its rights, and a slot for each follower."""
    have_account(state, port, account, password)
    known = psql("SELECT 1 FROM pg_roles WHERE rolname = '" + account + "'", database="postgres", port=port)  # noqa: S608
    asked = " UNION ALL ".join(f"SELECT 1 WHERE NOT has_function_privilege('{account}', '{one}', 'EXECUTE')" for one in _REWIND)
    missing = psql(asked, database="postgres", port=port) if known else [["1"]]
    if missing:
        state.note(f"rights of {account}", "\n", "reads files for pg_rewind\n")
        if not state.check:
            grants = "".join(f"GRANT EXECUTE ON FUNCTION {one} TO {account};" for one in _REWIND)
            psql(grants, database="postgres", port=port, read_only=False)
    have_slots(state, port, [slot_of(name) for name in followers])


def set_aside(cluster: Cluster, procedure: Procedure) -> str:
    """Stop what runs in the data directory and set it aside by its name; return that name, empty if there was nothing."""
    if not cluster.data.exists():
        return ""
    aside = cluster.data.with_name(f"{cluster.data.name}.aside-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    with procedure.step("Set aside by its name what is in the data directory"):
        procedure.run(["systemctl", "stop", cluster.service], timeout=120)
        cluster.data.rename(aside)
        fsync_directory(aside.parent)
    return aside.name


def have_place(cluster: Cluster) -> None:
    """Have the directories above the data directory, which a new disk does not."""
    owner = pwd.getpwnam(OWNER)
    for directory in (cluster.data.parent.parent, cluster.data.parent):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        os.chown(directory, owner.pw_uid, owner.pw_gid)


def restore(cluster: Cluster, source: Repository, label: str, partner: Partner, me: str, archive_config: str, procedure: Procedure) -> None:
    """Read a backup into a directory beside and give it the data directory's place, ready to follow. Raises RestoreError."""
    staging, owner = cluster.staging, pwd.getpwnam(OWNER)
    with procedure.step(f"Read every file of backup {label} into a directory beside, comparing checksums"):
        have_place(cluster)
        delta = ["--delta"] if (staging / "PG_VERSION").exists() else []
        if staging.exists() and not delta:
            shutil.rmtree(staging)
        staging.mkdir(mode=0o700, exist_ok=True)
        os.chown(staging, owner.pw_uid, owner.pw_gid)
        command = source.command(
            "restore",
            "--type=standby",
            f"--set={label}",
            f"--pg1-path={staging}",
            f"--process-max={os.cpu_count() or 1}",
            *delta,
            f"--recovery-option=primary_conninfo={partner.conninfo(me)}",
            f"--recovery-option=primary_slot_name={slot_of(me)}",
            f"--recovery-option=restore_command={ARCHIVE_GET.format(config=archive_config, stanza=source.stanza)}",
        )
        try:
            procedure.run(command, user=OWNER)
        except CommandError as error:
            raise RestoreError(unreadable(error, label, source.name), "backup-damaged", "Take another backup or source.") from error
    with procedure.step("Give it the data directory's place"):
        staging.rename(cluster.data)
        fsync_directory(cluster.data.parent)


def follow_settings(cluster: Cluster, partner: Partner, me: str, archive_config: str, stanza: str) -> None:
    """Make the data directory that of a standby of ``partner``: signal file and settings; what an earlier life left is replaced."""
    fetch = ARCHIVE_GET.format(config=archive_config, stanza=stanza)
    settings = {"primary_conninfo": partner.conninfo(me), "primary_slot_name": slot_of(me), "restore_command": fetch}
    have_settings(cluster, settings)
    _replace(cluster.data / "standby.signal", "")
    fsync_directory(cluster.data)


def have_settings(cluster: Cluster, settings: Mapping[str, str]) -> None:
    """Write into the data directory's own settings how its log is fetched; what an earlier life left of that is replaced."""
    path = cluster.data / "postgresql.auto.conf"
    mine = ("primary_conninfo", "primary_slot_name", "restore_command", "recovery_target")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if not line.startswith(mine)] + [f"{name} = '{value}'" for name, value in settings.items()]
    _replace(path, "\n".join(kept) + "\n")


def _replace(path: Path, text: str) -> None:
    owner, new = pwd.getpwnam(OWNER), Path(f"{path}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o600)
    os.chown(new, owner.pw_uid, owner.pw_gid)
    new.replace(path)


def start_following(cluster: Cluster, procedure: Procedure, timeout: float = 120) -> dict[str, object]:
    """Let the standby start and wait until it streams. Raises RestoreError with the end of its log when it does not."""
    with procedure.step("Start the standby and wait until it receives the log as it is written"):
        cluster.fence.unlink(missing_ok=True)
        run(["systemctl", "reset-failed", cluster.service], accept=(0, 1))
        # Debian's start command returns two seconds after the server answers; that it streams is what is waited for.
        procedure.run(["systemctl", "start", "--no-block", cluster.service], timeout=60)
        facts = wait_until_following(cluster, timeout)
    if facts.get("receiver") != "streaming":
        raise RestoreError(
            f"The standby does not receive the log within {timeout:.0f} s. Its log ends: {log_tail(cluster)[-600:]}",
            "standby-not-following",
            "Repair the cause its log names and run the same command again.",
        )
    return facts
