"""CHECK of a restore of the archive (RCV-1): may it be replaced, from which backup, and is that backup sound? Changes nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..database.shell import CommandError, Procedure
from ..findings import Finding
from .archive import Archive, health
from .backup import MANIFEST
from .restic import Repository, Snapshot, explain

SOURCES = ("local", "offsite")
SPACE_MARGIN = 1.10
OTHERS = "Take another source (-e source=best chooses), or an older backup (-e target=backup:LABEL)."


@dataclass
class Candidate:
    """One repository as a source."""

    repository: Repository
    snapshot: Snapshot | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Return whether nothing speaks against it."""
        return self.snapshot is not None and not self.findings

    def sentence(self) -> str:
        """Say in one sentence what this source offers."""
        if self.snapshot is None or not self.usable:
            return f"{self.repository.name}: not usable. {self.findings[0].message if self.findings else ''}".strip()
        return (
            f"{self.repository.name}: backup {self.snapshot.label} of {clock(self.snapshot.time)}, {self.manifest.get('images', 0)} images."
        )


@dataclass
class Assessment:
    """What a check came to: findings, and the plan of action to approve."""

    findings: list[Finding] = field(default_factory=list)
    decision: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    procedure: Procedure = field(default_factory=Procedure)


def clock(moment: float) -> str:
    """Write a moment as the journal does."""
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def examine(repository: Repository, handover: str, target: str, subset: str, procedure: Procedure) -> Candidate:
    """Look at one repository: is it there, is it whole, and does it hold the backup that is asked for?"""
    candidate = Candidate(repository)
    try:
        found = repository.snapshots()
        chosen = _choose(found, target)
        if chosen is None:
            candidate.findings.append(_no_backup(repository, found, target))
            return candidate
        # The blocks that restoring needs are compared again while they are restored; this finds damage before people are asked.
        repository.restic("check", "--quiet", f"--read-data-subset={subset}", procedure=procedure)
        candidate.snapshot = chosen
        candidate.manifest = repository.document(chosen, f"{handover}/{MANIFEST}")
        candidate.bytes = repository.size(chosen)
    except (CommandError, ValueError) as error:
        code, sentence = explain(error, repository) if isinstance(error, CommandError) else ("repository-damaged", str(error))
        candidate.snapshot = None
        candidate.findings.append(Finding(code, "stop", sentence, "What cannot be read cannot be restored.", OTHERS))
    return candidate


def _choose(found: Sequence[Snapshot], target: str) -> Snapshot | None:
    if target == "latest":
        return found[-1] if found else None
    label = target.partition(":")[2]
    return next((one for one in reversed(found) if len(label) >= 8 and one.id.startswith(label)), None)


def _no_backup(repository: Repository, found: Sequence[Snapshot], target: str) -> Finding:
    if not found:
        return Finding("no-backup", "stop", f"The {repository.name} repository holds no backup of the archive.", remedy=OTHERS)
    known = ", ".join(f"{one.label} ({clock(one.time)})" for one in found[-5:])
    return Finding(
        "no-such-backup",
        "stop",
        f"The {repository.name} repository has no backup {target.partition(':')[2]!r}.",
        remedy=f"It has: {known}.",
    )


def assess(archive: Archive, repositories: Mapping[str, Repository], handover: str, source: str, target: str, subset: str) -> Assessment:
    """Examine the archive and its repositories and choose the backup; ``subset``: how much of a repository is read, in restic's words."""
    result = Assessment()
    procedure = result.procedure
    with procedure.step("Look at the archive that would be replaced"):
        seen = health(archive)
        result.findings += _health_findings(archive, seen.serving, seen.images)
        if not Path(archive.config_directory).is_dir():
            result.findings.append(
                Finding(
                    "no-configuration",
                    "stop",
                    f"This host has no configuration of the index in {archive.config_directory}.",
                    "The index could not be started.",
                    "Install the archive's software on this host first, as its installation notes say.",
                )
            )
    candidates = []
    for name in SOURCES if source == "best" else [source]:
        with procedure.step(f"Read the {name} repository: is it whole, and what does it hold?"):
            candidates.append(examine(repositories[name], handover, target, subset, procedure))
    usable = [one for one in candidates if one.usable and one.snapshot]
    if not usable:
        result.findings += [finding for one in candidates for finding in one.findings]
        return result
    # The newest; of two that are equally new, the one on this host, which is read faster.
    best = max(usable, key=lambda one: (round(one.snapshot.time) if one.snapshot else 0, one.repository.name == "local"))
    result.findings += [
        Finding(finding.code, "warning", finding.message, finding.why) for one in candidates if not one.usable for finding in one.findings
    ]
    result.findings += _space(archive, best)
    result.manifest = best.manifest
    result.decision = _decision(archive, best, candidates, seen.said)
    return result


def _health_findings(archive: Archive, serving: bool, images: int) -> list[Finding]:
    if not serving:
        return []
    return [
        Finding(
            "server-healthy",
            "overridable",
            f"The archive works: it answers, and each of its {images} index entries has its file.",
            "A restore would take away every image that was stored since the backup.",
            "For a rehearsal add --check. To see whether images are damaged: recovery run pacs_verify -e depth=full",
        )
    ]


def _space(archive: Archive, best: Candidate) -> list[Finding]:
    place = archive.root.parent
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    # The index is restored from its dump and is about three times as large with its own indexes.
    needed = int((best.bytes + 3 * int(best.manifest.get("index_bytes", 0))) * SPACE_MARGIN) + 64 * 2**20
    if free >= needed:
        return []
    return [
        Finding(
            "disk-full",
            "stop",
            f"The restore needs {needed / 2**30:.2f} GiB beside the old archive, {free / 2**30:.2f} GiB are free at {place}.",
            "The old archive is kept until somebody lets it go, so both must fit.",
            "Let older states go (recovery run pacs_release), or add space.",
        )
    ]


def _decision(archive: Archive, best: Candidate, candidates: Sequence[Candidate], said: str) -> dict[str, Any]:
    snapshot = best.snapshot
    if snapshot is None:
        raise ValueError("a decision needs a backup")
    return {
        "what": "Restore the picture archive, files and index, and keep what it replaces aside",
        "source": best.repository.name,
        "backup": snapshot.id,
        "label": snapshot.label,
        "taken_at": str(best.manifest.get("taken_at") or clock(snapshot.time)),
        "age_s": round(time.time() - snapshot.time),
        "images": int(best.manifest.get("images", 0)),
        "bytes": best.bytes,
        "why": [one.sentence() for one in candidates],
        "archive_now": said or "it does not answer",
        "directory": archive.path,
    }
