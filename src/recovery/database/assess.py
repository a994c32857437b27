"""CHECK of a restore (RCV-1): may this server be replaced, from which backup, and how far does that reach? Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..findings import Finding
from .cluster import Cluster, Health, control_data, free_bytes, health, read_state
from .pgbackrest import Repository, explain
from .reach import Candidate as Candidate
from .reach import Reaching, choose, examine_log, failed_at, out_of_range, own_log, rpo_findings, span
from .shell import CommandError, Procedure
from .standby import other_of_pair
from .standby_judge import judge_restore
from .target import Target

SOURCES = ("local", "removable", "offsite")
SPACE_MARGIN = 1.10
Source = TypeVar("Source", bound=Reaching)


@dataclass(frozen=True)
class Asked:
    """What a restore is held against: heartbeat row, RPO asked and RPO of the plan (seconds), the hospital's time zone."""

    heartbeat: dict[str, str] | None = None
    rpo_s: float | None = None
    planned_rpo_s: float | None = None
    time_zone: str = ""


@dataclass
class Assessment:
    """What a check came to: findings, the plan of action to approve, and the manifest of what its backup holds."""

    findings: list[Finding]
    decision: dict[str, Any]
    holdings: dict[str, Any] | None
    procedure: Procedure


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
        archive = repository.archive(candidate.archive_id)
        chosen = choose(contents.backups, target, archive.histories)
        if not chosen:
            stop(out_of_range(repository.name, contents.backups, target))
            return candidate
        candidate.backup = backup = chosen[0]
        candidate.older = chosen[1:]
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
        examine_log(repository, candidate, archive, target, tail, own_log(cluster, candidate.system_identifier))
    except CommandError as error:
        code, sentence = explain(error, encrypted=bool(repository.cipher_pass or repository.host))
        stop(Finding(code, "stop", f"{repository.name}: {sentence}", remedy=others))
    except (ValueError, KeyError) as error:
        stop(Finding("backup-damaged", "stop", f"{repository.name}: its catalogue is damaged and cannot be read ({error}).", remedy=others))
    return candidate


def examine_state(cluster: Cluster, state: Health) -> list[Finding]:
    """What the server itself says against being replaced; the same words whatever its engine."""
    if state.serving:
        age = "" if state.last_commit_age_s is None else f"; its last row is {span(state.last_commit_age_s)} old"
        return [
            Finding(
                "server-healthy",
                "overridable",
                f"The server {cluster.name} is running and answers{age}.",
                why="A restore would replace living data with a backup.",
                remedy="To prove a backup without touching it: recovery run database_verify.",
            )
        ]
    if state.checksum_failures:
        return [Finding("server-damaged", "info", f"The server runs and reports {state.checksum_failures} damaged page(s).")]
    if not state.intact:
        return [Finding("server-damaged", "info", "The data directory is gone or incomplete.")]
    return [Finding("server-down", "info", f"The server does not serve: {state.said or 'not writable'}.")]


def examine_space(cluster: Cluster, size: int) -> list[Finding]:
    """Whether a backup of ``size`` bytes fits beside the old cluster; what is staged already counts as room."""
    free, needed = free_bytes(cluster.data.parent), size * SPACE_MARGIN
    staged = sum(f.stat().st_size for f in cluster.staging.rglob("*") if f.is_file()) if cluster.staging.is_dir() else 0
    if not size or free + staged >= needed:
        return []
    kept = ", ".join(path.name for path in cluster.kept_aside())
    return [
        Finding(
            "disk-full",
            "stop",
            f"The restore needs {needed / 2**30:.2f} GiB beside the old cluster; {free / 2**30:.2f} GiB are free "
            f"on the file system of {cluster.data.parent}.",
            why="The old cluster is kept until a person releases it, so both must fit.",
            remedy="Free space there" + (f" (recovery release deletes {kept})" if kept else "") + ", or enlarge the disk.",
            alternative="Restore on another host: -e host=NAME.",
        )
    ]


def examine_server(cluster: Cluster, state: Health, size: int) -> list[Finding]:
    """What speaks against replacing the cluster on this host."""
    findings = examine_state(cluster, state)
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
    return findings + examine_space(cluster, size)


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
    asked: Asked,
) -> Assessment:
    """Return findings, the decision (the plan of action that is approved) and what was looked at.

    An interrupted recovery that asked for the same is continued with the decision it had taken.
    """
    procedure = Procedure()
    request = {"source": source, "target": target.text}
    earlier = read_state(cluster)
    if earlier.get("request") == request and _unfinished(cluster, earlier, asked.heartbeat):
        with procedure.step(f"Continue the interrupted recovery of {earlier.get('started')} (it had reached: {earlier['phase']})"):
            decision = dict(earlier["decision"])  # unaltered: it is what people approved
            holdings = holdings_of(repositories.get(decision["source"]), decision["backup"])
        told = Finding("continues", "info", f"A recovery from {decision['source']} was interrupted; it is continued.")
        return Assessment([told], decision, holdings, procedure)
    names = [n for n in SOURCES if n in repositories] if source == "best" else [source]
    candidates: list[Candidate] = []
    for name in names:
        with procedure.step(f"Examine the {name} repository: its newest sound backup, and the write-ahead log behind it"):
            candidates.append(examine(repositories[name], cluster, target, tails.get(name, "") if name != "offsite" else ""))
    usable = list(in_order([c for c in candidates if c.usable]))
    findings = [] if usable else [f for c in candidates for f in c.findings]
    findings += [f for c in usable for f in c.findings]
    with procedure.step("Look at the server that would be replaced"):
        state = health(cluster, asked.heartbeat)
        if not state.serving:
            procedure.milestone("detected", "the server does not serve")
        plans = list(_plans(usable))
        findings += examine_server(cluster, state, max((plan["bytes"] for plan in plans), default=0))
        findings += _identity(cluster, usable)
        findings += judge_restore(other_of_pair(), {c.system_identifier for c in usable if c.system_identifier})
        if usable:
            fault = failed_at(cluster, state.serving)
            findings += rpo_findings(usable[0], target, fault, asked.rpo_s, asked.planned_rpo_s)
    if target.timestamp is not None and target.timestamp > time.time():
        findings.append(
            Finding(
                "target-in-future",
                "stop",
                f"The target {target.text} ({target.meaning(asked.time_zone)}) has not happened yet.",
                remedy="Check its date and its zone.",
            )
        )
    if not plans:
        return Assessment(findings, {}, None, procedure)
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


def _unfinished(cluster: Cluster, earlier: Mapping[str, Any], heartbeat: dict[str, str] | None) -> bool:
    """Tell whether there is something to continue. Once proven, only while it serves: a server that failed again is a new case."""
    if earlier.get("phase") == "proven":
        return health(cluster, heartbeat).serving
    return earlier.get("phase") not in (None, "finished", "rolling-back", "rolled-back")


def _plans(usable: Sequence[Candidate]) -> Iterator[dict[str, Any]]:
    """Yield what would be taken, and behind it what is tried in turn should that turn out unusable while it is read."""
    for candidate in usable:
        yield candidate.plan()
    for candidate in usable:
        for backup in candidate.older:
            yield candidate.plan(backup)


def holdings_of(repository: Repository | None, label: str) -> dict[str, Any] | None:
    """Read the manifest of a backup that was chosen earlier; the proof says so if it cannot be had."""
    if repository is None:
        return None
    try:
        backup = next((b for b in repository.contents().backups if b.label == label), None)
        return repository.holdings(backup) if backup else None
    except (CommandError, ValueError):
        return None


def in_order(usable: Sequence[Source]) -> Iterator[Source]:
    """Yield the source that loses least first; among those within a minute of it, the nearest one. Then the next in the same way."""
    left = list(usable)
    while left:
        newest = max(c.reaches for c in left)
        best = min((c for c in left if newest - c.reaches <= 60), key=lambda c: SOURCES.index(c.source))
        left.remove(best)
        yield best


def _identity(cluster: Cluster, usable: Sequence[Candidate]) -> list[Finding]:
    """Refuse a backup of another system than the server's, and sources that are of different systems among themselves."""
    present = control_data(cluster, cluster.data).get("Database system identifier", "")
    known = {f"in the {c.source} repository": c.system_identifier for c in usable if c.system_identifier}
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
