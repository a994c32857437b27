"""Ask the people whom the plan names whether this very action may happen, and wait for enough of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from recovery.evidence.incident import allocate
from recovery.evidence.lines import now
from recovery.findings import Finding
from recovery.frame import approvals, reuse
from recovery.frame.action import FrameAction, RunContext, refuse
from recovery.frame.project import project_root
from recovery.plan import FAULT_CLASSES, PlanError, load_approvals

POLL_S = 0.25


class ActionModule(FrameAction):
    """See library/approval.py for the documentation."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "action": {"type": "dict", "required": True},
        "fault_class": {"type": "str", "required": True, "choices": list(FAULT_CLASSES)},
        "target": {"type": "str", "required": True},
        "allowed_signers": {"type": "path"},
    }

    def act(self, run: RunContext, arguments: dict[str, Any]) -> dict[str, Any]:
        """Ask, wait, and answer granted or refused; an interrupted run that is continued has its answer already."""
        try:
            policy = load_approvals(project_root() / "plan")
        except PlanError as error:
            raise AnsibleActionFail(str(error)) from error
        rule = policy.rules[arguments["fault_class"]]
        request = approvals.build_request(
            run=run.run,
            incident=run.incident.name,
            runbook=run.runbook,
            target=arguments["target"],
            action=arguments["action"],
            rule=rule,
            requested_by=run.by,
        )
        asked = f"{rule.needed} of {', '.join(rule.of)}" if rule.needed else "nobody"
        if self._task.check_mode:
            return {"changed": False, "msg": f"A real run would ask {asked} (class {rule.fault_class}).", "before": request}
        signers = Path("/nonexistent")
        if rule.needed:
            signers = Path(str(arguments["allowed_signers"] or self.variable("approval_allowed_signers", "approval_allowed_signers")))
            if not signers.is_file():
                return refuse(_no_signers(signers))

        def tell(event: str, *, result: str = "", **data: Any) -> None:
            run.tell(event, host=self.host, name=self._task.get_name(), result=result, **data)

        earlier = reuse.interrupted(run.journal.read(), run.run)
        given = reuse.reuse(earlier, request, run.run, run.incident, signers, tell) if rule.needed else None
        if given is not None:
            return self._granted(given.approval, tell, "reused", given.at, {})
        started = time.monotonic()
        approval = approvals.Approval(allocate(run.incident, approvals.DIRECTORY)[1], request, signers, tell)
        reference = f"{run.incident.name}/{approval.directory.name}"
        tell(
            "approval_requested",
            request=approval.digest,
            reference=reference,
            target=request["target"],
            fault_class=rule.fault_class,
            needed=rule.needed,
            of=list(rule.of),
            requested_by=run.by,
            expires_at=request["expires_at"],
            action=request["action"],
        )
        state = self._wait(approval, reference)
        measured = {"approval_wait_s": round(time.monotonic() - started, 3)}
        if state.outcome == "granted":
            return self._granted(approval, tell, "granted", now(), measured)
        tell("approval_refused", result="refused", request=approval.digest, reason=state.reason, code=state.code)
        return refuse(_refusal(state, request), measured=measured)

    def _granted(self, approval: approvals.Approval, tell: approvals.Tell, how: str, at: str, measured: dict[str, float]) -> dict[str, Any]:
        state = approval.state
        tell("approval_granted", result=how, request=approval.digest, reason=state.reason, agreed=state.agreed)
        declared = {"name": "declared", "at": at, "detail": state.reason}
        after = {"agreed": state.agreed}
        return {"changed": False, "msg": state.reason, "after": after, "measured": measured, "milestones": [declared]}

    def _wait(self, approval: approvals.Approval, reference: str) -> approvals.State:
        """Poll until the question is settled; say at the terminal whom it waits for, each time that changes."""
        display, said = Display(), ""
        try:
            while not (state := approval.poll()).outcome:
                if state.sentence() != said:
                    said = state.sentence()
                    display.display(f"Approval {reference}: {said}. Answer: recovery approve {reference} --as PRINCIPAL --key FILE")
                time.sleep(POLL_S)
        except BaseException:
            approval.abandon("The run was stopped while it waited.")
            raise
        return state


def _no_signers(path: Path) -> Finding:
    return Finding(
        "approval-no-signers",
        "stop",
        f"The file of the approvers' public keys, {path}, is missing.",
        "Nobody's answer could be checked.",
        "Write it (`man ssh-keygen`, ALLOWED SIGNERS) and name it in the inventory: approval_allowed_signers.",
    )


def _refusal(state: approvals.State, request: dict[str, Any]) -> Finding:
    remedy = {
        "approval-expired": "Reach the people by telephone and run again: the question is asked anew.",
        "approval-denied": "Talk to whoever said no; a changed plan of action can be asked anew.",
        "approval-request-altered": "Find out who can write to the incident directory before anything else; then run again.",
    }.get(state.code, "Run again: the question is asked anew.")
    why = (
        f"A fault of class {request['fault_class']} needs {request['needed']} people to agree; nothing was changed on {request['target']}."
    )
    return Finding(state.code, "stop", state.reason, why, remedy)
