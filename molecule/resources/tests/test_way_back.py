"""After a restore people change their minds: the old database returns, begins a history of its own, and what is kept goes by name only."""

from __future__ import annotations

from hospital import DATA, INCIDENTS, checksums, committed, host, identity, probe, recovery, remembered, sql


def beside() -> set[str]:
    """Return what is kept beside the database."""
    return set(str(host("his-db").check_output(f"ls -d {DATA}.aside-* {DATA}.rejected-* 2>/dev/null || true")).split())


def test_only_what_a_restore_kept_can_be_let_go() -> None:
    before = beside()
    ran = recovery("database_release", "-e", "names=main")
    assert (ran.status, ran.codes) == (4, {"nothing-aside"}), ran.output
    assert beside() == before
    assert host("his-db").file(f"{DATA}/PG_VERSION").exists


def test_the_old_database_returns_as_it_was_left_and_begins_a_history_of_its_own() -> None:
    restored = int(identity()["timeline"])
    before = committed()
    ran = recovery("database_rollback")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    assert sql("select max(price) from price_item") == "0.00", "the mistake is there again"
    assert checksums(("price_item", "price_history")) != remembered("mark")["prices"]
    assert sql("select count(*) from patient where name like 'Boundary %'") == "2"
    assert int(identity()["timeline"]) > restored, "a later restore would follow the history that was given up"
    assert before - committed(), "what was entered in between was given up, and is kept beside"
    assert probe("ward-1") == ""
    assert [path.split(".")[-1].split("-")[0] for path in beside()] == ["rejected"]


def test_there_is_no_second_way_back() -> None:
    asked = len(list(INCIDENTS.glob("*/approvals/*/request.json")))
    ran = recovery("database_rollback")
    assert (ran.status, ran.codes) == (4, {"nothing-aside"}), ran.output
    assert len(list(INCIDENTS.glob("*/approvals/*/request.json"))) == asked, "nobody is asked for what cannot be done"


def test_what_is_let_go_by_name_is_gone_and_nothing_else() -> None:
    (kept,) = beside()
    host("his-db").check_output("mkdir %s.aside-20010101T000000Z", DATA)
    ran = recovery("database_release", "-e", f"names={kept.rsplit('/', 1)[1]}")
    assert ran.status == 0, ran.output
    assert beside() == {f"{DATA}.aside-20010101T000000Z"}
    assert sql("select 1") == "1"
