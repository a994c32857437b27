"""The laboratory's recovery (MariaDB) at length, on one lab: what is refused leaves everything as it was; what is interrupted ends right.

    LAB_NAME=endurance-lis pytest tests/endurance/laboratory.py        (`make endurance` does it; some ten minutes)

A lab of that name that stands, protected and at work, is used and left standing: LABORATORY=standing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
INCIDENTS = Path(os.environ.setdefault("RECOVERY_INCIDENTS", str(PROJECT / "incidents" / "endurance-lis")))
os.environ.setdefault("LAB_NAME", "endurance-lis")
os.environ.setdefault("MOLECULE_EPHEMERAL_DIRECTORY", str(INCIDENTS))
INCIDENTS.mkdir(parents=True, exist_ok=True)
sys.path.insert(0, str(PROJECT / "molecule" / "resources" / "tests"))

from hospital import Ran, host, incidents, lab, recovery  # noqa: E402 - behind the path and environment that they need
from laboratory import acknowledged, answers, committed, probe, sql  # noqa: E402

from endurance.harm import altered, destroy, failed, on  # noqa: E402

REPOSITORY, FAR = "/srv/backup/mariadb/backup", "/srv/offsite/mariadb/lis/backup"
BY = ("-e", "override_by=duty-administrator")


def restore(*words: str) -> Ran:
    """Run the restore of the laboratory."""
    return recovery("database_restore", "-e", "system=lis", *[word for one in words for word in ("-e", one)], timeout=1800)


def protect() -> None:
    """Set the backups up, and take one of each kind."""
    for words in (
        ["_setup"],
        ["", "-e", "repository=local"],
        ["", "-e", "repository=local", "-e", "type=incr"],
        ["", "-e", "repository=offsite"],
    ):
        ran = recovery(f"database_backup{words[0]}", "-e", "system=lis", *words[1:])
        assert ran.status == 0, ran.output


@pytest.fixture(scope="module", autouse=True)
def laboratory() -> Iterator[None]:
    """A laboratory that is protected and works."""
    if os.environ.get("LABORATORY") == "standing":
        yield
        return
    lab("up", "--scale", "small", "--flat", "--without", "pacs")
    try:
        lab("workload", "start", "--system", "lis")
        lab("hands", "start", "--incidents", str(INCIDENTS))
        protect()
        yield
    finally:
        lab("down")


def seen() -> dict[str, str]:
    """Return what a refusal must leave alone: the server's files and how long it has run, and both repositories."""
    # The note of how far a recovery came is its own; it may say that one was given up.
    files = (
        "cd /srv/lis && ls -d main* | grep -v json; find main.* -type f -not -name '*.json' -printf '%p %s %T@\\n' 2>/dev/null | sort; true"
    )
    found = {
        "directories": on("lis-db", files),
        "server": on("lis-db", "pgrep -x mariadbd || true"),
        "local": on("lis-db", f"cd {REPOSITORY} && find . -type f -printf '%p %s %T@\\n' | sort | sha256sum"),
        "offsite": on("backup-offsite", f"cd {FAR} && find . -type f -printf '%p %s %T@\\n' | sort | sha256sum"),
    }
    if not found["server"]:
        found["data"] = on("lis-db", "cd /srv/lis && find main -type f -printf '%p %s %T@\\n' 2>/dev/null | sort | sha256sum")
    return found


def refused(ran: Ran, code: str, before: dict[str, str]) -> None:
    """The run was refused for this reason, with a remedy, and changed nothing."""
    assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output
    assert code in ran.codes, (ran.codes, ran.output)
    findings = [f for line in ran.journal if line["event"] == "refusal" for f in line["data"]["findings"] if f["code"] == code]
    said = " ".join(finding["message"] + finding["remedy"] + finding["alternative"] for finding in findings)
    assert any(word in said for word in ("-e ", "Say one of", "Write it", "recovery run", "Ask for", "Name ", "Check ")), said
    after = seen()
    assert {name: after.get(name) for name in before} == before


def newest(repository: str = "local") -> str:
    """Return the label of the newest backup."""
    if repository == "local":
        return on("lis-db", f"ls {REPOSITORY} | sort | tail -1")
    return on("backup-offsite", f"ls {FAR}/*.tar.enc | sort | tail -1").rpartition("/")[2].removesuffix(".tar.enc")


@pytest.fixture(scope="class")
def fallen(laboratory: None) -> Iterator[None]:
    """The same, for all tests of a kind in a row."""
    with failed():
        yield


def test_a_healthy_server() -> None:
    before = seen()
    refused(restore("source=best"), "server-healthy", before)


def test_a_server_of_another_system() -> None:
    own = sql("select system from hospital_recovery.identity")
    change = "set sql_log_bin = 0; update hospital_recovery.identity set system = '{}'"
    sql(change.format("00000000-0000-4000-8000-000000000000"))
    try:
        before = seen()
        ran = recovery("database_restore", "-e", "system=lis", "-e", "source=local", "-e", "override=server-healthy", *BY)
        refused(ran, "other-system", before)
    finally:
        sql(change.format(own))


@pytest.mark.usefixtures("fallen")
class TestOfAServerThatFailed:
    """Its files are left; so must they be afterwards."""

    def test_a_wrong_passphrase(self) -> None:
        on("backup-offsite", "systemctl stop binlog-tail@lis")  # it would go on encrypting with it
        try:
            with altered("backup-offsite", "/etc/hospital-backup/lis/passphrase", "echo another one >{path}"):
                before = seen()
                refused(restore("source=offsite"), "wrong-passphrase", before)
        finally:
            on("backup-offsite", "systemctl start binlog-tail@lis")

    @pytest.mark.parametrize("what", ["data/ibdata1*", "data/lis/result.*", "manifest.json", "backup.json"])
    def test_a_truncated_file_of_a_backup_here(self, what: str) -> None:
        path = on("lis-db", f"ls {REPOSITORY}/{newest()}/{what} | head -1")
        with altered("lis-db", path, "truncate -s -9 {path}"):
            before = seen()
            refused(restore("source=local"), "backup-damaged", before)

    def test_a_missing_file_of_a_backup_here(self) -> None:
        with altered("lis-db", on("lis-db", f"ls {REPOSITORY}/{newest()}/data/ibdata1* | head -1"), "rm {path}"):
            before = seen()
            refused(restore("source=local"), "backup-damaged", before)

    @pytest.mark.parametrize("suffix", ["tar.enc", "json", "manifest.json"])
    def test_a_truncated_file_of_a_backup_far_away(self, suffix: str) -> None:
        with altered("backup-offsite", f"{FAR}/{newest('offsite')}.{suffix}", "truncate -s -9 {path}"):
            before = seen()
            refused(restore("source=offsite"), "backup-damaged", before)

    @pytest.mark.parametrize("place", [5000, 3000000])
    def test_a_flipped_byte_far_away_is_found_while_it_is_read(self, place: int) -> None:
        full = on("backup-offsite", f"ls {FAR}/2*F.tar.enc | tail -1")
        flip = f"printf X | dd of={{path}} bs=1 seek={place} conv=notrunc status=none"
        with altered("backup-offsite", full, flip):
            before = seen()
            refused(restore("source=offsite"), "backup-damaged", before)

    @pytest.mark.parametrize(
        ("target", "code"),
        [
            ("time:2020-01-01T00:00:00Z", "target-too-old"),
            ("time:2099-01-01T00:00:00Z", "target-in-future"),
            ("gtid:0-14-1", "target-too-old"),
            ("gtid:0-14-99999999", "target-too-new"),
            ("backup:20200101-000000F", "target-unknown"),
            ("lsn:0/1", "target-not-understood"),
            ("time:yesterday", "target-not-understood"),
        ],
    )
    def test_a_target_out_of_range(self, target: str, code: str) -> None:
        before = seen()
        refused(restore("source=local", f"target={target}"), code, before)

    def test_a_moment_behind_the_newest_log(self) -> None:
        time.sleep(5)
        moment = (datetime.now(UTC) - timedelta(seconds=2)).isoformat(timespec="seconds")
        before = seen()
        refused(restore("source=local", f"target=time:{moment}"), "target-too-new", before)

    def test_more_would_be_lost_than_was_asked(self) -> None:
        before = seen()
        refused(restore("source=local", "rpo=0", f"target=backup:{newest()}"), "rpo-missed", before)
        refused(restore("source=local", "rpo=soon"), "rpo-not-understood", before)

    def test_a_backup_of_another_system(self) -> None:
        with altered("lis-db", "/etc/hospital-backup/lis/system", "echo 00000000-0000-4000-8000-000000000000 >{path}"):
            before = seen()
            refused(restore("source=local"), "other-system", before)

    def test_too_little_disk(self) -> None:
        lab("break", "disk-full", "lis-db", "data")
        try:
            before = seen()
            refused(restore("source=local"), "disk-full", before)
        finally:
            lab("repair", "disk-full")

    def test_the_remote_site_out_of_reach(self) -> None:
        before = seen()
        lab("break", "link-down", "offsite")
        try:
            ran = restore("source=offsite")
        finally:
            lab("repair", "link-down")
        refused(ran, "repository-unreachable", before)

    def test_the_wrong_host(self) -> None:
        before = seen()
        ran = restore("source=offsite", "host=his-app")
        assert ran.status == 4, ran.output
        refused(ran, "repository-unreachable", before)

    def test_the_remote_site_falls_silent_while_it_is_read(self) -> None:
        before = seen()
        silence = "until pkill -STOP -u lis_vault -f 'reader'; do sleep 0.05; done; sleep 40; pkill -CONT -u lis_vault -f reader"
        reading = "until ls -d /srv/lis/main.restoring >/dev/null 2>&1; do sleep 0.05; done"
        lab("break", "link-slow", "offsite", "rate=20mbit")
        try:
            with subprocess.Popen([sys.executable, "-c", _BESIDE, reading, silence], env=os.environ) as beside:
                started = time.monotonic()
                ran = restore("source=offsite")
                took = time.monotonic() - started
                beside.kill()
        finally:
            lab("repair", "link-slow")
            host("backup-offsite").run("pkill -CONT -u lis_vault -f reader")
        refused(ran, "source-lost", before)
        assert took < 120, "it was waited for too long"


# Waits on one host until reading has begun, and then silences the other.
_BESIDE = f"""
import sys; sys.path.insert(0, {str(PROJECT / "molecule" / "resources" / "tests")!r})
from hospital import host
host("lis-db").run(sys.argv[1])
host("backup-offsite").run(sys.argv[2])
"""


def test_a_missing_log_and_a_damaged_one() -> None:
    history = sql("select history from hospital_recovery.identity")
    for _ in range(2):
        sql("flush binary logs")
        time.sleep(2)
    time.sleep(2)
    path = on("lis-db", f"ls /srv/backup/binlog/{history}/mariadb-bin.* | tail -2 | head -1")
    on("lis-db", "systemctl kill --signal=KILL mariadb; systemctl stop mariadb; mv /srv/lis/main /srv/lis/main.hidden")
    try:
        with altered("lis-db", path, "rm {path}"):
            before = seen()
            refused(restore("source=local"), "wal-missing", before)
        with altered("lis-db", path, "printf X | dd of={path} bs=1 seek=600 conv=notrunc status=none"):
            before = seen()
            refused(restore("source=local"), "wal-damaged", before)
    finally:
        on("lis-db", "mv /srv/lis/main.hidden /srv/lis/main; systemctl reset-failed mariadb; systemctl start mariadb")


def gone() -> set[tuple[str, int]]:
    """Return what was acknowledged and is not there."""
    promised = acknowledged()
    return promised - committed()


def whole(given_up: set[tuple[str, int]]) -> None:
    """Nothing that was acknowledged is missing, but for what was given up by name; the wards work, and one server runs."""
    assert gone() == given_up
    assert probe("ward-1") == ""
    assert on("lis-db", "pgrep -c -x mariadbd") == "1"
    assert on("lis-db", "ls -d /srv/lis/main.restoring* /srv/lis/main.binlog 2>/dev/null || true") == ""


def test_a_damaged_nearest_copy_is_passed_over_for_the_far_one() -> None:
    before, moment = gone(), datetime.now(UTC).isoformat(timespec="seconds")
    full = on("lis-db", f"ls -d {REPOSITORY}/2*F | tail -1")
    with altered("lis-db", f"{full}/data/ibdata1", "printf X | dd of={path} bs=1 seek=40000 conv=notrunc status=none"):
        destroy()
        ran = restore("source=best", f"since={moment}")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    findings = [finding for line in ran.journal for finding in line["data"].get("findings", [])]
    assert "fell-back" in {finding["code"] for finding in findings}
    whole(before)


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Have a restore under way."""
    command = [str(PROJECT / ".venv" / "bin" / "recovery"), "run", "database_restore", "-e", "system=lis"]
    command += [word for one in words for word in ("-e", one)]
    with subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        yield process


# On the host: wait for a moment of the restore, then kill the step at work there and its programs, but no service.
AT = {
    "reading": "ls -d /srv/lis/main.restoring/ibdata1",
    "preparing": "pgrep -f 'mariadb-backup.*--prepare'",
    "replaying": "ls /srv/lis/main.restoring/*.index",
    "swapping": "grep -E '.phase.: .swapp' /srv/lis/main.recovery.json",
}
STOP = (
    "for p in $(pgrep -x python3; pgrep -f '[m]ariadb-b(ackup|inlog)'); do "
    "grep -Eq 'user.slice|ssh.service' /proc/$p/cgroup && kill -9 $p; done; true"
)


@pytest.mark.parametrize("moment", list(AT))
def test_a_restore_killed_in_its_middle_is_finished_by_the_same_command(moment: str) -> None:
    before, since = gone(), datetime.now(UTC).isoformat(timespec="seconds")
    destroy()
    with running("source=local", f"since={since}") as process:
        on("lis-db", f"for i in $(seq 2400); do {AT[moment]} >/dev/null 2>&1 && break; sleep 0.05; done; {AT[moment]} >/dev/null")
        os.killpg(process.pid, 9)
        host("lis-db").run(STOP)
    if answers():
        assert moment == "swapping", "what is half restored must not answer"
    ran = restore("source=local", f"since={since}")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    whole(before)


def test_the_way_back_gives_up_what_came_after_and_the_next_restore_keeps_to_it() -> None:
    before, since = gone(), datetime.now(UTC).isoformat(timespec="seconds")
    on("lis-db", "systemctl kill --signal=KILL mariadb; systemctl stop mariadb; true")
    ran = restore("source=local", f"since={since}")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    whole(before)
    time.sleep(5)
    ran = recovery("database_rollback", "-e", "system=lis")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    given_up, since = gone(), datetime.now(UTC).isoformat(timespec="seconds")
    assert given_up > before, "work was done with the restored server"
    whole(given_up)
    for source in ("local", "offsite"):
        time.sleep(3)
        destroy()
        ran = restore(f"source={source}", f"since={since}")
        assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
        whole(given_up)


def test_what_was_kept_aside_is_let_go_by_its_name_only() -> None:
    kept = on("lis-db", "ls -d /srv/lis/main.rejected-*").split()[0].rpartition("/")[2]
    before = seen()
    refused(recovery("database_release", "-e", "system=lis", "-e", "names=main"), "nothing-aside", before)
    ran = recovery("database_release", "-e", "system=lis", "-e", f"names={kept}")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    assert on("lis-db", f"ls -d /srv/lis/{kept} 2>/dev/null || true") == ""


def test_the_evidence_of_every_run_verifies() -> None:
    for incident in incidents():
        done = subprocess.run(
            [str(PROJECT / ".venv" / "bin" / "recovery"), "evidence", "verify", str(incident)], capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 3) and "NOT VERIFIED" not in done.stdout.replace("COULD NOT VERIFY", ""), done.stdout
