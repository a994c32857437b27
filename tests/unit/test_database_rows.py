"""What differs between old and living rows, and what is done about it: the parts that need no database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from recovery.database.rows_catalogue import Catalogue, Column, ForeignKey, RowsError, Table
from recovery.database.rows_diff import Change, Clock, Plan, compare, ordered
from recovery.database.rows_live import Request
from recovery.database.rows_read import Reading, TableRows, Value
from recovery.findings import Finding

NO_CLOCK = Clock()


def table(name: str, *keys: str) -> Table:
    return Table(name, (Column("id", "bigint", True), Column("v", "text", True)), keys)


def rows(*told: Value, needed: tuple[Value, ...] = (), age: int = 5) -> TableRows:
    made = TableRows(("id", "v"), ("id",), needed=set(needed))
    for row in told:
        made.rows[(row[0],)] = row
        made.ages[(row[0],)] = age
    return made


def link(child: str, parent: str, on_delete: str = "a") -> ForeignKey:
    return ForeignKey(f"{child}_{parent}", child, ("v",), parent, ("id",), on_delete, True)


CATALOGUE = Catalogue(
    {name: table(name, "id") for name in ("a", "b", "c", "d")} | {"loose": table("loose")},
    (link("b", "a"), link("c", "b"), link("c", "c"), link("d", "a", "c")),
)


def test_parents_stand_before_their_children_and_a_circle_ends() -> None:
    assert CATALOGUE.parents_first(["c", "b", "a"]) == ["a", "b", "c"]
    circle = replace(CATALOGUE, foreign_keys=(link("a", "b"), link("b", "a")))
    assert circle.parents_first(["b", "a"]) == ["a", "b"]


def test_a_cascade_takes_its_dependants_along() -> None:
    assert CATALOGUE.with_dependants(["a"]) == ["a", "d"]


@pytest.mark.parametrize(("name", "code"), [("nowhere", "table-unknown"), ("loose", "no-primary-key")])
def test_tables_that_cannot_be_put_back_are_refused(name: str, code: str) -> None:
    with pytest.raises(RowsError) as raised:
        CATALOGUE.keyed(name)
    assert raised.value.code == code


def test_rows_are_missing_altered_needed_or_the_same() -> None:
    old = {"a": rows(("1", "x"), ("2", "x"), needed=(("1",), ("2",))), "b": rows(("10", "p"), ("9", "q"), ("8", "r"))}
    now = {"a": rows(("1", "changed")), "b": rows(("9", "q"), ("8", "other"))}
    act, keep = compare(["a", "b"], old, now, NO_CLOCK, "refuse")
    assert [(change.table, change.kind, change.key[0][1]) for change in act] == [
        ("a", "needed", "2"),
        ("b", "altered", "8"),
        ("b", "missing", "10"),
    ]
    assert keep == []


@pytest.mark.parametrize(
    ("clock", "age", "written_at", "said"),
    [
        (Clock("heartbeat", 100.0, 7), 8, None, "before"),
        (Clock("heartbeat", 100.0, 7), 7, None, "before"),
        (Clock("heartbeat", 100.0, 7), 6, None, "after"),
        (Clock("heartbeat", 100.0, None), 6, None, "unknown"),
        (Clock("commit-timestamps", 100.0), 1, 99.0, "before"),
        (Clock("commit-timestamps", 100.0), 1, 101.0, "after"),
        (Clock("commit-timestamps", 100.0), 1, None, "unknown"),
        (Clock("commit-timestamps", None), 1, 1.0, "unknown"),
        (NO_CLOCK, 1, None, "unknown"),
    ],
)
def test_what_is_not_known_to_be_before_is_never_taken_for_it(clock: Clock, age: int, written_at: float | None, said: str) -> None:
    assert clock.since(age, written_at) == said


def test_only_conflicts_are_kept_by_choice() -> None:
    old, now = {"b": rows(("1", "x"), ("2", "x"), ("3", "x"))}, {"b": rows(("1", "y"), ("2", "z"))}
    now["b"].ages[("1",)] = 20
    clock = Clock("heartbeat", 100.0, 10)
    act, keep = compare(["b"], old, now, clock, "keep-live")
    assert [change.key[0][1] for change in act] == ["1", "3"]
    assert [change.key[0][1] for change in keep] == ["2"]
    assert [c.key[0][1] for c in Plan(changes=act, kept=keep).conflicts] == ["2"]


def change(kind: str = "altered", backup: str | None = "old", live: str | None = "new") -> Change:
    return Change("b", kind, (("id", "1"),), ("id", "v"), ("1", backup), None if live is None else ("1", live), "before")


def test_the_diff_shows_old_and_new_of_each_column_and_says_what_it_holds() -> None:
    text = Plan((("mode", "patient"),), [change(), change("missing", "x", None)]).text()
    assert "holds patients' data" in text
    assert '-     v="new"\n+     v="old"' in text
    assert '+ b id="1": id="1", v="x"' in text
    assert "@@ b: 1 missing, 1 altered @@" in text


@pytest.mark.parametrize(
    "other",
    [
        lambda: Plan(changes=[change(backup="else")]),
        lambda: Plan(changes=[change(live="else")]),
        lambda: Plan(changes=[change(backup=None)]),
        lambda: Plan(changes=[change()], kept=[change()]),
        lambda: Plan((("target", "another"),), [change()]),
        lambda: Plan(changes=[change()], past_triggers=("b",)),
        lambda: Plan(),
    ],
)
def test_the_digest_changes_with_everything_that_people_approve(other: Callable[[], Plan]) -> None:
    assert other().digest() != Plan(changes=[change()]).digest() == Plan(changes=[change()]).digest()


def test_rows_that_stay_are_no_part_of_what_is_approved() -> None:
    plan = Plan(changes=[change()], extra={"b": [("7", "new work")]})
    assert plan.digest() == Plan(changes=[change()]).digest()
    assert '  id="7", v="new work"' in plan.extra_text({"b": ("id", "v")})
    assert plan.counts() == {"b": {"altered": 1, "extra": 1}}


def test_text_cannot_pass_for_null_or_for_another_line() -> None:
    assert change(backup=None).lines() != change(backup="null").lines()
    assert len(change(backup='x"\n+ c id="2"').lines()) == 3


def test_numbers_come_in_their_order() -> None:
    assert ordered([("10", "b"), ("9", "a"), ("x", "a")]) == [("9", "a"), ("10", "b"), ("x", "a")]


def test_what_is_carried_arrives_as_it_was() -> None:
    reading = Reading({"b": rows(("1", None), ("2", "中"), needed=(("2",),))}, {"directory": "/x"}, {"rows": 2}, ["c (v)"])
    arrived = Reading.unpack(reading.packed())
    assert (arrived.tables["b"].rows, arrived.tables["b"].needed) == (reading.tables["b"].rows, {("2",)})
    assert (arrived.server, arrived.read, arrived.unindexed) == (reading.server, reading.read, reading.unindexed)
    with pytest.raises(RowsError):
        Reading.unpack(reading.packed()[:-9])


GOOD = Request("patient", "his", "time:2026-11-21T03:25:00Z", patient="P1", patient_table="patient", patient_column="mrn")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (replace(GOOD, mode="table"), "tables-not-named"),
        (replace(GOOD, patient=""), "patient-not-named"),
        (replace(GOOD, patient_table=""), "patient-table-not-described"),
        (replace(GOOD, target=""), "target-not-named"),
        (replace(GOOD, target="latest"), "target-not-named"),
        (replace(GOOD, target="time:2026-11-21T03:25:00"), "target-not-understood"),
        (replace(GOOD, until="time:yesterday"), "until-not-understood"),
        (replace(GOOD, conflicts="take-backup"), "conflicts-by-nobody"),
        (replace(GOOD, conflicts="keep-live", conflicts_by=" "), "conflicts-by-nobody"),
    ],
)
def test_a_question_that_is_not_clear_is_refused_with_its_remedy(asked: Request, code: str) -> None:
    assert GOOD.objections() == []
    found: list[Finding] = asked.objections()
    assert [finding.code for finding in found] == [code]
    assert (found[0].severity == "stop" and "-e" in found[0].message + found[0].remedy) or code.endswith(("described", "understood"))
