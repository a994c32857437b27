"""Before the disaster: the laboratory works and is protected; a healthy server and a damaged backup are refused, nothing changed."""

from __future__ import annotations

import pytest
from hospital import WORKSTATIONS, host, recovery, remember
from laboratory import acknowledged, answers, checksums, committed, probe, sql

# The system tablespace: every backup has it under this name; tables that are new to a backup are kept there under another.
FILE = "set -e; f=$(ls -d /srv/backup/mariadb/backup/2*F)/data/ibdata1;"
DAMAGE = f"{FILE} cp -p $f /root/kept; printf X | dd of=$f bs=1 seek=40000 conv=notrunc"
REPAIR = f"{FILE} cp -p /root/kept $f"


@pytest.mark.parametrize("workstation", WORKSTATIONS)
def test_a_ward_can_work_with_the_laboratory(workstation: str) -> None:
    assert probe(workstation) == ""


def test_nothing_is_lost_and_both_repositories_hold_backups() -> None:
    promised = acknowledged()
    assert promised and promised <= committed()
    assert host("lis-db").run("ls /srv/backup/mariadb/backup/2*F_2*I/backup.json").rc == 0
    assert host("backup-offsite").run("ls /srv/offsite/mariadb/lis/backup/2*F.tar.enc").rc == 0
    remember("lis", {"master": checksums(), "results": int(sql("select count(*) from result"))})


def test_the_remote_backup_is_encrypted_and_the_database_server_cannot_delete_it() -> None:
    assert host("backup-offsite").run("grep -l Analyte /srv/offsite/mariadb/lis/backup/*.enc").rc == 1
    attack = "ssh -n -F /etc/hospital-backup/lis/ssh_config lis_vault@backup-offsite 'rm -rf /srv/offsite/mariadb'"
    assert host("lis-db").run(attack).rc == 77
    assert host("backup-offsite").run("ls /srv/offsite/mariadb/lis/backup/2*F.tar.enc").rc == 0


def test_a_healthy_server_is_refused_and_goes_on() -> None:
    before = sql("show status like 'uptime'")
    ran = recovery("database_restore", "-e", "system=lis", "-e", "source=local")
    assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output
    assert "server-healthy" in ran.codes
    assert int(sql("show status like 'uptime'").split()[1]) >= int(before.split()[1])


def test_a_damaged_backup_is_refused_before_the_server_s_files_are_touched() -> None:
    host("lis-db").check_output(DAMAGE)
    try:
        words = ("-e", "override=server-healthy", "-e", "override_by=duty-administrator")
        ran = recovery("database_restore", "-e", "system=lis", "-e", "source=local", *words)
        assert (ran.status, ran.verdict) == (4, "NOT-RUN"), ran.output
        assert "backup-damaged" in ran.codes
    finally:
        host("lis-db").check_output(REPAIR)
    assert answers()
    assert host("lis-db").run("ls -d /srv/lis/main.aside-* /srv/lis/main.restoring").rc != 0
