"""What a switch answered, and what went wrong while talking to it: each a sentence with cause, remedy and alternative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recovery.findings import Finding


@dataclass(frozen=True)
class Answer:
    """One line that was sent, and what came back (without the echo and the prompt, secrets taken out). ``took_s``: seconds."""

    line: str
    text: str = ""
    rejected: bool = False
    took_s: float = 0.0


class SwitchError(Exception):
    """Something that a person must know of one switch. ``code`` is what tests match and what an override names."""

    code = "switch-error"
    why = ""
    remedy = ""
    alternative = ""

    def __init__(self, message: str, *, why: str = "", remedy: str = "", alternative: str = "") -> None:
        """Take the sentence about this case; what is said of every such case stands with the class."""
        super().__init__(message)
        self.message = message
        self.why, self.remedy, self.alternative = why or self.why, remedy or self.remedy, alternative or self.alternative

    def finding(self, severity: str = "stop") -> Finding:
        """Return it as a finding."""
        return Finding(self.code, severity, self.message, self.why, self.remedy, self.alternative)


class UnreachableError(SwitchError):
    """Nobody answers at the address."""

    code = "switch-unreachable"
    remedy = "Look whether it has power and whether its management address answers from elsewhere."
    alternative = "Go in by its other management path: -e network_management=oob or inband."


class HostKeyMissingError(SwitchError):
    """No host key is on file: whoever answers cannot be told from the switch."""

    code = "host-key-missing"
    why = "A password sent to whoever answers is a password given away."
    remedy = (
        "Read the key at the switch's console, compare it, and put it into the inventory's network/known_hosts under the switch's name."
    )


class HostKeyChangedError(SwitchError):
    """Another host key than the one on file: another box, a factory reset, or somebody in between."""

    code = "host-key-changed"
    why = "Either this is another box, or its keys were made anew, or somebody stands in between."
    remedy = "Find out which at the switch's console; only then replace the line in the inventory's network/known_hosts."


class WrongCredentialsError(SwitchError):
    """The account was refused; it is not tried again, since switches lock accounts."""

    code = "switch-credentials"
    why = "It was tried once and is not tried again: switches lock an account after a few wrong passwords."
    remedy = "Correct network_user and network_password (or network_enable_secret) in the inventory's vault."
    alternative = "Use the account for emergencies: -e network_user=NAME, its password in the vault."


class SessionLostError(SwitchError):
    """The connection broke while something was under way."""

    code = "session-lost"
    why = "What was sent before is in the running configuration, unless the switch keeps changes back until they are committed."
    remedy = "Look at the running configuration before anything else; run the same runbook again, it goes on from what it finds."


class NoAnswerError(SwitchError):
    """The switch took a line and did not come back with its prompt in time."""

    code = "switch-no-answer"
    why = "A command line that hangs may belong to a switch that still forwards."
    remedy = "Look from another side (ping, its neighbours, its console)."


class PagedError(SwitchError):
    """The answer stopped at a pager: what is there is a part of it."""

    code = "answer-paged"
    why = "A paged answer is a part of the answer."
    remedy = "Allow the account to switch paging off for its session (screen-length, terminal length)."


class QuestionError(SwitchError):
    """The switch asked something that nobody here may answer."""

    code = "switch-asked"
    why = "A question that was not foreseen is answered by nobody: the line counts as rejected."


class NotSupportedError(SwitchError):
    """This platform has no such thing."""

    code = "not-on-this-platform"


class RejectedError(SwitchError):
    """A line that the switch did not accept. ``answers`` holds every line up to and with it."""

    code = "line-rejected"
    remedy = "Correct the model or the template of this platform; the lines before it were accepted."

    def __init__(self, message: str, answers: Sequence[Answer], **words: str) -> None:
        """Take the sentence and everything that was answered."""
        super().__init__(message, **words)
        self.answers = list(answers)

    @property
    def answer(self) -> Answer:
        """Return the line that was rejected, with what the switch said to it."""
        return self.answers[-1]
