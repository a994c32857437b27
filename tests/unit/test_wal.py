"""Whether an archive reaches from a backup to a target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.database.wal import (
    Segment,
    format_lsn,
    missing_segments,
    parse_history,
    parse_lsn,
    youngest_descendant,
)

segments = st.builds(Segment, st.integers(1, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))


@given(segments)
def test_names_and_segments_are_one(segment: Segment) -> None:
    assert Segment.parse(segment.name()) == segment


@given(st.integers(0, 2**64 - 1))
def test_positions_come_back(position: int) -> None:
    assert parse_lsn(format_lsn(position)) == position


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not the name"):
        Segment.parse("archive_status")


@given(st.integers(0, 500), st.integers(1, 60), st.data())
def test_a_hole_is_found_exactly_where_it_is(first: int, length: int, data: st.DataObject) -> None:
    all_there = [Segment(1, n) for n in range(first, first + length + 1)]
    lost = data.draw(st.sets(st.sampled_from(all_there[:-1])))
    present = set(all_there) - lost
    assert missing_segments(Segment(1, first), 1, [], present) == sorted(lost)


def test_at_a_switch_the_young_timelines_segment_stands_for_the_old_ones() -> None:
    history = [(1, 5 * 16 * 1024 * 1024 + 100)]
    present = {Segment(1, 3), Segment(1, 4), Segment(2, 5), Segment(2, 6)}
    assert missing_segments(Segment(1, 3), 2, history, present) == []
    assert missing_segments(Segment(1, 3), 2, history, present - {Segment(1, 4)}) == [Segment(1, 4)]
    assert missing_segments(Segment(1, 3), 2, history, present - {Segment(2, 5)}) == [Segment(1, 5)]


def test_holes_behind_the_target_do_not_matter() -> None:
    present = {Segment(1, 1), Segment(1, 2), Segment(1, 9)}
    assert missing_segments(Segment(1, 1), 1, [], present, end=2) == []
    assert missing_segments(Segment(1, 1), 1, [], present)[0] == Segment(1, 3)


def test_a_history_is_read_as_postgresql_writes_it() -> None:
    text = "1\t0/5000148\tno recovery target specified\n\n2\t0/90001C0\tbefore 2026-11-21 03:25:00+00\n"
    assert parse_history(text) == [(1, 0x5000148), (2, 0x90001C0)]


def test_the_youngest_descendant_is_followed_and_strangers_are_not() -> None:
    histories = {2: [(1, 10)], 3: [(1, 10), (2, 20)], 4: [(9, 5)]}
    assert youngest_descendant(1, histories) == 3
    assert youngest_descendant(9, histories) == 4
    assert youngest_descendant(7, histories) == 7
