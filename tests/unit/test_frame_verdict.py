from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.frame.verdict import EXIT_STATUS, judge, judge_run

RESULTS = ("ok", "changed", "failed", "unreachable", "skipped")
VERDICTS = ("PASS", "FAIL", "COULD-NOT-VERIFY", "NOT-RUN")
PHASES = ("CHECK", "DECIDE", "SAFETY", "RUN", "VERIFY", "RELEASE")


def event(kind: str, result: str = "", phase: str = "", **data: Any) -> dict[str, Any]:
    return {"event": kind, "result": result, "phase": phase, "host": "his-db", "name": f"{kind} in {phase}", "data": data}


def begin(check_mode: bool = False) -> dict[str, Any]:
    return event("run_begin", check_mode=check_mode)


def proven(*more: dict[str, Any], check_mode: bool = False) -> list[dict[str, Any]]:
    return [
        begin(check_mode),
        event("play_begin", phase="RUN"),
        event("task", "changed", "RUN"),
        event("play_begin", phase="VERIFY"),
        event("task", "ok", "VERIFY"),
        event("verdict", "PASS", "VERIFY"),
        *more,
    ]


tasks = st.builds(event, st.just("task"), st.sampled_from(RESULTS), st.sampled_from(PHASES))
verdicts = st.builds(event, st.just("verdict"), st.sampled_from(VERDICTS), st.sampled_from(PHASES))
plays = st.builds(event, st.just("play_begin"), st.just(""), st.sampled_from(PHASES))
others = st.builds(event, st.sampled_from(["note", "refusal", "measured", "lock_taken", "override"]), st.just(""), st.sampled_from(PHASES))
journals = st.builds(
    lambda check, lines: [begin(check), *lines], st.booleans(), st.lists(st.one_of(tasks, verdicts, plays, others), max_size=12)
)


@given(journals)
def test_pass_is_given_to_nothing_that_failed_refused_or_was_not_proven(lines: list[dict[str, Any]]) -> None:
    verdict = judge(lines)
    assert verdict.exit_status == EXIT_STATUS[verdict.result]
    assert bool(verdict.reason) == (verdict.result != "PASS")
    if verdict.result != "PASS":
        return
    rehearsal = lines[0]["data"]["check_mode"]
    assert not any(each["event"] == "refusal" for each in lines)
    assert not any(each["event"] == "task" and each["result"] in ("failed", "unreachable") for each in lines)
    assert not any(each["event"] == "verdict" and each["result"] in ("FAIL", "COULD-NOT-VERIFY") for each in lines)
    assert any(each["event"] == "task" and each["result"] in ("ok", "changed") for each in lines)
    if any(each["event"] == "play_begin" and each["phase"] == "VERIFY" for each in lines) and not rehearsal:
        assert any(each["event"] == "verdict" and each["phase"] == "VERIFY" for each in lines)
        assert all(each["result"] == "PASS" for each in lines if each["event"] == "verdict")
    assert verdict.scope == ("rehearsal" if rehearsal else "run")


@given(journals, st.sampled_from(["failed", "unreachable"]), st.integers(0, 12))
def test_a_failure_anywhere_never_leaves_a_better_verdict_than_fail(lines: list[dict[str, Any]], how: str, where: int) -> None:
    position = 1 + where % len(lines)
    spoiled = [*lines[:position], event("task", how, "RUN"), *lines[position:]]
    assert judge(spoiled).result in ("FAIL", "NOT-RUN")
    if not any(each["event"] == "refusal" for each in lines):
        assert judge(spoiled).result == "FAIL"


@given(journals)
def test_the_order_of_events_within_a_run_does_not_decide(lines: list[dict[str, Any]]) -> None:
    assert judge(lines).result == judge([lines[0], *reversed(lines[1:])]).result


@given(journals)
def test_without_its_end_a_run_never_passes(lines: list[dict[str, Any]]) -> None:
    assert judge_run(lines).result != "PASS"
    assert judge_run([*lines, event("run_end", "PASS")]).result == judge(lines).result


@given(journals, st.sampled_from(VERDICTS))
def test_what_run_end_says_of_itself_is_not_believed(lines: list[dict[str, Any]], told: str) -> None:
    assert judge([*lines, event("run_end", told)]) == judge(lines)


def test_a_proven_run_passes() -> None:
    assert judge(proven()).result == "PASS"


@pytest.mark.parametrize(
    ("lines", "result", "part"),
    [
        ([], "COULD-NOT-VERIFY", "no beginning"),
        ([begin()], "COULD-NOT-VERIFY", "Not one task"),
        ([begin(), event("task", "skipped")], "COULD-NOT-VERIFY", "Not one task"),
        ([begin(), event("task", "ok", "RUN")], "PASS", ""),
        ([begin(), event("play_begin", phase="VERIFY"), event("task", "ok")], "COULD-NOT-VERIFY", "no verdict came out"),
        ([event("run_begin", phases=["VERIFY"]), event("task", "ok")], "COULD-NOT-VERIFY", "before play 1 of 1 (VERIFY)"),
        (
            [
                event("run_begin", phases=["RUN", "RELEASE", "RELEASE"]),
                *(event("play_begin", phase=each) for each in ("RUN", "RELEASE")),
                event("task", "ok"),
            ],
            "COULD-NOT-VERIFY",
            "before play 3 of 3 (RELEASE)",
        ),
        ([begin(True), event("play_begin", phase="VERIFY"), event("task", "ok")], "PASS", ""),
        (proven(event("verdict", "COULD-NOT-VERIFY", "RELEASE", reason="no client log")), "COULD-NOT-VERIFY", "no client log"),
        (proven(event("verdict", "NOT-RUN", "VERIFY", reason="left out")), "COULD-NOT-VERIFY", "left out"),
        (proven(event("verdict", "FAIL", "CHECK", reason="a row is gone")), "FAIL", "a row is gone"),
        (proven(event("task", "failed", "RUN", msg="disk full\nmore")), "FAIL", "disk full"),
        ([begin(), event("refusal", findings=[{"message": "The server runs."}]), event("task", "failed")], "NOT-RUN", "The server runs."),
        (proven(event("refusal", findings=[{"message": "Late."}])), "FAIL", "Late."),
        ([begin(True), event("task", "changed"), event("refusal"), event("task", "failed")], "NOT-RUN", "refused"),
        ([begin(), event("task", "changed", "CHECK"), event("refusal", phase="DECIDE")], "NOT-RUN", "refused"),
        ([begin(), event("task", "changed", "SAFETY"), event("refusal", phase="RUN")], "FAIL", "Refused after"),
    ],
)
def test_each_rule(lines: list[dict[str, Any]], result: str, part: str) -> None:
    verdict = judge(lines)
    assert verdict.result == result
    assert part in verdict.reason
