"""The workstation's log: ranges, gaps in service, the fault, and numbers that are never used twice."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.his import client, summary

START = datetime(2026, 11, 22, 1, 0, 0, tzinfo=UTC)


def attempt(seq: int, at_s: float, ok: bool = True, took_s: float = 0.005, **more: Any) -> summary.Attempt:
    """Return one line of the log that ended ``at_s`` seconds after START."""
    done = START + timedelta(seconds=at_s)
    return {
        "seq": seq,
        "kind": "charge",
        "sent": summary.iso(done - timedelta(seconds=took_s)),
        "done": summary.iso(done),
        "ok": ok,
        **more,
    }


def outage() -> list[summary.Attempt]:
    """Ten seconds of work at ten a second, away from second 3.0 to 7.05 (the first success)."""
    lines = []
    for number in range(100):
        at_s = number / 10 + 0.05
        lines.append(attempt(number + 1, at_s, ok=not 3.0 <= at_s < 7.0))
    return lines


@given(st.lists(st.integers(min_value=1, max_value=300)))
def test_ranges_hold_exactly_the_numbers(numbers: list[int]) -> None:
    found = summary.ranges(numbers)
    assert {number for first, last in found for number in range(first, last + 1)} == set(numbers)
    # as few ranges as possible, in order: between two of them at least one number is missing
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(found))


def test_gap_runs_from_last_to_next_acknowledgement() -> None:
    (gap,) = summary.gaps(outage(), START + timedelta(seconds=10))
    assert gap["start"] == "2026-11-22T01:00:02.950Z"
    assert gap["first_failure"] == "2026-11-22T01:00:03.045Z"
    assert gap["end"] == "2026-11-22T01:00:07.050Z"
    assert gap["seconds"] == pytest.approx(4.1)
    assert gap["failed"] == 40


def test_gap_still_open_counts_to_the_end() -> None:
    lines = [line for line in outage() if line["done"] < "2026-11-22T01:00:06"]
    (gap,) = summary.gaps(lines, START + timedelta(seconds=9))
    assert gap["end"] is None
    assert gap["seconds"] == pytest.approx(6.05)


def test_one_failed_attempt_amid_successes_is_no_gap() -> None:
    lines = [attempt(1, 0.0), attempt(2, 0.1, ok=False), attempt(3, 0.2)]
    assert summary.gaps(lines, START + timedelta(seconds=1)) == []


def test_quiet_time_without_refusals_is_no_gap() -> None:
    assert summary.gaps([attempt(1, 0.0), attempt(2, 30.0)], START + timedelta(seconds=31)) == []


def test_log_that_begins_in_an_outage() -> None:
    lines = [attempt(1, 1.0, ok=False), attempt(2, 4.0, ok=False), attempt(3, 5.0)]
    (gap,) = summary.gaps(lines, START + timedelta(seconds=6))
    assert gap["start"] == gap["first_failure"] == "2026-11-22T01:00:00.995Z"


def test_fault_is_when_the_first_failing_attempt_was_sent() -> None:
    # Frozen service: attempts hang for three seconds. One was under way before the last acknowledgement, which bounds the fault.
    lines = [attempt(2, 1.0), attempt(1, 3.9, ok=False, took_s=3.0), attempt(3, 4.2, ok=False, took_s=3.0), attempt(4, 5.0)]
    (gap,) = summary.gaps(lines, START + timedelta(seconds=6))
    assert gap["start"] == gap["first_failure"] == "2026-11-22T01:00:01.000Z"
    (gap,) = summary.gaps([lines[0], lines[2], lines[3]], START + timedelta(seconds=6))
    assert gap["first_failure"] == "2026-11-22T01:00:01.200Z"


def test_summary_of_an_outage() -> None:
    told = summary.summarise(outage(), "ward-1", None, START + timedelta(seconds=20))
    assert told["acknowledged"] == [[1, 30], [71, 100]]
    assert told["unknown"] == list(range(31, 71))
    assert told["totals"] == {"attempts": 100, "ok": 60, "failed": 40, "kinds": {"charge": 60}}
    assert told["fault"] == "2026-11-22T01:00:03.045Z"
    assert told["per_second"][2] == ["2026-11-22T01:00:02Z", 10, 0]
    assert told["per_second"][3] == ["2026-11-22T01:00:03Z", 0, 10]
    assert told["latency_ms"]["p50"] == 5.0
    json.dumps(told)


def test_fault_is_in_the_longest_gap() -> None:
    lines = [attempt(1, 0), attempt(2, 1, ok=False), attempt(3, 2), attempt(4, 10, ok=False), attempt(5, 20), attempt(6, 21)]
    told = summary.summarise(lines, "ward-1", None, START + timedelta(seconds=30))
    assert len(told["gaps"]) == 2
    assert told["fault"] == "2026-11-22T01:00:09.995Z"


def test_since_leaves_out_what_was_sent_before() -> None:
    told = summary.summarise(outage(), "ward-1", START + timedelta(seconds=8), START + timedelta(seconds=20))
    assert told["acknowledged"] == [[81, 100]]
    assert told["gaps"] == [] and told["fault"] is None


def test_probe_counts_as_acknowledged_but_not_as_steady_work() -> None:
    lines = [attempt(1, 0), attempt(2, 1, ok=False), attempt(3, 2, probe=True), attempt(4, 5)]
    told = summary.summarise(lines, "ward-1", None, START + timedelta(seconds=6))
    assert told["acknowledged"] == [[1, 1], [3, 4]]
    assert told["gaps"][0]["seconds"] == 5.0
    assert told["totals"]["attempts"] == 3


def test_summary_of_nothing() -> None:
    told = summary.summarise([], "ward-1", None, START)
    assert told["acknowledged"] == [] and told["latency_ms"]["p99"] is None and told["per_second"] == []


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.95, 4.0), (1.0, 4.0), (0.01, 1.0)])
def test_percentile_is_a_value_that_occurred(share: float, expected: float) -> None:
    assert summary.percentile([4.0, 1.0, 3.0, 2.0], share) == expected


def test_moment_reads_every_iso_form() -> None:
    assert summary.moment("2026-11-22T01:00:00Z") == summary.moment("2026-11-22T09:00:00+08:00") == summary.moment("2026-11-22T01:00:00")


def test_numbers_are_never_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "state" / "sequence"
    first, second = client.Sequence(path, 10), client.Sequence(path, 3)
    numbers = [taker.take() for taker in (first, second) * 15]
    restarted = client.Sequence(path, 10)
    numbers.append(restarted.take())
    assert len(set(numbers)) == len(numbers)
    assert numbers[-1] > max(numbers[:-1])


def test_torn_sequence_file_hands_out_no_old_number(tmp_path: Path) -> None:
    path = tmp_path / "sequence"
    client.Sequence(path, 10).take()
    with path.open("a") as file:
        file.write("2")  # a crash in the middle of writing 20
    assert client.Sequence(path, 10).take() == 11


def test_torn_log_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "acknowledged.jsonl"
    client.Log(path).write(attempt(1, 0))
    with path.open("a") as file:
        file.write('{"seq": 2, "ki')
    assert [one["seq"] for one in client.read_log(path)] == [1]


class _Application(BaseHTTPRequestHandler):
    """An application that commits, refuses or hangs up as the test says."""

    protocol_version = "HTTP/1.1"
    behaviour = "commit"

    def do_POST(self) -> None:
        """Answer as told."""
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.behaviour == "hang up":
            self.close_connection = True
            return
        status = 200 if self.behaviour == "commit" else 503
        body = json.dumps({"ok": status == 200, "error": "away"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_every_attempt_is_logged_with_its_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Application) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        log = tmp_path / "log.jsonl"
        station = client.Workstation(f"http://127.0.0.1:{server.server_port}", "ward-1", log, tmp_path / "sequence", 10)
        session = client.Session(station.server)
        for behaviour in ("commit", "refuse", "hang up", "commit"):
            monkeypatch.setattr(_Application, "behaviour", behaviour)
            if behaviour == "commit":
                station.attempt(session, "charge", {})
            else:
                with pytest.raises(client.ServiceError):
                    station.attempt(session, "charge", {})
        session.close()
        server.shutdown()
    lines = list(client.read_log(log))
    assert [(one["seq"], one["ok"]) for one in lines] == [(1, True), (2, False), (3, False), (4, True)]
    assert "503" in lines[1]["error"]


def test_probe_of_a_dead_service_fails_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--server", "http://127.0.0.1:9", "--log", str(tmp_path / "log"), "--sequence", str(tmp_path / "sequence")]
    assert client.main([*arguments, "probe", "--timeout", "2"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert "error" in told["steps"][-1]


def test_who_waits_for_the_service_takes_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.signal, "signal", lambda *_: None)  # the signals of this process are pytest's
    log = tmp_path / "log.jsonl"
    away = client.Workstation("http://127.0.0.1:9", "ward-1", log, tmp_path / "sequence", 100)  # nobody listens on port 9
    client.run(away, rate=40, threads=4, seed=1, seconds=3)
    tries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert not any(one["ok"] for one in tries)
    assert 4 <= len(tries) <= 4 + 3 / client.RETRY_S + 4, "each has tried once; then one attempt in RETRY_S, whoever makes it"
