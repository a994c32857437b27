"""Findings of checks, and what they mean for a run: shipped to hosts, standard library only.

A finding states a cause, why it matters, a remedy and an alternative. ``stop`` blocks always; ``overridable`` blocks unless a
named person accepts it; ``warning`` and ``info`` are shown and journalled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

SEVERITIES = ("info", "warning", "overridable", "stop")
# The options by which a module is told what a named person accepts.
OVERRIDE_ARGUMENTS: dict[str, dict[str, Any]] = {
    "override": {"type": "list", "elements": "str", "default": []},
    "override_by": {"type": "str", "default": ""},
}


@dataclass(frozen=True)
class Finding:
    """One thing a check found. ``code`` is what tests match and what ``-e override=`` names; the rest are sentences."""

    code: str
    severity: str
    message: str
    why: str = ""
    remedy: str = ""
    alternative: str = ""

    def __post_init__(self) -> None:
        """Refuse a severity outside the closed list."""
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity {self.severity!r} is none of {', '.join(SEVERITIES)}")

    def as_dict(self) -> dict[str, str]:
        """Return the finding as it travels in a module's result."""
        return asdict(self)


def settle(findings: Iterable[Finding], override: Sequence[str] = (), override_by: str = "") -> tuple[list[Finding], list[dict[str, str]]]:
    """Split findings into those that block and those that a named person accepted.

    An override without a name accepts nothing; a ``stop`` cannot be overridden.
    """
    blocking: list[Finding] = []
    overridden: list[dict[str, str]] = []
    for finding in findings:
        if finding.severity == "overridable" and finding.code in override and override_by.strip():
            overridden.append({"code": finding.code, "by": override_by.strip(), "message": finding.message})
        elif finding.severity in ("overridable", "stop"):
            blocking.append(finding)
    return blocking, overridden


def rehearsed(findings: Iterable[Finding], code: str = "server-healthy") -> list[Finding]:
    """Return findings as a rehearsal tells them: it replaces nothing, so what lives is no reason to stop; a real run's refusal is said."""
    return [replace(f, severity="warning", message=f"{f.message} A real run would be refused.") if f.code == code else f for f in findings]


def refusal_text(blocking: Sequence[Finding]) -> str:
    """Put blocking findings into sentences: what is so, why it matters, what to do instead."""
    parts: list[str] = []
    for finding in blocking:
        lines = [finding.message]
        lines += [text for text in (finding.why, finding.remedy, finding.alternative) if text]
        if finding.severity == "overridable":
            lines.append(f"If it must be done all the same: -e override={finding.code} -e override_by=NAME (journalled).")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def split_override(value: Any) -> list[str]:
    """Read ``-e override=a,b`` (or a list) into codes."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [str(part).strip() for part in value]
