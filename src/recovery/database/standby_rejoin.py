"""The old server comes back (BKP-5): what it alone has is kept, then it is rewound or rebuilt. Standard library only."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import time
from pathlib import Path
from typing import Any

from .cluster import OWNER, Cluster, control_data, fsync_directory, postmaster_pid
from .errors import RestoreError
from .shell import CommandError, Procedure, psql, run
from .standby import Partner, slot_of
from .standby_build import set_aside
from .wal import Segment, format_lsn, parse_history, parse_lsn

_COMMIT = re.compile(r"tx:\s+(\d+), lsn: ([0-9A-F/]+),.*desc: COMMIT(?:_PREPARED)? ([0-9-]+ [0-9:.]+ \S+)")
_END = re.compile(r"lsn: ([0-9A-F]+/[0-9A-F]+)")


def parted_at(partner: Partner, own_timeline: int) -> tuple[int, int]:
    """Return (timeline, position) at which the partner's history left the one this server was on. Raises RestoreError."""
    answer = partner.ask()
    if answer is None:
        raise RestoreError(f"{partner.name} does not answer.", "primary-unreachable", "See that it serves, then repeat.")
    if answer["timeline"] == own_timeline:
        return own_timeline, parse_lsn(answer["lsn"])
    login = partner.conninfo("standby-question", database="replication") + " replication=true"
    name = f"{int(answer['timeline']):08X}"
    told = run(["psql", "-X", "-q", "-A", "-t", "-w", "-d", login, "-c", f"TIMELINE_HISTORY {answer['timeline']}"], user=OWNER, timeout=15)
    past = dict(parse_history(told.partition("|")[2]))
    if own_timeline not in past:
        raise RestoreError(
            f"The history {name} of {partner.name} never was on timeline {own_timeline}, on which this server is.",
            "other-history",
            "Build the standby anew: recovery run database_standby -e override=data-directory-present -e override_by=NAME",
        )
    return own_timeline, past[own_timeline]


def diverged(cluster: Cluster, timeline: int, fork: int) -> dict[str, Any]:
    """Return what this server committed after the histories parted: count, first and last time, the records themselves, end of its log."""
    text = ""
    program = str(cluster.binaries / "pg_waldump")
    log = cluster.data / "pg_wal"
    # Records of transactions only; at the end of the log the program stops with an error, which is how the end is told.
    for extra in (["--rmgr=Transaction"], []):
        command = [program, f"--path={log}", f"--timeline={timeline}", f"--start={format_lsn(fork)}", *extra]
        if extra:
            text = run(command, user=OWNER, timeout=600, accept=(0, 1))
        else:
            end = run(["sh", "-c", '"$@" 2>/dev/null | tail -n 1', "sh", *command], user=OWNER, timeout=600)
    commits = [(m.group(1), m.group(2), m.group(3)) for m in map(_COMMIT.search, text.splitlines()) if m]
    found = _END.search(end)
    return {
        "transactions": len(commits),
        "first": commits[0][2] if commits else "",
        "last": commits[-1][2] if commits else "",
        "bytes": max(0, parse_lsn(found.group(1)) - fork) if found else 0,
        "records": "".join(f"transaction {number} at {lsn}, committed {at}\n" for number, lsn, at in commits),
        "fork": format_lsn(fork),
        "timeline": timeline,
    }


def keep(cluster: Cluster, told: dict[str, Any], procedure: Procedure) -> str:
    """Copy the log behind the fork, and the list of what was committed there, beside the data directory. Returns the directory's name."""
    place = cluster.data.with_name(f"{cluster.data.name}.diverged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    owner = pwd.getpwnam(OWNER)
    with procedure.step("Keep the log that only this server has, before it is thrown away"):
        place.mkdir(mode=0o700)
        first = Segment(int(told["timeline"]), parse_lsn(told["fork"]) // (16 * 1024 * 1024)).name()
        for path in sorted((cluster.data / "pg_wal").iterdir()):
            if path.is_file() and re.fullmatch(r"[0-9A-F]{24}", path.name) and path.name[:8] == first[:8] and path.name >= first:
                shutil.copyfile(path, place / path.name)
        (place / "transactions.txt").write_text(str(told["records"]), encoding="utf-8")
        for path in (place, *place.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        fsync_directory(place)
    return place.name


def close(cluster: Cluster, procedure: Procedure) -> None:
    """Stop the server of this host, if it runs, and see that it has stopped."""
    if postmaster_pid(cluster.data) is not None:
        with procedure.step("Stop this server"):
            procedure.run(["systemctl", "stop", cluster.service], timeout=120)
    if postmaster_pid(cluster.data) is not None:
        raise RestoreError("The server of this host did not stop.", "server-running", f"Stop it: systemctl stop {cluster.service}")


def rewind(cluster: Cluster, partner: Partner, me: str, procedure: Procedure) -> bool:
    """Take back what this server has beyond the fork, by pg_rewind. Returns False if it cannot: then it is to be rebuilt."""
    control = control_data(cluster, cluster.data)
    hints = control.get("wal_log_hints setting", "off") == "on" or control.get("Data page checksum version", "0") != "0"
    if not hints:
        return False
    with procedure.step("Take back what this server has beyond the fork, page by page"):
        psql_checkpoint(partner)
        try:
            procedure.run(
                [
                    str(cluster.binaries / "pg_rewind"),
                    f"--target-pgdata={cluster.data}",
                    f"--source-server={partner.conninfo(me, database='postgres')}",
                    f"--config-file={cluster.config_directory}/postgresql.conf",
                ],
                user=OWNER,
                timeout=3600,
            )
        except CommandError:
            return False
    return True


def psql_checkpoint(partner: Partner) -> None:
    """Wait until the partner has written its new timeline into its control file: pg_rewind reads it there."""
    # A server just promoted does so with its first checkpoint, which PostgreSQL asks for itself.
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = partner.ask()
        if answer is not None and _control_timeline(partner) >= int(answer["timeline"]):
            return
        time.sleep(0.5)


def _control_timeline(partner: Partner) -> int:
    login = partner.conninfo("standby-question", database="postgres")
    asked = ["psql", "-X", "-q", "-A", "-t", "-w", "-d", login, "-c", "SELECT timeline_id FROM pg_control_checkpoint()"]
    try:
        return int(run(asked, user=OWNER, timeout=10).strip())
    except (CommandError, ValueError):
        return 0


def rebuild(cluster: Cluster, partner: Partner, me: str, procedure: Procedure) -> str:
    """Copy the partner whole into a directory beside, set the old one aside and give the copy its place. Returns the old one's name."""
    staging = cluster.staging
    with procedure.step(f"Copy {partner.name} into a directory beside"):
        shutil.rmtree(staging, ignore_errors=True)
        command = [
            str(cluster.binaries / "pg_basebackup"),
            f"--pgdata={staging}",
            f"--dbname={partner.conninfo(me)}",
            "--wal-method=stream",
            f"--slot={slot_of(me)}",
            "--checkpoint=fast",
            "--no-password",
        ]
        procedure.run(command, user=OWNER, timeout=None)
    aside = set_aside(cluster, procedure)
    staging.rename(cluster.data)
    fsync_directory(cluster.data.parent)
    return aside


def has_slot(cluster: Cluster, name: str) -> bool:
    """Tell whether this server keeps its log for a follower."""
    return bool(psql(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}'", database="postgres", port=cluster.port))  # noqa: S608


def remains(cluster: Cluster) -> list[str]:
    """Return what rejoining has left beside the data directory, by name."""
    return sorted(path.name for path in Path(cluster.data.parent).glob(f"{cluster.data.name}.*-*"))
