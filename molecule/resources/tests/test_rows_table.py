"""RCV-10, CLS-1: somebody with too many rights deletes the price list; it comes back under clinical work."""

from __future__ import annotations

import hashlib

from hospital import WORKSTATIONS, checksums, lab, lost, probe, remember, remembered, sql
from rows import diff, moment, run

PRICES = ("price_item", "price_history")
ASK = ("-e", "tables=price_item,price_history")
HIS = "select count(*) from {}"


def test_the_price_list_is_deleted_and_charging_fails() -> None:
    remember("prices", checksums(PRICES))
    remember("before", moment())
    lab("break", "price-list-deleted")
    assert [sql(HIS.format(table)) for table in PRICES] == ["0", "0"]
    assert probe("ward-1") != ""


def test_a_rehearsal_shows_every_row_and_changes_nothing() -> None:
    ran = run("database_restore_table", *ASK, "-e", f"target={remembered('before')}", "--check", "--diff")
    assert ran.status == 0, ran.output
    assert '+ price_item id="1":' in ran.output, "the rows are shown at the terminal"
    assert "@@ price_item: 600 missing @@" in diff(ran)
    assert [sql(HIS.format(table)) for table in PRICES] == ["0", "0"]
    assert not [line for line in ran.journal if line["event"] in ("approval_requested", "lock_taken")]


def test_it_comes_back_to_the_last_byte_and_the_wards_work() -> None:
    ran = run("database_restore_table", *ASK, "-e", f"target={remembered('before')}")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    assert checksums(PRICES) == remembered("prices")
    assert [probe(name) for name in WORKSTATIONS] == ["", ""]
    assert lost() == []
    asked = [line["data"] for line in ran.journal if line["event"] == "approval_requested"]
    assert [(line["fault_class"], line["needed"]) for line in asked] == [("I", 2)]
    assert asked[0]["action"]["diff_sha256"] == hashlib.sha256(diff(ran).encode()).hexdigest(), "what was approved is what was shown"
    assert sql("select mode || ' ' || diff_sha256 from recovery.rows_put_back") == f"table {asked[0]['action']['diff_sha256']}"
    journal = "".join(str(line) for line in ran.journal)
    assert "SV0001" not in journal and "示例药品" not in journal, "the journal holds counts and digests"
