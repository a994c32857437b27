"""Outages and workload: the figures of the report, from milestones and from what the workstations logged."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.report.builder import START, Builder, client_summary, iso, recovery
from recovery.report import page, plot
from recovery.report.incident import read
from recovery.report.outage import outages
from recovery.report.plan import Plan
from recovery.report.text import Words
from recovery.report.workload import Client, read_clients, series


def rendered(directory: Path) -> str:
    return page.html(read(directory), Words("en"), Plan({}, None, ()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("whole") / "2026-11-21-01"
    recovery(directory)
    return directory


# ---- outages


def outage_of(tmp_path: Path, *steps: tuple[str, int]) -> list[float | None]:
    build = Builder(tmp_path)
    build.begin()
    for name, second in steps:
        if name == "play":
            build.play(second, "VERIFY", "Prove")
        else:
            build.milestone(name, START + timedelta(seconds=second))
    return [outage.rto_s for outage in outages(read(tmp_path))]


def test_a_fault_found_out_after_the_start_belongs_to_the_same_outage(tmp_path: Path) -> None:
    assert outage_of(tmp_path, ("system_up", 50), ("fault", 0), ("service_proven", 60)) == [60]


def test_a_proof_repeated_later_neither_prolongs_nor_begins_an_outage(tmp_path: Path) -> None:
    steps = [("play", 5), ("system_up", 50), ("fault", 0), ("service_proven", 60), ("play", 6), ("fault", 0), ("service_proven", 500)]
    assert outage_of(tmp_path, *steps) == [60]


def test_the_service_is_proven_when_the_last_workstation_of_the_proof_works(tmp_path: Path) -> None:
    assert outage_of(tmp_path, ("play", 5), ("fault", 0), ("service_proven", 60), ("service_proven", 64)) == [64]


def test_a_second_fault_after_the_proof_is_a_second_outage(tmp_path: Path) -> None:
    steps = [("fault", 0), ("service_proven", 60), ("recovery_started", 210), ("fault", 200), ("service_proven", 230)]
    assert outage_of(tmp_path, *steps) == [60, 30]


def test_times_against_the_order_give_no_recovery_time_and_no_bar(tmp_path: Path) -> None:
    assert outage_of(tmp_path, ("fault", 100), ("service_proven", 60)) == [None]
    assert "contradict the order" in rendered(tmp_path)


def test_segments_name_the_milestones_that_are_missing_between(tmp_path: Path) -> None:
    outage_of(tmp_path, ("fault", 0), ("recovery_started", 40), ("service_proven", 60))
    (outage,) = outages(read(tmp_path))
    assert [(segment.seconds, segment.skipped) for segment in outage.segments] == [(40, ("detected", "declared")), (20, ("system_up",))]
    assert sum(segment.seconds for segment in outage.segments) == outage.rto_s


# ---- the workload


@pytest.mark.parametrize("module", ["client_log", "service_probe"])
def test_the_summary_that_the_workloads_client_prints_is_read(tmp_path: Path, module: str) -> None:
    from lab.his.summary import summarise

    begin = START
    attempts = []
    for count in range(600):
        sent = begin + timedelta(milliseconds=100 * count)
        attempts.append({"seq": count, "kind": "charge", "sent": iso(sent), "done": iso(sent + timedelta(milliseconds=20)),
                         "ok": not 200 <= count < 350})  # fmt: skip
    summary = summarise(attempts, "ward-1", None, begin + timedelta(seconds=60))
    build = Builder(tmp_path)
    build.begin()
    content = json.dumps({"results": [{"item": "ward-1", "summary": summary}]}).encode()
    build.add("task", name="Read what the users saw", result="ok", data={"action": module}, attach=(("result.json", content),))
    clients, unreadable = read_clients(read(tmp_path))
    assert unreadable == []
    (client,) = clients
    assert (client.host, client.acknowledged, client.failed) == ("ward-1", 450, 150)
    assert client.longest is not None and client.longest.seconds == summary["gaps"][0]["seconds"]
    data = series(clients, None)
    assert data is not None and (sum(data.acknowledged), sum(data.failed)) == (450, 150)


def test_a_later_log_of_a_workstation_replaces_the_one_it_covers(tmp_path: Path) -> None:
    build = Builder(tmp_path)
    build.begin()
    for seconds in (60, 120):
        attach = (("client-summary-ward-1.json", client_summary("ward-1", START, seconds, (20, 30), 1)),)
        build.add("note", data={"kind": "client-summary"}, attach=attach)
    (client,), _ = read_clients(read(tmp_path))
    assert len(client.per_second) == 120


def test_measured_gaps_stand_in_for_a_log_that_is_not_there(tmp_path: Path) -> None:
    build = Builder(tmp_path)
    build.begin()
    gap = {"start": iso(START), "end": iso(START + timedelta(seconds=13)), "seconds": 13.0, "failed": 7}
    build.add("measured", data={"service_gaps": {"ward-1": gap}})
    (client,), _ = read_clients(read(tmp_path))
    assert client.longest is not None and client.longest.seconds == 13
    assert client.acknowledged is None
    assert "The workload logs hold no counts per second" in rendered(tmp_path)


def test_columns_of_the_plot_keep_every_transaction(whole: Path) -> None:
    clients, _ = read_clients(read(whole))
    total = sum(row[1] for client in clients for row in client.per_second)
    for columns in (7, 100, 5000):
        data = series(clients, None, columns)
        assert data is not None
        assert sum(data.acknowledged) == total
        assert len(data.acknowledged) <= columns


def test_the_plot_has_a_text_for_those_who_cannot_see_it(whole: Path) -> None:
    labels = re.findall(r'<svg [^>]*aria-label="([^"]*)"', rendered(whole))
    assert len(labels) == 4  # the bar and the plot, each for paper and for a phone
    assert any("acknowledged" in label and "failed" in label for label in labels)


@pytest.mark.parametrize("top", [0.1, 1, 3, 7, 19, 20, 999, 12345])
def test_axis_steps_are_round_and_few(top: float) -> None:
    step = plot.nice_step(top)
    assert top / step <= 4
    assert str(step)[0] in "125"


@pytest.mark.parametrize("span", [1, 59, 600, 86400, 40 * 86400])
def test_time_ticks_are_few(span: int) -> None:
    assert 1 <= len(plot.time_ticks(1_763_690_401, 1_763_690_401 + span, 6)) <= 8


def test_the_plot_ends_where_the_first_log_of_a_round_was_read() -> None:
    def client(name: str, last: int) -> Client:
        return Client(name, "", None, None, (), tuple((second, 4, 0) for second in range(100, last + 1)))

    together = series([client("ward-1", 140), client("or-1", 143)], None)
    assert together is not None and together.acknowledged == (8,) * 41, "no workstation seems to slow down because it was asked first"
    stopped = series([client("ward-1", 120), client("or-1", 143)], None)
    assert stopped is not None and stopped.acknowledged == (8,) * 21 + (4,) * 23, "one that stopped long before is seen to have stopped"
