"""Notices to the people of the hospital: through which channels, and who was really reached.

A channel carries a notice to one audience (a department). An audience is told when one of its channels has taken the notice; what that
means is the sender's business (`recovery.frame.notice_sender`), which runs as a process of its own: bounded in time, in the network that
the inventory names, and with addresses, which may hold tokens, on its standard input only.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SENDER = "recovery.frame.notice_sender"
STARTING_S = 5


class NoticeError(Exception):
    """The inventory's description of the channels makes no sense; cause and remedy in a sentence."""


@dataclass(frozen=True)
class Channel:
    """One way to an audience: ``url`` as apprise writes it, or ``file``, a board that is read elsewhere."""

    name: str
    audience: Mapping[str, str]
    url: str = ""
    file: str = ""


@dataclass(frozen=True)
class Outcome:
    """Whether a channel took the notice, and what was said."""

    channel: str
    audience: Mapping[str, str]
    delivered: bool
    said: str


def read_channels(given: Sequence[Any]) -> list[Channel]:
    """Read the inventory's list. Raises NoticeError; its text never shows an address."""
    channels = []
    for number, entry in enumerate(given, 1):
        audience = entry.get("audience") if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or not entry.get("name") or not isinstance(audience, Mapping):
            raise NoticeError(f"Channel {number} of notice_channels needs a name and an audience {{zh, en}}.")
        if not {"zh", "en"} <= set(audience) or bool(entry.get("url")) == bool(entry.get("file")):
            raise NoticeError(f"The channel {entry['name']} needs its audience in zh and en, and either a url or a file.")
        named = {str(key): str(value) for key, value in audience.items()}
        channels.append(Channel(str(entry["name"]), named, str(entry.get("url") or ""), str(entry.get("file") or "")))
    if len({channel.name for channel in channels}) != len(channels):
        raise NoticeError("Two channels of notice_channels have the same name.")
    return channels


def deliver(channels: Sequence[Channel], title: str, body: str, *, via: Sequence[str] = (), timeout_s: float = 15) -> list[Outcome]:
    """Send a notice through every channel at the same time; return what came of each, in their order.

    ``via`` is put before the sender's command, where another network or another user is needed to reach the channels.
    """
    if not channels:
        return []
    order = {"title": title, "body": body, "timeout_s": timeout_s, "channels": [vars(channel) | {"audience": ""} for channel in channels]}
    command = [*via, sys.executable, "-m", SENDER]
    answers: dict[str, Mapping[str, Any]] = {}
    try:
        done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, timeout=timeout_s + STARTING_S, check=False)
        problem = f"the sender ended with status {done.returncode}: {done.stderr.strip()[-300:]}"
        answers = {str(one["channel"]): one for one in map(json.loads, done.stdout.splitlines())}
    except subprocess.TimeoutExpired:
        problem = f"no answer within {timeout_s:g} s"
    except (OSError, ValueError, KeyError) as error:
        problem = f"the sender could not be run: {error}"
    unknown = {"delivered": False, "said": problem}
    found = [(channel, answers.get(channel.name, unknown)) for channel in channels]
    return [Outcome(channel.name, channel.audience, bool(one["delivered"]), str(one["said"])) for channel, one in found]


def not_told(outcomes: Sequence[Outcome]) -> list[Mapping[str, str]]:
    """Return the audiences that no channel reached."""
    told = {outcome.audience["en"] for outcome in outcomes if outcome.delivered}
    left = {outcome.audience["en"]: outcome.audience for outcome in outcomes if outcome.audience["en"] not in told}
    return list(left.values())
