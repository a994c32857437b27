"""After the restore people change their minds: the old data return with a history of their own. And a backup of it is looked at beside."""

from __future__ import annotations

import json

from hospital import host, recovery, remembered
from laboratory import checksums, committed, probe, sql

INSTANCE = "recovery-scratch-lis-look"


def history() -> str:
    """Return which history of the data the server holds, and which one came before it."""
    return sql("select concat(history, ' ', parent) from hospital_recovery.identity")


def test_the_old_data_return_as_they_were_left_and_begin_a_history_of_their_own() -> None:
    restored, before = history().split(), committed()
    ran = recovery("database_rollback", "-e", "system=lis")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    assert sql("select count(*) from instrument where code in ('BEFORE', 'AFTER')") == "2", "the mistake is there again"
    assert checksums() != remembered("mark")["master"]
    own, parent = history().split()
    assert own not in restored and parent == restored[1], "a later restore would follow the history that was given up"
    assert before - committed(), "what was entered in between was given up, and is kept beside"
    assert host("lis-db").run("ls -d /srv/lis/main.rejected-*/ibdata1").rc == 0
    assert probe("ward-1") == ""


def test_its_backup_comes_to_life_beside_it_inside_a_fence() -> None:
    before = sql("select concat(@@hostname, @@server_id, (select history from hospital_recovery.identity))")
    ran = recovery("database_restore_beside", "-e", "system=lis", "-e", "source=local")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    drill = host("drill-1")
    facts = json.loads(drill.check_output("cat /var/lib/mariadb-scratch/lis-look/README.json"))
    look, query = (
        "mariadb --socket=%s/mysqld.sock --batch --skip-column-names lis -e %s",
        "select count(*) from instrument where code = 'AFTER'",
    )
    assert drill.check_output(look, facts["socket"], query).strip() == "1"
    pid = drill.check_output(f"systemctl show -p MainPID --value {INSTANCE}").strip()
    assert drill.check_output(f"nsenter --net=/proc/{pid}/ns/net ip -brief address show up").split()[0] == "lo"
    assert drill.run(f"nsenter --net=/proc/{pid}/ns/net ping -c 1 -W 1 10.20.10.14").rc != 0
    assert drill.run("grep -q offsite /etc/hospital-backup/lis/passphrase").rc == 2, "who only reads has no passphrase"
    assert sql("select concat(@@hostname, @@server_id, (select history from hospital_recovery.identity))") == before
