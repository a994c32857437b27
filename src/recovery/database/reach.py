"""How far a source of a restore reaches: its backups and the log behind them against the target and the RPO asked (RCV-1, BKP-2)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from ..findings import Finding
from .cluster import Cluster, control_data
from .pgbackrest import Archive, Backup, Repository
from .shell import CommandError, run
from .target import Target
from .wal import SEGMENT, Segment, format_lsn, missing_segments, parse_lsn

SEGMENT_BYTES = 16 * 1024 * 1024
MANIFEST_POINT = "manifest-"


@dataclass
class Candidate:
    """One repository as a source: the backup it would give, how far it reaches, and what speaks against it.

    ``reaches``: when its newest log was put there (seconds since the epoch). Nothing later is in it; what came in the moment before may
    be in the next segment, so the run measures to which transaction it really restored.
    ``older``: further backups that may be tried, where only a replay can tell which one lies before the target.
    """

    source: str
    backup: Backup | None = None
    timeline: int = 0
    reaches: float = 0.0
    newest_segment: str = ""
    archive_id: str = ""
    system_identifier: str = ""
    holdings: dict[str, Any] | None = None
    older: tuple[Backup, ...] = ()
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
        return f"{self.source}: backup {self.backup.label}, write-ahead log to {clock(self.reaches)}."

    def plan(self, backup: Backup | None = None) -> dict[str, Any]:
        """Return what a restore from here would take, as the decision names it."""
        taken = backup or self.backup
        if taken is None:
            raise ValueError(f"the {self.source} repository gives no backup")
        return {
            "source": self.source,
            "backup": taken.label,
            "taken_at": clock(taken.start_time),
            "restore_point": f"{MANIFEST_POINT}{taken.label}" if "manifest-sha256" in taken.annotation else "",
            "system_identifier": self.system_identifier,
            "wal_to": self.newest_segment,
            "reaches": clock(self.reaches),
            "timeline": self.timeline,
            "bytes": taken.size,
        }


def clock(moment: float) -> str:
    """Write seconds since the epoch as UTC, to the second."""
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def span(seconds: float) -> str:
    """Write a length of time for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def tail_segments(directory: str) -> dict[Segment, float]:
    """Return the segments, finished or not, that a WAL tail on this host holds, with the time of their last byte."""
    path = Path(directory)
    files = [entry for entry in path.iterdir() if SEGMENT.match(entry.name)] if directory and path.is_dir() else []
    return {Segment.parse(file.name): file.stat().st_mtime for file in files if file.is_file()}


def line_of(backup: Backup, histories: Mapping[int, list[tuple[int, int]]]) -> int:
    """Return the newest timeline that a replay from this backup can follow: one that left the backup's own behind the backup."""
    own, stop = backup.stop_segment.timeline, _stop(backup)
    followed = [tli for tli, past in histories.items() if any(parent == own and stop <= left for parent, left in past)]
    return max([own, *followed])


def _stop(backup: Backup) -> int:
    return parse_lsn(backup.stop_lsn) if backup.stop_lsn else backup.stop_segment.start()


def choose(backups: Sequence[Backup], target: Target, histories: Mapping[int, list[tuple[int, int]]] | None = None) -> tuple[Backup, ...]:
    """Return the backups that can reach the target, the best one first; empty where there is none.

    Backups of a history that was given up by a rollback count only where they are named. More than one only for a restore point's
    name, whose place in the log is not known before a replay: newest first.
    """
    ordered = sorted(backups, key=lambda b: b.stop_time, reverse=True)
    label = target.label or (target.name.removeprefix(MANIFEST_POINT) if target.name.startswith(MANIFEST_POINT) else "")
    if label:
        return tuple(b for b in ordered if b.label == label)[:1]
    newest = max([*(histories or {}), *(b.stop_segment.timeline for b in backups)], default=0)
    ordered = [b for b in ordered if line_of(b, histories or {}) == newest] or ordered
    if target.timestamp is not None:
        # The copy is consistent only from its stop onwards, known to the second.
        ordered = [b for b in ordered if b.stop_time + 1 <= target.timestamp]
    elif target.lsn is not None:
        ordered = [b for b in ordered if _stop(b) <= target.lsn]
    elif target.kind == "name":
        return tuple(ordered)
    return tuple(ordered[:1])


def out_of_range(name: str, backups: Sequence[Backup], target: Target) -> Finding:
    """Say why no backup of this repository reaches the target."""
    oldest = min(backups, key=lambda b: b.stop_time)
    if target.kind in ("backup", "name"):
        labels = ", ".join(b.label for b in sorted(backups, key=lambda b: b.stop_time)[-8:])
        label = target.label or target.name.removeprefix(MANIFEST_POINT)
        return Finding(
            "target-unknown",
            "stop",
            f"The {name} repository has no backup {label}.",
            remedy=f"It has: {labels}.",
            alternative="Take another source, or -e target=latest.",
        )
    if target.lsn is not None:
        first = format_lsn(min(_stop(b) for b in backups))
        oldest_text, first_text = first, f"lsn:{first}"
    else:
        oldest_text, first_text = clock(oldest.stop_time), f"time:{clock(oldest.stop_time + 1)}"
    return Finding(
        "target-too-old",
        "stop",
        f"The target {target.text} is before the oldest recoverable moment of the {name} repository, {oldest_text}.",
        remedy=f"Ask for a later moment (-e target={first_text} is the first).",
        alternative="Take another source: the off-site or the removable copy may reach further back.",
    )


def own_log(cluster: Cluster, system_identifier: str) -> dict[Segment, float]:
    """Return the segments that the old cluster still has, if it is of the same system: a replay uses them too."""
    if control_data(cluster, cluster.data).get("Database system identifier", "") != system_identifier:
        return {}
    return tail_segments(str(cluster.data / "pg_wal"))


def examine_log(
    repository: Repository,
    candidate: Candidate,
    archive: Archive,
    target: Target,
    tail: str,
    own: Mapping[Segment, float] | None = None,
) -> None:
    """Find out how far the log reaches, and whether it reaches the target without a hole. Adds findings to the candidate.

    ``own``: segments with their times that the old cluster still has.
    """
    backup = candidate.backup
    if backup is None:
        return
    beside = tail_segments(tail)
    at_hand = set(archive.segments) | set(beside)
    timeline = line_of(backup, archive.histories)
    candidate.timeline = timeline
    newest = max((s for s in at_hand if s.timeline == timeline), default=backup.stop_segment)
    candidate.newest_segment = newest.name()
    candidate.reaches = float(max([*archive.segments.values(), *beside.values(), backup.stop_time]))
    # What another machine holds in its tail is not seen from here: there, only the replay can say that the log ends too early.
    if not repository.host:
        held = dict(own or {})
        candidate.findings += _beyond(
            repository.name, target, max([candidate.reaches, *held.values()]), max([newest.number, *(s.number for s in held)])
        )
    missing = missing_segments(
        backup.start_segment, timeline, archive.histories.get(timeline, []), at_hand, _last(backup, target, archive, newest)
    )
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


def _last(backup: Backup, target: Target, archive: Archive, newest: Segment) -> int | None:
    """Return the number of the last segment that the target needs; None: all there are."""
    if target.kind == "backup" or (target.kind == "name" and target.name.startswith(MANIFEST_POINT)):
        return backup.stop_segment.number
    if target.lsn is not None:
        return min(target.lsn // SEGMENT_BYTES, newest.number)
    if target.timestamp is None:
        return None
    stored_before = [s.number for s, at in archive.segments.items() if at <= target.timestamp]
    return min(max([*stored_before, backup.stop_segment.number]) + 1, newest.number)


def _beyond(name: str, target: Target, reaches: float, newest: int) -> list[Finding]:
    """Refuse a target behind the newest log at hand (its time, its segment's number): the replay would end before it."""
    end = (newest + 1) * SEGMENT_BYTES
    if target.timestamp is not None and reaches < target.timestamp <= time.time():
        newest_text = clock(reaches)
    elif target.lsn is not None and target.lsn >= end:
        newest_text = format_lsn(end)
    else:
        return []
    return [
        Finding(
            "target-too-new",
            "stop",
            f"The target {target.text} is behind the newest write-ahead log of the {name} repository, which ends at {newest_text}.",
            why="Replay would end before the target is reached.",
            remedy="Ask for an earlier moment, or for everything there is: -e target=latest.",
            alternative="Take another source (-e source=best): it may reach further.",
        )
    ]


def failed_at(cluster: Cluster, serving: bool) -> float:
    """Return since when the server does not serve (seconds since the epoch): now, where it still does or nothing is known."""
    if serving:
        return time.time()
    try:
        told = run(["systemctl", "show", cluster.service, "--property=ActiveExitTimestamp", "--value", "--timestamp=unix"]).strip()
    except CommandError:
        return time.time()
    return float(told[1:]) if told.startswith("@") and told[1:].isdigit() else time.time()


class Stopped(Protocol):
    """A backup of any engine: when it was complete (seconds since the epoch)."""

    @property
    def stop_time(self) -> float:
        """Seconds since the epoch."""


class Reaching(Protocol):
    """A source of any engine: how far it reaches (seconds since the epoch)."""

    source: str
    reaches: float

    @property
    def backup(self) -> Stopped | None:
        """The backup it would give."""


def rpo_findings(
    candidate: Reaching, target: Target, fault: float, asked: float | None, planned: float | None, *, tail_counted: bool = False
) -> list[Finding]:
    """Compare what a restore would lose with the RPO. ``asked`` by the operator it refuses; ``planned`` by the plan it warns.

    ``tail_counted``: what a far tail holds stands in ``reaches`` already. The plan's figure is for everything that can be had: who names
    an earlier moment gives up the rest on purpose.
    """
    limit = asked if asked is not None else planned if target.kind == "latest" else None
    if limit is None or candidate.backup is None:
        return []
    reached = candidate.backup.stop_time if target.kind == "backup" else min(candidate.reaches, target.timestamp or candidate.reaches)
    lost = fault - reached
    if lost <= limit:
        return []
    far_tail = candidate.source == "offsite" and target.kind == "latest" and not tail_counted
    return [
        Finding(
            "rpo-missed",
            "overridable" if asked is not None else "warning",
            f"The {candidate.source} repository reaches {clock(reached)}, {span(lost)} before the failure; the recovery point asked for "
            f"allows {span(limit)}."
            + (" The log that its tail holds beside it is not counted: it is seen only in the restore." if far_tail else ""),
            why="What was entered in between would have to be entered again from paper.",
            remedy="Take another source (-e source=best takes the one that loses least).",
        )
    ]
