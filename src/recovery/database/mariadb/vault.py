"""The off-site repository (BKP-11): fetched by the off-site server, encrypted there, given out for reading only.

    backup/LABEL.tar.enc, LABEL.json (sealed; the checksum of both forms, an HMAC by the passphrase), LABEL.manifest.json
    binlog/HISTORY/NAME.enc, NAME.json, history.json           finished binary logs; the one under way stays in memory

Encryption is AES-256-CTR with a key from the passphrase (PBKDF2, a new salt for each file), by OpenSSL, so that every file can be read
without this program: openssl enc -d -aes-256-ctr -pbkdf2 -iter 100000 -pass file:PASSPHRASE -in FILE. What was altered shows by the HMAC.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import pwd
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ...findings import Finding
from ..shell import Procedure
from . import binlog
from .place import BackupError, Place
from .repository import CHUNK, DAMAGED, FORMAT, Backup, digest, local_writer, sealed, unsealed

ITERATIONS = "100000"


def passphrase_file(place: Place) -> Path:
    """Return where the passphrase lies; only the vault's account can read it."""
    return place.home / "passphrase"


def _cipher(place: Place, *direction: str) -> list[str]:
    return ["openssl", "enc", *direction, "-aes-256-ctr", "-pbkdf2", "-iter", ITERATIONS, "-pass", f"file:{passphrase_file(place)}"]


def _mac(place: Place, content: bytes) -> str:
    key = hashlib.sha256(b"hospital-recovery vault" + passphrase_file(place).read_bytes().strip()).digest()
    return hmac.new(key, content, "sha256").hexdigest()


def _describe(place: Place, values: Mapping[str, Any]) -> bytes:
    """Return a sealed description that only who knows the passphrase can have written."""
    body = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return sealed({"body": body, "hmac": _mac(place, body.encode())})


def read_description(place: Place, path: Path) -> dict[str, Any]:
    """Read a description. Raises ValueError if it was damaged, PassphraseError if another passphrase wrote it."""
    stored = unsealed(path.read_text(encoding="utf-8"))
    if not hmac.compare_digest(_mac(place, stored["body"].encode()), stored["hmac"]):
        raise PassphraseError(f"{path.name} was written with another passphrase than the one on this host, or by somebody else")
    return dict(json.loads(stored["body"]))


class PassphraseError(ValueError):
    """The passphrase is not the one by which the repository was written."""


def encrypt(place: Place, source: IO[bytes], target: Path) -> dict[str, Any]:
    """Encrypt a stream into a file, durably; return size and checksum of the plain and of the stored form."""
    draft = target.with_name(f".{target.name}.partial")
    plain, size = hashlib.sha256(), 0
    with draft.open("wb") as handle, subprocess.Popen(_cipher(place, "-e", "-salt"), stdin=subprocess.PIPE, stdout=handle) as process:
        if process.stdin is None:
            raise BackupError("openssl takes no input.")
        while block := source.read(CHUNK):
            plain.update(block)
            size += len(block)
            process.stdin.write(block)
        process.stdin.close()
        if process.wait():
            raise BackupError(f"openssl could not encrypt {target.name}. Is the passphrase in {passphrase_file(place)}?")
    subprocess.run(["sync", str(draft)], check=True)
    draft.replace(target)
    return {"size": size, "sha256": plain.hexdigest(), "stored_size": target.stat().st_size, "stored_sha256": digest(target)}


@contextmanager
def decrypted(place: Place, path: Path, told: Mapping[str, Any]) -> Iterator[IO[bytes]]:
    """Open an encrypted file, its stored form compared with its description while it is read: first bytes come at once, however long
    it is. Raises ValueError for damage, at the latest when it has been read."""
    if path.stat().st_size != told["stored_size"]:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes instead of {told['stored_size']}")
    found = hashlib.sha256()
    with subprocess.Popen(_cipher(place, "-d"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process, path.open("rb") as stored:
        if process.stdin is None or process.stdout is None:
            raise BackupError("openssl takes no input or gives no output.")
        sink = process.stdin

        def feed() -> None:
            with suppress(BrokenPipeError), sink:
                while block := stored.read(CHUNK):
                    found.update(block)
                    sink.write(block)

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            yield process.stdout
            while process.stdout.read(CHUNK):
                pass
        finally:
            process.stdout.close()
            feeder.join()
        if process.wait() or found.hexdigest() != told["stored_sha256"]:
            raise ValueError(f"the checksum of {path.name} is wrong")


@contextmanager
def acting(place: Place) -> Iterator[None]:
    """Be the account that keeps the vault while something is written there, as its own service is."""
    if place.name != "offsite" or os.geteuid() != 0:
        yield
        return
    entry = pwd.getpwnam(place.user)
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


# ---- fetching ----------------------------------------------------------------------------------------------------------------


def fetch(place: Place, procedure: Procedure) -> dict[str, Any]:
    """Fetch every backup that is at the database server and not here, oldest first; return what the newest one is, and findings.

    What is here already of the newest one is read again, for a restore would begin there; what is not as it was stored is fetched anew.
    """
    store = Path(place.path) / "backup"
    store.mkdir(parents=True, exist_ok=True)
    with procedure.step("Ask the database server which backups it has"):
        there = [Backup.parse(values) for values in json.loads(place.ask("list"))]
    if not there:
        raise BackupError("The database server has no backup yet. Take one first: recovery run database_backup -e repository=local")
    newest = there[-1]
    with procedure.step(f"Read again what is here of backup {newest.label}, checksums compared"):
        rotten = damaged(place, newest.chain)
    fetched = take_in(place, there, lambda label: place.ssh("export", label), procedure, anew=rotten)
    with procedure.step("Let backups go that are older than the plan keeps"):
        expire(place)
    manifest = json.loads((store / f"{newest.label}.manifest.json").read_text(encoding="utf-8"))
    took = sum(step["took_s"] for step in procedure.steps)
    return {
        "findings": [_was_damaged(label, why) for label, why in rotten.items()],
        "backup": {"label": newest.label, "type": newest.kind, "size_bytes": newest.size, "took_s": round(took, 3)},
        "manifest": {**manifest, "writers_paused_ms": 0},
        "manifest_sha256": newest.files["manifest.json"][1],
        "fetched": fetched,
    }


def damaged(place: Place, labels: Sequence[str]) -> dict[str, str]:
    """Read backups that are here in full; return which of them are not as they were stored, and why. Raises BackupError (passphrase)."""
    store, found = Path(place.path) / "backup", {}
    for label in labels:
        described, manifest = store / f"{label}.json", store / f"{label}.manifest.json"
        if not described.exists():
            continue
        try:
            told = read_description(place, described)
            if hashlib.sha256(manifest.read_bytes()).hexdigest() != told["manifest_sha256"]:
                found[label] = f"{manifest.name} was altered"
            with decrypted(place, store / f"{label}.tar.enc", told["stored"]):
                pass
        except PassphraseError as error:
            raise BackupError(f"{error}. Put the right one into {passphrase_file(place)}; nothing was changed.") from error
        except (OSError, ValueError, KeyError) as error:
            found[label] = str(error)
    return found


def _was_damaged(label: str, why: str) -> Finding:
    return Finding(
        "offsite-copy-damaged",
        "warning",
        f"Backup {label} was damaged in the off-site repository ({why}); it was fetched anew and read back.",
        "It could not have been restored, nor what is built upon it.",
        "Look at the off-site server's disk (dmesg, smartctl): a disk that rots once does so again.",
    )


def take_in(
    place: Place, there: Sequence[Backup], export: Callable[[str], list[str]], procedure: Procedure, anew: Collection[str] = ()
) -> list[str]:
    """Encrypt every backup that is not here yet, oldest first, and read it back; return their labels.

    ``export`` is the command that writes one out; ``anew``: labels that are taken in again although they are here.
    """
    store = Path(place.path) / "backup"
    here = {path.name for path in store.iterdir()}
    wanted = [one for one in there if one.label in anew or not {f"{one.label}.json", f"{one.label}.tar.enc"} <= here]
    for one in wanted:
        with (
            procedure.step(f"Fetch backup {one.label} and encrypt it here"),
            subprocess.Popen(export(one.label), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process,
        ):
            if process.stdout is None:
                raise BackupError("The other end gives no output.")
            stored = encrypt(place, process.stdout, store / f"{one.label}.tar.enc")
            if process.wait():
                raise BackupError(f"Backup {one.label} did not arrive in full (status {process.returncode}). Run the same again.")
        with procedure.step(f"Read back backup {one.label}, every checksum compared"):
            manifest = prove(place, one, store / f"{one.label}.tar.enc", stored)
        local_writer(store / f"{one.label}.manifest.json")(manifest)
        described = {**one.__dict__, "format": FORMAT, "stored": stored, "manifest_sha256": hashlib.sha256(manifest).hexdigest()}
        local_writer(store / f"{one.label}.json")(_describe(place, described))
    return [one.label for one in wanted]


def prove(place: Place, backup: Backup, path: Path, stored: Mapping[str, Any]) -> bytes:
    """Read an encrypted backup back, compare each file with the list, and return its manifest."""
    manifest, seen = b"", set()
    with decrypted(place, path, stored) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            source = archive.extractfile(member)
            if source is None or member.name == "backup.json":
                continue
            found = hashlib.sha256()
            while block := source.read(CHUNK):
                found.update(block)
                manifest += block if member.name == "manifest.json" else b""
            if found.hexdigest() != backup.files.get(member.name, ("", ""))[1]:
                raise BackupError(f"{member.name} of backup {backup.label} is not as the database server describes it. Take a new backup.")
            seen.add(member.name)
    missing = set(backup.files) - seen
    if missing:
        raise BackupError(f"{len(missing)} files of backup {backup.label} did not arrive, such as {min(missing)}. Run the same again.")
    return manifest


def expire(place: Place) -> None:
    """Delete full backups beyond those that are kept, each with what builds on it."""
    keep = int(dict(place.retention).get("full", 3))
    backups = stored_backups(place)[0]
    fulls = [one["label"] for one in backups if len(one["chain"]) == 1]
    for one in backups:
        if len(fulls) > keep and one["chain"][0] in fulls[:-keep]:
            forget(place, one["label"])
    left = stored_backups(place)[0]
    for history in {str(one["history"]) for one in left}:
        oldest = min(binlog.Gtid.parse(one["gtid"]).seq for one in left if one["history"] == history)
        with suppress(OSError, ValueError):  # what is damaged stays: a restore says what is wrong with it
            _expire_logs(place, Path(place.path) / "binlog" / history, oldest)


def _expire_logs(place: Place, directory: Path, oldest: int) -> None:
    kept = sorted(directory.glob("*.enc"), key=lambda path: binlog.number(Path(path.stem)))
    begins = [(path.stem, int(read_description(place, path.with_suffix(".json")).get("first") or 0)) for path in kept]
    for name in binlog.unneeded(begins, oldest):
        for suffix in ("json", "enc"):
            (directory / f"{name}.{suffix}").unlink()


def forget(place: Place, label: str) -> None:
    """Delete a backup, its description first."""
    for suffix in ("json", "tar.enc", "manifest.json"):
        (Path(place.path) / "backup" / f"{label}.{suffix}").unlink(missing_ok=True)


def keep_logs(place: Place) -> None:
    """Encrypt the binary logs that are finished and let them go from memory."""
    for directory in sorted(Path(place.tail).glob("*/history.json")):
        history = directory.parent
        store = Path(place.path) / "binlog" / history.name
        store.mkdir(parents=True, exist_ok=True)
        told = directory.read_bytes()
        if not (store / "history.json").exists() or (store / "history.json").read_bytes() != told:
            local_writer(store / "history.json")(told)
        for path in binlog.files(history)[:-1]:
            keep_log(place, path, store)
            path.unlink()


def keep_log(place: Place, path: Path, store: Path) -> None:
    """Encrypt a binary log into ``store``, unless it is there already in the same length."""
    description = store / f"{path.name}.json"
    with suppress(OSError, ValueError, KeyError):
        if int(read_description(place, description)["size"]) == path.stat().st_size:
            return
    with path.open("rb") as source:
        stored = encrypt(place, source, store / f"{path.name}.enc")
    local_writer(description)(_describe(place, {**stored, "first": binlog.first(path)}))


# ---- giving out --------------------------------------------------------------------------------------------------------------


def stored_backups(place: Place) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Return the descriptions of the backups here, oldest first, and what is missing or of another size."""
    store, problems = Path(place.path) / "backup", []
    found = []
    for path in sorted(store.glob("*.json")):
        if path.name.endswith(".manifest.json"):
            continue
        told = read_description(place, path)
        kept = store / f"{told['label']}.tar.enc"
        if not kept.is_file():
            problems.append((told["label"], f"{kept.name} is missing"))
        elif kept.stat().st_size != told["stored"]["stored_size"]:
            problems.append((told["label"], f"{kept.name} has {kept.stat().st_size} bytes instead of {told['stored']['stored_size']}"))
        found.append(told)
    return sorted(found, key=lambda one: float(one["stop_time"])), problems


def catalogue(place: Place) -> dict[str, Any]:
    """Return all that a restoring host must know; ``error`` and ``code`` say why nothing can be trusted."""
    try:
        backups, problems = stored_backups(place)
    except PassphraseError as error:
        return {"error": str(error), "code": "wrong-passphrase"}
    except (ValueError, KeyError, OSError) as error:
        return {"error": f"a description in the off-site repository is damaged: {error}", "code": "backup-damaged"}
    manifests = {}
    for one in backups:
        path = Path(place.path) / "backup" / f"{one['label']}.manifest.json"
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() == one["manifest_sha256"]:
            manifests[one["label"]] = json.loads(content)
        else:
            problems.append((one["label"], f"{path.name} was altered"))
    histories = {}
    for root in (Path(place.path) / "binlog", Path(place.tail)):
        for path in root.glob("*/history.json"):
            histories[path.parent.name] = json.loads(path.read_text(encoding="utf-8"))
    logs = [*(Path(place.path) / "binlog").glob("*/*.enc"), *(path for path in Path(place.tail).glob("*/*.[0-9]*") if path.is_file())]
    reached = max((path.stat().st_mtime for path in logs), default=0.0)
    return {"backups": backups, "manifests": manifests, "problems": problems, "histories": histories, "reached": reached}


def give_list(place: Place) -> int:
    """Write the catalogue to the standard output."""
    print(json.dumps(catalogue(place)))
    return 0


def give_backup(place: Place, label: str) -> int:
    """Write a backup's files, decrypted, to the standard output."""
    known = {one["label"]: one for one in stored_backups(place)[0]}
    if label not in known:
        print(f"There is no backup {label} here.", file=sys.stderr)
        return 1
    try:
        with decrypted(place, Path(place.path) / "backup" / f"{label}.tar.enc", known[label]["stored"]) as stream:
            while block := stream.read(CHUNK):
                sys.stdout.buffer.write(block)
    except (ValueError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return DAMAGED
    sys.stdout.buffer.flush()
    return 0


def give_logs(place: Place, history: str) -> int:
    """Write the binary logs of a history to the standard output as an archive: finished ones decrypted, and the one in memory."""
    store, memory = Path(place.path) / "binlog" / history, Path(place.tail) / history
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        names = sorted({path.stem for path in store.glob("*.enc")}, key=lambda name: binlog.number(Path(name)))
        for name in names:
            try:
                told = read_description(place, store / f"{name}.json")
                with decrypted(place, store / f"{name}.enc", told) as stream:
                    entry = tarfile.TarInfo(name)
                    entry.size = int(told["size"])
                    archive.addfile(entry, stream)
            except (ValueError, OSError) as error:
                print(f"{error}", file=sys.stderr)
                return DAMAGED
        newer: dict[str, Path] = {}
        for path in [*binlog.files(memory / "kept"), *binlog.files(memory)]:
            if path.name not in names and (path.name not in newer or path.stat().st_size >= newer[path.name].stat().st_size):
                newer[path.name] = path
        for name in sorted(newer):
            with suppress(FileNotFoundError):  # encrypted a moment ago: the caller asks again if it misses it
                content = newer[name].read_bytes()
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return 0
