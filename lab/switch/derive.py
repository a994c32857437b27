"""From the lines of a configuration to what the switch shall do: the meaning of `acts`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from lab.switch.backend import EVERY_VLAN, AggregateSetting, LayerThreeSetting, PortSetting, Route, Setting, StpSetting
from lab.switch.device import Device
from lab.switch.tree import Context, Tree

EVERYWHERE = "0.0.0.0/0"
DIRECT = {
    "enabled",
    "stp",
    "edge",
    "stp_cost",
    "stp_priority",
    "bpdu_guard",
    "root_guard",
    "lldp",
    "poe",
    "speed",
    "mtu",
    "isolated",
    "description",
}


def port_setting(
    context: Context, vlans: frozenset[int], defaults: Mapping[str, Any], common: Mapping[str, Any], aggregate: str = ""
) -> PortSetting:
    """Return what the lines of one interface ask for, cut down to the VLANs that exist."""
    facts = {**common, **context.facts()}
    mode = facts.get("mode", defaults["mode"])
    pvid, untagged, tagged = 1, frozenset[int](), frozenset[int]()
    if mode == "access":
        pvid = facts.get("access", 1)
        untagged = frozenset({pvid})
        tagged = frozenset({facts["voice"]}) if facts.get("voice") else tagged
    elif mode == "trunk":
        pvid = facts.get("native", 1)
        base = EVERY_VLAN if defaults["allowed"] == "all" else frozenset(defaults["allowed"])
        allowed = context.values_of("allowed")
        allowed = base if allowed is None else allowed
        untagged, tagged = allowed & {pvid}, allowed - {pvid}
    elif mode == "hybrid":
        pvid = facts.get("hybrid", facts.get("access", 1))
        given = context.values_of("untagged")
        untagged = frozenset({facts["access"]} if "access" in facts else {1}) if given is None else given
        tagged = context.values_of("tagged") or frozenset()
        tagged |= {facts["voice"]} if facts.get("voice") else frozenset()
    return PortSetting(
        mode=mode,
        pvid=pvid,
        untagged=untagged & vlans,
        tagged=(tagged & vlans) - untagged,
        aggregate=aggregate,
        **{name: facts[name] for name in DIRECT if name in facts},
    )


def some_ports(tree: Tree, have: Setting, names: Collection[str]) -> Setting:
    """Return a setting in which only some ports' own lines have changed: nothing about VLANs or aggregates."""
    common, exist = _common(tree.root.facts()), frozenset(have.vlans)
    ports = dict(have.ports)
    for context in tree.root.within("port"):
        if context.name in names:
            ports[context.name] = port_setting(context, exist, tree.grammar.data["defaults"], common, ports[context.name].aggregate)
    return replace(have, ports=ports)


def _common(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts[f"all_{name}"] for name in ("edge", "bpdu_guard", "mtu") if f"all_{name}" in facts}


def setting(tree: Tree, device: Device) -> Setting:
    """Return everything that a configuration asks of the switch."""
    root, data = tree.root, tree.grammar.data
    facts = root.facts()
    defaults = data["defaults"]
    vlans = {int(c.name): str(c.facts().get("name", "")) for c in root.within("vlan")} | (
        {} if any(c.name == "1" for c in root.within("vlan")) else {1: ""}
    )
    exist = frozenset(vlans)
    common = _common(facts)
    groups = {int(c.facts().get("number", c.values["number"])): c for c in map(_numbered, root.within("aggregate"))}
    names = {number: context.values["name"] for number, context in groups.items()}
    ports: dict[str, PortSetting] = {}
    members: dict[int, list[Context]] = {}
    by_name = {context.name: context for context in root.within("port")}
    for name in device.ports:
        context = by_name.get(name) or Context(None, "port", {"name": name})
        number = context.facts().get("aggregate")
        if number is not None:
            members.setdefault(number, []).append(context)
        ports[name] = port_setting(context, exist, defaults, common, names.get(number, "") if number is not None else "")
    aggregates = {}
    for number, context in groups.items():
        mine = members.get(number, [])
        modes = [context.facts(), *(member.facts() for member in mine)]
        aggregates[names[number]] = AggregateSetting(
            number=number,
            port=port_setting(context, exist, defaults, common),
            members=tuple(member.name for member in mine),
            lacp=any(mode.get("lacp") for mode in modes),
            passive=bool(mine) and all(mode.get("passive") for mode in modes[1:]),
            fast=any(mode.get("fast") for mode in modes),
        )
    return Setting(
        hostname=str(facts.get("hostname", defaults["hostname"])),
        vlans=vlans,
        ports=ports,
        aggregates=aggregates,
        stp=StpSetting(
            bool(facts.get("stp", defaults["stp"])), facts.get("stp_mode", defaults["stp_mode"]), int(facts.get("stp_priority", 32768))
        ),
        layer_three=_layer_three(root),
        routes=frozenset(_routes(root)),
        lldp=bool(facts.get("lldp", defaults["lldp"])),
    )


def _numbered(context: Context) -> Context:
    """Return an aggregate's view with the number that ends its name."""
    name = context.name
    digits = name[len(name.rstrip("0123456789")) :]
    return Context(context.rule, context.view, {"name": name, "number": int(digits)}, "", context.items, context.children)


def _layer_three(root: Context) -> dict[str, LayerThreeSetting]:
    found = {}
    for context in root.children.values():
        if context.view not in ("svi", "management"):
            continue
        digits = context.name[len(context.name.rstrip("0123456789")) :]
        addresses = tuple(
            f"{item.values['ip']}/{item.values['mask']}"
            for item in context.items.values()
            if item.rule.acts.get("address") and "ip" in item.values
        )
        facts = context.facts()
        found[context.name] = LayerThreeSetting(int(digits) if context.view == "svi" else None, addresses, bool(facts.get("enabled", True)))
        # A gateway that stands in the management interface's own view is a route like any other.
    return found


def _routes(root: Context) -> list[Route]:
    found = []
    for context in (root, *root.within("management")):
        for item in context.items.values():
            if item.rule.acts.get("route"):
                prefix = f"{item.values['to']}/{item.values['mask']}" if "to" in item.values else EVERYWHERE
                found.append(Route(prefix, str(item.values["via"])))
    return found
