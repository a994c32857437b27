"""What a restore can be asked to reach."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.database.target import Target, TargetError, parse
from recovery.database.wal import format_lsn

offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=offsets)
labels = st.from_regex(r"[0-9]{8}-[0-9]{6}F(_[0-9]{8}-[0-9]{6}[DI])?", fullmatch=True).filter(str.isascii)


@given(moments)
def test_a_time_keeps_its_moment_whatever_its_zone(moment: datetime) -> None:
    target = parse(f"time:{moment.isoformat()}")
    assert target.time == moment
    assert target.time.tzinfo is UTC or target.time.utcoffset() == timedelta(0)
    assert parse(target.text) == target


@given(labels)
def test_a_label_comes_back_as_it_was_written(label: str) -> None:
    assert parse(f"backup:{label}") == Target("backup", label=label)
    assert parse(parse(f"backup:{label}").text) == parse(f"backup:{label}")


@given(st.integers(0, 2**64 - 1))
def test_a_position_comes_back_as_postgresql_writes_it(position: int) -> None:
    target = parse(f"lsn:{format_lsn(position)}")
    assert target == Target("lsn", lsn=position)
    assert parse(target.text.lower()) == target
    assert target.options() == ["--type=lsn", f"--target={format_lsn(position)}", "--target-action=promote"]


@given(st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="'\"\\"), min_size=1, max_size=15))
def test_a_restore_point_keeps_its_name(name: str) -> None:
    target = parse(f"name:{name}")
    assert (target.kind, target.name) == ("name", name)
    assert parse(target.text) == target
    assert f"--target={name}" in target.options()


@given(moments, st.sampled_from(["Asia/Shanghai", "UTC", "America/St_Johns"]))
def test_a_time_says_what_it_became_in_both_zones(moment: datetime, zone: str) -> None:
    meaning = parse(f"time:{moment.isoformat()}").meaning(zone)
    in_utc, _, here = meaning.partition(" = ")
    assert in_utc.endswith(" UTC") and here.endswith(f" {zone}")
    assert datetime.fromisoformat(in_utc.removesuffix(" UTC") + "+00:00") == moment
    assert datetime.fromisoformat(here.removesuffix(f" {zone}")) == moment


def test_a_zone_that_nobody_knows_is_said_and_does_not_stop_a_recovery() -> None:
    assert "not known" in parse("time:2026-11-21T03:25:00Z").meaning("Mars/Olympus")


@pytest.mark.parametrize(
    "text",
    ["lsn:", "lsn:12", "lsn:0/", "lsn:0/123456789", "lsn:G/0", "name:", "name: ", "name:a'b", 'name:a"b', "name:a\\b", "name:" + "长" * 22],
)
def test_what_is_no_position_and_no_name_is_refused(text: str) -> None:
    with pytest.raises(TargetError):
        parse(text)


@given(st.text(max_size=60))
def test_anything_else_is_refused_in_a_sentence_and_never_with_another_error(text: str) -> None:
    try:
        target = parse(text)
    except TargetError as error:
        assert str(error).endswith((".", "UTC."))
    else:
        assert parse(target.text) == target


@pytest.mark.parametrize("text", ["time:2026-11-21T03:25:00", "time:2026-11-21", "time:2026-11-21 03:25"])
def test_a_time_without_a_zone_names_two_moments_and_is_refused(text: str) -> None:
    with pytest.raises(TargetError, match="zone"):
        parse(text)


@pytest.mark.parametrize("text", ["", "newest", "time:", "time:2026-02-30T00:00:00Z", "backup:yesterday", "latest:1", "backup:"])
def test_what_cannot_be_understood_is_refused(text: str) -> None:
    with pytest.raises(TargetError):
        parse(text)


def test_options_name_the_moment_in_utc_with_its_fraction() -> None:
    target = parse("time:2026-11-21T03:25:00.250+08:00")
    assert "--target=2026-11-20 19:25:00.250000+00" in target.options()


def test_a_backup_is_restored_to_the_point_of_its_manifest_where_it_has_one() -> None:
    target = parse("backup:20261121-020000F")
    assert "--target=manifest-20261121-020000F" in target.options("manifest-20261121-020000F")
    assert "--type=immediate" in target.options()
