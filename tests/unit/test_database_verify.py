"""A proof passes only if everything that it announced has run: the verdict, the options, and the likeness at rest."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.database.verify_ledger import COULD_NOT_VERIFY, FAIL, PASS, TOLD_APART, Ledger
from recovery.database.verify_request import lsn, moment, request_from
from recovery.database.verify_storage import control_at_rest, crc32c

OUTCOMES = st.lists(st.sampled_from(["passed", "failed", "unverified", "lost"]), min_size=1, max_size=12)


@given(OUTCOMES)
def test_only_a_proof_whose_every_part_ran_and_passed_is_a_pass(outcomes: list[str]) -> None:
    ledger = Ledger()
    for number, outcome in enumerate(outcomes):
        code = f"check-{number % 3}"
        ledger.announce(code, f"Check {number % 3}")
        if outcome == "passed":
            ledger.passed(code)
        elif outcome == "failed":
            ledger.failed(code, f"Table t: row {number} is wrong.")
        elif outcome == "unverified":
            ledger.unverified(code, f"Part {number} could not be asked.")
    verdict, reason = ledger.verdict()
    expected = FAIL if "failed" in outcomes else PASS if set(outcomes) == {"passed"} else COULD_NOT_VERIFY
    assert verdict == expected
    assert reason


def test_a_proof_that_checked_nothing_is_no_pass() -> None:
    assert Ledger().verdict()[0] == COULD_NOT_VERIFY


def test_a_part_that_nobody_reported_on_is_named() -> None:
    ledger = Ledger()
    ledger.announce("indexes", "Every index is well formed", 3)
    ledger.passed("indexes", 2)
    assert ledger.verdict() == (COULD_NOT_VERIFY, "Every index is well formed: 1 of 3 parts were not carried out")


def test_a_thousand_failures_are_counted_and_not_all_told() -> None:
    ledger = Ledger()
    ledger.announce("foreign-keys", "Every row finds its parent", 1000)
    for number in range(1000):
        ledger.failed("foreign-keys", f"row {number}")
    assert len(ledger.findings) == TOLD_APART
    assert ledger.verdict() == (FAIL, "row 0 (1000 failures in 1 checks)")


def test_every_check_that_failed_is_told_on_a_line_of_its_own() -> None:
    ledger = Ledger()
    for code in ("page-checksums", "acknowledged-transactions"):
        ledger.announce(code, f"About {code}")
        ledger.failed(code, f"{code} are wrong.")
    assert ledger.verdict() == (FAIL, "page-checksums are wrong.\nacknowledged-transactions are wrong. (2 failures in 2 checks)")


def test_crc32c_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value that the polynomial's catalogue gives


def control(state: int, size: int = 288) -> bytes:
    """Return a control file of the right form: state at offset 16, its CRC behind the fields."""
    fields = bytearray(range(256)) * 2
    fields[16:20] = struct.pack("<I", state)
    body = bytes(fields[:size])
    return (body + struct.pack("<I", crc32c(body))).ljust(8192, b"\0")


def test_the_likeness_of_a_running_cluster_is_at_rest() -> None:
    assert control_at_rest(control(6)) == control(1)


def test_a_damaged_control_file_is_refused() -> None:
    broken = bytearray(control(6))
    broken[40] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        control_at_rest(bytes(broken))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_positions_in_the_log_are_read(high: int, low: int) -> None:
    assert lsn(f"{high:X}/{low:X}") == (high << 32) + low


@pytest.mark.parametrize("text", ["yesterday", "2026-11-21T02:00:00", "2026-13-01T00:00:00Z"])
def test_a_time_without_a_zone_or_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it as"):
        moment(text)


def test_options_become_a_request() -> None:
    gap = {"start": "2026-11-21T03:25:09Z", "first_failure": "2026-11-21T03:25:10Z", "end": None, "seconds": 9.0}
    request = request_from(
        {
            "depth": "full",
            "critical_tables": [{"name": "charge", "key": "id"}, "visit"],
            "client_summaries": [{"workstation": "ward-1", "acknowledged": [[1, 4]], "unknown": [5], "gaps": [gap]}],
            "target_time": "2026-11-21T03:25:00+08:00",
        }
    )
    assert request.full
    assert request.critical_tables == ("charge", "visit")
    assert request.acknowledged == {"ward-1": {"ranges": [[1, 4]], "unknown": [5]}}
    assert request.target_time is not None
    assert request.target_time.utcoffset() is not None


def test_a_position_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="0/3000148"):
        request_from({"expected_end_lsn": "somewhere"})
