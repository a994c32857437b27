"""From a module's parameters to the things they name: the same words for every database module. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .cluster import Cluster
from .pgbackrest import STALL_TIMEOUT_S, Repository

RUNTIME = "/run/recovery"
READER = "backup_reader"

COMMON_ARGUMENTS: dict[str, dict[str, Any]] = {
    "cluster": {"type": "dict", "required": True},
    "repositories": {"type": "dict", "default": {}},
    "ciphers": {"type": "dict", "default": {}, "no_log": True},
}


def runtime(cluster: Cluster) -> str:
    """Return the directory in memory where a recovery of this cluster keeps sockets, configuration and log tails."""
    return f"{RUNTIME}/{cluster.name}"


def run_id(values: Mapping[str, Any]) -> str:
    """Return which run asks, as the decision carries it; it stands in the state file for people to read."""
    return str((values.get("decision") or {}).get("run", ""))


def cluster(values: Mapping[str, Any], port: int = 5432) -> Cluster:
    """Read the inventory's description of a cluster (``database_cluster``); ``port`` is the engine's own."""
    return Cluster(
        name=str(values["name"]),
        version=str(values["version"]),
        data_directory=str(values["data_directory"]).rstrip("/"),
        config_directory=str(values["config_directory"]),
        service=str(values["service"]),
        port=int(values.get("port", port)),
    )


def repositories(
    values: Mapping[str, Mapping[str, Any]],
    ciphers: Mapping[str, str],
    stanza: str,
    here: Cluster,
    names: Iterable[str] | None = None,
) -> dict[str, Repository]:
    """Read the inventory's repositories and write, in memory, the configuration by which each is read."""
    wanted = list(values) if names is None else [n for n in names if n in values]
    found: dict[str, Repository] = {}
    for name in wanted:
        entry = values[name]
        repository = Repository(
            name=name,
            path=str(entry["path"]),
            stanza=stanza,
            host=str(entry.get("address") or entry.get("host") or "") if entry.get("host") else "",
            host_user=str(entry.get("reader", "offsite_reader")),
            cipher_pass=str(ciphers.get(name) or ""),
            stall_timeout=int(entry.get("stall_timeout", STALL_TIMEOUT_S)),
        )
        found[name] = repository.write_config(runtime(here), here.data_directory)
        found[name].connect()
    return found


def seen_from_elsewhere(
    values: Mapping[str, Mapping[str, Any]], production: Mapping[str, Any], production_host: str
) -> dict[str, Mapping[str, Any]]:
    """Return the repositories as another host sees them: what lies on the database server is read through its reading door.

    A repository whose disk is mounted on this host (a removable disk that was carried here) is read where it is.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for name, entry in values.items():
        here = (Path(str(entry["path"])) / "backup" / str(production["stanza"])).is_dir()
        door = {"host": production_host, "address": production.get("address"), "reader": entry.get("reader", READER)}
        found[name] = entry if entry.get("host") or here else {**entry, **door}
    return found


def patient(values: Mapping[str, Mapping[str, Any]], seconds: int) -> dict[str, dict[str, Any]]:
    """Return the repositories with how long one may be silent before it counts as lost, where they do not say it themselves."""
    return {name: {"stall_timeout": seconds, **entry} for name, entry in values.items()}


def seconds(text: str) -> float | None:
    """Read a number of seconds that an operator gave; None if he gave none. Raises ValueError with what to write instead."""
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ValueError(f"'{text}' is not a number of seconds. Write the recovery point asked for as -e rpo=300.")
    return value


def slots(values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the replication slots by which the repositories' WAL tails follow the server."""
    return [str(entry["slot"]) for entry in values.values() if entry.get("slot")]


def tails(values: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return repository name -> directory of its WAL tail, for repositories that have one."""
    return {name: str(entry["tail"]) for name, entry in values.items() if entry.get("tail")}
