"""A standby takes over (BKP-5): it becomes the one server that accepts work, and takes the service address. Standard library only."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .backup_server import have_slots
from .cluster import Cluster
from .errors import RestoreError
from .host_state import HostState
from .shell import CommandError, Procedure, psql, run
from .standby import holds, knock, look, serves
from .wal import parse_lsn

_ETHERNET_ARP = 0x0806
_REQUEST, _REPLY = 1, 2


def promote(cluster: Cluster, procedure: Procedure, slots: Sequence[str], *, complete_to: str = "") -> dict[str, Any]:
    """Replay what was received, then accept work. Returns the server's facts.

    ``slots`` are made before anybody writes, so that no follower misses the beginning of the new history. ``complete_to``: the
    position at which the old server was closed in good order; short of it nothing is promoted (RestoreError).
    """
    facts = look(cluster)
    if serves(facts):
        return facts
    with procedure.step("Replay everything that was received"):
        facts = _replay_all(cluster, complete_to)
    with procedure.step("Keep the new history from its first byte for the tails and the other server"):
        have_slots(HostState(check=False, procedure=procedure), cluster.port, slots)
    with procedure.step("Let the standby accept work"):
        procedure.commands.append("SELECT pg_promote(true, 60)")
        done = psql("SELECT pg_promote(true, 60)", database="postgres", port=cluster.port, timeout=70, read_only=False)
        if done != [["t"]]:
            raise RestoreError(
                "The standby did not become a server that accepts work within 60 s.", "promotion-failed", "Read its log, then repeat."
            )
    procedure.milestone("system_up", "the standby accepts work")
    return look(cluster) | {"received_before": facts["received"]}


def _replay_all(cluster: Cluster, complete_to: str, timeout: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    while True:
        facts = look(cluster)
        replayed, received = (parse_lsn(str(facts.get(name) or "0/0")) for name in ("replayed", "received"))
        if replayed >= received and (not complete_to or replayed > parse_lsn(complete_to)):
            return facts
        if time.monotonic() > deadline:
            if complete_to and replayed <= parse_lsn(complete_to):
                raise RestoreError(
                    f"The old server was closed at {complete_to}, the standby has only {facts.get('replayed')}: something would be lost.",
                    "standby-incomplete",
                    "Start the old server again (recovery run database_rollback), look at the line between the two, and repeat.",
                )
            raise RestoreError(f"The standby has not replayed what it received within {timeout:.0f} s.", "replay-failed", "Read its log.")
        time.sleep(0.1)


# ---- the service address --------------------------------------------------------------------------------------------------


def take_address(address: Mapping[str, Any], procedure: Procedure) -> bool:
    """Hold the service address on this host, now and after a reboot, and tell the neighbours. Returns whether it was not held before.

    Raises RestoreError while another host answers for it.
    """
    if holds(str(address["address"])):
        announce(str(address["interface"]), str(address["address"]))
        return False
    other = who_has(str(address["interface"]), str(address["address"]))
    if other:
        raise RestoreError(
            f"The service address {address['address']} is still answered for by {other}.",
            "address-held",
            "Stop that host, or take the address from it; two hosts with one address would share the wards' work at random.",
        )
    with procedure.step(f"Take the service address {address['address']} and tell the neighbours"):
        procedure.run(["systemctl", "enable", "--now", str(address["unit"])], timeout=60)
        if not holds(str(address["address"])):
            raise RestoreError(f"{address['unit']} was started and the address is not here.", "address-missing", "Read that unit's log.")
        announce(str(address["interface"]), str(address["address"]))
    return True


def leave_address(address: Mapping[str, Any], procedure: Procedure) -> bool:
    """Let the service address go, now and after a reboot. Returns whether it was held."""
    held = holds(str(address["address"]))
    with procedure.step(f"Let the service address {address['address']} go"):
        procedure.run(["systemctl", "disable", "--now", str(address["unit"])], timeout=60, accept=(0, 1, 5))
    if holds(str(address["address"])):
        raise RestoreError(
            f"The address {address['address']} is still on this host.", "address-held", f"Find out who sets it besides {address['unit']}."
        )
    return held


def _hardware(interface: str) -> bytes:
    return bytes.fromhex(Path(f"/sys/class/net/{interface}/address").read_text(encoding="ascii").strip().replace(":", ""))


def _arp(operation: int, mac: bytes, sender: bytes, target: bytes) -> bytes:
    """Return an ARP frame to everybody (RFC 826; as an announcement RFC 5227, 3)."""
    head = b"\xff" * 6 + mac + struct.pack("!H", _ETHERNET_ARP)
    return head + struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + sender + b"\0" * 6 + target


def announce(interface: str, address: str, times: int = 3) -> None:
    """Tell every neighbour that the address is here now."""
    mac, mine = _hardware(interface), socket.inet_aton(address)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERNET_ARP)) as wire:
        wire.bind((interface, 0))
        for _ in range(times):
            wire.send(_arp(_REQUEST, mac, mine, mine))
            wire.send(_arp(_REPLY, mac, mine, mine))
            time.sleep(0.05)


def who_has(interface: str, address: str, wait_s: float = 0.5) -> str:
    """Ask the neighbours who answers for an address (RFC 5227 probe); return the hardware address, empty if nobody does."""
    mac, wanted = _hardware(interface), socket.inet_aton(address)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERNET_ARP)) as wire:
        wire.bind((interface, _ETHERNET_ARP))
        for _ in range(2):
            wire.send(_arp(_REQUEST, mac, b"\0" * 4, wanted))
            until = time.monotonic() + wait_s
            while (left := until - time.monotonic()) > 0:
                wire.settimeout(left)
                with suppress(socket.timeout):
                    frame = wire.recv(128)
                    if len(frame) >= 42 and frame[20:22] == b"\0\2" and frame[28:32] == wanted and frame[22:28] != mac:
                        return ":".join(f"{byte:02x}" for byte in frame[22:28])
    return ""


# ---- no two --------------------------------------------------------------------------------------------------------------


def sole(
    cluster: Cluster, address: Mapping[str, Any], expected: Mapping[str, Any], old: Mapping[str, Any] | None, old_doors: Mapping[str, Any]
) -> list[str]:
    """Return what speaks against exactly one server accepting work, in sentences; nothing if it is so.

    ``expected``: system_identifier and timeline before; ``old``: the old server's own facts, None where it is out of reach.
    """
    facts = look(cluster, str(address.get("address", "")))
    wrong: list[str] = []
    if not serves(facts):
        wrong.append("this server does not accept work")
    elif psql("SELECT pg_current_xact_id() IS NOT NULL", database=cluster.name, port=cluster.port, read_only=False) != [["t"]]:
        wrong.append("this server does not give out transaction numbers")
    if facts["system_identifier"] != str(expected.get("system_identifier", "")):
        wrong.append(f"this is system {facts['system_identifier']}, {expected.get('system_identifier')} was promoted")
    if int(facts["timeline"]) <= int(expected.get("timeline", 0)):
        wrong.append(f"no new history was begun (timeline {facts['timeline']})")
    if address and not facts["address_held"]:
        wrong.append(f"the service address {address['address']} is not here")
    if old is not None:
        if old.get("running") or old.get("answers"):
            wrong.append("the old server runs")
        if not old.get("fenced"):
            wrong.append("the old server is not fenced: it would start with its host")
        if old.get("address_held"):
            wrong.append("the old server still holds the service address")
    elif not old_doors.get("silent"):
        doors = ", ".join(f"{door} {answer}" for door, answer in (old_doors.get("doors") or {}).items())
        wrong.append(f"the old server's host gives signs of life ({doors or 'not looked'}) and cannot be asked")
    if address and (other := who_has(str(address["interface"]), str(address["address"]))):
        wrong.append(f"{other} also answers for the service address")
    return wrong


def closed_at(cluster: Cluster) -> str:
    """Return where a server that was closed in good order ended, empty if it was not."""
    from .cluster import control_data

    control = control_data(cluster, cluster.data)
    good = control.get("Database cluster state", "") == "shut down"
    return control.get("Latest checkpoint location", "") if good else ""


def lost_in(cluster: Cluster, table: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]]) -> dict[str, set[int]]:
    """Return, for each workstation, which of the numbers acknowledged to it this server has."""
    present: dict[str, set[int]] = {}
    for station, summary in told.items():
        ranges = summary.get("ranges") or []
        if not ranges:
            present[station] = set()
            continue
        first = min(int(one[0]) for one in ranges)
        name = station.replace("'", "''")
        rows = psql(
            f"SELECT {table['sequence_column']} FROM {table['table']} "  # noqa: S608 - names of the inventory, a number
            f"WHERE {table['workstation_column']} = '{name}' AND {table['sequence_column']} >= {first}",
            database=cluster.name,
            port=cluster.port,
            timeout=60,
        )
        present[station] = {int(row[0]) for row in rows}
    return present


def sshd_answers(address: str) -> bool:
    """Tell whether anything of a host answers at its SSH port."""
    return knock(address, 22) != "silent"


def daemon_reload() -> None:
    """Let systemd read units again."""
    with suppress(CommandError):
        run(["systemctl", "daemon-reload"])
