"""Choose what a drill rehearses, and hold its figures against the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from recovery.drill import history, judging
from recovery.drill.choice import choose
from recovery.frame.action import FrameAction, RunContext
from recovery.frame.files import iso, now
from recovery.frame.project import FrameError, project_root
from recovery.plan import PlanError, load_drills, load_targets


class ActionModule(FrameAction):
    """See library/drill.py for the documentation."""

    ARGUMENTS: ClassVar[Mapping[str, Any]] = {
        "verb": {"type": "str", "required": True, "choices": ["choose", "judge"]},
        "name": {"type": "str", "required": True},
        "asked": {"type": "dict", "default": {}},
        "choice": {"type": "dict", "default": {}},
        "decision": {"type": "dict", "default": {}},
        "proven_at": {"type": "str", "default": ""},
        "began_at": {"type": "str", "default": ""},
        "wards": {"type": "list", "elements": "dict", "default": []},
    }

    def act(self, run: RunContext, arguments: dict[str, Any]) -> dict[str, Any]:
        """Choose or judge."""
        try:
            plan = project_root() / "plan"
            drill = load_drills(plan)[arguments["name"]]
            if arguments["verb"] == "choose":
                return self._choose(drill, arguments)
            targets = load_targets(plan)
            return self._judge(run, drill.clause, targets, arguments)
        except KeyError as error:
            raise AnsibleActionFail(f"plan/drills.yml knows no drill {error}.") from error
        except (PlanError, FrameError, history.HistoryError, ValueError) as error:
            raise AnsibleActionFail(str(error)) from error

    def _choose(self, drill: Any, given: dict[str, Any]) -> dict[str, Any]:
        choice = choose(drill, history.load(), given["asked"])
        told = {**asdict(choice), "point": choice.point}
        recorded = {key: told[key] for key in ("source", "target", "point", "seed")}
        return {
            "changed": False,
            "choice": told,
            "measured": {"drill": recorded},
            "milestones": [{"name": "fault", "at": iso(now()), "detail": "assumed: the drill begins"}],
            "msg": f"{choice.source}, {choice.point} recovery point, seed {choice.seed}: {choice.because}.",
        }

    def _judge(self, run: RunContext, clause: str, targets: Any, given: dict[str, Any]) -> dict[str, Any]:
        choice = given["choice"]
        proven = {"event": "milestone", "run": run.run, "name": "service_proven", "data": {"at": given["proven_at"]}}
        events = [*run.journal.read(), *([proven] if given["proven_at"] else [])]
        figures = judging.compute(events, run.run, targets, choice, targets.for_clause(clause))
        verdict, reason = judging.judge(figures, judging.disturbed(given["wards"], given["began_at"]))
        recorded = {key: choice.get(key) for key in ("source", "point", "seed")} | {
            "target": given["decision"].get("target"),
            "backup": given["decision"].get("backup"),
            "figures": figures,
        }
        detail = "the quick proof of the database restored beside production"
        milestones = [{"name": "service_proven", "at": given["proven_at"], "detail": detail}] if given["proven_at"] else []
        done: dict[str, Any] = {"changed": False, "figures": figures, "measured": {"drill": recorded}, "milestones": milestones}
        return done | {"verdict": verdict, "reason": reason, "msg": reason or "Within the plan's targets.", "failed": verdict == "FAIL"}
