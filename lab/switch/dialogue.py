"""Questions that a command asks before it does something, as the grammar words them."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.switch.session import Session


@dataclass(frozen=True)
class Ask:
    """A question to the person at the keyboard; `echo` is false for passwords, one `key` answers a [confirm]."""

    text: str
    echo: bool = True
    key: bool = False


Answering = Generator[Ask, str, str]


def hold(session: Session, name: str) -> Answering:
    """Go through a dialogue: its steps ask, do, and say."""
    said = ""
    for step in session.data["dialogues"][name]:
        if "if" in step and not CONDITIONS[step["if"]](session):
            continue
        if "ask" in step:
            answer = yield from _asked(step, said)
            said = ""
            if not re.fullmatch(step.get("agree", "y|yes"), answer.strip(), re.IGNORECASE):
                if "stop" in step:
                    return str(step["stop"])
                continue
            if "do_yes" in step:
                DEEDS[step["do_yes"]](session)
        if "do" in step:
            DEEDS[step["do"]](session)
        said += str(step.get("say", "")).format(config=len(session.switch.text(session.switch.running)))
    return said


def _asked(step: Mapping[str, Any], said: str) -> Answering:
    """Ask until the answer is one of those that are understood."""
    text = said + str(step["ask"])
    while True:
        answer = yield Ask(text, key=bool(step.get("key")))
        if "understood" not in step or re.fullmatch(step["understood"], answer.strip(), re.IGNORECASE):
            return answer
        text = str(step.get("again", step["ask"]))


def modified(session: Session) -> bool:
    """Say whether the running configuration is another than the stored one."""
    return session.switch.saved_text is None or session.switch.saved_text != session.switch.text(session.switch.running)


def _reboot(session: Session) -> None:
    session.closed = True
    session.switch.reboot()


CONDITIONS: dict[str, Callable[[Session], bool]] = {
    "modified": modified,
    "saved_before": lambda session: session.switch.saved_text is not None,
}
DEEDS: dict[str, Callable[[Session], None]] = {
    "save": lambda session: session.switch.save(),
    "erase": lambda session: session.switch.erase(),
    "reboot": _reboot,
}
