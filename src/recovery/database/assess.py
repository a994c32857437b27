"""CHECK of a restore (RCV-1): may this server be replaced, from which backup, and how far does that reach? Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..findings import Finding
from .cluster import Cluster, Health, control_data, free_bytes, health, read_state
from .pgbackrest import Backup, Repository, explain
from .shell import CommandError, Procedure
from .target import Target
from .wal import SEGMENT, Segment, missing_segments, youngest_descendant

SOURCES = ("local", "removable", "offsite")
SPACE_MARGIN = 1.10


@dataclass
class Candidate:
    """One repository as a source: the backup it would give, how far it reaches, and what speaks against it."""

    source: str
    backup: Backup | None = None
    timeline: int = 0
    reaches: float = 0.0
    newest_segment: str = ""
    archive_id: str = ""
    system_identifier: str = ""
    holdings: dict[str, Any] | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Return whether nothing speaks against it."""
        return self.backup is not None and not any(f.severity == "stop" for f in self.findings)

    def sentence(self) -> str:
        """Say in one sentence what this source offers."""
        if self.backup is None or not self.usable:
            reason = next((f.message for f in self.findings if f.severity == "stop"), "it holds no backup")
            return f"{self.source}: not usable. {reason}"
        return f"{self.source}: backup {self.backup.label}, write-ahead log to {_clock(self.reaches)}."


@dataclass
class Assessment:
    """What a check came to: findings, the plan of action to approve, and the manifest of what its backup holds."""

    findings: list[Finding]
    decision: dict[str, Any]
    holdings: dict[str, Any] | None
    procedure: Procedure


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def tail_segments(directory: str) -> set[Segment]:
    """Return the segments, finished or not, that a WAL tail on this host holds."""
    path = Path(directory)
    names = [entry.name for entry in path.iterdir()] if directory and path.is_dir() else []
    return {Segment.parse(name) for name in names if SEGMENT.match(name)}


def examine(repository: Repository, cluster: Cluster, target: Target, tail: str = "", proof: bool = True) -> Candidate:
    """Look at one repository: is there a sound backup for the target, and does the write-ahead log reach it without a hole?"""
    candidate = Candidate(repository.name)
    stop = candidate.findings.append
    others = "Take another source (-e source=best chooses), or see `recovery run database_verify`."
    try:
        contents = repository.contents()
        if contents.status_code != 0 or not contents.backups:
            said = contents.status if contents.status_code != 0 else "no backup was ever finished"
            stop(
                Finding(
                    "no-backup",
                    "stop",
                    f"The {repository.name} repository holds no backup to restore from ({said}).",
                    remedy=others,
                )
            )
            return candidate
        candidate.archive_id = contents.archive_id
        backup = _choose(contents.backups, target)
        if backup is None:
            stop(_out_of_range(repository.name, contents.backups, target))
            return candidate
        candidate.backup = backup
        system = contents.systems.get(backup.database_id, {})
        candidate.system_identifier = str(system.get("system-id", ""))
        if str(system.get("version")) != cluster.version:
            stop(
                Finding(
                    "other-version",
                    "stop",
                    f"Backup {backup.label} is of PostgreSQL {system.get('version')}, this host runs {cluster.version}.",
                    why="A cluster only starts under the major version that wrote it.",
                    remedy=f"Install PostgreSQL {system.get('version')} on this host, or restore on a host that has it.",
                )
            )
        if backup.error:
            stop(
                Finding(
                    "backup-damaged",
                    "stop",
                    f"pgBackRest found damaged pages while it took backup {backup.label}.",
                    remedy="Name an older backup: -e target=backup:LABEL, or another source.",
                )
            )
        if proof and (problems := repository.damaged_files(backup)):
            shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
            stop(
                Finding(
                    "backup-damaged",
                    "stop",
                    f"Backup {backup.label} in the {repository.name} repository is damaged: {shown}.",
                    why="A cluster restored from it would not be the one that was backed up.",
                    remedy=others,
                    alternative="Name an older backup: -e target=backup:LABEL.",
                )
            )
        candidate.holdings = repository.holdings(backup)
        _examine_wal(repository, candidate, backup, target, tail)
    except CommandError as error:
        code, sentence = explain(error)
        stop(Finding(code, "stop", f"{repository.name}: {sentence}", remedy=others))
    except (ValueError, KeyError) as error:
        stop(Finding("backup-damaged", "stop", f"{repository.name}: its catalogue is damaged and cannot be read ({error}).", remedy=others))
    return candidate


def _choose(backups: Sequence[Backup], target: Target) -> Backup | None:
    ordered = sorted(backups, key=lambda b: b.stop_time)
    if target.kind == "backup":
        return next((b for b in ordered if b.label == target.label), None)
    if target.timestamp is not None:
        # The copy is consistent only from its stop onwards, known to the second.
        ordered = [b for b in ordered if b.stop_time + 1 <= target.timestamp]
    return ordered[-1] if ordered else None


def _out_of_range(name: str, backups: Sequence[Backup], target: Target) -> Finding:
    oldest = min(backups, key=lambda b: b.stop_time)
    if target.kind == "backup":
        labels = ", ".join(b.label for b in sorted(backups, key=lambda b: b.stop_time)[-8:])
        return Finding(
            "target-unknown",
            "stop",
            f"The {name} repository has no backup {target.label}.",
            remedy=f"It has: {labels}.",
            alternative="Take another source, or -e target=latest.",
        )
    return Finding(
        "target-too-old",
        "stop",
        f"The target {target.text} is before the oldest recoverable moment of the {name} repository, {_clock(oldest.stop_time)}.",
        remedy=f"Ask for a later moment (-e target=time:{_clock(oldest.stop_time + 1)} is the first).",
        alternative="Take another source: the off-site or the removable copy may reach further back.",
    )


def _examine_wal(repository: Repository, candidate: Candidate, backup: Backup, target: Target, tail: str) -> None:
    archive = repository.archive(candidate.archive_id)
    at_hand = set(archive.segments) | tail_segments(tail)
    timeline = youngest_descendant(backup.start_segment.timeline, archive.histories)
    candidate.timeline = timeline
    newest = max((s for s in at_hand if s.timeline == timeline), default=backup.stop_segment)
    candidate.newest_segment = newest.name()
    candidate.reaches = float(max([*archive.segments.values(), backup.stop_time]))
    end: int | None = None
    if target.kind == "backup":
        end = backup.stop_segment.number
    elif target.timestamp is not None:
        stored_before = [s.number for s, at in archive.segments.items() if at <= target.timestamp]
        end = max([*stored_before, backup.stop_segment.number]) + 1
        end = min(end, newest.number)
    missing = missing_segments(backup.start_segment, timeline, archive.histories.get(timeline, []), at_hand, end)
    if missing:
        candidate.findings.append(
            Finding(
                "wal-missing",
                "stop",
                f"The {repository.name} repository lacks {len(missing)} segment(s) of the write-ahead log between backup {backup.label} "
                f"and the target; the first is {missing[0].name()}.",
                why="Replay would end there, and everything acknowledged after it would be lost without a word.",
                remedy="Take another source (-e source=best), or a newer backup behind the hole.",
                alternative=f"To accept the loss, name the moment: -e target=backup:{backup.label}.",
            )
        )


def examine_server(cluster: Cluster, state: Health, size: int) -> list[Finding]:
    """What speaks against replacing the cluster on this host."""
    findings: list[Finding] = []
    if state.serving:
        age = "" if state.last_commit_age_s is None else f"; its last row is {_age(state.last_commit_age_s)} old"
        findings.append(
            Finding(
                "server-healthy",
                "overridable",
                f"The server {cluster.name} is running and answers{age}.",
                why="A restore would replace living data with a backup.",
                remedy="To prove a backup without touching it: recovery run database_verify.",
            )
        )
    elif state.checksum_failures:
        findings.append(Finding("server-damaged", "info", f"The server runs and reports {state.checksum_failures} damaged page(s)."))
    elif not state.intact:
        findings.append(Finding("server-damaged", "info", "The data directory is gone or incomplete."))
    else:
        findings.append(Finding("server-down", "info", f"The server does not serve: {state.said or 'not writable'}."))
    if not (cluster.binaries / "postgres").exists():
        findings.append(
            Finding(
                "other-version",
                "stop",
                f"PostgreSQL {cluster.version} is not installed on this host.",
                remedy="Run the set-up of a database host on it, or name another host: -e host=NAME.",
            )
        )
    if not (Path(cluster.config_directory) / "postgresql.conf").exists():
        findings.append(
            Finding(
                "no-configuration",
                "stop",
                f"This host has no configuration for the cluster ({cluster.config_directory}).",
                remedy="Run `recovery run database_backup_setup` for it, or name another host: -e host=NAME.",
            )
        )
    free = free_bytes(cluster.data.parent)
    staged = sum(f.stat().st_size for f in cluster.staging.rglob("*") if f.is_file()) if cluster.staging.is_dir() else 0
    if size and free + staged < size * SPACE_MARGIN:
        findings.append(
            Finding(
                "disk-full",
                "stop",
                f"The restore needs {size * SPACE_MARGIN / 2**30:.2f} GiB beside the old cluster; {free / 2**30:.2f} GiB are free "
                f"on the file system of {cluster.data.parent}.",
                why="The old cluster is kept until a person releases it, so both must fit.",
                remedy="Free space there"
                + (" (recovery release deletes " + ", ".join(p.name for p in cluster.kept_aside()) + ")" if cluster.kept_aside() else "")
                + ", or enlarge the disk.",
                alternative="Restore on another host: -e host=NAME.",
            )
        )
    return findings


def assess_server(cluster: Cluster, heartbeat: dict[str, str] | None = None) -> Assessment:
    """Look only at a server that another host is to take over from: as long as it serves, that needs a name."""
    procedure = Procedure()
    with procedure.step("Look at the server that another one is to take over from"):
        state = health(cluster, heartbeat)
        if not state.serving:
            procedure.milestone("detected", "the server does not serve")
    return Assessment([f for f in examine_server(cluster, state, 0) if f.code.startswith("server-")], {}, None, procedure)


def assess(
    cluster: Cluster,
    repositories: Mapping[str, Repository],
    tails: Mapping[str, str],
    source: str,
    target: Target,
    heartbeat: dict[str, str] | None = None,
) -> Assessment:
    """Return findings, the decision (the plan of action that is approved) and what was looked at.

    An interrupted recovery that asked for the same is continued with the decision it had taken.
    """
    procedure = Procedure()
    request = {"source": source, "target": target.text}
    earlier = read_state(cluster)
    if earlier.get("request") == request and earlier.get("phase") not in (None, "finished", "rolled-back"):
        with procedure.step(f"Continue the interrupted recovery of {earlier.get('started')} (it had reached: {earlier['phase']})"):
            decision = dict(earlier["decision"]) | {"continues": earlier["phase"]}
            holdings = _holdings_again(repositories.get(decision["source"]), decision["backup"])
        told = Finding("continues", "info", f"A recovery from {decision['source']} was interrupted; it is continued.")
        return Assessment([told], decision, holdings, procedure)
    names = [n for n in SOURCES if n in repositories] if source == "best" else [source]
    candidates: list[Candidate] = []
    for name in names:
        with procedure.step(f"Examine the {name} repository: its newest sound backup, and the write-ahead log behind it"):
            candidates.append(examine(repositories[name], cluster, target, tails.get(name, "") if name != "offsite" else ""))
    usable = [c for c in candidates if c.usable]
    findings = [] if usable else [f for c in candidates for f in c.findings]
    findings += [f for c in usable for f in c.findings]
    with procedure.step("Look at the server that would be replaced"):
        state = health(cluster, heartbeat)
        if not state.serving:
            procedure.milestone("detected", "the server does not serve")
        chosen = _best(usable) if usable else None
        size = chosen.backup.size if chosen and chosen.backup else 0
        findings += examine_server(cluster, state, size)
        findings += _identity(cluster, chosen)
    if target.timestamp is not None and target.timestamp > time.time():
        findings.append(
            Finding(
                "target-in-future",
                "stop",
                f"The target {target.text} has not happened yet.",
                remedy="Check its date and its zone.",
            )
        )
    if not chosen or not chosen.backup:
        return Assessment(findings, {}, None, procedure)
    manifest_point = f"manifest-{chosen.backup.label}" if "manifest-sha256" in chosen.backup.annotation else ""
    decision = {
        "what": f"Replace the database {cluster.name} by its backup",
        "source": chosen.source,
        "backup": chosen.backup.label,
        "taken_at": _clock(chosen.backup.start_time),
        "target": target.text,
        "restore_point": manifest_point,
        "system_identifier": chosen.system_identifier,
        "wal_to": chosen.newest_segment,
        "reaches": _clock(chosen.reaches),
        "timeline": chosen.timeline,
        "bytes": size,
        "old_cluster": "kept aside by rename until it is released" if cluster.data.exists() else "none is left",
        "chosen_because": [c.sentence() for c in candidates],
        "server": next((f.message for f in findings if f.code.startswith("server-")), ""),
    }
    return Assessment(findings, decision, chosen.holdings, procedure)


def _holdings_again(repository: Repository | None, label: str) -> dict[str, Any] | None:
    """Read the manifest of the backup that an interrupted recovery had chosen; the proof says so if it cannot be had."""
    if repository is None:
        return None
    try:
        backup = next((b for b in repository.contents().backups if b.label == label), None)
        return repository.holdings(backup) if backup else None
    except (CommandError, ValueError):
        return None


def _best(usable: Sequence[Candidate]) -> Candidate:
    """Prefer the source that loses least; among those within a minute of it, the nearest one."""
    newest = max(c.reaches for c in usable)
    return min((c for c in usable if newest - c.reaches <= 60), key=lambda c: SOURCES.index(c.source))


def _identity(cluster: Cluster, chosen: Candidate | None) -> list[Finding]:
    present = control_data(cluster, cluster.data).get("Database system identifier", "")
    if not chosen or not present or not chosen.system_identifier or present == chosen.system_identifier:
        return []
    return [
        Finding(
            "other-system",
            "stop",
            f"Backup and server are of different systems: {chosen.system_identifier} in the {chosen.source} repository, "
            f"{present} on this host.",
            why="Either the repository or the host is the wrong one.",
            remedy="Name the right host (-e host=NAME) or the right repository.",
        )
    ]
