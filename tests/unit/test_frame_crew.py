"""Several people at once: who is asked when, what a claim under examination holds up, and what becomes of the others when one cannot."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recovery.frame import steps
from recovery.frame.claims import Claim
from recovery.frame.crew import Crew, Done, NotDoneError, Order, told_of

CLAIM = Claim("looks")


class Run:
    """A run whose journal is a list."""

    run, runbook = "run-1", "switch_failover"

    def __init__(self, incident: Path) -> None:
        self.incident = incident
        self.told: list[dict[str, Any]] = []

    def tell(self, event: str, *, host: str = "", name: str = "", result: str = "", **data: Any) -> None:
        self.told.append({"event": event, "name": name, "result": result, **data})

    def of(self, event: str, result: str = "") -> list[str]:
        return [one["name"] for one in self.told if one["event"] == event and (not result or one["result"] == result)]


class Silent:
    """A terminal at which nobody types."""

    def told(self, number: int, step: Any, problem: str) -> None:
        """Show nothing."""

    def typed(self, wait_s: float) -> str | None:
        time.sleep(min(wait_s, 0.01))
        return None

    def puzzled(self, sentence: str) -> None:
        raise AssertionError(sentence)


def order(name: str, who: str, claim: Claim | None = CLAIM) -> Order:
    texts = dict.fromkeys(("instruction", "instruction_zh", "instruction_en", "evidence", "clause"), name)
    return Order({"name": name, "who": who, "action": {}, **texts}, claim)


def crew(run: Run, look: Callable[[Order], str], timeout_s: float = 20, voice: Any = None) -> Crew:
    return Crew(run, voice or Silent(), "core-a", "administrator", timeout_s, look)


@pytest.fixture
def hands(tmp_path: Path) -> Iterator[Callable[[Callable[[dict[str, Any]], dict[str, Any]]], None]]:
    """People who answer each step once, as a function of the step says."""
    over = threading.Event()
    threads = []

    def begin(says: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        def watch() -> None:
            while not over.wait(0.01):
                for path, step in steps.open_steps(tmp_path):
                    answer = says(step)
                    if answer:
                        (path / "answer.json.draft").write_text(json.dumps(answer))
                        (path / "answer.json.draft").rename(path / "answer.json")

        threads.append(threading.Thread(target=watch))
        threads[-1].start()

    yield begin
    over.set()
    for thread in threads:
        thread.join()


def done(step: dict[str, Any]) -> dict[str, Any]:
    return {"by": step["who"], "done": True, "note": "as told"}


def test_each_does_one_step_after_another_beside_the_others(tmp_path: Path, hands: Any) -> None:
    run, most = Run(tmp_path), [0]

    def says(step: dict[str, Any]) -> dict[str, Any]:
        open_now = [one["who"] for _, one in steps.open_steps(tmp_path)]
        assert len(open_now) == len(set(open_now)), "nobody is asked for two things at once"
        most[0] = max(most[0], len(open_now))
        return done(step) if most[0] == 2 else {}

    hands(says)
    ended = crew(run, lambda order: "").work([order("1", "a"), order("2", "b"), order("3", "a"), order("4", "b"), order("5", "a")])
    assert most == [2], "two people were asked at once"
    assert {one.step["name"] for one in ended} == set("12345")
    for mine in ("135", "24"):
        assert [name for name in run.of("manual_step_asked") if name in mine] == list(mine)
    assert sorted(run.of("manual_step_done", "done")) == list("12345")
    assert "5 steps were done by 2 people; 5 claims were checked" in told_of(ended)["msg"]


def test_a_claim_under_examination_holds_up_its_own_person_only(tmp_path: Path, hands: Any) -> None:
    hands(done)
    run = Run(tmp_path)
    ready = tmp_path / "ready"

    def look(order: Order) -> str:
        if order.step["name"] == "slow":
            until = time.monotonic() + 20
            while not ready.exists() and time.monotonic() < until:
                time.sleep(0.01)
        elif order.step["name"] == "last":
            ready.touch()
        return ""

    ended = crew(run, look).work([order("slow", "a"), order("2", "b"), order("3", "b"), order("last", "b")])
    assert [one.step["name"] for one in ended][:2] == ["2", "3"] and len(ended) == 4


def test_what_does_not_hold_is_told_and_asked_again(tmp_path: Path, hands: Any) -> None:
    hands(done)
    run, seen = Run(tmp_path), tmp_path / "seen"

    def look(order: Order) -> str:
        if seen.exists():
            return ""
        seen.touch()
        return "it sits in port 7; its port is 3"

    (ended,) = crew(run, look).work([order("1", "a")])
    assert ended.attempts == 2 and ended.checked
    assert [one["problem"] for one in run.told if one["event"] == "manual_step_asked"] == ["", "it sits in port 7; its port is 3"]
    assert [one["result"] for one in run.told if one["event"] == "manual_step_done"] == ["claim-false", "done"]
    assert (tmp_path / "manual_steps/1/answer-1-did-not-hold.json").exists()


def test_where_one_cannot_the_others_are_told_to_stop(tmp_path: Path, hands: Any) -> None:
    hands(lambda step: {"by": "a", "done": False, "note": "the port is broken"} if step["who"] == "a" else {})
    run = Run(tmp_path)
    with pytest.raises(NotDoneError, match="the port is broken") as told:
        crew(run, lambda order: "").work([order("1", "a"), order("2", "b"), order("3", "a")])
    assert told.value.code == "manual-step-impossible" and not told.value.tried
    assert run.of("manual_step_asked") == ["1", "2"], "nobody is asked for anything more"
    assert run.of("manual_step_done", "not-done") == ["1", "2"]
    assert json.loads((tmp_path / "manual_steps/2/step.json").read_text())["state"] == "abandoned"
    assert steps.open_steps(tmp_path) == []


def test_a_step_that_fails_after_another_was_done_is_no_refusal(tmp_path: Path, hands: Any) -> None:
    hands(lambda step: done(step) if step["name"] == "1" else {"by": "a", "done": False, "note": "the port is broken"})
    with pytest.raises(NotDoneError) as told:
        crew(Run(tmp_path), lambda order: "").work([order("1", "a"), order("2", "a")])
    assert told.value.tried, "a cable was moved: it is not true that nothing was changed"


def test_time_is_up_for_each_step_by_itself(tmp_path: Path) -> None:
    with pytest.raises(NotDoneError, match="nobody answered by"):
        crew(Run(tmp_path), lambda order: "", timeout_s=0.2).work([order("1", "a")])


def test_a_check_that_dies_is_no_proof(tmp_path: Path, hands: Any) -> None:
    hands(done)
    run = Run(tmp_path)

    def look(order: Order) -> str:
        raise RuntimeError("the check has a fault")

    with pytest.raises(NotDoneError):
        crew(run, look, timeout_s=1).work([order("1", "a")])
    problems = [one["problem"] for one in run.told if one["result"] == "claim-false"]
    assert problems and "could not be looked at" in problems[0]


def test_nothing_is_left_waiting_by_a_run_that_is_ended(tmp_path: Path) -> None:
    class Ends(Silent):
        def typed(self, wait_s: float) -> str | None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crew(Run(tmp_path), lambda order: "", voice=Ends()).work([order("1", "a"), order("2", "b")])
    assert steps.open_steps(tmp_path) == []


def test_a_typed_line_answers_the_step_whose_number_it_begins_with(tmp_path: Path) -> None:
    lines = ["", "2 label 17", "label 16"]
    puzzled: list[str] = []

    class Types(Silent):
        def typed(self, wait_s: float) -> str | None:
            return lines.pop(0) if lines else None

        def puzzled(self, sentence: str) -> None:
            puzzled.append(sentence)

    ended = crew(Run(tmp_path), lambda order: "", voice=Types()).work([order("1", "a", None), order("2", "b", None)])
    assert puzzled == ["Several steps wait. Begin with the number of the one that is done: 1 or 2."]
    assert {one.step["name"]: one.said["note"] for one in ended} == {"2": "label 17", "1": "label 16"}
    assert all(one.said["by"] == "administrator" and not one.checked for one in ended)


def test_a_single_step_says_who_did_it() -> None:
    one = Done({"name": "n", "who": "a", "instruction": "Plug F2"}, "now", 2.0, 1, True, {"by": "a", "note": "", "evidence": ""})
    assert told_of([one])["msg"] == "a did it (the claim was checked and holds): Plug F2"
