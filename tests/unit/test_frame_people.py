from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recovery.evidence.journal import Journal
from recovery.frame import figures, files, lock, project, status, steps
from recovery.frame.claims import Claim, judge_claim
from recovery.frame.follow import Follower
from recovery.frame.project import FrameError
from recovery.frame.verdict import Verdict
from recovery.frame.view import View
from recovery.plan import load_deadlines, load_targets

PLAN = Path(__file__).parents[2] / "plan"


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ({"stat": {"exists": True}}, ""),
        ({"stat": {"exists": "True"}}, ""),
        ({"stat": {"exists": False}}, "stat.exists is False, expected is True"),
        ({}, "stat.exists is None, expected is True"),
        ({"failed": True, "msg": "no such host\nmore"}, "no such host"),
        ({"failed": True}, "status None"),
        ({"rc": 1, "stderr": "down"}, "down"),
        ({"skipped": True}, "could not be looked at"),
        ({"unreachable": True, "stat": {"exists": True}}, "could not be reached"),
        ({"verdict": "COULD-NOT-VERIFY", "reason": "no light", "stat": {"exists": True}}, "no light"),
        ({"verdict": "PASS", "stat": {"exists": True}}, ""),
    ],
)
def test_a_claim_holds_only_if_it_was_seen(result: dict[str, Any], problem: str) -> None:
    found = judge_claim(Claim("ansible.builtin.stat", expect={"stat.exists": True}), result)
    assert problem in found
    assert bool(problem) == bool(found)


def ask(incident: Path, seconds: float = 60, run: str = "run-1") -> Path:
    directory = incident / "manual_steps" / "1"
    step = {
        "step": 1,
        "run": run,
        "who": "administrator",
        "instruction": "Plug F2",
        "expires_at": files.iso(files.later(files.now(), seconds)),
    }
    steps.ask(directory, step)
    return directory


def test_a_step_is_answered_once_and_in_time(tmp_path: Path) -> None:
    directory = ask(tmp_path)
    assert [path for path, _ in steps.open_steps(tmp_path)] == [directory]
    assert steps.take_answer(directory) is None
    steps.answer(directory, by="administrator", note="label F2")
    assert steps.open_steps(tmp_path) == []
    answer = steps.take_answer(directory)
    assert answer is not None and answer["done"] is True
    steps.set_aside(directory, 1)
    assert steps.open_steps(tmp_path) != []
    steps.update(directory, state="done")
    with pytest.raises(FrameError, match="does not wait any more: it is done"):
        steps.answer(directory, by="administrator")


def test_a_step_cannot_be_answered_late_or_out_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="run the runbook again"):
        steps.answer(ask(tmp_path, -1), by="administrator")
    with pytest.raises(FrameError, match="There is no step"):
        steps.answer(tmp_path / "manual_steps" / "9", by="administrator")


def test_a_half_written_answer_is_not_there_yet(tmp_path: Path) -> None:
    directory = ask(tmp_path)
    (directory / "answer.json").write_text('{"done": tr')
    assert steps.take_answer(directory) is None
    (directory / "answer.json").write_text('{"done": "yes"}')
    assert steps.take_answer(directory) is None


def journal(incident: Path, run: str, *, runbook: str = "database_restore", pid: int = 0, check: bool = False) -> Journal:
    incident.mkdir(parents=True, exist_ok=True)
    kept = Journal(incident, run)
    data = {
        "runbook": runbook,
        "playbook": f"/srv/playbooks/{runbook}.yml",
        "requested_by": "administrator",
        "check_mode": check,
        "pid": pid,
    }
    data["command"] = ["ansible-playbook", "-e", "source=offsite", f"/srv/playbooks/{runbook}.yml"]
    kept.append("run_begin", name=runbook, data=data)
    kept.append("task", clause="RCV-1", phase="RUN", host="his-db", name="Bring the cluster back", result="ok")
    return kept


def test_an_interrupted_run_says_what_it_did_and_what_continues_it(tmp_path: Path) -> None:
    incident = tmp_path / "2026-01-01-01"
    journal(incident, "run-1")
    shown = "\n".join(status.report(tmp_path))
    assert "interrupted" in shown
    assert "RCV-1 RUN  Bring the cluster back: ok" in shown
    assert "recovery run database_restore -e source=offsite --incident 2026-01-01-01" in shown


def test_a_run_whose_process_lives_is_running_and_its_people_are_waited_for(tmp_path: Path) -> None:
    incident = tmp_path / "2026-01-01-01"
    journal(incident, "run-1")
    lock.take(lock.holder("his-db", run="run-1", runbook="database_restore", by="x", incident=incident.name), root=tmp_path)
    ask(incident)
    state = status.read_incident(incident)
    assert state.runs[0].state == "running"
    assert "Plug F2" in state.waiting[0]["what"]
    assert state.waiting[0]["command"] == "recovery confirm 2026-01-01-01/1"
    assert "confirm" in "\n".join(status.report(tmp_path))


def test_the_process_itself_tells_where_no_target_is_held(tmp_path: Path) -> None:
    journal(tmp_path / "2026-01-01-01", "run-1", pid=os.getpid())
    assert status.read_incident(tmp_path / "2026-01-01-01").runs[0].state == "running"


def test_nobody_is_waited_for_by_a_dead_run(tmp_path: Path) -> None:
    journal(tmp_path / "2026-01-01-01", "run-1")
    ask(tmp_path / "2026-01-01-01")
    assert status.read_incident(tmp_path / "2026-01-01-01").waiting == []


def test_a_run_that_was_continued_is_not_continued_again(tmp_path: Path) -> None:
    incident = tmp_path / "2026-01-01-01"
    journal(incident, "run-1")
    journal(incident, "run-2").append("run_end", result="PASS")
    state = status.read_incident(incident)
    assert [each.continues for each in state.runs] == ["", ""]
    assert not state.open


def test_a_rehearsal_leaves_nothing_open(tmp_path: Path) -> None:
    journal(tmp_path / "2026-01-01-01", "run-1", check=True)
    assert not status.read_incident(tmp_path / "2026-01-01-01").open


def test_the_downtime_clock_says_who_is_due_and_who_is_next() -> None:
    fault = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)
    deadlines = load_deadlines(PLAN)
    early = status.next_deadlines(fault, deadlines, fault + timedelta(minutes=10))
    assert len(early) == 1 and "CLK-1" in early[0] and "in 20 min 00 s" in early[0]
    late = status.next_deadlines(fault, deadlines, fault + timedelta(hours=1))
    assert [line.split()[0] for line in late] == ["due", "next"]
    assert "CLK-2" in late[1]


def test_an_incident_is_open_until_the_service_is_proven(tmp_path: Path) -> None:
    incident = tmp_path / "2026-01-01-01"
    kept = journal(incident, "run-1")
    kept.append("milestone", name="fault", data={"at": "2026-01-01T03:00:00.000Z"})
    kept.append("run_end", result="PASS")
    assert status.read_incident(incident).open
    kept.append("milestone", name="service_proven", data={"at": "2026-01-01T03:04:00.000Z"})
    assert not status.read_incident(incident).open


def test_the_figures_are_those_of_the_plan() -> None:
    at = "2026-01-01T03:0{}.000Z".format
    moments = {"fault": at("0:00"), "detected": at("0:04"), "declared": at("0:35"), "recovery_started": at("0:45")}
    moments |= {"system_up": at("2:45"), "service_proven": at("3:12")}
    events: list[dict[str, Any]] = [
        {"event": "milestone", "run": "run-0", "name": name, "data": {"at": when}} for name, when in moments.items()
    ]
    events += [
        {"event": "play_begin", "run": "run-1", "clause": "RCV-1"},
        {"event": "measured", "run": "run-0", "data": {"rpo_s": 99}},
        {"event": "measured", "run": "run-1", "data": {"rpo_s": 0, "lost_transactions": 0, "acknowledged_transactions": 18412}},
    ]
    found = figures.compute(events, "run-1", load_targets(PLAN))
    assert found.gap_s == 192
    assert sum(seconds for _, seconds in found.segments) == 192
    assert found.target is not None and (found.target.rto_s, found.target.rpo_s) == (300, 30)
    stream = io.StringIO()
    View(stream).verdict(Verdict("PASS", "", 0, "run"), "database_restore", found, "incidents/2026-01-01-01")
    shown = stream.getvalue()
    assert "PASS  database_restore" in shown
    assert "service gap 3 min 12 s   (target 5 min 00 s)" in shown
    assert "0 of 18,412 acknowledged transactions" in shown and "RPO 0 s (target 30 s)" in shown


def test_a_drill_is_held_against_what_the_plan_asks_of_its_source() -> None:
    events: list[dict[str, Any]] = [
        {"event": "play_begin", "run": "run-1", "clause": "RCV-5"},
        {"event": "measured", "run": "run-1", "data": {"rpo_s": 864000, "drill": {"figures": {"rpo_target_s": 1468800}}}},
    ]
    found = figures.compute(events, "run-1", load_targets(PLAN))
    assert found.target is not None and (found.target.rto_s, found.target.rpo_s) == (300, 1468800)


def test_a_refusal_is_shown_with_cause_reason_and_way_out() -> None:
    stream = io.StringIO()
    finding = {
        "code": "server-healthy",
        "severity": "overridable",
        "message": "It runs.",
        "why": "Data.",
        "remedy": "Look.",
        "alternative": "Beside.",
    }
    View(stream).event({"event": "refusal", "clause": "RCV-1", "phase": "CHECK", "data": {"findings": [finding]}})
    for part in ("REFUSED  RCV-1 CHECK", "It runs.", "Data.", "Look.", "Beside.", "-e override=server-healthy -e override_by=NAME"):
        assert part in stream.getvalue()


def test_what_a_runbook_says_to_people_is_shown() -> None:
    stream = io.StringIO()
    said = {"action": "ansible.builtin.debug", "msg": "Plug in the removable disk."}
    View(stream).event({"event": "task", "name": "Say what is left", "host": "his-db", "result": "ok", "took_s": 0.1, "data": said})
    assert "Plug in the removable disk." in stream.getvalue()


def test_following_a_journal_reads_each_line_once_and_no_half_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    follower = Follower(path)
    assert follower.poll() == []
    whole = json.dumps({"seq": 1}).encode() + b"\n"
    path.write_bytes(whole + b'{"se')
    assert follower.poll() == [{"seq": 1}]
    assert follower.poll() == []
    with path.open("ab") as stream:
        stream.write(b'q": 2}\n')
    assert follower.poll() == [{"seq": 2}]


def test_an_unknown_runbook_lists_those_that_exist(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "database_restore.yml").write_text("---\n# Brings the database back.\n- hosts: all\n")
    (tmp_path / "playbooks" / "other.yml").write_text('- name: "RCV-3 1/6 CHECK | Is it dead?"\n  hosts: all\n')
    with pytest.raises(FrameError) as caught:
        project.find_runbook("databse", tmp_path)
    assert "database_restore  Brings the database back." in str(caught.value)
    assert "Is it dead?" in str(caught.value)
    assert project.find_runbook("other", tmp_path).name == "other.yml"
