"""Tell the departments, keep what they were told as evidence, and know who was reached."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from recovery.evidence.journal import JournalError
from recovery.evidence.lines import now
from recovery.findings import Finding
from recovery.frame import notice
from recovery.frame.action import FrameAction, RunContext


class ActionModule(FrameAction):
    """See library/notice.py for the documentation."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "title": {"type": "str", "required": True},
        "body": {"type": "str", "required": True},
        "channels": {"type": "list", "elements": "dict", "default": [], "no_log": False},
        "milestone": {"type": "str", "default": ""},
        "language": {"type": "str", "choices": ["zh", "en"], "default": "zh"},
        "via": {"type": "list", "elements": "str", "default": []},
        "timeout_s": {"type": "float", "default": 15},
    }

    def act(self, run: RunContext, arguments: dict[str, Any]) -> dict[str, Any]:
        """Write the notice down, send it, and say who was told."""
        try:
            channels = notice.read_channels(arguments["channels"])
        except notice.NoticeError as error:
            return {"changed": False, "findings": [_misdescribed(error).as_dict()], "msg": str(error)}
        names = ", ".join(channel.name for channel in channels) or "nobody"
        if self._task.check_mode:
            return {
                "changed": False,
                "msg": f"A real run would tell {names}: {arguments['title']}",
                "before": {"notice": arguments["body"]},
            }
        title, body = arguments["title"], arguments["body"]
        text = f"{title}\n\n{body}\n".encode()
        try:
            run.journal.append("note", host=self.host, name=title, attach=[(f"notice.{arguments['language']}.txt", text)])
        except JournalError as error:
            raise AnsibleActionFail(str(error)) from error
        outcomes = notice.deliver(channels, title, body, via=arguments["via"], timeout_s=arguments["timeout_s"])
        left = notice.not_told(outcomes)
        told = [outcome for outcome in outcomes if outcome.delivered]
        result: dict[str, Any] = {
            "changed": bool(told),
            "after": {"channels": [{"name": one.channel, "delivered": one.delivered, "said": one.said} for one in outcomes]},
            "msg": f"{len(told)} of {len(outcomes)} channels took the notice.",
        }
        if left or not outcomes:
            result["findings"] = [_not_told(outcomes, [audience[arguments["language"]] for audience in left]).as_dict()]
        elif arguments["milestone"]:
            detail = "; ".join(f"{one.channel}: {one.said}" for one in told)
            result["milestones"] = [{"name": arguments["milestone"], "at": now(), "detail": detail}]
        return result


def _not_told(outcomes: list[notice.Outcome], departments: list[str]) -> Finding:
    if not outcomes:
        return Finding(
            "no-notice-channel",
            "warning",
            "The inventory names no channel to the departments, so nobody was told.",
            "They wait until somebody tells them.",
            "Call the departments; the notice is among the artefacts of this incident. Then name channels: notice_channels.",
        )
    said = "; ".join(f"{one.channel}: {one.said}" for one in outcomes if not one.delivered)
    return Finding(
        "departments-not-told",
        "warning",
        f"These departments were not reached: {', '.join(departments)} ({said}).",
        "They wait until somebody tells them.",
        "Call them and read them the notice, which is among the artefacts of this incident.",
        "Once the channels work again, the same command tells everybody.",
    )


def _misdescribed(error: notice.NoticeError) -> Finding:
    return Finding(
        "notice-channels-misdescribed",
        "warning",
        f"Nobody was told: {error}",
        "The recovery itself is not touched by it.",
        "Call the departments, and correct notice_channels in the inventory.",
    )
