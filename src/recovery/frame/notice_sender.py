"""Carry one notice to its channels: ``python -m recovery.frame.notice_sender``, the order on standard input, one JSON line a channel.

Delivered means: the service took it and said so. apprise takes every HTTP status 200 for success, but WeCom, DingTalk and Feishu
answer 200 to what they refuse and put their error into the body; so each reply is read. A board (a file) is read back.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

REPLY_LIMIT = 2000
REFUSALS = (("errcode", "errmsg"), ("StatusCode", "StatusMessage"), ("code", "msg"))
"""How the services say no: the key of a number that is not 0, and the key of the words."""


class Replies(threading.local):
    """What the services answered in this thread."""

    def __init__(self) -> None:
        """Start with none."""
        self.heard: list[tuple[int, str]] = []


def refusal(status: int, body: str) -> str:
    """Return in which words a service refused, or nothing if it did not."""
    if not 200 <= status < 300:
        return f"HTTP status {status}"
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(said, Mapping):
        return ""
    for number, words in REFUSALS:
        if said.get(number) not in (None, 0, "0"):
            return f"{number} {said[number]}: {said.get(words, '')}"
    return ""


def post(url: str, title: str, body: str, timeout_s: float, replies: Replies) -> tuple[bool, str]:
    """Send through apprise; return whether it was taken, and what was said."""
    import apprise

    asset = apprise.AppriseAsset(app_id="Hospital Recovery", app_desc="", secure_logging=True)
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        return False, "its address is none that apprise understands"
    service.socket_connect_timeout = service.socket_read_timeout = timeout_s
    service.request_rate_per_sec = 0
    taken = bool(service.notify(body=body, title=title, notify_type=apprise.NotifyType.INFO))
    refusals = [said for said in (refusal(*reply) for reply in replies.heard) if said]
    if refusals:
        return False, "the service refused it: " + "; ".join(refusals)
    if not taken:
        return False, "it could not be reached, or it refused"
    return True, "taken: " + ("; ".join(f"HTTP status {status}" for status, _ in replies.heard) or "the service accepted it")


def pin(path: Path, title: str, body: str) -> tuple[bool, str]:
    """Add to a board and read it back from the disk."""
    text = f"{title}\n{body}\n\n"
    try:
        with path.open("a", encoding="utf-8") as board:
            board.write(text)
            board.flush()
            os.fsync(board.fileno())
        there = path.read_text(encoding="utf-8").endswith(text)
    except OSError as error:
        return False, f"the board cannot be written: {error.strerror}"
    return there, "written and read back" if there else "what was read back is something else"


def main() -> int:
    """Send to every channel at once."""
    import requests

    order = json.load(sys.stdin)
    replies = Replies()
    send = requests.Session.send

    def listen(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        response = send(session, request, **options)
        replies.heard.append((response.status_code, response.text[:REPLY_LIMIT]))
        return response

    requests.Session.send = listen  # type: ignore[method-assign,assignment]

    def carry(channel: Mapping[str, str]) -> None:
        replies.heard = []
        try:
            if channel["file"]:
                delivered, said = pin(Path(channel["file"]), order["title"], order["body"])
            else:
                delivered, said = post(channel["url"], order["title"], order["body"], order["timeout_s"], replies)
        except Exception as error:  # one channel's trouble must not keep the others from being told
            delivered, said = False, f"the sender failed: {type(error).__name__}"
        sys.stdout.write(json.dumps({"channel": channel["name"], "delivered": delivered, "said": said}) + "\n")
        sys.stdout.flush()

    with ThreadPoolExecutor(len(order["channels"])) as pool:
        list(pool.map(carry, order["channels"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
