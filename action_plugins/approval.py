"""Ask the people whom the plan names whether this very action may happen, and wait for enough of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from recovery.evidence.incident import allocate
from recovery.evidence.lines import now
from recovery.findings import Finding
from recovery.frame import approvals
from recovery.frame.action import RunContext, plain, refuse
from recovery.frame.project import project_root
from recovery.plan import FAULT_CLASSES, PlanError, load_approvals

POLL_S = 0.25


class ActionModule(ActionBase):
    """See library/approval.py for the documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask, wait, and answer granted or refused."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _, arguments = self.validate_argument_spec(
            {
                "action": {"type": "dict", "required": True},
                "fault_class": {"type": "str", "required": True, "choices": list(FAULT_CLASSES)},
                "target": {"type": "str", "required": True},
                "allowed_signers": {"type": "path"},
            }
        )
        run = RunContext(variables)
        try:
            policy = load_approvals(project_root() / "plan")
        except PlanError as error:
            raise AnsibleActionFail(str(error)) from error
        rule = policy.rules[arguments["fault_class"]]
        request = approvals.build_request(
            run=run.run,
            incident=run.incident.name,
            runbook=run.runbook,
            target=str(plain(arguments["target"])),
            action=plain(arguments["action"]),
            rule=rule,
            requested_by=run.by,
        )
        asked = f"{rule.needed} of {', '.join(rule.of)}" if rule.needed else "nobody"
        if self._task.check_mode:
            return result | {"changed": False, "msg": f"A real run would ask {asked} (class {rule.fault_class}).", "before": request}
        signers = self._signers(arguments, variables) if rule.needed else Path("/nonexistent")
        if rule.needed and not signers.is_file():
            return result | refuse(_no_signers(signers))
        host = str(variables.get("inventory_hostname", ""))

        def tell(event: str, *, result: str = "", **data: Any) -> None:
            run.tell(event, host=host, name=self._task.get_name(), result=result, **data)

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
            tell("approval_granted", result="granted", request=approval.digest, reason=state.reason, agreed=state.agreed)
            declared = {"name": "declared", "at": now(), "detail": state.reason}
            return result | {
                "changed": False,
                "msg": state.reason,
                "after": {"agreed": state.agreed},
                "measured": measured,
                "milestones": [declared],
            }
        tell("approval_refused", result="refused", request=approval.digest, reason=state.reason, code=state.code)
        return result | refuse(_refusal(state, request), measured=measured)

    def _signers(self, arguments: dict[str, Any], variables: dict[str, Any]) -> Path:
        named = arguments["allowed_signers"]
        if not named and "approval_allowed_signers" in variables:
            named = self._templar.template(variables["approval_allowed_signers"])
        return Path(str(named or "approval_allowed_signers"))

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
