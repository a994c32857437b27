"""The answers of Ruijie RGOS, in the layout of its public command reference; there are no templates of others to hold them against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.switch.backend import PortState
from lab.switch.shows.cisco_like import address_rows, in_lines, routes, stp_head
from lab.switch.shows.look import Look, Show, dotted

Values = Mapping[str, Any]
DARK = -40.0
ROLES = {"root": "Root", "designated": "Desg", "alternate": "Altn", "backup": "Back", "disabled": "Disa"}
STATES = {"forwarding": "FWD", "learning": "LRN", "discarding": "BLK"}


def version(look: Look, values: Values) -> str:
    """Software, model, serial number, uptime."""
    up, device = look.uptime, look.device
    hours, rest = divmod(int(up.total_seconds()) % 86400, 3600)
    out = f"System description      : Ruijie 10G Ethernet Switch({device.model}) By Ruijie Networks\n"
    out += f"System start time       : {look.now - up:%Y-%m-%d %H:%M:%S}\n"
    out += f"System uptime           : {up.days}:{hours:02}:{rest // 60:02}:{rest % 60:02}\n"
    out += f"System hardware version : 1.00\nSystem software version : {look.switch.version}\nSystem patch number     : NA\n"
    out += f"System serial number    : {device.serial}\nSystem boot version     : 1.3.8\nModule information:\n  Slot 0 : {device.model}\n"
    return (
        out
        + f"    Hardware version    : 1.00\n    Boot version        : 1.3.8\n    Software version    : {look.switch.version}\n"
        + f"    Serial number       : {device.serial}\n"
    )


def slots(look: Look, values: Values) -> str:
    """The boards of the box."""
    out = f"{'Dev':<5}{'Slot':<5}{'Port':<5}{'Configured Module':<24}{'Online Module':<24}Software Status\n"
    out += f"{'-' * 3:<5}{'-' * 4:<5}{'-' * 4:<5}"
    out += f"{'-' * 22:<24}{'-' * 22:<24}{'-' * 15}\n"
    return out + f"{1:<5}{0:<5}{len(look.device.ports):<5}{look.device.model:<24}{look.device.model:<24}ok\n"


def manuinfo(look: Look, values: Values) -> str:
    """Serial number and address of the box."""
    out = f"Slot: 0\n  Product Name: {look.device.model}\n  Serial Number: {look.device.serial}\n"
    return out + f"  Hardware Version: 1.00\n  MAC Address: {dotted(look.device.mac)}\n"


def clock(look: Look, values: Values) -> str:
    """Return the time."""
    return f"{look.now:%H:%M:%S %Z %a, %b} {look.now.day}, {look.now:%Y}\n"


def _speed(speed: int) -> str:
    return f"{speed // 1000}G" if speed >= 10000 else f"{speed}M"


def _media(look: Look, name: str) -> str:
    port = look.device.ports.get(name)
    return "fiber" if port is None or port.media != "copper" else "copper"


def _state(look: Look, name: str) -> str:
    return "up" if look.up(name) else "down" if look.asked(name).enabled else "disabled"


def status(look: Look, values: Values) -> str:
    """One line a port."""
    out = f"{'Interface':<41}{'Status':<10}{'Vlan':<7}{'Duplex':<9}{'Speed':<11}Type\n"
    out += f"{'-' * 40} {'-' * 8}  {'-' * 4}   {'-' * 7}  {'-' * 9}  {'-' * 6}\n"
    for name in [*look.device.ports, *look.setting.aggregates]:
        asked, up = look.asked(name), look.up(name)
        vlan = "routed" if asked.mode == "routed" else str(asked.pvid)
        speed = _speed(look.speed(name)) if up else "Unknown"
        out += f"{name:<41}{_state(look, name):<10}{vlan:<7}{'Full' if up else 'Unknown':<9}{speed:<11}{_media(look, name)}\n"
    return out


def description(look: Look, values: Values) -> str:
    """One line a port, with its description."""
    out = f"{'Interface':<41}{'Status':<9}{'Administrative':<15}Description\n{'-' * 40} {'-' * 8} {'-' * 14} {'-' * 11}\n"
    for name in [*look.device.ports, *look.setting.aggregates]:
        if values.get("name") in (None, name):
            asked = look.asked(name)
            line = f"{name:<41}{'up' if look.up(name) else 'down':<9}{'up' if asked.enabled else 'down':<15}{asked.description}"
            out += line.rstrip() + "\n"
    return out


def interfaces(look: Look, values: Values) -> str:
    """Everything about one interface, or about all."""
    out = ""
    names = [*look.device.ports, *look.setting.aggregates]
    for number, name in enumerate(names, 1):
        if values.get("name") not in (None, name):
            continue
        asked, up, count = look.asked(name), look.up(name), look.ports.get(name, PortState()).counters
        word = "UP  " if up else "DOWN" if asked.enabled else "administratively down"
        speed = look.speed(name) or (look.device.ports[name].speed if name in look.device.ports else 0)
        out += f"Index(dec):{number} (hex):{number:x}\n{name} is {word}, line protocol is {'UP' if up else 'DOWN'}\n"
        out += f"  Hardware is GigabitEthernet, address is {dotted(look.device.mac)} (bia {dotted(look.device.mac)})\n"
        out += f"  Interface address is: no ip address\n  MTU {asked.mtu or 1500} bytes, BW {speed * 1000} Kbit\n"
        out += "  Encapsulation protocol is Ethernet-II, loopback not set\n  Keepalive interval is 10 sec , set\n"
        out += "  Carrier delay is 2 sec\n"
        out += f'  Rxload is 1/255, Txload is 1/255\n  Switchport attributes:\n    interface\'s description:"{asked.description}"\n'
        out += f"    admin medium-type is {_media(look, name).capitalize()}, oper medium-type is {_media(look, name).capitalize()}\n"
        out += "    Priority is 0\n"
        out += f"    admin duplex mode is AUTO, oper duplex is {'Full' if up else 'Unknown'}\n"
        out += f"    admin speed is AUTO, oper speed is {_speed(look.speed(name)) if up else 'Unknown'}\n"
        out += f"    flow control admin status is OFF, flow control oper status is OFF\n    Port-type: {asked.mode}\n"
        if asked.mode == "trunk":
            out += f"    Native vlan: {asked.pvid}\n    Allowed vlan lists: {in_lines(asked.tagged | asked.untagged)}\n"
        else:
            out += f"    Vlan id: {asked.pvid}\n"
        out += "  10 seconds input rate 0 bits/sec, 0 packets/sec\n  10 seconds output rate 0 bits/sec, 0 packets/sec\n"
        out += f"    {count.in_packets} packets input, {count.in_octets} bytes, 0 no buffer, {count.in_drops} dropped\n"
        out += "    Received 0 broadcasts, 0 runts, 0 giants\n"
        out += f"    {count.in_errors} input errors, {count.in_crc} CRC, 0 frame, 0 overrun, 0 abort\n"
        out += f"    {count.out_packets} packets output, {count.out_octets} bytes, 0 underruns , {count.out_drops} dropped\n"
        out += f"    {count.out_errors} output errors, 0 collisions, 0 interface resets\n"
    return out


def switchport(look: Look, values: Values) -> str:
    """Mode and VLANs of each port."""
    out = f"{'Interface':<33}{'Switchport':<11}{'Mode':<10}{'Access':<7}{'Native':<7}{'Protected':<10}VLAN lists\n"
    out += f"{'-' * 32} {'-' * 10} {'-' * 9} {'-' * 6} {'-' * 6} {'-' * 9} {'-' * 20}\n"
    for name in look.carriers():
        if values.get("name") in (None, name):
            asked = look.asked(name)
            lists = in_lines(asked.tagged | asked.untagged) if asked.mode != "access" else "ALL"
            enabled = "disabled" if asked.mode == "routed" else "enabled"
            out += f"{name:<33}{enabled:<11}{asked.mode.upper():<10}{asked.pvid:<7}{asked.pvid:<7}{'Disabled':<10}{lists}\n"
    return out


def counter_errors(look: Look, values: Values) -> str:
    """The error counters of each port."""
    out = f"{'Interface':<13}{'UnderSize':>12}{'OverSize':>12}{'Collisions':>12}{'Fragments':>12}\n" + "-" * 61 + "\n"
    for name in look.device.ports:
        if values.get("name") in (None, name):
            out += f"{look.short(name):<13}{0:>12}{0:>12}{0:>12}{0:>12}\n"
    out += f"\n{'Interface':<13}{'Jabbers':>12}{'CRC-Align-Err':>15}{'Align-Err':>12}{'FCS-Err':>12}\n" + "-" * 64 + "\n"
    for name, state in look.ports.items():
        if values.get("name") in (None, name):
            out += f"{look.short(name):<13}{0:>12}{state.counters.in_crc:>15}{0:>12}{state.counters.in_errors:>12}\n"
    return out


def vlan(look: Look, values: Values) -> str:
    """VLANs with their ports."""
    out = f"{'VLAN':<11}{'Name':<33}{'Status':<10}Ports\n{'-' * 10} {'-' * 32} {'-' * 9} {'-' * 35}\n"
    for number, name in sorted(look.setting.vlans.items()):
        if values.get("id") not in (None, number):
            continue
        ports = [look.short(port) for tagged in (False, True) for port in look.in_vlan(number, tagged)]
        lines = [", ".join(ports[i : i + 4]) for i in range(0, len(ports), 4)] or [""]
        out += f"{number:>10} {name or f'VLAN{number:04}':<33}{'STATIC':<10}{lines[0]}".rstrip() + (",\n" if len(lines) > 1 else "\n")
        out += "".join(" " * 54 + line + ("\n" if line == lines[-1] else ",\n") for line in lines[1:])
    return out


def mac(look: Look, values: Values) -> str:
    """Learnt addresses."""
    out = f"{'Vlan':<12}{'MAC Address':<21}{'Type':<9}Interface\n{'-' * 10}  {'-' * 20} {'-' * 8} {'-' * 19}\n"
    for row in look.macs:
        if values.get("id") in (None, row.vlan) and values.get("name") in (None, row.port):
            out += f"{row.vlan:>10}  {dotted(row.mac):<21}{'DYNAMIC':<9}{row.port}\n"
    return out


CODES = """Capability codes:
    (R) Router, (B) Bridge, (T) Telephone, (C) DOCSIS Cable Device
    (W) WLAN Access Point, (P) Repeater, (S) Station, (O) Other

"""


def lldp(look: Look, values: Values) -> str:
    """Neighbours, one line each."""
    out = CODES + f"{'System Name':<22}{'Local Intf':<22}{'Port ID':<22}{'Capability':<14}Aging-time\n"
    for row in look.neighbours:
        what = ",".join(word[0] for word in row.capabilities)
        out += f"{row.system_name:<22}{look.short(row.port):<22}{row.port_id:<22}{what:<14}{row.ttl // 60}minutes {row.ttl % 60}seconds\n"
    return out + f"\nTotal entries displayed: {len(look.neighbours)}\n"


def lldp_detail(look: Look, values: Values) -> str:
    """Neighbours, in full."""
    out = ""
    for row in look.neighbours:
        if values.get("name") not in (None, row.port):
            continue
        line = "-" * 76
        fields = {
            "Neighbor index": "1",
            "Device type": "LLDP Device",
            "Update time": "0hour 1minutes 0seconds",
            "Aging time": f"{row.ttl // 60}minutes {row.ttl % 60}seconds",
            "Chassis ID type": "MAC address",
            "Chassis id": dotted(row.chassis_id),
            "System name": row.system_name,
            "System description": row.system_description,
            "System capabilities supported": ", ".join(row.capabilities),
            "System capabilities enabled": ", ".join(row.capabilities),
            "Management address subtype": "ipv4" if row.management_address else "",
            "Management address": row.management_address,
            "Port ID type": "Interface name",
            "Port id": row.port_id,
            "Port description": row.port_description,
        }
        out += f"{line}\nLLDP neighbor-information of port [{row.port}]\n{line}\n"
        out += "".join(f"  {name:<34}: {value}".rstrip() + "\n" for name, value in fields.items())
    return out


def stp(look: Look, values: Values) -> str:
    """The bridge and the root."""
    asked, tree = look.setting.stp, look.stp
    if not asked.enabled:
        return "No spanning tree instance exists.\n"
    out = f"StpVersion : {asked.mode.upper()}\nSysStpStatus : ENABLED\nMaxAge : 20\nHelloTime : 2\nForwardDelay : 15\n"
    out += "BridgeMaxAge : 20\nBridgeHelloTime : 2\n"
    out += "BridgeForwardDelay : 15\nMaxHops: 20\nTxHoldCount : 3\nPathCostMethod : Long\nBPDUGuard : Disabled\n"
    out += "BPDUFilter : Disabled\n\n###### mst 0 vlans map : ALL\n"
    out += (
        f"BridgeAddr : {dotted(tree.bridge_mac)}\nPriority: {tree.priority}\nTimeSinceTopologyChange : 0d:0h:1m:0s\nTopologyChanges : 1\n"
    )
    out += f"DesignatedRoot : {tree.root_priority}.{dotted(tree.root_mac or tree.bridge_mac)}\nRootCost : {tree.root_cost}\n"
    return out + f"RootPort : {tree.root_port or 0}\n"


def stp_summary(look: Look, values: Values) -> str:
    """Role and state of each port that is up."""
    if not look.setting.stp.enabled:
        return "No spanning tree instance exists.\n"
    out = f"Spanning tree enabled protocol {look.setting.stp.mode}\nMST 0 vlans map : ALL\n" + stp_head(look, 0)
    out += f"{'Interface':<17}{'Role':<5}{'Sts':<4}{'Cost':<11}{'Prio':<9}{'OperEdge':<9}Type\n"
    out += f"{'-' * 16} {'-' * 4} {'-' * 3} {'-' * 10} {'-' * 8} {'-' * 8} {'-' * 16}\n"
    for name, row in look.stp.ports.items():
        out += f"{look.short(name):<17}{ROLES[row.role]:<5}{STATES[row.state]:<4}{row.cost:<11}{row.priority:<9}{row.edge!s:<9}P2p\n"
    return out


def aggregate(look: Look, values: Values) -> str:
    """Aggregates with their members."""
    out = f"{'AggregatePort':<14}{'MaxPorts':<9}{'SwitchPort':<11}{'Mode':<7}{'Load balance':<25}Ports\n"
    out += f"{'-' * 13} {'-' * 8} {'-' * 10} {'-' * 6} {'-' * 24} {'-' * 35}\n"
    for name, row in look.setting.aggregates.items():
        if values.get("number") in (None, row.number):
            ports = ",".join(f"{look.short(member):<7}" for member in row.members).rstrip()
            mode = "TRUNK" if row.port.mode == "trunk" else "ACCESS"
            out += f"{look.short(name):<14}{8:<9}{'Enabled':<11}{mode:<7}{'src-dst-mac':<25}{ports}".rstrip() + "\n"
    return out


def lacp(look: Look, values: Values) -> str:
    """The members of aggregates by LACP."""
    out = f"System Id:32768, {dotted(look.device.mac)}\n"
    out += "Flags:  S - Device is requesting Slow LACPDUs   F - Device is requesting Fast LACPDUs.\n"
    out += "A - Device is in active mode.        P - Device is in passive mode.\n"
    for name, row in look.setting.aggregates.items():
        if not row.lacp:
            continue
        state = look.aggregates.get(name)
        chosen = state.members if state else {}
        flags = ("F" if row.fast else "S") + ("P" if row.passive else "A")
        out += f"\nAggregate port {row.number}:\n\nLocal information:\n{' ' * 26}LACP port       Oper    Port    Port\n"
        out += f"Port    Flags   State     Priority        Key     Number  State\n{'-' * 70}\n"
        for number, member in enumerate(row.members, 1):
            up = chosen.get(member)
            state_now, bits = ("bndl", "0x3d") if up else ("down", "0x45")
            out += f"{look.short(member):<8}{flags:<8}{state_now:<10}{32768:<16}{hex(row.number):<8}{hex(number):<8}{bits}\n"
        partner = dotted(state.partner) if state and state.partner else "0000.0000.0000"
        out += f"\nPartner information:\n{' ' * 25}LACP port                  Oper    Port     Port\n"
        out += f"Port    Flags    Priority      Dev ID             Key     Number   State\n{'-' * 72}\n"
        for number, member in enumerate(row.members, 1):
            bits = "0x3d" if chosen.get(member) else "0x0"
            out += f"{look.short(member):<8}{'SA':<9}{32768:<14}{partner:<19}{hex(row.number):<8}{hex(number):<9}{bits}\n"
    return out


def transceiver(look: Look, values: Values) -> str:
    """What is plugged into the cages."""
    out = ""
    for name, state in look.ports.items():
        if values.get("name") in (None, name) and state.light is not None:
            speed = look.device.ports[name].speed // 1000
            out += f"========Interface {name}========\nTransceiver Type    :  {speed}GBASE-LR-SFP+\nConnector Type      :  LC\n"
            out += "Wavelength(nm)      :  1310\n"
            out += "Transfer Distance   :\n    SMF fiber\n        -- 10km\nDigital Diagnostic Monitoring  : YES\n"
            out += "Vendor Name         :  RUIJIE\n\n"
    return out or "The transceiver is absent!\n"


def transceiver_diagnosis(look: Look, values: Values) -> str:
    """The light that each transceiver sends and receives; dark is -40 dBm."""
    out = ""
    for name, state in look.ports.items():
        if values.get("name") not in (None, name) or state.light is None:
            continue
        light = state.light
        rx, tx = (DARK if value is None else value for value in (light.rx_dbm, light.tx_dbm))
        rx_text = f"{rx:.2f}({'OK' if rx > -18 else 'alarm'})[AP]"
        out += f"========Interface {name}========\nCurrent diagnostic parameters[AP:Average Power]:\n"
        out += f"{'Temp(Celsius)':<16}{'Voltage(V)':<16}{'Bias(mA)':<20}{'RX power(dBm)':<20}TX power(dBm)\n"
        volts, bias = f"{light.voltage_v:.2f}(OK)", f"{light.bias_ma:.2f}(OK)"
        out += f"{f'{light.temperature_c:.0f}(OK)':<16}{volts:<16}{bias:<20}{rx_text:<20}{tx:.2f}({'OK' if tx > -10 else 'alarm'})\n\n"
    return out or "The transceiver is absent!\n"


def poe(look: Look, values: Values) -> str:
    """What each port feeds."""
    out = f"{'Interface':<15}{'Power':<9}{'Power':<9}{'Curr':<9}{'Max':<9}PD\n"
    out += f"{'':<15}{'Control':<9}{'Status':<9}{'Power':<9}{'Power':<9}Class\n"
    out += f"{'-' * 14} {'-' * 8} {'-' * 8} {'-' * 8} {'-' * 8} {'-' * 5}\n"
    for name, state in look.ports.items():
        if state.poe_watts is not None and values.get("name") in (None, name):
            enabled = "enable" if look.asked(name).poe else "disable"
            on = state.poe_watts > 0
            word, watts = "on" if on else "off", f"{state.poe_watts:.1f}W"
            out += f"{look.short(name):<15}{enabled:<9}{word:<9}{watts:<9}{'30.0W':<9}{3 if on else 'N/A'}\n"
    return out


def ip_brief(look: Look, values: Values) -> str:
    """The switch's own addresses."""
    out = f"{'Interface':<33}{'IP-Address(Pri)':<21}{'IP-Address(Sec)':<21}{'Status':<23}Protocol\n"
    for name, addresses, up, enabled in address_rows(look):
        second = addresses[1] if len(addresses) > 1 else "no address"
        first = addresses[0] if addresses else "no address"
        word = "up" if up else "down" if enabled else "administratively down"
        out += f"{name:<33}{first:<21}{second:<21}{word:<23}{'up' if up else 'down'}\n"
    return out


def users(look: Look, values: Values) -> str:
    """Who is logged in."""
    out = "    Line            User            Host(s)              Idle            Location\n"
    return out + f"*   {'1 vty 0':<16}{look.session.user:<16}{'idle':<21}{'00:00:00':<16}{look.session.origin}\n"


SHOWS: dict[str, Show] = {
    "version": version,
    "slots": slots,
    "manuinfo": manuinfo,
    "clock": clock,
    "status": status,
    "description": description,
    "interfaces": interfaces,
    "switchport": switchport,
    "counter_errors": counter_errors,
    "vlan": vlan,
    "mac": mac,
    "lldp": lldp,
    "lldp_detail": lldp_detail,
    "stp": stp,
    "stp_summary": stp_summary,
    "aggregate": aggregate,
    "lacp": lacp,
    "transceiver": transceiver,
    "transceiver_diagnosis": transceiver_diagnosis,
    "poe": poe,
    "ip_brief": ip_brief,
    "users": users,
    "routes": routes,
}
