"""``plan/approvals.yml``: who agrees before a recovery acts (CLS-6, ACT-2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recovery.plan.reader import read

FAULT_CLASSES = ("I", "II", "III")


@dataclass(frozen=True)
class ApprovalRule:
    """What one class of fault asks for: ``needed`` different people out of ``of``, within ``expiry_minutes``."""

    fault_class: str
    needed: int
    of: tuple[str, ...]
    expiry_minutes: float


@dataclass(frozen=True)
class Approvals:
    """The people who may be asked (their role's name in zh and en) and the rule of each class of fault."""

    principals: Mapping[str, Mapping[str, str]]
    rules: Mapping[str, ApprovalRule]

    def title(self, principal: str, language: str) -> str:
        """Return the role's name in the language of the staff."""
        return self.principals.get(principal, {}).get(language, principal)


def load_approvals(directory: Path) -> Approvals:
    """Load and check ``approvals.yml`` in the plan's directory. Raises PlanError."""
    top = read(directory / "approvals.yml").mapping(["principals", "fault_classes"], [])
    principals: dict[str, dict[str, str]] = {}
    for name, field in top["principals"].mapping().items():
        titles = field.mapping(["zh", "en"], [])
        principals[name] = {"zh": titles["zh"].text(), "en": titles["en"].text()}
    rules: dict[str, ApprovalRule] = {}
    for name, field in top["fault_classes"].mapping(FAULT_CLASSES, []).items():
        keys = field.mapping(["needed", "of", "expiry_minutes"], [])
        of = keys["of"].texts(principals)
        needed = keys["needed"].integer()
        if needed > len(of):
            raise keys["needed"].wrong(f"asks for {needed} people out of {len(of)}: nobody could ever agree")
        rules[name] = ApprovalRule(name, needed, of, keys["expiry_minutes"].number(0.001))
    return Approvals(principals, rules)
