"""Fetching from many switches at once, and when a fetch counts: only if it is proven complete (BKP-6, BKP-11).

A configuration that was cut off, paged or read from the wrong box looks like a backup until the night it is needed. So a fetch has to
end as the platform ends a configuration, read the same twice, be about as long as the last one, and parse back to the switch it is of.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from recovery.findings import Finding
from recovery.network.answers import SwitchError
from recovery.network.device import Device
from recovery.network.parse import parse as parse_configuration
from recovery.network.session import Session
from recovery.network.state import State, ask, parse
from recovery.network.talk import Talk, talk

WORKERS = 32
LEAST_LINES = 8
LEAST_SHARE = 0.7
"""A configuration that lost more than so much of its lines since the last good one is not believed without a named person's word."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Fetched:
    """What was read of one switch, with its secrets; ``findings`` say whether it counts."""

    name: str
    platform: str
    address: str
    at: str
    running: str
    startup: str
    state: State = field(default_factory=State, repr=False)
    findings: tuple[Finding, ...] = ()
    took_s: float = 0.0


@dataclass(frozen=True)
class Limits:
    """When a configuration is too short to be one: in lines, and as a share of the last good one."""

    least_lines: int = LEAST_LINES
    least_share: float = LEAST_SHARE


def steady(how: Talk, text: str) -> list[str]:
    """Return the lines of a configuration without those that change by themselves (dates, sizes, separators)."""
    lines = [line.rstrip() for line in text.splitlines()]
    return [line for line in lines if line and not any(pattern.search(line) for pattern in how.volatile)]


def digest(how: Talk, text: str) -> str:
    """Return the SHA-256 of a configuration's steady lines: equal for two reads between which nothing was changed."""
    return hashlib.sha256("\n".join(steady(how, text)).encode()).hexdigest()


def judge(
    device: Device, text: str, again: str, last_lines: int | None = None, limits: Limits = Limits(), prompted: str = ""
) -> list[Finding]:
    """Say what speaks against a fetched running configuration; nothing does if it is proven complete.

    ``again``: the second read; ``last_lines``: how many steady lines the last good one had; ``prompted``: the name in the prompt, for
    a platform that does not write its factory's name down.
    """
    how = talk(device.platform)
    name = device.name
    lines = steady(how, text)
    kept = "The last good configuration stays in the archive."
    found: list[Finding] = []

    def refuse(code: str, message: str, remedy: str, severity: str = "stop") -> None:
        found.append(Finding(code, severity, f"{name}: {message} {kept}", "Half a configuration restored is a fault of its own.", remedy))

    if how.pager.search(text):
        refuse(
            "archive-paged",
            "the configuration was shown page by page, and a pager's mark stands in it.",
            "Allow the account to switch paging off.",
        )
    if how.rejected("\n".join(text.splitlines()[:4])):
        refuse("archive-rejected", "the switch did not show its configuration.", "Give the account the right to read it.")
    if not text.strip() or not how.end.search("\n".join(text.splitlines()[-3:])):
        last = lines[-1] if lines else "nothing"
        refuse(
            "archive-truncated",
            f"the configuration does not end as one of {device.platform} ends; its last line is {last!r}.",
            "Fetch it again.",
        )
    elif len(lines) < limits.least_lines:
        refuse(
            "archive-too-short",
            f"the configuration has {len(lines)} lines only.",
            "Look whether the switch was reset to its factory state.",
        )
    if digest(how, text) != digest(how, again):
        refuse("archive-unsteady", "two reads one after the other differ.", "Wait until nobody configures it, and fetch it again.")
    if last_lines and len(lines) < limits.least_share * last_lines:
        refuse(
            "archive-shrunk",
            f"the configuration has {len(lines)} lines, the last good one had {last_lines}.",
            "If so much was really taken out, say so by name.",
            "overridable",
        )
    if not any(finding.code in ("archive-truncated", "archive-rejected") for finding in found):
        found += _parses_back(device, text, prompted)
    return found


def _parses_back(device: Device, text: str, prompted: str) -> list[Finding]:
    try:
        switch = parse_configuration(device.platform, text)
    except (ValueError, KeyError) as error:
        remedy = "Keep it as a transcript and correct the parser of this platform."
        return [Finding("archive-not-parsed", "stop", f"{device.name}: the configuration does not parse back: {error}", remedy=remedy)]
    found: list[Finding] = []
    name = switch.hostname or prompted
    if name != device.expected:
        found.append(
            Finding(
                "archive-not-its-own",
                "stop",
                f"{device.name}: the configuration is that of {name or 'a switch without a name'}, not of {device.expected}.",
                "A configuration kept under a wrong name replaces the wrong switch.",
                "Correct network_hostname in the inventory if the name is right, or the address if it is not.",
            )
        )
    if not switch.ports:
        found.append(Finding("archive-not-parsed", "stop", f"{device.name}: the configuration parses back without a single port."))
    if switch.unknown:
        first = ", ".join(repr(unknown.text.strip()) for unknown in switch.unknown[:3])
        more = f" and {len(switch.unknown) - 3} more" if len(switch.unknown) > 3 else ""
        message = f"{device.name}: {len(switch.unknown)} lines are kept but not understood: {first}{more}."
        found.append(Finding("archive-unknown-lines", "info", message))
    return found


def fetch(
    device: Device,
    *,
    tables: Iterable[str] | None = None,
    last_lines: int | None = None,
    limits: Limits = Limits(),
    deadline_s: float = 180.0,
) -> Fetched:
    """Read running and startup configuration and tables of one switch, and judge them. Raises SwitchError."""
    began = time.monotonic()
    at = datetime.now(UTC).isoformat(timespec="seconds")
    with Session(device, deadline_s=deadline_s) as session:
        running = session.running()
        startup = session.startup()
        answers = ask(session, tables or ()) if tables is None or tables else {}
        again = session.running()
        prompted = session.hostname
    findings = judge(device, running, again, last_lines, limits, prompted)
    state = State()
    try:
        state = parse(device.platform, answers)
    except SwitchError as error:  # a table that is not understood must not cost the configuration its place in the archive
        findings.append(error.finding("warning"))
    took = round(time.monotonic() - began, 2)
    return Fetched(device.name, device.platform, device.address, at, running, startup, state, tuple(findings), took)


def each(devices: Sequence[Device], work: Callable[[Device], Result], workers: int = WORKERS) -> dict[str, Result | SwitchError]:
    """Do the same with many switches at once; what failed is there as its error. A dead one delays nobody but itself."""

    def one(device: Device) -> Result | SwitchError:
        try:
            return work(device)
        except SwitchError as error:
            return error
        except Exception as error:  # a fault of ours with one switch must not cost the others their backup
            return SwitchError(f"{device.name}: {type(error).__name__}: {_short(error)}")

    with ThreadPoolExecutor(max(1, min(workers, len(devices)))) as pool:
        return dict(zip((device.name for device in devices), pool.map(one, devices), strict=True))


def _short(error: Any) -> str:
    return re.sub(r"\s+", " ", str(error))[:300]
