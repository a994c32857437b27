"""The point in time was met: what came before it is there, what came after it is not."""

from __future__ import annotations

from datetime import datetime

from hospital import Ran, host, incidents, remembered
from laboratory import checksums, probe, sql


def test_the_instrument_before_is_there_and_the_instrument_after_is_not() -> None:
    assert sql("select code from instrument where code in ('BEFORE', 'AFTER')") == "BEFORE"
    assert checksums() == remembered("mark")["master"]


def test_the_heartbeat_goes_up_to_the_target_and_not_beyond() -> None:
    target = datetime.fromisoformat(remembered("mark")["target"]).timestamp()
    before = float(sql(f"select unix_timestamp(max(at)) from heartbeat where at <= from_unixtime({target})"))  # noqa: S608 - a number
    assert target - before < 5


def test_the_mistaken_state_is_kept_and_the_wards_work() -> None:
    assert Ran(0, "", incidents()[-1]).verdict == "PASS"
    assert host("lis-db").run("ls -d /srv/lis/main.aside-*/ibdata1").rc == 0
    assert probe("ward-1") == ""
