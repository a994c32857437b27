"""What cannot be done is refused in sentences, and what is left of the database is as it was."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hospital import BIN, DATA, INCIDENTS, PROJECT, Ran, fingerprint, host, incidents, lab, recovery


@pytest.fixture(autouse=True)
def nothing_changes() -> Iterator[None]:
    """Compare the database's disk before and after every refusal."""
    before = fingerprint()
    yield
    assert fingerprint() == before


@contextmanager
def broken(fault: str, *words: str) -> Iterator[None]:
    """Break something for a while."""
    lab("break", fault, *words)
    try:
        yield
    finally:
        lab("repair", fault)


def refused(ran: Ran, code: str) -> None:
    """Assert that a run refused for this reason, and said what to do instead."""
    assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output
    assert code in ran.codes, ran.output
    findings = [f for line in ran.journal if line["event"] == "refusal" for f in line["data"]["findings"] if f["code"] == code]
    assert all(finding["message"].endswith((".", "?")) and finding["remedy"] for finding in findings)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("time:2001-01-01T00:00:00Z", "target-too-old"),
        ("time:2199-01-01T00:00:00Z", "target-in-future"),
        ("backup:20010101-000000F", "target-unknown"),
        ("lsn:FF/0", "target-too-new"),
    ],
)
def test_a_target_that_no_backup_reaches(target: str, code: str) -> None:
    refused(recovery("database_restore", "-e", "source=local", "-e", f"target={target}"), code)


def test_a_moment_behind_the_newest_log() -> None:
    """It has happened, and nothing of it was saved: the database had failed."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    refused(recovery("database_restore", "-e", "source=local", "-e", f"target=time:{now}"), "target-too-new")


def test_a_restore_point_that_nobody_made_is_known_to_be_missing_when_the_log_ends() -> None:
    refused(recovery("database_restore", "-e", "source=local", "-e", "target=name:nobody-made-this"), "replay-failed")


def test_a_backup_too_old_for_the_loss_that_is_allowed() -> None:
    label = str(host("his-db").check_output("ls /srv/backup/pgbackrest/backup/his | grep ^2 | head -1")).strip()
    ran = recovery("database_restore", "-e", "source=local", "-e", f"target=backup:{label}", "-e", "rpo=1")
    refused(ran, "rpo-missed")
    assert "override=rpo-missed" in ran.output, "a person may accept it by name"


def test_a_host_that_is_no_database_server() -> None:
    refused(recovery("database_restore", "-e", "source=local", "-e", "host=his-app"), "no-configuration")


def test_a_backup_whose_own_list_of_files_is_damaged() -> None:
    with broken("backup-bit-rot", "local", "manifest"):
        refused(recovery("database_restore", "-e", "source=local"), "backup-damaged")


def test_a_damaged_file_in_a_backup_is_found_before_the_old_state_is_touched() -> None:
    """It takes reading every byte: in SAFETY, beside what is left of the database, which stays as it was."""
    with broken("backup-bit-rot", "local", "data"):
        ran = recovery("database_restore", "-e", "source=local")
    refused(ran, "backup-damaged")
    assert not [line for line in ran.journal if line["event"] == "play_begin" and line["phase"] == "RUN"], "the swap was reached"


def test_the_wrong_passphrase() -> None:
    refused(
        recovery("database_restore", "-e", "source=local", "-e", "vault_pgbackrest_local_cipher=not-the-passphrase"), "wrong-passphrase"
    )


def test_a_host_with_another_major_version() -> None:
    cluster = {"name": "his", "stanza": "his", "version": "14", "data_directory": DATA, "config_directory": "/etc/postgresql/15/main"}
    cluster |= {"service": "postgresql@15-main", "port": 5432, "address": "10.20.10.11", "cluster": "main"}
    refused(recovery("database_restore", "-e", "source=local", "-e", json.dumps({"database_cluster": cluster})), "other-version")


def test_a_time_that_names_no_zone() -> None:
    ran = recovery("database_restore", "-e", "source=local", "-e", "target=time:2026-11-21T03:25:00")
    assert (ran.status, ran.codes) == (4, {"target-not-understood"}), ran.output


def test_a_repository_that_is_lost() -> None:
    with broken("backup-repository-lost", "local"):
        ran = recovery("database_restore", "-e", "source=local")
        assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output
        assert ran.codes & {"no-backup", "repository-unreachable", "repository-missing"}, ran.output


def test_the_remote_site_cannot_be_reached() -> None:
    with broken("link-down", "offsite"):
        ran = recovery("database_restore", "-e", "source=offsite")
        assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output


def test_the_remote_site_falls_silent_in_the_middle_of_the_restore() -> None:
    """The wait is bounded by a figure of the inventory; then it is said, with what can be done instead."""
    with broken("link-slow", "offsite", "rate=4mbit"):
        run = start("database_restore", "-e", "source=offsite", "-e", "database_stall_timeout_s=8")
        wait_for(lambda: host("his-db").file(f"{DATA}.restoring/base").exists, "nothing was being read")
        with broken("link-down", "offsite"):
            began = time.monotonic()
            output, _ = run.communicate(timeout=120)
            waited = time.monotonic() - began
    ran = Ran(run.returncode, output, incidents()[-1])
    refused(ran, "source-lost")
    assert "offsite" in ran.output and waited < 60


def test_too_little_disk() -> None:
    with broken("disk-full", "his-db", "data"):
        refused(recovery("database_restore", "-e", "source=local"), "disk-full")


def test_nobody_approves() -> None:
    """RCV-1, CLS-6: a person says no; the run ends at once, refused."""
    lab("hands", "stop")
    with start("database_restore", "-e", "source=local") as run:
        request = wait_for_request()
        try:
            second = recovery("database_restore", "-e", "source=offsite")
            assert (second.status, second.verdict) == (4, "NOT-RUN"), second.output
            assert any("lock" in code or "held" in code for code in second.codes), second.output
        finally:
            denied = deny(request)
        output, _ = run.communicate(timeout=60)
    lab("hands", "start", "--incidents", str(INCIDENTS))
    assert denied == 0
    assert run.returncode == 4, output


def start(*words: str) -> subprocess.Popen[str]:
    """Begin to run a runbook, as a person would."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")}
    command = [str(BIN / "recovery"), "run", *words]
    return subprocess.Popen(command, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def wait_for(seen: Callable[[], bool], otherwise: str) -> None:
    """Wait up to a minute until something can be seen."""
    for _ in range(240):
        if seen():
            return
        time.sleep(0.25)
    pytest.fail(otherwise)


def wait_for_request() -> str:
    """Return the name (INCIDENT/N) of the question that waits for an answer."""
    for _ in range(120):
        waiting = [path for path in INCIDENTS.glob("*/approvals/*/request.json") if not list(path.parent.glob("answers/*"))]
        if waiting:
            newest = max(waiting, key=lambda path: path.stat().st_mtime)
            return f"{newest.parents[2].name}/{newest.parent.name}"
        time.sleep(0.5)
    pytest.fail("nobody was asked")


def deny(request: str) -> int:
    """Say no, as the president does: with a signature."""
    from hospital import STATE

    command = [str(BIN / "recovery"), "deny", request, "--as", "president", "--key", str(STATE / "people/president")]
    return subprocess.run([*command, "--reason", "The remote copy is newer."], cwd=PROJECT, check=False).returncode
