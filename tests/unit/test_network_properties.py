"""What holds for every configuration of every platform."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from recovery.network.change import apply, difference, inverse, lines
from recovery.network.grammar import PLATFORMS
from recovery.network.model import Switch
from recovery.network.parse import parse
from recovery.network.render import render
from recovery.network.wording import read_vlans
from support.switch_models import a_switch, unlike

# Without shrinking: a seed says nothing by its size, and what differs is told fact by fact.
many = settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
on_every_platform = pytest.mark.parametrize("platform", PLATFORMS)
seeds = st.integers(0, 2**32)


def two(platform: str, one: int, other: int) -> tuple[Switch, Switch]:
    """Two configurations of one box, with the second's management address on its first SVI."""
    have, want = a_switch(platform, one), a_switch(platform, other)
    return have, replace(want, management=replace(want.management, vlan=next(iter(want.svis), None)))


@on_every_platform
@many
@given(seed=seeds)
def test_a_rendered_configuration_reads_back_as_the_model(platform: str, seed: int) -> None:
    switch = a_switch(platform, seed)
    again = parse(platform, "\n".join(render(switch)))
    assert again.unknown == ()
    assert unlike(switch, again) == []
    assert again == switch


@on_every_platform
@many
@given(one=seeds, other=seeds)
def test_a_change_leads_there_and_its_inverse_back(platform: str, one: int, other: int) -> None:
    have, want = two(platform, one, other)
    there = difference(have, want)
    assert unlike(apply(have, there), want) == []
    assert unlike(apply(apply(have, there), inverse(have, there)), have) == []
    assert difference(want, want) == []
    order = [operation.last for operation in there]
    assert order == sorted(order), "the switch's own name and address come last"


@on_every_platform
@many
@given(one=seeds, other=seeds)
def test_no_change_takes_away_a_vlan_or_a_port_that_the_wanted_configuration_has(platform: str, one: int, other: int) -> None:
    have, want = two(platform, one, other)
    found = lines(platform, difference(have, want))
    for line in found:
        removed = re.fullmatch(r"(?:undo|no) vlan(?: batch)? ([\d, to-]+|all)", line)
        assert removed is None or not read_vlans(removed[1]) & set(want.vlans), line
        assert not re.match(r"(?:undo|no|default) interface (?!Eth-Trunk|Bridge-Agg|Port-chan|AggregateP|Vlan|VLAN)", line), line
    for header, body in views(found):
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
