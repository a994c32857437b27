"""What a workstation's own log says about the service: acknowledged and unknown transactions, gaps, latency. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

Attempt = dict[str, Any]
"""One line of the log: seq, kind, sent, done (ISO text, UTC), ok, and error when it failed; ``probe`` when a probe made it."""

GAP_S = 1.0
"""A pause without any acknowledged transaction counts as a gap in service when it is longer than this."""


def moment(text: str) -> datetime:
    """Read ISO text; a time without a zone is UTC."""
    value = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def iso(value: datetime) -> str:
    """Write a time as everything here does: UTC, milliseconds, Z."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Compress whole numbers into ascending [first, last] pairs; repeated numbers count once."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile (share from 0 to 1) of unsorted values; None when there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def gaps(attempts: Sequence[Attempt], until: datetime, longer_than_s: float = GAP_S) -> list[dict[str, Any]]:
    """Find pauses in which attempts failed and none was acknowledged.

    A gap begins at the last acknowledgement before the first failure and ends at the next acknowledgement; ``end`` is None while the
    service is still away (``seconds`` then counts up to ``until``). A pause without a failed attempt is no gap: nobody was refused.
    When the log begins with failures, the gap begins with the first of them. ``first_failure`` is when the first attempt that failed
    was sent (not when it gave up, which may be seconds later), but not before the last acknowledgement.
    """
    found: list[dict[str, Any]] = []
    last_ok: datetime | None = None
    failures: list[datetime] = []  # when each was sent

    def close(end: datetime | None) -> None:
        first = max(min(failures), last_ok or min(failures))
        start = last_ok or first
        seconds = ((end or until) - start).total_seconds()
        if seconds > longer_than_s:
            found.append(
                {
                    "start": iso(start),
                    "first_failure": iso(first),
                    "end": iso(end) if end else None,
                    "seconds": round(seconds, 3),
                    "failed": len(failures),
                }
            )

    for attempt in sorted(attempts, key=lambda one: moment(one["done"])):
        done = moment(attempt["done"])
        if attempt["ok"]:
            if failures:
                close(done)
                failures = []
            last_ok = done
        else:
            failures.append(moment(attempt["sent"]))
    if failures:
        close(None)
    return found


def per_second(attempts: Iterable[Attempt]) -> list[list[Any]]:
    """Count acknowledged and failed attempts by the second in which they ended: [second, ok, failed], seconds with none left out."""
    counts: dict[str, list[int]] = {}
    for attempt in attempts:
        second = iso(moment(attempt["done"]).replace(microsecond=0))[:19] + "Z"
        counts.setdefault(second, [0, 0])[0 if attempt["ok"] else 1] += 1
    return [[second, *counts[second]] for second in sorted(counts)]


def summarise(attempts: Iterable[Attempt], workstation: str, since: datetime | None, until: datetime) -> dict[str, Any]:
    """Summarise the attempts sent between ``since`` and ``until``.

    A probe's transactions count as acknowledged or unknown like all others, but not for gaps, latency and the plot, which describe the
    steady work of the wards. ``fault`` is the first failure of the longest gap.
    """
    chosen = [one for one in attempts if (since is None or moment(one["sent"]) >= since) and moment(one["sent"]) <= until]
    work = [one for one in chosen if not one.get("probe")]
    away = gaps(work, until)
    longest = max(away, key=lambda gap: gap["seconds"], default=None)
    waits = [(moment(one["done"]) - moment(one["sent"])).total_seconds() * 1000 for one in work if one["ok"]]
    good = [one for one in work if one["ok"]]
    kinds: dict[str, int] = {}
    for one in good:
        kinds[one["kind"]] = kinds.get(one["kind"], 0) + 1
    return {
        "workstation": workstation,
        "since": iso(since) if since else None,
        "until": iso(until),
        "totals": {"attempts": len(work), "ok": len(good), "failed": len(work) - len(good), "kinds": kinds},
        "acknowledged": ranges(one["seq"] for one in chosen if one["ok"]),
        "unknown": sorted(one["seq"] for one in chosen if not one["ok"]),
        "last_acknowledged": max((one["done"] for one in good), default=None),
        "fault": longest["first_failure"] if longest else None,
        "gaps": away,
        "latency_ms": {
            name: None if (value := percentile(waits, share)) is None else round(value, 1)
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
        },
        "per_second": per_second(work),
    }
