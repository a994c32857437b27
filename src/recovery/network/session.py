"""One session with one switch: ask, change, commit, save; every line with what the switch answered to it (RCV-3, BKP-6).

Every read waits for one of a few patterns that the platform's ``talk.yml`` gives: the prompt with the switch's own name, a pager, a
question. So nothing is waited for in vain, nothing is cut off in silence, and a line that is not accepted is never passed over.
"""

from __future__ import annotations

import codecs
import contextlib
import math
import re
import time
from collections.abc import Iterable, Sequence
from types import TracebackType

from recovery.network.answers import (
    Answer,
    NoAnswerError,
    NotSupportedError,
    PagedError,
    QuestionError,
    RejectedError,
    SessionLostError,
    WrongCredentialsError,
)
from recovery.network.connection import CONNECT_S, Line
from recovery.network.device import Device
from recovery.network.scrub_network import hide
from recovery.network.talk import Talk, talk

IDLE_S = 20.0
"""A switch that says nothing for so long does not answer any more."""
TAIL = 400
"""A prompt or a question stands in the last so many characters."""


class Session:
    """An open session. Use it as a context manager; ``deadline_s`` bounds all of it, ``idle_s`` each silence, ``connect_s`` the first."""

    def __init__(self, device: Device, *, idle_s: float = IDLE_S, deadline_s: float = 600.0, connect_s: float = CONNECT_S) -> None:
        """Log in and prepare the session. Raises SwitchError."""
        self.device = device
        self.talk: Talk = talk(device.platform)
        self._idle_s = idle_s
        self._deadline = time.monotonic() + deadline_s
        self._decoder = codecs.getincrementaldecoder(device.encoding)(errors="replace")
        self._names: tuple[str, ...] = ()
        self._left = ""  # read beyond what was waited for
        self.armed = False
        self._line = Line(device, connect_s)
        try:
            self._log_in()
        except BaseException:
            self._line.close()
            raise

    def __enter__(self) -> Session:
        """Return the session."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hang up; what was changed and not committed is given up."""
        self.close()

    def close(self) -> None:
        """Hang up. What is not committed is given up, what is not saved stays until the next restart."""
        self._line.close()

    @property
    def hostname(self) -> str:
        """Return the name in the prompt: what the switch calls itself, cut off where the platform does."""
        return self._names[0]

    # -- reading and writing

    def _receive(self, idle_s: float) -> str:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise NoAnswerError(f"{self.device.name} was given all the time it may take, and has not finished.")
        self._line.channel.settimeout(min(idle_s, left))
        try:
            raw = self._line.channel.recv(65536)
        except TimeoutError:
            if left <= idle_s:
                raise NoAnswerError(f"{self.device.name} was given all the time it may take, and has not finished.") from None
            raise NoAnswerError(f"{self.device.name} has said nothing for {idle_s:.0f} s.") from None
        except OSError as error:
            raise SessionLostError(f"The session with {self.device.name} was lost: {error}.") from error
        if not raw:
            raise SessionLostError(f"{self.device.name} has ended the session.")
        text = self._decoder.decode(raw)
        if "\x1b" in text:
            text = self._line.driver.strip_ansi_escape_codes(text)
        return text

    def _send(self, text: str) -> None:
        try:
            self._line.channel.sendall((text + "\n").encode(self.device.encoding, "replace"))
        except OSError as error:
            raise SessionLostError(f"The session with {self.device.name} was lost: {error}.") from error

    def _read(self, prompt: re.Pattern[str], echo: str = "", idle_s: float = 0.0) -> str:
        """Read up to the prompt; return what stands between the echo of the command and it. Answers the platform's own questions."""
        said, searched = self._left, 0
        self._left = ""
        while True:
            start = max(said.find(echo, 0, len(echo) + TAIL), 0) + len(echo) if echo else 0
            tail_at = max(start, len(said) - TAIL)
            # A prompt counts once the command has come back: the one before it may still be on its way.
            if not echo or echo in said[: len(echo) + TAIL]:
                tail = said[tail_at:]
                found = prompt.search(tail)
                if found:
                    self.prompt = found.group(0).strip()
                    return _text(said[start : tail_at + found.start()])
                if self.talk.pager.search(tail):
                    self._line.channel.sendall(b"q")
                    raise PagedError(f"{self.device.name} shows its answer page by page, though paging was switched off for this session.")
                answer = self._answer(said[max(start, searched) :])
                if answer is not None:
                    searched = len(said)
                    self._send(answer)
            said += self._receive(idle_s or self._idle_s).replace("\r\n", "\n").replace("\r", "\n")

    def _answer(self, said: str) -> str | None:
        """Return what a question is answered with. Raises QuestionError for one that nobody may answer."""
        for question in self.talk.questions:
            if question.asks.search(said[-TAIL:]):
                return question.answer
        if self.talk.unknown_question.search(said[-TAIL:]):
            asked = _text(said).splitlines()[-1] if _text(said) else ""
            self._line.channel.sendall(b"\x03")
            raise QuestionError(f"{self.device.name} asks: {self._hidden(asked)}")
        return None

    def _hidden(self, text: str) -> str:
        return hide(text, self.talk.secrets)

    def _log_in(self) -> None:
        self._read(self.talk.prompt_of())
        self._names = (self.talk.name_in(self.prompt) or self.device.expected,)
        if self.talk.enable and self.prompt.endswith(">"):
            self._enable()
        for line in self.talk.prepare:
            answer = self._say(line)
            if answer.rejected:
                raise PagedError(f"{self.device.name} does not accept {line!r}: {answer.text}")

    def _enable(self) -> None:
        """Become privileged; the secret is sent without an echo, once."""
        self._send(self.talk.enable)
        wanted = re.compile(rf"(?:[Pp]assword\s*:\s*\Z)|(?:{self._prompt().pattern})")
        self._read(wanted, self.talk.enable)
        if not self.prompt.endswith("#"):
            self._send(self.device.enable_secret)
            self._read(wanted)
        if not self.prompt.endswith("#"):
            raise WrongCredentialsError(f"{self.device.name} refused the enable secret of {self.device.user}.")

    def _prompt(self) -> re.Pattern[str]:
        return self.talk.prompt_of(*self._names)

    def _say(self, line: str, idle_s: float = 0.0, prompt: re.Pattern[str] | None = None) -> Answer:
        began = time.monotonic()
        self._send(line)
        text = self._read(prompt or self._prompt(), line.strip(), idle_s)
        return Answer(self._hidden(line), self._hidden(text), self.talk.rejected(text), round(time.monotonic() - began, 3))

    # -- asking

    def show(self, command: str, *, idle_s: float = 0.0) -> str:
        """Return what the switch answers to a command, whole and as it is (with its secrets). Raises RejectedError, PagedError."""
        if self.in_configuration:
            self._leave()
        self._send(command)
        text = self._read(self._prompt(), command.strip(), idle_s)
        head = "\n".join(text.splitlines()[:4])
        if self.talk.rejected(head):
            answer = Answer(self._hidden(command), self._hidden(head), True)
            raise RejectedError(f"{self.device.name} does not accept {answer.line!r}: {answer.text}", [answer])
        return text

    def running(self) -> str:
        """Return the running configuration as the switch shows it."""
        return self.show(self.talk.running)

    def startup(self) -> str:
        """Return the configuration that the switch starts with; empty where it has none."""
        try:
            text = self.show(self.talk.startup)
        except RejectedError as error:
            if self.talk.startup_none.search(error.answer.text):
                return ""
            raise
        return "" if self.talk.startup_none.search(text[:400]) else text

    # -- changing

    @property
    def in_configuration(self) -> bool:
        """Say whether the session stands in a view in which lines change the switch."""
        return bool(self.talk.view.search(self.prompt))

    def configure(self, lines: Iterable[str], *, commit: bool = True, trial_s: float = 0.0) -> list[Answer]:
        """Send lines that change the switch, each after the answer to the one before; return every line with its answer.

        The first line that is not accepted ends it: RejectedError names it, what keeps changes back until a commit is given up, and
        everything else is the caller's to undo. ``trial_s``: the switch undoes the change by itself unless `confirm` comes in time.
        """
        wanted = [line.rstrip() for line in lines if line.strip()]
        answers: list[Answer] = []
        if not wanted:
            return answers
        trial = self._trial(trial_s) if trial_s else {}
        if not self.in_configuration:
            self._must(trial.get("enter", self.talk.enter))
            self.armed = self.armed or "enter" in trial
        for line in wanted:
            self._change(line, answers, len(wanted))
        if self.talk.commit and commit:
            answers.append(self._commit(trial.get("commit", self.talk.commit), answers))
            self.armed = "commit" in trial
        if self.in_configuration and (commit or not self.talk.commit):
            self._leave()
        return answers

    def _change(self, line: str, answers: list[Answer], of: int = 0) -> None:
        renamed = self.talk.rename.search(line)
        prompt = None
        if renamed:
            new = renamed.groupdict().get("name")
            self._names = (*self._names[:1], new) if new else ()
            prompt = self._prompt()
        try:
            answer = self._say(line, prompt=prompt)
        except QuestionError as error:
            answers.append(Answer(self._hidden(line), error.message, True))
            self._read(self._prompt())
            self._reject(answers, of)
        except (SessionLostError, NoAnswerError) as error:
            at = f"line {len(answers) + 1} of {of}, {self._hidden(line)!r}" if of else repr(self._hidden(line))
            raise type(error)(f"{error.message} It was at {at}.") from error
        else:
            answers.append(answer)
            if answer.rejected:
                self._reject(answers, of)
        if renamed and not self.talk.commit:
            self._names = (renamed.groupdict().get("name") or self.talk.name_in(self.prompt) or self.device.expected,)

    def _reject(self, answers: list[Answer], of: int) -> None:
        """Tell which line was not accepted, after giving up what the switch has kept back."""
        last = answers[-1]
        given_up = ""
        if self.talk.commit and of:
            self.abandon()
            given_up = " Nothing of it was committed, and the switch has given it up."
        elif of and self.in_configuration:
            self._leave()
        at = f"line {len(answers)} of {of}" if of else "the line"
        raise RejectedError(f"{self.device.name} did not accept {at}, {last.line!r}: {_one_line(last.text)}.{given_up}", answers)

    def _commit(self, command: str, before: Sequence[Answer]) -> Answer:
        answer = self._say(command, self.talk.save_timeout_s)
        if answer.rejected:
            self.abandon()
            raise RejectedError(f"{self.device.name} did not commit: {_one_line(answer.text)}. The change was given up.", [*before, answer])
        return answer

    def commit(self) -> None:
        """Let kept-back changes take effect; does nothing on a platform where every line does so at once."""
        if self.talk.commit:
            if not self.in_configuration:
                self._must(self.talk.enter)
            self._commit(self.talk.commit, [])
            self._leave()

    def abandon(self) -> None:
        """Give up changes that are not committed; does nothing on a platform where every line takes effect at once."""
        if self.talk.commit:
            if not self.in_configuration:
                self._must(self.talk.enter)
            self._must(self.talk.abandon)
            self._leave()

    def _leave(self) -> None:
        self._must(self.talk.leave)

    def _must(self, command: str, idle_s: float = 0.0) -> str:
        answer = self._say(command, idle_s)
        if answer.rejected:
            raise RejectedError(f"{self.device.name} does not accept {answer.line!r}: {_one_line(answer.text)}.", [answer])
        return answer.text

    # -- changes that undo themselves

    def _trial(self, seconds: float) -> dict[str, str]:
        """Return the command that arms the switch's own timer, by the command whose place it takes. Raises NotSupportedError."""
        trial = self.talk.trial
        if trial is None:
            raise NotSupportedError(
                f"{self.device.name} ({self.device.platform}) cannot undo a change by itself.",
                why="This platform has no command for it that a source confirms.",
                remedy="Rely on the control node's own timer and the inverse change.",
            )
        units = max(math.ceil(seconds / trial.per), trial.least)
        if units > trial.most:
            raise NotSupportedError(f"{self.device.name} keeps a trial for {trial.most * trial.per} s at most, not {seconds:.0f} s.")
        return {trial.replaces: trial.arm.format(units=units)}

    def confirm(self) -> None:
        """Keep a change that was made on trial."""
        self._end_trial("confirm")

    def revert(self) -> None:
        """Let the switch undo, now, a change that was made on trial."""
        self._end_trial("abort")

    def _end_trial(self, how: str) -> None:
        trial = self.talk.trial
        if trial is None or not self.armed:
            raise NotSupportedError(f"{self.device.name} has no change on trial from this session.")
        if trial.ends_in == "configure" and not self.in_configuration:
            self._must(self.talk.enter)
        elif trial.ends_in != "configure" and self.in_configuration:
            self._leave()
        self._must(trial.confirm if how == "confirm" else trial.abort, self.talk.save_timeout_s)
        self.armed = False
        if self.in_configuration:
            self._leave()

    def undo(self, lines: Iterable[str]) -> list[Answer]:
        """Send the inverse of a change that failed half-way: every line is sent, whatever became of the others; the caller compares."""
        answers: list[Answer] = []
        for line in lines:
            if not self.in_configuration:
                self._must(self.talk.enter)
            with contextlib.suppress(RejectedError):
                self._change(line, answers)
        if answers and self.talk.commit:
            answers.append(self._commit(self.talk.commit, answers))
        if self.in_configuration:
            self._leave()
        return answers

    def save(self) -> str:
        """Let the switch start with what runs now. Raises RejectedError unless the switch says that it was done."""
        if self.in_configuration:
            self._leave()
        text = self._must(self.talk.save, self.talk.save_timeout_s)
        if not self.talk.save_done.search(text):
            raise RejectedError(f"{self.device.name} did not say that it saved: {_one_line(text)}.", [Answer(self.talk.save, text, True)])
        return text


def _text(said: str) -> str:
    """Return an answer without backspaces and without the empty lines around it."""
    while "\b" in said:
        said = re.sub(r"[^\b\n]\b", "", said, count=0) if re.search(r"[^\b\n]\b", said) else said.replace("\b", "")
    return said.strip("\n").rstrip()


def _one_line(text: str) -> str:
    return " / ".join(part.strip() for part in text.splitlines() if part.strip().strip("^")).rstrip(".")
