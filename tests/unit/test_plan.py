from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from recovery.plan import PlanError, load_approvals, load_clauses, load_deadlines, load_targets

PLAN = Path(__file__).parents[2] / "plan"
LOADERS: dict[str, Callable[[Path], Any]] = {
    "approvals.yml": load_approvals,
    "clauses.yml": load_clauses,
    "deadlines.yml": load_deadlines,
    "targets.yml": load_targets,
}


def test_the_plan_loads_and_names_every_kind_of_clause() -> None:
    clauses = load_clauses(PLAN)
    assert len(clauses) == 83
    assert len({clause.kind for clause in clauses.values()}) == 14
    assert clauses["ROOM-3"].figures == {"ups_minutes": 120, "shutdown_at_minutes": 110}


def test_titles_are_short_and_in_their_language() -> None:
    for clause in load_clauses(PLAN).values():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in clause.title["zh"]), clause.id
        assert clause.title["en"].isascii(), clause.id
        assert len(clause.title["zh"]) <= 24 and len(clause.title["en"]) <= 60, clause.id


def test_the_figures_of_the_clock_are_those_of_the_clauses() -> None:
    figures = {identifier: clause.figures for identifier, clause in load_clauses(PLAN).items()}
    deadlines = load_deadlines(PLAN)
    by_clause = {each.clause: each.after_minutes for each in deadlines.schemes["standard"]}
    assert by_clause == {
        "CLK-1": figures["CLK-1"]["minutes"],
        "CLK-2": figures["CLK-2"]["hours"] * 60,
        "CLK-3": figures["CLK-3"]["hours"] * 60,
    }
    other = [each.after_minutes for each in deadlines.schemes["standalone-first"]]
    assert other == [figures["CLK-4"]["standalone_minutes"], figures["CLK-4"]["manual_hours"] * 60]


def test_every_clause_that_the_plan_names_elsewhere_exists() -> None:
    known = set(load_clauses(PLAN))
    named = {clause for target in load_targets(PLAN).targets.values() for clause in target.clauses}
    named |= {deadline.clause for scheme in load_deadlines(PLAN).schemes.values() for deadline in scheme}
    assert named and named <= known


def test_classes_one_and_two_need_two_people_and_class_three_nobody() -> None:
    rules = load_approvals(PLAN).rules
    assert (rules["I"].needed, rules["II"].needed, rules["III"].needed) == (2, 2, 0)
    assert load_approvals(PLAN).title("president", "zh") == "院长"


def spoil(tmp_path: Path, name: str, change: Callable[[Any], None]) -> Path:
    for file in PLAN.glob("*.yml"):
        shutil.copy(file, tmp_path)
    content = yaml.safe_load((PLAN / name).read_text())
    change(content)
    (tmp_path / name).write_text(yaml.safe_dump(content, allow_unicode=True))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("approvals.yml", lambda c: c["fault_classes"]["I"].update(needed=5), "fault_classes.I.needed asks for 5 people out of 4"),
        ("approvals.yml", lambda c: c["fault_classes"]["I"].update(needed=True), "fault_classes.I.needed must be a number, not yes or no"),
        ("approvals.yml", lambda c: c["fault_classes"]["I"]["of"].append("porter"), "of[4] is 'porter', which is none of "),
        ("approvals.yml", lambda c: c["fault_classes"]["I"]["of"].append("president"), "fault_classes.I.of names something twice"),
        ("approvals.yml", lambda c: c["fault_classes"].pop("II"), "fault_classes lacks the key 'II'"),
        ("approvals.yml", lambda c: c["fault_classes"]["I"].update(expires=3), "fault_classes.I has the unknown key 'expires'"),
        ("approvals.yml", lambda c: c["fault_classes"]["I"].update(expiry_minutes=0), "fault_classes.I.expiry_minutes is 0"),
        ("approvals.yml", lambda c: c["principals"].update({"president": "x"}), "principals.president must be a mapping, not a text"),
        ("clauses.yml", lambda c: c.append(c[0]), "gives the clause ORG-1 a second time"),
        ("clauses.yml", lambda c: c[0].update(id="org1"), "[0].id is 'org1', which is not a clause id"),
        ("clauses.yml", lambda c: c[0].update(kind="party"), "[0].kind is 'party'"),
        ("clauses.yml", lambda c: c[0].update(zh=""), "[0].zh must be a text"),
        ("clauses.yml", lambda c: c[0].update(figures={"days": None}), "[0].figures.days must be a number, a text or a list"),
        ("deadlines.yml", lambda c: c.update(scheme="none"), "scheme is 'none'"),
        ("deadlines.yml", lambda c: c["schemes"].update(standard=[]), "schemes.standard has no deadline"),
        ("deadlines.yml", lambda c: c["schemes"]["standard"].reverse(), "schemes.standard is not in the order of time"),
        ("deadlines.yml", lambda c: c["schemes"]["standard"][0]["departments"].append("zoo"), "departments[4] is 'zoo'"),
        ("targets.yml", lambda c: c["targets"]["database"].update(rto_s=-1), "targets.database.rto_s is -1"),
        ("targets.yml", lambda c: c["targets"]["database"].update(rpo_s="soon"), "targets.database.rpo_s must be a number, not a text"),
        ("targets.yml", lambda c: c["segments"].pop(2), "segments has a gap"),
        ("targets.yml", lambda c: c["segments"][0].update({"from": "system_up"}), "segments[0] runs backwards"),
    ],
)
def test_what_is_wrong_is_refused_in_a_sentence(tmp_path: Path, name: str, change: Callable[[Any], None], sentence: str) -> None:
    directory = spoil(tmp_path, name, change)
    with pytest.raises(PlanError) as caught:
        LOADERS[name](directory)
    assert str(caught.value).startswith(f"{directory / name}: ")
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize(
    ("content", "sentence"), [("a: [", "cannot be read as YAML"), ("a: 1\na: 2\n", "given twice"), ("text", "must be a")]
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, name: str, content: str, sentence: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(PlanError, match=sentence):
        LOADERS[name](tmp_path)


@pytest.mark.parametrize("name", LOADERS)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(PlanError, match=f"{name}: this file of the plan is missing"):
        LOADERS[name](tmp_path)
