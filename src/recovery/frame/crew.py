"""People at work: several steps for several people, who work beside one another; each does one step after another.

Whoever waits for a machine to look at his claim keeps nobody else waiting: every claim is looked at in a process of its own.
"""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from recovery.evidence.incident import allocate
from recovery.frame import files, steps
from recovery.frame.claims import Claim

POLL_S = 0.2
BUFFER = 65536


class Telling(Protocol):
    """The run that the steps belong to, and its journal."""

    incident: Path
    run: str
    runbook: str

    def tell(self, event: str, *, host: str = "", name: str = "", result: str = "", **data: Any) -> None:
        """Append an event to the journal."""


class Voice(Protocol):
    """How people at this terminal are told, and what they type there."""

    def told(self, number: int, step: Mapping[str, Any], problem: str) -> None:
        """Show a step that waits; ``problem``: why it is asked again."""

    def typed(self, wait_s: float) -> str | None:
        """Wait a moment; return a line that was typed meanwhile, None if none was."""

    def puzzled(self, sentence: str) -> None:
        """Say why a line that was typed answers nothing."""


@dataclass(frozen=True)
class Order:
    """One step as it is asked: ``step`` as in step.json (name, who, instruction, ...), and the claim that is looked at afterwards."""

    step: Mapping[str, Any]
    claim: Claim | None = None


class NotDoneError(Exception):
    """A step was not done: ``code`` is that of the finding; ``tried``: somebody had answered it, or done another, before."""

    def __init__(self, code: str, why: str, step: Mapping[str, Any], *, tried: bool) -> None:
        """Keep what the refusal says."""
        super().__init__(why)
        self.code, self.why, self.step, self.tried = code, why, step, tried


@dataclass(frozen=True)
class Done:
    """A step that was done, who says so, and how long it took from the question on (s)."""

    step: Mapping[str, Any]
    asked_at: str
    took_s: float
    attempts: int
    checked: bool
    said: Mapping[str, str]


class Look:
    """A claim that is being looked at beside everything else. The worker's own way of being ended is not the child's: it just ends."""

    def __init__(self, look: Callable[[], str]) -> None:
        """Begin to look: ``look`` returns why the claim does not hold, an empty text if it does."""
        self._ear, mouth = os.pipe()
        self._said = b""
        self._pid = os.fork()
        if self._pid == 0:
            status = 1
            try:
                for number in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, signal.SIG_DFL)
                os.close(self._ear)
                with os.fdopen(mouth, "wb") as out:
                    out.write(look().encode())
                status = 0
            finally:
                os._exit(status)
        os.close(mouth)

    def answer(self, wait_s: float = 0.0) -> str | None:
        """Return what was found, once it was; None while it is looked at."""
        while select.select([self._ear], [], [], wait_s)[0]:
            part = os.read(self._ear, BUFFER)
            self._said += part
            if not part:
                return self._end()
        return None

    def _end(self) -> str:
        os.close(self._ear)
        _, status = os.waitpid(self._pid, 0)
        if status != 0:
            return f"it could not be looked at: the check ended with status {os.waitstatus_to_exitcode(status)}"
        return self._said.decode()

    def drop(self) -> None:
        """End it, whatever it would have found."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._ear)


@dataclass
class _Asked:
    """A step under way."""

    order: Order
    number: int
    directory: Path
    asked_at: datetime
    expires: datetime
    attempt: int = 1
    answer: Mapping[str, Any] = field(default_factory=dict)
    look: Look | None = None


@dataclass
class Crew:
    """Asks people and waits for them. ``timeout_s`` bounds each step; ``look`` says why a claim does not hold, empty if it does."""

    run: Telling
    voice: Voice
    host: str
    by: str
    timeout_s: float
    look: Callable[[Order], str]
    _under_way: dict[str, _Asked] = field(default_factory=dict)

    def work(self, orders: Iterable[Order]) -> list[Done]:
        """Have all steps done, each person's in their order; return them as they end. Raises NotDoneError at the first that is not."""
        queues: dict[str, deque[Order]] = {}
        for order in orders:
            queues.setdefault(str(order.step["who"]), deque()).append(order)
        done: list[Done] = []
        try:
            while True:
                for who, queue in queues.items():
                    if queue and who not in self._under_way:
                        self._ask(who, queue.popleft())
                if not self._under_way:
                    return done
                ended = {who: one for who, asked in self._under_way.items() if (one := self._turn(asked)) is not None}
                done += ended.values()
                for who in ended:
                    del self._under_way[who]
                if not ended:
                    self._listen()
        except NotDoneError as error:
            error.tried = error.tried or bool(done)
            self._withdraw(error)
            raise
        except BaseException:
            for asked in self._under_way.values():
                steps.update(asked.directory, state="abandoned")
            raise
        finally:
            for asked in self._under_way.values():
                if asked.look is not None:
                    asked.look.drop()

    def _ask(self, who: str, order: Order) -> None:
        number, directory = allocate(self.run.incident, steps.DIRECTORY)
        asked_at = files.now()
        asked = _Asked(order, number, directory, asked_at, files.later(asked_at, self.timeout_s))
        known = {
            "step": number, "run": self.run.run, "runbook": self.run.runbook, "host": self.host, "attempt": 1,
            "asked_at": files.iso(asked.asked_at), "expires_at": files.iso(asked.expires),
            "claim": order.claim.sentence() if order.claim else "",
        }  # fmt: skip
        steps.ask(directory, {**known, **order.step})
        self._under_way[who] = asked
        self._tell_asked(asked)

    def _tell_asked(self, asked: _Asked, problem: str = "") -> None:
        step = asked.order.step
        shown = {key: step[key] for key in ("who", "instruction", "instruction_zh", "instruction_en", "evidence", "clause", "action")}
        self.run.tell(
            "manual_step_asked", host=self.host, name=step["name"], reference=f"{self.run.incident.name}/{asked.number}",
            problem=problem, step=asked.number, asked_at=files.iso(asked.asked_at), expires_at=files.iso(asked.expires),
            **shown, attempt=asked.attempt,
        )  # fmt: skip
        self.voice.told(asked.number, step, problem)

    def _turn(self, asked: _Asked) -> Done | None:
        """Go one step further with a step under way; return it once it is done. Raises NotDoneError."""
        if asked.look is None:
            answer = steps.take_answer(asked.directory)
            if answer is None:
                if files.now() >= asked.expires:
                    self._not_done(asked, "manual-step-timeout", f"nobody answered by {files.iso(asked.expires)}")
                return None
            asked.answer = answer
            if not answer.get("done", True):
                by, note = answer.get("by") or "somebody", answer.get("note") or "no reason given"
                self._not_done(asked, "manual-step-impossible", f"{by} says that it cannot be done: {note}")
            if asked.order.claim is None:
                return self._done(asked)
            asked.look = Look(lambda: self.look(asked.order))
        problem = asked.look.answer()
        if problem is None:
            return None
        asked.look = None
        if not problem:
            return self._done(asked)
        steps.set_aside(asked.directory, asked.attempt)
        self._tell_done(asked, "claim-false", note=asked.answer.get("note", ""), problem=problem, claim_checked=True)
        asked.attempt += 1
        steps.update(asked.directory, attempt=asked.attempt, problem=problem)
        self._tell_asked(asked, problem)
        return None

    def _tell_done(self, asked: _Asked, result: str, **more: Any) -> None:
        step = asked.order.step
        told = {"step": asked.number, "by": str(asked.answer.get("by") or ""), **more}
        self.run.tell("manual_step_done", host=self.host, name=step["name"], result=result, **told)

    def _done(self, asked: _Asked) -> Done:
        ended = files.now()
        steps.update(asked.directory, state="done", ended_at=files.iso(ended))
        said = {key: str(asked.answer.get(key) or "") for key in ("by", "note", "evidence")}
        took, checked = round((ended - asked.asked_at).total_seconds(), 3), asked.order.claim is not None
        self._tell_done(
            asked, "done", **said, asked_at=files.iso(asked.asked_at), answered_at=str(asked.answer.get("at") or files.iso(ended)),
            claim_checked=checked, attempts=asked.attempt, took_s=took,
        )  # fmt: skip
        return Done(asked.order.step, files.iso(asked.asked_at), took, asked.attempt, checked, said)

    def _not_done(self, asked: _Asked, code: str, why: str) -> None:
        """End a step that was not done. Whether something was changed before it is for the journal to say."""
        steps.update(asked.directory, state="failed", ended_at=files.iso(files.now()), problem=why)
        self._tell_done(asked, "not-done", note=why, claim_checked=False)
        raise NotDoneError(code, why, {**asked.order.step, "step": asked.number}, tried=asked.attempt > 1)

    def _withdraw(self, error: NotDoneError) -> None:
        """Nobody goes on with what was asked beside a step that was not done; who began finds out what of it holds when it is run again."""
        for asked in self._under_way.values():
            if asked.number != error.step["step"]:
                why = f"withdrawn, because step {error.step['step']} was not done"
                steps.update(asked.directory, state="abandoned", ended_at=files.iso(files.now()), problem=why)
                self._tell_done(asked, "not-done", note=why, claim_checked=False)

    def _listen(self) -> None:
        """Wait a moment for a line at this terminal, or for a claim that is looked at."""
        typed = self.voice.typed(POLL_S / 4 if any(asked.look for asked in self._under_way.values()) else POLL_S)
        if typed is None:
            return
        waiting = [(asked.directory, asked.number) for asked in self._under_way.values() if asked.look is None]
        directory, note = steps.meant(waiting, typed)
        if directory is None:
            self.voice.puzzled(note)
        else:
            steps.answer(directory, by=self.by, note=note)


def told_of(done: Sequence[Done]) -> dict[str, Any]:
    """Return what the steps that were done add to the result of their task."""
    lines = [{"name": one.step["instruction"], "at": one.asked_at, "took_s": one.took_s} for one in done]
    if len(done) == 1:
        (one,) = done
        proof = "the claim was checked and holds" if one.checked else "nobody could check it by machine"
        who = one.said["by"] or one.step["who"]
        after = {"holds": True, "attempts": one.attempts, **one.said} if one.checked else dict(one.said)
        return {"msg": f"{who} did it ({proof}): {one.step['instruction']}", "after": after, "steps": lines}
    people = len({one.step["who"] for one in done})
    checked = sum(1 for one in done if one.checked)
    return {
        "msg": f"{len(done)} steps were done by {people} people; {checked} claims were checked and hold.",
        "after": {one.step["name"]: {"attempts": one.attempts, **one.said} for one in done},
        "steps": lines,
    }
