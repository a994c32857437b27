"""The wards work over the backbone; a segment that carries is not moved, a rehearsal and refusals change nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hospital import Ran, recovery, remember
from wire import fingerprint, forwarding, works

BEHIND = ("emergency-1", "ward-1")
SWITCHES = ("core-a", "acc-1", "acc-2")
RECORD = Path(os.environ["RECOVERY_PLANT"]) / "fibres.yml"
STATIONS = ("-e", '{"fibre_workstations": ["emergency-1", "ward-1"]}')


def swap(*words: str) -> Ran:
    return recovery("fibre_swap", *words, *STATIONS)


def test_the_wards_work() -> None:
    assert {name: works(name) for name in BEHIND} == dict.fromkeys(BEHIND, "")
    remember("forwarding", {name: forwarding(name) for name in SWITCHES})


def test_nothing_is_replaced_where_nothing_is_broken() -> None:
    before = {name: fingerprint(name) for name in SWITCHES}
    ran = swap("-l", "acc-2")
    assert (ran.status, ran.codes) == (4, {"nothing-broken"}), ran.output
    assert {name: fingerprint(name) for name in SWITCHES} == before


def test_a_rehearsal_says_everything_and_changes_nothing() -> None:
    before, record = {name: fingerprint(name) for name in SWITCHES}, RECORD.read_bytes()
    ran = swap("-l", "acc-2", "-e", "segment=core-a--acc-2", "--check")
    assert (ran.status, ran.verdict) == (0, "PASS"), ran.output
    assert "would be refused" in ran.output
    assert {name: fingerprint(name) for name in SWITCHES} == before
    assert RECORD.read_bytes() == record
    assert ran.incident is not None
    assert not list(ran.incident.glob("manual_steps/*")) + list(ran.incident.parent.glob(".fibre/*"))


def test_a_spare_that_lets_light_pass_one_way_only_is_refused() -> None:
    before, record = {name: fingerprint(name) for name in SWITCHES}, RECORD.read_text(encoding="utf-8")
    try:
        RECORD.write_text(re.sub(r"(acc-2-e2.*loss_db: )\[.*?\]", r"\1[null, 1.8]", record), encoding="utf-8")
        override = ("-e", "override=primary-alive", "-e", "override_by=tester")
        ran = swap("-l", "acc-2", "-e", "segment=core-a--acc-2", "-e", "spare=acc-2-e2", *override)
        assert (ran.status, ran.codes) == (4, {"spare-one-way"}), ran.output
    finally:
        RECORD.write_text(record, encoding="utf-8")
    assert {name: fingerprint(name) for name in SWITCHES} == before
