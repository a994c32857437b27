"""After the runbook: the same database, complete, protected again, with evidence that stock tools can check."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from hospital import (
    STATE,
    WORKSTATIONS,
    Ran,
    answers,
    attempts,
    checksums,
    counts,
    host,
    identity,
    incidents,
    probe,
    remembered,
    sql,
)

RUN = Ran(0, "", incidents()[-1])


def test_the_same_database_serves_again() -> None:
    assert host("his-db").service("postgresql@15-main").is_running
    assert answers()
    before = remembered("baseline")["identity"]
    assert identity()["system"] == before["system"]
    assert int(identity()["timeline"]) > int(before["timeline"])
    assert sql("select pg_is_in_recovery()") == "f"


@pytest.mark.parametrize("workstation", WORKSTATIONS)
def test_every_ward_can_work(workstation: str) -> None:
    assert probe(workstation) == ""


def test_clinical_work_goes_on_by_itself() -> None:
    first = len([attempt for attempt in attempts() if attempt.ok])
    time.sleep(2)
    assert len([attempt for attempt in attempts() if attempt.ok]) > first


def test_what_never_changes_is_the_same_to_the_last_byte() -> None:
    assert checksums() == remembered("baseline")["master"]


def test_no_ledger_became_shorter() -> None:
    before = remembered("baseline")["counts"]
    assert {table: number for table, number in counts().items() if number < before[table]} == {}


def test_no_foreign_key_is_broken() -> None:
    invalid = sql("select count(*) from pg_constraint where contype = 'f' and not convalidated")
    assert invalid == "0"
    orphans = sql("select count(*) from charge c left join visit v on v.id = c.visit_id where v.id is null")
    assert orphans == "0"
    assert sql("select count(*) from invoice_line l left join invoice i on i.id = l.invoice_id where i.id is null") == "0"


def test_the_log_is_archived_again() -> None:
    archived = int(sql("select archived_count from pg_stat_archiver"))
    sql("select pg_switch_wal()")
    for _ in range(20):
        if int(sql("select archived_count from pg_stat_archiver")) > archived:
            return
        time.sleep(0.5)
    pytest.fail("after the recovery no segment of the write-ahead log was archived")


def test_nobody_can_reach_what_was_staged() -> None:
    clusters = str(host("his-db").check_output("pgrep -x -u postgres -f -a '.*/postgres -D .*' || true"))
    assert len([line for line in clusters.splitlines() if line.strip()]) <= 1


def test_the_verdict_is_pass_and_its_parts_are_measured() -> None:
    assert RUN.verdict == "PASS"
    milestones = [line["name"] for line in RUN.journal if line["event"] == "milestone"]
    assert {"fault", "system_up", "service_proven"} <= set(milestones)


@pytest.mark.parametrize("workstation", WORKSTATIONS)
def test_every_department_was_told_that_work_may_resume(workstation: str) -> None:
    """What stands at the workstation itself is what counts, and nobody was told before the service was proven."""
    kept = [json.loads(line) for line in host(workstation).check_output("cat /var/log/his-client/notices.jsonl").splitlines()]
    reached = {line["name"]: line["data"]["at"] for line in RUN.journal if line["event"] == "milestone"}
    assert reached["service_proven"] < kept[-1]["at"] <= reached["users_told"]
    artifact = next(path for line in RUN.journal for path in line["data"].get("artifacts", []) if "notice" in path["path"])
    assert RUN.incident is not None
    assert kept[-1]["message"] in (RUN.incident / artifact["path"]).read_text(encoding="utf-8")


def test_the_evidence_can_be_checked_with_stock_tools_only() -> None:
    directory = RUN.incident
    assert directory is not None
    checked = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "MANIFEST.sha256"], cwd=directory, check=False)
    assert checked.returncode == 0
    signed = subprocess.run(
        [
            *("ssh-keygen", "-Y", "verify", "-n", "recovery-evidence", "-I", "control-node"),
            *("-f", str(STATE / "people/allowed_signers"), "-s", "MANIFEST.sha256.sig"),
        ],
        cwd=directory,
        stdin=(directory / "MANIFEST.sha256").open("rb"),
        capture_output=True,
        check=False,
    )
    assert signed.returncode == 0, signed.stderr


def test_two_people_approved_and_neither_was_the_one_who_asked() -> None:
    granted = [line for line in RUN.journal if line["event"] == "approval_answer" and line["result"] != "refused"]
    asked = [line for line in RUN.journal if line["event"] == "approval_requested"]
    assert asked
    names = {line["data"].get("principal") for line in granted}
    assert len(names) >= 2
    begun = next(line for line in RUN.journal if line["event"] == "run_begin")
    assert begun["data"]["requested_by"] not in names
