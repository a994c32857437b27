"""What holds for every configuration of every platform."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from recovery.network.change import apply, difference, inverse, lines
from recovery.network.grammar import PLATFORMS
from recovery.network.model import Switch
from recovery.network.parse import parse
from recovery.network.render import render
from recovery.network.wording import read_vlans
from support.switch_models import switches, unlike

# Without shrinking: a configuration is large, and what differs is told fact by fact.
few = settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate], suppress_health_check=list(HealthCheck))
on_every_platform = pytest.mark.parametrize("platform", PLATFORMS)


def spare(switch: Switch, other: Switch) -> Switch:
    """The other configuration on the ports of this one."""
    return replace(other, ports={name: other.ports.get(name, port) for name, port in switch.ports.items()})


@on_every_platform
@few
@given(data=st.data())
def test_a_rendered_configuration_reads_back_as_the_model(platform: str, data: Any) -> None:
    switch = data.draw(switches(platform))
    again = parse(platform, "\n".join(render(switch)))
    assert again.unknown == ()
    assert unlike(switch, again) == []
    assert again == switch


@on_every_platform
@few
@given(data=st.data())
def test_a_change_and_its_inverse_restore_the_configuration(platform: str, data: Any) -> None:
    have = data.draw(switches(platform))
    want = spare(have, data.draw(switches(platform)))
    there = difference(have, want)
    assert unlike(apply(have, there), want) == []
    assert unlike(apply(apply(have, there), inverse(have, there)), have) == []
    assert difference(want, want) == []


@on_every_platform
@few
@given(data=st.data())
def test_no_change_takes_away_a_vlan_that_the_wanted_configuration_has(platform: str, data: Any) -> None:
    have = data.draw(switches(platform))
    want = spare(have, data.draw(switches(platform)))
    for line in lines(platform, difference(have, want)):
        removed = re.fullmatch(r"(?:undo|no) vlan(?: batch)? ([\d, to-]+|all)", line)
        assert removed is None or not read_vlans(removed[1]) & set(want.vlans), line
        assert not re.match(r"(?:undo|no|default) interface (?!Eth-Trunk|Bridge-Agg|Port-chan|AggregateP|Vlan|VLAN)", line), line
    for header, body in views(lines(platform, difference(have, want))):
        name = header.removeprefix("interface ")
        if not header.startswith("interface ") or name not in want.ports or want.ports[name].mode != "trunk":
            continue
        assert not {"no switchport trunk allowed vlan", "undo port trunk allow-pass vlan all", "undo port trunk permit vlan all"} & set(
            body
        ), body
        for line in body if have.ports[name].mode == "trunk" else ():
            taken = re.fullmatch(r"(?:undo port trunk (?:allow-pass|permit) vlan|switchport trunk allowed vlan remove) ([\d, to-]+)", line)
            assert taken is None or not read_vlans(taken[1]) & want.ports[name].allowed_vlans, line


def views(found: list[str]) -> list[tuple[str, list[str]]]:
    """The lines of a change by the view in which they stand."""
    sections: list[tuple[str, list[str]]] = [("", [])]
    for line in found:
        if line in ("quit", "exit"):
            sections.append(("", []))
        elif line.startswith("interface "):
            sections.append((line, []))
        else:
            sections[-1][1].append(line)
    return sections


@on_every_platform
@few
@given(data=st.data())
def test_name_and_address_of_the_switch_itself_come_last(platform: str, data: Any) -> None:
    have = data.draw(switches(platform))
    want = spare(have, data.draw(switches(platform)))
    want = replace(want, management=replace(want.management, vlan=next(iter(want.svis), None)))
    order = [operation.last for operation in difference(have, want)]
    assert order == sorted(order)
