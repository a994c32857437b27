"""A picture archive on this host: files in ``store/`` and their index, a PostgreSQL cluster, in ``index/``, below one directory.

Both live below one directory so that one rename puts a restored pair into place: never new files with an old index. Standard library only.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..database.cluster import Cluster, postmaster_pid, service_active
from ..database.shell import CommandError, psql, run

PIECE = 1 << 20
NAMED = 10  # how many images a sentence names


@dataclass(frozen=True)
class Archive:
    """Where an archive lives and answers, as the inventory's ``pacs_archive`` says."""

    path: str
    service: str
    owner: str
    database: str
    version: str
    index_service: str
    config_directory: str
    port: int
    address: str
    dicom_port: int
    title: str

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Archive:
        """Read the inventory's description."""
        index, dicom = values["index"], values["dicom"]
        return cls(
            path=str(values["path"]).rstrip("/"),
            service=str(values["service"]),
            owner=str(values["owner"]),
            database=str(index["database"]),
            version=str(index["version"]),
            index_service=str(index["service"]),
            config_directory=str(index["config_directory"]),
            port=int(index["port"]),
            address=str(dicom["address"]),
            dicom_port=int(dicom["port"]),
            title=str(dicom["title"]),
        )

    @property
    def root(self) -> Path:
        """Return the directory of store and index, the one that is renamed."""
        return Path(self.path)

    @property
    def store(self) -> Path:
        """Return the directory of the files."""
        return self.root / "store"

    @property
    def cluster(self) -> Cluster:
        """Return the archive's directory in the words of a cluster: its siblings, state file and fence."""
        return Cluster(self.database, self.version, self.path, self.config_directory, self.index_service, self.port)

    def entries(self, socket_directory: str = "/var/run/postgresql") -> dict[str, Entry]:
        """Return what the index says of each file, by the file's name. Raises CommandError where it does not answer."""
        return entries(psql(ENTRIES, database=self.database, port=self.port, socket=socket_directory, timeout=600))


@dataclass(frozen=True)
class Entry:
    """One file as the index knows it: its size and MD5 as stored, and the image's SOP instance UID (empty for other attachments)."""

    size: int
    md5: str
    uid: str


# An attachment of type 1 is the image itself; tag (0008,0018) is its SOP instance UID.
ENTRIES = """
select a.uuid, a.compressedsize, a.compressedhash, coalesce(d.value, '')
from attachedfiles a left join dicomidentifiers d
on d.id = a.id and a.filetype = 1 and d.taggroup = 8 and d.tagelement = 24
"""


def entries(rows: list[list[str]]) -> dict[str, Entry]:
    """Read the rows of the index."""
    return {row[0]: Entry(int(row[1]), row[2], row[3]) for row in rows}


def digest(known: Mapping[str, Entry]) -> str:
    """Return one checksum over everything the index says of its files."""
    total = hashlib.sha256()
    for name in sorted(known):
        entry = known[name]
        total.update(f"{name} {entry.size} {entry.md5} {entry.uid}\n".encode())
    return total.hexdigest()


def place_of(store: Path, name: str) -> Path:
    """Return where Orthanc keeps a file."""
    return store / name[:2] / name[2:4] / name


def files(store: Path) -> Iterator[Path]:
    """Yield the files of a store, wherever Orthanc puts images."""
    for first in sorted(store.iterdir()) if store.is_dir() else ():
        if len(first.name) == 2 and first.is_dir():
            yield from (path for path in sorted(first.glob("*/*")) if path.is_file())


def md5_of(path: Path) -> str:
    """Return a file's MD5: the checksum that Orthanc's index keeps; it protects against decay, not against malice."""
    total = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as handle:
        while piece := handle.read(PIECE):
            total.update(piece)
    return total.hexdigest()


def dataset_sha256(path: Path) -> str:
    """Return the checksum of a DICOM file's data set, without preamble and file meta information, which every writer makes anew.

    Raises ValueError for what is no DICOM file.
    """
    with path.open("rb") as handle:
        head = handle.read(144)
        if head[128:132] != b"DICM" or head[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
            raise ValueError(f"{path} is not a DICOM file.")
        handle.seek(144 + int.from_bytes(head[140:144], "little"))
        total = hashlib.sha256()
        while piece := handle.read(PIECE):
            total.update(piece)
    return total.hexdigest()


@dataclass
class Reconciled:
    """Index and files compared: ``missing`` and ``wrong`` are entries without their file, ``orphans`` files without an entry."""

    entries: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Return whether every entry has its file. An orphan is no damage: it is an image more."""
        return not self.missing and not self.wrong

    def sentence(self) -> str:
        """Say what was found."""
        parts = [f"{self.entries} index entries, {self.bytes} bytes"]
        for names, what in ((self.missing, "without their file"), (self.wrong, "with a wrong file"), (self.orphans, "files without entry")):
            if names:
                parts.append(f"{len(names)} {what} ({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''})")
        return "; ".join(parts)


def reconcile(known: Mapping[str, Entry], store: Path, *, read: bool) -> Reconciled:
    """Compare index and files: names and sizes, and with ``read`` the checksum of every file."""
    found = Reconciled(entries=len(known))
    for name, entry in sorted(known.items()):
        path = place_of(store, name)
        said = f"{name} ({entry.uid})" if entry.uid else name
        if not path.is_file():
            found.missing.append(said)
        elif path.stat().st_size != entry.size or (read and md5_of(path) != entry.md5):
            found.wrong.append(said)
        else:
            found.bytes += entry.size
    found.orphans = [path.name for path in files(store) if path.name not in known]
    return found


@dataclass(frozen=True)
class Health:
    """What the archive looks like from its own host."""

    service_active: bool
    index_answers: bool
    port_answers: bool
    images: int
    missing: int
    said: str = ""

    @property
    def serving(self) -> bool:
        """Return whether users could work with it."""
        return self.service_active and self.index_answers and self.port_answers and not self.missing


def port_answers(archive: Archive, timeout: float = 3) -> bool:
    """Return whether somebody accepts associations on the archive's port."""
    try:
        with socket.create_connection((archive.address, archive.dicom_port), timeout=timeout):
            return True
    except OSError:
        return False


def health(archive: Archive) -> Health:
    """Look at the archive without changing anything: services, index, and whether every entry has a file of its size."""
    active = service_active(archive.service)
    answers = port_answers(archive)
    try:
        known = archive.entries()
    except (CommandError, ValueError) as error:
        return Health(active, False, answers, 0, 0, str(getattr(error, "output", error))[-300:])
    found = reconcile(known, archive.store, read=False)
    return Health(active, True, answers, len(known), len(found.missing) + len(found.wrong), found.sentence())


def index_running(archive: Archive) -> bool:
    """Return whether a server works on the index in its place."""
    return service_active(archive.index_service) or postmaster_pid(archive.root / "index") is not None


def echo(archive: Archive) -> str:
    """Ask the archive for a sign of life by DICOM (C-ECHO); return what went wrong, or nothing."""
    try:
        words = ["echoscu", "-to", "5", "-ta", "5", "-td", "5", "-aet", "RECOVERY", "-aec", archive.title]
        run([*words, archive.address if archive.address.startswith("127.") else "127.0.0.1", str(archive.dicom_port)], timeout=20)
    except CommandError as error:
        return error.output[-300:] or str(error)
    return ""
