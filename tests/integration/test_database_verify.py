"""A sound cluster passes; what its pages cannot show is found by name: a real PostgreSQL 15, really wrong."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from recovery.database.verify import prove
from recovery.database.verify_request import request_from
from recovery.database.verify_session import Address
from support.cluster import BIN, Cluster
from support.proof import OPTIONS, found, told

# ---- a sound cluster ----


@pytest.mark.parametrize("depth", ["quick", "full"])
@pytest.mark.parametrize("exact", [True, False])
def test_a_sound_cluster_passes(proof: Callable[..., dict[str, Any]], depth: str, exact: bool) -> None:
    result = proof(depth=depth, manifest_exact=exact)
    assert result["verdict"] == "PASS", told(result)
    assert result["measured"]["lost_transactions"] == 0
    assert result["measured"]["acknowledged_transactions"] == 1199
    assert result["measured"]["unanswered_but_present"] == 1
    assert result["measured"]["rows_compared"] > 0
    assert not result["changed"]


def test_the_proof_changes_nothing(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    ask = "SELECT sum(hashtextextended(c::text, 0)), max(xmin::text::bigint), count(*) FILTER (WHERE xmax::text <> '0') FROM {} c"
    before = [cluster.sql(ask.format(table)) for table in ("patient", "visit", "charge", "client_transaction")]
    sequences = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"
    numbers = cluster.sql(sequences)
    assert proof()["verdict"] == "PASS"
    after = [cluster.sql(ask.format(table)) for table in ("patient", "visit", "charge", "client_transaction")]
    assert [row[0][:2] for row in before] == [row[0][:2] for row in after]
    assert numbers == cluster.sql(sequences)


def test_a_sound_cluster_passes_under_load(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    stop = threading.Event()
    written = itertools.count()

    def write(number: int) -> None:
        connection = cluster.connect()
        with connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("BEGIN")
                cursor.execute("INSERT INTO patient (mrn) VALUES (%s) RETURNING id", (f"N{number}-{next(written)}",))
                patient = cursor.fetchone()[0]
                cursor.execute("INSERT INTO visit (patient_id, department_id, opened_at) VALUES (%s, 1, now()) RETURNING id", (patient,))
                visit = cursor.fetchone()[0]
                cursor.execute("INSERT INTO charge (visit_id, amount) VALUES (%s, 3.50)", (visit,))
                cursor.execute("INSERT INTO invoice (visit_id, total) VALUES (%s, 3.50)", (visit,))
                cursor.execute("UPDATE visit SET note = repeat('x', 200) WHERE id = %s", (visit,))
                cursor.execute("COMMIT")
        connection.close()

    def shake() -> None:
        connection = cluster.connect()
        with connection.cursor() as cursor:
            while not stop.wait(0.05):
                cursor.execute("CHECKPOINT")
                cursor.execute(
                    "CREATE TABLE passing AS SELECT generate_series(1, 2000) n; VACUUM visit" if False else "CREATE TABLE passing (n int)"
                )
                cursor.execute("DROP TABLE passing")
                cursor.execute("VACUUM visit")
        connection.close()

    # Connections are made one after another before the proof: peer authentication looks at the whole process.
    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)] + [threading.Thread(target=shake)]
    for thread in threads:
        thread.start()
        stop.wait(0.2)
    try:
        results = [proof(depth="full"), proof(depth="quick"), proof(depth="full")]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [result["verdict"] for result in results] == ["PASS"] * 3, [told(result) for result in results]
    assert next(written) > 20


# ---- damage with right checksums: what a page cannot show ----


def test_a_deleted_parent_row_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("SET session_replication_role = replica; DELETE FROM visit WHERE id = 4711")
    result = proof(manifest=None, manifest_required=False)
    assert found(result, "foreign-keys", "charge", "4711", "visit"), told(result)
    assert found(result, "foreign-keys", "invoice", "4711"), told(result)


@pytest.mark.parametrize("exact", [True, False])
def test_a_missing_ledger_row_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]], exact: bool) -> None:
    cluster.sql("DELETE FROM charge WHERE id = 12345")
    result = proof(manifest_exact=exact)
    assert found(result, "manifest", "charge", "1 rows are missing"), told(result)
    assert found(result, "business-rules", "invoices-add-up"), told(result)


def test_an_altered_immutable_column_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("UPDATE patient SET registered_at = registered_at + interval '1 day' WHERE id = 77")
    result = proof()
    assert found(result, "manifest", "patient", "never change"), told(result)


def test_an_altered_column_that_may_change_is_no_alarm_unless_exact(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("UPDATE patient SET name = 'renamed' WHERE id = 77")
    assert proof()["verdict"] == "PASS"
    assert found(proof(manifest_exact=True), "manifest", "patient")


def test_an_index_without_an_entry_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 'charge_visit'::regclass;")
    cluster.sql("INSERT INTO charge (visit_id, amount) VALUES (55, 1.00); UPDATE invoice SET total = total + 1 WHERE visit_id = 55")
    cluster.sql("UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = 'charge_visit'::regclass")
    result = proof()
    assert found(result, "indexes", "charge_visit"), told(result)


def test_a_key_that_stands_twice_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 'patient_mrn_key'::regclass")
    cluster.sql("UPDATE patient SET mrn = 'P5' WHERE id = 6")
    cluster.sql("UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = 'patient_mrn_key'::regclass")
    result = proof(manifest=None, manifest_required=False)
    assert found(result, "unique-keys", "patient", "P5", "2 times"), told(result)


@pytest.mark.parametrize("depth", ["quick", "full"])
def test_a_constraint_that_is_not_valid_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]], depth: str) -> None:
    cluster.sql("ALTER TABLE visit ADD CONSTRAINT note_short CHECK (length(note) < 80) NOT VALID")
    result = proof(depth=depth, manifest=None, manifest_required=False)
    assert found(result, "constraints-valid", "note_short", "visit"), told(result)
    if depth == "full":
        assert found(result, "check-constraints", "visit", "note_short"), told(result)


def test_a_switched_off_foreign_key_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("ALTER TABLE charge DISABLE TRIGGER ALL")
    assert found(proof(depth="quick"), "constraints-valid", "charge", "switched off")


def test_a_broken_not_null_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("ALTER TABLE patient ALTER mrn DROP NOT NULL; UPDATE patient SET mrn = NULL WHERE id = 9")
    cluster.sql("UPDATE pg_attribute SET attnotnull = true WHERE attrelid = 'patient'::regclass AND attname = 'mrn'")
    assert found(proof(manifest=None, manifest_required=False), "check-constraints", "patient", "mrn", "row (9)")


def test_a_sequence_behind_its_table_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("SELECT setval('charge_id_seq', 100)")
    assert found(proof(), "sequences", "charge_id_seq", "100", "24000")


def test_an_empty_critical_table_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("TRUNCATE charge")
    result = proof(depth="quick", manifest=None, manifest_required=False)
    assert found(result, "critical-tables", "charge", "empty"), told(result)


def test_a_server_that_takes_no_work_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("ALTER DATABASE his SET default_transaction_read_only = on")
    assert found(proof(depth="quick"), "cluster-sound", "read-only")


def test_a_stopped_server_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.stop()
    result = proof(depth="quick")
    assert found(result, "server-answers", "does not answer"), told(result)


def test_another_cluster_is_found(proof: Callable[..., dict[str, Any]]) -> None:
    assert found(proof(depth="quick", expected_system_identifier="7000000000000000001"), "cluster-identity", "7000000000000000001")
    assert found(proof(depth="quick", data_directory="/var/lib/elsewhere"), "cluster-sound", "/var/lib/elsewhere")


def test_a_replay_that_ended_early_is_found(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    assert found(proof(depth="quick", expected_end_lsn="FF/0"), "replay-complete", "FF/0")
    assert found(proof(depth="quick", expected_timeline_min=2), "replay-complete", "timeline 1")


# ---- what users were promised, and the boundary ----


def test_lost_transactions_are_counted_exactly(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("DELETE FROM client_transaction WHERE workstation = 'ward-1' AND seq > 590")
    result = proof(depth="quick", fault_at="2026-11-21T09:10:30Z")
    assert found(result, "acknowledged-transactions", "ward-1", "10 of 600", "591"), told(result)
    measured = proof(depth="quick", tail_loss="measure", fault_at="2026-11-21T09:10:30Z")
    assert measured["verdict"] == "PASS", told(measured)
    assert measured["measured"]["lost_transactions"] == 10
    assert measured["measured"]["first_lost"] == {"ward-1": [591, 592, 593, 594, 595]}
    assert measured["measured"]["rpo_s"] == 30.0


def test_a_hole_is_damage_however_it_is_measured(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("DELETE FROM client_transaction WHERE workstation = 'outpatient-1' AND seq = 42")
    result = proof(depth="quick", tail_loss="measure")
    assert found(result, "acknowledged-transactions", "outpatient-1", "in between", "42"), told(result)


def test_the_boundary_of_a_point_in_time(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    assert proof(depth="quick", target_time="2026-11-21T09:10:00.500Z")["verdict"] == "PASS"
    past = proof(depth="quick", target_time="2026-11-21T09:05:00.500Z")
    assert found(past, "point-in-time-boundary", "went past", "301"), told(past)
    resumed = proof(depth="quick", target_time="2026-11-21T09:05:00.500Z", opened_at="2026-11-21T09:05:00.700Z")
    assert resumed["verdict"] == "PASS", told(resumed)
    early = proof(depth="quick", target_time="2026-11-21T09:12:00Z")
    assert early["verdict"] == "COULD-NOT-VERIFY", told(early)
    assert "not covered" in early["reason"]


def test_a_live_database_without_heartbeat_is_found(proof: Callable[..., dict[str, Any]]) -> None:
    assert found(proof(depth="quick", live=True), "heartbeat", "s old")


# ---- what cannot be checked does not pass ----


def test_without_amcheck_it_is_not_verified(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    cluster.sql("DROP EXTENSION amcheck")
    result = proof()
    assert result["verdict"] == "COULD-NOT-VERIFY", told(result)
    assert "amcheck" in result["reason"]


def test_without_a_manifest_it_is_not_verified(proof: Callable[..., dict[str, Any]]) -> None:
    assert proof(depth="quick", manifest=None)["verdict"] == "COULD-NOT-VERIFY"
    assert proof(depth="quick", manifest=None, manifest_required=False)["verdict"] == "PASS"


def test_without_checksums_it_does_not_pass(cluster: Cluster, proof: Callable[..., dict[str, Any]]) -> None:
    from support.cluster import as_postgres as run

    cluster.stop()
    run(BIN / "pg_checksums", "--disable", "-D", cluster.data)
    cluster.start()
    result = proof()
    assert result["verdict"] == "FAIL"
    assert found(result, "cluster-sound", "checksums are off")


def test_a_locked_table_is_not_verified(cluster: Cluster, template: tuple[Cluster, dict[str, Any]]) -> None:
    connection = cluster.connect()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE invoice IN ACCESS EXCLUSIVE MODE")
        asked = request_from({"depth": "full", "manifest": template[1], **OPTIONS})
        result = prove(Address("his", Cluster.PORT, str(cluster.socket), lock_timeout_s=1), asked)
        cursor.execute("ROLLBACK")
    connection.close()
    assert result["verdict"] == "COULD-NOT-VERIFY", told(result)
    assert "invoice" in result["reason"] or any("invoice" in finding["message"] for finding in result["findings"])


def test_a_rule_that_cannot_be_asked_is_not_verified(proof: Callable[..., dict[str, Any]]) -> None:
    result = proof(business_rules=[{"code": "wrong", "sql": "SELECT 1 FROM no_such_table"}])
    assert result["verdict"] == "COULD-NOT-VERIFY", told(result)
