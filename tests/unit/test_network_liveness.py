"""Dead, or is it us? No side decides alone, and lights that burn prove nothing (RCV-3)."""

from __future__ import annotations

import pytest

from recovery.findings import settle
from recovery.network.liveness import Sighting, judge, rehearsed

SILENT = [
    Sighting("out-of-band", "control node", "silent", "ping to 10.20.99.11"),
    Sighting("ping", "control node", "silent", "ping to 10.20.98.11"),
    Sighting("ssh", "control node", "silent"),
]
STOPPED = Sighting("path", "control to emergency-1", "stopped", "nobody answers; his-db beside it does")
DARK = [Sighting("neighbour", name, "dark") for name in ("acc-1", "srv-1")]
LIT = [Sighting("neighbour", name, "lit") for name in ("acc-1", "srv-1")]
ANSWERS = Sighting("ssh", "control node", "answers")


def codes(*sightings: Sighting, others: int = 2) -> tuple[str, list[str]]:
    """Return the state and the codes of what blocks."""
    found = judge("core-a", sightings, others)
    return found.state, [one.code for one in settle(found.findings)[0]]


@pytest.mark.parametrize(
    ("sightings", "state"),
    [
        ([*SILENT, *DARK, STOPPED], "dead"),
        ([*SILENT, *DARK], "dead"),
        ([*SILENT, *LIT, STOPPED], "hung"),
        ([ANSWERS, *LIT, STOPPED, Sighting("users", "ward-1", "stopped")], "hung"),
        ([ANSWERS, *LIT, STOPPED, Sighting("ping", "control node", "silent", "in band")], "hung"),
    ],
)
def test_what_several_sides_agree_upon_is_dead(sightings: list[Sighting], state: str) -> None:
    assert codes(*sightings) == (state, [])


@pytest.mark.parametrize(
    ("sightings", "state", "code"),
    [
        # Only its management is away: somebody still works through it.
        ([*SILENT, *LIT, Sighting("path", "control", "forwards")], "alive", "switch-alive"),
        ([*SILENT, *DARK, Sighting("users", "ward-1", "forwards")], "alive", "switch-alive"),
        # It answers, and one side alone says that nothing passes.
        ([ANSWERS, *LIT, STOPPED], "alive", "switch-alive"),
        ([ANSWERS, *LIT], "alive", "switch-alive"),
        # Its lights burn, it is silent, and nobody can tell whether anything passes.
        ([*SILENT, *LIT], "unproven", "switch-not-proven-dead"),
        ([STOPPED], "unproven", "switch-not-proven-dead"),
        ([], "unproven", "switch-not-proven-dead"),
        ([*SILENT, Sighting("neighbour", "acc-1", "blind"), Sighting("path", "control", "blind")], "unproven", "switch-not-proven-dead"),
    ],
)
def test_what_may_still_forward_is_not_replaced_without_a_name(sightings: list[Sighting], state: str, code: str) -> None:
    assert codes(*sightings) == (state, [code])
    found = judge("core-a", sightings, 2)
    assert settle(found.findings, [code])[0], "without a name nothing is accepted"
    assert settle(found.findings, [code], "duty administrator")[0] == []


def test_a_control_node_that_reaches_nobody_is_the_one_that_is_cut_off() -> None:
    blind = [Sighting("neighbour", name, "blind") for name in ("acc-1", "srv-1")]
    assert codes(*SILENT, *blind, others=0) == ("cut-off", ["control-node-cut-off"])
    found = judge("core-a", [*SILENT, *blind], 0)
    assert settle(found.findings, ["control-node-cut-off"], "duty administrator")[0], "nobody can accept that"


def test_every_refusal_says_cause_and_remedy() -> None:
    for sightings, others in (([ANSWERS], 2), ([*SILENT, *LIT], 2), (SILENT, 0), ([Sighting("users", "x", "forwards")], 1)):
        for finding in settle(judge("core-a", sightings, others).findings)[0]:
            assert "core-a" in finding.message
            assert finding.why and finding.remedy


def test_a_rehearsal_is_not_stopped_by_a_living_switch() -> None:
    found = judge("core-a", [ANSWERS], 2)
    assert settle(rehearsed(found.findings))[0] == []


def test_a_sighting_is_of_the_closed_lists() -> None:
    with pytest.raises(ValueError, match="saw"):
        Sighting("rumour", "somebody", "dark")
