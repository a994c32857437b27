"""The disk in the safe holds what was copied to it: a named backup comes back from there, and equals its manifest."""

from __future__ import annotations

import json

from hospital import LEDGERS, host, lab, recovery, sql

ON_THE_DISK = "/media/removable/pgbackrest"


def test_a_named_backup_comes_back_exactly_from_the_removable_disk() -> None:
    copied = recovery("database_backup", "-e", "repository=removable")
    assert copied.status == 0, copied.output
    label = str(host("his-db").check_output(f"ls {ON_THE_DISK}/backup/his | grep ^2 | sort | tail -1")).strip()
    manifest = json.loads(str(host("his-db").check_output(f"cat {ON_THE_DISK}/manifests/his/{label}.json")))
    behind = f"select count(*) from client_transaction where committed_at > '{manifest['restore_point_at']}'"  # noqa: S608 - of the manifest
    assert int(sql(behind)) > 0, "work went on after the backup"
    lab("workload", "stop")
    last = sql("select max(committed_at) from client_transaction")
    lab("break", "disk-loss", "his-db", "data")
    ran = recovery("database_restore", "-e", "source=removable", "-e", f"target=backup:{label}")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    for table in LEDGERS:
        then = manifest["tables"][table]
        assert sql(f"select count(*) from {table} where id <= {then['max_key']}") == str(then["rows"]), table  # noqa: S608 - of the manifest
    assert sql(f"{behind} and committed_at <= '{last}'") == "0", "what came after the backup is given up"
