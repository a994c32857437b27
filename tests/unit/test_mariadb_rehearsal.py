"""A rehearsed laboratory: a patient's record is everything that points to it, and whole if what it points to is there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from recovery.database.mariadb import rehearsal, scratch

KEYS = [
    ["test", "instrument_id", "instrument", "id"],
    ["requested_test", "specimen_id", "specimen", "id"],
    ["requested_test", "test_id", "test", "id"],
    ["result", "requested_test_id", "requested_test", "id"],
]
TABLES: dict[str, list[dict[str, str]]] = {
    "instrument": [{"id": "1"}],
    "test": [{"id": "5", "instrument_id": "1"}],
    "specimen": [{"id": "10", "mrn": "A"}, {"id": "11", "mrn": "B"}, {"id": "12", "mrn": "A"}],
    "requested_test": [
        {"id": "20", "specimen_id": "10", "test_id": "5"},
        {"id": "21", "specimen_id": "11", "test_id": "5"},
        {"id": "22", "specimen_id": "12", "test_id": "5"},
    ],
    "result": [{"id": "30", "requested_test_id": "20"}, {"id": "31", "requested_test_id": "21"}],
}


class Answers:
    """A session that answers from the tables above."""

    def __init__(self, tables: dict[str, list[dict[str, str]]]) -> None:
        self.tables = tables

    def ask(self, query: str) -> Sequence[Sequence[str]]:
        if "key_column_usage" in query:
            return KEYS
        if "information_schema.columns" in query:
            table = re.findall(r"table_name = '(\w+)'", query)[0]
            return [[column] for column in TABLES[table][0]]
        found = re.fullmatch(r'SELECT (.+) FROM "(\w+)" WHERE \("(\w+)"\) IN \((.+)\)', query)
        assert found, query
        columns, values = re.findall(r'"(\w+)"', found[1]), re.findall(r"'(\w+)'", found[4])
        return [[row[column] for column in columns] for row in self.tables[found[2]] if row[found[3]] in values]


def reader(tables: dict[str, list[dict[str, str]]]) -> rehearsal.Reader:
    session: Any = Answers(tables)
    return rehearsal.Reader(session)


def test_a_record_is_all_that_points_to_the_patient_and_nothing_of_another() -> None:
    record = reader(TABLES).record("specimen", "(\"mrn\") IN (('A'))")
    found = {table: sorted(row["id"] for row in rows) for table, rows in record.items()}
    assert found == {"specimen": ["10", "12"], "requested_test": ["20", "22"], "result": ["30"]}


@pytest.mark.parametrize(("gone", "said"), [(None, []), ("test", ["requested_test points to test 5, which is missing"])])
def test_a_record_is_whole_if_what_it_points_to_is_there(gone: str | None, said: list[str]) -> None:
    tables = {name: [] if name == gone else rows for name, rows in TABLES.items()}
    look = reader(tables)
    assert look.dangling(look.record("specimen", "(\"mrn\") IN (('A'))")) == said


def test_the_files_are_read_with_the_settings_that_wrote_them(tmp_path: Path) -> None:
    assert scratch.layout(tmp_path) == []
    noted = "[mysqld]\ninnodb_checksum_algorithm=full_crc32\ninnodb_page_size=16384\nserver_id=14\ninnodb_undo_directory=./\n"
    (tmp_path / "backup-my.cnf").write_text(noted)
    assert scratch.layout(tmp_path) == ["--innodb-page-size=16384", "--innodb-checksum-algorithm=full_crc32"]


def test_every_repository_is_read_through_a_door_and_none_directly() -> None:
    local, far, disk = {"path": "/srv/a"}, {"path": "/srv/b", "host": "backup-offsite"}, {"path": "/media/c"}
    given = {"cluster": {"name": "lis"}, "production_host": "lis-db", "repositories": {"local": local, "offsite": far, "removable": disk}}
    found = scratch.repositories(given, None)
    assert [one.command[0] for one in found.values()] == ["ssh"] * 3
    assert "lis_door@lis-db" in found["local"].command and "lis_vault@backup-offsite" in found["offsite"].command
    assert found["removable"].command[-2:] == ["lis_door@lis-db", "removable"]
    assert list(scratch.repositories(given, ["offsite"])) == ["offsite"]
