"""Cisco's answers about ports, neighbours and the spanning tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.switch.backend import PortState
from lab.switch.shows.cisco_like import address_rows, in_lines, stp_head
from lab.switch.shows.look import Look, Show, dotted

Values = Mapping[str, Any]
DARK = -40.0
ROLES = {"root": "Root", "designated": "Desg", "alternate": "Altn", "backup": "Back", "disabled": "Disa"}
STATES = {"forwarding": "FWD", "learning": "LRN", "discarding": "BLK"}
CODES = """Capability codes:
    (R) Router, (B) Bridge, (T) Telephone, (C) DOCSIS Cable Device
    (W) WLAN Access Point, (P) Repeater, (S) Station, (O) Other

"""


def _word(look: Look, name: str) -> str:
    return "connected" if look.up(name) else "notconnect" if look.asked(name).enabled else "disabled"


def _names(look: Look) -> list[str]:
    return [*look.device.ports, *look.setting.aggregates]


def status(look: Look, values: Values) -> str:
    """One line a port."""
    out = "\nPort      Name               Status       Vlan       Duplex  Speed Type\n"
    for name in _names(look):
        asked, up = look.asked(name), look.up(name)
        port = look.device.ports.get(name)
        vlan = "trunk" if asked.mode == "trunk" and up else "routed" if asked.mode == "routed" else str(asked.pvid)
        fibre = port is not None and port.media != "copper"
        kind = "" if port is None else "10/100/1000BaseTX" if not fibre else "SFP-10GBase-LR" if port.media == "fibre" else "Not Present"
        speed = ("10G" if look.speed(name) == 10000 else f"a-{look.speed(name)}") if up else "auto"
        duplex = ("full" if fibre else "a-full") if up else "auto"
        out += (
            f"{look.short(name):<10}{asked.description[:18]:<19}{_word(look, name):<13}{vlan:<9}{duplex:>8}{speed:>7} {kind}".rstrip()
            + "\n"
        )
    return out


def description(look: Look, values: Values) -> str:
    """One line an interface, with its description."""
    out = "Interface                      Status         Protocol Description\n"
    rows = [(name, up, enabled, "") for name, _, up, enabled in address_rows(look)]
    rows += [(name, look.up(name), look.asked(name).enabled, look.asked(name).description) for name in _names(look)]
    for name, up, enabled, text in rows:
        state = "up" if up else "down" if enabled else "admin down"
        out += f"{look.short(name):<31}{state:<15}{'up' if up else 'down':<9}{text}".rstrip() + "\n"
    return out


def interfaces(look: Look, values: Values) -> str:
    """Everything about one interface, or about all."""
    out = ""
    for name, addresses, up, enabled in address_rows(look):
        if values.get("name") in (None, name):
            out += _interface(look, name, up, enabled, addresses)
    for name in _names(look):
        if values.get("name") in (None, name):
            out += _interface(look, name, look.up(name), look.asked(name).enabled, [])
    return out


def _interface(look: Look, name: str, up: bool, enabled: bool, addresses: list[str]) -> str:
    asked, count = look.asked(name), look.ports.get(name, PortState()).counters
    port = look.device.ports.get(name)
    word = "up" if up else "down" if enabled else "administratively down"
    line = (
        "up (connected)"
        if up and port
        else "up"
        if up
        else "down (notconnect)"
        if port and enabled
        else "down (disabled)"
        if port
        else "down"
    )
    speed = look.speed(name) or (port.speed if port else 1000)
    hardware = "Ethernet SVI" if name.startswith("Vlan") else "EtherChannel" if port is None else "Gigabit Ethernet"
    out = f"{name} is {word}, line protocol is {line}\n"
    out += f"  Hardware is {hardware}, address is {dotted(look.device.mac)} (bia {dotted(look.device.mac)})\n"
    out += f"  Description: {asked.description}\n" if asked.description else ""
    out += f"  Internet address is {addresses[0]}\n" if addresses else ""
    out += (
        f"  MTU {asked.mtu or 1500} bytes, BW {speed * 1000} Kbit/sec, DLY 10 usec,\n     reliability 255/255, txload 1/255, rxload 1/255\n"
    )
    out += "  Encapsulation ARPA, loopback not set\n  Keepalive set (10 sec)\n"
    if port is not None:
        media = "10/100/1000BaseTX" if port.media == "copper" else "SFP-10GBase-LR"
        how = f"Full-duplex, {'10Gb/s' if speed == 10000 else f'{speed}Mb/s'}" if up else "Auto-duplex, Auto-speed"
        out += f"  {how}, media type is {media}\n  input flow-control is off, output flow-control is unsupported\n"
    out += "  ARP type: ARPA, ARP Timeout 04:00:00\n  Last input 00:00:01, output 00:00:01, output hang never\n"
    out += '  Last clearing of "show interface" counters never\n'
    out += f"  Input queue: 0/75/{count.in_drops}/0 (size/max/drops/flushes); Total output drops: {count.out_drops}\n"
    out += "  Queueing strategy: fifo\n"
    out += "  Output queue: 0/40 (size/max)\n  5 minute input rate 0 bits/sec, 0 packets/sec\n"
    out += "  5 minute output rate 0 bits/sec, 0 packets/sec\n"
    out += f"     {count.in_packets} packets input, {count.in_octets} bytes, 0 no buffer\n     Received 0 broadcasts (0 multicasts)\n"
    out += "     0 runts, 0 giants, 0 throttles\n"
    out += f"     {count.in_errors} input errors, {count.in_crc} CRC, 0 frame, 0 overrun, 0 ignored\n"
    out += "     0 watchdog, 0 multicast, 0 pause input\n"
    out += f"     {count.out_packets} packets output, {count.out_octets} bytes, 0 underruns\n"
    return (
        out
        + f"     {count.out_errors} output errors, 0 collisions, 0 interface resets\n     0 lost carrier, 0 no carrier, 0 pause output\n"
    )


def counter_errors(look: Look, values: Values) -> str:
    """The error counters of each port."""
    out = f"\n{'Port':<11}{'Align-Err':>11}{'FCS-Err':>11}{'Xmit-Err':>11}{'Rcv-Err':>11}{'UnderSize':>11}{'OutDiscards':>13}\n"
    for name, state in look.ports.items():
        count = state.counters
        out += f"{look.short(name):<11}{0:>11}{count.in_crc:>11}{count.out_errors:>11}{count.in_errors:>11}{0:>11}{count.out_drops:>13}\n"
    return out


def switchport(look: Look, values: Values) -> str:
    """Mode and VLANs of each port."""
    out = ""
    for name in look.carriers():
        if values.get("name") not in (None, name):
            continue
        asked, up = look.asked(name), look.up(name)
        trunk = asked.mode == "trunk"
        if asked.mode == "routed":
            out += f"Name: {look.short(name)}\nSwitchport: Disabled\n\n"
            continue
        own = next((c for c in look.contexts("port", "aggregate") if c.name == name), None)
        mode = own.facts().get("mode") if own else None
        admin = {"access": "static access", "trunk": "trunk"}.get(str(mode), "dynamic auto")
        allowed = own.values_of("allowed") if own else None
        facts = own.facts() if own else {}
        out += f"Name: {look.short(name)}\nSwitchport: Enabled\nAdministrative Mode: {admin}\n"
        out += (
            f"Operational Mode: {('trunk' if trunk else 'static access') if up else 'down'}\nAdministrative Trunking Encapsulation: dot1q\n"
        )
        out += f"Negotiation of Trunking: {'Off' if mode == 'access' else 'On'}\n"
        for label, number in (("Access Mode VLAN", facts.get("access", 1)), ("Trunking Native Mode VLAN", facts.get("native", 1))):
            title = (
                "default"
                if number == 1
                else look.setting.vlans.get(number) or (f"VLAN{number:04}" if number in look.setting.vlans else "Inactive")
            )
            out += f"{label}: {number} ({title})\n"
        out += f"Administrative Native VLAN tagging: enabled\nVoice VLAN: {facts.get('voice') or 'none'}\n"
        out += f"Trunking VLANs Enabled: {'ALL' if allowed is None else in_lines(allowed)}\nPruning VLANs Enabled: 2-1001\n"
        out += "Capture Mode Disabled\n"
        out += "Capture VLANs Allowed: ALL\n\nProtected: false\nAppliance trust: none\n\n"
    return out


def trunk(look: Look, values: Values) -> str:
    """The trunks that are up, with their VLANs."""
    names = [name for name in look.carriers() if look.asked(name).mode == "trunk" and look.up(name)]
    out = "\nPort        Mode             Encapsulation  Status        Native vlan\n"
    out += "".join(f"{look.short(name):<12}{'on':<17}{'802.1q':<15}{'trunking':<14}{look.asked(name).pvid}\n" for name in names)
    for title, how in (("Vlans allowed on trunk", 0), ("Vlans allowed and active in management domain", 1)):
        out += f"\nPort        {title}\n"
        for name in names:
            own = next(c for c in look.contexts("port", "aggregate") if c.name == name)
            allowed = own.values_of("allowed")
            carried = look.asked(name).tagged | look.asked(name).untagged
            out += f"{look.short(name):<12}{in_lines(carried) if how else '1-4094' if allowed is None else in_lines(allowed)}\n"
    out += "\nPort        Vlans in spanning tree forwarding state and not pruned\n"
    for name in names:
        row = look.stp.ports.get(name)
        forwarding = row is None or row.state == "forwarding"
        out += f"{look.short(name):<12}{in_lines(look.asked(name).tagged | look.asked(name).untagged) if forwarding else 'none'}\n"
    return out


def lldp(look: Look, values: Values) -> str:
    """Neighbours, one line each."""
    if not look.setting.lldp:
        return "% LLDP is not enabled\n"
    out = CODES + "Device ID           Local Intf     Hold-time  Capability      Port ID\n"
    for row in look.neighbours:
        what = ",".join(word[0] for word in row.capabilities)
        out += f"{row.system_name[:20]:<20}{look.short(row.port):<15}{row.ttl:<11}{what:<16}{row.port_id.replace(' ', '')}\n"
    return out + f"\nTotal entries displayed: {len(look.neighbours)}\n"


def lldp_detail(look: Look, values: Values) -> str:
    """Neighbours, in full."""
    if not look.setting.lldp:
        return "% LLDP is not enabled\n"
    out, count = "", 0
    for row in look.neighbours:
        if values.get("name") not in (None, row.port):
            continue
        count += 1
        what = ",".join(word[0] for word in row.capabilities)
        out += f"{'-' * 48}\nLocal Intf: {look.short(row.port)}\nChassis id: {dotted(row.chassis_id)}\nPort id: {row.port_id}\n"
        out += f"Port Description: {row.port_description or row.port_id}\nSystem Name: {row.system_name}\n\nSystem Description: \n"
        out += f"{row.system_description or '-'}\n\n"
        out += f"Time remaining: {row.ttl} seconds\nSystem Capabilities: {what}\nEnabled Capabilities: {what}\n"
        out += (
            f"Management Addresses:\n    IP: {row.management_address}\n"
            if row.management_address
            else "Management Addresses - not advertised\n"
        )
        out += (
            "Auto Negotiation - not supported\nPhysical media capabilities - not advertised\nMedia Attachment Unit type - not advertised\n"
        )
        out += "Vlan ID: - not advertised\n\n"
    return out + f"\nTotal entries displayed: {count}\n"


def lldp_status(look: Look, values: Values) -> str:
    """Whether LLDP runs."""
    if not look.setting.lldp:
        return "% LLDP is not enabled\n"
    out = "\nGlobal LLDP Information:\n    Status: ACTIVE\n    LLDP advertisements are sent every 30 seconds\n"
    return out + "    LLDP hold time advertised is 120 seconds\n"


def stp(look: Look, values: Values) -> str:
    """The tree of each VLAN; the lab runs one for all."""
    if not look.setting.stp.enabled:
        return "\nNo spanning tree instances exist.\n\n"
    out = ""
    for number in sorted(look.setting.vlans):
        if values.get("id") not in (None, number):
            continue
        carrying = {*look.in_vlan(number, True), *look.in_vlan(number, False)}
        rows = [(name, row) for name, row in look.stp.ports.items() if name in carrying]
        if not rows:
            continue
        out += f"\nVLAN{number:04}\n  Spanning tree enabled protocol rstp\n{stp_head(look, number)}"
        out += f"{'Interface':<20}{'Role':<5}{'Sts':<4}{'Cost':<10}{'Prio.Nbr':<9}Type\n"
        out += f"{'-' * 19} {'-' * 4} {'-' * 3} {'-' * 9} {'-' * 8} {'-' * 32}\n"
        for name, row in rows:
            place = _names(look).index(name) + 1
            kind = "P2p Edge" if row.edge else "P2p"
            out += f"{look.short(name):<20}{ROLES[row.role]:<5}{STATES[row.state]:<4}{row.cost:<10}{f'{row.priority}.{place}':<9}{kind}\n"
        out += "\n"
    return out


def stp_root(look: Look, values: Values) -> str:
    """The root of each VLAN."""
    tree = look.stp
    out = f"{'':40}Root    Hello Max Fwd\n{'Vlan':<23}{'Root ID':<17}{'Cost':<8}{'Time':<6}{'Age':<4}{'Dly':<5}Root Port\n"
    out += f"{'-' * 16} {'-' * 20} {'-' * 9} {'-' * 5} {'-' * 3} {'-' * 3}  {'-' * 12}\n"
    for number in sorted(look.setting.vlans):
        root = f"{tree.root_priority + number:>5} {dotted(tree.root_mac or tree.bridge_mac)}"
        out += f"{f'VLAN{number:04}':<17}{root:<20}{tree.root_cost:>10}{2:>5}{20:>5}{15:>4}  {look.short(tree.root_port)}".rstrip() + "\n"
    return out


def stp_summary(look: Look, values: Values) -> str:
    """How spanning tree is set up."""
    root = "" if look.stp.root_port else ", ".join(f"VLAN{number:04}" for number in sorted(look.setting.vlans))
    return f"Switch is in rapid-pvst mode\nRoot bridge for: {root or 'none'}\n"


def etherchannel(look: Look, values: Values) -> str:
    """Aggregates with their members."""
    out = (
        "Flags:  D - down        P - bundled in port-channel\n        I - stand-alone s - suspended\n        H - Hot-standby (LACP only)\n"
    )
    out += "        R - Layer3      S - Layer2\n        U - in use      f - failed to allocate aggregator\n\n"
    used = [name for name, row in look.setting.aggregates.items() if row.members]
    out += f"\nNumber of channel-groups in use: {len(used)}\nNumber of aggregators:           {len(used)}\n\n"
    out += f"Group  Port-channel  Protocol    Ports\n{'-' * 6}+{'-' * 13}+{'-' * 11}+{'-' * 47}\n"
    for name in used:
        row, state = look.setting.aggregates[name], look.aggregates.get(name)
        chosen = state.members if state else {}
        marked = [f"{look.short(member)}({'P' if chosen.get(member) else 'D'})" for member in row.members]
        ports = [f"{text:<15}" for text in marked]
        lines = ["".join(ports[i : i + 3]).rstrip() for i in range(0, len(ports), 3)]
        group = f"{look.short(name)}(S{'U' if state and state.up else 'D'})"
        out += f"{row.number:<7}{group:<16}{'LACP' if row.lacp else '-':<10}{lines[0]}\n"
        out += "".join(" " * 33 + line + "\n" for line in lines[1:])
    return out


def transceiver(look: Look, values: Values) -> str:
    """The light that each transceiver sends and receives; dark is -40 dBm."""
    out = "If device is externally calibrated, only calibrated values are printed.\n"
    out += "++ : high alarm, +  : high warning, -  : low warning, -- : low alarm.\n"
    out += "NA or N/A: not applicable, Tx: transmit, Rx: receive.\n"
    out += "mA: milliamperes, dBm: decibels (milliwatts).\n\n                                 Optical   Optical\n"
    out += "           Temperature  Voltage  Tx Power  Rx Power\n"
    out += "Port       (Celsius)    (Volts)  (dBm)     (dBm)\n---------  -----------  -------  --------  --------\n"
    for name, state in look.ports.items():
        if state.light is not None and values.get("name") in (None, name):
            rx, tx = (DARK if value is None else value for value in (state.light.rx_dbm, state.light.tx_dbm))
            row = f"{look.short(name):<13}{state.light.temperature_c:<11.1f}{state.light.voltage_v:<11.2f}{tx:<10.1f}{rx:.1f}"
            out += row + "\n"
    return out


def power(look: Look, values: Values) -> str:
    """What each port feeds."""
    used = sum(state.poe_watts or 0.0 for state in look.ports.values())
    out = "Module   Available     Used     Remaining\n          (Watts)     (Watts)    (Watts)\n"
    out += "------   ---------   --------   ---------\n"
    out += f"1           740.0      {used:5.1f}       {740 - used:5.1f}\n"
    out += "Interface Admin  Oper       Power   Device              Class Max\n                            (Watts)\n"
    out += "--------- ------ ---------- ------- ------------------- ----- ----\n"
    for name, state in look.ports.items():
        if state.poe_watts is None or values.get("name") not in (None, name):
            continue
        on = state.poe_watts > 0
        admin = "auto" if look.asked(name).poe else "never"
        device = f"{'Ieee PD' if on else 'n/a':<20}{3 if on else 'n/a':<6}"
        out += f"{look.short(name):<10}{admin:<7}{'on' if on else 'off':<11}{state.poe_watts:<8.1f}{device}30.0\n"
    return out


SHOWS: dict[str, Show] = {
    "status": status,
    "description": description,
    "interfaces": interfaces,
    "counter_errors": counter_errors,
    "switchport": switchport,
    "trunk": trunk,
    "lldp": lldp,
    "lldp_detail": lldp_detail,
    "lldp_status": lldp_status,
    "stp": stp,
    "stp_root": stp_root,
    "stp_summary": stp_summary,
    "etherchannel": etherchannel,
    "transceiver": transceiver,
    "power": power,
}
