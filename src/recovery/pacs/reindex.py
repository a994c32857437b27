"""Bring images back that a restored index does not name: files without an entry, and what the old archive's disk still holds.

A backup's index is as old as the backup. Images that were stored since may still be there as files: in the backup itself, copied
after its index was written down, and in the old archive that was kept aside. Each is sent to the archive as if it came from its modality.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ..database.shell import CommandError, Procedure, run
from ..findings import Finding
from .archive import NAMED, Archive, dataset_sha256, files


def strays(archive: Archive, aside: str) -> list[Path]:
    """Return files of the archive, and of the one kept aside, that the index does not name."""
    known = archive.entries()
    found = [path for path in files(archive.store) if path.name not in known]
    if aside:
        there = {path.name for path in found}
        found += [path for path in files(Path(aside) / "store") if path.name not in known and path.name not in there]
    return found


def reindex(archive: Archive, aside: str, procedure: Procedure) -> tuple[list[str], list[str], list[Finding]]:
    """Send every stray file that is a DICOM image to the archive; return the entered, those that stay as they are, and findings.

    A stray file of the archive itself goes once the archive has the image under an entry of its own; one kept aside stays there.
    """
    found = strays(archive, aside)
    entered: list[str] = []
    left: list[str] = []
    if not found:
        return entered, left, []
    with procedure.step(f"Enter {len(found)} images that are there as files and not in the index"):
        for path in found:
            said = _send(archive, path)
            if said:
                left.append(f"{path.name}: {said}")
                continue
            entered.append(path.name)
            if path.is_relative_to(archive.store):
                path.unlink()
    findings = []
    if left:
        findings.append(
            Finding(
                "not-reindexed",
                "warning",
                f"{len(left)} files could not be entered into the index: {'; '.join(left[:NAMED])}.",
                "They were cut short while they were written, or are no images. They are kept where they are.",
                "Have the modality send its newest images again.",
            )
        )
    return entered, left, findings


def _send(archive: Archive, path: Path) -> str:
    """Store one file by DICOM; return why it was not accepted, or nothing."""
    try:
        dataset_sha256(path)
    except ValueError:
        return "not a DICOM file"
    with tempfile.TemporaryDirectory(prefix="recovery-") as scratch:
        copy = Path(scratch) / "image.dcm"
        shutil.copyfile(path, copy)
        words = ["-to", "10", "-ta", "10", "-td", "10", "-xe", "--required", "-aet", "RECOVERY", "-aec", archive.title]
        try:
            run(["storescu", *words, "127.0.0.1", str(archive.dicom_port), str(copy)], timeout=120)
        except CommandError as error:
            return (error.output or str(error)).strip().splitlines()[-1][-200:]
    return ""
