"""The hospital works over its core switch; a rehearsal changes nothing, and a switch that forwards is not replaced."""

from __future__ import annotations

from hospital import incidents, recovery, remember
from wire import AREAS, address_of, carrier, fingerprint, forwarding, received, root_of, works

BOTH = ("core-a", "core-s")
NEIGHBOUR = ("srv-1", "xg49")


def test_every_area_can_work_over_the_core_switch() -> None:
    assert {name: works(name) for name in AREAS} == dict.fromkeys(AREAS, "")
    assert root_of("acc-1") == address_of("core-a")
    assert len(forwarding("core-a")) >= 12
    assert carrier(*NEIGHBOUR)
    remember("forwarding", forwarding("core-a"))
    remember("core-a", address_of("core-a"))


def test_a_rehearsal_says_everything_and_changes_nothing() -> None:
    before, heard = {name: fingerprint(name) for name in BOTH}, received("core-s")
    ran = recovery("switch_failover", "-l", "core-a", "--check")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    assert "would be refused" in ran.output
    assert {name: fingerprint(name) for name in BOTH} == before
    assert received("core-s") == heard == 0
    assert not list(incidents()[-1].glob("manual_steps/*"))


def test_a_switch_that_still_forwards_is_refused() -> None:
    before = {name: fingerprint(name) for name in BOTH}
    ran = recovery("switch_failover", "-l", "core-a")
    assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output
    assert ran.codes == {"switch-alive"}
    assert {name: fingerprint(name) for name in BOTH} == before
