"""Drills: which is due, which is next, and what the history remembers. With dates given."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recovery.drill import due, history, recording
from recovery.drill.choice import choose
from recovery.drill.cli import app
from recovery.drill.history import Record
from recovery.plan import Drill, PlanError, load_drills

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ASKS = {"sources": [{"name": "local"}, {"name": "offsite"}, {"name": "removable", "rpo_s": 1468800}], "random_every": 2, "patients": 20}
DRILL = Drill(
    "database-restore", {"zh": "演练", "en": "database restore drill"}, "RCV-5", "database_restore_drill", "quarterly", 92, 7, ASKS
)


def record(days: float, result: str = "PASS", **more: Any) -> Record:
    """Return a drill that ended so many days before NOW."""
    at = (NOW - timedelta(days=days)).isoformat()
    values: dict[str, Any] = {
        "began_at": at,
        "ended_at": at if result else "",
        "result": result,
        "incident": "2026-01-01-01",
        "run": f"r{days}",
    }
    return Record(drill="database-restore", **(values | more))


def state(*records: Record) -> tuple[str, str]:
    """Return how the drill stands, and its sentence."""
    found = due.standing(DRILL, records, NOW)
    return found.state, found.sentence


def test_the_plan_is_quarterly_and_leaves_room_for_other_drills() -> None:
    drills = load_drills(Path(__file__).resolve().parents[2] / "plan")
    assert drills["database-restore"].calendar == "quarterly"
    assert 90 <= drills["database-restore"].every_days <= 93


def test_never_ran() -> None:
    found, sentence = state()
    assert found == "never-ran" and "never been run" in sentence and "recovery run database_restore_drill" in sentence


@pytest.mark.parametrize("days", [0, 50, 92, 98.9])
def test_not_due_until_the_grace_is_over(days: float) -> None:
    assert state(record(days))[0] == "ok"


def test_overdue_says_since_when() -> None:
    found, sentence = state(record(200), record(110))
    assert (found, "11 days overdue" in sentence) == ("overdue", True), sentence


@pytest.mark.parametrize("result", ["FAIL", "COULD-NOT-VERIFY", "NOT-RUN", ""])
def test_what_did_not_pass_has_failed_whatever_passed_before(result: str) -> None:
    found, sentence = state(record(30), record(1, result, reason="it broke."))
    assert found == "failed"
    assert (result or "INTERRUPTED") in sentence and "it broke." in sentence and "last passed on 2026-10-23" in sentence


def test_failed_and_overdue_is_failed_and_says_both() -> None:
    found, sentence = state(record(200), record(150, "FAIL", reason="damaged."))
    assert found == "failed" and "overdue as well" in sentence


def test_a_drill_that_passed_after_a_failure_is_well() -> None:
    assert state(record(10, "FAIL"), record(5))[0] == "ok"


def test_a_rehearsal_in_check_mode_and_another_drill_are_no_drill() -> None:
    assert state(record(1, rehearsal=True))[0] == "never-ran"
    assert due.standing(DRILL, [Record("other", "i", "r", NOW.isoformat(), NOW.isoformat(), "PASS")], NOW).state == "never-ran"


def test_three_reds_have_three_exit_statuses_and_the_most_pressing_counts() -> None:
    statuses = [due.EXIT_STATUS[name] for name in (due.NEVER_RAN, due.OVERDUE, due.FAILED)]
    assert len({0, *statuses}) == 4
    standings = [due.Standing("a", name, "", None) for name in (due.OK, due.FAILED, due.NEVER_RAN)]
    assert due.worst(standings) == due.EXIT_STATUS[due.FAILED]
    assert due.worst(standings[:1]) == 0


def test_sources_take_turns_and_points_alternate() -> None:
    past: list[Record] = []
    seen = []
    for number in range(6):
        choice = choose(DRILL, past, {})
        seen.append((choice.source, choice.point))
        past.append(record(100 - number, source=choice.source, point=choice.point))
    assert seen == [
        *(("local", "newest"), ("offsite", "newest"), ("removable", "newest")),
        *(("local", "random"), ("offsite", "random"), ("removable", "random")),
    ]


def test_what_is_asked_by_name_stands_and_the_removable_disk_may_be_older() -> None:
    choice = choose(DRILL, [], {"source": "removable", "target": "latest", "seed": "42"})
    assert (choice.source, choice.target, choice.seed, choice.rpo_s, choice.patients) == ("removable", "latest", 42, 1468800, 20)
    with pytest.raises(ValueError, match="is no source of this drill; the plan names local, offsite, removable"):
        choose(DRILL, [], {"source": "attic"})


def test_a_seed_is_drawn_when_none_is_asked() -> None:
    assert choose(DRILL, [], {}).seed > 0


def test_history_is_written_whole_and_read_back(tmp_path: Path) -> None:
    first = record(3, source="local", figures={"rto_s": 41.0})
    history.write(first, tmp_path)
    history.write(record(1, "FAIL"), tmp_path)
    assert history.load(tmp_path) == [first, record(1, "FAIL")]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_damaged_record_is_an_error_and_not_a_drill_that_never_was(tmp_path: Path) -> None:
    path = history.write(record(3), tmp_path)
    path.write_text(path.read_text(encoding="utf-8")[:40], encoding="utf-8")
    with pytest.raises(history.HistoryError, match="is not a record of a drill"):
        history.load(tmp_path)


def events(run: str, result: str = "") -> list[dict[str, Any]]:
    """Return the journal lines of a drill."""
    chosen = {"source": "offsite", "point": "random", "target": "random", "seed": 7}
    found: list[dict[str, Any]] = [
        {"run": run, "event": "run_begin", "at": "2026-11-22T01:00:00.000Z", "data": {"requested_by": "timer", "check_mode": False}},
        {"run": run, "event": "measured", "at": "2026-11-22T01:00:01.000Z", "data": {"drill": chosen}},
        {"run": "another", "event": "run_end", "at": "2026-11-22T01:00:02.000Z", "result": "FAIL", "data": {}},
    ]
    if result:
        told = {"drill": {"backup": "20261121-020000F", "target": "time:2026-11-21T03:00:00Z", "figures": {"rto_s": 40.0}}}
        found.append({"run": run, "event": "measured", "at": "2026-11-22T01:04:00.000Z", "data": told})
        found.append({"run": run, "event": "run_end", "at": "2026-11-22T01:05:00.000Z", "result": result, "data": {"reason": "why"}})
    return found


def test_a_run_is_recorded_from_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOVERY_DRILLS", str(tmp_path / "drills"))
    incident = tmp_path / "2026-11-22-01"
    incident.mkdir()
    (incident / "journal.jsonl").write_text("{}\n", encoding="utf-8")
    plan = Path(__file__).resolve().parents[2] / "plan"
    assert not recording.note("database_verify", plan, lambda: events("r1"), "r1", incident)
    assert history.load() == []
    assert recording.note("database_restore_drill", plan, lambda: events("r1"), "r1", incident)
    (begun,) = history.load()
    assert (begun.outcome, begun.source, begun.evidence_sha256) == ("INTERRUPTED", "offsite", "")
    (incident / "MANIFEST.sha256").write_text("x\n", encoding="utf-8")
    recording.note("database_restore_drill", plan, lambda: events("r1", "PASS"), "r1", incident)
    (ended,) = history.load()
    assert (ended.outcome, ended.backup, ended.point, ended.seed, ended.figures) == (
        "PASS",
        "20261121-020000F",
        "random",
        7,
        {"rto_s": 40.0},
    )
    assert len(ended.evidence_sha256) == 64 and ended.target.startswith("time:") and ended.requested_by == "timer"


@pytest.mark.parametrize(("system", "drill"), [("", "database-restore"), ("his", "database-restore"), ("lis", "laboratory-restore")])
def test_a_drill_is_recorded_for_the_system_that_it_was_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, drill: str
) -> None:
    monkeypatch.setenv("RECOVERY_DRILLS", str(tmp_path))
    journal = events("r1", "PASS")
    journal[0]["data"]["extra_vars"] = {"system": system} if system else {}
    plan = Path(__file__).resolve().parents[2] / "plan"
    assert recording.note("database_restore_drill", plan, lambda: journal, "r1", tmp_path)
    assert [found.drill for found in history.load()] == [drill]
    journal[0]["data"]["extra_vars"] = {"system": "unknown"}
    assert not recording.note("database_restore_drill", plan, lambda: journal, "r1", tmp_path)


def test_the_command_that_is_named_is_about_the_drill_s_own_system() -> None:
    drill = load_drills(Path(__file__).resolve().parents[2] / "plan")["laboratory-restore"]
    assert "recovery run database_restore_drill -e system=lis" in due.standing(drill, [], NOW).sentence


def test_the_command_says_it_and_exits_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOVERY_DRILLS", str(tmp_path))
    runner = CliRunner()
    assert runner.invoke(app, ["due", "database-restore", "--at", NOW.isoformat()]).exit_code == 11
    history.write(record(30), tmp_path)
    assert runner.invoke(app, ["due", "database-restore", "--at", NOW.isoformat()]).exit_code == 0
    late = runner.invoke(app, ["due", "database-restore", "--at", (NOW + timedelta(days=200)).isoformat()])
    assert (late.exit_code, "OVERDUE" in late.output) == (12, True)
    history.write(record(1, "FAIL", reason="damaged"), tmp_path)
    assert runner.invoke(app, ["due", "database-restore", "--at", NOW.isoformat()]).exit_code == 13
    assert runner.invoke(app, ["due", "database-restore", "--at", "2026-11-22T03:00:00"]).exit_code == 64
    lines = runner.invoke(app, ["history", "--json"]).output.splitlines()
    assert [json.loads(line)["result"] for line in lines] == ["PASS", "FAIL"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drills: {a: {zh: x, en: x, clause: C, runbook: r, calendar: daily, every_days: 0}}", "below"),
        ("drills: {a: {zh: x, en: x, clause: C, runbook: r, calendar: daily}}", "lacks the key 'every_days'"),
        (
            "drills: {a: &d {zh: x, en: x, clause: C, runbook: r, calendar: d, every_days: 1}, b: *d}",
            "which another drill has already",
        ),
    ],
)
def test_a_wrong_plan_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "drills.yml").write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=said):
        load_drills(tmp_path)
