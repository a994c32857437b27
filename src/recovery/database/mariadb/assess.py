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
from ..assess import Asked, Assessment, examine_space, examine_state, in_order
from ..cluster import Cluster, Health, read_state
from ..errors import NO_ANSWER
from ..reach import clock, failed_at, rpo_findings
from ..shell import CommandError, Procedure
from . import binlog, line, server
from .place import HOME
from .repository import FORMAT, Backup, DamageError, Repository, Vault
from .restore import surviving, upto
from .target import Target

OTHERS = "Take another source (-e source=best chooses), or see `recovery run database_verify`."
ORDER = ("local", "removable", "offsite")
# A replay logs again what it replays, and what is fetched for it lies beside.
LOG_COPIES = 2


@dataclass
class Candidate:
    """One repository as a source: the backup it would give, how far it reaches, and what speaks against it."""

    source: str
    backup: Backup | None = None
    chain: list[Backup] = field(default_factory=list)
    stretches: list[line.Stretch] = field(default_factory=list)
    reaches: float = 0.0
    newest: str = ""
    ends_at: str = ""
    log_bytes: int = 0
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

    def plan(self) -> dict[str, Any]:
        """Return what a restore from here would take, as the decision names it."""
        if self.backup is None:
            raise ValueError(f"the {self.source} repository gives no backup")
        return {
            "source": self.source,
            "backup": self.backup.label,
            "taken_at": clock(self.backup.start_time),
            "target_became": self.ends_at,
            "restore_point": self.backup.manifest_gtid,
            "system_identifier": self.backup.system,
            "gtid": self.backup.gtid,
            "wal_to": self.newest,
            "log": [[one.history, str(one.upto or "")] for one in self.stretches],
            "reaches": clock(self.reaches),
            "timeline": 0,
            "bytes": sum(one.size for one in self.chain),
            "chain": [{**one.__dict__, "format": FORMAT, "files": {}} for one in self.chain],
        }


def examine(repository: Repository, cluster: Cluster, target: Target, procedure: Procedure) -> Candidate:
    """Look at one repository: is there a sound backup for the target, and does the binary log reach it without a hole?"""
    found = Candidate(repository.name)
    try:
        backups = repository.backups()
        if not backups:
            found.stop("no-backup", f"The {repository.name} repository holds no backup to restore from (no backup was ever finished).")
            return found
        histories = repository.histories()
        backup = _choose(backups, target, histories)
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
        found.stretches = line.behind(backup, histories) or [line.Stretch(backup.history)]
        _examine_log(found, repository, backup, cluster, target, procedure)
    except CommandError as error:
        code = "no-backup" if error.status == 2 else "repository-unreachable"
        waited = " (it said nothing any more)" if error.status == NO_ANSWER else ""
        found.stop(code, f"{repository.name}: the repository cannot be read{waited}: {error.output[-200:]}.")
    except DamageError as error:
        found.stop("wal-damaged", f"The binary log in the {repository.name} repository is damaged: {error}.")
    except (ValueError, KeyError) as error:
        _cannot_be_trusted(found, repository, str(error))
    return found


def _cannot_be_trusted(found: Candidate, repository: Repository, said: str) -> None:
    if isinstance(repository, Vault) and repository.code == "wrong-passphrase":
        found.stop(
            "wrong-passphrase",
            f"The {repository.name} repository cannot be opened: {said}.",
            why="Without the passphrase nothing in it can be read by anybody.",
            remedy="Bring the passphrase that is kept apart (sealed envelope, vault) and run: recovery run database_backup_setup",
            alternative="Take another source: -e source=local.",
        )
    else:
        found.stop("backup-damaged", f"The {repository.name} repository: {said}.")


def _choose(backups: Sequence[Backup], target: Target, histories: line.Histories) -> Backup | None:
    """Return the newest backup on the line that counts which can reach the target, or the one that was named, whatever its history."""
    if target.kind == "backup":
        return next((one for one in backups if one.label == target.label), None)
    fitting = [one for one in backups if line.behind(one, histories)] or list(backups)
    if target.timestamp is not None:
        # The copy is consistent only from its stop onwards, known to the second.
        fitting = [one for one in fitting if one.stop_time + 1 <= target.timestamp]
    elif target.gtid is not None:
        fitting = [one for one in fitting if one.gtid and binlog.Gtid.parse(one.gtid).seq <= target.gtid.seq]
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
    start = binlog.Gtid.parse(backup.gtid)
    found.reaches, found.newest = backup.stop_time, backup.gtid
    scratch = Path(tempfile.mkdtemp(prefix="recovery-look-"))

    def logs_of(history: str) -> list[Path]:
        logs = repository.logs(history, scratch, procedure)
        if history != found.stretches[-1].history:
            return logs
        named = {path.name: path for path in logs}
        for path in surviving(cluster.data, logs):
            if path.name not in named or path.stat().st_size > named[path.name].stat().st_size:
                named[path.name] = path
        return sorted(named.values(), key=binlog.number)

    try:
        parts = line.follow(found.stretches, logs_of, start)
        found.log_bytes = sum(path.stat().st_size for part in parts for path in part.paths)
        transactions = [one for part in parts for one in part.transactions]
        if transactions:
            found.reaches, found.newest = max(found.reaches, float(transactions[-1].at)), str(transactions[-1].gtid)
        if _beyond(found, target):
            return
        wanted = upto(transactions, target, {"gtid": backup.gtid, "restore_point": backup.manifest_gtid})
        found.ends_at = str(wanted[-1].gtid) if wanted else backup.gtid
    except binlog.HoleError as error:
        found.stop(
            "wal-missing",
            f"The {repository.name} repository lacks a part of the binary log between backup {backup.label} and the target: {error}.",
            why="Replay would end there, and everything acknowledged after it would be lost without a word.",
            remedy="Take another source (-e source=best), or a newer backup behind the hole.",
            alternative=f"To accept the loss, name the moment: -e target=backup:{backup.label}.",
        )
    except binlog.BinlogError as error:
        found.stop("wal-damaged", f"The binary log of the {repository.name} repository cannot be replayed to the target: {error}.")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _beyond(found: Candidate, target: Target) -> bool:
    """Refuse a target behind the newest transaction at hand: what was acknowledged in between would be missing without a word."""
    if target.timestamp is not None and found.reaches + 1 < target.timestamp <= time.time():
        newest = clock(found.reaches)
    elif target.gtid is not None and target.gtid.seq > binlog.Gtid.parse(found.newest).seq:
        newest = found.newest
    else:
        return False
    found.stop(
        "target-too-new",
        f"The target {target.text} is behind the newest binary log of the {found.source} repository, which ends at {newest}.",
        why="Replay would end before the target is reached.",
        remedy="Ask for an earlier moment, or for everything there is: -e target=latest.",
        alternative="Take another source (-e source=best): it may reach further.",
    )
    return True


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
    elif server.configured_directory() != str(cluster.data):
        findings.append(
            Finding(
                "no-configuration",
                "stop",
                f"This host's MariaDB is not configured for the database {cluster.name}: it works in {server.configured_directory()}, "
                f"not in {cluster.data}.",
                remedy=f"Copy {cluster.config_directory} from the database server to it, or name another host: -e host=NAME.",
            )
        )
    return findings + examine_space(cluster, size)


def assess_server(cluster: Cluster, heartbeat: Mapping[str, str] | None = None) -> Assessment:
    """Look only at a server that another host is to take over from."""
    procedure = Procedure()
    with procedure.step("Look at the server that would be replaced"):
        findings = [f for f in examine_server(cluster, server.health(cluster, heartbeat), 0) if f.code.startswith("server-")]
    return Assessment(findings, {}, None, procedure)


def assess(cluster: Cluster, repositories: Mapping[str, Repository], source: str, target: Target, asked: Asked) -> Assessment:
    """Come to a plan of action, or to what speaks against one."""
    procedure = Procedure()
    earlier = read_state(cluster)
    given_up = (None, "finished", "rolling-back", "rolled-back")
    over = given_up if server.health(cluster, asked.heartbeat).serving else (*given_up, "proven")
    if earlier.get("request") == {"source": source, "target": target.text} and earlier.get("phase") not in over:
        with procedure.step(f"Continue the interrupted recovery of {earlier.get('started')} (it had reached: {earlier['phase']})"):
            decision = dict(earlier["decision"])  # unaltered: it is what people approved
            holdings = holdings_of(repositories.get(decision["source"]), decision["backup"])
        told = Finding("continues", "info", f"A recovery from {decision['source']} was interrupted; it is continued.")
        return Assessment([told], decision, holdings, procedure)
    names = [n for n in ORDER if n in repositories]
    candidates: list[Candidate] = []
    for name in names:
        with procedure.step(f"Examine the {name} repository: its newest sound backup, and the binary log behind it"):
            candidates.append(examine(repositories[name], cluster, target, procedure))
    usable = list(in_order([c for c in candidates if c.usable]))
    findings = [f for c in (usable or candidates) for f in c.findings]
    with procedure.step("Look at the server that would be replaced"):
        state = server.health(cluster, asked.heartbeat)
        if not state.serving:
            procedure.milestone("detected", "the server does not serve")
        size = max((sum(one.size for one in c.chain) + LOG_COPIES * c.log_bytes for c in usable), default=0)
        findings += examine_server(cluster, state, size)
        findings += _identity(cluster, state, usable)
        if usable:
            fault = failed_at(cluster, state.serving)
            findings += rpo_findings(usable[0], target, fault, asked.rpo_s, asked.planned_rpo_s, tail_counted=True)
    if target.timestamp is not None and target.timestamp > time.time():
        message = f"The target {target.text} ({target.meaning(asked.time_zone)}) has not happened yet."
        findings.append(Finding("target-in-future", "stop", message, remedy="Check its date and its zone."))
    if not usable:
        return Assessment(findings, {}, None, procedure)
    plans = [candidate.plan() for candidate in usable]
    decision = {
        "what": f"Replace the database {cluster.name} by its backup",
        **plans[0],
        "target": target.text,
        "target_means": target.meaning(asked.time_zone),
        "alternatives": plans[1:],
        "old_cluster": "kept aside by rename until it is released" if cluster.data.exists() else "none is left",
        "chosen_because": [c.sentence() for c in candidates],
        "server": next((f.message for f in findings if f.code.startswith("server-")), ""),
    }
    return Assessment(findings, decision, usable[0].holdings, procedure)


def holdings_of(repository: Repository | None, label: str) -> dict[str, Any] | None:
    """Read the manifest of a backup that was chosen earlier; the proof says so if it cannot be had."""
    if repository is None:
        return None
    try:
        return next((repository.manifest(one) for one in repository.backups() if one.label == label), None)
    except (CommandError, ValueError, KeyError, OSError):
        return None


def _identity(cluster: Cluster, state: Health, usable: Sequence[Candidate]) -> list[Finding]:
    """Refuse a backup of another system than the server's: by its own word, or by what the set-up noted while it still ran."""
    known = {f"in the {c.source} repository": c.backup.system for c in usable if c.backup}
    present = ""
    if state.answers:
        try:
            told = server.identity()
            present = told.system if told else ""
        except CommandError:
            present = ""
    note = HOME / cluster.name / "system"
    if not present and note.exists():
        present = note.read_text(encoding="ascii").strip()
    known |= {"on this host": present} if present else {}
    if len(set(known.values())) <= 1:
        return []
    return [
        Finding(
            "other-system",
            "stop",
            f"Backup and server are of different systems: {', '.join(f'{system} {where}' for where, system in known.items())}.",
            why="Either the repository or the host is the wrong one.",
            remedy="Name the right host (-e host=NAME) or the right repository (-e source=NAME).",
        )
    ]
