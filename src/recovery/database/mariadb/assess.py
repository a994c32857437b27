"""CHECK of a restore of a MariaDB server (RCV-1): may it be replaced, from which backup, and how far does that reach? Changes nothing."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...findings import Finding
from ..assess import Assessment, examine_space, examine_state
from ..cluster import Cluster, Health, read_state
from ..reach import clock
from ..shell import CommandError, Procedure
from . import binlog, server
from .repository import FORMAT, Backup, Repository, Vault, newest_of
from .restore import surviving, upto
from .target import Target

OTHERS = "Take another source (-e source=best chooses), or see `recovery run database_verify`."
ORDER = ("local", "offsite")


@dataclass
class Candidate:
    """One repository as a source: the backup it would give, how far it reaches, and what speaks against it."""

    source: str
    backup: Backup | None = None
    chain: list[Backup] = field(default_factory=list)
    log_history: str = ""
    reaches: float = 0.0
    newest: str = ""
    ends_at: str = ""
    holdings: dict[str, Any] | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Return whether nothing speaks against it."""
        return self.backup is not None and not any(f.severity == "stop" for f in self.findings)

    def stop(self, code: str, message: str, *, why: str = "", remedy: str = OTHERS, alternative: str = "") -> None:
        """Note what speaks against it."""
        self.findings.append(Finding(code, "stop", message, why, remedy, alternative))

    def sentence(self) -> str:
        """Say in one sentence what this source offers."""
        if self.backup is None or not self.usable:
            reason = next((f.message for f in self.findings if f.severity == "stop"), "it holds no backup")
            return f"{self.source}: not usable. {reason}"
        return f"{self.source}: backup {self.backup.label}, binary log to {clock(self.reaches)}."


def examine(repository: Repository, cluster: Cluster, target: Target, procedure: Procedure) -> Candidate:
    """Look at one repository: is there a sound backup for the target, and does the binary log reach it without a hole?"""
    found = Candidate(repository.name)
    try:
        backups = repository.backups()
        if not backups:
            found.stop("no-backup", f"The {repository.name} repository holds no backup to restore from (no backup was ever finished).")
            return found
        backup = _choose(backups, target)
        if backup is None:
            _out_of_range(found, backups, target)
            return found
        found.backup = backup
        found.chain = [one for label in backup.chain for one in backups if one.label == label]
        if [one.label for one in found.chain] != list(backup.chain):
            found.stop("backup-damaged", f"Backup {backup.label} builds on backups that the {repository.name} repository lacks.")
        if backup.version != cluster.version:
            found.stop(
                "other-version",
                f"Backup {backup.label} is of MariaDB {backup.version}, this host runs {cluster.version}.",
                why="A backup is made consistent only by the version that wrote it.",
                remedy=f"Install MariaDB {backup.version} on this host, or restore on a host that has it.",
            )
        if problems := repository.damaged_files(found.chain):
            shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
            found.stop(
                "backup-damaged",
                f"Backup {backup.label} in the {repository.name} repository is damaged: {shown}.",
                why="A database restored from it would not be the one that was backed up.",
                alternative="Name an older backup: -e target=backup:LABEL.",
            )
        found.holdings = repository.manifest(backup)
        _examine_log(found, repository, backup, cluster, target, procedure)
    except CommandError as error:
        code = "no-backup" if error.status == 2 else "repository-unreachable"
        found.stop(code, f"{repository.name}: the repository cannot be read ({error.output[-200:]}).")
    except (ValueError, KeyError) as error:
        code = "wrong-passphrase" if isinstance(repository, Vault) and repository.code == "wrong-passphrase" else "backup-damaged"
        found.stop(code, f"The {repository.name} repository: {error}.")
    return found


def _choose(backups: Sequence[Backup], target: Target) -> Backup | None:
    """Return the newest backup that can reach the target, or the one that was named."""
    fitting = list(backups)
    if target.kind == "backup":
        fitting = [one for one in backups if one.label == target.label]
    elif target.timestamp is not None:
        # The copy is consistent only from its stop onwards, known to the second.
        fitting = [one for one in backups if one.stop_time + 1 <= target.timestamp]
    elif target.gtid is not None:
        fitting = [one for one in backups if one.gtid and binlog.Gtid.parse(one.gtid).seq <= target.gtid.seq]
    return fitting[-1] if fitting else None


def _out_of_range(found: Candidate, backups: Sequence[Backup], target: Target) -> None:
    if target.kind == "backup":
        labels = ", ".join(one.label for one in backups[-8:])
        found.stop(
            "target-unknown",
            f"The {found.source} repository has no backup {target.label}.",
            remedy=f"It has: {labels}.",
            alternative="Take another source, or -e target=latest.",
        )
        return
    oldest = backups[0]
    moment = f"{clock(oldest.stop_time)} ({oldest.gtid})"
    found.stop(
        "target-too-old",
        f"The target {target.text} is before the oldest recoverable moment of the {found.source} repository, {moment}.",
        remedy=f"Ask for a later moment (-e target=time:{clock(oldest.stop_time + 1)} is the first).",
        alternative="Take another source: the off-site copy may reach further back.",
    )


def _examine_log(found: Candidate, repository: Repository, backup: Backup, cluster: Cluster, target: Target, procedure: Procedure) -> None:
    found.log_history = newest_of(repository.histories(), backup)
    start = binlog.Gtid.parse(backup.gtid)
    found.reaches, found.newest = backup.stop_time, backup.gtid
    scratch = Path(tempfile.mkdtemp(prefix="recovery-look-"))
    try:
        logs = repository.logs(found.log_history, scratch, procedure)
        named = {path.name: path for path in logs}
        for path in surviving(cluster.data, logs):
            if path.name not in named or path.stat().st_size > named[path.name].stat().st_size:
                named[path.name] = path
        transactions = binlog.transactions(sorted(named.values(), key=binlog.number), start)
        if transactions:
            found.reaches, found.newest = float(transactions[-1].at), str(transactions[-1].gtid)
        wanted = upto(transactions, target, {"gtid": backup.gtid, "restore_point": backup.manifest_gtid})
        found.ends_at = str(wanted[-1].gtid) if wanted else backup.gtid
        if target.timestamp is not None and transactions and target.timestamp > transactions[-1].at + 60:
            found.stop(
                "target-too-new",
                f"The binary log of the {repository.name} repository ends at {clock(found.reaches)}, before the target {target.text}.",
                why="What was acknowledged in between would be missing without a word.",
                alternative="To accept that: -e target=latest.",
            )
    except binlog.HoleError as error:
        found.stop(
            "wal-missing",
            f"The {repository.name} repository lacks a part of the binary log between backup {backup.label} and the target: {error}.",
            why="Replay would end there, and everything acknowledged after it would be lost without a word.",
            remedy="Take another source (-e source=best), or a newer backup behind the hole.",
            alternative=f"To accept the loss, name the moment: -e target=backup:{backup.label}.",
        )
    except binlog.BinlogError as error:
        found.stop("wal-missing", f"The binary log of the {repository.name} repository cannot be replayed to the target: {error}.")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def examine_server(cluster: Cluster, state: Health, size: int) -> list[Finding]:
    """What speaks against replacing the server on this host."""
    findings = examine_state(cluster, state)
    installed = server.version()
    if installed != cluster.version:
        findings.append(
            Finding(
                "other-version",
                "stop",
                f"MariaDB {cluster.version} is not installed on this host; it has {installed or 'none'}.",
                remedy=f"Install MariaDB {cluster.version} on it, or name another host: -e host=NAME.",
            )
        )
    return findings + examine_space(cluster, size)


def assess_server(cluster: Cluster, heartbeat: Mapping[str, str] | None = None) -> Assessment:
    """Look only at a server that another host is to take over from."""
    procedure = Procedure()
    with procedure.step("Look at the server that would be replaced"):
        findings = [f for f in examine_server(cluster, server.health(cluster, heartbeat), 0) if f.code.startswith("server-")]
    return Assessment(findings, {}, None, procedure)


def assess(
    cluster: Cluster, repositories: Mapping[str, Repository], source: str, target: Target, heartbeat: Mapping[str, str] | None = None
) -> Assessment:
    """Come to a plan of action, or to what speaks against one."""
    procedure = Procedure()
    earlier = read_state(cluster)
    over = (None, "finished", "rolled-back") if server.health(cluster, heartbeat).serving else (None, "proven", "finished", "rolled-back")
    if earlier.get("request") == {"source": source, "target": target.text} and earlier.get("phase") not in over:
        with procedure.step(f"Continue the interrupted recovery of {earlier.get('started')} (it had reached: {earlier['phase']})"):
            decision = dict(earlier["decision"])  # unaltered: it is what people approved
            holdings = _holdings_again(repositories.get(decision["source"]), decision)
        told = Finding("continues", "info", f"A recovery from {decision['source']} was interrupted; it is continued.")
        return Assessment([told], decision, holdings, procedure)
    names = [n for n in ORDER if n in repositories]
    candidates: list[Candidate] = []
    for name in names:
        with procedure.step(f"Examine the {name} repository: its newest sound backup, and the binary log behind it"):
            candidates.append(examine(repositories[name], cluster, target, procedure))
    usable = [c for c in candidates if c.usable]
    findings = [] if usable else [f for c in candidates for f in c.findings]
    chosen = _best(usable)
    size = sum(one.size for one in chosen.chain) if chosen else 0
    with procedure.step("Look at the server that would be replaced"):
        state = server.health(cluster, heartbeat)
        if not state.serving:
            procedure.milestone("detected", "the server does not serve")
        findings += examine_server(cluster, state, size)
        findings += _identity(state, chosen)
    if target.timestamp is not None and target.timestamp > time.time():
        findings.append(
            Finding("target-in-future", "stop", f"The target {target.text} has not happened yet.", remedy="Check its date and its zone.")
        )
    if not chosen or not chosen.backup:
        return Assessment(findings, {}, None, procedure)
    backup = chosen.backup
    decision = {
        "what": f"Replace the database {cluster.name} by its backup",
        "source": chosen.source,
        "backup": backup.label,
        "taken_at": clock(backup.start_time),
        "target": target.text,
        "target_became": chosen.ends_at,
        "restore_point": backup.manifest_gtid,
        "system_identifier": backup.system,
        "gtid": backup.gtid,
        "wal_to": chosen.newest,
        "log_history": chosen.log_history,
        "reaches": clock(chosen.reaches),
        "timeline": 0,
        "bytes": size,
        "chain": [{**one.__dict__, "format": FORMAT, "files": {}} for one in chosen.chain],
        "old_cluster": "kept aside by rename until it is released" if cluster.data.exists() else "none is left",
        "chosen_because": [c.sentence() for c in candidates],
        "server": next((f.message for f in findings if f.code.startswith("server-")), ""),
    }
    return Assessment(findings, decision, chosen.holdings, procedure)


def _best(usable: Sequence[Candidate]) -> Candidate | None:
    """Prefer the source that loses least; among those within a minute of it, the nearest one."""
    if not usable:
        return None
    newest = max(c.reaches for c in usable)
    return min((c for c in usable if newest - c.reaches <= 60), key=lambda c: ORDER.index(c.source))


def _holdings_again(repository: Repository | None, decision: Mapping[str, Any]) -> dict[str, Any] | None:
    if repository is None:
        return None
    try:
        return next((repository.manifest(one) for one in repository.backups() if one.label == decision["backup"]), None)
    except (CommandError, ValueError, KeyError, OSError):
        return None


def _identity(state: Health, chosen: Candidate | None) -> list[Finding]:
    """Compare whose data they are, where the server still tells."""
    if not chosen or not chosen.backup or not state.answers:
        return []
    try:
        told = server.identity()
    except CommandError:
        return []
    if told is None or told.system == chosen.backup.system:
        return []
    return [
        Finding(
            "other-system",
            "stop",
            f"Backup and server are of different systems: {chosen.backup.system} in the {chosen.source} repository, "
            f"{told.system} on this host.",
            why="Either the repository or the host is the wrong one.",
            remedy="Name the right host (-e host=NAME) or the right repository.",
        )
    ]
