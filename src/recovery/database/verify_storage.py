"""Is every page on the disk intact, and do tables and indexes agree: page checksums and amcheck, over everything.

Page checksums are computed by PostgreSQL's own pg_checksums, which insists on a server at rest. It is shown a directory that
looks like one: the real data files behind a link, and a copy of pg_control that says "shut down". Nothing in the real data
directory is touched. A page that the running server was just writing can look torn, so a suspect file is read again before
anybody is alarmed: only a page that is wrong every time is damaged.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from .shell import CommandError
from .verify_ledger import Ledger
from .verify_session import Task, Worker, is_damage, one, rows, sentence

CHECKSUMS, HEAPS, INDEXES = "page-checksums", "heaps", "indexes"
PAGE = 8192
_REBUILD = "Restore again, from another backup if this one is the cause: -e source=best."
_REINDEX = "If every table is proven intact: REINDEX INDEX CONCURRENTLY. Else restore again."

_AGAIN_S = (0.0, 0.2, 1.0, 3.0)  # a page being written, a file being made or dropped: over within one of these pauses


# ---- page checksums ----


def crc32c(data: bytes) -> int:
    """Return the Castagnoli CRC that closes pg_control."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def control_at_rest(control: bytes) -> bytes:
    """Return pg_control with the state "shut down" and the CRC to match. Raises ValueError if it is damaged itself."""
    state_at, shut_down = 16, 1
    for end in range(128, 512, 4):
        if struct.unpack_from("<I", control, end)[0] == crc32c(control[:end]):
            changed = control[:state_at] + struct.pack("<I", shut_down) + control[state_at + 4 : end]
            return changed + struct.pack("<I", crc32c(changed)) + control[end + 4 :]
    raise ValueError("pg_control carries no valid checksum of its own: it is damaged")


@contextmanager
def likeness_at_rest(data_directory: str) -> Iterator[Path]:
    """Make a directory that pg_checksums takes for the cluster at rest: links to the data, a copy of the small rest."""
    real = Path(data_directory)
    likeness = Path(tempfile.mkdtemp(prefix="recovery-proof-"))
    try:
        shutil.copy(real / "PG_VERSION", likeness)
        (likeness / "base").symlink_to(real / "base")
        (likeness / "global").mkdir()
        for file in (real / "global").iterdir():
            if file.is_file() and file.name != "pg_control":
                shutil.copyfile(file, likeness / "global" / file.name)
        (likeness / "global" / "pg_control").write_bytes(control_at_rest((real / "global" / "pg_control").read_bytes()))
        (likeness / "pg_tblspc").mkdir()
        for link in (real / "pg_tblspc").iterdir():
            (likeness / "pg_tblspc" / link.name).symlink_to(link.resolve())
        yield likeness
    finally:
        shutil.rmtree(likeness)


def read_checksums(bindir: str, data_directory: str, filenode: str = "") -> tuple[set[tuple[str, int]], int, int]:
    """Read every page (of one filenode) once: damaged (file, block) pairs, pages and files read. Raises CommandError, OSError."""
    argv = [f"{bindir}/pg_checksums", "--check"] + (["--filenode", filenode] if filenode else [])
    with likeness_at_rest(data_directory) as likeness:
        done = subprocess.run(
            [*argv, "-D", str(likeness)],
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        )
        said = done.stderr.replace(f"{likeness}/", "")
    bad = re.findall(r'checksum verification failed in file "([^"]+)", block (\d+)', said)
    counted = {word: int(number) for word, number in re.findall(r"^(\w+) (?:scanned|checksums): +(\d+)$", done.stdout, re.M)}
    if "Blocks" not in counted or counted.get("Bad", -1) != len(bad):
        raise CommandError(argv, done.returncode, said or done.stdout)
    return {(file, int(block)) for file, block in bad}, counted["Blocks"], counted["Files"]


def patient_checksums(bindir: str, data_directory: str, ledger: Ledger) -> set[tuple[str, int]]:
    """Read every page on the disk, and what looked wrong again; return what was wrong every time."""
    for pause in _AGAIN_S:
        time.sleep(pause)
        try:
            suspects, pages, files = read_checksums(bindir, data_directory)
            break
        except (CommandError, OSError):
            if pause == _AGAIN_S[-1]:
                raise
    ledger.figure(CHECKSUMS, pages=pages, files=files, bytes=pages * PAGE)
    for pause in _AGAIN_S[1:]:
        if not suspects:
            break
        time.sleep(pause)
        seen: set[tuple[str, int]] = set()
        for filenode in sorted({re.split(r"[._]", file.rsplit("/", 1)[-1])[0] for file, _ in suspects}):
            seen |= read_checksums(bindir, data_directory, filenode)[0]
        suspects &= seen
    return suspects


def _relation_of(worker: Worker, file: str) -> str:
    """Name the relation a file belongs to, or the file where the catalogue cannot be asked."""
    try:
        return _named(worker, file)
    except psycopg2.Error:
        worker.recover()
        return file


def _named(worker: Worker, file: str) -> str:
    found = re.match(r"(?:base/(\d+)|global)/(\d+)(_\w+)?", file)
    if not found:
        return file
    database, filenode, fork = found.groups()
    (ours,) = one(worker.present, "SELECT oid::text FROM pg_database WHERE datname = current_database()")
    tablespace = "pg_default" if database else "pg_global"
    if database in (None, ours):
        (name,) = one(
            worker.present,
            "SELECT pg_filenode_relation(CASE WHEN t.oid = d.dattablespace THEN 0 ELSE t.oid END, %s)::regclass::text"
            " FROM pg_tablespace t, pg_database d WHERE t.spcname = %s AND d.datname = current_database()",
            (int(filenode), tablespace),
        )
        if name:
            return str(name) + (f" ({fork[1:]} map)" if fork else "")
    if database and database != ours:
        named = rows(worker.present, "SELECT datname FROM pg_database WHERE oid = %s", (int(database),))
        return f"filenode {filenode} of database {named[0][0] if named else database}"
    return f"filenode {filenode}"


def checksum_tasks(connection: Any, ledger: Ledger) -> list[Task]:
    """Announce and return the reading of every page of every database on the disk."""
    ledger.announce(CHECKSUMS, "Every page on the disk carries its right checksum")
    enabled, directory, bindir, size = one(
        connection,
        "SELECT current_setting('data_checksums'), current_setting('data_directory'),"
        " (SELECT setting FROM pg_config WHERE name = 'BINDIR'), (SELECT sum(pg_database_size(oid))::bigint FROM pg_database)",
    )
    if enabled != "on":
        ledger.unverified(
            CHECKSUMS,
            "Data checksums are off, so a damaged page cannot be told from a sound one.",
            remedy="Enable them while the server is stopped: pg_checksums --enable.",
        )
        return []

    def read(worker: Worker) -> None:
        with ledger.timed(CHECKSUMS):
            damaged = patient_checksums(bindir, directory, ledger)
            files: dict[str, list[int]] = {}
            for file, block in sorted(damaged):
                files.setdefault(file, []).append(block)
            ledger.announce(CHECKSUMS, "", max(0, len(files) - 1))
            for file, blocks in files.items():
                shown = ", ".join(map(str, blocks[:5])) + ("..." if len(blocks) > 5 else "")
                ledger.failed(
                    CHECKSUMS,
                    f"{_relation_of(worker, file)}: {len(blocks)} damaged pages in {file} (block {shown}).",
                    why="The disk returns something else than the server once wrote.",
                    remedy=_REBUILD,
                )
            if not files:
                ledger.passed(CHECKSUMS)

    def failed(error: BaseException) -> None:
        ledger.unverified(CHECKSUMS, f"The pages could not be read through: {sentence(error)}.")

    return [Task(float(size) * 1.0, CHECKSUMS, "pages on the disk", read, failed)]


# ---- tables and indexes ----

_HEAPS = """
SELECT c.oid, c.oid::regclass::text, pg_relation_size(c.oid)
FROM pg_class c
WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't' AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap')
"""
_INDEXES = """
SELECT c.oid, c.oid::regclass::text || ' of ' || i.indrelid::regclass::text,
       pg_relation_size(c.oid) + pg_relation_size(i.indrelid)
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relkind = 'i' AND c.relpersistence <> 't' AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
  AND i.indisvalid AND i.indisready
"""


def amcheck_tasks(connection: Any, ledger: Ledger) -> list[Task]:
    """Announce and return one task for each table (with TOAST) and each B-tree index of the database, catalogues included."""
    home = rows(connection, "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
                            " WHERE e.extname = 'amcheck'")  # fmt: skip
    heaps, indexes = _sizes(connection, _HEAPS), _sizes(connection, _INDEXES)
    ledger.announce(HEAPS, "Every block of every table and its TOAST can be read and is well formed", len(heaps))
    ledger.announce(INDEXES, "Every B-tree index is well formed and has an entry for every row", len(indexes))
    if not home:
        for code in (HEAPS, INDEXES):
            ledger.unverified(
                code,
                "The extension amcheck is not installed in this database; a proof that only reads does not install it.",
                remedy="CREATE EXTENSION amcheck; (in the original, so that every backup carries it).",
            )
        return []
    schema = home[0][0]
    tasks = [_task(ledger, HEAPS, f"{schema}.verify_heapam", oid, name, cost) for oid, name, cost in heaps]
    return tasks + [_task(ledger, INDEXES, f"{schema}.bt_index_check", oid, name, cost * 2) for oid, name, cost in indexes]


def _sizes(connection: Any, sql: str) -> list[tuple[int, str, int]]:
    return [(oid, name, size or 0) for oid, name, size in rows(connection, sql)]


def _task(ledger: Ledger, code: str, function: str, oid: int, name: str, cost: int) -> Task:
    def check(worker: Worker) -> None:
        with ledger.timed(code):
            try:
                if code == HEAPS:
                    sql = f"SELECT blkno, offnum, attnum, msg FROM {function}(%s, check_toast => true) LIMIT 200"  # noqa: S608
                    _report_heap(rows(worker.present, sql, (oid,)))
                else:
                    rows(worker.present, f"SELECT {function}(%s, true)", (oid,))
            except Exception:
                if not rows(worker.present, "SELECT 1 FROM pg_class WHERE oid = %s", (oid,)):
                    ledger.passed(code)  # dropped while the proof ran: nothing is left to be wrong
                    return
                raise
        ledger.passed(code)

    def failed(error: BaseException) -> None:
        if isinstance(error, _HeapDamageError) or is_damage(error):
            what, remedy = ("Table", _REBUILD) if code == HEAPS else ("Index", _REINDEX)
            ledger.failed(code, f"{what} {name}: {sentence(error)}.", remedy=remedy)
        else:
            ledger.unverified(code, f"{name} could not be checked: {sentence(error)}.")

    return Task(float(cost), code, name, check, failed)


class _HeapDamageError(Exception):
    """What verify_heapam reports as rows rather than as an error."""


def _report_heap(found: list[tuple[Any, ...]]) -> None:
    if found:
        block, offset, attribute, message = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        column = f", column {attribute}" if attribute is not None else ""
        raise _HeapDamageError(f"block {block}, row {offset}{column}: {message}{more}")
