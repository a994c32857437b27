"""The written plan as data: typed loaders of the files in ``plan/``, each refusing what it does not understand."""

from recovery.plan.approvals import FAULT_CLASSES, ApprovalRule, Approvals, load_approvals
from recovery.plan.clauses import Clause, load_clauses
from recovery.plan.deadlines import Deadline, Deadlines, load_deadlines
from recovery.plan.drills import Drill, load_drills
from recovery.plan.reader import PlanError
from recovery.plan.targets import RecoveryTarget, Segment, Targets, load_targets

__all__ = [
    "FAULT_CLASSES",
    "ApprovalRule",
    "Approvals",
    "Clause",
    "Deadline",
    "Deadlines",
    "Drill",
    "PlanError",
    "RecoveryTarget",
    "Segment",
    "Targets",
    "load_approvals",
    "load_clauses",
    "load_deadlines",
    "load_drills",
    "load_targets",
]
