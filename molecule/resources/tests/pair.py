"""The pair of database servers, seen from outside: SQL on either host, and what the wire says."""

from __future__ import annotations

import subprocess
from typing import Any

from hospital import STATE, host

SERVERS = ("his-db", "his-db-2")
ADDRESS = "10.20.10.10"


def ask(server: str, query: str) -> str:
    """Ask one of the two servers on its own host; empty if it does not answer."""
    done = host(server).run("runuser -u postgres -- psql -X -q -A -t -v ON_ERROR_STOP=1 -d his -c %s", query)
    return str(done.stdout).strip() if done.rc == 0 else ""


def serving() -> list[str]:
    """Return the servers that accept work, each asked by a write that is rolled back."""
    write = "begin; insert into heartbeat (source) values ('test') returning 'written'; rollback"
    return [server for server in SERVERS if on(server) and ask(server, write) == "written"]


def on(server: str) -> bool:
    """Tell whether a host can be logged in to."""
    command = ["ssh", "-F", str(STATE / "ssh_config"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", "-o", "ControlPath=none"]
    return subprocess.run([*command, server, "true"], capture_output=True, check=False).returncode == 0


def holders() -> list[str]:
    """Return the hosts that have the service address on an interface."""
    return [server for server in SERVERS if on(server) and f" {ADDRESS}/" in host(server).check_output("ip -o -4 address show")]


def follows(server: str) -> dict[str, Any]:
    """Return what a standby's receiver says, by PostgreSQL's own view."""
    status, sender = (ask(server, "select status, sender_host from pg_stat_wal_receiver") or "|").split("|")
    return {"status": status, "sender": sender}


def lives() -> dict[str, str]:
    """Return what changes if anybody restarts, promotes or rebuilds one of the two servers."""
    query = "select pg_postmaster_start_time(), pg_is_in_recovery(), (pg_control_checkpoint()).timeline_id"
    return {server: ask(server, query) for server in SERVERS}
