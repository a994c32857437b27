"""From a module's parameters to the things they name: the same words for every database module. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .cluster import Cluster
from .pgbackrest import Repository

RUNTIME = "/run/recovery"

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


def cluster(values: Mapping[str, Any]) -> Cluster:
    """Read the inventory's description of a cluster (``database_cluster``)."""
    return Cluster(
        name=str(values["name"]),
        version=str(values["version"]),
        data_directory=str(values["data_directory"]).rstrip("/"),
        config_directory=str(values["config_directory"]),
        service=str(values["service"]),
        port=int(values.get("port", 5432)),
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
        )
        found[name] = repository.write_config(runtime(here), here.data_directory)
        found[name].connect()
    return found


def slots(values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the replication slots by which the repositories' WAL tails follow the server."""
    return [str(entry["slot"]) for entry in values.values() if entry.get("slot")]


def tails(values: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return repository name -> directory of its WAL tail, for repositories that have one."""
    return {name: str(entry["tail"]) for name, entry in values.items() if entry.get("tail")}
