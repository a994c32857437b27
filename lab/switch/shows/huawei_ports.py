"""Huawei's answers about ports, neighbours and the spanning tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.switch.backend import Counters, Light, PortState, StpPort
from lab.switch.shows.look import Look, Show, hyphen
from lab.switch.values import ranges

Values = Mapping[str, Any]
ROLES = {"root": "ROOT", "designated": "DESI", "alternate": "ALTE", "backup": "BACK", "disabled": "DISA"}
STATES = {"forwarding": "FORWARDING", "learning": "LEARNING", "discarding": "DISCARDING"}
NORMAL = {
    "TxPower(dBm)": (-9.5, -0.5),
    "RxPower(dBm)": (-18.0, 0.0),
    "Current(mA)": (2.0, 12.0),
    "Temp.(Celsius)": (-5.0, 75.0),
    "Voltage(V)": (3.1, 3.5),
}
DARK = -40.0


def _traffic(counters: Counters) -> str:
    ways = []
    for way, packets, octets, drops, errors, crc in (
        ("Input", counters.in_packets, counters.in_octets, counters.in_drops, counters.in_errors, counters.in_crc),
        ("Output", counters.out_packets, counters.out_octets, counters.out_drops, counters.out_errors, 0),
    ):
        text = (
            f"{way}:  {packets} packets, {octets} bytes\n  Unicast:{packets:>27},  Multicast:{0:>28}\n  Broadcast:{0:>25},  Jumbo:{0:>32}\n"
        )
        text += f"  Discard:{drops:>27},  Pause:{0:>32}\n\n  Total Error:{errors:>23}\n"
        if way == "Input":
            text += f"  CRC:{crc:>31},  Giants:{0:>31}\n  Runts:{0:>29},  DropEvents:{drops:>27}\n"
        else:
            text += f"  Collisions:{0:>24},  Late Collisions:{0:>22}\n"
        ways.append(text)
    return "\n".join(ways)


def _physical(look: Look, name: str) -> str:
    asked, state = look.asked(name), look.ports.get(name, PortState())
    port = look.device.ports.get(name)
    word = "UP" if look.up(name) else "DOWN" if asked.enabled else "Administratively DOWN"
    fibre = port is not None and port.media != "copper"
    out = f"{name} current state : {word}\nLine protocol current state : {'UP' if look.up(name) else 'DOWN'}\n"
    out += f"Description:{asked.description}\n"
    if asked.mode == "routed":
        out += "Route Port,The Maximum Transmit Unit is 1500\nInternet protocol processing : disabled\n"
    else:
        out += f"Switch Port, Link-type : {asked.mode}(configured),\n"
        out += f"PVID : {asked.pvid:>4}, TPID : 8100(Hex), The Maximum Frame Length is {asked.mtu or 9216}\n"
    out += f"IP Sending Frames' Format is PKTFMT_ETHNT_2, Hardware address is {hyphen(look.device.mac)}\n"
    out += f"Current system time: {look.now:%Y-%m-%d %H:%M:%S%z}\n"
    if port is not None:
        out += f"Port Mode: {'COMMON FIBER' if fibre else 'COMMON COPPER'}\n"
        speed = state.speed or port.speed
        out += f"Speed : {speed:>4},  Loopback: NONE\nDuplex: FULL,  Negotiation: {'DISABLE' if fibre else 'ENABLE'}\n"
        out += f"Mdi   : {'-' if fibre else 'AUTO'}\n"
    out += "Last 300 seconds input rate 0 bits/sec, 0 packets/sec\nLast 300 seconds output rate 0 bits/sec, 0 packets/sec\n\n"
    if name in look.setting.aggregates:
        return out + _members(look, name)
    return out + _traffic(state.counters) + "\n    Input bandwidth utilization  : 0%\n    Output bandwidth utilization : 0%\n"


def _members(look: Look, name: str) -> str:
    state, members = look.aggregates.get(name), look.setting.aggregates[name].members
    out = "-----------------------------------------------------\nPortName                      Status              Weight\n"
    out += "-----------------------------------------------------\n"
    for member in members:
        out += f"{member:<30}{'UP' if look.up(member) else 'DOWN':<20}1\n"
    up = sum(state.members.values()) if state else 0
    out += "-----------------------------------------------------\n"
    return out + f"The Number of Ports in Trunk : {len(members)}\nThe Number of UP Ports in Trunk : {up}\n"


def _own(look: Look, name: str) -> str:
    row = look.setting.layer_three[name]
    up = look.svi_up(name)
    out = f"{name} current state : {'UP' if up else 'DOWN' if row.enabled else 'Administratively DOWN'}\n"
    out += f"Line protocol current state : {'UP' if up and row.addresses else 'DOWN'}\nDescription:\n"
    out += "Route Port,The Maximum Transmit Unit is 1500\n"
    out += f"Internet Address is {row.addresses[0]}\n" if row.addresses else "Internet protocol processing : disabled\n"
    out += f"IP Sending Frames' Format is PKTFMT_ETHNT_2, Hardware address is {hyphen(look.device.mac)}\n"
    out += f"Current system time: {look.now:%Y-%m-%d %H:%M:%S%z}\n"
    return out + "    Input bandwidth utilization  : --\n    Output bandwidth utilization : --\n"


def interface(look: Look, values: Values) -> str:
    """Everything about one interface, or about all."""
    names = [*look.setting.aggregates, *look.device.ports, *look.svis()]
    wanted = [name for name in names if values.get("name") in (None, name)]
    return "\n".join(_own(look, name) if name in look.setting.layer_three else _physical(look, name) for name in wanted)


def lldp(look: Look, values: Values) -> str:
    """Neighbours, in full."""
    heard = {row.port: row for row in look.neighbours}
    blocks = []
    for name in look.device.ports:
        if values.get("name") not in (None, name) or (name not in heard and "name" not in values):
            continue
        out = f"{name} has {1 if name in heard else 0} neighbor(s):\n\n"
        if name in heard:
            row = heard[name]
            what = " ".join(word.lower() for word in row.capabilities) or "--"
            out += f"Neighbor index :1\nChassis type   :MAC Address\nChassis ID     :{hyphen(row.chassis_id)}\n"
            out += "Port ID type   :Interface Name\n"
            out += f"Port ID        :{row.port_id}\nPort description    :{row.port_description or '--'}\n"
            out += f"System name         :{row.system_name}\n"
            out += f"System description  :{row.system_description or '--'}\n"
            out += f"System capabilities supported   :{what}\nSystem capabilities enabled     :{what}\n"
            if row.management_address:
                out += f"Management address type  :ipV4\nManagement address value :{row.management_address}\n"
                out += "OID  :0.6.15.43.6.1.4.1.2011.5.25.41.1.2.1.1.1.\n"
            out += f"Expired time   :{row.ttl}s\n\nPort VLAN ID(PVID)  :--\n"
        blocks.append(out)
    return "\n".join(blocks) if blocks else "Info: No LLDP neighbor information.\n"


def lldp_brief(look: Look, values: Values) -> str:
    """Neighbours, one line each."""
    out = f"{'Local Intf':<16}{'Neighbor Dev':<20}{'Neighbor Intf':<24}Exptime(s)\n"
    for row in look.neighbours:
        out += f"{look.short(row.port):<16}{row.system_name:<20}{row.port_id:<24}{row.ttl}\n"
    return out


def _stp_rows(look: Look) -> list[tuple[str, StpPort]]:
    return sorted(look.stp.ports.items(), key=lambda row: list({**look.device.ports, **look.setting.aggregates}).index(row[0]))


def stp_brief(look: Look, values: Values) -> str:
    """Role and state of each port that is up."""
    if not look.setting.stp.enabled:
        return "Info: STP is not enabled.\n"
    out = " MSTID  Port                        Role  STP State     Protection\n"
    for name, row in _stp_rows(look):
        asked = look.asked(name)
        guard = "ROOT" if asked.root_guard else "BPDU" if asked.bpdu_guard else "NONE"
        out += f"   0    {name:<28}{ROLES[row.role]:<6}{STATES[row.state]:<15}{guard}\n"
    return out


def stp(look: Look, values: Values) -> str:
    """The bridge, the root, and each port that is up."""
    if not look.setting.stp.enabled:
        return "Info: STP is not enabled.\n"
    tree = look.stp
    root = f"{tree.root_priority:<5}.{hyphen(tree.root_mac or tree.bridge_mac)}"
    names = list(look.device.ports)
    number = names.index(tree.root_port) + 1 if tree.root_port in names else 0
    out = f"-------[CIST Global Info][Mode {look.setting.stp.mode.upper()}]-------\n"
    out += f"CIST Bridge         :{tree.priority:<5}.{hyphen(tree.bridge_mac)}\n"
    out += "Config Times        :Hello 2s MaxAge 20s FwDly 15s MaxHop 20\nActive Times        :Hello 2s MaxAge 20s FwDly 15s MaxHop 20\n"
    out += f"CIST Root/ERPC      :{root} / {tree.root_cost} {'(This bridge is the root)' if not tree.root_port else ''}".rstrip() + "\n"
    out += f"CIST RegRoot/IRPC   :{tree.priority:<5}.{hyphen(tree.bridge_mac)} / 0\n"
    out += f"CIST RootPortId     :{f'128.{number}' if tree.root_port else '0.0'}{f' ({tree.root_port})' if tree.root_port else ''}\n"
    out += "BPDU-Protection     :Disabled\nTC or TCN received  :0\nTC count per hello  :0\nSTP Converge Mode   :Normal\n"
    for name, row in _stp_rows(look):
        number = names.index(name) + 1 if name in names else 0
        out += f"----[Port{number}({name})][{STATES[row.state]}]----\n Port Protocol       :Enabled\n"
        out += f" Port Role           :{row.role.capitalize()} Port\n Port Priority       :{row.priority}\n"
        out += f" Port Cost(Dot1T )   :Config=auto / Active={row.cost}\n"
        config = "enabled" if look.asked(name).edge else "default"
        out += f" Port Edged          :Config={config} / Active={'enabled' if row.edge else 'disabled'}\n"
    return out


def eth_trunk(look: Look, values: Values) -> str:
    """Aggregates with their members."""
    blocks = []
    for name, row in look.setting.aggregates.items():
        if values.get("number") not in (None, row.number):
            continue
        state = look.aggregates.get(name)
        chosen = state.members if state else {}
        up = f"{'up' if state and state.up else 'down':<13}"
        hash_ = "Hash arithmetic: According to SIP-XOR-DIP"
        if row.lacp:
            out = (
                f"{name}'s state information is:\nLocal:\nLAG ID: {row.number:<19} WorkingMode: LACP\nPreempt Delay: Disabled     {hash_}\n"
            )
            out += (
                f"System Priority: 32768      System ID: {hyphen(look.device.mac)}\nLeast Active-linknumber: 1  Max Active-linknumber: 8\n"
            )
            out += f"Operate status: {up}Number Of Up Port In Trunk: {sum(chosen.values())}\n{'-' * 80}\n"
            out += "ActorPortName          Status   PortType PortPri PortNo PortKey PortState Weight\n"
            for number, member in enumerate(row.members, 1):
                status = "Selected" if chosen.get(member) else "Unselect"
                speed = look.device.ports[member].speed // 1000
                bits = "10111100" if chosen.get(member) else "10100010"
                out += f"{member:<23}{status:<9}{f'{speed}GE':<9}32768   {number:<7}305     {bits}  1\n"
            out += f"\nPartner:\n{'-' * 80}\nActorPortName          SysPri   SystemID        PortPri PortNo PortKey PortState\n"
            for number, member in enumerate(row.members, 1):
                partner = hyphen(state.partner) if state and state.partner else "0000-0000-0000"
                out += f"{member:<23}32768    {partner}  32768   {number:<7}305     {'10111100' if chosen.get(member) else '10100011'}\n"
        else:
            out = f"{name}'s state information is:\nWorkingMode: NORMAL         {hash_}\n"
            out += "Least Active-linknumber: 1  Max Bandwidth-affected-linknumber: 8\n"
            out += f"Operate status: {up}Number Of Up Port In Trunk: {sum(chosen.values())}\n{'-' * 80}\n"
            out += "PortName                      Status      Weight\n"
            out += "".join(f"{member:<30}{'Up' if chosen.get(member) else 'Down':<12}1\n" for member in row.members)
        blocks.append(out)
    return "\n".join(blocks) if blocks else "Info: No valid trunk in the system.\n"


def _optics(look: Look, values: Values) -> list[tuple[str, Light]]:
    found = [(name, state.light) for name, state in look.ports.items() if values.get("name") in (None, name)]
    return [(name, light) for name, light in found if light is not None]


def transceiver(look: Look, values: Values) -> str:
    """What is plugged into the cages."""
    out = ""
    for name, light in _optics(look, values):
        speed = look.device.ports[name].speed // 1000
        out += f"{name} transceiver information:\n{'-' * 61}\nCommon information:\n  Transceiver Type               :{speed}GBASE_LR\n"
        out += (
            "  Connector Type                 :LC\n  Wavelength(nm)                 :1310\n  Transfer Distance(m)           :10000(9um)\n"
        )
        out += f"  Digital Diagnostic Monitoring  :YES\n  Vendor Name                    :HUAWEI\n{'-' * 61}\n"
        if look.session.two_stage:
            rx = DARK if light.rx_dbm is None else light.rx_dbm
            tx = DARK if light.tx_dbm is None else light.tx_dbm
            out += f"Diagnostic information:\n  Temperature (Celsius)                 :{light.temperature_c:.2f}\n"
            out += f"  Voltage (V)                           :{light.voltage_v:.2f}\n"
            out += f"  Bias Current (mA)                     :{light.bias_ma:.2f}\n  Current RX Power (dBm)                :{rx:.2f}\n"
            out += "  Default RX Power High Threshold (dBm) :0.00\n  Default RX Power Low  Threshold (dBm) :-18.00\n"
            out += f"  Current TX Power (dBm)                :{tx:.2f}\n  Default TX Power High Threshold (dBm) :-0.50\n"
            out += f"  Default TX Power Low  Threshold (dBm) :-9.50\n{'-' * 61}\n"
    return out or "Info: No transceiver is present.\n"


def transceiver_diagnosis(look: Look, values: Values) -> str:
    """The light that each transceiver sends and receives; dark is -40 dBm."""
    out = ""
    for name, light in _optics(look, values):
        out += f"Port {name} transceiver diagnostic information:\n  Parameter            Current  Low Alarm  High Alarm\n"
        out += "  Type                  Value   Threshold  Threshold   Status\n"
        out += "  -------------------------------------------------------------\n"
        found = [light.tx_dbm, light.rx_dbm, light.bias_ma, light.temperature_c, light.voltage_v]
        for (label, (low, high)), value in zip(NORMAL.items(), found, strict=True):
            number = DARK if value is None else value
            status = "normal" if low <= number <= high else "abnormal"
            out += f"  {label:<20}{number:>8.2f}{low:>11.2f}{high:>11.2f}    {status}\n"
        out += "\n"
    return out or "Info: No transceiver is present.\n"


def poe(look: Look, values: Values) -> str:
    """What each port feeds."""
    out = f"{'PortName':<26}{'PowerOn/Off':<13}{'Enabled':<9}{'Class':<7}{'CurPower(mW)':<14}MaxPower(mW)\n{'-' * 79}\n"
    for name, state in look.ports.items():
        if state.poe_watts is not None and values.get("name") in (None, name):
            on = state.poe_watts > 0
            out += f"{name:<26}{'on' if on else 'off':<13}{'enable' if look.asked(name).poe else 'disable':<9}{3 if on else '-':<7}"
            out += f"{int(state.poe_watts * 1000):<14}30000\n"
    return out


def port_vlan(look: Look, values: Values) -> str:
    """Link type, PVID and VLANs of each port."""
    out = f"{'Port':<28}{'Link Type':<13}{'PVID':<6}Trunk VLAN List\n{'-' * 79}\n"
    for name in [*look.setting.aggregates, *look.device.ports]:
        if values.get("name") not in (None, name):
            continue
        asked = look.asked(name)
        if asked.aggregate:
            out += f"{name:<28}{'-':<13}{0:<6}-\n"
            continue
        lists = [str(a) if a == b else f"{a}-{b}" for a, b in ranges(asked.tagged | asked.untagged)] if asked.mode != "access" else []
        lines = [" ".join(lists[i : i + 8]) for i in range(0, len(lists), 8)] or ["-"]
        out += f"{name:<28}{asked.mode:<13}{asked.pvid:<6}{lines[0]}\n" + "".join(" " * 47 + line + "\n" for line in lines[1:])
    return out


SHOWS: dict[str, Show] = {
    "interface": interface,
    "lldp": lldp,
    "lldp_brief": lldp_brief,
    "stp": stp,
    "stp_brief": stp_brief,
    "eth_trunk": eth_trunk,
    "transceiver": transceiver,
    "transceiver_diagnosis": transceiver_diagnosis,
    "poe": poe,
    "port_vlan": port_vlan,
}
