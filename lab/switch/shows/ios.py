"""The answers of Cisco IOS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.switch.shows.look import Look, dotted, spell

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
    out += f"{look.setting.hostname} uptime is {weeks} weeks, {days} days, {hours} hours, {minutes} minutes\nSystem returned to ROM by power-on\n"
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


SHOWS = {"version": version, "clock": clock, "mac": mac}
