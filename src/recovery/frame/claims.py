"""What a person says was done, and what a machine sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Claim:
    """A module that looks whether a step was done. ``expect`` names result keys (dotted) and the values they must have."""

    module: str
    args: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)

    def sentence(self) -> str:
        """Say how the claim is checked."""
        wanted = ", ".join(f"{key} = {value}" for key, value in self.expect.items())
        return f"checked with {self.module}" + (f": {wanted}" if wanted else "")


def _lookup(result: Mapping[str, Any], key: str) -> Any:
    value: Any = result
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def judge_claim(claim: Claim, result: Mapping[str, Any]) -> str:
    """Return an empty text if the module's result bears the claim out, else a sentence of why not. Not looked means not so."""
    if result.get("unreachable"):
        return f"the host could not be reached: {result.get('msg') or 'no reason given'}"
    if result.get("skipped"):
        return "it could not be looked at (the check was skipped)"
    if result.get("failed") or result.get("rc") not in (None, 0):
        said = result.get("msg") or result.get("stderr") or result.get("stdout") or f"status {result.get('rc')}"
        return str(said).strip().splitlines()[0]
    verdict = result.get("verdict")
    if verdict not in (None, "PASS"):
        return str(result.get("reason") or f"the check answered {verdict}")
    for key, wanted in claim.expect.items():
        found = _lookup(result, key)
        if found != wanted and str(found) != str(wanted):
            return f"{key} is {found!r}, expected is {wanted!r}"
    return ""
