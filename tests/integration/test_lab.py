"""The lab itself, seen from outside: over SSH, with ping and pgbackrest, in /proc and /sys, never through the lab's own status."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

STATE = Path(os.environ.get("LAB_STATE_ROOT") or "/var/lib/recovery-lab")
NAME, OTHER = "itest-lab", "itest-other"
HOSTS = ("his-db", "his-app", "drill-1", "ward-1", "outpatient-1", "backup-offsite")
SMALL = ("--flat", "--scale", "small", "--without", "lis-db", "--without", "pacs", "--without", "his-db-2")
PGBACKREST = """[global]
repo1-path=/srv/backup/pgbackrest
start-fast=y
[his]
pg1-path=/var/lib/postgresql/15/main
"""


def lab(*words: str, name: str = NAME, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the lab command."""
    done = subprocess.run(["lab", *words], env={**os.environ, "LAB_NAME": name}, capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, f"lab {' '.join(words)}: {done.stdout} {done.stderr}"
    return done


def ssh(host: str, command: str, name: str = NAME, timeout: float = 5) -> subprocess.CompletedProcess[str]:
    """Run a command as root on a host, over the network."""
    options = ["-F", str(STATE / name / "ssh_config"), "-o", "BatchMode=yes", "-o", f"ConnectTimeout={timeout:.0f}"]
    words = ["ssh", *options, host, "sudo sh -c 'eval \"$(cat)\"'"]  # the command travels as input: no quoting on its way
    return subprocess.run(words, input=command, capture_output=True, text=True, check=False, timeout=60)


def said(host: str, command: str, name: str = NAME) -> str:
    """Return what a command that must succeed says."""
    done = ssh(host, command, name)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def sql(statement: str) -> subprocess.CompletedProcess[str]:
    """Ask the database on its own host."""
    return ssh("his-db", f"runuser -u postgres -- psql -X -qAtc {shlex.quote(statement)} his")


def answering(name: str = NAME) -> set[str]:
    """Return the hosts that give their own name over SSH."""
    return {host for host in HOSTS if ssh(host, "hostname", name).stdout.strip() == host}


def traces(name: str) -> list[str]:
    """Return whatever of a lab can be found on this machine."""
    found = [path.name for path in Path("/run/netns").glob(f"lab.{name}.*")] if Path("/run/netns").is_dir() else []
    found += [line for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines() if f"/{name}" in line]
    found += [line for line in subprocess.check_output(["losetup", "-l"], text=True).splitlines() if f"/{name}/" in line]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/lab-{name}-*")]
    found += [str(path) for path in (STATE / name, Path(f"/run/recovery-lab/{name}.lock")) if path.exists()]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if f"lab-{name}-".encode() in b" ".join(words):
            found.append(f"{path}: {words}")
    return found


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    """Boot the lab for this module, and see that it leaves no trace."""
    lab("down")
    lab("up", *SMALL)
    yield
    lab("down")
    assert traces(NAME) == []


def test_every_host_answers_with_a_face_of_its_own() -> None:
    assert answering() == set(HOSTS)
    assert len({said(host, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub") for host in HOSTS}) == len(HOSTS)
    assert sql("select count(*) > 0 from patient").stdout.strip() == "t", sql("select 1").stderr


def test_a_host_key_that_changed_is_refused() -> None:
    known = STATE / NAME / "known_hosts"
    right = known.read_text(encoding="ascii")
    lines = right.splitlines()
    keys = [line.split()[2] for line in lines]
    known.write_text("\n".join(f"{line.rsplit(' ', 1)[0]} {key}" for line, key in zip(lines, keys[1:] + keys[:1], strict=True)) + "\n")
    try:
        assert "Host key verification failed" in ssh("ward-1", "true").stderr
    finally:
        known.write_text(right, encoding="ascii")
    assert ssh("ward-1", "true").returncode == 0


def test_two_labs_side_by_side_do_not_see_each_other() -> None:
    ssh("ward-1", "echo mine > /root/whose")
    pids = {path.name: path.read_text() for path in (STATE / NAME / "run").glob("*.pid")}
    lab("up", *SMALL, name=OTHER)
    try:
        assert answering(OTHER) == set(HOSTS)
        assert ssh("ward-1", "cat /root/whose", OTHER).returncode != 0
    finally:
        lab("down", name=OTHER)
    assert traces(OTHER) == []
    assert said("ward-1", "cat /root/whose") == "mine"
    assert {path.name: path.read_text() for path in (STATE / NAME / "run").glob("*.pid")} == pids


def test_up_heals_a_host_that_died_and_a_network_that_vanished() -> None:
    said("his-db", "echo kept > /srv/backup/kept; sync")
    pid = int((STATE / NAME / "run/his-db.pid").read_text(encoding="ascii").split()[1])
    os.kill(pid, signal.SIGKILL)
    subprocess.check_call(["ip", "netns", "delete", f"lab.{NAME}.gateway"])
    before = said("his-db", "cat /proc/1/stat").split()[21]  # the container outlives the nspawn that held it: an orphan
    lab("up")
    assert answering() == set(HOSTS)
    assert said("his-db", "cat /srv/backup/kept") == "kept"
    assert said("his-db", "cat /proc/1/stat").split()[21] != before, "the orphan runs on"
    assert sql("select 1").stdout.strip() == "1"


def test_up_after_a_killed_down() -> None:
    with subprocess.Popen(["lab", "down"], env={**os.environ, "LAB_NAME": NAME}, stderr=subprocess.DEVNULL) as process:
        ledger = STATE / NAME / "lab.json"
        while json.loads(ledger.read_text(encoding="utf-8"))["phase"] != "removing":
            time.sleep(0.005)
        process.kill()
    lab("up", *SMALL)
    assert answering() == set(HOSTS)


def test_power_cut() -> None:
    lab("break", "power-cut", "his-app")
    assert ssh("his-app", "true", timeout=1).returncode != 0
    assert "his-app stays without power" in lab("up").stderr
    lab("repair", "power-cut")
    assert said("his-app", "systemctl is-active his-app") == "active"


def test_disk_loss() -> None:
    said("drill-1", "echo old > /var/lib/postgresql/marker; sync")
    lab("break", "disk-loss", "drill-1", "data")
    assert said("drill-1", "ls /var/lib/postgresql") == "lost+found"
    said("drill-1", "echo new > /var/lib/postgresql/other")
    lab("repair", "disk-loss")
    assert said("drill-1", "cat /var/lib/postgresql/marker") == "old"
    assert ssh("drill-1", "test -e /var/lib/postgresql/other").returncode != 0


def test_disk_full() -> None:
    lab("break", "disk-full", "backup-offsite", "vault")
    assert "No space left" in ssh("backup-offsite", "dd if=/dev/zero of=/srv/offsite/x bs=64k count=1").stderr
    lab("repair", "disk-full")
    assert ssh("backup-offsite", "dd if=/dev/zero of=/srv/offsite/x bs=64k count=1 && rm /srv/offsite/x").returncode == 0


def test_service_stopped() -> None:
    lab("break", "service-stopped", "his-app", "his-app")
    assert ssh("ward-1", "nc -z -w1 his-app 8080").returncode != 0
    lab("repair", "service-stopped")
    assert ssh("ward-1", "sleep 0.5; nc -z -w1 his-app 8080").returncode == 0


def test_the_line_to_the_remote_site_is_pulled_and_slow() -> None:
    ping = "ping -c1 -W1 backup-offsite"
    assert ssh("his-db", ping).returncode == 0
    lab("break", "link-down")
    assert ssh("his-db", ping).returncode != 0
    assert ssh("his-db", "ping -c1 -W1 ward-1").returncode == 0
    lab("repair", "link-down")
    assert ssh("his-db", ping).returncode == 0
    lab("break", "link-slow", "rate=4mbit")
    copy = "head -c 1000000 /dev/zero | nc -N -w5 backup-offsite 9000"
    try:
        assert ssh("backup-offsite", "nc -l 9000 >/dev/null 2>&1 </dev/null & sleep 0.3").returncode == 0
        started = time.monotonic()
        assert ssh("his-db", copy).returncode == 0
        assert time.monotonic() - started > 1.5, "a megabyte went through 4 Mbit/s in less than 1.5 s"
    finally:
        lab("repair", "link-slow")


def test_a_disk_is_carried_to_another_host() -> None:
    said("his-db", "echo carried > /media/removable/letter")
    lab("plug", "his-db:removable", "drill-1")
    assert said("drill-1", "cat /media/removable/letter") == "carried"
    assert ssh("his-db", "test -e /media/removable/letter").returncode != 0
    lab("plug", "his-db:removable", "his-db")
    assert said("his-db", "cat /media/removable/letter") == "carried"


def test_bit_rot_in_a_data_file() -> None:
    lab("break", "bit-rot")
    file = json.loads((STATE / NAME / "faults.json").read_text(encoding="utf-8"))[-1]["kept"]["in_host"]
    rotten = said("his-db", f"sha256sum {file}")
    lab("repair", "bit-rot")
    assert said("his-db", f"sha256sum {file}") != rotten


def _verify() -> str:
    return ssh("his-db", "runuser -u postgres -- pgbackrest --stanza=his --log-level-console=warn verify --output=text --verbose").stdout


def test_faults_of_a_backup() -> None:
    said("his-db", f"echo '{PGBACKREST}' >/etc/pgbackrest.conf; install -d -o postgres -g postgres /srv/backup/pgbackrest")
    for setting in ("archive_mode = on", "archive_command = 'pgbackrest --stanza=his archive-push %p'"):
        assert sql(f"alter system set {setting}").returncode == 0
    said("his-db", "systemctl restart postgresql@15-main")
    for command in ("stanza-create", "--type=full backup"):
        said("his-db", f"runuser -u postgres -- pgbackrest --stanza=his {command}")
    assert "status: ok" in _verify()
    for words in (["backup-bit-rot", "kind=data"], ["backup-bit-rot", "kind=manifest"]):
        lab("break", *words)
        assert "status: ok" not in _verify(), words
        lab("repair", words[0])
    assert "status: ok" in _verify()
    count = "find /srv/backup/pgbackrest/archive -type f -name '*-*' | grep -cE '/[0-9A-F]{24}-'"
    before = int(said("his-db", count))
    lab("break", "wal-segment-missing")
    assert int(said("his-db", count)) == before - 1
    lab("repair", "wal-segment-missing")
    assert int(said("his-db", count)) == before
    lab("break", "backup-repository-lost")
    assert "status: ok" not in _verify()
    lab("repair", "backup-repository-lost")
    assert "status: ok" in _verify()


def test_the_data_directory_is_destroyed_under_the_running_server() -> None:
    counted = sql("select count(*) from patient").stdout
    lab("break", "data-directory-destroyed")
    assert sql("select 1").returncode != 0
    assert ssh("his-db", "test -e /var/lib/postgresql/15/main").returncode != 0
    lab("repair", "data-directory-destroyed")
    assert sql("select count(*) from patient").stdout == counted
