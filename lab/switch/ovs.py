"""The back end that moves packets: Open vSwitch in user space between the cables, lldpd, and the kernel's own addresses.

Every port of the switch is a network interface that is there only while a cable is in it (the lab moves it in and out); a thread
watches, and gives what appears the place that the configuration wants. What is not done but only stored by the command line: PoE,
speed, BPDU and root guard. A port can strip the tag of one VLAN only.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lab.switch import ovs_read as reading
from lab.switch import ovs_rows as rows
from lab.switch.backend import (
    AggregateState,
    BackendError,
    Change,
    Counters,
    Light,
    MacEntry,
    Neighbour,
    PortSetting,
    PortState,
    Setting,
    StpState,
)
from lab.switch.device import Device
from lab.switch.ovs_rows import BRIDGE, TIMEOUT_S, Row, run

LIGHT = Path("/var/lib/switch/light.json")
LLDP_SCRIPT = Path("/run/switch-lldp.conf")
LLDP_INTERVAL_S = 5
EDGE_WAIT_S = 0.3
LLDP_AGAIN_S = (0.3, 1.0, 2.5)  # lldpd takes notice of a new interface in its own time
RTMGRP_LINK = 1


class Ovs:
    """The switch behind a command line, on a host of its own."""

    def __init__(self, device: Device) -> None:
        """Make an empty switch and begin to watch the sockets."""
        self.device = device
        self.setting = Setting()
        self._names = {port.interface: name for name, port in device.ports.items()}
        self._rows: dict[str, Row] = {}
        self._lags: dict[str, tuple[str, ...]] = {}  # the bridges of aggregates, with their columns
        self._lit: set[str] = set()
        self._begun = False
        self._macs: list[MacEntry] = []
        self._tree = StpState(device.mac)
        self._raised: set[str] = set()  # interfaces that have been brought up, or taken down, since they appeared
        self._cleared: dict[str, Counters] = {}
        self._powered = time.monotonic() - reading.seconds_since_boot()
        self._lock = threading.RLock()
        if device.management:  # LLDP takes the switch's identity from there
            run(["ip", "link", "set", "dev", device.management.interface, "address", device.mac])
        options = f"other_config:hwaddr={device.mac} other_config:mac-aging-time=300".split()
        former = run(["ovs-vsctl", "list-br"]).split()
        make = [
            *(word for name in former for word in ("del-br", name, "--")),
            "add-br",
            BRIDGE,
            "--",
            "set",
            "Bridge",
            BRIDGE,
            "datapath_type=netdev",
            "fail_mode=standalone",
            *options,
        ]
        self._vsctl(make)
        self._present = self._plugged()
        threading.Thread(target=self._watch, daemon=True, name="sockets").start()

    # --- what is asked for -------------------------------------------------------------------------------------------

    def apply(self, change: Change) -> None:
        """Make it so; what Open vSwitch refuses is put back to what it was."""
        with self._lock:
            before, self.setting = self.setting, change.after
            try:
                self._forward(change.stp is not None or not self._begun)
            except BackendError:
                self.setting = before
                with contextlib.suppress(BackendError):
                    self._forward(True)
                raise
            if change.ports or change.aggregates or not self._begun:
                self._raise_ports(self._present)
            self._begun = True
            if change.layer_three or change.routes is not None:
                self._addresses(before)
            if change.hostname is not None or change.lldp is not None or change.ports:
                self._tell_lldp()

    def _vsctl(self, words: Sequence[str]) -> None:
        if words:
            run(["ovs-vsctl", f"--timeout={TIMEOUT_S - 2}", *words])

    def _wanted(self) -> dict[str, Row]:
        """Return what Open vSwitch shall have, of what is plugged in."""
        found: dict[str, Row | None] = {}
        setting = self.setting
        for name, port in setting.ports.items():
            interface = self.device.ports[name].interface
            if not port.aggregate and interface in self._present:
                found[interface] = rows.row(port, [interface])
        for aggregate in setting.aggregates.values():
            members = [self.device.ports[member].interface for member in aggregate.members if setting.ports[member].enabled]
            members = [interface for interface in members if interface in self._present] if aggregate.port.enabled else []
            speed = sum(self.device.ports[member].speed for member in aggregate.members)
            found |= rows.aggregate_rows(aggregate, members, speed)
        for entry in setting.layer_three.values():
            if entry.vlan is not None:
                found[f"vlan{entry.vlan}"] = rows.vlan_interface(entry.vlan)
        return {name: wanted for name, wanted in found.items() if wanted is not None}

    def _forward(self, spanning_tree: bool) -> None:
        """Bring Open vSwitch from what it has to what is wanted, in one transaction."""
        wanted, words = self._wanted(), []
        stp = self.setting.stp
        if spanning_tree:  # ports that were there when the spanning tree is switched off stay out of the flood: all begin anew
            for name, have in self._rows.items():
                words += ["--", "--if-exists", "del-port", have.bridge, name]
            self._rows = {}
            self._vsctl(words[1:])
            words = ["--", "set", "Bridge", BRIDGE, f"rstp_enable={str(stp.enabled).lower()}", f"other_config:rstp-priority={stp.priority}"]
        staying = {name for name, want in wanted.items() if (have := self._rows.get(name)) and not want.anew(name, have, wanted)}
        for name in self._rows.keys() - staying:
            words += ["--", "--if-exists", "del-port", self._rows[name].bridge, name]
        lags = {row.bridge for row in wanted.values()} - {BRIDGE}
        columns = {
            rows.lag(entry.number): rows.lag_bridge(entry, self.device.mac)
            for entry in self.setting.aggregates.values()
            if rows.lag(entry.number) in lags
        }
        for name in self._lags.keys() - columns.keys():
            words += ["--", "--if-exists", "del-br", name]
        for name, wish in columns.items():
            if name not in self._lags:
                words += ["--", "--may-exist", "add-br", name]
            if self._lags.get(name) != wish:
                words += ["--", "set", "Bridge", name, *wish]
        for name, want in wanted.items():
            if name not in staying:
                words += want.create(name)
            elif self._rows[name] != want:
                words += want.change(name, self._rows[name])
        self._vsctl(words[1:])
        self._rows, self._lags = wanted, columns

    def _await_tree(self, interfaces: set[str]) -> None:
        """Let the spanning tree take notice of new edge ports while they are down: else it keeps them waiting for three seconds."""
        names = (self._names[interface] for interface in interfaces)
        if self.setting.stp.enabled and any(self.setting.ports.get(name, PortSetting()).edge for name in names):
            time.sleep(EDGE_WAIT_S)

    def _raise_ports(self, interfaces: set[str]) -> None:
        """Bring up what is enabled and take down what is shut: the far end loses its carrier then."""
        self._await_tree(interfaces - self._raised)
        self._raised = set(interfaces) | (self._raised & self._present)
        lines = []
        for interface in sorted(interfaces):
            port = self.setting.ports.get(self._names[interface], PortSetting())
            aggregate = self.setting.aggregates.get(port.aggregate)
            enabled = port.enabled and (aggregate is None or aggregate.port.enabled)
            mtu = f"mtu {port.mtu} " if port.mtu else ""
            lines.append(f"link set dev {interface} {mtu}{'up' if enabled else 'down'}")
        if lines:
            # An interface may be pulled out at any moment; the watch sees it next.
            run(["ip", "-force", "-batch", "-"], stdin="\n".join(lines) + "\n", check=False)

    def _addresses(self, before: Setting) -> None:
        """Give the switch its own addresses and routes."""
        management = self.device.management.interface if self.device.management else ""
        for name in {*before.layer_three, *self.setting.layer_three}:
            entry = self.setting.layer_three.get(name)
            old = before.layer_three.get(name)
            interface = management if (entry or old).vlan is None else f"vlan{(entry or old).vlan}"  # type: ignore[union-attr]
            if entry == old or interface not in {name for _, name in socket.if_nameindex()}:
                continue
            lines = [f"address flush dev {interface}"]
            if entry is not None:
                lines += [f"address replace {address} brd + dev {interface}" for address in entry.addresses]
                lines.append(f"link set dev {interface} {'up' if entry.enabled else 'down'}")
            run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")
            if interface != management:  # what the switch sends itself must leave with its checksum in it
                run(["ethtool", "-K", interface, "tx", "off"], check=False)
        for route in before.routes - self.setting.routes:
            run(["ip", "route", "delete", route.prefix, "via", route.via], check=False)
        for route in sorted(self.setting.routes):  # a route whose next hop is not reachable yet stays configured, and is not in force
            run(["ip", "route", "replace", route.prefix, "via", route.via], check=False)

    def _tell_lldp(self) -> None:
        """Tell lldpd by which names this switch and its ports are known; never fails: what it does not know yet it is told again."""
        setting = self.setting
        about = f"{self.device.model} {self.device.version}".strip()
        lines = [f"configure system hostname {json.dumps(setting.hostname or self.device.name)}"]
        lines += [f"configure system description {json.dumps(about)}"]
        lines += ["configure system capabilities enabled bridge,router", 'configure system ip management pattern "*,!*:*"']
        lines += [f"configure lldp tx-interval {LLDP_INTERVAL_S}", "resume" if setting.lldp else "pause"]
        for interface in sorted(self._present):
            name = self._names[interface]
            port = setting.ports.get(name, PortSetting())
            lines.append(f"configure ports {interface} lldp portidsubtype local {json.dumps(name)}")
            lines.append(f"configure ports {interface} lldp portdescription {json.dumps(port.description or name)}")
            lines.append(f"configure ports {interface} lldp status {'rx-and-tx' if port.lldp else 'disabled'}")
        LLDP_SCRIPT.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with contextlib.suppress(BackendError):
            run(["lldpcli", "-c", str(LLDP_SCRIPT)], check=False)

    # --- what is plugged in ------------------------------------------------------------------------------------------

    def _plugged(self) -> set[str]:
        return {name for _, name in socket.if_nameindex()} & set(self._names)

    def _watch(self) -> None:
        """Give what is plugged in its place, and forget the addresses behind what is pulled or goes dark."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as news:
            news.bind((0, RTMGRP_LINK))
            again: list[float] = [time.monotonic() + wait for wait in LLDP_AGAIN_S]
            while True:
                ready, _, _ = select.select([news], [], [], max(0.0, again[0] - time.monotonic()) if again else None)
                with contextlib.suppress(OSError):  # more news than the socket holds: all of it is looked at anyway
                    while ready and news.recv(1 << 16, socket.MSG_DONTWAIT):
                        pass
                with self._lock, contextlib.suppress(BackendError, OSError):
                    if self._look():
                        again = [time.monotonic() + wait for wait in LLDP_AGAIN_S]
                    if again and again[0] <= time.monotonic():
                        again.pop(0)
                        self._tell_lldp()

    def _look(self) -> bool:
        """Take notice of what was plugged and pulled, and of carriers that went; say whether something was plugged."""
        now = self._plugged()
        came, went = now - self._present, self._present - now
        self._present = now
        self._raised &= now
        if came or went:
            self._forward(False)
        if came:
            self._raise_ports(came)
        lit = {interface for interface in now if reading.carrier(interface)}
        dark, self._lit = self._lit - lit, lit
        if dark:
            self._forget(dark | self._silent())
        return bool(came)

    def _silent(self) -> set[str]:
        """Return the aggregates, as the switch's bridge calls them, none of whose members has a carrier."""
        members = {rows.joint(e.number): {self.device.ports[m].interface for m in e.members} for e in self.setting.aggregates.values()}
        return {name for name, interfaces in members.items() if not interfaces & self._lit}

    def _forget(self, interfaces: set[str]) -> None:
        """Forget what was learnt behind some ports: the stations may be elsewhere by now."""
        for entry in self._learnt():
            if entry.interface in interfaces:
                run(["ovs-appctl", "fdb/del", BRIDGE, str(entry.vlan), entry.mac], check=False)

    # --- what is read back -------------------------------------------------------------------------------------------

    def _learnt(self) -> list[reading.Learnt]:
        elsewhere = {name for row in self._rows.values() if row.bridge != BRIDGE for name in row.interfaces} | self._lags.keys()
        numbers = reading.numbers(run(["ovs-vsctl", "-f", "json", "--columns=name,ofport", "list", "Interface"]), elsewhere)
        return reading.learnt(run(["ovs-appctl", "fdb/show", BRIDGE]), numbers)

    def _called(self, interface: str) -> str:
        """Return the port or aggregate, as the command line calls it, to which an interface belongs."""
        aggregates = {rows.joint(entry.number): name for name, entry in self.setting.aggregates.items()}
        return aggregates.get(interface) or self._names.get(interface, "")

    def ports(self) -> Mapping[str, PortState]:
        """Read every port of the device."""
        try:
            levels = json.loads(LIGHT.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            levels = {}
        counted = reading.counters()
        return {name: self._port(name, levels, counted) for name in self.device.ports}

    def _port(self, name: str, levels: Mapping[str, Mapping[str, float]], counts: Mapping[str, Counters]) -> PortState:
        model = self.device.ports[name]
        enabled = self.setting.ports.get(name, PortSetting()).enabled
        link = enabled and reading.carrier(model.interface)
        counted = reading.minus(counts.get(model.interface, Counters()), self._cleared.get(name, Counters()))
        light = None
        if model.media == "fibre":
            level = levels.get(model.interface, {})
            rx, tx = level.get("rx_dbm", reading.DARK_DBM), level.get("tx_dbm", reading.DARK_DBM)
            dark = rx <= reading.DARK_DBM or (enabled and not link and model.interface in self._present)  # the far end is shut
            light = Light(None if dark else rx, tx if enabled and tx > reading.DARK_DBM else None)
        return PortState(
            link=link,
            speed=model.speed if link else None,
            counters=counted,
            light=light,
            poe_watts=0.0 if model.poe else None,
        )

    def macs(self) -> Sequence[MacEntry]:
        """Read the learnt addresses; of a forwarding plane that hangs, what it said last."""
        with contextlib.suppress(BackendError):
            self._macs = self._read_macs()
        return self._macs

    def _read_macs(self) -> list[MacEntry]:
        found = {MacEntry(entry.vlan, entry.mac, self._called(entry.interface)) for entry in self._learnt()}
        return sorted(entry for entry in found if entry.port)

    def neighbours(self) -> Sequence[Neighbour]:
        """Read what LLDP has heard: the youngest on each port, for who was there before is told for a while yet."""
        if not self.setting.lldp:
            return []
        text = run(["lldpcli", "-f", "json0", "show", "neighbors", "details"], check=False)
        return [replace(entry, port=self._names[entry.port]) for entry in reading.neighbours(text) if entry.port in self._present]

    def stp(self) -> StpState:
        """Read the spanning tree; of a forwarding plane that hangs, what it said last."""
        with contextlib.suppress(BackendError):
            self._tree = self._read_tree()
        return self._tree

    def _read_tree(self) -> StpState:
        if not self.setting.stp.enabled:
            return StpState(self.device.mac, self.setting.stp.priority, self.device.mac, self.setting.stp.priority)
        edges = {name for name, port in self.setting.ports.items() if port.edge}
        state = reading.stp(run(["ovs-appctl", "rstp/show", BRIDGE]), self.device.mac, self.setting.stp.priority)
        names = {interface: self._called(interface) for interface in {*state.ports, state.root_port}}
        ports = {names[i]: replace(entry, edge=names[i] in edges) for i, entry in state.ports.items() if names[i]}
        return replace(state, root_port=names.get(state.root_port, ""), ports=ports)

    def aggregates(self) -> Mapping[str, AggregateState]:
        """Read which members are in use."""
        found = {}
        for name, entry in self.setting.aggregates.items():
            port = rows.bond(entry.number)
            told = run(["ovs-appctl", "lacp/show", port], check=False) if entry.lacp and port in self._rows else ""
            lit = {m: self.device.ports[m].interface in self._lit and self.setting.ports[m].enabled for m in entry.members}
            agreed = reading.lacp(told)
            members = {m: up and (not entry.lacp or self.device.ports[m].interface in agreed.members) for m, up in lit.items()}
            found[name] = AggregateState(any(members.values()), members, agreed.partner)
        return found

    def flush_macs(self) -> None:
        """Forget every learnt address."""
        run(["ovs-appctl", "fdb/flush", BRIDGE])

    def clear_counters(self, port: str = "") -> None:
        """Count from zero, on one port or on all."""
        counted = reading.counters()
        for name in [port] if port else self.device.ports:
            self._cleared[name] = counted.get(self.device.ports[name].interface, Counters())

    def uptime(self) -> float:
        """Return the seconds since the switch was powered or rebooted."""
        return time.monotonic() - self._powered

    def reboot(self) -> None:
        """Lose everything that was applied."""
        with self._lock:
            before, self.setting, self._begun = self.setting, Setting(), False
            self._forward(True)
            self._addresses(before)
            self._powered = time.monotonic()
            self._cleared = {}
            self.flush_macs()
