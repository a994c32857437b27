"""A backup is restored beside production for a look: a random moment, inside a fence, and production does not notice."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from beside import SCRATCH_ROOT, ask, command, facts, production, repository, unit_pid, untouched
from hospital import host, lab, recovery, remember, remembered

PRODUCTION = "10.20.10.11"
KNOCK = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{PRODUCTION}/5432'"
LOOK = "his-look"
RANDOM = ("database_restore", "-e", "mode=beside", "-e", "source=local", "-e", "target=random", "-e", "seed=7")
READING = "pgbackrest --config=/run/recovery/recovery-scratch-his-look/local.conf --stanza=his"


def test_no_drill_was_ever_run_and_that_is_said() -> None:
    status, said = command("drill", "due", "database-restore")
    assert (status, "has never been run" in said) == (11, True), said


def test_production_is_no_place_for_a_rehearsal() -> None:
    before = production()
    ran = recovery("database_restore_beside", "-e", "database_drill_host=his-db")
    assert ran.status == 4, ran.output
    assert "scratch-is-production" in ran.codes
    assert production() == before
    assert not host("his-db").file(SCRATCH_ROOT).exists


def test_the_drill_host_loses_its_power_in_the_middle_and_production_does_not_notice() -> None:
    """What it left behind is taken up, or replaced, by the same command; nothing of it ever served anybody."""
    before, files = production(), repository()
    with ThreadPoolExecutor() as aside:
        running = aside.submit(recovery, *RANDOM)
        while not running.done() and host("drill-1").run(f"test -e {SCRATCH_ROOT}/{LOOK}").rc:
            time.sleep(0.1)
        lab("break", "power-cut", "drill-1")
        ran = running.result()
    lab("repair", "power-cut")
    assert (ran.status, ran.verdict) == (2, "FAIL"), ran.output
    assert unit_pid(LOOK) == 0
    assert production() == before
    untouched(files, repository())


def test_a_random_moment_comes_to_life_beside_production() -> None:
    remember("before-look", {"production": production(), "repository": repository()})
    ran = recovery(*RANDOM)
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    assert f"psql -h {facts(LOOK)['socket']}" in ran.output and "database_release_beside" in ran.output
    before = remembered("before-look")
    assert production() == before["production"]
    untouched(before["repository"], repository())


def test_it_stands_at_the_moment_that_was_drawn() -> None:
    kind, _, moment = facts(LOOK)["target"].partition(":")
    assert ask(LOOK, "select system_identifier from pg_control_system()") == production()["system"]
    if kind == "time":
        newest = datetime.fromtimestamp(float(ask(LOOK, "select extract(epoch from max(at)) from heartbeat")), UTC)
        asked = datetime.fromisoformat(moment.replace("Z", "+00:00"))
        assert 0 <= (asked - newest).total_seconds() < 30


def test_it_sees_no_network_and_nobody_sees_it() -> None:
    inside = f"nsenter --target {unit_pid(LOOK)} --net"
    links = host("drill-1").check_output(f"{inside} ip -o link").splitlines()
    assert [line.split(": ")[1] for line in links] == ["lo"]
    assert host("drill-1").run(f"{inside} {KNOCK}").rc != 0, "production was reached from inside"
    assert host("drill-1").run(KNOCK).rc == 0, "the knock itself does not work, so the test above proves nothing"
    assert ":5432" not in host("drill-1").check_output("ss -Hltn")
    assert ask(LOOK, "select current_setting('archive_mode') || current_setting('listen_addresses')") == "off"


@pytest.mark.parametrize(
    "attack",
    [
        f"ssh -n backup_reader@{PRODUCTION} 'rm -rf /srv/backup/pgbackrest/backup'",
        f"ssh -n backup_reader@{PRODUCTION} 'psql -c select'",
        f"scp -q /etc/hostname backup_reader@{PRODUCTION}:/srv/backup/pgbackrest/backup/his/backup.info",
        f"{READING} repo-rm --recurse backup",
        f"{READING} repo-put backup/his/backup.info </etc/hostname",
    ],
)
def test_the_drill_host_may_read_the_repository_and_nothing_else(attack: str) -> None:
    before = repository()
    assert host("drill-1").run("runuser -u postgres -- bash -c %s", f"{{ {attack}; }} || exit 1").rc == 1, "it was accepted"
    untouched(before, repository())


def test_somebody_elses_instance_is_not_replaced() -> None:
    before = unit_pid(LOOK)
    ran = recovery("database_restore_beside", "-e", "source=local", "-e", "target=latest")
    assert (ran.status, ran.codes) == (4, {"scratch-occupied"}), ran.output
    assert unit_pid(LOOK) == before > 0
