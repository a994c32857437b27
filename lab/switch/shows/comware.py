"""The answers of H3C Comware 7."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from lab.switch.shows import comware_ports
from lab.switch.shows.look import Look, Show, columns, hyphen, spell

Values = Mapping[str, Any]


def version(look: Look, values: Values) -> str:
    """Software, model, uptime."""
    weeks, days, hours, minutes = spell(look.uptime)
    model, uptime = look.device.model, f"{weeks} weeks, {days} days, {hours} hours, {minutes} minutes"
    out = f"H3C Comware Software, Version {look.switch.version}\n"
    out += "Copyright (c) 2004-2022 New H3C Technologies Co., Ltd. All rights reserved.\n"
    out += f"H3C {model} uptime is {uptime}\nLast reboot reason : Power on\n\nBoot image: flash:/{model.lower()}-boot.bin\n"
    out += f"Boot image version: {look.switch.version}\n\nSlot 1:\nUptime is {uptime}\nH3C {model} with 1 Processor\n"
    out += f"BOARD TYPE:         {model}\nDRAM:               1024M bytes\nFLASH:              512M bytes\nPCB 1 Version:      VER.A\n"
    return out + f"[SubSlot 0] {len(look.device.ports)} ports\n"


def clock(look: Look, values: Values) -> str:
    """Return the time."""
    return f"{look.now:%H:%M:%S} {look.now:%Z %a %m/%d/%Y}\n"


def startup(look: Look, values: Values) -> str:
    """Which file the next start takes."""
    saved = "flash:/startup.cfg" if look.switch.saved_text is not None else "NULL"
    return f"MainBoard:\n Current startup saved-configuration file: {saved}\n Next main startup saved-configuration file: {saved}\n" + (
        " Next backup startup saved-configuration file: NULL\n"
    )


def vlan_brief(look: Look, values: Values) -> str:
    """VLANs with their ports."""
    out = "Brief information about all VLANs:\nSupported Minimum VLAN ID: 1\nSupported Maximum VLAN ID: 4094\nDefault VLAN ID: 1\n"
    out += f"{'VLAN ID':<10}{'Name':<33}Port\n"
    for number, name in sorted(look.setting.vlans.items()):
        ports = [look.short(port) for tagged in (False, True) for port in look.in_vlan(number, tagged)]
        lines = ["  ".join(ports[i : i + 3]) for i in range(0, len(ports), 3)] or [""]
        out += f"{number:<10}{name or f'VLAN {number:04}':<33}{lines[0]}".rstrip() + "\n"
        out += "".join(" " * 43 + line + "\n" for line in lines[1:])
    return out


def vlan(look: Look, values: Values) -> str:
    """The numbers of the VLANs."""
    numbers = sorted(look.setting.vlans)
    return f" Total VLANs: {len(numbers)}\n The VLANs include:\n {', '.join(f'{n}(default)' if n == 1 else str(n) for n in numbers)}\n"


def vlan_all(look: Look, values: Values) -> str:
    """VLANs with everything about them."""
    blocks = []
    for number, name in sorted(look.setting.vlans.items()):
        if values.get("id") not in (None, number):
            continue
        title = name or f"VLAN {number:04}"
        own = look.setting.layer_three.get(f"Vlan-interface{number}")
        out = f" VLAN ID: {number}\n VLAN type: Static\n Route interface: {'Configured' if own else 'Not configured'}\n"
        if own and own.addresses:
            address = ipaddress.ip_interface(own.addresses[0])
            out += f" IPv4 address: {address.ip}\n IPv4 subnet mask: {address.netmask}\n"
        out += f" Description: VLAN {number:04}\n Name: {title}\n"
        for label, tagged in ((" Tagged ports:  ", True), (" Untagged ports:", False)):
            names = look.in_vlan(number, tagged)
            out += f"{label} None\n" if not names else f"{label}\n" + "".join(f"    {line}\n" for line in columns(names, 30, 2))
        blocks.append(out)
    return "\n".join(blocks) if blocks else "The specified VLAN does not exist.\n"


def mac(look: Look, values: Values) -> str:
    """Learnt addresses."""
    rows = [r for r in look.macs if values.get("id") in (None, r.vlan) and values.get("name") in (None, r.port)]
    out = f"{'MAC ADDR':<15}{'VLAN ID':<9}{'STATE':<15}{'PORT INDEX':<25}AGING TIME(s)\n"
    for row in rows:
        out += f"{hyphen(row.mac):<15}{row.vlan:<9}{'Learned':<15}{row.port:<25}AGING\n"
    return out


def device(look: Look, values: Values) -> str:
    """The boards of the box."""
    version_text = look.switch.version.rpartition("Release ")[2]
    out = f"{'Slot':<5}{'Type':<23}{'State':<9}{'Subslot':<9}{'Soft Ver':<21}Patch Ver\n"
    return out + f"{1:<5}{look.device.model:<23}{'Master':<9}{0:<9}{f'{look.device.model}-{version_text}':<21}None\n"


def manuinfo(look: Look, values: Values) -> str:
    """Serial number of the box."""
    out = f"Slot 1 CPU 0:\nDEVICE_NAME          : {look.device.model}\nDEVICE_SERIAL_NUMBER : {look.device.serial}\n"
    return (
        out + f"MAC_ADDRESS          : {hyphen(look.device.mac).upper()}\nMANUFACTURING_DATE   : 2022-05-11\nVENDOR_NAME          : H3C\n"
    )


def users(look: Look, values: Values) -> str:
    """Who is logged in."""
    out = "  Idx  Line     Idle       Time              Pid     Type\n"
    return (
        out
        + f"+ 10   VTY 0    00:00:00   {look.now:%b %d %H:%M:%S}   1000    SSH\n\nFollowing are more details.\nVTY 0   :\n"
        + (f"        User name: {look.session.user}\n        Location: {look.session.origin}\n +    : Current operation user.\n")
    )


def ip_brief(look: Look, values: Values) -> str:
    """The switch's own addresses."""
    out = "*down: administratively down\n(s): spoofing  (l): loopback\n"
    out += f"{'Interface':<20}{'Physical':<9}{'Protocol':<9}{'IP Address/Mask':<19}{'VPN instance':<13}Description\n"
    for name, row in look.setting.layer_three.items():
        up = look.svi_up(name)
        phy = "up" if up else "down" if row.enabled else "*down"
        out += f"{look.short(name):<20}{phy:<9}{'up' if up else 'down':<9}{row.addresses[0] if row.addresses else '--':<19}{'--':<13}--\n"
    return out


def routes(look: Look, values: Values) -> str:
    """The routing table: what is connected, and static routes."""
    rows = []
    for name, row in look.setting.layer_three.items():
        for address in row.addresses:
            network = str(ipaddress.ip_interface(address).network)
            rows.append(f"{network:<19}{'Direct':<8}{0:<4}{0:<12}{address.partition('/')[0]:<16}{look.short(name)}")
    rows += [f"{route.prefix:<19}{'Static':<8}{60:<4}{0:<12}{route.via:<16}" for route in sorted(look.setting.routes)]
    out = f"\nDestinations : {len(rows)}\tRoutes : {len(rows)}\n\nDestination/Mask   Proto   Pre Cost        NextHop         Interface\n"
    return out + "".join(row.rstrip() + "\n" for row in rows)


SHOWS: dict[str, Show] = {
    "version": version,
    "clock": clock,
    "startup": startup,
    "vlan": vlan,
    "vlan_brief": vlan_brief,
    "vlan_all": vlan_all,
    "mac": mac,
    "device": device,
    "manuinfo": manuinfo,
    "users": users,
    "ip_brief": ip_brief,
    "routes": routes,
    **comware_ports.SHOWS,
}
