"""The core switch is dead, and nobody behind it can work."""

from __future__ import annotations

from test_switch_healthy import NEIGHBOUR
from wire import AREAS, carrier, console, works


def test_it_has_no_power() -> None:
    assert console("core-a", "true").returncode != 0


def test_no_area_can_work() -> None:
    assert [name for name in AREAS[:2] if not works(name)] == []


def test_its_neighbours_see_no_light() -> None:
    assert not carrier(*NEIGHBOUR)
