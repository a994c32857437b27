"""When the network is quiet: what interrupts people and can wait is done then, or a named person answers for it (RCV-6). Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from recovery.findings import Finding


def quiet(window: Mapping[str, str], zone: str, now: datetime.datetime) -> bool:
    """Say whether a moment lies in the quiet window (``from``, ``to`` as HH:MM of the hospital's zone; it may span midnight)."""
    start, end = (datetime.time.fromisoformat(window[key]) for key in ("from", "to"))
    at = now.astimezone(ZoneInfo(zone)).time()
    return start <= at < end if start <= end else at >= start or at < end


def against(window: Mapping[str, str], zone: str, now: datetime.datetime, why: str) -> list[Finding]:
    """Return that something planned is asked for while the hospital is busy; nothing where it is quiet, or no window is given."""
    if not window or quiet(window, zone, now):
        return []
    return [
        Finding(
            "not-quiet",
            "overridable",
            f"It is {now.astimezone(ZoneInfo(zone)):%H:%M}; the network is quiet from {window['from']} to {window['to']} ({zone}).",
            why,
            "Run it in the quiet window, or announce the interruption and have somebody answer for it.",
        )
    ]
