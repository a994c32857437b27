"""After the disaster: it really happened, seen from where people sit."""

from __future__ import annotations

import pytest
from hospital import WORKSTATIONS, host
from laboratory import DATA, answers, probe


def test_the_database_is_gone() -> None:
    assert not answers()
    assert not host("lis-db").file(f"{DATA}/ibdata1").exists


@pytest.mark.parametrize("workstation", WORKSTATIONS)
def test_no_ward_can_work(workstation: str) -> None:
    assert probe(workstation)
