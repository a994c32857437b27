"""The standby serves, alone, with everything that was acknowledged; what it took is in the journal."""

from __future__ import annotations

import json
import subprocess

import yaml
from hospital import BIN, PROJECT, WORKSTATIONS, Ran, attempts, host, incidents, probe, remembered
from pair import ask, follows, holders, on, serving

RUN = Ran(0, "", incidents()[-1])


def test_exactly_one_server_serves_and_it_is_the_same_database() -> None:
    assert not on("his-db")
    assert serving() == ["his-db-2"]
    assert holders() == ["his-db-2"]
    before = remembered("baseline")["identity"]
    assert ask("his-db-2", "select system_identifier from pg_control_system()") == before["system"]
    assert int(ask("his-db-2", "select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int")) > int(
        before["timeline"]
    )
    assert follows("his-db-2")["status"] == ""


def test_every_ward_can_work() -> None:
    assert [probe(workstation) for workstation in WORKSTATIONS] == [""] * len(WORKSTATIONS)


def test_what_never_changes_is_the_same_and_no_ledger_became_shorter() -> None:
    baseline = remembered("baseline")
    master = {table: ask("his-db-2", f"select md5(string_agg(t::text, '|' order by id)) from {table} t") for table in baseline["master"]}  # noqa: S608
    assert master == baseline["master"]
    counts = {table: int(ask("his-db-2", f"select count(*) from {table}")) for table in baseline["counts"]}  # noqa: S608
    assert {table for table in counts if counts[table] < baseline["counts"][table]} == set()


def test_what_was_lost_is_within_the_plan_and_the_journal_counts_it_exactly() -> None:
    acknowledged = [attempt for attempt in attempts() if attempt.ok]
    rows = ask("his-db-2", "select workstation || ' ' || seq from client_transaction").splitlines()
    present = {(station, int(seq)) for station, seq in (row.split() for row in rows)}
    lost = [attempt for attempt in acknowledged if (attempt.workstation, attempt.seq) not in present]
    measured = [line["data"] for line in RUN.journal if line["event"] == "measured" and "lost_transactions" in line["data"]]
    assert lost, "the server saved something that its standby could not receive"
    assert measured[-1]["lost_transactions"] == len(lost)
    allowed = yaml.safe_load((PROJECT / "plan/targets.yml").read_text(encoding="utf-8"))["targets"]["database"]
    assert measured[-1]["rpo_s"] <= allowed["rpo_s"]
    milestones = [line["name"] for line in RUN.journal if line["event"] == "milestone"]
    assert {"fault", "detected", "recovery_started", "system_up", "service_proven"} <= set(milestones)


def test_the_hospital_is_protected_again_without_anybody() -> None:
    """Both repositories hold a backup of the new history, both tails follow, the log arrives, and the schedule goes on."""
    timeline = int(ask("his-db-2", "select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"))
    for keeper, account in (("his-db-2", "postgres"), ("backup-offsite", "pgbackrest")):
        words = f"runuser -u {account} -- pgbackrest --config=/etc/pgbackrest/pgbackrest.conf --stanza=his info --output=json"
        told = json.loads(host(keeper).check_output(words))[0]
        assert told["status"]["code"] == 0, keeper
        assert int(told["backup"][-1]["archive"]["start"][:8], 16) == timeline, keeper
        assert not told["backup"][-1]["error"], keeper
    slots = ask("his-db-2", "select slot_name from pg_replication_slots where active order by 1").splitlines()
    assert slots == ["tail_local", "tail_offsite"]
    assert ask("his-db-2", "select last_archived_time > coalesce(last_failed_time, '-infinity') from pg_stat_archiver") == "t"
    timers = "systemctl is-active hospital-backup-full.timer hospital-backup-diff.timer hospital-backup-incr.timer"
    assert host("his-db-2").check_output(timers).split() == ["active"] * 3


def test_the_run_passed_and_its_evidence_verifies() -> None:
    assert RUN.verdict == "PASS"
    done = subprocess.run(
        [BIN / "recovery", "evidence", "verify", str(RUN.incident)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
