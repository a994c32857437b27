"""Does the cable sit where it belongs, and is everything as it was before the switch failed?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from recovery.frame.action import FrameAction, RunContext
from recovery.network import failover_prove
from recovery.network.failover_call import FAILOVER, PROBLEMS, Place, failure


class ActionModule(FrameAction):
    """See library/switch_verify.py for the documentation."""

    ARGUMENTS: ClassVar[Mapping[str, Any]] = {
        "verb": {"type": "str", "choices": ["cable", "service"], "required": True},
        "number": {"type": "int", "default": 0},
        "patience_s": {"type": "float", "default": 10},
        "hear_s": {"type": "float", "default": 10},
        "pause_s": {"type": "float", "default": 5},
        "extend_s": {"type": "float", "default": 0},
        "since": {"type": "str", "default": ""},
        "client_summaries": {"type": "list", "elements": "dict", "default": []},
        **FAILOVER,
    }

    def act(self, run: RunContext, arguments: dict[str, Any]) -> dict[str, Any]:
        """Look, and return the verdict."""
        if self._task.check_mode:
            return {"changed": False, "reason": "Nothing was moved, so there is nothing to prove.", "verdict": "NOT-RUN"}
        try:
            place = Place.of(arguments)
            prove = failover_prove.cable_call if arguments["verb"] == "cable" else failover_prove.service_call
            said = prove(place, arguments)
        except PROBLEMS as error:
            return {**failure(error, looking=False), "failed": True, "verdict": "FAIL", "reason": str(error)}
        return {"changed": False, "failed": said["verdict"] != "PASS", "msg": said["reason"], **said}
