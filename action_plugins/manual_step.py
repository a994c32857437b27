"""Ask a person to do something, wait until it is done, and check the claim where a machine can see it."""

from __future__ import annotations

import os
import select
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from recovery.evidence.incident import allocate
from recovery.findings import Finding
from recovery.frame import files, steps
from recovery.frame.action import RunContext, plain, refuse
from recovery.frame.claims import Claim, judge_claim
from recovery.frame.project import VIEW_VARIABLE

POLL_S = 0.25


class ActionModule(ActionBase):
    """See library/manual_step.py for the documentation."""

    TRANSFERS_FILES = False
    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask, wait, check, and ask again while the claim does not hold."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._variables = task_vars or {}
        _, arguments = self.validate_argument_spec(_SPEC)
        asked = {key: plain(value) for key, value in arguments.items()}
        self._claim = Claim(**asked["claim"]) if asked["claim"] else None
        language = str(self._templar.template(self._variables.get("language", "en")))
        step = {key: asked[key] for key in ("name", "instruction_zh", "instruction_en", "who", "clause", "evidence", "action")}
        step["instruction"] = asked["instruction_zh" if language == "zh" else "instruction_en"]
        step["language"] = language
        run = RunContext(self._variables)
        # What has just been looked at in one go need not be looked at step by step again.
        before = self._check() if asked["look_first"] else None
        if before == "":
            sentence = "Already so; nobody has to be asked."
            if not self._task.check_mode:
                run.tell(
                    "manual_step_done", host=self._host(), name=asked["name"], result="already", claim_checked=True, by="", note=sentence
                )
            return result | {"changed": False, "msg": sentence, "before": {"holds": True}, "after": {"holds": True}}
        if self._task.check_mode:
            sentence = f"A real run would ask {asked['who']}: {step['instruction']}"
            return result | {"changed": True, "msg": sentence, "before": {"holds": False, "why": before or ""}, "after": step}
        return result | self._ask(run, step, float(asked["timeout_s"]), before or "")

    def _host(self) -> str:
        return str(self._variables.get("inventory_hostname", ""))

    def _ask(self, run: RunContext, step: dict[str, Any], timeout_s: float, before: str) -> dict[str, Any]:
        number, directory = allocate(run.incident, steps.DIRECTORY)
        asked_at = files.now()
        expires = files.later(asked_at, timeout_s)
        known = {"step": number, "run": run.run, "runbook": run.runbook, "host": self._host()}
        known |= {"asked_at": files.iso(asked_at), "expires_at": files.iso(expires), "attempt": 1}
        known["claim"] = self._claim.sentence() if self._claim else ""
        steps.ask(directory, {**known, **step})
        problem, attempt = "", 1
        try:
            while True:
                run.tell(
                    "manual_step_asked",
                    host=self._host(),
                    name=step["name"],
                    reference=f"{run.incident.name}/{number}",
                    problem=problem,
                    **{key: known[key] for key in ("step", "asked_at", "expires_at")},
                    **{
                        key: step[key] for key in ("who", "instruction", "instruction_zh", "instruction_en", "evidence", "clause", "action")
                    },
                    attempt=attempt,
                )
                answer = self._wait(directory, step, number, expires, problem)
                if answer is None:
                    return self._not_done(
                        run,
                        directory,
                        {**step, **known, "attempt": attempt},
                        "manual-step-timeout",
                        f"nobody answered by {files.iso(expires)}",
                    )
                if not answer.get("done", True):
                    why = f"{answer.get('by') or 'somebody'} says that it cannot be done: {answer.get('note') or 'no reason given'}"
                    return self._not_done(run, directory, {**step, **known, "attempt": attempt}, "manual-step-impossible", why, answer)
                problem = self._check() or ""
                if not problem:
                    break
                steps.set_aside(directory, attempt)
                run.tell(
                    "manual_step_done", host=self._host(), name=step["name"], result="claim-false",
                    step=number, by=answer.get("by", ""), note=answer.get("note", ""), problem=problem, claim_checked=True,
                )  # fmt: skip
                attempt += 1
                steps.update(directory, attempt=attempt, problem=problem)
        except BaseException:
            steps.update(directory, state="abandoned")
            raise
        steps.update(directory, state="done", ended_at=files.iso(files.now()))
        took = (files.now() - asked_at).total_seconds()
        said = {key: str(answer.get(key) or "") for key in ("by", "note", "evidence")}
        checked = self._claim is not None
        run.tell(
            "manual_step_done", host=self._host(), name=step["name"], result="done", step=number, **said,
            asked_at=files.iso(asked_at), answered_at=str(answer.get("at") or files.iso(files.now())),
            claim_checked=checked, attempts=attempt, took_s=round(took, 3),
        )  # fmt: skip
        proof = "the claim was checked and holds" if checked else "nobody could check it by machine"
        return {
            "changed": True,
            "msg": f"{said['by'] or step['who']} did it ({proof}): {step['instruction']}",
            "before": {"holds": False, "why": before} if checked else {},
            "after": {"holds": True, "attempts": attempt, **said} if checked else said,
            "steps": [{"name": step["instruction"], "at": files.iso(asked_at), "took_s": round(took, 3)}],
        }

    def _not_done(
        self, run: RunContext, directory: Path, step: dict[str, Any], code: str, why: str, answer: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """End a step that was not done. Whether something was changed before it is for the journal to say."""
        steps.update(directory, state="failed", ended_at=files.iso(files.now()), problem=why)
        by = str((answer or {}).get("by") or "")
        run.tell(
            "manual_step_done",
            host=self._host(),
            name=step["name"],
            result="not-done",
            step=step["step"],
            by=by,
            note=why,
            claim_checked=False,
        )
        finding = Finding(
            code,
            "stop",
            f"The step was not done, {why}: {step['instruction']}",
            "What follows relies on it.",
            "Do it, or clear what hinders it, and run the runbook again: it continues, and what holds already is not asked again.",
        )
        refused = refuse(finding)
        # Somebody who answered before has done something: then it is not true that nothing was changed.
        return refused | {"refused": False} if step["attempt"] > 1 else refused

    def _check(self) -> str | None:
        """Check the claim: an empty text if it holds, else why it does not; None where there is none to check."""
        if self._claim is None:
            return None
        arguments = dict(self._claim.args)
        handler = self._shared_loader_obj.action_loader.get(
            self._claim.module,
            task=_task_for(self._task, self._claim.module, arguments),
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        if handler is not None:
            found = handler.run(task_vars=self._variables | self._claim.vars)
        else:
            found = self._execute_module(
                module_name=self._claim.module, module_args=arguments, task_vars=self._variables | self._claim.vars
            )
        return judge_claim(self._claim, found)

    def _wait(self, directory: Path, step: dict[str, Any], number: int, expires: Any, problem: str) -> dict[str, Any] | None:
        """Wait for an answer in the file, or for a line at the terminal if this run has one of its own."""
        display = Display()
        if problem:
            display.display(f"Step {number}: this does not hold yet: {problem}")
        display.display(f"Step {number} for {step['who']}: {step['instruction']}")
        if step["evidence"]:
            display.display(f"  note: {step['evidence']}")
        with _terminal() as terminal:
            here = "Press Enter here (a text becomes the note), or at" if terminal is not None else "At"
            display.display(f"  {here} any other terminal: recovery confirm {number} --note TEXT")
            while files.now() < expires:
                answer = steps.take_answer(directory)
                if answer is not None:
                    return answer
                if terminal is None:
                    time.sleep(POLL_S)
                elif select.select([terminal], [], [], POLL_S)[0]:
                    typed = os.read(terminal, 4096).decode(errors="replace")
                    if typed:
                        steps.answer(directory, by=RunContext(self._variables).by, note=typed.strip())
                    else:
                        time.sleep(POLL_S)  # the end of input is no answer
        return None


@contextmanager
def _terminal() -> Iterator[int | None]:
    """Open the terminal of the whole run, if it has one for itself: a task's own standard input is closed by Ansible."""
    if os.environ.get(VIEW_VARIABLE) or os.environ.get("AWX_ISOLATED_DATA_DIR"):
        yield None
        return
    try:
        path = Path(f"/proc/{os.getppid()}/fd/0").readlink()
        descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY) if str(path).startswith(("/dev/pts/", "/dev/tty")) else None
    except OSError:
        descriptor = None
    try:
        if descriptor is not None:
            termios.tcflush(descriptor, termios.TCIFLUSH)  # an impatient Enter from before is no answer
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _task_for(task: Any, module: str, arguments: dict[str, Any]) -> Any:
    """Return a copy of the task that runs the claim's module."""
    copy = task.copy()
    copy.action = module
    copy.args = arguments
    return copy


_CLAIM = {
    "module": {"type": "str", "required": True},
    "args": {"type": "dict", "default": {}},
    "expect": {"type": "dict", "default": {}},
    "vars": {"type": "dict", "default": {}},
}
_SPEC = {
    "name": {"type": "str", "required": True},
    "instruction_zh": {"type": "str", "required": True},
    "instruction_en": {"type": "str", "required": True},
    "who": {"type": "str", "required": True},
    "clause": {"type": "str", "default": ""},
    "evidence": {"type": "str", "default": ""},
    "action": {"type": "dict", "default": {}},
    "claim": {"type": "dict", "options": _CLAIM},
    "look_first": {"type": "bool", "default": True},
    "timeout_s": {"type": "float", "required": True},
}
