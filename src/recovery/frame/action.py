"""What the action plugins of the frame share: the run they belong to, the journal, and the shape of a refusal."""

from __future__ import annotations

import multiprocessing
import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from recovery.evidence.journal import Journal, JournalError
from recovery.findings import Finding, refusal_text
from recovery.frame.project import INCIDENT_VARIABLE, RUN_VARIABLE, requester, runbook_name


class RunContext:
    """The run that a task belongs to, from the environment that the journal callback (or ``recovery run``) has set."""

    def __init__(self, variables: Mapping[str, Any] | None = None) -> None:
        """Read the environment, and who asks from ``-e requested_by=`` where given.

        Raises AnsibleActionFail where no journal is kept: nothing may happen without evidence.
        """
        try:
            self.journal = Journal.from_environment()
        except JournalError as error:
            raise AnsibleActionFail(str(error)) from error
        self.incident = Path(os.environ[INCIDENT_VARIABLE])
        self.run = os.environ.get(RUN_VARIABLE, "")
        self.by = str(plain((variables or {}).get("requested_by") or "") or requester())
        playbooks = context.CLIARGS.get("args") or ("",)
        self.runbook = runbook_name(str(playbooks[0]))

    @property
    def pid(self) -> int:
        """Return the process of the whole run: a task runs in a fork of it."""
        parent = multiprocessing.parent_process()
        return parent.pid if parent is not None and parent.pid is not None else os.getpid()

    def tell(self, event: str, *, host: str = "", name: str = "", result: str = "", **data: Any) -> None:
        """Append an event to the journal."""
        try:
            self.journal.append(event, host=host, name=name, result=result, data=data)
        except JournalError as error:
            raise AnsibleActionFail(str(error)) from error


class FrameAction(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """A step on the control node or of a person: reads its arguments and its run, then acts."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    ARGUMENTS: ClassVar[Mapping[str, Any]] = {}
    """Options as in an argument_spec; library/<name>.py documents them."""
    BETWEEN: ClassVar[Mapping[str, Any]] = {}
    """What holds between options: mutually_exclusive, required_together, ..."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Validate, then act."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.variables = task_vars or {}
        self.host = str(self.variables.get("inventory_hostname", ""))
        _, arguments = self.validate_argument_spec(dict(self.ARGUMENTS), **self.BETWEEN)
        return result | self.act(RunContext(self.variables), {key: plain(value) for key, value in arguments.items()})

    @abstractmethod
    def act(self, run: RunContext, arguments: dict[str, Any]) -> dict[str, Any]:
        """Do the step and return what it adds to the task's result; ``arguments`` are plain data."""

    def variable(self, name: str, default: str = "") -> str:
        """Return a variable of the play, templated."""
        value = self.variables.get(name)
        return default if value in (None, "") else str(plain(self._templar.template(value)))


def refuse(finding: Finding, **more: Any) -> dict[str, Any]:
    """Return the result of a task that refuses: nothing was changed, and this is why."""
    return {
        "changed": False,
        "failed": True,
        "refused": True,
        "findings": [finding.as_dict()],
        "msg": refusal_text([finding]),
        **more,
    }


def plain(value: Any) -> Any:
    """Return a templated value as ordinary Python data, without Ansible's tags, so that it can be written and signed."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str.__str__(value) if isinstance(value, str) else str(value)
