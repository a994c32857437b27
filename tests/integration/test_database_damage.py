"""Damage on the disk is found by name: a real PostgreSQL 15, really damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from support.cluster import PAGE, Cluster, damage
from support.proof import found, told

# ---- damage on the disk ----


def flip(page: int, offset: int) -> Callable[[bytearray], None]:
    """Return a change of one byte."""

    def change(content: bytearray) -> None:
        content[page * PAGE + offset] ^= 0x40

    return change


@pytest.mark.parametrize("relation", ["charge", "charge_pkey", "charge_visit", "patient_mrn_key", "toast of report", "pg_class"])
def test_a_flipped_bit_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]], relation: str) -> None:
    if relation == "toast of report":
        relation = cluster.sql("SELECT reltoastrelid::regclass::text FROM pg_class WHERE relname = 'report'")[0][0]
    path = cluster.file(relation)
    cluster.sql("CHECKPOINT")
    cluster.stop()
    damage(path, flip(path.stat().st_size // PAGE - 1, 8000))
    cluster.start()
    result = proof()
    assert result["verdict"] == "FAIL", told(result)
    # A damaged catalogue cannot name its own file: then the file is told.
    assert found(result, "page-checksums", relation) or found(result, "page-checksums", path.name), told(result)


def test_a_flipped_bit_in_a_file_map_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    path = cluster.file("charge")
    cluster.stop()
    damage(path.with_name(path.name + "_vm"), flip(0, 24))
    cluster.start()
    result = proof()
    assert found(result, "page-checksums", "charge", "vm"), told(result)


def test_a_flipped_bit_in_another_database_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    (name,) = cluster.sql("SELECT pg_relation_filepath('pg_proc')", database="postgres")[0]
    path = cluster.data / name
    cluster.stop()
    damage(path, flip(5, 6000))
    cluster.start()
    result = proof()
    assert found(result, "page-checksums", "database postgres"), told(result)


def test_a_page_that_is_only_damaged_on_the_disk_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("SELECT count(*) FROM patient; CHECKPOINT")
    damage(cluster.file("patient"), flip(3, 5000))  # the server still holds the sound page in memory
    result = proof()
    assert found(result, "page-checksums", "patient", "block 3"), told(result)


@pytest.mark.parametrize("depth", ["quick", "full"])
@pytest.mark.parametrize("relation", ["charge", "patient_pkey"])
def test_a_cut_file_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]], relation: str, depth: str) -> None:
    path = cluster.file(relation)
    cluster.stop()
    os.truncate(path, path.stat().st_size - 5 * PAGE)
    cluster.start()
    result = proof(depth=depth)
    assert found(result, "file-lengths", relation), told(result)


def test_a_table_cut_behind_the_catalogues_back_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    path = cluster.file("invoice")
    cluster.stop()
    os.truncate(path, path.stat().st_size - PAGE)
    cluster.start()
    cluster.sql("UPDATE pg_class SET relpages = relpages - 1 WHERE relname = 'invoice'")
    result = proof()
    assert found(result, "unique-keys", "invoice"), told(result)


@pytest.mark.parametrize("depth", ["quick", "full"])
def test_a_missing_file_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]], depth: str) -> None:
    path = cluster.file("invoice")
    cluster.stop()
    path.unlink()
    cluster.start()
    result = proof(depth=depth)
    assert found(result, "file-lengths", "invoice", "missing"), told(result)


def test_a_zeroed_page_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    path = cluster.file("charge")
    cluster.stop()

    def zero(content: bytearray) -> None:
        content[7 * PAGE : 8 * PAGE] = bytes(PAGE)

    damage(path, zero)
    cluster.start()
    result = proof()
    assert found(result, "unique-keys", "charge"), told(result)
    assert found(result, "manifest", "charge", "missing"), told(result)


@pytest.mark.parametrize(("one", "other"), [("charge_pkey", "charge_visit"), ("patient", "visit"), ("patient_pkey", "visit_pkey")])
def test_swapped_files_are_found(cluster: Cluster, proof: Callable[..., dict[str, Any]], one: str, other: str) -> None:
    first, second = cluster.file(one), cluster.file(other)
    cluster.stop()
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    cluster.start()
    result = proof()
    assert result["verdict"] == "FAIL", told(result)
    # A server that reads rows of another table may crash over them, and what comes after is not checked: the lengths were, before.
    for name in (one, other):
        assert any(found(result, code, name) for code in ("file-lengths", "heaps", "indexes", "unique-keys", "rows-readable")), told(result)
