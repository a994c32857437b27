"""What Open vSwitch is told of a port or an aggregate, and the calls by which it is told."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab.switch.backend import AggregateSetting, BackendError, PortSetting

BRIDGE = "br0"
TIMEOUT_S = 8
COST_OF_ONE_MBIT = 20_000_000  # of the path in a rapid spanning tree; twice the speed, half the cost


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
    kind: tuple[str, ...] = ()  # columns of its interfaces, for those that are no cable
    spanning: bool = False  # it takes part in the spanning tree
    bridge: str = BRIDGE

    def anew(self, name: str, known: Row, wanted: Mapping[str, Row]) -> bool:
        """Tell whether a port must be made anew; one that joins or leaves the spanning tree would stay out of the flood.

        An aggregate lives on while members come and go, as long as one of them stays: its traffic goes over that one. A member that
        becomes a port by itself cannot be both at once: then all of it begins anew. ``wanted``: all ports as they shall be.
        """
        gone = {*known.interfaces} - {*self.interfaces}
        moved = any(gone & {*row.interfaces} for other, row in wanted.items() if other != name)
        return moved or known.spanning != self.spanning or gone == {*known.interfaces}

    def create(self, name: str) -> list[str]:
        """Return the words that make it."""
        words = [word for interface in self.interfaces for word in self._interface(interface)]
        members = ",".join(f"@{interface}" for interface in self.interfaces)
        words += ["--", f"--id=@p-{name}", "create", "Port", f"name={name}", f"interfaces={members}", *self.columns]
        return [*words, "--", "add", "Bridge", self.bridge, "ports", f"@p-{name}"]

    def _interface(self, interface: str) -> list[str]:
        return ["--", f"--id=@{interface}", "create", "Interface", f"name={interface}", *self.kind]

    def change(self, name: str, known: Row) -> list[str]:
        """Return the words that turn what it was into this, while it goes on forwarding."""
        words: list[str] = []
        for gone in sorted({*known.interfaces} - {*self.interfaces}):
            words += ["--", f"--id=@{gone}", "get", "Interface", gone, "--", "remove", "Port", name, "interfaces", f"@{gone}"]
        for new in sorted({*self.interfaces} - {*known.interfaces}):
            words += [*self._interface(new), "--", "add", "Port", name, "interfaces", f"@{new}"]
        words += ["--", "clear", "Port", name, "tag", "trunks", "vlan_mode", "other_config"]
        return [*words, "--", "set", "Port", name, *self.columns] if self.columns else words


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


def row(port: PortSetting, interfaces: Sequence[str], kind: tuple[str, ...] = ()) -> Row | None:
    """Return what Open vSwitch shall have for a port; None if it takes no part."""
    columns = vlan_columns(port)
    if columns is None or not interfaces:
        return None
    edge = str(port.edge).lower()
    config = {"rstp-enable": str(port.stp).lower(), "rstp-port-admin-edge": edge, "rstp-port-auto-edge": edge}
    if port.stp_cost is not None:
        config["rstp-path-cost"] = str(port.stp_cost)
    if port.stp_priority is not None:
        config["rstp-port-priority"] = str(port.stp_priority)
    columns += [f"other_config:{key}={value}" for key, value in sorted(config.items())]
    if port.isolated:
        columns.append("protected=true")
    return Row(tuple(interfaces), tuple(columns), kind, spanning=port.stp)


def vlan_interface(vlan: int) -> Row:
    """Return the switch's own port in a VLAN."""
    return Row((f"vlan{vlan}",), (f"tag={vlan}", "vlan_mode=access"), ("type=internal",))


# --- aggregates ------------------------------------------------------------------------------------------------------
# Open vSwitch has no spanning tree on what has several members, and floods nothing into what is out of the tree. So the members are in a
# bridge of their own without one, which passes everything on; a patch joins it to the switch's bridge, where it is a port like any other.


def lag(number: int) -> str:
    """Return the bridge of an aggregate's members."""
    return f"lag{number}"


def bond(number: int) -> str:
    """Return the port of an aggregate's members."""
    return f"bond{number}"


def joint(number: int) -> str:
    """Return the port that an aggregate is in the switch's own bridge."""
    return f"agg{number}"


def aggregate_rows(setting: AggregateSetting, members: Sequence[str], speed: int) -> dict[str, Row]:
    """Return what Open vSwitch shall have for an aggregate with these members plugged in; ``speed``: of all that it has, in Mbit/s."""
    number = setting.number
    port = setting.port if setting.port.stp_cost is not None else replace(setting.port, stp_cost=COST_OF_ONE_MBIT // max(1, speed))
    ends = (joint(number), f"peer{number}")
    kinds = [("type=patch", f"options:peer={far}") for far in reversed(ends)]
    outer = row(port, ends[:1], kinds[0])
    if outer is None or not members:
        return {}
    mode = ("passive" if setting.passive else "active") if setting.lacp else "off"
    columns = (f"lacp={mode}", "bond_mode=balance-slb", f"other_config:lacp-time={'fast' if setting.fast else 'slow'}")
    inner = Row(ends[1:], (), kinds[1], bridge=lag(number))
    return {ends[0]: outer, ends[1]: inner, bond(number): Row(tuple(members), columns, bridge=lag(number))}


def lag_bridge(setting: AggregateSetting, mac: str) -> tuple[str, ...]:
    """Return the columns of the bridge of an aggregate's members: it learns nothing, and lets the spanning tree's frames through."""
    vlans = sorted({0, *setting.port.tagged, *setting.port.untagged})
    options = (f"other_config:hwaddr={mac}", "other_config:forward-bpdu=true")
    return ("datapath_type=netdev", "fail_mode=standalone", *options, f"flood_vlans={','.join(map(str, vlans))}")
