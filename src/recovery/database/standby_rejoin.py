"""The old server comes back (BKP-5): what it alone has is kept, then it is rewound or rebuilt. Standard library only."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cluster import OWNER, Cluster, control_data, free_bytes, fsync_directory, postmaster_pid
from .errors import RestoreError
from .shell import CommandError, Procedure, run
from .standby import Partner, slot_of
from .standby_build import have_place, have_settings, set_aside
from .wal import Segment, format_lsn, parse_history, parse_lsn

_COMMIT = re.compile(r"tx:\s+(\d+), lsn: ([0-9A-F/]+),.*desc: COMMIT(?:_PREPARED)? ([0-9-]+ [0-9:.]+ [^\s;]+)")
SEGMENT_BYTES = 16 * 1024 * 1024
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
    """Return what this server committed after the histories parted: count, first and last time, the records themselves, end of its log.

    ``hole`` names the log behind the fork that this server does not have any more: what was committed there cannot be counted.
    """
    text = end = ""
    program = str(cluster.binaries / "pg_waldump")
    log = cluster.data / "pg_wal"
    start, hole = _first_behind(log, timeline, fork)
    # Records of transactions only; at the end of the log the program stops with an error, which is how the end is told.
    for extra in (["--rmgr=Transaction"], []) if start is not None else ():
        command = [program, f"--path={log}", f"--timeline={timeline}", f"--start={format_lsn(start or fork)}", *extra]
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
        "hole": hole,
    }


def _first_behind(log: Path, timeline: int, fork: int) -> tuple[int | None, str]:
    """Return from where behind the fork the log is at hand (None: nowhere), and the names of the first and last segment that are not."""
    wanted = Segment(timeline, fork // SEGMENT_BYTES)
    names = (path.name for path in log.iterdir() if re.fullmatch(r"[0-9A-F]{24}", path.name)) if log.is_dir() else ()
    present = sorted(one for one in map(Segment.parse, names) if one.timeline == timeline and one.number >= wanted.number)
    if present and present[0] == wanted:
        return fork, ""
    if not present:
        return None, f"{wanted.name()} and what followed"
    return present[0].start(), f"{wanted.name()} to {Segment(timeline, present[0].number - 1).name()}"


def keep(cluster: Cluster, told: dict[str, Any], procedure: Procedure) -> str:
    """Copy the log behind the fork, and the list of what was committed there, beside the data directory. Returns the directory's name."""
    place = cluster.data.with_name(f"{cluster.data.name}.diverged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    owner = pwd.getpwnam(OWNER)
    with procedure.step("Keep the log that only this server has, before it is thrown away"):
        place.mkdir(mode=0o700)
        first = Segment(int(told["timeline"]), parse_lsn(told["fork"]) // SEGMENT_BYTES).name()
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


def rewind(cluster: Cluster, partner: Partner, me: str, archives: Sequence[str], stanza: str, procedure: Procedure) -> str:
    """Take back what this server has beyond the fork, by pg_rewind. Returns why it cannot be, in which case it is to be copied anew.

    ``archives``: pgBackRest configurations by which log from before the fork is fetched, which a server that went on alone has removed.
    """
    control = control_data(cluster, cluster.data)
    hints = control.get("wal_log_hints setting", "off") == "on" or control.get("Data page checksum version", "0") != "0"
    if not hints:
        return "neither data checksums nor wal_log_hints were on: pages changed beyond the fork cannot be told"
    fetch = " || ".join(
        f'pgbackrest --config={config} --stanza={stanza} --pg1-path={cluster.data} archive-get %f "%p"'
        for config in archives
        if Path(config).exists()
    )
    with procedure.step("Take back what this server has beyond the fork, page by page"):
        psql_checkpoint(partner)
        have_settings(cluster, {"restore_command": fetch} if fetch else {})
        try:
            procedure.run(
                [
                    str(cluster.binaries / "pg_rewind"),
                    f"--target-pgdata={cluster.data}",
                    f"--source-server={partner.conninfo(me, database='postgres')}",
                    f"--config-file={cluster.config_directory}/postgresql.conf",
                    *(["--restore-target-wal"] if fetch else []),
                ],
                user=OWNER,
                timeout=3600,
            )
        except CommandError as error:
            return "; ".join(line for line in error.output.splitlines() if "error:" in line)[-400:] or error.output[-400:]
    return ""


def room_for_copy(cluster: Cluster) -> None:
    """Raise RestoreError where the disk does not hold a whole copy beside the old directory, as large as that is."""
    need = sum(path.stat().st_size for path in cluster.data.rglob("*") if path.is_file() and not path.is_symlink())
    free = free_bytes(cluster.data.parent)
    if free < need:
        raise RestoreError(
            f"A whole copy of the other server needs {need / 2**30:.2f} GiB beside the old directory; {free / 2**30:.2f} GiB are free.",
            "disk-full",
            f"Free space on that disk: {', '.join(remains(cluster)) or 'nothing is kept aside'} may be moved elsewhere. Then repeat.",
        )


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
        have_place(cluster)
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


def remains(cluster: Cluster) -> list[str]:
    """Return what rejoining has left beside the data directory, by name."""
    return sorted(path.name for path in cluster.data.parent.glob(f"{cluster.data.name}.*-*"))
