"""A pair of database servers: what speaks against building, taking over and coming back, and the guard that keeps there from being two."""

from __future__ import annotations

import importlib.util
import json
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from recovery.database import standby, standby_judge, standby_rejoin, standby_verbs
from recovery.database.cluster import Cluster
from recovery.database.errors import RestoreError
from recovery.database.standby import Partner, lag, slot_of
from recovery.database.standby_build import follow_settings
from recovery.database.standby_promote import _arp
from recovery.database.standby_rejoin import _COMMIT, _END, _first_behind, room_for_copy
from recovery.database.standby_verbs import Call

GUARD = Path(__file__).resolve().parents[2] / "roles/database_standby/files/standby-guard"
LIMITS = {"lag_bytes": 1000, "lag_s": 5}
PRIMARY = {"system_identifier": "7", "timeline": 1, "lsn": "0/3000100", "standby": False}
STANDBY = {
    "answers": True,
    "standby": True,
    "data": True,
    "running": True,
    "standby_signal": True,
    "system_identifier": "7",
    "timeline": 1,
    "received": "0/3000100",
    "replayed": "0/3000100",
    "replayed_at": 100.0,
    "clock": 101.0,
    "receiver": "streaming",
    "free_bytes": 10**10,
}
EMPTY = {"answers": False, "data": False, "running": False, "standby_signal": False, "system_identifier": "", "free_bytes": 10**10}
BACKUP = {"system_identifier": "7", "size": 10**9, "label": "20261121-020000F"}


def codes(findings: Any) -> list[str]:
    """Return the codes of what blocks."""
    return [finding.code for finding in findings if finding.severity in ("stop", "overridable")]


def test_an_empty_host_may_become_a_standby() -> None:
    assert standby_judge.judge_build(EMPTY, PRIMARY, BACKUP, "db-1") == []


@pytest.mark.parametrize(
    ("facts", "primary", "backup", "code"),
    [
        (EMPTY, None, BACKUP, "primary-unreachable"),
        (EMPTY, {**PRIMARY, "standby": True}, BACKUP, "primary-is-standby"),
        (EMPTY, PRIMARY, {**BACKUP, "system_identifier": "8"}, "other-system"),
        ({**EMPTY, "free_bytes": 10**8}, PRIMARY, BACKUP, "disk-full"),
        ({**EMPTY, "data": True, "system_identifier": "9"}, PRIMARY, BACKUP, "data-directory-present"),
        ({**STANDBY, "receiver": ""}, PRIMARY, BACKUP, "data-directory-present"),
        ({**STANDBY, "standby": False}, PRIMARY, BACKUP, "server-healthy"),
    ],
)
def test_building_is_refused(facts: dict[str, Any], primary: dict[str, Any] | None, backup: dict[str, Any], code: str) -> None:
    found = standby_judge.judge_build(facts, primary, backup, "db-1")
    assert code in codes(found)
    assert all(finding.remedy for finding in found)


def test_a_standby_that_has_everything_is_sound_and_one_that_lags_is_not() -> None:
    assert codes(standby_judge.judge_watch(STANDBY, PRIMARY, LIMITS, "db-1")) == []
    assert codes(standby_judge.judge_watch(STANDBY, {**PRIMARY, "lsn": "0/3001000"}, LIMITS, "db-1")) == ["standby-lagging"]
    late = {**STANDBY, "clock": 110.0}
    assert codes(standby_judge.judge_watch(late, {**PRIMARY, "lsn": "0/3000101"}, LIMITS, "db-1")) == ["standby-lagging"]
    assert codes(standby_judge.judge_watch({**STANDBY, "receiver": ""}, PRIMARY, LIMITS, "db-1")) == ["standby-not-following"]
    assert codes(standby_judge.judge_watch(EMPTY, PRIMARY, LIMITS, "db-1")) == ["no-standby"]
    assert codes(standby_judge.judge_watch(STANDBY, None, LIMITS, "db-1")) == ["primary-unreachable"]


def test_lag_has_no_age_when_nothing_is_missing() -> None:
    assert lag({**STANDBY, "clock": 9999.0}, "0/3000100").as_dict() == {"bytes": 0, "seconds": 0.0}
    assert lag(STANDBY, "0/3000200").as_dict() == {"bytes": 256, "seconds": 1.0}


SILENT = {"db-2": {"doors": {"ssh": "silent", "database": "silent"}, "silent": True, "serving": False}}
OPEN = {"app": {"doors": {"ssh": "silent", "database": "open"}, "silent": False, "serving": True}}
SUMMARY = {
    "workstation": "ward-1",
    "acknowledged": [[1, 10]],
    "unknown": [],
    "gaps": [{"start": "1970-01-01T00:01:50Z", "first_failure": "1970-01-01T00:01:51Z", "end": None, "seconds": 9}],
}


def promotion(**changes: Any) -> tuple[list[str], dict[str, Any]]:
    """Judge a promotion; by default the primary is dead and nothing was lost."""
    given: dict[str, Any] = {
        "facts": STANDBY,
        "primary": None,
        "sides": SILENT,
        "summaries": [SUMMARY],
        "limits": LIMITS,
        "partner": "db-1",
    }
    given |= {"lost": {"ward-1": {"acknowledged": 10, "lost": 0}}} | changes
    found, loss = standby_judge.judge_promotion(**given)
    return codes(found), loss


def test_a_dead_server_may_be_taken_over_from_and_the_loss_is_said() -> None:
    blocking, loss = promotion()
    assert blocking == []
    assert loss["lost_transactions"] == 0
    assert "nothing that was acknowledged" in loss["sentence"]


def test_a_server_that_anybody_can_reach_is_healthy() -> None:
    assert promotion(sides=OPEN)[0] == ["primary-healthy"]
    alive = {"answers": True, "standby": False, "replayed": "0/3000100", "system_identifier": "7"}
    assert promotion(primary=alive)[0] == ["primary-healthy"]


def test_what_was_saved_after_the_standby_stopped_receiving_is_refused() -> None:
    blocking, loss = promotion(lost={"ward-1": {"acknowledged": 10, "lost": 3}})
    assert blocking == ["standby-lagging"]
    assert loss["lag_s"] == 10.0


def test_a_loss_that_nobody_can_tell_is_refused() -> None:
    assert promotion(summaries=[], lost={})[0] == ["loss-unknown"]


def test_without_a_standby_nothing_is_promoted() -> None:
    assert promotion(facts=EMPTY)[0] == ["no-standby"]
    assert promotion(facts={**STANDBY, "standby": False})[0] == ["no-standby"]
    assert promotion(primary={"answers": False, "system_identifier": "8"})[0] == ["other-system"]


def test_who_may_come_back() -> None:
    took_over = {**PRIMARY, "timeline": 2}
    old = {**STANDBY, "answers": False}
    assert codes(standby_judge.judge_rejoin(old, took_over, "db-2")) == []
    assert codes(standby_judge.judge_rejoin(old, None, "db-2")) == ["primary-unreachable"]
    assert codes(standby_judge.judge_rejoin(old, {**took_over, "standby": True}, "db-2")) == ["primary-is-standby"]
    assert codes(standby_judge.judge_rejoin(old, {**took_over, "system_identifier": "8"}, "db-2")) == ["other-system"]
    serving = {**STANDBY, "standby": False}
    assert codes(standby_judge.judge_rejoin(serving, PRIMARY, "db-2")) == ["server-healthy"]
    warned = standby_judge.judge_rejoin(serving, took_over, "db-2")
    assert [finding.code for finding in warned] == ["two-primaries"]


def test_a_database_that_the_other_server_serves_is_not_restored_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert codes(standby_judge.judge_restore(PRIMARY, {"7"})) == ["other-server-serves"]
    assert codes(standby_judge.judge_restore(PRIMARY, set())) == ["other-server-serves"]
    assert standby_judge.judge_restore({**PRIMARY, "standby": True}, {"7"}) == []
    assert standby_judge.judge_restore(PRIMARY, {"8"}) == []
    assert standby_judge.judge_restore(None, {"7"}) == []
    asked: list[str] = []
    monkeypatch.setattr(standby, "run", lambda argv, **_: asked.append(argv[7]) or "7|3|0/3000100|his\noff\n")
    guard = tmp_path / "guard.json"
    assert standby.other_of_pair(guard) is None
    guard.write_text(json.dumps({"partner_conninfo": "host=192.0.2.1"}), encoding="utf-8")
    assert standby.other_of_pair(guard) == {"system_identifier": "7", "timeline": 3, "lsn": "0/3000100", "standby": False}
    assert asked == ["host=192.0.2.1 dbname=replication replication=true"]


def test_names_and_connections_carry_no_secret() -> None:
    assert slot_of("his-db-2") == "standby_his_db_2"
    text = Partner("db-1", "192.0.2.11", 5432, "hospital_standby").conninfo("db-2")
    assert "password" not in text and "sslmode=require" in text and "channel_binding=require" in text


def test_a_standby_forgets_whom_it_followed_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    monkeypatch.setattr("recovery.database.standby_build.OWNER", pwd.getpwuid(0).pw_name)
    settings = tmp_path / "postgresql.auto.conf"
    settings.write_text("work_mem = '8MB'\nprimary_conninfo = 'host=old'\nrestore_command = 'false'\n", encoding="utf-8")
    cluster = Cluster("his", "15", str(tmp_path), "/nonexistent", "postgresql@15-main")
    follow_settings(cluster, Partner("db-1", "192.0.2.11", 5432, "a"), "db-2", "/etc/c.conf", "his")
    text = settings.read_text(encoding="utf-8")
    assert text.count("primary_conninfo") == 1 and "192.0.2.11" in text and "old" not in text and "work_mem" in text
    assert (tmp_path / "standby.signal").exists()


def test_commits_are_counted_from_what_pg_waldump_prints() -> None:
    line = (
        "rmgr: Transaction len (rec/tot):     34/    34, tx:        741, lsn: 0/03000188, prev 0/03000150, "
        "desc: COMMIT 2026-11-21 03:25:07.412345 UTC"
    )
    found = _COMMIT.search(line)
    assert found and found.groups() == ("741", "0/03000188", "2026-11-21 03:25:07.412345 UTC")
    assert _END.search(line)
    told = _COMMIT.search(f"{line}; inval msgs: catcache 50")
    assert told and told.group(3).endswith(" UTC")
    assert _COMMIT.search(line.replace("COMMIT", "ABORT")) is None


@pytest.mark.parametrize(
    ("present", "start", "hole"),
    [
        (["000000010000000000000003", "000000010000000000000004"], 0x3000188, ""),
        (["000000010000000000000005", "000000020000000000000003"], 0x5000000, "000000010000000000000003 to 000000010000000000000004"),
        (["000000010000000000000002", "00000002.history"], None, "000000010000000000000003 and what followed"),
    ],
)
def test_log_that_is_gone_is_not_counted_as_nothing(tmp_path: Path, present: list[str], start: int | None, hole: str) -> None:
    for name in present:
        (tmp_path / name).touch()
    assert _first_behind(tmp_path, 1, 0x3000188) == (start, hole)


def test_a_copy_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster("his", "15", str(tmp_path / "main"), "/etc/postgresql/15/main", "postgresql@15-main")
    (tmp_path / "main").mkdir()
    (tmp_path / "main/PG_VERSION").write_text("15")
    room_for_copy(cluster)
    monkeypatch.setattr(standby_rejoin, "free_bytes", lambda _: 1)
    with pytest.raises(RestoreError, match="whole copy"):
        room_for_copy(cluster)


def test_the_announcement_is_a_gratuitous_arp() -> None:
    frame = _arp(1, b"\x02\x00\x00\x00\x00\x01", b"\x0a\x14\x0a\x0a", b"\x0a\x14\x0a\x0a")
    assert frame[:6] == b"\xff" * 6
    assert frame[12:14] == b"\x08\x06"
    assert frame[28:32] == frame[38:42] == b"\x0a\x14\x0a\x0a"


# ---- the guard ------------------------------------------------------------------------------------------------------


@pytest.fixture
def guard() -> Any:
    """Return the guard as a module."""
    loader = SourceFileLoader("standby_guard", str(GUARD))
    spec = importlib.util.spec_from_loader("standby_guard", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def may_serve(guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, partner: Any, alone: str = "stay-down") -> int:
    """Ask the guard about a start."""
    here = {"data": str(tmp_path / "main"), "fence": str(tmp_path / "main.fenced"), "alone": alone, "version": "15"}
    Path(here["data"]).mkdir(exist_ok=True)
    control = {"Database cluster state": state, "Latest checkpoint's TimeLineID": "1", "Database system identifier": "7"}
    monkeypatch.setattr(guard, "control", lambda _: control)
    monkeypatch.setattr(guard, "ask", lambda _: partner)
    monkeypatch.setattr(guard, "ASK_FOR_S", 0)
    assert json.dumps(here)
    return int(guard.may_serve(here))


def test_a_server_that_was_overtaken_is_fenced(guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partner = {"system": "7", "timeline": 2, "standby": False}
    assert may_serve(guard, tmp_path, monkeypatch, "in production", partner) == 1
    assert (tmp_path / "main.fenced").exists()


@pytest.mark.parametrize(
    ("state", "partner", "alone", "answer"),
    [
        ("in production", {"system": "7", "timeline": 1, "standby": True}, "stay-down", 0),
        ("in production", {"system": "8", "timeline": 9, "standby": False}, "stay-down", 0),
        ("in production", None, "stay-down", 1),
        ("in production", None, "start", 0),
        ("shut down", None, "stay-down", 0),
        ("shut down", {"system": "7", "timeline": 2, "standby": False}, "start", 1),
    ],
)
def test_who_may_serve(
    guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, partner: Any, alone: str, answer: int
) -> None:
    assert may_serve(guard, tmp_path, monkeypatch, state, partner, alone) == answer


def test_a_persons_word_counts_once(guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "main.alone").touch()
    assert may_serve(guard, tmp_path, monkeypatch, "in production", None) == 0
    assert may_serve(guard, tmp_path, monkeypatch, "in production", None) == 1


CLUSTER = {"name": "his", "version": "15", "config_directory": "/etc/postgresql/15/main", "service": "postgresql@15-main"}


def weigh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any]) -> Call:
    """Return a call that weighs a promotion on a server with these facts."""
    monkeypatch.setattr(standby_verbs, "look", lambda *_: facts)
    given = {"verb": "weigh", "cluster": {**CLUSTER, "data_directory": str(tmp_path / "main")}, "me": "db-2", "service_address": {}}
    given |= {"partner": {"name": "db-1", "address": "192.0.2.1", "port": 5432, "account": "a"}, "facts": {}, "sides": {}}
    return Call(given | {"client_summaries": [], "limits": LIMITS}, check=False)


def test_a_promotion_that_is_continued_is_the_plan_that_people_approved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agreed = {"what": "Let the standby db-2 take over from db-1", "kind": "failover", "loss": {"lost_transactions": 0}, "timeline": 1}
    marker = tmp_path / "main.promotion.json"
    marker.write_text(json.dumps({"phase": "promoting", "decision": agreed}), encoding="utf-8")
    call = weigh(tmp_path, monkeypatch, {**STANDBY, "standby": False, "timeline": 2})
    assert call.carry_out()["decision"] == agreed
    assert [one.code for one in call.findings] == ["continues"]
    marker.write_text(json.dumps({"phase": "finished", "decision": agreed}), encoding="utf-8")
    call = weigh(tmp_path, monkeypatch, {**STANDBY, "standby": False, "timeline": 2})
    call.carry_out()
    assert codes(call.findings) == ["no-standby"]
