"""VERIFY of the archive (RCV-1, RCV-5): does every index entry have its file, and is what users were promised there? Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..database.shell import CommandError, Procedure
from ..findings import Finding
from . import given_up
from .archive import NAMED, Archive, Entry, dataset_sha256, echo, place_of, reconcile


@dataclass
class Proof:
    """What a proof came to."""

    findings: list[Finding] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)
    lost: list[dict[str, str]] = field(default_factory=list)
    milestones: list[dict[str, str]] = field(default_factory=list)
    unverified: str = ""

    @property
    def verdict(self) -> str:
        """Return the verdict: what could not be looked at is no PASS."""
        if any(finding.severity == "stop" for finding in self.findings):
            return "FAIL"
        return "COULD-NOT-VERIFY" if self.unverified else "PASS"

    @property
    def reason(self) -> str:
        """Return what the verdict rests on."""
        stops = [finding.message for finding in self.findings if finding.severity == "stop"]
        if stops or self.unverified:
            return " ".join(stops) or self.unverified
        lost = self.measured.get("lost_images", 0)
        said = f"{self.measured.get('entries', 0)} index entries have their files"
        return f"{said}; {lost} acknowledged images are lost." if lost else f"{said}; no acknowledged image is lost."


def prove(archive: Archive, depth: str, seen: Sequence[Mapping[str, Any]], expected: int, taken_at: str, procedure: Procedure) -> Proof:
    """Prove the archive; ``seen``: what each workstation wrote down, ``expected``: entries of the backup, ``taken_at``: its moment."""
    proof = Proof()
    with procedure.step("Ask the archive and its index for a sign of life"):
        said = echo(archive)
        if said:
            proof.findings.append(_wrong("archive-silent", f"The archive does not answer C-ECHO: {said}"))
        try:
            known = archive.entries()
        except CommandError as error:
            proof.findings.append(_wrong("index-silent", f"The archive's index does not answer: {error.output[-300:]}"))
            return proof
    with procedure.step("Compare every index entry with its file" + (", byte for byte by checksum" if depth == "full" else "")):
        found = reconcile(known, archive.store, read=depth == "full")
        proof.measured |= {"entries": found.entries, "bytes_compared": found.bytes}
        if not found.sound:
            proof.findings.append(_wrong("images-damaged", f"The archive is not whole: {found.sentence()}."))
        if len(known) < expected:
            proof.findings.append(_wrong("entries-missing", f"The index has {len(known)} entries, the backup had {expected}."))
        if found.orphans:
            text = f"{len(found.orphans)} files have no index entry: {', '.join(found.orphans[:NAMED])}."
            finding = Finding(
                "orphans", "warning", text, "Nobody finds them.", "recovery run pacs_restore enters them (pacs_restore_orphans)."
            )
            proof.findings.append(finding)
    if seen:
        with procedure.step("Look for every image that was acknowledged to a workstation"):
            _promises(archive, known, seen, taken_at, proof)
    return proof


def _wrong(code: str, message: str) -> Finding:
    return Finding(code, "stop", message, "Users do not find, or do not see, what was stored.", "Restore it: recovery run pacs_restore")


def _promises(archive: Archive, known: Mapping[str, Entry], seen: Sequence[Mapping[str, Any]], taken_at: str, proof: Proof) -> None:
    by_uid = {entry.uid: name for name, entry in known.items() if entry.uid}
    acknowledged = sorted((row for one in seen for row in one.get("acknowledged") or ()), key=lambda row: str(row["done"]))
    failures = sorted(str(one["failed_first"]) for one in seen if one.get("failed_first"))
    altered, settled = [], []
    earlier = given_up.read()
    for row in acknowledged:
        name = by_uid.get(row["uid"])
        if name is None and row["uid"] in earlier:
            settled.append(str(row["uid"]))
        elif name is None:
            proof.lost.append({key: str(row[key]) for key in ("workstation", "uid", "done")})
        elif row.get("sha256") and dataset_sha256(place_of(archive.store, name)) != row["sha256"]:
            altered.append(str(row["uid"]))
    proof.measured |= {"acknowledged_images": len(acknowledged), "lost_images": len(proof.lost), "lost_transactions": len(proof.lost)}
    if settled:
        proof.measured["given_up_images"] = len(settled)
        text = f"{len(settled)} images that earlier restores gave up are still missing: {', '.join(settled[:NAMED])}."
        proof.findings.append(Finding("images-given-up", "info", text, "", "Have the modality send them again."))
    proof.measured["rpo_s"] = _age_of_loss(proof.lost)
    if altered:
        proof.findings.append(_wrong("images-altered", f"{len(altered)} images are not what was sent: {', '.join(altered[:NAMED])}."))
    before = [row["uid"] for row in proof.lost if taken_at and row["done"] < taken_at]
    if before:
        text = f"{len(before)} images that were stored before the backup are not there: {', '.join(before[:NAMED])}."
        proof.findings.append(_wrong("backup-lost-images", text))
    if len(proof.lost) > len(before):
        text = f"{len(proof.lost) - len(before)} images that were acknowledged after the backup are lost; they are named in the result."
        proof.findings.append(Finding("images-lost", "warning", text, "They were on no other disk.", "Have the modality send them again."))
    if taken_at and failures and failures[-1] > taken_at:
        proof.milestones.append(
            {
                "name": "fault",
                "at": min(at for at in failures if at > taken_at),
                "detail": "the first image that a workstation could not store",
            }
        )


def _age_of_loss(lost: Sequence[Mapping[str, str]]) -> float:
    """Return over how many seconds images were lost: from the first to the last of them."""
    if not lost:
        return 0.0
    first, last = min(str(row["done"]) for row in lost), max(str(row["done"]) for row in lost)
    return round((_moment(last) - _moment(first)).total_seconds(), 3)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
