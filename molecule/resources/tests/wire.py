"""The scenario's network, seen from below: what Open vSwitch does at each switch's console, and what the wards can do."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import Any

from hospital import BIN, host

AREAS = ("emergency-1", "or-1", "pharmacy-1", "ward-1", "outpatient-1")


def console(switch: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command at the console of a switch, which works without a network."""
    return subprocess.run([str(BIN / "lab"), "exec", switch, "--", *words], capture_output=True, text=True, timeout=60, check=False)


def carrier(switch: str, interface: str) -> bool:
    """Tell whether a port of a switch has link; a port without a cable in it is not there at all."""
    return "LOWER_UP" in console(switch, "ip", "link", "show", interface).stdout


def _ovs(switch: str, table: str, columns: str) -> list[dict[str, Any]]:
    done = console(switch, "ovs-vsctl", "--format=json", f"--columns={columns}", "list", table)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    return [dict(zip(told["headings"], row, strict=True)) for row in told["data"]]


def forwarding(switch: str) -> dict[str, tuple[str, str]]:
    """Return what each data port that is plugged in does: its VLAN, or the VLANs of its trunk."""
    return {
        row["name"]: (json.dumps(row["tag"]), json.dumps(row["trunks"]))
        for row in _ovs(switch, "Port", "name,tag,trunks")
        if row["name"] != "br0"
    }


def root_of(switch: str) -> str:
    """Return the bridge that a switch takes for the root of the spanning tree."""
    lines = console(switch, "ovs-appctl", "rstp/show", "br0").stdout.splitlines()
    return next(line.split()[1] for line in lines if "stp-system-id" in line)


def address_of(switch: str) -> str:
    """Return a switch's own bridge address."""
    rows = _ovs(switch, "Bridge", "other_config")
    return str(dict(rows[0]["other_config"][1])["hwaddr"])


def fingerprint(switch: str) -> str:
    """Return what changes if anybody configures a switch: its forwarding, its bridge, and what it starts with."""
    bridge = _ovs(switch, "Bridge", "other_config,rstp_enable")
    startup = console(switch, "sh", "-c", "cat /var/lib/switch/startup.cfg 2>/dev/null || true").stdout
    return hashlib.sha256(json.dumps([forwarding(switch), bridge, startup], sort_keys=True).encode()).hexdigest()


def startup(switch: str) -> str:
    """Return the configuration that a switch starts with."""
    return console(switch, "cat", "/var/lib/switch/startup.cfg").stdout


def received(switch: str) -> int:
    """Return how many packets came in at the data ports of a switch."""
    rows = _ovs(switch, "Interface", "name,statistics")
    return sum(dict(row["statistics"][1]).get("rx_packets", 0) for row in rows if row["name"] != "br0")


def works(workstation: str) -> str:
    """Do at a workstation's own console what a nurse would do first; return what failed, or nothing."""
    done = console(workstation, "his-client", "probe", "--timeout", "20")
    return "" if done.returncode == 0 else done.stdout + done.stderr


def acknowledged() -> set[tuple[str, int]]:
    """Return the transactions that workstations saw acknowledged, from their own logs."""
    found = set()
    for name in AREAS:
        for line in console(name, "cat", "/var/log/his-client/acknowledged.jsonl").stdout.splitlines():
            row = json.loads(line)
            if row["ok"]:
                found.add((name, int(row["seq"])))
    return found


def committed() -> set[tuple[str, int]]:
    """Return the transactions that the database holds."""
    query = "select workstation || ' ' || seq from client_transaction"
    rows = host("his-db").check_output("runuser -u postgres -- psql -X -q -A -t -v ON_ERROR_STOP=1 -d his -c %s", query).splitlines()
    return {(station, int(seq)) for station, seq in (row.split() for row in rows)}
