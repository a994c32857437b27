"""CHECK of a scratch restore (RCV-5): from which backup, to which moment, and what speaks against it. Changes nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..findings import Finding
from .assess import SOURCES, SPACE_MARGIN, Candidate, examine
from .cluster import control_data, free_bytes, postmaster_pid
from .pgbackrest import Backup, Repository
from .scratch import ScratchCluster, standing
from .shell import CommandError, Procedure, run
from .target import FORMS, Target, TargetError, parse
from .wal import Segment

RANDOM = "random"
OF_THE_BACKUP = {"no-backup", "backup-damaged", "wal-missing", "wrong-passphrase", "repository-unreachable", "repository-unreadable"}
"""What is wrong with the backup itself, not with what was asked for: a drill that finds it has failed."""


@dataclass
class ScratchRequest:
    """What is asked of a scratch restore; ``seed`` draws the random moment, and is recorded."""

    source: str
    target: str
    seed: int
    here: str
    production_host: str
    production_data: str
    production_address: str
    fresh: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the part by which an interrupted run recognises itself."""
        return {"source": self.source, "target": self.target, "seed": self.seed if self.target == RANDOM else 0}


@dataclass
class ScratchPlan:
    """What a check came to."""

    findings: list[Finding] = field(default_factory=list)
    decision: dict[str, Any] = field(default_factory=dict)
    holdings: dict[str, Any] | None = None
    target: Target | None = None
    procedure: Procedure = field(default_factory=Procedure)


def clock(moment: float) -> str:
    """Write seconds since the epoch as UTC, to the second."""
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


class Rehearsal:
    """What the check of a rehearsal leaves to the engine; this is PostgreSQL's."""

    def installed(self, cluster: ScratchCluster, here: str) -> list[Finding]:
        """Say whether the server that wrote the backups is installed here."""
        if (cluster.binaries / "postgres").exists():
            return []
        return [
            Finding(
                "other-version",
                "stop",
                f"PostgreSQL {cluster.version} is not installed on {here}.",
                "A cluster only starts under the major version that wrote it.",
                f"Install it there: apt-get install postgresql-{cluster.version}.",
            )
        ]

    def running(self, cluster: ScratchCluster) -> bool:
        """Tell whether an instance of an earlier run is at work."""
        return postmaster_pid(cluster.data) is not None

    def parse(self, text: str) -> Target:
        """Read a target. Raises TargetError."""
        return parse(text)

    def draw(self, repository: Any, seed: int) -> str:
        """Draw a recovery point of a repository by the seed."""
        return draw(repository, seed)

    def examine(self, repository: Any, cluster: ScratchCluster, target: Target) -> Any:
        """Look at one repository as a source."""
        return examine(repository, cluster, target)

    def room(self, repository: Any, chosen: Any) -> int:
        """Return how many bytes the rehearsal takes."""
        return int(chosen.backup.size * SPACE_MARGIN) + _log_size(repository, chosen, chosen.backup)

    def plan(self, cluster: ScratchCluster, chosen: Any) -> dict[str, Any]:
        """Return what is taken from a source, as the decision names it."""
        backup = chosen.backup
        present = control_data(cluster, cluster.data).get("Database system identifier", "")
        return {
            "source": chosen.source,
            "backup": backup.label,
            "taken_at": clock(backup.start_time),
            "restore_point": f"manifest-{backup.label}" if "manifest-sha256" in backup.annotation else "",
            "system_identifier": chosen.system_identifier or present,
            "archive_id": chosen.archive_id,
            "wal_from": backup.start_segment.name(),
            "wal_to": chosen.newest_segment,
            "reaches": clock(chosen.reaches),
            "timeline": chosen.timeline,
            "bytes": backup.size,
        }


POSTGRESQL = Rehearsal()


def recoverable_range(backups: Sequence[Backup], stored: Mapping[Segment, int]) -> tuple[float, float]:
    """Return the first and the last moment that a repository can be asked for, as it says itself.

    The copy is consistent from its stop onwards, known to the second. At the end, the newest segment but one: everything until
    it was stored has been committed before what the newest one holds, so a replay to there surely ends at its target.
    """
    first = min(b.stop_time for b in backups) + 1.0
    ends = sorted(stored.values())
    return first, float(ends[-2] if len(ends) > 1 else 0)


def draw(repository: Repository, seed: int) -> str:
    """Draw a recovery point of a repository: a moment by the seed, or a backup where no moment between backups is known."""
    contents = repository.contents()
    if not contents.backups:
        return "latest"
    first, last = recoverable_range(contents.backups, repository.archive(contents.archive_id).segments)
    dice = random.Random(seed)  # noqa: S311 - a recorded choice that can be repeated, no secret
    if last <= first:
        return "backup:" + dice.choice(sorted(b.label for b in contents.backups))
    return "time:" + clock(dice.uniform(first, last))


def _place_findings(cluster: ScratchCluster, request: ScratchRequest) -> list[Finding]:
    """See that nothing of production, nor of anybody else, is where the instance would be."""
    here, home, theirs = request.here, cluster.home.resolve(), Path(request.production_data).resolve()
    elsewhere = "Take the drill host (database_drill_host in the inventory) and a directory of its own (database_scratch_root)."
    why = "A rehearsal beside production must not be able to touch it."
    findings: list[Finding] = []
    addresses = {word.partition("/")[0] for line in run(["ip", "-o", "addr"]).splitlines() for word in line.split()[3:4]}
    if here == request.production_host or request.production_address in addresses:
        findings.append(
            Finding(
                "scratch-is-production",
                "stop",
                f"{here} is the production server of this database, not a place to rehearse on.",
                why,
                elsewhere,
            )
        )
    if home == theirs or theirs in home.parents or home in theirs.parents:
        findings.append(
            Finding(
                "scratch-is-production",
                "stop",
                f"The scratch directory {home} and the database's own directory {theirs} are the same or lie in each other.",
                why,
                elsewhere,
            )
        )
    if home.parent != Path(str(home.parent)).resolve() or cluster.home.is_symlink():
        findings.append(
            Finding("scratch-is-production", "stop", f"The scratch directory {cluster.home} leads elsewhere ({home}).", why, elsewhere)
        )
    return findings


def _occupied(cluster: ScratchCluster, request: ScratchRequest, engine: Rehearsal) -> tuple[list[Finding], dict[str, Any]]:
    """See whether an earlier run left something here: its own is continued, another's is refused until a person takes it over."""
    earlier = standing(cluster)
    if not earlier:
        return [], {}
    if earlier.get("request") == request.as_dict() and not request.fresh:
        reached = f"it had reached: {earlier.get('phase')}"
        said = f"The scratch instance {cluster.home.name} of run {earlier.get('run')} is here ({reached}); it is continued."
        return [Finding("continues", "info", said)], earlier
    asked = earlier.get("request") or {}
    since = earlier.get("started", "an unknown time")
    what = f"from {asked.get('source', 'an unknown source')}, target {asked.get('target', 'unknown')}, since {since}"
    severity = "info" if request.fresh and "request" in earlier and asked else "overridable"
    busy = " It is running." if engine.running(cluster) else ""
    return [
        Finding(
            "scratch-occupied",
            severity,
            f"The scratch instance {cluster.home.name} is already there, made by run {earlier.get('run') or 'unknown'} ({what}).{busy}",
            "Somebody may be looking at it.",
            "Take it away when nobody needs it: recovery run database_release_beside.",
            "Overridden by name, it is deleted and made anew.",
        )
    ], {}


def plan(cluster: ScratchCluster, repositories: Mapping[str, Any], request: ScratchRequest, engine: Rehearsal = POSTGRESQL) -> ScratchPlan:
    """Return the decision and what was found; refuses by findings, never by an exception."""
    result = ScratchPlan()
    procedure, findings = result.procedure, result.findings
    with procedure.step("See that nothing of production, nor of anybody else, is where the database would be rehearsed"):
        findings += _place_findings(cluster, request) + engine.installed(cluster, request.here)
        found, earlier = _occupied(cluster, request, engine)
        findings += found
    if any(f.severity == "stop" for f in findings):
        return result
    names = [n for n in SOURCES if n in repositories] if request.source == "best" else [request.source]
    if earlier.get("decision"):
        names = [earlier["decision"]["source"]]
    try:
        asked = earlier["decision"]["target"] if earlier.get("decision") else request.target
        if asked == RANDOM:
            with procedure.step(f"Draw a moment of the {names[0]} repository by the seed {request.seed}"):
                asked = engine.draw(repositories[names[0]], request.seed)
        result.target = engine.parse(asked)
    except TargetError as error:
        findings.append(Finding("target-not-understood", "stop", str(error), remedy=f"Or {RANDOM}, with -e seed=NUMBER. Forms: {FORMS}."))
        return result
    except (CommandError, ValueError, KeyError, IndexError):
        result.target = Target("latest")  # the repository cannot be read: examining it says why
    _choose(result, cluster, {name: repositories[name] for name in names}, engine)
    if earlier.get("decision"):
        result.decision = dict(earlier["decision"])
    return result


def _choose(result: ScratchPlan, cluster: ScratchCluster, repositories: Mapping[str, Any], engine: Rehearsal) -> None:
    target, findings = result.target or Target("latest"), result.findings
    candidates: list[Any] = []
    for name, repository in repositories.items():
        with result.procedure.step(f"Examine the {name} repository: its sound backup for {target.text}, and the log behind it"):
            candidates.append(engine.examine(repository, cluster, target))
    usable = [c for c in candidates if c.usable]
    findings += [f for c in (usable or candidates) for f in c.findings]
    if target.timestamp is not None and target.timestamp > time.time():
        findings.append(
            Finding("target-in-future", "stop", f"The target {target.text} has not happened yet.", remedy="Check its date and zone.")
        )
    if not usable:
        return
    newest = max(c.reaches for c in usable)
    chosen = min((c for c in usable if newest - c.reaches <= 60), key=lambda c: SOURCES.index(c.source))
    needed, free = engine.room(repositories[chosen.source], chosen), free_bytes(cluster.home) + _own_size(cluster)
    if free < needed:
        findings.append(
            Finding(
                "disk-full",
                "stop",
                f"The rehearsal needs {needed / 2**30:.2f} GiB; {free / 2**30:.2f} GiB are free on the file system of {cluster.home}.",
                "A rehearsal that fills the disk proves nothing.",
                "Free space there (recovery run database_release_beside takes a scratch instance away), or enlarge the disk.",
                "Rehearse on another host: database_drill_host in the inventory.",
            )
        )
    result.holdings = chosen.holdings
    result.decision = {
        "what": "Restore a backup beside production, fenced off from it",
        **engine.plan(cluster, chosen),
        "target": target.text,
        "chosen_because": [c.sentence() for c in candidates],
    }


def _log_size(repository: Repository, chosen: Candidate, backup: Backup) -> int:
    """Estimate the room that the log behind the backup takes: at most one segment's size each."""
    newest = Segment.parse(chosen.newest_segment)
    return max(newest.number - backup.start_segment.number + 1, 1) * 16 * 2**20


def _own_size(cluster: ScratchCluster) -> int:
    return sum(f.stat().st_size for f in cluster.home.rglob("*") if f.is_file()) if cluster.home.is_dir() else 0
