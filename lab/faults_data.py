"""Faults of data: a data directory destroyed, a backup repository lost, bits that rot, a WAL segment that is missing.

Files are reached through the outer machine's mount of the disk, the very file system that the host sees; the proof asks the host.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import host
from lab.errors import LabError
from lab.faults import Fault, Parameter, Scene, now
from lab.faults_hosts import start_database
from lab.state import Lab
from lab.system import Process, identify, run
from lab.topology import Topology

CLUSTER = "/var/lib/postgresql/15/main"
# Where pgBackRest keeps its repositories in this hospital (host, path).
REPOSITORIES = {
    "local": ("his-db", "/srv/backup/pgbackrest"),
    "offsite": ("backup-offsite", "/srv/offsite/pgbackrest"),
    "removable": ("his-db", "/media/removable/pgbackrest"),
}
NEXT_SEGMENT = "select pg_switch_wal(); select pg_logical_emit_message(true, 'lab', 'the next segment');"
FLIPPED = 8  # bytes
RELATION = re.compile(r"base/(\d{6,}|[2-9]\d{4}|1[7-9]\d{3}|16[4-9]\d\d|1639\d|1638[4-9])/\d+(\.\d+)?")  # of user databases: 16384 on
SEGMENT = re.compile(r"[0-9A-F]{24}-[0-9a-f]{40}(\.\w+)?")


def outside(lab: Lab, topology: Topology, name: str, path: str) -> Path:
    """Return where the outer machine sees a path of a host: on one of its disks, or in its own layer."""
    for owner, disk in host.plugged_disks(lab, topology, name):
        if Path(path).is_relative_to(disk.mount):
            return lab.disk_mount(owner, disk.name) / Path(path).relative_to(disk.mount)
    return lab.host_root(name) / path.lstrip("/")


# --- the data directory ----------------------------------------------------------------------------------------------


def _postgres(lab: Lab, name: str) -> list[Process]:
    """Return PostgreSQL's processes on a host, the postmaster first."""
    leader = host.leader(lab, name)
    if leader is None:
        return []
    space = Path(f"/proc/{leader}/ns/pid").readlink()
    found = []
    for entry in sorted((path for path in Path("/proc").iterdir() if path.name.isdigit()), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):
            if (entry / "ns/pid").readlink() == space and (entry / "comm").read_text(encoding="ascii").strip() == "postgres":
                process = identify(int(entry.name))
                if process is not None:
                    found.append(process)
    return found


@contextmanager
def frozen(lab: Lab, name: str) -> Iterator[None]:
    """Hold PostgreSQL still: what is copied meanwhile is of one moment, as after a power cut."""
    stopped: set[Process] = set()
    try:
        while fresh := set(_postgres(lab, name)) - stopped:
            for process in fresh:
                process.send(signal.SIGSTOP)
            stopped |= fresh
        yield
    finally:
        for process in stopped:
            process.send(signal.SIGCONT)


def _destroy(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name, path = parameters["host"], parameters["path"]
    directory = outside(scene.lab, scene.topology, name, path)
    if not (directory / "PG_VERSION").exists():
        raise LabError(f"There is no PostgreSQL cluster in {path} on {name}: nothing to destroy.")
    aside = scene.lab.aside / f"{name}.cluster.{time.time_ns()}"
    aside.parent.mkdir(parents=True, exist_ok=True)
    with _session(scene.lab, name) as send:
        with frozen(scene.lab, name):
            run(["cp", "-a", directory, aside], timeout=None, doing=f"Keeping {path} of {name} aside")
            took_effect = now()
            shutil.rmtree(directory)
        if parameters["server"] == "falls":
            _fall(scene.lab, name, send)
    if host.execute(scene.lab, name, ["test", "-e", path], check=False).returncode == 0:
        _remove_again(scene, name, directory)
    if _database_answers(scene.lab, name):
        raise LabError(f"The database on {name} still takes new connections although {path} was deleted.")
    return {"aside": str(aside), "path": path, "took_effect_at": took_effect}


@contextmanager
def _session(lab: Lab, name: str) -> Iterator[Callable[[str], None]]:
    """Keep a superuser's session open that was made before its server was hurt; yields a way to send it a statement."""
    words = ["runuser", "-u", "postgres", "--", "psql", "-X", "-qAt"]
    with subprocess.Popen(
        host.inside(lab, name, words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as psql:
        if psql.stdin is None or psql.stdout is None:
            raise LabError("No session could be opened.")

        def send(statement: str) -> None:
            with contextlib.suppress(BrokenPipeError):
                print(statement, file=psql.stdin, flush=True)

        send(f"{NEXT_SEGMENT} select 'ready';")  # once beforehand: later the server could not look up what the statement means
        if not any(line.strip() == "ready" for line in iter(psql.stdout.readline, "")):
            psql.kill()
            raise LabError(f"PostgreSQL on {name} does not answer: there is no running server to destroy the data of.")
        try:
            yield send
        finally:
            psql.kill()


def _fall(lab: Lab, name: str, send: Callable[[str], None]) -> None:
    """Have the server need its next WAL segment now: it finds its directory gone, panics and cannot start again.

    Left alone it would go on, for up to a minute, for those who are connected, and acknowledge what nobody will find again.
    """
    send(NEXT_SEGMENT)
    deadline = time.monotonic() + 30
    while _postgres(lab, name):
        if time.monotonic() > deadline:
            raise LabError(f"PostgreSQL on {name} still runs 30 s after its data directory was deleted.")
        time.sleep(0.05)


def _remove_again(scene: Scene, name: str, directory: Path) -> None:
    """Delete what the running server wrote into its directory's place meanwhile."""
    for _ in range(20):
        shutil.rmtree(directory, ignore_errors=True)
        time.sleep(0.1)
        if not directory.exists():
            return
    raise LabError(f"The server on {name} keeps creating {directory.name} anew.")


def _database_answers(lab: Lab, name: str) -> bool:
    words = ["runuser", "-u", "postgres", "--", "psql", "-X", "-qAtc", "select count(*) from pg_class", "his"]
    return host.execute(lab, name, words, check=False, timeout=20).returncode == 0


def _undestroy(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    name = parameters["host"]
    directory = outside(scene.lab, scene.topology, name, kept["path"])
    host.execute(scene.lab, name, ["systemctl", "stop", "postgresql@15-main"], check=False)
    for process in _postgres(scene.lab, name):
        process.send(signal.SIGKILL)
        process.wait(10)
    if directory.exists():
        directory.rename(directory.with_name(f"{directory.name}.before-repair.{time.time_ns()}"))
    run(["cp", "-a", kept["aside"], directory], timeout=None, doing=f"Putting {kept['path']} back on {name}")
    (directory / "postmaster.pid").unlink(missing_ok=True)
    run(["sync", "--file-system", directory], timeout=None, doing="Writing it")
    start_database(scene.lab, name)
    shutil.rmtree(kept["aside"])


# --- a repository ----------------------------------------------------------------------------------------------------


def _repository(scene: Scene, parameters: dict[str, str]) -> tuple[str, str, Path]:
    """Return host, path there, and path on the outer machine of a repository that must exist."""
    which = parameters["repository"]
    if which not in REPOSITORIES:
        raise LabError(f"There is no repository {which!r}.", f"Repositories: {', '.join(REPOSITORIES)}.")
    name, path = REPOSITORIES[which]
    directory = outside(scene.lab, scene.topology, name, path)
    if not directory.is_dir() or not any(directory.iterdir()):
        raise LabError(f"The {which} repository ({name}:{path}) is empty or absent: make a backup first.")
    return name, path, directory


def _lose_repository(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name, path, directory = _repository(scene, parameters)
    aside = scene.lab.aside / f"{name}.repository.{time.time_ns()}"
    aside.mkdir(parents=True)
    run(["cp", "-a", f"{directory}/.", aside], timeout=None, doing="Keeping the repository aside")
    shutil.copystat(directory, aside)
    shutil.rmtree(directory)
    if host.leader(scene.lab, name) is not None and host.execute(scene.lab, name, ["ls", path], check=False).returncode == 0:
        raise LabError(f"{name} still sees {path} although the repository was deleted.")
    return {"aside": str(aside), "host": name, "path": path}


def _return_repository(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    directory = outside(scene.lab, scene.topology, kept["host"], kept["path"])
    if directory.exists():
        directory.rename(directory.with_name(f"{directory.name}.before-repair.{time.time_ns()}"))
    run(["cp", "-a", kept["aside"], directory], timeout=None, doing="Putting the repository back")
    run(["sync", "--file-system", directory], timeout=None, doing="Writing it")
    shutil.rmtree(kept["aside"])


# --- bits that rot ---------------------------------------------------------------------------------------------------


def choose(candidates: list[Path], seed: str, what: str) -> Path:
    """Choose one of some files, always the same for the same seed."""
    if not candidates:
        raise LabError(f"There is no {what} to choose from.", "Check that there is a database, or a backup with such files.")
    return random.Random(seed).choice(sorted(candidates))  # noqa: S311 - repeatable on purpose


def flip(file: Path, seed: str) -> dict[str, Any]:
    """Invert some bytes in the middle half of a file, keeping its times; return what they were and where."""
    status = file.stat()
    if status.st_size < 4 * FLIPPED:
        raise LabError(f"{file.name} is too small to rot ({status.st_size} bytes).")
    offset = random.Random(seed).randrange(status.st_size // 4, 3 * status.st_size // 4)  # noqa: S311
    with file.open("r+b") as handle:
        handle.seek(offset)
        before = handle.read(FLIPPED)
        handle.seek(offset)
        handle.write(bytes(byte ^ 0xFF for byte in before))
        handle.flush()
        os.fsync(handle.fileno())
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    with file.open("rb") as handle:
        handle.seek(offset)
        if handle.read(FLIPPED) != bytes(byte ^ 0xFF for byte in before):
            raise LabError(f"{file} did not change although {FLIPPED} bytes of it were flipped.")
    return {"file": str(file), "offset": offset, "before": before.hex()}


def unflip(kept: dict[str, Any]) -> None:
    """Put the bytes back; a file that was replaced or removed since has nothing to repair."""
    file, before = Path(kept["file"]), bytes.fromhex(kept["before"])
    if not file.exists():
        return
    status = file.stat()
    with file.open("r+b") as handle:
        handle.seek(kept["offset"])
        if handle.read(FLIPPED) != bytes(byte ^ 0xFF for byte in before):
            return
        handle.seek(kept["offset"])
        handle.write(before)
        handle.flush()
        os.fsync(handle.fileno())
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _rot_data(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name = parameters["host"]
    cluster = outside(scene.lab, scene.topology, name, CLUSTER)
    if parameters["file"]:
        file = cluster / parameters["file"]
        if not file.is_file():
            raise LabError(f"There is no file {parameters['file']} in {CLUSTER} on {name}.")
    else:
        paths = [path for path in cluster.glob("base/*/*") if RELATION.fullmatch(str(path.relative_to(cluster)))]
        file = choose([path for path in paths if path.stat().st_size >= 2**17], parameters["seed"], "data file")
    return {**flip(file, parameters["seed"]), "in_host": f"{CLUSTER}/{file.relative_to(cluster)}"}


def backup_files(repository: Path, kind: str) -> list[Path]:
    """Return the files of a kind in a pgBackRest repository: data (of the newest backup), wal, or manifest (of the newest backup)."""
    if kind == "wal":
        return [path for path in repository.glob("archive/*/*/*/*") if SEGMENT.fullmatch(path.name)]
    backups = [path for path in repository.glob("backup/*/*") if (path / "backup.manifest").exists() and not path.is_symlink()]
    if not backups:
        return []
    newest = max(backups, key=lambda path: path.name)
    if kind == "manifest":
        return [newest / "backup.manifest"]
    parts = [path for part in ("pg_data", "bundle") for path in newest.glob(f"{part}/**/*")]
    return [path for path in parts if path.is_file() and path.stat().st_size >= 4 * FLIPPED]


def _rot_backup(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name, path, repository = _repository(scene, parameters)
    kind = parameters["kind"]
    if kind not in ("data", "wal", "manifest"):
        raise LabError(f"There is no kind {kind!r}.", "Kinds: data, wal, manifest.")
    file = repository / parameters["file"] if parameters["file"] else None
    file = file or choose(backup_files(repository, kind), parameters["seed"], f"{kind} file in the {parameters['repository']} repository")
    if not file.is_file():
        raise LabError(f"There is no file {parameters['file']} in {name}:{path}.")
    kept = {**flip(file, parameters["seed"]), "in_host": f"{name}:{path}/{file.relative_to(repository)}"}
    copy = file.with_name(f"{file.name}.copy")
    if kind == "manifest" and copy.exists():
        kept["copy"] = flip(copy, parameters["seed"])  # pgBackRest reads the copy when the first is damaged
    return kept


def _unrot(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    unflip(kept)
    if "copy" in kept:
        unflip(kept["copy"])


# --- a gap in the archive --------------------------------------------------------------------------------------------


def _lose_segment(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name, path, repository = _repository(scene, parameters)
    segments = sorted(backup_files(repository, "wal"))
    if parameters["segment"]:
        file = choose([each for each in segments if each.name.startswith(parameters["segment"])], "", "such WAL segment")
    else:
        manifests = backup_files(repository, "manifest")
        since = manifests[0].stat().st_mtime if manifests else 0.0
        file = choose([each for each in segments if each.stat().st_mtime > since] or segments, parameters["seed"], "archived WAL segment")
    aside = scene.lab.aside / f"{name}.{file.name}"
    aside.parent.mkdir(parents=True, exist_ok=True)
    run(["cp", "-a", file, aside], doing="Keeping the WAL segment aside")
    file.unlink()
    inner = f"{path}/{file.relative_to(repository)}"
    if host.leader(scene.lab, name) is not None and host.execute(scene.lab, name, ["test", "-e", inner], check=False).returncode == 0:
        raise LabError(f"{name} still sees {inner} although it was deleted.")
    return {"aside": str(aside), "host": name, "path": inner}


def _return_segment(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    target = outside(scene.lab, scene.topology, kept["host"], kept["path"])
    if target.parent.is_dir() and not target.exists():
        run(["cp", "-a", kept["aside"], target], doing="Putting the WAL segment back")
    Path(kept["aside"]).unlink(missing_ok=True)


DATABASE = Parameter("the database server", "his-db")
REPOSITORY = Parameter(", ".join(REPOSITORIES), "local")
SEED = Parameter("chooses the file and the place in it; the same for the same seed", "1")
FILE = Parameter("the file, relative to the cluster or repository; empty: chosen by the seed", "")
FAULTS = (
    Fault(
        "data-directory-destroyed",
        "PostgreSQL's data directory is deleted under the running server.",
        _destroy,
        _undestroy,
        {
            "host": DATABASE,
            "path": Parameter("the directory", CLUSTER),
            "server": Parameter("falls at once, or lingers up to a minute for those who are connected", "falls"),
        },
    ),
    Fault("backup-repository-lost", "A backup repository is deleted.", _lose_repository, _return_repository, {"repository": REPOSITORY}),
    Fault(
        "bit-rot",
        "Some bytes flip in a data file of the database.",
        _rot_data,
        _unrot,
        {"host": DATABASE, "file": FILE, "seed": SEED},
    ),
    Fault(
        "backup-bit-rot",
        "Some bytes flip in a file of a backup.",
        _rot_backup,
        _unrot,
        {"repository": REPOSITORY, "kind": Parameter("data, wal or manifest", "data"), "file": FILE, "seed": SEED},
    ),
    Fault(
        "wal-segment-missing",
        "A WAL segment is missing in a repository's archive.",
        _lose_segment,
        _return_segment,
        {"repository": REPOSITORY, "segment": Parameter("the segment's name; empty: one after the newest backup", ""), "seed": SEED},
    ),
)
