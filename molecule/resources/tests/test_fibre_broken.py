"""One segment is dark; another is silent in one direction, and its switch still has link. Nobody behind either can work."""

from __future__ import annotations

from test_fibre_healthy import BEHIND
from wire import carrier, works


def test_the_cut_segment_has_no_link() -> None:
    assert (carrier("core-a", "xg43"), carrier("acc-2", "xg25")) == (False, False)


def test_the_silent_segment_has_link_at_both_ends() -> None:
    assert (carrier("core-a", "xg42"), carrier("acc-1", "xg1")) == (True, True)


def test_nobody_behind_them_can_work() -> None:
    assert [name for name in BEHIND if not works(name)] == []
