"""What a proof of a database is asked to prove. Pure, standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .clients import acknowledged as acknowledged_by


@dataclass(frozen=True)
class Request:
    """The figures and names that a proof is held against; what is empty is not asked, and the result says so.

    ``acknowledged`` maps a workstation to ``{"ranges": [[first, last], ...], "unknown": [...]}``. Times are aware datetimes.
    ``live``: the service is running, so its heartbeat must be fresh. ``opened_at``: since then rows later than the target time
    are the wards' new work.
    """

    data_directory: str = ""
    depth: str = "quick"
    manifest: Mapping[str, Any] | None = None
    manifest_exact: bool = False
    manifest_required: bool = True
    critical_tables: tuple[str, ...] = ()
    business_rules: tuple[Mapping[str, Any], ...] = ()
    heartbeat: Mapping[str, Any] = field(default_factory=dict)
    newest_rows: tuple[Mapping[str, Any], ...] = ()
    client_transactions: Mapping[str, Any] = field(default_factory=dict)
    acknowledged: Mapping[str, Any] = field(default_factory=dict)
    expected_system_identifier: str = ""
    expected_timeline_min: int = 0
    expected_end_lsn: str = ""
    client_summaries: tuple[Mapping[str, Any], ...] = ()
    target_time: datetime | None = None
    boundary: Mapping[str, Any] = field(default_factory=dict)
    fault_at: datetime | None = None
    opened_at: datetime | None = None
    outage_after: datetime | None = None
    live: bool = True
    tail_loss: str = "fail"
    jobs: int = 2

    @property
    def full(self) -> bool:
        """Return whether everything is to be read."""
        return self.depth == "full"


def moment(text: str) -> datetime | None:
    """Read an ISO 8601 time with its zone. Raises ValueError, with what to write instead, for anything else."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: write it as 2026-11-21T02:00:00+08:00") from error
    if at.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone: write it as 2026-11-21T02:00:00+08:00, or with Z for UTC")
    return at


def lsn(text: str) -> int:
    """Read a write-ahead log position such as 0/3000148. Raises ValueError for anything else."""
    high, slash, low = text.strip().partition("/")
    if not slash:
        raise ValueError(f"{text!r} is not a position in the write-ahead log: write it as 0/3000148")
    return (int(high, 16) << 32) + int(low, 16)


def request_from(options: Mapping[str, Any]) -> Request:
    """Read a module's options. Raises ValueError, with what to write instead, for what cannot be read."""
    for name in ("expected_end_lsn",):
        if options.get(name):
            lsn(str(options[name]))
    summaries = tuple(options.get("client_summaries") or ())
    fault_at = moment(str(options.get("fault_at") or ""))
    told = acknowledged_by(summaries) | dict(options.get("acknowledged") or {})
    acknowledged = {
        str(station): {"ranges": summary.get("ranges") or summary.get("acknowledged") or [], "unknown": summary.get("unknown") or []}
        for station, summary in told.items()
    }
    return Request(
        data_directory=str(options.get("data_directory") or ""),
        depth=str(options.get("depth") or "quick"),
        manifest=options.get("manifest") or None,
        manifest_exact=bool(options.get("manifest_exact")),
        manifest_required=bool(options.get("manifest_required", True)),
        critical_tables=tuple(_name(entry) for entry in options.get("critical_tables") or ()),
        business_rules=tuple(options.get("business_rules") or ()),
        heartbeat=options.get("heartbeat") or {},
        newest_rows=tuple(options.get("newest_rows") or ()),
        client_transactions=options.get("client_transactions") or {},
        acknowledged=acknowledged,
        expected_system_identifier=str(options.get("expected_system_identifier") or ""),
        expected_timeline_min=int(options.get("expected_timeline_min") or 0),
        expected_end_lsn=str(options.get("expected_end_lsn") or ""),
        target_time=moment(str(options.get("target_time") or "")),
        boundary=options.get("boundary") or {},
        fault_at=fault_at,
        outage_after=moment(str(options.get("outage_after") or "")),
        client_summaries=summaries,
        opened_at=moment(str(options.get("opened_at") or "")),
        live=bool(options.get("live", True)),
        tail_loss=str(options.get("tail_loss") or "fail"),
        jobs=int(options.get("jobs") or 2),
    )


def _name(entry: Any) -> str:
    return str(entry["name"]) if isinstance(entry, Mapping) else str(entry)
