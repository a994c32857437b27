"""What Cisco and Ruijie say alike."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from lab.switch.shows.look import Look, dotted
from lab.switch.values import ranges


def in_lines(numbers: frozenset[int]) -> str:
    """Return VLANs as `1,10-12`; none is `NONE`."""
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges(numbers)) or "NONE"


def address_rows(look: Look) -> list[tuple[str, list[str], bool, bool]]:
    """Return the switch's own interfaces: name, addresses, whether up, whether enabled."""
    return [(name, list(row.addresses), look.svi_up(name), row.enabled) for name, row in look.setting.layer_three.items()]


def stp_head(look: Look, extension: int) -> str:
    """Return the root and the bridge; Cisco adds the VLAN to the priority."""
    tree = look.stp
    names = [*look.device.ports, *look.setting.aggregates]
    out = (
        f"  Root ID    Priority    {tree.root_priority + extension}\n             Address     {dotted(tree.root_mac or tree.bridge_mac)}\n"
    )
    if tree.root_port:
        number = names.index(tree.root_port) + 1 if tree.root_port in names else 0
        out += f"             Cost        {tree.root_cost}\n             Port        {number} ({tree.root_port})\n"
    else:
        out += "             This bridge is the root\n"
    times = "             Hello Time   2 sec  Max Age 20 sec  Forward Delay 15 sec\n"
    priority = f"{tree.priority + extension}" + (f"  (priority {tree.priority} sys-id-ext {extension})" if extension else "")
    return out + times + f"\n  Bridge ID  Priority    {priority}\n             Address     {dotted(tree.bridge_mac)}\n" + times + "\n"


def routes(look: Look, values: Mapping[str, Any]) -> str:
    """The routing table: what is connected, and static routes."""
    out = "Codes: C - connected, L - local, S - static, * - candidate default\n\n"
    rows = []
    for route in sorted(look.setting.routes):
        star = "S*" if route.prefix == "0.0.0.0/0" else "S "
        rows.append(f"{star}    {route.prefix} [1/0] via {route.via}")
    for name, row in look.setting.layer_three.items():
        for address in row.addresses:
            rows.append(f"C     {ipaddress.ip_interface(address).network} is directly connected, {name}")
    return out + "".join(row + "\n" for row in rows)
