"""A position in the log was met, from the source that was left when the nearest one turned out to be damaged."""

from __future__ import annotations

from hospital import Ran, incidents, sql

RUN = Ran(0, "", incidents()[-1])


def findings(code: str) -> list[str]:
    """Return what the journal says under this code."""
    found = [finding for line in RUN.journal if line["event"] == "task" for finding in line["data"].get("findings", [])]
    return [finding["message"] for finding in found if finding["code"] == code]


def test_the_patient_before_the_position_is_there_and_the_one_behind_it_is_not() -> None:
    assert sql("select name from patient where name like 'Position %'") == "Position before"


def test_the_damaged_source_was_given_up_for_the_next_one_that_people_had_approved() -> None:
    (said,) = findings("fell-back")
    assert "local" in said and "offsite" in said
    (asked,) = [line["data"] for line in RUN.journal if line["event"] == "approval_requested"]
    assert RUN.incident is not None
    request = next((RUN.incident / "approvals").glob("*/request.json")).read_text(encoding="utf-8")
    assert '"alternatives"' in request and '"offsite"' in request, asked
