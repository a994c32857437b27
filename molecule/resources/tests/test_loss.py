"""After a recovery to the newest point: what the wards had been told is saved is there, and the journal counts what is not."""

from __future__ import annotations

import yaml
from hospital import PROJECT, Ran, attempts, incidents, lost

RUN = Ran(0, "", incidents()[-1])


def test_at_most_the_last_moments_are_lost_and_the_journal_counts_them_exactly() -> None:
    gone = lost()
    measured = [line["data"] for line in RUN.journal if line["event"] == "measured" and "lost_transactions" in line["data"]]
    assert measured, "the runbook measured the loss"
    assert measured[-1]["lost_transactions"] == len(gone)
    if gone:
        fault = max(attempt.done for attempt in attempts() if attempt.ok and attempt.done <= gone[-1].done)
        allowed = yaml.safe_load((PROJECT / "plan/targets.yml").read_text(encoding="utf-8"))["targets"]["database"]["rpo_s"]
        assert all(fault - attempt.done <= allowed for attempt in gone)
