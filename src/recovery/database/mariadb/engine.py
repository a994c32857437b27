"""The verbs of the database modules for MariaDB: what library/database_*.py hands over when the cluster's engine is mariadb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...findings import Finding
from ..assess import Asked, Assessment
from ..host_state import HostState
from ..shell import Procedure
from ..sources import sources_of
from . import assess as assessing
from . import backup, command, place, removable, repository, server, setup, state, target, vault
from .place import Place
from .restore import MariadbRestore

__all__ = ["MariadbRestore", "assess", "change", "holdings_of", "is_mariadb", "look", "repositories", "target"]

ENGINE = "mariadb"
holdings_of = assessing.holdings_of


def is_mariadb(cluster: Mapping[str, Any]) -> bool:
    """Tell whether a cluster of the inventory is of this engine."""
    return cluster.get("engine") == ENGINE


# ---- database_backup ------------------------------------------------------------------------------------------------------------


def change(given: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Carry out a verb that brings the host into a state."""
    host, where = HostState(check=check), Place.parse(given["place"])
    result: dict[str, Any] = {}
    if given["verb"] == "prepare":
        result = setup.prepare(host, where)
    elif given["verb"] == "install":
        setup.install(host, where, given["place"], given["wanted"], given["secret_contents"], sources_of(command))
    elif given["verb"] == "start":
        setup.start(host, where)
    else:
        result = setup.rearm(host, where)
    return {"findings": [], "changed": bool(host.changes), "diff": host.diff, "changes": host.changes, **host.procedure.as_dict(), **result}


def look(given: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Carry out a verb that looks at a repository or adds to it."""
    where, procedure = Place.parse(given["place"]), Procedure()
    result: dict[str, Any] = {"changed": False}
    if given["verb"] == "state":
        with vault.acting(where):
            result["state"], findings = state.state(where, procedure, only=given["repository"])
    elif given["verb"] == "copy" or given["repository"] == "removable":
        findings = removable.check(where, procedure)
        if given["verb"] == "copy" and not findings:
            result["changed"] = True
            if not check:
                done = removable.copy(where, procedure)
                findings = done["findings"]
                result |= {"copied_at": done["copied_at"], "verified": done["verified"]}
    elif given["verb"] == "check":
        with vault.acting(where):
            findings = backup.check(where, procedure, rehearsal=check)
    elif check:
        findings = []
        result["changed"] = True
    else:
        with vault.acting(where):
            done = vault.fetch(where, procedure) if where.name == "offsite" else backup.back_up(where, given["type"], procedure)
        findings = done["findings"]
        # What is fetched from afar may be here already; a backup that is taken is always new.
        result |= {"changed": bool(done.get("fetched", True)), **{key: done[key] for key in ("backup", "manifest", "manifest_sha256")}}
        result["measured"] = {"backup_bytes": done["backup"]["size_bytes"], "backup_s": done["backup"]["took_s"], "writers_paused_ms": 0}
    return {**result, "findings": findings, **procedure.as_dict()}


# ---- database_assess, database_restore ------------------------------------------------------------------------------------------


def assess(given: Mapping[str, Any], wanted: target.Target, asked: Asked) -> Assessment:
    """Return the assessment of a restore (see recovery.database.assess.Assessment)."""
    cluster = server.server(given["cluster"])
    if given["server_only"]:
        return assessing.assess_server(cluster, asked.heartbeat)
    names = list(given["repositories"]) if given["source"] == "best" else [given["source"]]
    found = repositories(given, names)
    if not found:
        message = f"The inventory describes no {given['source']} repository for this database."
        remedy = "Describe it in database_systems, or take another source."
        return Assessment([Finding("no-repository", "stop", message, remedy=remedy)], {}, None, Procedure())
    return assessing.assess(cluster, found, given["source"], wanted, asked)


def repositories(given: Mapping[str, Any], names: Any) -> dict[str, repository.Repository]:
    """Return the repositories that the inventory describes, as this host reads them."""
    found: dict[str, repository.Repository] = {}
    disk: repository.Vault
    system = str(given["cluster"]["name"])
    for name in names:
        entry = given["repositories"].get(name)
        if entry and entry.get("host"):
            config = str(place.HOME / system / "ssh_config")
            destination = f"{place.vault_account(system)}@{entry['host']}"
            found[name] = repository.Vault(name, destination, config, "root", float(given["stall_timeout"]))
        elif entry and name == "removable":
            disk = repository.Vault(name, "", "", "root", float(given["stall_timeout"]))
            disk.command = [setup.COMMAND, system, "removable"]
            found[name] = disk
        elif entry:
            found[name] = repository.Repository(name, str(entry["path"]), str(entry.get("tail") or ""))
    return found
