"""Kinds of damage to a backup, each done at a place that a seed draws; with the codes by which a verdict may name it.

``Repo`` kinds change files of the repository. ``Source`` kinds harm the server before its next backup: the backup is then sound, the
database in it is not, and only a full proof can tell.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from recovery.database.manifest import ManifestError
from support.backups import STANZA, Judgement, Protected
from support.cluster import BIN, PAGE, as_postgres

UNREADABLE = {"backup-damaged", "repository-unreadable", "no-backup"}


@dataclass(frozen=True)
class Damage:
    """A kind of damage: what it does (returning the place), and which findings may name it."""

    name: str
    codes: frozenset[str]
    do: Callable[[Protected, random.Random], str]
    source: bool = False

    def outcome(self, judgement: Judgement, content: str) -> str:
        """Return named, misnamed, harmless (all rows came back as they were) or false pass; harm at the source is never harmless."""
        if judgement.phase:
            return "named" if any(code in self.codes for code, _ in judgement.findings) else "misnamed"
        return "harmless" if judgement.content == content and not self.source else "false pass"


def inflict(made: Protected, kind: Damage, dice: random.Random) -> str:
    """Do the damage to a copy and return its place; harm at the source is followed by a backup that carries it."""
    if not kind.source:
        return kind.do(made, dice)
    made.origin.start()
    place = kind.do(made, dice)
    with suppress(ManifestError):  # a backup whose manifest the harm kept from being taken is there all the same
        made.back_up("incr")
    made.origin.stop()
    return place


def flip(path: Path, dice: random.Random) -> str:
    """Turn one bit of a file over."""
    content = bytearray(path.read_bytes())
    at = dice.randrange(len(content))
    content[at] ^= 1 << dice.randrange(8)
    path.write_bytes(bytes(content))
    return f"{path.name} byte {at} of {len(content)}"


def cut(path: Path, dice: random.Random) -> str:
    """Cut a file off somewhere."""
    content = path.read_bytes()
    at = dice.randrange(len(content))
    path.write_bytes(content[:at])
    return f"{path.name} cut to {at} of {len(content)} bytes"


def remove(path: Path, dice: random.Random) -> str:
    """Remove a file."""
    path.unlink()
    return f"{path.name} removed"


def zero(path: Path, dice: random.Random) -> str:
    """Overwrite a block with zeros, as a disk does that lost it."""
    content = bytearray(path.read_bytes())
    size = min(512, len(content))
    at = dice.randrange(len(content) - size + 1)
    content[at : at + size] = bytes(size)
    path.write_bytes(bytes(content))
    return f"{path.name} bytes {at} to {at + size} zeroed"


def stored(made: Protected, dice: random.Random, number: int) -> Path:
    """Draw a file that lies in the full (0), differential (1) or incremental (2) backup and that the newest backup needs."""
    repository = made.repository()
    own = made.labels[number]
    needed = [
        name
        for name, entry in repository.manifest_files(made.labels[-1]).items()
        if int(entry.get("size", 0)) and str(entry.get("reference", made.labels[-1])) == own
    ]
    name = dice.choice(sorted(needed))
    return made.repo / "backup" / STANZA / own / f"{name}.lz4"


def in_backup(change: Callable[[Path, random.Random], str], number: int) -> Callable[[Protected, random.Random], str]:
    """Return a damage to a drawn file of one backup."""
    return lambda made, dice: f"{made.labels[number]}/" + change(stored(made, dice, number), dice)


def both(change: Callable[[Path, random.Random], str], path: str) -> Callable[[Protected, random.Random], str]:
    """Return the same damage to a catalogue and to its copy."""

    def do(made: Protected, dice: random.Random) -> str:
        first = made.repo / path.format(stanza=STANZA, label=made.labels[-1])
        place = change(first, dice)
        copy = first.with_name(first.name + ".copy")
        copy.unlink()
        if first.exists():
            shutil.copy(first, copy)
        return place + ", its copy too"

    return do


def segments(made: Protected) -> list[Path]:
    """Return the archived segments that the newest backup needs to become consistent, and later ones."""
    start = next(b for b in made.repository().contents().backups if b.label == made.labels[-1]).start_segment.name()
    found = sorted(path for path in (made.repo / "archive" / STANZA).rglob("0*-*.lz4"))
    return [path for path in found if path.name[:24] >= start]


def in_log(change: Callable[[Path, random.Random], str]) -> Callable[[Protected, random.Random], str]:
    """Return a damage to a drawn segment; not to the very last one, which nobody can miss where nothing follows it."""
    return lambda made, dice: change(dice.choice(segments(made)[:-1]), dice)


def swap_segments(made: Protected, dice: random.Random) -> str:
    """Exchange the contents of two segments, names and checksums in the names staying as they are."""
    one, other = segments(made)[0], segments(made)[1]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return f"{one.name[:24]} and {other.name[:24]}"


def swap_files(made: Protected, dice: random.Random) -> str:
    """Exchange two files of a backup."""
    one = stored(made, dice, 0)
    other = one
    while other == one or other.read_bytes() == one.read_bytes():
        other = stored(made, dice, 0)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return f"{one.name} and {other.name}"


def foreign(made: Protected, dice: random.Random) -> str:
    """Put another system's repository in the place of this one."""
    other = made.root.parent / "foreign"
    shutil.rmtree(made.repo)
    shutil.copytree(other / "repo", made.repo)
    as_owner(made.repo)
    return "the repository of another system"


def as_owner(path: Path) -> None:
    """Give a tree to postgres."""
    for one in (path, *path.rglob("*")):
        shutil.chown(one, "postgres", "postgres")


def foreign_backup(made: Protected, dice: random.Random) -> str:
    """Put another system's newest backup directory in the place of ours."""
    other = Protected(made.root.parent / "foreign", made.encrypted)
    theirs = sorted(path for path in (other.repo / "backup" / STANZA).iterdir() if path.is_dir() and path.name.endswith("F"))[-1]
    ours = made.repo / "backup" / STANZA / made.labels[0]
    shutil.rmtree(ours)
    shutil.copytree(theirs, ours)
    as_owner(ours)
    return f"{theirs.name} of another system as {ours.name}"


def foreign_log(made: Protected, dice: random.Random) -> str:
    """Put another system's segment in the place of ours."""
    ours = segments(made)[0]
    theirs = sorted((made.root.parent / "foreign" / "repo" / "archive" / STANZA).rglob("0*-*.lz4"))
    take = next((path for path in theirs if path.name[:24] == ours.name[:24]), theirs[-1])
    ours.unlink()
    place = ours.with_name(ours.name[:24] + take.name[24:])
    shutil.copy(take, place)
    shutil.chown(place, "postgres", "postgres")
    return f"{take.name[:24]} of another system"


def incomplete(made: Protected, dice: random.Random) -> str:
    """Leave of a backup's directory what an interrupted copy would: some of its files."""
    files = sorted(path for path in (made.repo / "backup" / STANZA / made.labels[0]).rglob("*.lz4"))
    gone = dice.sample(files, len(files) // 2)
    for path in gone:
        path.unlink()
    return f"{len(gone)} of {len(files)} files gone"


def holdings(change: str) -> Callable[[Protected, random.Random], str]:
    """Return a damage to what we wrote down of a backup's contents."""

    def do(made: Protected, dice: random.Random) -> str:
        path = made.repo / "manifests" / STANZA / f"{made.labels[-1]}.json"
        if change == "removed":
            path.unlink()
            return "removed"
        if change == "exchanged":
            shutil.copy(path.with_name(f"{made.labels[0]}.json"), path)
            return "that of the full backup"
        told = json.loads(path.read_text())
        name = dice.choice(sorted(told["tables"]))
        told["tables"][name]["rows"] += 1
        path.write_text(json.dumps(told))
        return f"rows of {name} altered"

    return do


# ---- harm at the source ----


def statements(sql: str) -> Callable[[Protected, random.Random], str]:
    """Return a harm done by statements behind the back of constraints and triggers; ``{n}`` is a drawn row."""

    def do(made: Protected, dice: random.Random) -> str:
        number = dice.randrange(300, 3000)
        made.origin.sql("SET session_replication_role = replica; SET allow_system_table_mods = on; " + sql.format(n=number))
        return f"row {number}"

    return do


def page(relation: str, change: Callable[[bytearray, random.Random], str]) -> Callable[[Protected, random.Random], str]:
    """Return a harm to a drawn page while the server is at rest; its checksum is then made right again, by the server's own tool."""

    def do(made: Protected, dice: random.Random) -> str:
        origin = made.origin
        path = origin.file(relation)
        origin.stop()
        content = bytearray(path.read_bytes())
        number = dice.randrange(1, len(content) // PAGE - 1)
        block = content[number * PAGE : (number + 1) * PAGE]
        told = change(block, dice)
        content[number * PAGE : (number + 1) * PAGE] = block
        path.write_bytes(bytes(content))
        for way in ("--disable", "--enable"):
            as_postgres(BIN / "pg_checksums", way, "--no-sync", "-D", origin.data)
        origin.start()
        return f"{relation} block {number}, {told}"

    return do


def _item(block: bytearray, dice: random.Random) -> tuple[int, int]:
    """Draw a line pointer of a page: where it stands and where its row begins."""
    count = (int.from_bytes(block[12:14], "little") - 24) // 4
    at = 24 + 4 * dice.randrange(1, count)
    return at, int.from_bytes(block[at : at + 4], "little") & 0x7FFF


def drop_row(block: bytearray, dice: random.Random) -> str:
    """Forget a row: its line pointer says unused, while the indexes still lead to it."""
    at, _ = _item(block, dice)
    block[at : at + 4] = bytes(4)
    return f"row {(at - 20) // 4} forgotten"


def alter_key(block: bytearray, dice: random.Random) -> str:
    """Alter the first column of a row, its key."""
    at, row = _item(block, dice)
    block[row + 24] ^= 0x10
    return f"row {(at - 20) // 4} has another key"


def wild_pointer(block: bytearray, dice: random.Random) -> str:
    """Let a line pointer lead behind the page's end."""
    at, _ = _item(block, dice)
    block[at : at + 4] = ((8190) | (1 << 15) | (64 << 17)).to_bytes(4, "little")
    return f"row {(at - 20) // 4} leads outside"


def _repo(name: str, codes: set[str], do: Callable[[Protected, random.Random], str]) -> Damage:
    return Damage(name, frozenset(codes), do)


def _source(name: str, codes: set[str], do: Callable[[Protected, random.Random], str]) -> Damage:
    return Damage(name, frozenset(codes), do, source=True)


BACKUP, LOG = {"backup-damaged"}, {"replay-failed", "wal-missing", "backup-damaged", "replay-short"}
INFO = "backup/{stanza}/backup.info"
LIST = "backup/{stanza}/{label}/backup.manifest"
ARCHIVE = "archive/{stanza}/archive.info"
DAMAGES: tuple[Damage, ...] = (
    _repo("bit flip in a file of the full backup", BACKUP, in_backup(flip, 0)),
    _repo("bit flip in a file of the differential backup", BACKUP, in_backup(flip, 1)),
    _repo("bit flip in a file of the incremental backup", BACKUP, in_backup(flip, 2)),
    _repo("file of the full backup cut off", BACKUP, in_backup(cut, 0)),
    _repo("file of the incremental backup cut off", BACKUP, in_backup(cut, 2)),
    _repo("file of the full backup missing", BACKUP, in_backup(remove, 0)),
    _repo("file of the differential backup missing", BACKUP, in_backup(remove, 1)),
    _repo("block of the full backup zeroed", BACKUP, in_backup(zero, 0)),
    _repo("two files of the full backup exchanged", BACKUP, swap_files),
    _repo("half of the full backup's files gone", BACKUP, incomplete),
    _repo("another system's backup under our label", BACKUP, foreign_backup),
    _repo("catalogue of backups with a flipped bit", UNREADABLE, both(flip, INFO)),
    _repo("catalogue of backups cut off", UNREADABLE, both(cut, INFO)),
    _repo("catalogue of backups missing", UNREADABLE, both(remove, INFO)),
    _repo("list of files with a flipped bit", UNREADABLE, both(flip, LIST)),
    _repo("list of files cut off", UNREADABLE, both(cut, LIST)),
    _repo("list of files missing", UNREADABLE, both(remove, LIST)),
    _repo("catalogue of the log with a flipped bit", UNREADABLE | LOG, both(flip, ARCHIVE)),
    _repo("catalogue of the log missing", UNREADABLE | LOG, both(remove, ARCHIVE)),
    _repo("segment of the log missing", {"wal-missing"}, in_log(remove)),
    _repo("segment of the log with a flipped bit", LOG, in_log(flip)),
    _repo("segment of the log cut off", LOG, in_log(cut)),
    _repo("two segments of the log exchanged", LOG, swap_segments),
    _repo("segment of another system's log", LOG, foreign_log),
    _repo("repository of another system", {"other-system"}, foreign),
    _repo("our manifest altered", BACKUP, holdings("altered")),
    _repo("our manifest exchanged", BACKUP, holdings("exchanged")),
    _repo("our manifest missing", {"backup-damaged", "repository-unreadable"}, holdings("removed")),
    _source("row forgotten on its page, checksum right", {"unique-keys", "heaps", "indexes"}, page("charge", drop_row)),
    _source("key altered on its page, checksum right", {"indexes", "unique-keys"}, page("charge", alter_key)),
    _source("row leads outside its page, checksum right", {"heaps", "rows-readable", "unique-keys"}, page("visit", wild_pointer)),
    _source(
        "index without an entry",
        {"indexes"},
        statements(
            "UPDATE pg_index SET indisready = false WHERE indexrelid = 'charge_visit'::regclass;"
            "INSERT INTO charge (visit_id, amount) VALUES ({n}, 1); UPDATE invoice SET total = total + 1 WHERE visit_id = {n};"
            "UPDATE pg_index SET indisready = true WHERE indexrelid = 'charge_visit'::regclass"
        ),
    ),
    _source("parent row deleted", {"foreign-keys"}, statements("DELETE FROM patient WHERE id = {n}")),
    _source("figure altered", {"business-rules"}, statements("UPDATE charge SET amount = amount + 7 WHERE id = {n}")),
    _source("sequence set back", {"sequences"}, statements("SELECT setval('charge_id_seq', {n})")),
    _source("column emptied that must be filled", {"check-constraints"}, statements(
        "UPDATE pg_attribute SET attnotnull = false WHERE attrelid = 'patient'::regclass AND attname = 'registered_at';"
        "UPDATE patient SET registered_at = NULL WHERE id = {n};"
        "UPDATE pg_attribute SET attnotnull = true WHERE attrelid = 'patient'::regclass AND attname = 'registered_at'"
    )),
)  # fmt: skip
