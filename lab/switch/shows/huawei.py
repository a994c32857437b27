"""The answers of Huawei's VRP 5 and VRP 8."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from lab.switch.backend import PortState
from lab.switch.shows import huawei_ports
from lab.switch.shows.look import Look, Show, columns, hyphen, spell

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
        + f"ES5D2T52S037 0(Master) : uptime is {uptime}\n1. PCB      Version : VER.A\n"
        + f"2. Board    Type    : {model}\n3. Port     Number  : {ports}\n"
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


def startup(look: Look, values: Values) -> str:
    """Which files the next start takes."""
    saved = "flash:/vrpcfg.zip" if look.switch.saved_text is not None else "NULL"
    software = f"flash:/{look.device.model}-{look.switch.version}.cc"
    out = f"MainBoard:\n  Startup system software:                   {software}\n"
    out += f"  Next startup system software:              {software}\n"
    out += f"  Backup system software for next startup:   null\n  Startup saved-configuration file:          {saved}\n"
    return out + f"  Next startup saved-configuration file:     {saved}\n"


def device(look: Look, values: Values) -> str:
    """The boards of the box."""
    head = "Slot  Card   Type                     Online   Power Register     Alarm     Primary        "
    line = "-" * len(head)
    out = f"{look.device.model}'s Device status:\n{line}\n{head}\n{line}\n"
    return out + f"{0:<6}{'-':<7}{look.device.model:<25}{'Present':<9}{'On':<6}{'Registered':<13}{'Normal':<10}{'Master':<15}\n{line}\n"


def manufacture(look: Look, values: Values) -> str:
    """Serial number of the box."""
    head = "Slot  Card   Type                     Serial-number              Manu-date"
    return f"{head}\n{WIDE}\n0     -      {look.device.model:<25}{look.device.serial:<27}2022-05-11\n"


def elabel(look: Look, values: Values) -> str:
    """The electronic label."""
    model = look.device.model
    head = "[Slot_0]\n/$[Board Integration Version]\n[Board Properties]"
    return f"{head}\nBoardType={model}\nBarCode={look.device.serial}\nDescription={model}\n"


def esn(look: Look, values: Values) -> str:
    """The serial number."""
    return f"ESN of slot 0: {look.device.serial}\n"


def users(look: Look, values: Values) -> str:
    """Who is logged in."""
    out = "  User-Intf    Delay    Type   Network Address     AuthenStatus    AuthorcmdFlag\n"
    return out + f"+ 34  VTY 0   00:00:00  SSH    {look.session.origin:<20}pass\n  Username : {look.session.user}\n"


def ip_brief(look: Look, values: Values) -> str:
    """The switch's own addresses."""
    out = "*down: administratively down\n^down: standby\n(l): loopback\n(s): spoofing\n"
    out += f"{'Interface':<34}{'IP Address/Mask':<21}{'Physical':<11}Protocol\n"
    for name, row in look.setting.layer_three.items():
        phy, protocol = _phy(look, name)
        out += f"{name:<34}{row.addresses[0] if row.addresses else 'unassigned':<21}{phy:<11}{protocol}\n"
    return out


def routes(look: Look, values: Values) -> str:
    """The routing table: what is connected, and static routes."""
    out = "Route Flags: R - relay, D - download to fib\n" + "-" * 78 + "\nRouting Tables: Public\n\n"
    out += "Destination/Mask    Proto   Pre  Cost      Flags NextHop         Interface\n\n"
    for name, row in look.setting.layer_three.items():
        for address in row.addresses:
            network = str(ipaddress.ip_interface(address).network)
            out += f"{network:>18}  Direct  0    0           D   {address.partition('/')[0]:<16}{name}\n"
    for route in sorted(look.setting.routes):
        out += f"{route.prefix:>18}  Static  60   0          RD   {route.via}\n"
    return out


def commit_list(look: Look, values: Values) -> str:
    """The commits that can be gone back to."""
    line = "-" * 78
    out = f"{line}\nNo.  CommitId    Label                 User            TimeStamp\n{line}\n"
    for number, row in enumerate(reversed(look.switch.commits), 1):
        out += f"{number:<5}{row.number:<12}{'-':<22}{row.by:<16}{row.at:%Y-%m-%d %H:%M:%S}\n"
    return out + f"{line}\n"


def trial(look: Look, values: Values) -> str:
    """Whether a trial is under way."""
    pending = look.switch.pending
    if pending is None:
        return "Trial status            : INACTIVE\n"
    left = max(0, int(pending.until - look.switch.clock()))
    return f"Trial status            : ACTIVE\nTrial by                : {pending.owner}\nTrial period left       : {left} seconds\n"


SHOWS: dict[str, Show] = {
    "version": version,
    "interface_brief": interface_brief,
    "interface_description": interface_description,
    "vlan": vlan,
    "mac": mac,
    "startup": startup,
    "device": device,
    "manufacture": manufacture,
    "elabel": elabel,
    "esn": esn,
    "users": users,
    "ip_brief": ip_brief,
    "routes": routes,
    "commit_list": commit_list,
    "trial": trial,
    **huawei_ports.SHOWS,
}
