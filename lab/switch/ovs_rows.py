"""What Open vSwitch is told of a port or an aggregate, and the calls by which it is told."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from lab.switch.backend import AggregateSetting, BackendError, PortSetting

BRIDGE = "br0"
TIMEOUT_S = 8


def run(argv: Sequence[str], stdin: str | None = None, check: bool = True) -> str:
    """Run a program of the switch; BackendError says what it answered."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"The forwarding plane gave no answer within {TIMEOUT_S} s.") from error
    if check and done.returncode != 0:
        raise BackendError(f"The forwarding plane refused: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Row:
    """A port as Open vSwitch shall have it: the interfaces in it, and the columns of its record."""

    interfaces: tuple[str, ...]
    columns: tuple[str, ...]
    internal: bool = False
    spanning: bool = False  # it takes part in the spanning tree

    def anew(self, known: Row | None) -> bool:
        """Tell whether a port must be made anew; one that joins or leaves the spanning tree would stay out of the flood."""
        return known is None or (known.interfaces, known.spanning) != (self.interfaces, self.spanning)

    def create(self, name: str) -> list[str]:
        """Return the words that make it."""
        words: list[str] = []
        for number, interface in enumerate(self.interfaces):
            kind = ["type=internal"] if self.internal else []
            words += ["--", f"--id=@i{number}-{name}", "create", "Interface", f"name={interface}", *kind]
        members = ",".join(f"@i{number}-{name}" for number in range(len(self.interfaces)))
        words += ["--", f"--id=@p-{name}", "create", "Port", f"name={name}", f"interfaces={members}", *self.columns]
        return [*words, "--", "add", "Bridge", BRIDGE, "ports", f"@p-{name}"]

    def change(self, name: str) -> list[str]:
        """Return the words that turn whatever it was into this, while it goes on forwarding."""
        clear = ["--", "clear", "Port", name, "tag", "trunks", "vlan_mode", "other_config"]
        return [*clear, "--", "set", "Port", name, *self.columns]


def vlan_columns(port: PortSetting) -> list[str] | None:
    """Return how a port treats VLANs, in Open vSwitch's words; None if it carries nothing."""
    untagged = port.pvid if port.pvid in port.untagged else None
    if len(port.untagged) > 1:
        raise BackendError("This switch can send frames of one VLAN only without a tag on a port.")
    tagged = sorted(port.tagged - {untagged})
    if not tagged:
        return None if untagged is None else [f"tag={untagged}", "vlan_mode=access"]
    if untagged is None:
        return [f"trunks={','.join(map(str, tagged))}", "vlan_mode=trunk"]
    allowed = sorted({*tagged, untagged})
    return [f"tag={untagged}", f"trunks={','.join(map(str, allowed))}", "vlan_mode=native-untagged"]


def row(port: PortSetting, interfaces: Sequence[str], lacp: AggregateSetting | None = None) -> Row | None:
    """Return what Open vSwitch shall have for a port or an aggregate; None if it takes no part."""
    columns = vlan_columns(port)
    if columns is None or not interfaces:
        return None
    edge = str(port.edge).lower()
    config = {"rstp-enable": str(port.stp).lower(), "rstp-port-admin-edge": edge, "rstp-port-auto-edge": edge}
    if port.stp_cost is not None:
        config["rstp-path-cost"] = str(port.stp_cost)
    if port.stp_priority is not None:
        config["rstp-port-priority"] = str(port.stp_priority)
    if lacp is not None:
        config["lacp-time"] = "fast" if lacp.fast else "slow"
        mode = ("passive" if lacp.passive else "active") if lacp.lacp else "off"
        columns += [f"lacp={mode}", "bond_mode=balance-slb"]
    columns += [f"other_config:{key}={value}" for key, value in sorted(config.items())]
    if port.isolated:
        columns.append("protected=true")
    return Row(tuple(interfaces), tuple(columns), spanning=port.stp)
