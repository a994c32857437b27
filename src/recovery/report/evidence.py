"""The evidence section: what the bundle's own check finds, and every file with its digest at the time of the report."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from recovery.evidence.bundle import GROWING, MANIFEST, SIGNATURE, Manifest, SealError, Verification, files_of, verify

from .incident import Incident


@dataclass(frozen=True)
class FileState:
    """One file: ``state`` is same, grown, differs, missing, unlisted, or unsealed where there is no manifest."""

    path: str
    digest: str
    size: int | None
    state: str


@dataclass(frozen=True)
class Evidence:
    """What was found when the report was made."""

    verification: Verification
    sealed_at: str
    has_signature: bool
    manifest_digest: str
    files: tuple[FileState, ...]

    @property
    def state(self) -> str:
        """The result of the bundle's check: sound, broken or open."""
        return "sound" if self.verification.sound else "broken" if self.verification.problems else "open"


def _hash(path: Path) -> tuple[str, int]:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size


def _manifest(root: Path) -> Manifest | None:
    try:
        return Manifest.parse((root / MANIFEST).read_bytes())
    except (OSError, SealError):
        return None


def _files(root: Path, manifest: Manifest | None, found: Verification) -> list[FileState]:
    try:
        present = dict(files_of(root))
    except SealError as error:
        if str(error) not in found.problems:
            found.problems.append(str(error))
        present = {path.name: path for path in sorted(root.iterdir()) if path.is_file() and not path.is_symlink()}
    expected = dict(manifest.hashes) if manifest else {}
    states = []
    for path in sorted({*present, *expected}):
        if path not in present:
            states.append(FileState(path, expected[path], None, "missing"))
            continue
        digest, size = _hash(present[path])
        states.append(FileState(path, digest, size, _state(path, digest, expected, found) if manifest else "unsealed"))
    return states


def _state(path: str, digest: str, expected: dict[str, str], found: Verification) -> str:
    if path not in expected:
        return "unlisted"
    if digest == expected[path]:
        return "same"
    grown = path in GROWING and not any(problem.startswith(path) for problem in found.problems)
    return "grown" if grown else "differs"


def examine(incident: Incident) -> Evidence:
    """Check the incident's directory as `recovery evidence verify` does, and list its files. Changes nothing."""
    root = incident.directory
    found = verify(root)
    manifest = _manifest(root)
    files = _files(root, manifest, found)
    return Evidence(
        verification=found,
        sealed_at=manifest.sealed_at if manifest else "",
        has_signature=(root / SIGNATURE).is_file(),
        manifest_digest=_hash(root / MANIFEST)[0] if (root / MANIFEST).is_file() else "",
        files=tuple(files),
    )
