"""Scenarios run side by side: each has a lab and incidents of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from support.project import PROJECT, load, short

SCENARIOS = sorted((PROJECT / "molecule").glob("*/molecule.yml"))


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 4


def test_no_two_scenarios_share_a_lab() -> None:
    names = Counter(load(path)["ansible"]["env"]["LAB_NAME"] for path in SCENARIOS)
    assert [name for name, number in names.items() if number > 1] == []
    tests = " ".join(path.read_text(encoding="utf-8") for path in (PROJECT / "tests" / "integration").glob("*.py"))
    assert [name for name in names if f'"{name}"' in tests] == []


@pytest.mark.parametrize("path", SCENARIOS, ids=short)
def test_a_scenario_keeps_its_incidents_in_its_own_directory(path: Path) -> None:
    environment = load(path)["ansible"]["env"]
    assert environment["RECOVERY_INCIDENTS"].startswith("${MOLECULE_EPHEMERAL_DIRECTORY}/")


@pytest.mark.parametrize("path", SCENARIOS, ids=short)
def test_a_scenario_takes_its_hospital_away(path: Path) -> None:
    sequence = load(path)["scenario"]["test_sequence"]
    assert sequence[0] == sequence[-1] == "destroy"
