"""Binary logs are read from their own bytes: what is whole, what is damaged, what is missing, and where a target lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from recovery.database.mariadb import binlog, restore
from recovery.database.mariadb.binlog import Gtid
from recovery.database.mariadb.target import TargetError, parse
from support.binlogs import log, numbers, transaction

START = Gtid.parse("0-14-10")


def test_transactions_behind_a_position_are_read_across_files(tmp_path: Path) -> None:
    one = log(tmp_path / "bin.000001", transaction(9), transaction(10), transaction(11))
    two = log(tmp_path / "bin.000002", transaction(12), transaction(13))
    assert numbers(binlog.transactions([one, two], START)) == [11, 12, 13]


def test_a_log_cut_at_its_end_gives_what_is_whole(tmp_path: Path) -> None:
    path = log(tmp_path / "bin.000001", transaction(11), transaction(12))
    path.write_bytes(path.read_bytes()[:-5])
    assert numbers(binlog.transactions([path], START)) == [11]


def test_a_log_cut_in_the_middle_of_the_row_is_damage(tmp_path: Path) -> None:
    one = log(tmp_path / "bin.000001", transaction(11))
    one.write_bytes(one.read_bytes()[:-5])
    with pytest.raises(binlog.BinlogError, match="ends in the middle"):
        binlog.transactions([one, log(tmp_path / "bin.000002", transaction(12))], START)


@pytest.mark.parametrize("place", [30, 60, 90, 110])
def test_a_flipped_byte_is_damage(tmp_path: Path, place: int) -> None:
    path = log(tmp_path / "bin.000001", transaction(11), transaction(12))
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(binlog.BinlogError):
        found = binlog.transactions([path, log(tmp_path / "bin.000002", transaction(13))], START)
        assert numbers(found) == [11, 12, 13]


def test_a_missing_file_is_a_hole(tmp_path: Path) -> None:
    logs = [log(tmp_path / "bin.000001", transaction(11)), log(tmp_path / "bin.000003", transaction(13))]
    with pytest.raises(binlog.HoleError, match="0-\\*-12 is missing"):
        binlog.transactions(logs, START)


def test_nothing_of_the_target_second_or_later_is_taken(tmp_path: Path) -> None:
    path = log(tmp_path / "bin.000001", transaction(11, 1000), transaction(12, 1001), transaction(13, 1002), transaction(14, 1001))
    found = binlog.transactions([path], START)
    assert numbers(binlog.before(found, 1002.9)) == [11, 12]
    assert numbers(binlog.before(found, 1000.5)) == []


def test_a_target_names_its_last_transaction(tmp_path: Path) -> None:
    found = binlog.transactions([log(tmp_path / "bin.000001", *map(transaction, (11, 12, 13)))], START)
    decision = {"gtid": "0-14-10", "restore_point": "0-14-12"}
    assert numbers(restore.upto(found, parse("gtid:0-14-11"), decision)) == [11]
    assert numbers(restore.upto(found, parse("backup:20261122-041500F"), decision)) == [11, 12]
    assert numbers(restore.upto(found, parse("latest"), decision)) == [11, 12, 13]
    with pytest.raises(binlog.BinlogError, match="ends before 0-14-99"):
        restore.upto(found, parse("gtid:0-14-99"), decision)


@pytest.mark.parametrize("text", ["gtid:", "gtid:0-14", "lsn:0/12", "name:point", "time:2026-11-22T04:00:00", "tomorrow"])
def test_other_targets_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(TargetError):
        parse(text)


def test_logs_that_survived_count_only_if_they_are_the_same_log(tmp_path: Path) -> None:
    data, tail = tmp_path / "main", tmp_path / "tail"
    data.mkdir()
    tail.mkdir()
    (data / "aria_log.00000001").write_bytes(b"not a binary log")
    known = log(tail / "bin.000001", transaction(11))
    mine = log(data / "bin.000001", transaction(11), transaction(12))
    assert restore.surviving(data, [known]) == [mine]
    assert restore.longer(known, mine) == mine
    log(data / "bin.000001", transaction(21), transaction(22))
    assert restore.surviving(data, [known]) == []
    assert restore.surviving(data, []) == []


@pytest.mark.parametrize(
    ("begins", "gone"),
    [
        ([11, 20, 30], []),
        ([5, 11, 30], ["a"]),
        ([5, 8, 11, 30], ["a", "b"]),
        ([5, 8, 12], ["a"]),
        ([5, 0], []),
        ([], []),
    ],
)
def test_a_log_goes_only_when_the_oldest_backup_is_followed_by_the_next(begins: list[int], gone: list[str]) -> None:
    assert binlog.unneeded(list(zip("abcdef", begins, strict=False)), START.seq) == gone


def test_a_log_that_has_no_transaction_yet_says_so(tmp_path: Path) -> None:
    assert (binlog.first(log(tmp_path / "bin.000001")), binlog.first(log(tmp_path / "bin.000002", transaction(12)))) == (0, 12)
