"""Fingerprints of a repository and of a running database, taken before and after a drill: what differs between them (RCV-5).

A repository's fingerprint is made where it lies, of every file's name, size, owner, rights and times of change: the time of the
inode cannot be set back by anybody. Production's log goes on arriving meanwhile, so new files of the archive are no change.
Standard library only.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..findings import Finding
from .cluster import Cluster
from .shell import psql

DIRECTORY = "/run/recovery/fingerprints"
SHOWN = 5
# Where production's log arrives in a repository, and how the description of a backup there is called.
LOG = ("archive/", "binlog/")
DESCRIPTIONS = ("/backup.manifest", "/backup.json", ".tar.enc")
Listing = dict[str, list[int]]

# What a drill could disturb, in the server's own words: identity, uptime, settings, doors, roles, schema.
_SERVER = {
    "system_identifier": "SELECT system_identifier FROM pg_control_system()",
    "timeline": "SELECT timeline_id FROM pg_control_checkpoint()",
    "started": "SELECT pg_postmaster_start_time()",
    "settings": "SELECT md5(string_agg(name || '=' || setting, ',' ORDER BY name)) FROM pg_settings "
    "WHERE source NOT IN ('client', 'session') AND name !~ '^(default_transaction_read_only|application_name)$'",
    "roles": "SELECT md5(string_agg(r::text, ',' ORDER BY rolname)) FROM pg_authid r",
    "databases": "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database",
    "slots": "SELECT string_agg(slot_name || ' ' || slot_type, ',' ORDER BY slot_name) FROM pg_replication_slots",
    "schema": "SELECT md5(string_agg(c.oid || ' ' || c.relname || ' ' || c.relkind::text || ' ' || c.relowner, ',' ORDER BY c.oid)) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_(temp|toast)' AND c.relpersistence = 'p'",
    "archiver_failures": "SELECT failed_count FROM pg_stat_archiver",
}


def scan(path: Path) -> Listing:
    """Return every file below a path: relative name -> [size, time of change, time of the inode, rights, owner]."""
    found: Listing = {}
    for directory, _, names in os.walk(path):
        for name in names:
            file = Path(directory) / name
            if name.endswith(".pgbackrest.tmp"):
                continue  # a segment that is just being stored
            try:
                state = file.lstat()
            except FileNotFoundError:
                continue
            found[str(file.relative_to(path))] = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_mode, state.st_uid]
    return found


def digest(listing: Listing) -> str:
    """Return one SHA-256 over a listing."""
    return hashlib.sha256(json.dumps(listing, sort_keys=True).encode()).hexdigest()


def keep(name: str, listing: Listing) -> None:
    """Keep a listing, in memory, where it was made: it is too long to carry about."""
    target = Path(DIRECTORY)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    with gzip.open(target / f"{name}.json.gz", "wt", encoding="utf-8") as stream:
        json.dump(listing, stream)


def kept(name: str) -> Listing | None:
    """Return a listing that was kept, and forget it; None if there is none."""
    path = Path(DIRECTORY) / f"{name}.json.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            found: Listing = json.load(stream)
    except (OSError, ValueError, EOFError):
        return None
    path.unlink()
    return found


def compare_repository(before: Listing, after: Listing, where: str) -> tuple[list[Finding], dict[str, Any]]:
    """Say what is not as it was. Log that production added is no change; a backup taken meanwhile makes the rest unprovable."""
    added = sorted(set(after) - set(before))
    removed = sorted(set(before) - set(after))
    changed = sorted(name for name in set(before) & set(after) if before[name] != after[name])
    log = [name for name in added if name.startswith(LOG)]
    others = [name for name in added if name not in log]
    same = {name: entry for name, entry in after.items() if name in before}
    figures = {
        "files": len(before),
        "digest_before": digest(before),
        "digest_after": digest(same),
        "log_added": len(log),
        "changed": len(changed) + len(removed) + len(others),
    }
    if not (changed or removed or others):
        return [], figures
    shown = "; ".join(
        f"{len(names)} {word} ({', '.join(names[:SHOWN])})"
        for word, names in (("changed", changed), ("gone", removed), ("new", others))
        if names
    )
    backed_up = any(name.startswith("backup/") and name.endswith(DESCRIPTIONS) for name in others)
    if backed_up:
        why = "A backup was taken while the drill ran, so what else changed cannot be told from it."
        return [Finding("repository-busy", "overridable", f"{where}: {shown}.", why, "Repeat the drill when no backup is due.")], figures
    why = "A drill must leave the repository as it was: nothing but production's own log may have been added."
    return [
        Finding("repository-changed", "stop", f"{where} is not as it was: {shown}.", why, "Find out who wrote there before trusting it.")
    ], figures


def server(cluster: Cluster) -> dict[str, str]:
    """Return what a running server is by its own word, and what its directory and configuration are on disk."""
    facts = {name: _ask(cluster, sql) for name, sql in _SERVER.items()}
    state = cluster.data.stat()
    facts["directory"] = f"{state.st_dev}:{state.st_ino}"
    parts = sorted(path for path in Path(cluster.config_directory).rglob("*") if path.is_file())
    facts["configuration"] = hashlib.sha256(b"".join(str(p).encode() + b"\0" + p.read_bytes() for p in parts)).hexdigest()
    return facts


def _ask(cluster: Cluster, sql: str) -> str:
    rows = psql(sql, database=cluster.name, port=cluster.port, timeout=20)
    return rows[0][0] if rows else ""


def compare_server(before: Mapping[str, str], after: Mapping[str, str]) -> list[Finding]:
    """Say which of production's facts are not as they were."""
    differing = [name for name in before if before[name] != after.get(name)]
    if not differing:
        return []
    told = "; ".join(f"{name} was {before[name] or 'empty'}, is {after.get(name) or 'empty'}" for name in differing)
    why = "A drill must not be felt in production."
    return [Finding("production-changed", "stop", f"Production is not as it was before the drill: {told}.", why, "Find out what did it.")]
