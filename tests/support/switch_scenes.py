"""One scene on every platform: a ward port, a trunk of an aggregate, an uplink with a neighbour, an address; in each one's words."""

from __future__ import annotations

import functools

from lab.switch.backend import Counters, MacEntry, Neighbour, StpPort, StpState
from lab.switch.memory import Memory
from support.switches import Line, describe, line

MAC, CORE = "52:54:00:12:34:56", "52:54:00:aa:bb:cc"
HUAWEI = """system-view
lldp enable
vlan batch 10 20
vlan 10
name wards
interface Eth-Trunk1
port link-type trunk
port trunk allow-pass vlan 10 20
mode lacp
interface {p[2]}
eth-trunk 1
interface {p[0]}
{access}
port default vlan 10
description ward east
interface {p[1]}
shutdown
interface {p[3]}
port link-type trunk
port trunk allow-pass vlan 10 20
quit
interface Vlanif10
ip address 10.20.20.2 24
quit
ip route-static 0.0.0.0 0 10.20.20.1
{end}"""
SCENES = {
    "huawei": HUAWEI.replace("{access}", "port link-type access").replace("{end}", "return"),
    "huawei_vrpv8": HUAWEI.replace("{access}\n", "").replace("{end}", "commit\nreturn"),
    "hp_comware": """system-view
vlan 10
name wards
quit
vlan 20
interface Bridge-Aggregation1
port link-type trunk
port trunk permit vlan 10 20
link-aggregation mode dynamic
interface {p[2]}
port link-aggregation group 1
interface {p[0]}
port access vlan 10
description ward east
interface {p[1]}
shutdown
interface {p[3]}
port link-type trunk
port trunk permit vlan 10 20
interface Vlan-interface10
ip address 10.20.20.2 24
quit
ip route-static 0.0.0.0 0 10.20.20.1
return""",
    "ruijie_os": """configure terminal
spanning-tree
vlan 10
name wards
vlan 20
interface {p[2]}
port-group 1 mode active
interface AggregatePort 1
switchport mode trunk
switchport trunk allowed vlan only 10,20
interface {p[0]}
switchport access vlan 10
description ward east
interface {p[1]}
shutdown
interface {p[3]}
switchport mode trunk
switchport trunk allowed vlan only 10,20
interface VLAN 10
ip address 10.20.20.2 255.255.255.0
ip route 0.0.0.0 0.0.0.0 10.20.20.1
end""",
    "cisco_ios": """configure terminal
lldp run
vlan 10
name wards
vlan 20
interface {p[2]}
channel-group 1 mode active
interface Port-channel1
switchport mode trunk
switchport trunk allowed vlan 10,20
interface {p[0]}
switchport mode access
switchport access vlan 10
description ward east
interface {p[1]}
shutdown
interface {p[3]}
switchport mode trunk
switchport trunk allowed vlan 10,20
interface Vlan10
ip address 10.20.20.2 255.255.255.0
ip default-gateway 10.20.20.1
end""",
}


@functools.cache
def scene(platform: str) -> tuple[Line, Memory, list[str]]:
    """Return a session at a switch with the scene, its back end, and the names of its four ports; made once, to be read only."""
    device = describe("box-1", platform, 7, access=3, uplinks=1)
    names = list(device.ports)
    text = SCENES[platform]
    for number, name in enumerate(names):
        text = text.replace(f"{{p[{number}]}}", name)
    typed = line(device)
    typed.answers = typed.lines(text)
    memory = typed.session.switch.backend
    assert isinstance(memory, Memory)
    memory.cabled |= {names[0], names[2], names[3]}
    memory.learnt = [MacEntry(10, MAC, names[0]), MacEntry(20, CORE, names[3])]
    memory.heard = [Neighbour(names[3], "core-a", "10GE1/0/1", CORE, "to acc", "Huawei VRP", "10.20.99.1", ("Bridge", "Router"))]
    memory.counted = {names[0]: Counters(1000, 10, 3, 2, 1, 2000, 20, 4, 0)}
    memory.poe = {names[0]: 5.4}
    memory.root = StpState("", 32768, CORE, 4096, 2000, names[3], {names[3]: StpPort("root", "forwarding", 2000)})
    return typed, memory, names
