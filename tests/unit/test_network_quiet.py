"""The quiet window is that of the hospital's clocks."""

from __future__ import annotations

import datetime

import pytest

from recovery.network.quiet import against, quiet


@pytest.mark.parametrize(
    ("window", "at", "is_quiet"),
    [
        (("00:00", "05:00"), "2026-11-21T18:00:00+00:00", True),  # 02:00 in Shanghai
        (("00:00", "05:00"), "2026-11-21T21:00:00+00:00", False),  # 05:00: the window is over
        (("22:00", "05:00"), "2026-11-22T15:30:00+00:00", True),  # 23:30
        (("22:00", "05:00"), "2026-11-22T03:00:00+00:00", False),
    ],
)
def test_the_quiet_window_is_that_of_the_hospitals_clocks(window: tuple[str, str], at: str, is_quiet: bool) -> None:
    given = {"from": window[0], "to": window[1]}
    assert quiet(given, "Asia/Shanghai", datetime.datetime.fromisoformat(at)) is is_quiet


def test_what_is_planned_is_refused_while_the_hospital_is_busy() -> None:
    noon = datetime.datetime.fromisoformat("2026-11-22T04:00:00+00:00")
    (found,) = against({"from": "01:00", "to": "05:00"}, "Asia/Shanghai", noon, "It interrupts people.")
    assert (found.code, found.severity) == ("not-quiet", "overridable") and "It is 12:00" in found.message
    assert against({}, "Asia/Shanghai", noon, "") == [], "without a window any time will do"
    assert against({"from": "11:00", "to": "13:00"}, "Asia/Shanghai", noon, "") == []
