"""What users saw, computed from the logs of their workstations."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.database.clients import acknowledged, fault, lost, merged, missing_in, service_gap, service_gaps, size


def gap(start: str, first: str, end: str | None, seconds: float) -> dict[str, object]:
    """Return a gap as a client's summary shows it; times are seconds of one minute."""
    at = "2026-11-21T03:25:{}Z".format
    return {"start": at(start), "first_failure": at(first), "end": at(end) if end else None, "seconds": seconds, "failed": 3}


def summary(station: str, ranges: list[list[int]], unknown: list[int] | None = None, gaps: list[object] | None = None) -> dict[str, object]:
    """Return a client's summary."""
    return {"workstation": station, "acknowledged": ranges, "unknown": unknown or [], "gaps": gaps or []}


@given(st.sets(st.integers(1, 300)), st.sets(st.integers(1, 300)))
def test_missing_numbers_are_exactly_the_difference(promised: set[int], present: set[int]) -> None:
    ranges = merged([[number, number] for number in promised])
    assert size(ranges) == len(promised)
    assert missing_in(ranges, present) == sorted(promised - present)


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 20))))
def test_merged_ranges_are_in_order_and_apart(pairs: list[tuple[int, int]]) -> None:
    ranges = merged([(first, first + more) for first, more in pairs])
    assert all(last < following - 1 for (_, last), (following, _) in pairwise(ranges))
    assert size(ranges) == len({number for first, more in pairs for number in range(first, first + more + 1)})


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        merged([[5, 3]])


def test_what_one_summary_calls_unknown_and_another_acknowledged_was_acknowledged() -> None:
    merged_by_station = acknowledged([summary("ward-1", [[1, 3]], [4, 5]), summary("ward-1", [[4, 4]]), summary("outpatient-1", [[1, 9]])])
    assert merged_by_station == {
        "outpatient-1": {"ranges": [[1, 9]], "unknown": []},
        "ward-1": {"ranges": [[1, 4]], "unknown": [5]},
    }


def test_the_fault_is_what_a_user_saw_first() -> None:
    summaries = [
        summary("ward-1", [], gaps=[gap("10", "11", "40", 30.0)]),
        summary("outpatient-1", [], gaps=[gap("09", "10", "45", 36.0), gap("01", "02", "03", 2.0)]),
    ]
    seen = fault(summaries)
    assert seen == {"workstation": "outpatient-1", "at": "2026-11-21T03:25:10Z", "last_acknowledged": "2026-11-21T03:25:09Z"}
    felt = service_gap(summaries)
    assert (felt["seconds"], felt["workstation"], felt["restored"]) == (36.0, "outpatient-1", True)


def test_a_gap_that_ended_before_the_recovery_is_another_story() -> None:
    summaries = [summary("ward-1", [], gaps=[gap("01", "02", "20", 19.0), gap("30", "31", None, 9.0)])]
    after = datetime(2026, 11, 21, 3, 25, 25, tzinfo=UTC)
    assert service_gaps(summaries, after)["ward-1"]["seconds"] == 9.0
    assert service_gap(summaries, after)["restored"] is False


def test_without_a_refused_user_there_is_no_fault() -> None:
    assert fault([summary("ward-1", [[1, 5]])]) is None
    assert service_gap([summary("ward-1", [[1, 5]])])["seconds"] == 0.0


def test_lost_transactions_are_told_by_workstation() -> None:
    found = lost({"ward-1": {"ranges": [[1, 5]], "unknown": [6]}, "ward-2": {"ranges": []}}, {"ward-1": {1, 2, 5, 6}})
    assert found["ward-1"] == {"acknowledged": 5, "lost": 2, "first_lost": [3, 4]}
    assert found["ward-2"] == {"acknowledged": 0, "lost": 0, "first_lost": []}
