"""Notices: an audience counts as told only when one of its channels has said so itself."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from recovery.frame.files import local_time
from recovery.frame.notice import Channel, NoticeError, Outcome, deliver, not_told, read_channels
from recovery.frame.notice_sender import refusal

WARDS, PHARMACY = {"zh": "病区", "en": "wards"}, {"zh": "药房", "en": "pharmacy"}


@contextmanager
def receiver(answer: dict[str, Any], status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve on loopback; give its address as apprise writes it and what it received."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/", received
    finally:
        server.shutdown()
        server.server_close()


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_notice_reaches_its_receiver_whole() -> None:
    with receiver({"ok": True}) as (url, received):
        (outcome,) = deliver([Channel("ward", WARDS, url)], "系统已恢复", "请补录。\nNothing is lost.")
    assert outcome.delivered, outcome.said
    assert (received[0]["title"], received[0]["message"]) == ("系统已恢复", "请补录。\nNothing is lost.")


def test_a_service_that_answers_200_and_refuses_in_the_body_has_not_delivered() -> None:
    with receiver({"errcode": 93000, "errmsg": "invalid webhook url"}) as (url, received):
        (outcome,) = deliver([Channel("ward", WARDS, url)], "t", "b")
    assert received
    assert not outcome.delivered
    assert "93000" in outcome.said and "invalid webhook url" in outcome.said


def test_one_dead_channel_does_not_keep_another_from_being_told(tmp_path: Path) -> None:
    board = tmp_path / "board.txt"
    dead = Channel("pharmacy", PHARMACY, f"json://127.0.0.1:{closed_port()}/")
    outcomes = deliver([dead, Channel("board", WARDS, file=str(board))], "title", "body", timeout_s=3)
    assert [outcome.delivered for outcome in outcomes] == [False, True]
    assert board.read_text(encoding="utf-8").startswith("title\nbody\n")
    assert not_told(outcomes) == [PHARMACY]


def test_a_sender_that_cannot_be_run_delivers_nothing_and_says_why() -> None:
    (outcome,) = deliver([Channel("ward", WARDS, "json://127.0.0.1/")], "t", "b", via=["/nonexistent/nsenter"])
    assert not outcome.delivered
    assert "could not be run" in outcome.said


def test_a_board_that_cannot_be_written_is_not_told(tmp_path: Path) -> None:
    (outcome,) = deliver([Channel("board", WARDS, file=str(tmp_path / "missing" / "board.txt"))], "t", "b")
    assert not outcome.delivered
    assert os.strerror(2) in outcome.said


def test_an_audience_is_told_by_any_of_its_channels() -> None:
    outcomes = [Outcome("mail", WARDS, False, ""), Outcome("chat", WARDS, True, ""), Outcome("phone", PHARMACY, False, "")]
    assert not_told(outcomes) == [PHARMACY]


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        (200, '{"errcode":0,"errmsg":"ok"}', False),
        (200, '{"errcode":310000,"errmsg":"sign not match"}', True),
        (200, '{"StatusCode":0,"StatusMessage":"success","code":0}', False),
        (200, '{"code":19021,"msg":"sign match fail"}', True),
        (200, "thanks", False),
        (204, "", False),
        (302, "", True),
        (500, '{"errcode":0}', True),
    ],
)
def test_what_a_service_answers_is_read(status: int, body: str, refused: bool) -> None:
    assert bool(refusal(status, body)) is refused


@pytest.mark.parametrize(
    "channel",
    [
        "mailto://somewhere",
        {"audience": WARDS, "url": "json://x"},
        {"name": "a", "audience": {"en": "wards"}, "url": "json://x"},
        {"name": "a", "audience": WARDS},
        {"name": "a", "audience": WARDS, "url": "json://x", "file": "/x"},
    ],
)
def test_a_channel_that_is_not_described_is_refused_without_showing_its_address(channel: Any) -> None:
    with pytest.raises(NoticeError) as raised:
        read_channels([channel])
    assert "json://" not in str(raised.value) and "mailto:" not in str(raised.value)


def test_times_are_told_by_the_clock_on_the_wall() -> None:
    assert local_time("2026-11-21T19:25:00.500Z", "Asia/Shanghai") == "2026-11-22 03:25:00"
    assert local_time("") == ""
