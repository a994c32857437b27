"""The answers of Huawei's VRP 5 and VRP 8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.switch.backend import PortState
from lab.switch.shows.look import Look, columns, hyphen, spell
from lab.switch.values import ranges

Values = Mapping[str, Any]
RULE = "-" * 79
WIDE = "-" * 80
PHY = "PHY: Physical\n*down: administratively down\n^down: standby\n(l): loopback\n(s): spoofing\n(E): E-Trunk down\n(b): BFD down\n"
PHY += "(e): ETHOAM down\n(dl): DLDP down\n(lb): LBDT block\n"


def version(look: Look, values: Values) -> str:
    """Software, model, uptime."""
    weeks, days, hours, minutes = spell(look.uptime)
    vrp = look.session.data["vrp"]
    model = look.device.model
    uptime = f"{weeks} weeks, {days} days, {hours} hours, {minutes} minutes"
    out = "Huawei Versatile Routing Platform Software\n"
    out += f"VRP (R) software, Version {vrp} ({model.split('-')[0]} {look.switch.version})\n"
    out += f"Copyright (C) 2000-2022 HUAWEI TECH Co., Ltd.\nHUAWEI {model} Routing Switch uptime is {uptime}\n\n"
    ports = len(look.device.ports)
    return (
        out
        + f"ES5D2T52S037 0(Master) : uptime is {uptime}\n1. PCB      Version : VER.A\n2. Board    Type    : {model}\n3. Port     Number  : {ports}\n"
    )


def _phy(look: Look, name: str) -> tuple[str, str]:
    if name in look.setting.layer_three:
        row = look.setting.layer_three[name]
        return ("up" if look.svi_up(name) else "down" if row.enabled else "*down"), (
            "up" if look.svi_up(name) and row.addresses else "down"
        )
    state = "up" if look.up(name) else "down" if look.asked(name).enabled else "*down"
    return state, "up" if state == "up" else "down"


def _rows(look: Look) -> list[tuple[str, str]]:
    """Return every interface with the name that tables show; members stand below their aggregate."""
    rows: list[tuple[str, str]] = []
    for name, row in look.setting.aggregates.items():
        rows += [(name, name), *((member, f"  {member}") for member in row.members)]
    rows += [(name, name) for name in look.device.ports if not look.setting.ports[name].aggregate]
    return rows + [(name, name) for name in look.svis()]


def interface_brief(look: Look, values: Values) -> str:
    """One line an interface, with its errors."""
    out = PHY + "InUti/OutUti: input utility/output utility\n"
    out += f"{'Interface':<28}{'PHY':<6}{'Protocol':<9}{'InUti':>6}{'OutUti':>7}{'inErrors':>11}{'outErrors':>11}\n"
    for name, shown in _rows(look):
        phy, protocol = _phy(look, name)
        counters = look.ports[name].counters if name in look.ports else PortState().counters
        use = "--" if name in look.setting.layer_three else "0%"
        out += f"{shown:<28}{phy:<6}{protocol:<9}{use:>6}{use:>7}{counters.in_errors:>11}{counters.out_errors:>11}\n"
    out += f"{'NULL0':<28}{'up':<6}{'up(s)':<9}{'0%':>6}{'0%':>7}{0:>11}{0:>11}\n"
    return out


def interface_description(look: Look, values: Values) -> str:
    """One line an interface, with its description."""
    out = PHY + f"{'Interface':<30}{'PHY':<8}{'Protocol':<9}Description\n"
    for name, _ in _rows(look):
        phy, protocol = _phy(look, name)
        text = look.asked(name).description if name not in look.setting.layer_three else ""
        out += f"{look.short(name):<30}{phy:<8}{protocol:<9}{text}".rstrip() + "\n"
    return out


def vlan(look: Look, values: Values) -> str:
    """VLANs with the ports that carry them."""
    wanted = [n for n in sorted(look.setting.vlans) if values.get("id") in (None, n)]
    if not wanted:
        return str(look.session.data["refusals"]["vlan"]) + "\n"
    out = "" if "id" in values else f"The total number of VLANs is: {len(look.setting.vlans)}\n"
    out += (
        f"{WIDE}\nU: Up;         D: Down;         TG: Tagged;         UT: Untagged;\nMP: Vlan-mapping;               ST: Vlan-stacking;\n"
    )
    out += f"#: ProtocolTransparent-vlan;    *: Management-vlan;\n{WIDE}\n\nVID  Type    Ports\n{WIDE}\n"
    for number in wanted:
        lead = f"{number:<5}{'common':<8}"
        for tagged, mark in ((False, "UT:"), (True, "TG:")):
            names = [f"{look.short(name)}({'U' if look.up(name) else 'D'})" for name in look.in_vlan(number, tagged)]
            for place, line in enumerate(columns(names, 16, 4)):
                out += (f"{lead}{mark}" if place == 0 else " " * 16) + line + "\n"
                lead = " " * 13
        if not lead.isspace():
            out += lead.rstrip() + "\n"
    out += f"\nVID  Status  Property      MAC-LRN Statistics Description\n{WIDE}\n"
    for number in wanted:
        text = look.setting.vlans[number] or f"VLAN {number:04}"
        out += f"{number:<5}{'enable':<8}{'default':<14}{'enable':<8}{'disable':<11}{text}\n"
    return out


def mac(look: Look, values: Values) -> str:
    """Learnt addresses."""
    rows = [r for r in look.macs if values.get("id") in (None, r.vlan) and values.get("name") in (None, r.port)]
    out = f"{RULE}\n{'MAC Address':<15}{'VLAN/VSI':<34}{'Learned-From':<20}{'Type':<10}\n{RULE}\n"
    for row in rows:
        out += f"{hyphen(row.mac):<15}{f'{row.vlan}/-':<34}{look.short(row.port):<20}dynamic   \n"
    return out + f"{RULE}\nTotal items displayed = {len(rows)}\n"


def port_vlan(look: Look, values: Values) -> str:
    """Link type, PVID and VLANs of each port."""
    out = f"{'Port':<28}{'Link Type':<13}{'PVID':<6}Trunk VLAN List\n{RULE}\n"
    for name, _ in _rows(look):
        if values.get("name") not in (None, name) or name in look.setting.layer_three:
            continue
        asked = look.asked(name)
        if asked.aggregate:
            out += f"{name:<28}{'-':<13}{0:<6}-\n"
            continue
        lists = [str(a) if a == b else f"{a}-{b}" for a, b in ranges(asked.tagged | asked.untagged)] if asked.mode != "access" else []
        lines = [" ".join(lists[i : i + 8]) for i in range(0, len(lists), 8)] or ["-"]
        out += f"{name:<28}{asked.mode:<13}{asked.pvid:<6}{lines[0]}\n" + "".join(" " * 47 + line + "\n" for line in lines[1:])
    return out


SHOWS = {
    "version": version,
    "interface_brief": interface_brief,
    "interface_description": interface_description,
    "vlan": vlan,
    "mac": mac,
    "port_vlan": port_vlan,
}
