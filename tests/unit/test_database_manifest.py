"""A manifest equals what it was taken of, and every loss and alteration since is named with its table and figure."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from recovery.database import manifest, measure


def table(rows: dict[int, tuple[int, int, int]], *, append_only: bool = False) -> dict[str, Any]:
    """Return a measured table from {range: (rows, hash, hash of the immutable columns)}."""
    return {
        "key": "id",
        "immutable": ["id"],
        "append_only": append_only,
        "complete": True,
        "sampled": [],
        "chunk_size": 10,
        "rows": sum(r for r, _, _ in rows.values()),
        "max_key": 29,
        "chunks": {str(n): [r, str(h), str(i)] for n, (r, h, i) in rows.items()},
    }


@pytest.fixture
def taken() -> dict[str, Any]:
    return {
        "format": manifest.FORMAT,
        "label": "20261122-010000F",
        "restore_point": "manifest-20261122-010000F",
        "system_identifier": "7",
        "server_version": "15.14",
        "databases": ["his", "postgres"],
        "extensions": {"plpgsql": "1.0"},
        "schema_sha256": "aa",
        "newest": {"charge.charged_at": "2026-11-22T01:00:00.000000Z"},
        "heartbeat": {"heartbeat.at": "2026-11-22T01:00:01.000000Z"},
        "tables": {
            "charge": table({0: (10, 111, 11), 1: (10, 222, 22)}, append_only=True),
            "patient": table({0: (5, 333, 33)}),
        },
        "other_tables": {"note": 3},
    }


def codes(then: dict[str, Any], now: dict[str, Any], *, exact: bool) -> list[str]:
    return [finding.code for finding in manifest.compare(then, now, exact=exact)]


@pytest.mark.parametrize("exact", [True, False])
def test_a_database_equals_its_own_manifest(taken: dict[str, Any], exact: bool) -> None:
    assert codes(taken, copy.deepcopy(taken), exact=exact) == []


def test_a_lost_row_is_named_with_table_number_and_keys(taken: dict[str, Any]) -> None:
    now = copy.deepcopy(taken)
    now["tables"]["charge"]["chunks"]["1"][0] = 8
    (finding,) = manifest.compare(taken, now, exact=False)
    assert finding.code == "manifest-rows-missing"
    assert finding.severity == "stop"
    assert "charge" in finding.message and "2 rows" in finding.message and "10 to 19" in finding.message


def test_a_range_that_vanished_is_a_loss(taken: dict[str, Any]) -> None:
    now = copy.deepcopy(taken)
    del now["tables"]["charge"]["chunks"]["0"]
    assert codes(taken, now, exact=False) == ["manifest-rows-missing"]


def test_an_altered_ledger_row_is_found_at_any_moment(taken: dict[str, Any]) -> None:
    now = copy.deepcopy(taken)
    now["tables"]["charge"]["chunks"]["0"][1] = "112"
    assert codes(taken, now, exact=True) == ["manifest-rows-altered"]
    assert codes(taken, now, exact=False) == ["manifest-rows-altered"]


def test_a_row_that_may_change_counts_only_at_the_restore_point(taken: dict[str, Any]) -> None:
    now = copy.deepcopy(taken)
    now["tables"]["patient"]["chunks"]["0"][1] = "334"
    assert codes(taken, now, exact=True) == ["manifest-rows-altered"]
    assert codes(taken, now, exact=False) == []


def test_a_column_that_never_changes_counts_always(taken: dict[str, Any]) -> None:
    now = copy.deepcopy(taken)
    now["tables"]["patient"]["chunks"]["0"][2] = "34"
    assert codes(taken, now, exact=False) == ["manifest-immutable-altered"]


def test_rows_beyond_the_restore_point_are_wrong_there_and_a_warning_later(taken: dict[str, Any]) -> None:
    now = copy.deepcopy(taken)
    now["tables"]["charge"]["chunks"]["1"] = [11, "999", "99"]
    assert codes(taken, now, exact=True) == ["manifest-rows-extra"]
    (late,) = manifest.compare(taken, now, exact=False)
    assert (late.code, late.severity) == ("manifest-late-rows", "warning")


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("system_identifier", "8", "manifest-system-differs"),
        ("server_version", "16.1", "manifest-version-differs"),
        ("databases", ["postgres"], "manifest-database-missing"),
        ("extensions", {}, "manifest-extensions-differ"),
        ("schema_sha256", "bb", "manifest-schema-differs"),
        ("newest", {}, "manifest-newest-older"),
        ("newest", {"charge.charged_at": "2026-11-22T02:00:00.000000Z"}, "manifest-newest-younger"),
        ("heartbeat", {"heartbeat.at": "2026-11-22T00:59:00.000000Z"}, "manifest-newest-older"),
        ("other_tables", {}, "manifest-table-missing"),
        ("other_tables", {"note": 0}, "manifest-table-empty"),
    ],
)
def test_every_other_difference_has_its_code(taken: dict[str, Any], key: str, value: Any, code: str) -> None:
    assert codes(taken, {**taken, key: value}, exact=True) == [code]


def test_a_missing_table_is_found(taken: dict[str, Any]) -> None:
    now = copy.deepcopy(taken)
    del now["tables"]["patient"]
    assert codes(taken, now, exact=False) == ["manifest-table-missing"]


def test_other_ranges_prove_nothing(taken: dict[str, Any]) -> None:
    now = copy.deepcopy(taken)
    now["tables"]["charge"]["chunk_size"] = 20
    assert codes(taken, now, exact=False) == ["manifest-not-comparable"]


def test_a_sample_is_compared_in_its_ranges_only(taken: dict[str, Any]) -> None:
    now = copy.deepcopy(taken)
    sampled = now["tables"]["charge"]
    sampled |= {"complete": False, "sampled": ["1"], "chunks": {"1": sampled["chunks"]["1"]}}
    assert codes(taken, now, exact=False) == []
    sampled["chunks"] = {}
    assert codes(taken, now, exact=False) == ["manifest-rows-missing"]


def test_a_sample_holds_the_youngest_range_and_repeats_by_its_seed(taken: dict[str, Any]) -> None:
    chosen = manifest.sample_ranges(taken, 1, seed=5)
    assert chosen == manifest.sample_ranges(taken, 1, seed=5)
    assert 1 in chosen["charge"]


def test_a_stored_manifest_is_read_back_and_an_altered_one_refused(taken: dict[str, Any]) -> None:
    text = manifest.serialise(taken).decode()
    assert manifest.parse(text, manifest.digest(taken)) == taken
    with pytest.raises(manifest.ManifestError, match="altered or replaced"):
        manifest.parse(text.replace("111", "112"), manifest.digest(taken))
    with pytest.raises(manifest.ManifestError, match="cannot be read"):
        manifest.parse("{")
    with pytest.raises(manifest.ManifestError, match="format"):
        manifest.parse('{"format": 99}')


def test_a_subject_is_read_from_the_inventory() -> None:
    asked = {"newest": [{"table": "a", "column": "b"}], "heartbeat": {"table": "h", "column": "at"}}
    subject = manifest.Subject.parse({"database": "his", "tables": [{"name": "charge"}], **asked})
    assert subject.tables == (manifest.Table("charge"),)
    assert subject.heartbeat == manifest.Newest("h", "at")
    with pytest.raises(manifest.ManifestError):
        manifest.Table.parse({"key": "id"})


def test_a_key_that_is_empty_is_damage_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row whose key was lost on its page made the measuring end in a Python error, and the backup with it."""
    answers = iter([[(50,)], [("id", True)], [(None, 1, 7, 7, None), (0, 9, 3, 3, 9)]])
    monkeypatch.setattr(measure, "_rows", lambda *_: next(answers))
    with pytest.raises(manifest.ManifestError, match=r"Table visit holds rows whose key id is empty.*Prove it"):
        measure.measure_table(None, manifest.Table("visit", immutable=("id",)))
