"""Two servers of one database, of which exactly one serves (BKP-5): what a server is, and what its partner says. Standard library only."""

from __future__ import annotations

import errno
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .cluster import OWNER, Cluster, control_data, free_bytes, intact, postmaster_pid, service_active
from .shell import CommandError, now, psql, run
from .wal import parse_lsn

PASSWORDS = "/etc/postgresql/standby.pgpass"
# What the guard of a pair reads: how the other one is asked, among others.
GUARD = Path("/etc/hospital-standby.json")
# A lost partner must be noticed by the receiver at once, not after the kernel's two hours.
KEEPALIVE = "connect_timeout=3 keepalives_idle=2 keepalives_interval=1 keepalives_count=3"
# How far back what workstations saw saved is compared with a standby, before the newest transaction that it has. Seconds.
RECENT_S = 600

_FACTS = """
SELECT pg_is_in_recovery(),
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_flush_lsn() END,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END,
       extract(epoch FROM pg_last_xact_replay_timestamp()),
       extract(epoch FROM clock_timestamp()),
       system_identifier,
       CASE WHEN pg_is_in_recovery() THEN (SELECT received_tli FROM pg_stat_wal_receiver)
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
       (SELECT status FROM pg_stat_wal_receiver),
       (SELECT sender_host FROM pg_stat_wal_receiver),
       current_setting('server_version')
FROM pg_control_system()
"""


@dataclass(frozen=True)
class Partner:
    """How the other server is reached for streaming: ``account`` may replicate and nothing else; its password is in ``PASSWORDS``."""

    name: str
    address: str
    port: int
    account: str

    def conninfo(self, application: str, *, database: str = "") -> str:
        """Return the connection string by which a standby streams, or asks an ordinary ``database``; it carries no secret."""
        where = f"host={self.address} port={self.port} user={self.account} passfile={PASSWORDS}"
        sure = "sslmode=require channel_binding=require"  # who does not know the password's verifier is not the partner
        return f"{where} {sure} application_name={application} {KEEPALIVE}" + (f" dbname={database}" if database else "")

    def ask(self, timeout: float = 8) -> dict[str, Any] | None:
        """Return what the partner says of itself (system, timeline, position, whether it is a standby), None if it says nothing."""
        return _identify(self.conninfo("standby-question"), timeout)


def _identify(login: str, timeout: float) -> dict[str, Any] | None:
    command = ["psql", "-X", "-q", "-A", "-t", "-w", "-d", f"{login} dbname=replication replication=true"]
    try:
        lines = run([*command, "-c", "IDENTIFY_SYSTEM", "-c", "SHOW in_hot_standby"], user=OWNER, timeout=timeout).splitlines()
        system, timeline, position = lines[0].split("|")[:3]
        standby = lines[1].strip() == "on"
    except (CommandError, ValueError, IndexError):
        return None
    return {"system_identifier": system, "timeline": int(timeline), "lsn": position, "standby": standby}


def other_of_pair(guard: Path = GUARD, timeout: float = 8) -> dict[str, Any] | None:
    """Return what the other server of this host's pair says of itself; None if it says nothing, or this host is none of a pair."""
    try:
        login = str(json.loads(guard.read_text(encoding="utf-8"))["partner_conninfo"])
    except (OSError, ValueError, KeyError):
        return None
    return _identify(login, timeout)


def slot_of(name: str) -> str:
    """Return the replication slot of a host that follows."""
    return "standby_" + "".join(c if c.isalnum() else "_" for c in name.lower())


def look(cluster: Cluster, service_address: str = "") -> dict[str, Any]:
    """Return what this server is: its data, whether it runs, serves or follows, how far it is, whether it holds the service address."""
    data = cluster.data
    control = control_data(cluster, data)
    facts: dict[str, Any] = {
        "at": now(),
        "data": data.exists() and any(data.iterdir()),
        "intact": intact(data),
        "standby_signal": (data / "standby.signal").exists(),
        "system_identifier": control.get("Database system identifier", ""),
        "timeline": int(control.get("Latest checkpoint's TimeLineID", "0")),
        "control_state": control.get("Database cluster state", ""),
        "checkpoint": control.get("Latest checkpoint location", ""),
        "checksums": control.get("Data page checksum version", "0") != "0",
        "running": service_active(cluster.service) or postmaster_pid(data) is not None,
        "fenced": cluster.fence.exists(),
        "free_bytes": free_bytes(data.parent),
        "address_held": bool(service_address) and holds(service_address),
        "installed": (cluster.binaries / "postgres").exists(),
        "answers": False,
    }
    try:
        row = psql(_FACTS, database="postgres", port=cluster.port, timeout=8)[0]
    except CommandError as error:
        return facts | {"said": error.output[-300:]}
    recovering = row[0] == "t"
    return facts | {
        "answers": True,
        "standby": recovering,
        "received": row[1],
        "replayed": row[2],
        "replayed_at": float(row[3]) if row[3] else None,
        "clock": float(row[4]),
        "system_identifier": row[5],
        "timeline": int(row[6]) if row[6] else facts["timeline"],
        "receiver": row[7],
        "sender": row[8],
        "server_version": row[9],
        "recent": _iso((float(row[3]) if row[3] else float(row[4])) - RECENT_S),
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def serves(facts: Mapping[str, Any]) -> bool:
    """Tell from its facts whether a server accepts the wards' work."""
    return bool(facts.get("answers")) and not facts.get("standby")


def holds(address: str) -> bool:
    """Tell whether this host has an address: only then can it be bound to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return False
            raise
    return True


def knock(address: str, port: int, timeout: float = 2.0) -> str:
    """Knock at a TCP port: ``open`` (somebody answers), ``refused`` (the host lives, nobody serves there) or ``silent``."""
    try:
        with socket.create_connection((address, port), timeout=timeout):
            return "open"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "silent"


def reach(address: str, ports: Mapping[str, int]) -> dict[str, Any]:
    """Knock at each port of a host: ``silent`` only if none of them gave any sign of life."""
    answers = {name: knock(address, port) for name, port in ports.items()}
    return {"doors": answers, "silent": set(answers.values()) == {"silent"}, "serving": answers.get("database") == "open"}


@dataclass(frozen=True)
class Lag:
    """How far a standby is behind: bytes of log not replayed, and the age of what it has (seconds; 0 when nothing is missing)."""

    bytes: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return it for a module's result."""
        return asdict(self)


def lag(facts: Mapping[str, Any], primary_lsn: str) -> Lag:
    """Compare a standby's facts with the position of its primary."""
    behind = max(0, parse_lsn(primary_lsn) - parse_lsn(str(facts.get("replayed") or "0/0")))
    replayed_at = facts.get("replayed_at")
    age = max(0.0, float(facts["clock"]) - replayed_at) if behind and replayed_at else 0.0
    return Lag(behind, round(age, 3))


def wait_until_following(cluster: Cluster, timeout: float = 90) -> dict[str, Any]:
    """Wait until the server of this host streams; return its facts, whatever they are, after ``timeout`` seconds without progress."""
    deadline, seen = time.monotonic() + timeout, ""
    while True:
        facts = look(cluster)
        if facts.get("receiver") == "streaming" or time.monotonic() > deadline:
            return facts
        if facts.get("replayed", "") != seen:  # archived log is still being replayed
            deadline, seen = time.monotonic() + timeout, str(facts.get("replayed", ""))
        time.sleep(0.2)


def log_tail(cluster: Cluster, size: int = 1500) -> str:
    """Return the end of the server's own log (Debian's place), for a sentence about why it does not follow."""
    path = Path(f"/var/log/postgresql/postgresql-{cluster.version}-{cluster.data.name}.log")
    try:
        return path.read_text(encoding="utf-8", errors="replace")[-size:]
    except OSError:
        return ""
