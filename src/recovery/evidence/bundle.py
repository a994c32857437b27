"""An incident directory as a bundle of evidence: manifest, signature, and their check.

The manifest closes the open end of the journal's chain: it states the journal's hash and number of lines at sealing.
Several runs in one incident seal it one after the other; a later seal replaces an earlier one only if that still verifies,
apart from what may have grown (journal and allowed_signers) or come new.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from recovery.evidence import signer as signing
from recovery.evidence.journal import FILE_NAME, Journal, JournalError, sync_directory
from recovery.evidence.lines import digest, now, split_lines, verify_lines
from recovery.evidence.signer import SignatureError, Signer

MANIFEST = "MANIFEST.sha256"
SIGNATURE = "MANIFEST.sha256.sig"
SIGNERS = "allowed_signers"
README = "README.txt"
OUTSIDE = frozenset({MANIFEST, SIGNATURE, f".{MANIFEST}.new", f".{SIGNATURE}.new"})
REPORTS = re.compile(r"^report([.-][A-Za-z0-9._-]+)?\.(html|pdf)$")
GROWING = (FILE_NAME, SIGNERS)
_LINE = re.compile(r"^(?P<sha256>[0-9a-f]{64})  (?P<path>[^\n\\]+)$")
_SEALED = re.compile(r"^# journal\.jsonl: (?P<lines>\d+) lines, (?P<bytes>\d+) bytes, (?P<files>\d+) files, sealed (?P<at>\S+)$")


class SealError(Exception):
    """An incident cannot be sealed; the text says why, what to do, and what to do instead."""


@dataclass
class Verification:
    """What checking a bundle found, in sentences. ``open_ends`` are no sign of tampering, but they are not proven either."""

    problems: list[str] = field(default_factory=list)
    open_ends: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Say whether everything verified."""
        return not self.problems and not self.open_ends

    @property
    def exit_status(self) -> int:
        """Return 0 if everything verified, 2 for a problem, 3 for something that cannot be verified."""
        return 2 if self.problems else 3 if self.open_ends else 0


@dataclass(frozen=True)
class Manifest:
    """A manifest as read: hashes by path, and the journal's state at sealing."""

    hashes: Mapping[str, str]
    journal_lines: int
    journal_bytes: int
    sealed_at: str

    @classmethod
    def parse(cls, content: bytes) -> Manifest:
        """Read a manifest. Raise SealError where a line is not one that this program writes."""
        hashes: dict[str, str] = {}
        header = None
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            entry = _LINE.match(line)
            if number == 1:
                header = _SEALED.match(line)
            elif entry and entry["path"] not in hashes:
                hashes[entry["path"]] = entry["sha256"]
            else:
                raise SealError(f"Line {number} of {MANIFEST} is not one of a manifest: {line[:80]!r}.")
        if header is None or int(header["files"]) != len(hashes) or not content.endswith(b"\n"):
            raise SealError(f"The first line of {MANIFEST}, which counts what it covers, is missing or does not agree with the rest.")
        return cls(hashes, int(header["lines"]), int(header["bytes"]), header["at"])


def files_of(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file that belongs under the manifest, with its path in the bundle. Raise SealError for what is no plain file."""
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names + [each for each in folders if (Path(folder) / each).is_symlink()]):
            path = Path(folder) / name
            relative = path.relative_to(directory).as_posix()
            if relative in OUTSIDE or REPORTS.match(relative):
                continue
            if path.is_symlink() or not path.is_file() or "\n" in relative or "\\" in relative:
                raise SealError(
                    f"{relative!r} is no plain file with a plain name; evidence is made of such only. Take it out of {directory}."
                )
            yield relative, path


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_readme(directory: Path) -> None:
    """Put the description of the stock-tools check into the incident, once."""
    path = directory / README
    if not path.exists():
        path.write_bytes(readme())


def readme() -> bytes:
    """Return the text that explains how to check a bundle with stock tools only."""
    return resources.files("recovery.evidence").joinpath("bundle_readme.txt").read_bytes()


def seal(directory: Path, signer: Signer | None = None) -> Manifest:
    """Write the manifest over everything in the directory and sign it. Raise SealError if an earlier seal does not verify."""
    check_seal(directory)
    with _undisturbed(directory):
        return _seal(directory, signer)


@contextlib.contextmanager
def _undisturbed(directory: Path) -> Iterator[None]:
    """Keep other sealings, and appends (a line and its artefacts belong together), out until this one is done."""
    with contextlib.ExitStack() as stack:
        for path in (directory, directory / FILE_NAME):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _seal(directory: Path, signer: Signer | None) -> Manifest:
    write_readme(directory)
    if signer is not None:
        _admit(directory, signer)
    journal = (directory / FILE_NAME).read_bytes()
    lines, torn = split_lines(journal)
    problems = verify_lines(journal) if not torn else [f"Line {len(lines) + 1} is incomplete; the next entry sets it aside."]
    if problems:
        raise SealError(f"The journal does not verify, so it is not sealed. {problems[0]}")
    hashes = {relative: _file_digest(path) for relative, path in files_of(directory)}
    hashes[FILE_NAME] = digest(journal)
    head = f"# {FILE_NAME}: {len(lines)} lines, {len(journal)} bytes, {len(hashes)} files, sealed {now()}"
    content = "\n".join([head, *(f"{sha256}  {path}" for path, sha256 in sorted(hashes.items()))]).encode() + b"\n"
    pending, pending_signature = directory / f".{MANIFEST}.new", directory / f".{SIGNATURE}.new"
    _write(pending, content)
    if signer is not None:
        _write(pending_signature, signer.sign(content))
    else:
        pending_signature.unlink(missing_ok=True)
    _put_in_place(directory, signed=signer is not None)
    return Manifest.parse(content)


def _admit(directory: Path, signer: Signer) -> None:
    path = directory / SIGNERS
    known = path.read_text(encoding="utf-8") if path.is_file() else ""
    if signer.allowed_signers_line() not in known:
        _write(path, (known + signer.allowed_signers_line()).encode())


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    path.chmod(0o640)


def _put_in_place(directory: Path, *, signed: bool) -> None:
    """Put manifest and signature in place. Killed in between, `check_seal` finds the pending pair and finishes."""
    if not signed:
        (directory / SIGNATURE).unlink(missing_ok=True)
    (directory / f".{MANIFEST}.new").replace(directory / MANIFEST)
    if signed:
        (directory / f".{SIGNATURE}.new").replace(directory / SIGNATURE)
    sync_directory(directory)


def _finish_interrupted(directory: Path) -> None:
    """Complete a sealing that was killed between its two renames; forget one that had not come that far."""
    pending, pending_signature = directory / f".{MANIFEST}.new", directory / f".{SIGNATURE}.new"
    if pending_signature.is_file() and not pending.is_file() and (directory / MANIFEST).is_file():
        with contextlib.suppress(SignatureError):
            signing.check((directory / MANIFEST).read_bytes(), pending_signature, directory / SIGNERS)
            pending_signature.replace(directory / SIGNATURE)
    pending.unlink(missing_ok=True)
    pending_signature.unlink(missing_ok=True)


def check_seal(directory: Path) -> None:
    """Check that what an earlier run sealed is still what it was. Raise SealError otherwise: new evidence must not cover it up."""
    _finish_interrupted(directory)
    found = Verification()
    if _manifest(directory, found) is None and not found.problems:
        return
    signers = directory / SIGNERS
    if signers.is_file() and (directory / MANIFEST).is_file():
        _signature(directory, signers, found)
    if found.problems:
        raise SealError(
            f"What was sealed in {directory} is no longer what it was. {found.problems[0]}\n"
            f"Keep it as it is and look: recovery evidence verify {directory}\n"
            "To go on with the recovery at once, start a new incident: unset RECOVERY_INCIDENT_DIR."
        )


def verify(directory: Path, allowed_signers: Path | None = None) -> Verification:
    """Check a bundle: chain, manifest, signature, artefacts. Changes nothing.

    Without ``allowed_signers`` the signature is checked against the keys in the bundle itself, which proves no more than
    that whoever sealed it held that key; the key's fingerprint is then told, for comparison.
    """
    found = Verification()
    if not (directory / FILE_NAME).is_file():
        found.problems.append(f"There is no {FILE_NAME} in {directory}: this is no incident directory, or its journal was taken away.")
        return found
    content = (directory / FILE_NAME).read_bytes()
    chain = verify_lines(content)
    torn = bool(split_lines(content)[1])
    found.problems += chain[:-1] if torn else chain
    if torn:
        found.open_ends.append(chain[-1])
    manifest = _manifest(directory, found)
    if manifest is None and not found.problems:
        found.open_ends.append(f"There is no {MANIFEST}: the incident was not sealed yet, or its seal was taken away.")
    elif manifest is not None:
        _signature(directory, allowed_signers or directory / SIGNERS, found, outside=allowed_signers is not None)
    with contextlib.suppress(JournalError):
        _events(directory, Journal(directory).read(), found)
    return found


def _manifest(directory: Path, found: Verification) -> Manifest | None:
    """Compare every file with the manifest; the journal by the part that was sealed."""
    path = directory / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = Manifest.parse(path.read_bytes())
        present = dict(files_of(directory))
    except SealError as error:
        found.problems.append(str(error))
        return None
    for relative, sha256 in manifest.hashes.items():
        if relative not in present:
            found.problems.append(f"{relative} is gone, though the manifest names it.")
        elif relative in GROWING:
            _grown(relative, present[relative].read_bytes(), sha256, manifest, found)
        elif _file_digest(present[relative]) != sha256:
            found.problems.append(f"{relative} is not what was sealed: its SHA-256 differs from the manifest.")
    if FILE_NAME not in manifest.hashes:
        found.problems.append(f"{MANIFEST} does not cover {FILE_NAME}.")
    for relative in sorted(set(present) - set(manifest.hashes)):
        found.open_ends.append(f"{relative} came after the sealing at {manifest.sealed_at}: no manifest covers it.")
    return manifest


def _grown(relative: str, content: bytes, sha256: str, manifest: Manifest, found: Verification) -> None:
    if digest(content) == sha256:
        return
    if relative == FILE_NAME:
        lines = len(split_lines(content)[0])
        if digest(content[: manifest.journal_bytes]) == sha256:
            more = f"{lines - manifest.journal_lines} lines were appended after the sealing at {manifest.sealed_at}"
            found.open_ends.append(f"{FILE_NAME}: {more}; they are not sealed: a run is going on or was interrupted.")
            return
        found.problems.append(f"{FILE_NAME} is not what was sealed: its first {manifest.journal_lines} lines differ from the manifest.")
        return
    ends = [place + 1 for place, byte in enumerate(content) if byte == 0x0A]
    if any(digest(content[:end]) == sha256 for end in ends):
        found.open_ends.append(f"{relative}: a key was added after the sealing at {manifest.sealed_at}.")
    else:
        found.problems.append(f"{relative} is not what was sealed: its SHA-256 differs from the manifest.")


def _signature(directory: Path, signers: Path, found: Verification, *, outside: bool = False) -> None:
    if not (directory / SIGNATURE).is_file():
        if (directory / SIGNERS).is_file():
            found.problems.append(f"{SIGNATURE} is gone, though {SIGNERS} tells that this incident was signed.")
        else:
            found.open_ends.append("The manifest is not signed, so nobody vouches for it.")
        return
    if not signers.is_file():
        found.problems.append(f"There is no {signers} to check the signature with.")
        return
    try:
        principal = signing.check((directory / MANIFEST).read_bytes(), directory / SIGNATURE, signers)
    except SignatureError as error:
        found.problems.append(f"{SIGNATURE}: {error}")
        return
    if outside:
        found.notes.append(f"Signed by {principal}, a key that {signers} names.")
        return
    keys = [line.split(maxsplit=2)[2] for line in signers.read_text(encoding="utf-8").splitlines() if len(line.split()) >= 4]
    prints = ", ".join(signing.fingerprint(key) for key in keys)
    found.notes.append(
        f"Signed by {principal}, a key that is named in the bundle itself ({prints})."
        " Compare it with the one you were given, or use --allowed-signers."
    )


def _events(directory: Path, events: list[dict[str, Any]], found: Verification) -> None:
    """Check that the artefacts that events name are there and unchanged, and that every run that began has ended."""
    named: set[str] = set()
    runs: dict[str, str] = {}
    for event in events:
        data = event.get("data")
        references = data.get("artifacts") if isinstance(data, dict) else None
        for reference in references if isinstance(references, list) else []:
            _reference(directory, event, reference, named, found)
        if event.get("event") == "run_begin":
            runs[str(event.get("run"))] = f"{event.get('name')} (run {event.get('run')}, begun {event.get('at')})"
        elif event.get("event") == "run_end":
            runs.pop(str(event.get("run")), None)
    found.interrupted += [f"{told} has no end: it was interrupted, or is still going on." for told in runs.values()]
    folder = directory / "artifacts"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if f"artifacts/{path.name}" not in named:
            found.notes.append(f"artifacts/{path.name} is named by no event: its writer was interrupted, or it was put there by hand.")


def _reference(directory: Path, event: Mapping[str, Any], reference: Any, named: set[str], found: Verification) -> None:
    relative = str(reference.get("path", "")) if isinstance(reference, dict) else ""
    path = directory / relative
    if not relative.startswith("artifacts/") or ".." in relative.split("/"):
        found.problems.append(f"Line {event.get('seq')} names an artefact outside the bundle: {relative!r}.")
        return
    named.add(relative)
    if not path.is_file():
        found.problems.append(f"{relative}, which line {event.get('seq')} names, is gone.")
    elif _file_digest(path) != reference.get("sha256"):
        found.problems.append(f"{relative} is not what line {event.get('seq')} tells: its SHA-256 differs.")
