"""Which history counts, and which logs lead from a backup to its end: what was given up never comes back unless it is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recovery.database.mariadb import line
from recovery.database.mariadb.assess import _choose
from recovery.database.mariadb.binlog import BinlogError, Gtid, HoleError
from recovery.database.mariadb.line import Stretch
from recovery.database.mariadb.repository import Backup
from recovery.database.mariadb.target import parse
from support.binlogs import described, log, numbers, transaction

FIRST = {"since": "1", "parent": "", "left_at": ""}
# A restore to transaction 14 of the first history, then its rollback at 20, where the first one had ended.
RESTORED = {"since": "2", "parent": "h1", "left_at": "0-14-14", "based_on": "a"}
TAKEN_BACK = {"since": "3", "parent": "h1", "left_at": "0-14-20"}


def backup(label: str, history: str, seq: int, at: float) -> Backup:
    return replace(Backup.parse(described({})), label=label, history=history, gtid=f"0-14-{seq}", stop_time=at)


EARLY, LATE = backup("a", "h1", 10, 100.0), backup("b", "h1", 16, 160.0)


def test_the_newest_history_counts_and_what_it_came_from() -> None:
    assert line.line({}) == []
    assert line.line({"h1": FIRST}) == [Stretch("h1")]
    assert line.line({"h1": FIRST, "h2": RESTORED}) == [Stretch("h1", Gtid.parse("0-14-14")), Stretch("h2")]
    assert [one.history for one in line.line({"h1": FIRST, "h2": RESTORED, "h3": TAKEN_BACK})] == ["h1", "h3"]


def test_a_repository_that_lost_the_first_history_still_knows_where_the_second_began() -> None:
    assert line.line({"h2": RESTORED}) == [Stretch("h1", Gtid.parse("0-14-14")), Stretch("h2")]


@pytest.mark.parametrize(
    ("one", "histories", "stretches"),
    [
        (EARLY, {"h1": FIRST}, ["h1"]),
        (EARLY, {}, ["h1"]),
        (EARLY, {"h1": FIRST, "h2": RESTORED}, ["h1", "h2"]),
        (LATE, {"h1": FIRST, "h2": RESTORED}, []),  # of transactions that the restore gave up
        (LATE, {"h1": FIRST, "h2": RESTORED, "h3": TAKEN_BACK}, ["h1", "h3"]),  # and that came back with the rollback
        (backup("c", "h2", 17, 200.0), {"h1": FIRST, "h2": RESTORED}, ["h2"]),
        (backup("c", "h2", 17, 200.0), {"h1": FIRST, "h2": RESTORED, "h3": TAKEN_BACK}, []),
    ],
)
def test_only_what_is_on_the_line_leads_on(one: Backup, histories: dict[str, Any], stretches: list[str]) -> None:
    assert [stretch.history for stretch in line.behind(one, histories)] == stretches


def test_a_backup_of_a_history_that_was_given_up_is_taken_only_by_its_name() -> None:
    given_up = backup("c", "h2", 17, 200.0)
    histories = {"h1": FIRST, "h2": RESTORED, "h3": TAKEN_BACK}
    assert _choose([EARLY, LATE, given_up], parse("latest"), histories) is LATE
    assert _choose([EARLY, LATE, given_up], parse("time:1970-01-01T00:05:00Z"), histories) is LATE
    assert _choose([EARLY, LATE, given_up], parse("gtid:0-14-12"), histories) is EARLY
    assert _choose([EARLY, LATE, given_up], parse("backup:20261122-041500F"), histories) is None
    named = replace(given_up, label="20261122-041500F")
    assert _choose([EARLY, LATE, named], parse("backup:20261122-041500F"), histories) is named


START = Gtid.parse("0-14-10")
BOTH = [Stretch("h1", Gtid.parse("0-14-14")), Stretch("h2")]


def taken(stretches: list[Stretch], logs: dict[str, list[Path]], start: Gtid = START) -> list[tuple[str, list[int]]]:
    parts = line.follow(stretches, lambda name: logs.get(name, []), start)
    return [(part.stretch.history, numbers(list(part.transactions))) for part in parts]


def test_a_log_that_begins_at_the_backup_is_enough(tmp_path: Path) -> None:
    logs = {"h2": [log(tmp_path / "b.000001", *map(transaction, range(11, 18)))]}
    assert taken(BOTH, logs) == [("h2", list(range(11, 18)))]


def test_one_that_begins_later_is_reached_through_the_one_before_and_nothing_given_up_is_taken(tmp_path: Path) -> None:
    logs = {
        "h1": [log(tmp_path / "a.000001", *map(transaction, range(9, 19)))],
        "h2": [log(tmp_path / "b.000001", *map(transaction, range(13, 18)))],
    }
    assert taken(BOTH, logs) == [("h1", [11, 12, 13, 14]), ("h2", [15, 16, 17])]


def test_a_history_that_has_no_log_yet_loses_nothing_of_the_one_before(tmp_path: Path) -> None:
    assert taken(BOTH, {"h1": [log(tmp_path / "a.000001", *map(transaction, range(9, 19)))]}) == [("h1", [11, 12, 13, 14]), ("h2", [])]


def test_a_hole_between_two_histories_is_a_hole(tmp_path: Path) -> None:
    second = [log(tmp_path / "b.000001", *map(transaction, range(16, 18)))]
    with pytest.raises(HoleError):
        taken(BOTH, {"h1": [log(tmp_path / "a.000001", *map(transaction, range(9, 19)))], "h2": second})
    with pytest.raises(BinlogError):
        taken(BOTH, {"h1": [log(tmp_path / "c.000001", *map(transaction, range(9, 13)))], "h2": second})
    with pytest.raises(BinlogError, match="ends at 0-14-12"):
        taken(BOTH, {"h1": [tmp_path / "c.000001"]})
