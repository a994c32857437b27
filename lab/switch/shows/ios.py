"""The answers of Cisco IOS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.switch.shows import ios_ports
from lab.switch.shows.cisco_like import address_rows, routes
from lab.switch.shows.look import Look, Show, dotted, spell

Values = Mapping[str, Any]


def version(look: Look, values: Values) -> str:
    """Software, model, serial number, uptime."""
    weeks, days, hours, minutes = spell(look.uptime)
    device = look.device
    software = look.switch.version
    image = f"{device.model.split('-')[1] if '-' in device.model else device.model}-UNIVERSALK9-M"
    out = f"Cisco IOS Software, {image.split('-')[0]} Software ({image}), Version {software}, RELEASE SOFTWARE (fc4)\n"
    out += "Technical Support: http://www.cisco.com/techsupport\nCopyright (c) 1986-2021 by Cisco Systems, Inc.\n"
    out += "Compiled Wed 23-Jun-21 05:10 by prod_rel_team\n\nROM: Bootstrap program is C2960X boot loader\n"
    out += "BOOTLDR: C2960X Boot Loader (C2960X-HBOOT-M) Version 15.2(7r)E2, RELEASE SOFTWARE (fc2)\n\n"
    out += f"{look.setting.hostname} uptime is {weeks} weeks, {days} days, {hours} hours, {minutes} minutes\n"
    out += "System returned to ROM by power-on\n"
    out += f'System image file is "flash:/{image.lower()}.{software}.bin"\nLast reload reason: power-on\n\n'
    out += f"cisco {device.model} (APM86XXX) processor (revision V05) with 524288K bytes of memory.\nProcessor board ID {device.serial}\n"
    out += f"Last reset from power-on\n{len(device.ports)} Gigabit Ethernet interfaces\n"
    out += "The password-recovery mechanism is enabled.\n\n512K bytes of flash-simulated non-volatile configuration memory.\n"
    out += f"Base ethernet MAC Address       : {device.mac.upper()}\nModel number                    : {device.model}\n"
    out += f"System serial number            : {device.serial}\n\n"
    out += f"Switch Ports Model                     SW Version            SW Image\n{'-' * 6} {'-' * 5} {'-' * 5}{' ' * 21}{'-' * 10}\n"
    out += f"*    1 {len(device.ports):<5} {device.model:<25} {software:<21} {image}\n\n\nConfiguration register is 0xF\n\n"
    return out


def clock(look: Look, values: Values) -> str:
    """Return the time."""
    return f"{look.now:%H:%M:%S}.{look.now.microsecond // 1000:03} {look.now:%Z %a %b} {look.now.day} {look.now:%Y}\n"


def mac(look: Look, values: Values) -> str:
    """Learnt addresses."""
    rows = [r for r in look.macs if values.get("id") in (None, r.vlan) and values.get("name") in (None, r.port)]
    out = "          Mac Address Table\n-------------------------------------------\n\n"
    out += "Vlan    Mac Address       Type        Ports\n----    -----------       --------    -----\n"
    for row in rows:
        out += f"{row.vlan:>4}    {dotted(row.mac)}    DYNAMIC     {look.short(row.port)}\n"
    return out + f"Total Mac Addresses for this criterion: {len(rows)}\n"


def vlan(look: Look, values: Values) -> str:
    """VLANs with their access ports."""
    head = f"{'VLAN':<5}{'Name':<33}{'Status':<10}Ports\n{'-' * 4} {'-' * 32} {'-' * 9} {'-' * 31}\n"
    out = "\n" + head
    for number, name in sorted(look.setting.vlans.items()):
        if values.get("id") not in (None, number):
            continue
        title = name or ("default" if number == 1 else f"VLAN{number:04}")
        ports = [look.short(port) for port in look.in_vlan(number, False) if look.asked(port).mode == "access"]
        lines = [", ".join(ports[i : i + 4]) for i in range(0, len(ports), 4)] or [""]
        out += f"{number:<5}{title:<33}{'active':<10}{lines[0]}".rstrip() + "\n" + "".join(" " * 48 + line + "\n" for line in lines[1:])
    return out + "\n"


def inventory(look: Look, values: Values) -> str:
    """Model and serial number of the box."""
    model = look.device.model
    return f'NAME: "1", DESCR: "{model}"\nPID: {model} , VID: V05  , SN: {look.device.serial}\n\n'


def users(look: Look, values: Values) -> str:
    """Who is logged in."""
    out = "    Line       User       Host(s)              Idle       Location\n"
    return out + f"*  1 vty 0     {look.session.user:<11}{'idle':<21}00:00:00   {look.session.origin}\n"


def privilege(look: Look, values: Values) -> str:
    """The session's level."""
    return f"Current privilege level is {15 if look.session.exec_view == 'privileged' else 1}\n"


def archive(look: Look, values: Values) -> str:
    """The archive of configurations."""
    return "The maximum archive configurations allowed is 10.\nThere are currently 0 archive configurations saved.\n"


def ip_brief(look: Look, values: Values) -> str:
    """The addresses of all interfaces."""
    out = f"{'Interface':<23}{'IP-Address':<16}{'OK?':<4}{'Method':<7}{'Status':<22}Protocol\n"
    rows = address_rows(look)
    rows += [(name, [], look.up(name), look.asked(name).enabled) for name in [*look.device.ports, *look.setting.aggregates]]
    for name, addresses, up, enabled in rows:
        address = addresses[0].partition("/")[0] if addresses else "unassigned"
        state = "up" if up else "down" if enabled else "administratively down"
        out += f"{name:<22} {address:<16}{'YES':<4}{'NVRAM' if addresses else 'unset':<7}{state:<22}{'up' if up else 'down'}\n"
    return out


SHOWS: dict[str, Show] = {
    "version": version,
    "clock": clock,
    "mac": mac,
    "vlan": vlan,
    "inventory": inventory,
    "users": users,
    "privilege": privilege,
    "archive": archive,
    "ip_brief": ip_brief,
    "routes": routes,
    **ios_ports.SHOWS,
}
