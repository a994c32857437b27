"""H3C's answers about ports, neighbours and the spanning tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.switch.backend import Light, PortState
from lab.switch.shows.look import Look, Show, hyphen
from lab.switch.values import ranges

Values = Mapping[str, Any]
DARK = -36.96
ROLES = {"root": "ROOT", "designated": "DESI", "alternate": "ALTE", "backup": "BACK", "disabled": "DISA"}
TYPES = {"access": "A", "trunk": "T", "hybrid": "H"}


def _speed(look: Look, name: str) -> str:
    speed = look.speed(name)
    return f"{speed // 1000}G" if speed >= 1000 else f"{speed}M"


def _link(look: Look, name: str) -> str:
    return "UP" if look.up(name) else "DOWN" if look.asked(name).enabled else "ADM"


def interface_brief(look: Look, values: Values) -> str:
    """One line an interface."""
    out = "Brief information on interfaces in route mode:\nLink: ADM - administratively down; Stby - standby\nProtocol: (s) - spoofing\n"
    out += f"{'Interface':<21}{'Link':<5}{'Protocol':<9}{'Primary IP':<16}Description\nInLoop0              UP   UP(s)    --\n"
    rows = [("NULL0", "UP", "UP(s)", "--")]
    for name, row in look.setting.layer_three.items():
        up = look.svi_up(name)
        address = row.addresses[0].partition("/")[0] if row.addresses else "--"
        rows.append((look.short(name), "UP" if up else "DOWN" if row.enabled else "ADM", "UP" if up else "DOWN", address))
    out += "".join(f"{name:<21}{link:<5}{protocol:<9}{address}\n" for name, link, protocol, address in sorted(rows))
    out += "\nBrief information on interfaces in bridge mode:\nLink: ADM - administratively down; Stby - standby\nSpeed: (a) - auto\n"
    out += "Duplex: (a)/A - auto; H - half; F - full\nType: A - access; T - trunk; H - hybrid\n"
    out += f"{'Interface':<21}{'Link':<5}{'Speed':<10}{'Duplex':<7}{'Type':<5}{'PVID':<5}Description\n"
    for name in [*look.setting.aggregates, *look.device.ports]:
        asked, up = look.asked(name), look.up(name)
        if asked.mode == "routed":
            continue
        speed, duplex = (f"{_speed(look, name)}(a)", "F(a)") if up else ("auto", "A")
        line = f"{look.short(name):<21}{_link(look, name):<5}{speed:<10}{duplex:<7}{TYPES[asked.mode]:<5}{asked.pvid:<5}{asked.description}"
        out += line.rstrip() + "\n"
    return out


def _commas(numbers: frozenset[int], pvid: int) -> str:
    parts = [str(a) if a == b else f"{a}-{b}" for a, b in ranges(numbers - {pvid})]
    named = [f"{pvid}(default vlan)"] if pvid in numbers else []
    return ", ".join(named + parts) or "None"


def _bridge(look: Look, name: str) -> str:
    asked = look.asked(name)
    out = f"PVID: {asked.pvid}\n"
    if name in look.device.ports:
        out += "MDI type: Automdix\n"
    out += f"Port link-type: {asked.mode.capitalize()}\n"
    if asked.mode == "trunk":
        carried = _commas(asked.tagged | asked.untagged, asked.pvid)
        out += f" VLAN Passing:   {carried}\n VLAN permitted: {carried}\n Trunk port encapsulation: IEEE 802.1q\n"
    else:
        plain = ", ".join(map(str, sorted(asked.tagged))) or "None"
        out += f" Tagged VLANs:   {plain}\n Untagged VLANs: {', '.join(map(str, sorted(asked.untagged))) or 'None'}\n"
    return out


def _physical(look: Look, name: str) -> str:
    asked, state, up = look.asked(name), look.ports.get(name, PortState()), look.up(name)
    port = look.device.ports.get(name)
    now = "UP" if up else "DOWN" if asked.enabled else "Administratively DOWN"
    bandwidth = (look.speed(name) or (port.speed if port else 0)) * 1000
    out = f"{name}\nCurrent state: {now}\nLine protocol state: {'UP' if up else 'DOWN'}\n"
    out += f"IP packet frame type: Ethernet II, hardware address: {hyphen(look.device.mac)}\n"
    out += f"Description: {asked.description or f'{name} Interface'}\nBandwidth: {bandwidth} kbps\n"
    if port is not None:
        media = "optical fiber" if port.media == "fibre" else "twisted pair" if port.media == "copper" else "not sure"
        out += f"Loopback is not set\nMedia type is {media}\n"
    if up:
        speed = look.speed(name)
        out += f"{f'{speed // 1000}Gbps' if speed >= 1000 else f'{speed}Mbps'}-speed mode, full-duplex mode\n"
    else:
        out += "Unknown-speed mode, unknown-duplex mode\n"
    out += "Link speed type is autonegotiation, link duplex type is autonegotiation\n"
    if port is not None:
        out += f"Flow-control is not enabled\nMaximum frame length: {asked.mtu or 10000}\nAllow jumbo frames to pass\n"
        out += "Broadcast max-ratio: 100%\nMulticast max-ratio: 100%\nUnicast max-ratio: 100%\n"
    out += _bridge(look, name) if asked.mode != "routed" else ""
    count = state.counters
    out += "Last clearing of counters: Never\nLast 300 seconds input:  0 packets/sec 0 bytes/sec 0%\n"
    out += "Last 300 seconds output:  0 packets/sec 0 bytes/sec 0%\n"
    out += f"Input (total):  {count.in_packets} packets, {count.in_octets} bytes\n"
    out += f"         {count.in_packets} unicasts, 0 broadcasts, 0 multicasts, 0 pauses\n"
    out += f"Input:  {count.in_errors} input errors, 0 runts, 0 giants, 0 throttles\n"
    out += f"         {count.in_crc} CRC, 0 frame, - overruns, 0 aborts\n"
    out += f"         - ignored, - parity errors\nOutput (total): {count.out_packets} packets, {count.out_octets} bytes\n"
    out += f"         {count.out_packets} unicasts, 0 broadcasts, 0 multicasts, 0 pauses\n"
    out += f"Output: {count.out_errors} output errors, - underruns, - buffer failures\n"
    out += "         0 aborts, 0 deferred, 0 collisions, 0 late collisions\n"
    return out + "         0 lost carrier, - no carrier\n"


def _own(look: Look, name: str) -> str:
    row, up = look.setting.layer_three[name], look.svi_up(name)
    now = "UP" if up else "DOWN" if row.enabled else "Administratively DOWN"
    out = f"{name}\nCurrent state: {now}\nLine protocol state: {'UP' if up else 'DOWN'}\nDescription: {name} Interface\n"
    out += "Bandwidth: 1000000 kbps\n"
    out += "Maximum transmission unit: 1500\n"
    out += f"Internet address: {row.addresses[0]} (Primary)\n" if row.addresses else "Internet protocol processing: Disabled\n"
    return out + f"IP packet frame type: Ethernet II, hardware address: {hyphen(look.device.mac)}\nLast clearing of counters: Never\n"


def interface(look: Look, values: Values) -> str:
    """Everything about one interface, or about all."""
    names = [*look.setting.aggregates, *look.device.ports, *look.svis()]
    wanted = [name for name in names if values.get("name") in (None, name)]
    return "\n".join(_own(look, name) if name in look.setting.layer_three else _physical(look, name) for name in wanted) + "\n"


def port_trunk(look: Look, values: Values) -> str:
    """The trunks with the VLANs that pass."""
    out = f"{'Interface':<21}{'PVID':<6}VLAN passing\n"
    for name in look.carriers():
        asked = look.asked(name)
        if asked.mode == "trunk":
            passing = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges(asked.tagged | asked.untagged))
            out += f"{look.short(name):<21}{asked.pvid:<6}{passing or '--'}\n"
    return out


def lldp_list(look: Look, values: Values) -> str:
    """Neighbours, one line each."""
    out = "Chassis ID : * -- -- Nearest nontpmr bridge neighbor\n             # -- -- Nearest customer bridge neighbor\n"
    out += "             Default -- -- Nearest bridge neighbor\n"
    out += f"{'Local Interface':<16}{'Chassis ID':<16}{'Port ID':<27}System Name\n"
    for row in look.neighbours:
        out += f"{look.short(row.port):<16}{hyphen(row.chassis_id):<16}{row.port_id.replace(' ', ''):<27}{row.system_name or '-'}\n"
    return out


def lldp_verbose(look: Look, values: Values) -> str:
    """Neighbours, in full."""
    blocks = []
    names = list(look.device.ports)
    for row in look.neighbours:
        if values.get("name") not in (None, row.port):
            continue
        what = ", ".join(row.capabilities)
        out = f"LLDP neighbor-information of port {names.index(row.port) + 1}[{row.port}]:\nLLDP agent nearest-bridge:\n"
        out += " LLDP neighbor index : 1\n"
        out += " Update time         : 0 days, 0 hours, 1 minutes, 0 seconds\n Chassis type        : MAC address\n"
        out += f" Chassis ID          : {hyphen(row.chassis_id)}\n"
        out += f" Port ID type        : Interface name\n Port ID             : {row.port_id}\n Time to live        : {row.ttl}\n"
        out += f" Port description    : {row.port_description or '--'}\n System name         : {row.system_name}\n"
        out += f" System description  : {row.system_description or '--'}\n"
        out += f" System capabilities supported : {what}\n System capabilities enabled   : {what}\n"
        if row.management_address:
            out += f" Management address type           : IPv4\n Management address                : {row.management_address}\n"
            out += " Management address interface type : IfIndex\n Management address interface ID   : Unknown\n"
            out += " Management address OID            : 0\n"
        out += " Port VLAN ID(PVID)  : 1\n Maximum frame size         : 10000\n"
        blocks.append(out)
    return "\n".join(blocks)


def stp_brief(look: Look, values: Values) -> str:
    """Role and state of each port that is up."""
    if not look.setting.stp.enabled:
        return "Protocol Status    :Disabled\n"
    out = f" {'MST ID':<10}{'Port':<40}{'Role':<6}{'STP State':<13}Protection\n"
    for name, row in look.stp.ports.items():
        out += f" {0:<10}{name:<40}{ROLES[row.role]:<6}{row.state.upper():<13}{'ROOT' if look.asked(name).root_guard else 'NONE'}\n"
    return out


def stp_root(look: Look, values: Values) -> str:
    """The root bridge."""
    tree = look.stp
    out = f" {'MST ID':<9}{'Root Bridge ID':<25}{'ExtPathCost':<13}{'IntPathCost':<13}Root Port\n"
    root = f"{tree.root_priority}.{hyphen(tree.root_mac or tree.bridge_mac)}"
    return out + f" {0:<9}{root:<25}{tree.root_cost:<13}{0:<13}{look.short(tree.root_port)}".rstrip() + "\n"


def stp(look: Look, values: Values) -> str:
    """The bridge, the root, and each port that is up."""
    if not look.setting.stp.enabled:
        return "Protocol Status    :Disabled\nProtocol Std.      :IEEE 802.1s\n"
    tree = look.stp
    root = f"{tree.root_priority}.{hyphen(tree.root_mac or tree.bridge_mac)}"
    out = f"-------[CIST Global Info][Mode {look.setting.stp.mode.upper()}]-------\n"
    out += f" Bridge ID           : {tree.priority}.{hyphen(tree.bridge_mac)}\n"
    out += " Bridge times        : Hello 2s MaxAge 20s FwdDelay 15s MaxHops 20\n"
    out += f" Root ID/ERPC        : {root}, {tree.root_cost}\n RegRoot ID/IRPC     : {tree.priority}.{hyphen(tree.bridge_mac)}, 0\n"
    names = list(look.device.ports)
    out += f" RootPort ID         : {f'128.{names.index(tree.root_port) + 1}' if tree.root_port in names else '0.0'}\n"
    out += " BPDU-Protection     : Disabled\n TC or TCN received  : 0\n"
    for name, row in tree.ports.items():
        number = names.index(name) + 1 if name in names else 0
        out += f"\n ----[Port{number}({name})][{row.state.upper()}]----\n Port protocol       : Enabled\n"
        out += f" Port role           : {row.role.capitalize()} Port\n"
        out += f" Port ID             : {row.priority}.{number}\n Port cost(Legacy)   : Config=auto, Active={row.cost}\n"
        config, active = ("enabled" if edge else "disabled" for edge in (look.asked(name).edge, row.edge))
        out += f" Port edged          : Config={config}, Active={active}\n"
    return out


AGGREGATION = """Loadsharing Type: Shar -- Loadsharing, NonS -- Non-Loadsharing
Port Status: S -- Selected, U -- Unselected, I -- Individual
Port: A -- Auto port, M -- Management port, R -- Reference port
Flags:  A -- LACP_Activity, B -- LACP_Timeout, C -- Aggregation,
        D -- Synchronization, E -- Collecting, F -- Distributing,
        G -- Defaulted, H -- Expired
"""


def aggregation_verbose(look: Look, values: Values) -> str:
    """Aggregates with their members."""
    out = AGGREGATION
    for name, row in look.setting.aggregates.items():
        if values.get("number") not in (None, row.number):
            continue
        state = look.aggregates.get(name)
        chosen = state.members if state else {}
        out += f"\nAggregate Interface: {name}\nCreation Mode: Manual\nAggregation Mode: {'Dynamic' if row.lacp else 'Static'}\n"
        out += "Loadsharing Type: Shar\n"
        out += f"Management VLANs: None\nSystem ID: 0x8000, {hyphen(look.device.mac)}\nLocal:\n"
        out += f"  {'Port':<20}{'Status':<9}{'Priority':<9}{'Index':<9}{'Oper-Key':<23}Flag\n"
        for number, member in enumerate(row.members, 1):
            flag = ("{ACDEF}" if chosen.get(member) else "{AC}") if row.lacp else "--"
            out += f"  {look.short(member):<20}{'S' if chosen.get(member) else 'U':<9}{32768:<9}{number:<9}{1:<23}{flag}\n"
        out += f"Remote:\n  {'Actor':<20}{'Priority':<9}{'Index':<9}{'Oper-Key':<9}{'SystemID':<23}Flag\n"
        for number, member in enumerate(row.members if row.lacp else (), 1):
            partner = hyphen(state.partner) if state and state.partner else "0000-0000-0000"
            flag = "{ACDEF}" if chosen.get(member) else "{EF}"
            out += f"  {look.short(member):<20}{32768:<9}{number:<9}{1:<9}{f'0x8000, {partner}':<23}{flag}\n"
    return out


def aggregation_summary(look: Look, values: Values) -> str:
    """Aggregates, one line each."""
    out = "Aggregation Interface Type:\n"
    out += "BAGG -- Bridge-Aggregation, BLAGG -- Blade-Aggregation, RAGG -- Route-Aggregation, SCH-B -- Schannel-Bundle\n"
    out += "Aggregation Mode: S -- Static, D -- Dynamic\nLoadsharing Type: Shar -- Loadsharing, NonS -- Non-Loadsharing\n"
    out += f"Actor System ID: 0x8000, {hyphen(look.device.mac)}\n\n"
    out += "AGG        AGG   Partner ID              Selected  Unselected  Individual  Share\n"
    out += "Interface  Mode                          Ports     Ports       Ports       Type\n" + "-" * 80 + "\n"
    for name, row in look.setting.aggregates.items():
        state = look.aggregates.get(name)
        up = sum(state.members.values()) if state else 0
        partner = f"0x8000, {hyphen(state.partner)}" if state and state.partner else "None"
        out += f"{look.short(name):<11}{'D' if row.lacp else 'S':<6}{partner:<24}{up:<10}{len(row.members) - up:<12}{0:<12}Shar\n"
    return out


def aggregation_members(look: Look, values: Values) -> str:
    """The member ports, in full."""
    out = "Flags: A -- LACP_Activity, B -- LACP_Timeout, C -- Aggregation,\n"
    out += "       D -- Synchronization, E -- Collecting, F -- Distributing,\n"
    out += "       G -- Defaulted, H -- Expired\n"
    for name, row in look.setting.aggregates.items():
        for number, member in enumerate(row.members, 1):
            out += f"\n{member}:\nAggregate Interface: {name}\nPort Number: {number}\nPort Priority: 32768\nOper-Key: 1\n"
    return out


def _optics(look: Look, values: Values) -> list[tuple[str, Light]]:
    return [(name, row.light) for name, row in look.ports.items() if values.get("name") in (None, name) and row.light is not None]


def transceiver(look: Look, values: Values) -> str:
    """What is plugged into the cages."""
    out = ""
    for name, _ in _optics(look, values):
        speed = look.device.ports[name].speed // 1000
        out += f"{name} transceiver information:\n  Transceiver Type              : {speed}G_BASE_LR_SFP\n"
        out += "  Connector Type                : LC\n"
        out += "  Wavelength(nm)                : 1310\n  Transfer Distance(km)         : 10(SMF)\n"
        out += "  Digital Diagnostic Monitoring : YES\n  Vendor Name                   : H3C\n\n"
    return out or "The transceiver is absent.\n"


def transceiver_diagnosis(look: Look, values: Values) -> str:
    """The light that each transceiver sends and receives; dark is about -37 dBm."""
    out = ""
    for name, light in _optics(look, values):
        rx, tx = (DARK if value is None else value for value in (light.rx_dbm, light.tx_dbm))
        out += f"{name} transceiver diagnostic information:\n  Current diagnostic parameters:\n"
        out += "    Temp.(C) Voltage(V)  Bias(mA)  RX power(dBm)  TX power(dBm)\n"
        out += f"    {light.temperature_c:<9.0f}{light.voltage_v:<12.2f}{light.bias_ma:<10.2f}{rx:<15.2f}{tx:.2f}\n"
        out += "  Alarm thresholds:\n         Temp.(C) Voltage(V)  Bias(mA)  RX power(dBm)  TX power(dBm)\n"
        out += (
            "    High 75       3.63        85.00     2.50           3.50\n    Low  -5       2.97        1.00      -18.00         -11.30\n\n"
        )
    return out or "The transceiver is absent.\n"


def poe(look: Look, values: Values) -> str:
    """What each port feeds."""
    out = f" {'Interface':<11}{'PoE':<10}{'Priority':<9}{'CurPower':<11}{'Oper':<10}{'IEEE':<6}{'Detection':<13}\n"
    out += f" {'':<11}{'Status':<10}{'':<9}{'(W)':<11}{'Status':<10}{'Class':<6}{'Status':<13}\n"
    total = 0.0
    for name, state in look.ports.items():
        if state.poe_watts is None or values.get("name") not in (None, name):
            continue
        total += state.poe_watts
        oper, detection = ("On", "Delivering") if state.poe_watts else ("Off", "Searching")
        enabled = "Enabled" if look.asked(name).poe else "Disabled"
        out += (
            f" {look.short(name):<11}{enabled:<10}{'Low':<9}{state.poe_watts:<11.1f}{oper:<10}{3 if state.poe_watts else 0:<6}{detection}\n"
        )
    return out + f" --- {total:.1f} W in use\n"


SHOWS: dict[str, Show] = {
    "interface_brief": interface_brief,
    "interface": interface,
    "port_trunk": port_trunk,
    "lldp_list": lldp_list,
    "lldp_verbose": lldp_verbose,
    "stp": stp,
    "stp_brief": stp_brief,
    "stp_root": stp_root,
    "aggregation_verbose": aggregation_verbose,
    "aggregation_summary": aggregation_summary,
    "aggregation_members": aggregation_members,
    "transceiver": transceiver,
    "transceiver_diagnosis": transceiver_diagnosis,
    "poe": poe,
}
