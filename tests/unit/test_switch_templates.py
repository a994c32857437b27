"""What the command lines show is read by stock ntc-templates; where nobody has one, what a recovery needs is looked for."""

from __future__ import annotations

import pytest
from ntc_templates.parse import parse_output

from support.switch_scenes import SCENES, scene

TEMPLATES = {"huawei": "huawei_vrp", "huawei_vrpv8": "huawei_vrp"}
# platform, command, a row that must be among what the template reads; {n} are the ports' names, {s} their short ones
ROWS = [
    ("huawei", "display version", {"vrp_version": "5.170", "product_version": "S5735 V200R021C10SPC600"}),
    ("huawei_vrpv8", "display version", {"vrp_version": "8.191"}),
    ("huawei", "display interface brief", {"interface": "{n0}", "phy": "up", "inerrors": "3", "outerrors": "4"}),
    ("huawei", "display interface brief", {"interface": "{n1}", "phy": "*down"}),
    ("huawei", "display interface brief", {"interface": "Eth-Trunk1", "phy": "up"}),
    ("huawei_vrpv8", "display interface brief", {"interface": "{n0}", "phy": "up", "inerrors": "3"}),
    ("huawei", "display interface", {"interface": "{n0}", "link_status": "UP", "interface_description": "ward east", "vlan_id": "10"}),
    ("huawei", "display interface description", {"interface": "{s0}", "description": "ward east"}),
    ("huawei", "display vlan", {"vlan_id": "10", "vlan_status": "enable", "vlan_description": "wards"}),
    ("huawei", "display mac-address", {"destination_address": "5254-0012-3456", "destination_port": "{s0}", "vlan_id": "10"}),
    ("huawei_vrpv8", "display mac-address", {"destination_address": "5254-0012-3456", "destination_port": "{s0}"}),
    ("huawei", "display lldp neighbor", {"local_interface": "{n3}", "neighbor_name": "core-a", "neighbor_port_id": "10GE1/0/1"}),
    ("huawei", "display eth-trunk", {"eth_trunk": "Eth-Trunk1", "working_mode": "LACP", "interface": "{n2}", "status": "Selected"}),
    ("huawei", "display port vlan", {"interface": "{n3}", "link_type": "trunk", "vlan_id": "1", "trunk_vlan_list": ["1", "10", "20"]}),
    ("huawei", "display port vlan", {"interface": "{n0}", "link_type": "access", "vlan_id": "10"}),
    ("huawei", "display device", {"slot": "0", "pid": "S5735-L48P4X-A1"}),
    ("huawei", "display startup", {"startup_saved_configuration_file": "NULL"}),
    (
        "hp_comware",
        "display interface brief",
        {"interface": "{s0}", "link": "UP", "type": "A", "vlan_id": "10", "description": "ward east"},
    ),
    ("hp_comware", "display interface brief", {"interface": "{s1}", "link": "ADM"}),
    ("hp_comware", "display interface brief", {"interface": "Vlan10", "link": "UP", "main_ip": "10.20.20.2"}),
    ("hp_comware", "display interface", {"interface": "{n0}", "line_status": "UP", "description": "ward east", "vlan_native": "10"}),
    (
        "hp_comware",
        "display interface",
        {"interface": "{n3}", "port_link_type": "Trunk", "vlan_permitted": ["1(default vlan)", "10", "20"]},
    ),
    ("hp_comware", "display vlan brief", {"vlan_id": "10", "vlan_name": "wards"}),
    ("hp_comware", "display vlan all", {"vlan_id": "10", "vlan_name": "wards", "ipv4_address": "10.20.20.2"}),
    ("hp_comware", "display mac-address", {"mac_address": "5254-0012-3456", "interface": "{n0}", "vlan_id": "10"}),
    (
        "hp_comware",
        "display lldp neighbor-information list",
        {"local_interface": "{s3}", "neighbor_name": "core-a", "neighbor_interface": "10GE1/0/1"},
    ),
    ("hp_comware", "display lldp neighbor-information verbose", {"local_interface": "{n3}", "neighbor_name": "core-a"}),
    (
        "hp_comware",
        "display link-aggregation verbose",
        {"interface": "Bridge-Aggregation1", "aggregation_mode": "Dynamic", "local_interfaces": ["{s2}"]},
    ),
    ("hp_comware", "display device manuinfo", {"device_serial_number": "LAB000000007", "device_name": "S5560X-54C-EI"}),
    ("hp_comware", "display clock", {"timezone": "UTC"}),
    (
        "cisco_ios",
        "show version",
        {"version": "15.2(7)E4", "hostname": "Switch", "serial": ["LAB000000007"], "hardware": ["WS-C2960X-48FPD-L"]},
    ),
    ("cisco_ios", "show interfaces status", {"port": "{s0}", "name": "ward east", "status": "connected", "vlan_id": "10"}),
    ("cisco_ios", "show interfaces status", {"port": "{s1}", "status": "disabled"}),
    ("cisco_ios", "show interfaces status", {"port": "{s3}", "status": "connected", "vlan_id": "trunk"}),
    ("cisco_ios", "show interfaces", {"interface": "{n0}", "link_status": "up", "input_errors": "3", "crc": "2", "output_errors": "4"}),
    ("cisco_ios", "show interfaces description", {"port": "{s0}", "status": "up", "description": "ward east"}),
    ("cisco_ios", "show interfaces switchport", {"interface": "{s0}", "admin_mode": "static access", "access_vlan": "10"}),
    ("cisco_ios", "show interfaces switchport", {"interface": "{s3}", "mode": "trunk", "trunking_vlans": ["10", "20"]}),
    ("cisco_ios", "show vlan", {"vlan_id": "10", "vlan_name": "wards", "status": "active", "interfaces": ["{s0}"]}),
    ("cisco_ios", "show mac address-table", {"destination_address": "5254.0012.3456", "destination_port": ["{s0}"], "vlan_id": "10"}),
    ("cisco_ios", "show lldp neighbors", {"neighbor_name": "core-a", "local_interface": "{s3}", "neighbor_interface": "10GE1/0/1"}),
    ("cisco_ios", "show lldp neighbors detail", {"neighbor_name": "core-a", "local_interface": "{s3}", "mgmt_address": "10.20.99.1"}),
    ("cisco_ios", "show spanning-tree", {"vlan_id": "10", "interface": "{s3}", "role": "Root", "status": "FWD"}),
    ("cisco_ios", "show spanning-tree root", {"vlan_id": "VLAN0010", "root_id": "5254.00aa.bbcc"}),
    (
        "cisco_ios",
        "show etherchannel summary",
        {"bundle_name": "Po1", "bundle_status": "SU", "bundle_protocol": "LACP", "member_interface": ["{s2}"]},
    ),
    ("cisco_ios", "show inventory", {"pid": "WS-C2960X-48FPD-L", "sn": "LAB000000007"}),
    ("cisco_ios", "show power inline", {"interface": "{s0}", "operational_status": "on", "power": "5.4"}),
    ("cisco_ios", "show interface transceiver", {"interface": "{s3}", "tx_pwr": "-2.5", "rx_pwr": "-3.0"}),
    ("cisco_ios", "show ip interface brief", {"interface": "Vlan10", "ip_address": "10.20.20.2", "status": "up"}),
    ("cisco_ios", "show clock", {"timezone": "UTC"}),
]


@pytest.mark.parametrize("platform", SCENES)
def test_the_scene_is_accepted_without_a_word(platform: str) -> None:
    typed, _, _ = scene(platform)
    assert [answer for answer in typed.answers if "rror" in answer or "%" in answer] == []


@pytest.mark.parametrize(("platform", "command", "row"), ROWS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_stock_template_reads_it(platform: str, command: str, row: dict[str, object]) -> None:
    typed, _, names = scene(platform)
    short = [typed.session.switch.environment.short(name) for name in names]
    places = {f"{{n{i}}}": name for i, name in enumerate(names)} | {f"{{s{i}}}": name for i, name in enumerate(short)}

    def fill(value: object) -> object:
        return [fill(v) for v in value] if isinstance(value, list) else places.get(str(value), value)

    wanted = {key: fill(value) for key, value in row.items()}
    rows = parse_output(platform=TEMPLATES.get(platform, platform), command=command, data=typed(command))
    assert any(wanted.items() <= found.items() for found in rows), rows


# Without a template anywhere: command, and what must stand in one line of the answer.
LINES = [
    ("huawei", "display stp brief", ("XGigabitEthernet0/0/1", "ROOT", "FORWARDING")),
    ("huawei", "display stp", ("CIST Root/ERPC", "4096", "5254-00aa-bbcc", "2000")),
    ("huawei", "display transceiver diagnosis interface", ("RxPower(dBm)", "-3.00", "normal")),
    ("huawei_vrpv8", "display interface transceiver verbose", ("Current RX Power (dBm)", ":-3.00")),
    ("huawei", "display poe power", ("GigabitEthernet0/0/1", "on", "5400")),
    ("huawei", "display esn", ("LAB000000007",)),
    ("huawei", "display lldp neighbor brief", ("XGE0/0/1", "core-a", "10GE1/0/1")),
    ("hp_comware", "display version", ("Version 7.1.070, Release 6628P22",)),
    ("hp_comware", "display stp brief", ("Ten-GigabitEthernet1/0/4", "ROOT", "FORWARDING")),
    ("hp_comware", "display stp root", ("4096.5254-00aa-bbcc", "2000", "XGE1/0/4")),
    ("hp_comware", "display transceiver diagnosis interface", ("35", "3.30", "-3.00", "-2.50")),
    ("hp_comware", "display poe interface", ("GE1/0/1", "Enabled", "5.4")),
    ("hp_comware", "display link-aggregation summary", ("BAGG1", "D", "1")),
    ("ruijie_os", "show version", ("System serial number", "LAB000000007")),
    ("ruijie_os", "show interfaces status", ("GigabitEthernet 0/1", "up", "10", "Full", "1000M", "copper")),
    ("ruijie_os", "show vlan", ("10", "wards", "STATIC", "Gi0/1")),
    ("ruijie_os", "show mac-address-table", ("10", "5254.0012.3456", "DYNAMIC", "GigabitEthernet 0/1")),
    ("ruijie_os", "show lldp neighbors", ("core-a", "Te0/4", "10GE1/0/1")),
    ("ruijie_os", "show lldp neighbors detail", ("Port id", "10GE1/0/1")),
    ("ruijie_os", "show spanning-tree summary", ("Te0/4", "Root", "FWD")),
    ("ruijie_os", "show aggregatePort summary", ("Ag1", "TRUNK", "Gi0/3")),
    ("ruijie_os", "show lacp summary", ("Gi0/3", "SA", "bndl")),
    ("ruijie_os", "show interfaces transceiver diagnosis", ("35(OK)", "-3.00(OK)[AP]", "-2.50(OK)")),
    ("ruijie_os", "show poe interfaces status", ("Gi0/1", "on", "5.4W")),
    ("ruijie_os", "show interfaces", ("3 input errors, 2 CRC",)),
    ("ruijie_os", "show ip interface brief", ("VLAN 10", "10.20.20.2/24", "up")),
]


@pytest.mark.parametrize(("platform", "command", "words"), LINES, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_recovery_needs_stands_in_one_line(platform: str, command: str, words: tuple[str, ...]) -> None:
    typed, _, _ = scene(platform)
    answer = typed(command)
    assert any(all(word in line for word in words) for line in answer.splitlines()), answer
