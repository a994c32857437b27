"""What a proof set out to check, what came of it, and the verdict. Pure, standard library only.

Every check is announced with the number of its parts before it runs. A part that nobody reported on is not a pass: a proof
that lost a worker, a connection or its patience ends as COULD-NOT-VERIFY, never as PASS (RCV-1, RCV-5).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..findings import Finding

PASS = "PASS"  # noqa: S105 - a verdict, not a password
FAIL = "FAIL"
COULD_NOT_VERIFY = "COULD-NOT-VERIFY"

# Of one check, so many failures are told apart; the rest is counted. A destroyed table has millions.
TOLD_APART = 20


@dataclass
class Check:
    """One question asked of the database, in as many parts as there are relations, rules or workstations to ask it of."""

    code: str
    sentence: str
    parts: int
    done: int = 0
    failures: int = 0
    reasons: list[str] = field(default_factory=list)
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Return what this check alone says."""
        if self.failures:
            return FAIL
        return PASS if self.done == self.parts and not self.reasons else COULD_NOT_VERIFY

    def as_dict(self) -> dict[str, Any]:
        """Return the check as it stands in the result."""
        return {
            "code": self.code,
            "check": self.sentence,
            "verdict": self.verdict,
            "parts": self.parts,
            "done": self.done,
            "took_s": round(self.seconds, 3),
            **self.figures,
        }


class Ledger:
    """All checks of one proof. Safe to use from several workers."""

    def __init__(self) -> None:
        """Begin with nothing announced, which is not a pass either."""
        self._lock = threading.Lock()
        self._checks: dict[str, Check] = {}
        self.findings: list[Finding] = []

    def announce(self, code: str, sentence: str, parts: int = 1) -> None:
        """Say beforehand what will be checked; announcing a check again adds parts to it."""
        with self._lock:
            if code in self._checks:
                self._checks[code].parts += parts
            else:
                self._checks[code] = Check(code, sentence, parts)

    def passed(self, code: str, parts: int = 1) -> None:
        """Record that parts of a check ran and found nothing wrong."""
        with self._lock:
            self._checks[code].done += parts

    def failed(self, code: str, message: str, *, why: str = "", remedy: str = "", alternative: str = "") -> None:
        """Record that a part of a check ran and found the database wrong; ``message`` names relation, figure, row."""
        with self._lock:
            check = self._checks[code]
            check.done += 1
            check.failures += 1
            if check.failures <= TOLD_APART:
                self.findings.append(Finding(code, "stop", message, why, remedy, alternative))

    def unverified(self, code: str, reason: str, *, remedy: str = "", alternative: str = "") -> None:
        """Record that a part of a check could not be carried out, and why."""
        with self._lock:
            check = self._checks[code]
            check.done += 1
            check.reasons.append(reason)
            if len(check.reasons) <= TOLD_APART:
                self.findings.append(Finding(code, "warning", reason, "What was not checked is not proven.", remedy, alternative))

    def note(self, code: str, message: str, why: str = "") -> None:
        """Record something worth knowing that decides nothing."""
        with self._lock:
            self.findings.append(Finding(code, "info", message, why))

    def figure(self, code: str, **figures: Any) -> None:
        """Keep figures beside a check."""
        with self._lock:
            self._checks[code].figures.update(figures)

    def add(self, code: str, name: str, amount: float) -> None:
        """Add to a figure beside a check."""
        with self._lock:
            figures = self._checks[code].figures
            figures[name] = figures.get(name, 0) + amount

    @contextmanager
    def timed(self, code: str) -> Iterator[None]:
        """Add the time spent inside to the check (if it was announced by then), whatever comes of it."""
        started = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                if code in self._checks:
                    self._checks[code].seconds += time.monotonic() - started

    @property
    def checks(self) -> list[Check]:
        """Return the checks in the order in which they were announced."""
        with self._lock:
            return list(self._checks.values())

    def verdict(self) -> tuple[str, str]:
        """Return the verdict and its reason: PASS only if every announced part ran and none found anything."""
        checks = self.checks
        failed = [check for check in checks if check.verdict == FAIL]
        if failed:
            found = [finding for finding in self.findings if finding.severity == "stop"]
            first = [next(finding.message for finding in found if finding.code == check.code) for check in failed]
            number = sum(check.failures for check in failed)
            more = f" ({number} failures in {len(failed)} checks)" if number > 1 else ""
            return FAIL, "\n".join(first) + more
        unproven = [check for check in checks if check.verdict == COULD_NOT_VERIFY]
        if unproven:
            return COULD_NOT_VERIFY, "; ".join(_unproven(check) for check in unproven)
        if not checks:
            return COULD_NOT_VERIFY, "no check was carried out"
        return PASS, f"{len(checks)} checks in {sum(check.parts for check in checks)} parts, all carried out, nothing wrong"


def _unproven(check: Check) -> str:
    if check.reasons:
        more = f" (and {len(check.reasons) - 1} more)" if len(check.reasons) > 1 else ""
        return f"{check.sentence}: {check.reasons[0]}{more}"
    return f"{check.sentence}: {check.parts - check.done} of {check.parts} parts were not carried out"
