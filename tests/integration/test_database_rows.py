"""Rows of a table or of one patient put back: two real PostgreSQL 15, one with the old rows, one damaged."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recovery.database import rows as steps
from recovery.database.rows_apply import Applied, Patience
from recovery.database.rows_catalogue import RowsError
from recovery.database.rows_live import Compared, Request
from support.cluster import Cluster
from support.proof import as_postgres
from support.rows import OWN, PATIENT, SCHEMA, TABLE, Pair

QUICK = Patience(lock_timeout_ms=100, attempts=3, pause_s=0.05)
BY = {"run": "a run", "requested_by": "the administrator"}


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Cluster, Cluster]]:
    """The old state and the living server."""
    root = Path(tempfile.mkdtemp(prefix="recovery-rows-"))
    root.chmod(0o711)
    old = Cluster.create(root / "old")
    old.start()
    old.sql("CREATE DATABASE live", database="postgres")
    old.sql(SCHEMA, database="live")
    old.sql("ALTER SYSTEM SET archive_mode = off", database="postgres")
    old.stop()
    now = old.copy(root / "now")
    try:
        old.start()
        now.start()
        yield old, now
    finally:
        for cluster in (old, now):
            cluster.stop()
        shutil.rmtree(root)


@pytest.fixture
def pair(servers: tuple[Cluster, Cluster]) -> Pair:
    """A living database that equals the old one."""
    servers[1].sql("DROP SCHEMA IF EXISTS recovery CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public", database="live")
    servers[1].sql(SCHEMA, database="live")
    return Pair(*servers)


@pytest.fixture
def store() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="recovery-rows-"))
    yield path / "rows"
    shutil.rmtree(path)


def compare(pair: Pair, request: Request, store: Path | None) -> Compared:
    """Read the old rows and compare them, as the runbook does."""
    backup = as_postgres(lambda: pair.reading(request))
    return steps.compare(pair.address(), request, backup, store)


def put_back(pair: Pair, request: Request, store: Path, patience: Patience = QUICK) -> tuple[Compared, Applied]:
    """Compare and apply."""
    compared = compare(pair, request, store)
    assert not [finding for finding in compared.findings if finding.severity == "stop"], compared.findings
    return compared, steps.put_back(pair.address(), store, compared.plan.digest(), patience, BY)


def refused(how: Any) -> str:
    """Return the code of a refusal."""
    with pytest.raises(RowsError) as raised:
        how()
    return raised.value.code


def kinds(compared: Compared) -> dict[str, dict[str, int]]:
    return compared.plan.counts()


def beat(pair: Pair) -> str:
    """Let two heartbeats pass, and return a moment between them as `until`."""
    pair.sql("INSERT INTO heartbeat DEFAULT VALUES")
    time.sleep(0.02)
    moment = datetime.now(UTC).isoformat()
    time.sleep(0.02)
    pair.sql("INSERT INTO heartbeat DEFAULT VALUES")
    return f"time:{moment}"


LOST = "DELETE FROM charge WHERE patient_id = 7; DELETE FROM visit WHERE patient_id = 7; DELETE FROM patient WHERE id = 7"

# ---- one patient ----


def test_the_closure_is_found_from_the_catalogue(pair: Pair) -> None:
    reading = as_postgres(lambda: pair.reading(PATIENT))
    own = {name: len(table.rows) - len(table.needed) for name, table in reading.tables.items()}
    assert {name: n for name, n in own.items() if n} == {"patient": 1, "visit": 3, "charge": 4}
    assert reading.tables["doctor"].needed and reading.tables["item"].needed
    assert "total" not in reading.tables, "rows that hang on a parent are not the patient's"


def test_nothing_differs_and_nothing_is_changed(pair: Pair, store: Path) -> None:
    before = pair.everything()
    compared, applied = put_back(pair, PATIENT, store)
    assert not compared.plan.changes and applied.audit is None
    assert pair.sql("SELECT to_regclass('recovery.rows_put_back') IS NULL")[0][0]
    assert pair.everything() == before
    assert steps.verify(pair.address(), store, compared.plan.digest())[0] == "PASS"


def test_a_lost_patient_comes_back_to_the_last_byte_and_nothing_else_moves(pair: Pair, store: Path) -> None:
    pair.damage(LOST)
    compared, applied = put_back(pair, PATIENT, store)
    assert kinds(compared) == {"patient": {"missing": 1}, "visit": {"missing": 3}, "charge": {"missing": 4}}
    assert pair.everything() == pair.everything(old=True), "no trigger fired for what had happened before"
    assert pair.sql("SELECT subject, diff_sha256, run, tables->'visit'->>'missing' FROM recovery.rows_put_back") == [
        ("P7", compared.plan.digest(), "a run", "3")
    ]
    assert applied.audit == 1
    verdict, reason, _ = steps.verify(pair.address(), store, compared.plan.digest())
    assert verdict == "PASS", reason


def test_the_same_again_is_no_change(pair: Pair, store: Path) -> None:
    pair.damage(LOST)
    put_back(pair, PATIENT, store)
    compared, applied = put_back(pair, PATIENT, store)
    assert not compared.plan.changes and applied.audit is None
    assert pair.sql("SELECT count(*) FROM recovery.rows_put_back")[0][0] == 1


def test_rows_that_were_altered_are_shown_by_column_and_set_back_past_the_ledger(pair: Pair, store: Path) -> None:
    pair.damage("UPDATE charge SET amount = 99 WHERE patient_id = 7 AND visit_nr = 1; UPDATE visit SET doctor_id = 1 WHERE patient_id = 7")
    request = replace(PATIENT, until=beat(pair))
    compared, _ = put_back(pair, request, store)
    text = compared.plan.text()
    assert '-     amount="99.00"' in text and '+     amount="8.00"' in text
    assert "charge: its own triggers would refuse" in text
    assert pair.everything() == pair.everything(old=True)


def test_rows_that_went_to_another_patient_come_back(pair: Pair, store: Path) -> None:
    pair.damage("UPDATE charge SET patient_id = 8 WHERE patient_id = 7 AND visit_nr = 3")
    put_back(pair, replace(PATIENT, until=beat(pair)), store)
    assert pair.everything() == pair.everything(old=True)


def test_parents_come_only_if_they_are_missing(pair: Pair, store: Path) -> None:
    pair.damage(LOST)
    pair.damage("DELETE FROM doctor WHERE id = 9; UPDATE doctor SET name = 'renamed' WHERE id = 1")
    compared, _ = put_back(pair, PATIENT, store)
    assert kinds(compared)["doctor"] == {"needed": 1}
    assert pair.sql("SELECT name FROM doctor WHERE id = 1") == [("renamed",)]


def test_rows_entered_since_are_shown_and_stay(pair: Pair, store: Path) -> None:
    pair.sql("INSERT INTO visit VALUES (7, 4, 1, 3)")
    pair.damage("DELETE FROM charge WHERE patient_id = 7")
    compared, _ = put_back(pair, PATIENT, store)
    assert compared.plan.extra["visit"] == [("7", "4", "1", "3", None)]
    assert pair.sql("SELECT count(*) FROM visit WHERE patient_id = 7") == [(4,)]


def test_a_sequence_is_moved_behind_the_highest_key(pair: Pair, store: Path) -> None:
    pair.damage(LOST)
    pair.damage("DELETE FROM charge WHERE id > 500; ALTER SEQUENCE charge_id_seq RESTART WITH 3")
    _, applied = put_back(pair, PATIENT, store)
    assert applied.sequences == {"public.charge_id_seq": 601}
    pair.sql("INSERT INTO charge (patient_id, visit_nr, item_id, amount) VALUES (7, 1, 1, 1)")


# ---- what somebody did since ----


def test_a_row_changed_since_is_refused_and_nothing_changes(pair: Pair, store: Path) -> None:
    pair.damage("DELETE FROM charge WHERE patient_id = 7")
    until = beat(pair)
    pair.sql("UPDATE patient SET name = 'married' WHERE id = 7")
    before = pair.everything()
    compared = compare(pair, replace(PATIENT, until=until), store)
    assert [f.code for f in compared.findings if f.severity == "stop"] == ["changed-since"]
    assert "(written since)" in compared.plan.text()
    assert refused(lambda: steps.put_back(pair.address(), store, compared.plan.digest(), QUICK, BY)) == "rows-not-at-hand"
    assert pair.everything() == before


def test_without_a_moment_every_altered_row_may_be_somebodys_work(pair: Pair, store: Path) -> None:
    pair.damage("UPDATE visit SET doctor_id = 1 WHERE patient_id = 7")
    compared = compare(pair, PATIENT, store)
    assert [f.code for f in compared.findings] == ["changed-since"]
    assert "until" in compared.findings[0].remedy


@pytest.mark.parametrize(("choice", "name"), [("keep-live", "married"), ("take-backup", "patient 7")])
def test_a_named_choice_keeps_or_takes(pair: Pair, store: Path, choice: str, name: str) -> None:
    pair.damage("UPDATE visit SET doctor_id = 1 WHERE patient_id = 7")
    until = beat(pair)
    pair.sql("UPDATE patient SET name = 'married' WHERE id = 7")
    request = replace(PATIENT, until=until, conflicts=choice, conflicts_by="the head of the ward")
    compared, _ = put_back(pair, request, store)
    assert pair.sql("SELECT name FROM patient WHERE id = 7") == [(name,)]
    assert pair.sql("SELECT conflicts, conflicts_by FROM recovery.rows_put_back") == [(choice, "the head of the ward")]
    assert pair.everything()["visit"] == pair.everything(old=True)["visit"]
    assert steps.verify(pair.address(), store, compared.plan.digest())[0] == "PASS"
    again, _ = put_back(pair, request, store)
    assert not again.plan.changes


def test_commit_timestamps_are_used_where_they_are_kept(pair: Pair, store: Path) -> None:
    pair.now.sql("ALTER SYSTEM SET track_commit_timestamp = on", database="postgres")
    pair.now.stop()
    pair.now.start()
    try:
        pair.damage("UPDATE visit SET doctor_id = 1 WHERE patient_id = 7 AND nr = 1")
        time.sleep(0.02)
        request = replace(PATIENT, until=f"time:{datetime.now(UTC).isoformat()}", heartbeat={})
        assert not compare(pair, request, None).findings
        time.sleep(0.02)
        pair.sql("UPDATE patient SET name = 'married' WHERE id = 7")
        compared = compare(pair, request, None)
        assert compared.evidence == "commit-timestamps"
        assert [(change.table, change.since) for change in compared.plan.conflicts] == [("patient", "after")]
    finally:
        pair.now.sql("ALTER SYSTEM RESET track_commit_timestamp", database="postgres")
        pair.now.stop()
        pair.now.start()


def test_a_lost_row_that_was_entered_again_is_refused(pair: Pair, store: Path) -> None:
    pair.damage("DELETE FROM item WHERE id = 5")
    pair.sql("INSERT INTO item (id, code, price) VALUES (1005, 'I5', 1)")
    compared = compare(pair, TABLE, store)
    assert "re-entered" in [f.code for f in compared.findings if f.severity == "stop"]


# ---- between approval and deed ----


def test_what_changed_after_the_approval_is_refused_and_nothing_changes(pair: Pair, store: Path) -> None:
    pair.damage("DELETE FROM charge WHERE patient_id = 7 AND visit_nr = 1; UPDATE visit SET doctor_id = 1 WHERE patient_id = 7")
    request = replace(PATIENT, until=beat(pair))
    compared = compare(pair, request, store)
    pair.sql("UPDATE visit SET doctor_id = 2 WHERE patient_id = 7 AND nr = 1")
    before = pair.everything()
    assert refused(lambda: steps.put_back(pair.address(), store, compared.plan.digest(), QUICK, BY)) == "live-changed"
    assert pair.everything() == before


def test_another_digest_than_the_approved_one_is_refused(pair: Pair, store: Path) -> None:
    pair.damage(LOST)
    compare(pair, PATIENT, store)
    before = pair.everything()
    assert refused(lambda: steps.put_back(pair.address(), store, "0" * 64, QUICK, BY)) == "rows-not-at-hand"
    (store / f"{'0' * 64}.json").write_bytes(next(store.glob("*.json")).read_bytes())
    assert refused(lambda: steps.put_back(pair.address(), store, "0" * 64, QUICK, BY)) == "live-changed"
    assert pair.everything() == before


def test_a_row_that_the_ward_holds_is_waited_for_briefly_and_then_given_up(pair: Pair, store: Path) -> None:
    pair.damage("UPDATE visit SET doctor_id = 1 WHERE patient_id = 7")
    request = replace(PATIENT, until=beat(pair))
    compared = compare(pair, request, store)
    holder = pair.now.connect("live")
    holder.autocommit = False
    holder.cursor().execute("SELECT 1 FROM visit WHERE patient_id = 7 FOR UPDATE")
    started = time.monotonic()
    assert refused(lambda: steps.put_back(pair.address(), store, compared.plan.digest(), QUICK, BY)) == "rows-busy"
    assert time.monotonic() - started < 3
    timer = threading.Timer(0.3, holder.rollback)
    timer.start()
    applied = steps.put_back(pair.address(), store, compared.plan.digest(), Patience(100, 50, 0.05), BY)
    timer.join()
    holder.close()
    assert applied.attempts > 1
    assert pair.everything() == pair.everything(old=True)


def test_the_rows_lie_where_root_alone_can_read(pair: Pair, store: Path) -> None:
    compare(pair, PATIENT, store)
    assert store.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in store.iterdir()} == {0o600}
    assert steps.forget(store) and not store.exists() and not steps.forget(store)


# ---- whole tables ----


def test_a_deleted_price_list_comes_back_with_its_notes(pair: Pair, store: Path) -> None:
    pair.damage("DELETE FROM item; DELETE FROM item_history; DELETE FROM item_note")
    tables = steps.survey(pair.address(), TABLE)["tables"]
    assert tables == ["item", "item_history", "item_note"], "a cascade takes its dependants along"
    compared, _ = put_back(pair, replace(TABLE, tables=tuple(tables)), store)
    assert kinds(compared) == {"item": {"missing": 50}, "item_history": {"missing": 50}, "item_note": {"missing": 10}}
    assert pair.everything() == pair.everything(old=True)


def test_altered_prices_are_set_back_and_the_history_says_so(pair: Pair, store: Path) -> None:
    pair.sql("UPDATE item SET price = 0")
    request = replace(TABLE, until=beat(pair))
    compared, _ = put_back(pair, request, store)
    assert kinds(compared) == {"item": {"altered": 50}, "item_history": {"extra": 50}}
    assert pair.everything()["item"] == pair.everything(old=True)["item"], "to the stamp that a trigger would have set"
    last = "SELECT count(*) FROM item i WHERE price = (SELECT price FROM item_history h WHERE h.item_id = i.id ORDER BY id DESC LIMIT 1)"
    assert pair.sql(last) == [(50,)]
    again, _ = put_back(pair, request, store)
    assert not again.plan.changes


def test_a_price_changed_by_staff_since_is_a_conflict(pair: Pair, store: Path) -> None:
    pair.sql("UPDATE item SET price = 0 WHERE id <= 20")
    until = beat(pair)
    pair.sql("UPDATE item SET price = 77 WHERE id = 3")
    pair.sql("UPDATE item SET price = 88 WHERE id = 40")
    compared = compare(pair, replace(TABLE, until=until), store)
    assert [f.code for f in compared.findings if f.severity == "stop"] == ["changed-since"]
    assert sorted(dict(c.key)["id"] for c in compared.plan.conflicts) == ["3", "40"]
    kept = replace(TABLE, until=until, conflicts="keep-live", conflicts_by="the pharmacy")
    compared, _ = put_back(pair, kept, store)
    assert pair.sql("SELECT id, price::int FROM item WHERE id IN (2, 3, 40) ORDER BY id") == [(2, 2), (3, 77), (40, 88)]


def test_a_row_whose_parent_is_nowhere_is_refused(pair: Pair, store: Path) -> None:
    pair.damage("DELETE FROM item_history WHERE id = 4")
    request = replace(TABLE, tables=("item_history",))
    backup = as_postgres(lambda: pair.reading(request))
    del backup.tables["item"]
    pair.damage("DELETE FROM item WHERE id = 4")
    compared = steps.compare(pair.address(), request, backup, store)
    before = pair.everything()
    assert refused(lambda: steps.put_back(pair.address(), store, compared.plan.digest(), QUICK, BY)) == "parent-missing"
    assert pair.everything() == before


# ---- refusals ----


def test_an_unknown_table_is_refused(pair: Pair) -> None:
    with pytest.raises(RowsError, match="no table itm") as raised:
        steps.survey(pair.address(), replace(TABLE, tables=("itm",)))
    assert raised.value.code == "table-unknown"


def test_a_table_without_a_primary_key_is_refused(pair: Pair) -> None:
    assert refused(lambda: steps.survey(pair.address(), replace(TABLE, tables=("loose",)))) == "no-primary-key"


def test_an_unknown_patient_is_refused(pair: Pair) -> None:
    stranger = replace(PATIENT, patient="P999")
    assert steps.survey(pair.address(), stranger)["known"] is False
    assert refused(lambda: steps.read_backup(pair.address(old=True), stranger, "/elsewhere", known=False)) == "patient-unknown"
    assert refused(lambda: steps.read_backup(pair.address(old=True), stranger, "/elsewhere", known=True)) == "patient-not-in-backup"


def test_a_scratch_instance_that_is_production_is_refused(pair: Pair, store: Path) -> None:
    assert refused(lambda: steps.read_backup(pair.address(), PATIENT, str(pair.now.data), known=True)) == "scratch-is-production"
    backup = as_postgres(lambda: Pair(pair.now, pair.now).reading(PATIENT))
    assert refused(lambda: steps.compare(pair.address(), PATIENT, backup, store)) == "scratch-is-production"


def test_rows_of_another_system_are_refused(pair: Pair, store: Path) -> None:
    backup = as_postgres(lambda: pair.reading(PATIENT))
    backup.server["system_identifier"] = "1"
    assert refused(lambda: steps.compare(pair.address(), PATIENT, backup, store)) == "other-system"


def test_a_table_with_other_columns_is_refused(pair: Pair, store: Path) -> None:
    pair.sql("ALTER TABLE visit ADD COLUMN ward text")
    assert refused(lambda: compare(pair, PATIENT, store)) == "schema-changed"


def test_too_many_rows_are_refused(pair: Pair) -> None:
    assert refused(lambda: as_postgres(lambda: pair.reading(replace(TABLE, most_rows=20)))) == "too-many-rows"


# ---- its own work stays flat ----


def test_what_is_read_does_not_grow_with_the_database(pair: Pair) -> None:
    small = compare(pair, PATIENT, None).read
    pair.damage(
        "INSERT INTO patient (name) SELECT 'p' FROM generate_series(1, 20000); INSERT INTO visit SELECT id, v, 1 FROM patient,"
        " generate_series(1, 3) v WHERE id > 200; INSERT INTO charge (patient_id, visit_nr, item_id, amount)"
        " SELECT patient_id, nr, 1, 1 FROM visit WHERE patient_id > 200; ANALYZE"
    )
    large = compare(pair, PATIENT, None).read
    assert small["rows"] == large["rows"] >= OWN
    assert large["rows_read"] <= small["rows_read"] * 1.2 + 20, (small, large)
    assert large["blocks_read"] <= small["blocks_read"] * 2, (small, large)
