"""What a task's result becomes in the journal; incidents and their numbered rooms."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from recovery.evidence.incident import IncidentError, allocate, create_incident, list_incidents, open_incident
from recovery.evidence.journal import Entry
from recovery.evidence.results import Task, entries

TASK = Task("Keep the damaged cluster aside", "database_restore", "his-db", "ok", 1.25)
STOP = {"code": "no-backup", "severity": "stop", "message": "There is no backup."}
HEALTHY = {"code": "server-healthy", "severity": "overridable", "message": "The server runs."}
WARNING = {"code": "old", "severity": "warning", "message": "The backup is old."}


def made(result: dict[str, Any], **fields: Any) -> list[Entry]:
    """Entries of a result of the task above."""
    return entries(Task(**{**vars(TASK), **fields}), result)


def test_every_key_of_the_contract_becomes_an_event() -> None:
    """In the order in which a reader wants them: the task first, then what came of it."""
    result = {
        "changed": True,
        "msg": "done",
        "commands": ["mv a b"],
        "steps": [{"name": "Rename", "at": "2026-11-22T01:00:00Z", "took_s": 0.1}],
        "findings": [HEALTHY],
        "overridden": [{"code": "server-healthy", "by": "head of the information centre", "message": "The server runs."}],
        "milestones": [{"name": "system_up", "at": "2026-11-22T01:00:01Z", "detail": "answers"}],
        "measured": {"rpo_s": 1.0},
        "verdict": "PASS",
        "reason": "",
        "journal": [{"event": "lock_taken", "data": {"target": "his-db"}, "holder": "run-1"}],
    }
    got = made(result)
    assert [entry.event for entry in got] == ["task", "override", "milestone", "measured", "verdict", "lock_taken"]
    task = got[0]
    assert (task.result, task.host, task.took_s) == ("changed", "his-db", 1.25)
    assert task.data["commands"] == ["mv a b"] and task.data["steps"][0]["name"] == "Rename" and task.data["msg"] == "done"
    assert got[1].data["by"] == "head of the information centre"
    assert (got[2].name, got[2].data["detail"]) == ("system_up", "answers")
    assert got[3].data == {"rpo_s": 1.0} and got[4].result == "PASS"
    assert got[5].data == {"target": "his-db", "holder": "run-1"} and got[5].host == "his-db"


def test_a_refusal_names_what_blocks_and_nothing_else() -> None:
    """Warnings and what was overridden do not block."""
    got = made(
        {"failed": True, "refused": True, "findings": [WARNING, HEALTHY, STOP], "overridden": [{"code": "server-healthy"}]}, status="failed"
    )
    assert [entry.event for entry in got] == ["task", "override", "refusal"]
    assert got[0].result == "failed" and got[2].data["findings"] == [STOP]


def test_no_log_leaves_name_and_result() -> None:
    """Nothing else of the result is looked at."""
    got = made({"censored": "hidden", "changed": True, "verdict": "PASS", "results": [{"item": "secret"}]})
    assert len(got) == 1 and got[0].data == {"action": "database_restore", "censored": True} and got[0].result == "changed"


def test_a_loop_is_one_event_and_its_items_speak() -> None:
    """Items are summarised; one that is hidden stays hidden; what an item reports becomes an event."""
    items = [
        {"changed": True, "item": {"name": "a"}, "ansible_loop_var": "item", "verdict": "FAIL", "reason": "no"},
        {"failed": True, "changed": False, "item": "b", "msg": "broke"},
        {"skipped": True, "item": "c", "_ansible_item_label": "label"},
        {"censored": "hidden", "changed": False, "item": "d"},
    ]
    got = made({"results": items, "changed": True, "msg": "All items completed"}, status="failed")
    assert [entry.event for entry in got] == ["task", "verdict"] and got[1].data == {"reason": "no"}
    assert got[0].data["items"] == [
        {"item": '{"name": "a"}', "result": "changed"},
        {"item": "b", "result": "failed", "msg": "broke"},
        {"item": "label", "result": "skipped"},
        {"result": "ok", "censored": True},
    ]
    assert got[0].data["msg"] == "broke"


def test_differences_and_large_results_are_attached() -> None:
    """The whole is kept, in a file; the line stays short."""
    got = made({"diff": [{"before": "a\n", "after": "b\n"}, {"prepared": "ready"}], "stdout": "x" * 50_000, "changed": False})
    names = [name for name, _ in got[0].attach]
    assert names == ["change.diff", "change.diff", "result.json"]
    assert b"-a\n+b\n" in got[0].attach[0][1] and len(got[0].data["stdout"]) < 5000
    assert len(got[0].attach[2][1]) > 50_000


def test_oddities_do_not_stop_the_journal() -> None:
    """Modules return what they like."""
    got = made(
        {"findings": "none", "milestones": {"name": "x"}, "measured": 3, "journal": ["x", {"event": "no such"}], "diff": "x", "msg": 5}
    )
    assert [entry.event for entry in got] == ["task", "note"]
    assert made({"results": ["apt", "list"], "changed": False})[0].data == {"action": "database_restore"}


def test_incidents_are_numbered_by_day_and_never_shared(tmp_path: Path) -> None:
    """Many at once, each its own."""
    day = date(2026, 11, 22)
    with ThreadPoolExecutor(8) as pool:
        made_ = list(pool.map(lambda _: create_incident(tmp_path, day), range(12)))
    assert sorted(path.name for path in made_) == [f"2026-11-22-{number:02d}" for number in range(1, 13)]
    (tmp_path / "2026-11-22-100").mkdir()
    (tmp_path / ".locks").mkdir()
    assert create_incident(tmp_path, day).name == "2026-11-22-101"
    assert [path.name for path in list_incidents(tmp_path)][-2:] == ["2026-11-22-100", "2026-11-22-101"]
    assert open_incident("2026-11-22-03", tmp_path) == tmp_path / "2026-11-22-03"
    with pytest.raises(IncidentError, match="There is no incident"):
        open_incident("2026-11-23-01", tmp_path)


def test_an_incident_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    """The root is a file."""
    (tmp_path / "root").write_text("")
    with pytest.raises(IncidentError, match="RECOVERY_INCIDENTS"):
        create_incident(tmp_path / "root")


def test_numbered_rooms(tmp_path: Path) -> None:
    """Approvals and steps of persons are counted from one, each on its own."""
    with ThreadPoolExecutor(8) as pool:
        numbers = sorted(number for number, _ in pool.map(lambda _: allocate(tmp_path, "approvals"), range(12)))
    assert numbers == list(range(1, 13)) and allocate(tmp_path, "manual_steps") == (1, tmp_path / "manual_steps" / "1")
    with pytest.raises(ValueError, match="is none of"):
        allocate(tmp_path, "secrets")
