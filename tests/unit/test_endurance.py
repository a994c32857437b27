"""Where an endurance run interrupts, and what it remembers: an interrupted one goes on with what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from endurance.points import Point, drawn, points, reached
from endurance.results import Results


def task(name: str, took_s: float = 0.1, result: str = "ok") -> dict[str, Any]:
    return {"event": "task", "phase": "RUN", "host": "his-db", "name": name, "took_s": took_s, "result": result}


JOURNAL = [{"event": "run_begin"}, task("look"), task("read", took_s=8.0), task("leave", result="skipped"), task("look")]


def test_every_task_that_did_something_is_a_point_and_a_long_one_also_in_its_middle() -> None:
    found = points(JOURNAL)
    assert [(one.task, one.nth, one.within) for one in found] == [
        ("look", 1, ""),
        ("look", 1, "his-db: read"),
        ("read", 1, ""),
        ("look", 2, ""),
    ]
    assert found[1].after_s == 4.0
    assert reached(found[0], JOURNAL[:2]) and not reached(found[3], JOURNAL[:4])


def test_some_points_are_drawn_the_same_each_time_and_in_their_order() -> None:
    found = points(JOURNAL)
    some = drawn(found, 2, seed=7)
    assert some == drawn(found, 2, seed=7) and len(some) == 2
    assert [found.index(one) for one in some] == sorted(found.index(one) for one in some)
    assert drawn(found, 0, seed=7) == found


def test_what_was_seen_is_not_done_again_and_what_broke_is(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    found = points(JOURNAL)
    before = Results.read(path)
    before.record("local", found)
    before.add("kill", found[0], "continued", 61.4)
    before.add("kill", found[1], "BROKEN: a ledger became shorter", 50)

    after = Results.read(path)
    assert after.points == {"local": found}
    wanted = [("kill", point) for point in found] + [("power", found[1])]
    assert after.left(wanted) == wanted[1:]
    after.add("kill", found[1], "continued", 60)
    assert Results.read(path).left(wanted) == wanted[2:]


def test_the_summary_also_names_what_was_not_run(tmp_path: Path) -> None:
    results = Results.read(tmp_path / "results.jsonl")
    seen, missing = Point("RUN", "his-db", "look", 1), Point("RUN", "his-db", "read", 1)
    results.add("kill", seen, "continued", 61)
    text = results.publish([("kill", seen), ("kill", missing)]).read_text(encoding="utf-8")
    assert "| kill | 2 | 1 | 0 | 1 |" in text
    assert "after his-db: read | not run |" in text
