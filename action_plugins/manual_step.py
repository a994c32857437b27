"""Ask people to do something, wait until it is done, and check the claim where a machine can see it."""

from __future__ import annotations

import os
import select
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ansible.utils.display import Display

from recovery.findings import Finding
from recovery.frame.action import FrameAction, RunContext, refuse
from recovery.frame.claims import Claim, judge_claim
from recovery.frame.crew import Crew, NotDoneError, Order, told_of
from recovery.frame.project import VIEW_VARIABLE

STEP = {
    "name": {"type": "str"},
    "instruction_zh": {"type": "str"},
    "instruction_en": {"type": "str"},
    "who": {"type": "str"},
    "clause": {"type": "str", "default": ""},
    "evidence": {"type": "str", "default": ""},
    "action": {"type": "dict", "default": {}},
}
NEEDED = ("name", "instruction_zh", "instruction_en", "who")
CLAIM = {
    "module": {"type": "str", "required": True},
    "args": {"type": "dict", "default": {}},
    "expect": {"type": "dict", "default": {}},
    "vars": {"type": "dict", "default": {}},
}
ALREADY = "Already so; nobody has to be asked."


class ActionModule(FrameAction):
    """See library/manual_step.py for the documentation."""

    _requires_connection = True
    ARGUMENTS: ClassVar[Mapping[str, Any]] = {
        **STEP,
        "steps": {
            "type": "list",
            "elements": "dict",
            "options": {
                **STEP,
                **{key: {"type": "str", "required": True} for key in NEEDED},
                "claim_args": {"type": "dict", "default": {}},
            },
        },
        "claim": {"type": "dict", "options": CLAIM},
        "look_first": {"type": "bool", "default": True},
        "timeout_s": {"type": "float", "required": True},
    }
    BETWEEN: ClassVar[Mapping[str, Any]] = {
        "required_together": [NEEDED],
        "required_one_of": [("name", "steps")],
        "mutually_exclusive": [("name", "steps")],
    }

    def act(self, run: RunContext, arguments: dict[str, Any]) -> dict[str, Any]:
        """Ask, wait, check, and ask again while a claim does not hold."""
        orders = self._orders(arguments)
        # What has just been looked at in one go need not be looked at step by step again.
        why = [self._problem(order) if arguments["look_first"] else None for order in orders]
        left = [order for order, problem in zip(orders, why, strict=True) if problem != ""]
        before = {"holds": not left, "why": "; ".join(filter(None, why))}
        if not self._task.check_mode:
            for order, problem in zip(orders, why, strict=True):
                if problem == "":
                    name = order.step["name"]
                    run.tell("manual_step_done", host=self.host, name=name, result="already", claim_checked=True, by="", note=ALREADY)
        if not left:
            return {"changed": False, "msg": ALREADY, "before": {"holds": True}, "after": {"holds": True}}
        if self._task.check_mode:
            sentence = " ".join(f"A real run would ask {order.step['who']}: {order.step['instruction']}" for order in left)
            return {"changed": True, "msg": sentence, "before": before, "after": {order.step["name"]: order.step for order in left}}
        with _Terminal.of_the_run() as voice:
            crew = Crew(run, voice, self.host, run.by, float(arguments["timeout_s"]), lambda order: self._problem(order) or "")
            try:
                done = crew.work(left)
            except NotDoneError as error:
                return _not_done(error)
        return {"changed": True, "before": before if any(order.claim for order in left) else {}, **told_of(done)}

    def _orders(self, arguments: Mapping[str, Any]) -> list[Order]:
        language = self.variable("language", "en")
        claim = Claim(**arguments["claim"]) if arguments["claim"] else None
        if claim is not None:  # loaded once here, for each claim is looked at in a fork of this process
            self._shared_loader_obj.action_loader.get(claim.module, class_only=True)
        orders = []
        for asked in arguments["steps"] if arguments["steps"] is not None else [arguments]:
            step = {key: asked[key] for key in STEP}
            step["instruction"] = asked["instruction_zh" if language == "zh" else "instruction_en"]
            step["language"] = language
            own = claim and replace(claim, args={**claim.args, **asked.get("claim_args", {})})
            orders.append(Order(step, own))
        return orders

    def _problem(self, order: Order) -> str | None:
        """Check a claim: an empty text if it holds, else why it does not; None where there is none to check."""
        claim = order.claim
        if claim is None:
            return None
        arguments, variables = dict(claim.args), self.variables | dict(claim.vars)
        handler = self._shared_loader_obj.action_loader.get(
            claim.module,
            task=_task_for(self._task, claim.module, arguments),
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        if handler is not None:
            return judge_claim(claim, handler.run(task_vars=variables))
        return judge_claim(claim, self._execute_module(module_name=claim.module, module_args=arguments, task_vars=variables))


def _not_done(error: NotDoneError) -> dict[str, Any]:
    """Return the refusal of a step that was not done."""
    finding = Finding(
        error.code,
        "stop",
        f"The step was not done, {error.why}: {error.step['instruction']}",
        "What follows relies on it.",
        "Do it, or clear what hinders it, and run the runbook again: it continues, and what holds already is not asked again.",
    )
    refused = refuse(finding)
    # Somebody who answered before has done something: then it is not true that nothing was changed.
    return refused | {"refused": False} if error.tried else refused


class _Terminal:
    """Tells the people at this terminal, and reads what they type where the run has a terminal for itself."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._display = Display()

    @classmethod
    @contextmanager
    def of_the_run(cls) -> Iterator[_Terminal]:
        """Open the terminal of the whole run, if there is one: a task's own standard input is closed by Ansible."""
        descriptor = None
        if not (os.environ.get(VIEW_VARIABLE) or os.environ.get("AWX_ISOLATED_DATA_DIR")):
            try:
                path = Path(f"/proc/{os.getppid()}/fd/0").readlink()
                if str(path).startswith(("/dev/pts/", "/dev/tty")):
                    descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY)
            except OSError:
                descriptor = None
        try:
            if descriptor is not None:
                termios.tcflush(descriptor, termios.TCIFLUSH)  # an impatient Enter from before is no answer
            yield cls(descriptor)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def told(self, number: int, step: Mapping[str, Any], problem: str) -> None:
        """Show a step that waits, and how it is answered."""
        if problem:
            self._display.display(f"Step {number}: this does not hold yet: {problem}")
        self._display.display(f"Step {number} for {step['who']}: {step['instruction']}")
        if step["evidence"]:
            self._display.display(f"  note: {step['evidence']}")
        here = "Press Enter here (a text becomes the note; where several wait, the number first), or at" if self._descriptor else "At"
        self._display.display(f"  {here} any other terminal: recovery confirm {number} --note TEXT")

    def typed(self, wait_s: float) -> str | None:
        """Wait a moment for a line; the end of input is none."""
        if self._descriptor is None or not select.select([self._descriptor], [], [], wait_s)[0]:
            if self._descriptor is None:
                time.sleep(wait_s)
            return None
        line = os.read(self._descriptor, 4096).decode(errors="replace")
        if not line:
            time.sleep(wait_s)
        return line or None

    def puzzled(self, sentence: str) -> None:
        """Say why a line that was typed answers nothing."""
        self._display.display(f"  {sentence}")


def _task_for(task: Any, module: str, arguments: dict[str, Any]) -> Any:
    """Return a copy of the task that runs the claim's module."""
    copy = task.copy()
    copy.action = module
    copy.args = arguments
    return copy
