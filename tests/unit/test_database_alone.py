"""Two steps of a recovery never work on one host at the same time, whoever started them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from recovery.database.alone import alone
from recovery.database.errors import RestoreError
from recovery.database.shell import Procedure


def test_a_second_step_waits_until_the_first_has_ended_and_says_so(tmp_path: Path) -> None:
    held, done = threading.Event(), []

    def first() -> None:
        with alone(tmp_path / "run" / "his.lock", Procedure()):
            held.set()
            time.sleep(0.3)
            done.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    held.wait()
    procedure = Procedure()
    with alone(tmp_path / "run" / "his.lock", procedure):
        done.append("second")
    thread.join()
    assert done == ["first", "second"]
    assert len(procedure.steps) == 1


def test_a_step_that_does_not_end_is_told_and_nothing_is_done(tmp_path: Path) -> None:
    with alone(tmp_path / "his.lock", Procedure()):
        with pytest.raises(RestoreError) as raised, alone(tmp_path / "his.lock", Procedure(), wait_s=0.1):
            pytest.fail("it went on beside the other")
        assert raised.value.code == "step-under-way"
        assert str(tmp_path / "his.lock") in str(raised.value)


def test_who_is_alone_says_nothing(tmp_path: Path) -> None:
    procedure = Procedure()
    with alone(tmp_path / "his.lock", procedure):
        assert procedure.steps == []
