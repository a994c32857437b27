"""The remote site was dark while the database came back: that is told and spoils nothing, and what was told to be done is enough."""

from __future__ import annotations

from hospital import Ran, host, incidents, lab, recovery, sql


def test_what_is_left_to_do_was_said_and_is_enough() -> None:
    ran = Ran(0, "", incidents()[-1])
    found = [finding for line in ran.journal if line["event"] == "task" for finding in line["data"].get("findings", [])]
    (told,) = [finding for finding in found if finding["code"] == "offsite-not-rearmed"]
    lab("repair", "power-cut")
    assert "recovery run database_backup_setup" in told["remedy"]
    done = recovery("database_backup_setup")
    assert done.status == 0, done.output
    timeline = sql("select timeline_id from pg_control_checkpoint()")
    newest = host("backup-offsite").check_output("ls /srv/offsite/pgbackrest/archive/his/15-1 | grep -v history | sort | tail -1")
    assert int(str(newest)[:8], 16) == int(timeline), "the remote repository has the log of the new history"
    assert sql("select active from pg_replication_slots where slot_name = 'tail_offsite'") == "t"
