"""RCV-10, CLS-2: one patient's rows are altered; they come back, and what a clinician has written since stays."""

from __future__ import annotations

from hospital import lab, lost, probe, remember, remembered, sql
from rows import PATIENT, diff, moment, others, own, run

RESULT = (
    "select min(r.id) from lab_result r join clinical_order o on o.id = r.order_id join visit v on v.id = o.visit_id"
    " join patient p on p.id = v.patient_id where p.mrn = 'P0000000001'"
)


def ask(*more: str) -> tuple[str, ...]:
    """Return the command."""
    told = (f"patient={PATIENT}", f"target={remembered('before')}", f"until={remembered('after')}", *more)
    return ("database_restore_patient", *(word for each in told for word in ("-e", each)))


def test_results_doses_and_charges_of_a_patient_are_wrong_and_a_clinician_amends_one_since() -> None:
    remember("own", own())
    remember("others", others())
    remember("before", moment())
    lab("break", "patient-rows-altered", f"patient={PATIENT}")
    assert own()["charge"] != remembered("own")["charge"]
    remember("after", moment())
    sql(f"update lab_result set report = 'amended by a clinician' where id = ({RESULT})")  # noqa: S608
    remember("damaged", own())


def test_a_row_written_since_is_refused_and_nothing_changes() -> None:
    ran = run(*ask())
    assert (ran.status, ran.verdict, ran.codes) == (4, "NOT-RUN", {"changed-since"}), ran.output
    assert "amended by a clinician" in diff(ran)
    assert own() == remembered("damaged")


def test_an_unknown_patient_and_an_unknown_table_are_refused() -> None:
    ran = run("database_restore_table", "-e", "tables=price_lits", "-e", f"target={remembered('before')}")
    assert (ran.status, ran.codes) == (4, {"table-unknown"}), ran.output
    ran = run("database_restore_patient", "-e", "patient=P9", "-e", "target=latest")
    assert (ran.status, ran.codes) == (4, {"target-not-named"}), ran.output
    assert own() == remembered("damaged")


def test_with_a_named_choice_the_rest_comes_back_and_that_row_stays() -> None:
    ran = run(*ask("conflicts=keep-live", "conflicts_by=head-of-the-ward"))
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    now, before = own(), remembered("own")
    assert {table for table in now if now[table] != before[table]} == {"lab_result"}
    assert sql(f"select report from lab_result where id = ({RESULT})") == "amended by a clinician"  # noqa: S608
    assert others() == remembered("others")
    assert probe("ward-1") == "" and lost() == []
    asked = [line["data"] for line in ran.journal if line["event"] == "approval_requested"]
    assert [(line["fault_class"], line["needed"]) for line in asked] == [("II", 2)]
    assert [line["data"]["by"] for line in ran.journal if line["event"] == "override"] == ["head-of-the-ward"]
    assert "amended by a clinician" not in "".join(str(line) for line in ran.journal)


def test_the_same_again_finds_nothing_to_do_and_asks_nobody() -> None:
    before = own()
    ran = run(*ask("conflicts=keep-live", "conflicts_by=head-of-the-ward"))
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    assert not [line for line in ran.journal if line["event"] == "approval_requested"]
    assert own() == before
    assert sql("select count(*) from recovery.rows_put_back where mode = 'patient'") == "1"
