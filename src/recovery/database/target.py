"""What a restore is asked to reach, and what that becomes for PostgreSQL (manual, 20.5.6 Recovery Target). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from .wal import format_lsn, parse_lsn

_LABEL = re.compile(r"[0-9]{8}-[0-9]{6}F(?:_[0-9]{8}-[0-9]{6}[DI])?")
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
# Quotes and backslashes would have to be escaped in the server's settings; nobody needs them in a name.
_POINT = re.compile(r"[^\s'\"\\]+(?: [^\s'\"\\]+)*")
POINT_BYTES = 63  # MAXFNAMELEN - 1 of PostgreSQL

FORMS = "latest | time:2026-11-21T03:25:00+08:00 | backup:20261121-020000F | lsn:0/1234ABC | name:RESTORE_POINT"


class TargetError(ValueError):
    """A target that cannot be understood; the message says which forms are."""


@dataclass(frozen=True)
class Target:
    """A recovery target: ``kind`` is latest, time, backup, lsn or name; the field of that kind is set.

    A time always carries its zone and is kept in UTC; a backup stands for the moment at which its manifest was taken; ``lsn`` is
    a position in the write-ahead log in bytes, ``name`` one given by pg_create_restore_point.
    """

    kind: str
    time: datetime | None = None
    label: str = ""
    lsn: int | None = None
    name: str = ""

    @property
    def text(self) -> str:
        """Return the target in the form in which it can be asked for again."""
        if self.kind == "time" and self.time is not None:
            return "time:" + self.time.isoformat().replace("+00:00", "Z")
        if self.kind == "lsn" and self.lsn is not None:
            return f"lsn:{format_lsn(self.lsn)}"
        if self.kind == "name":
            return f"name:{self.name}"
        return f"backup:{self.label}" if self.kind == "backup" else "latest"

    @property
    def timestamp(self) -> float | None:
        """Return the target's time in seconds since the epoch, or None where it is not a time."""
        return self.time.timestamp() if self.time is not None else None

    def meaning(self, zone: str = "") -> str:
        """Say what the target became: a time in UTC and in the hospital's ``zone`` (such as Asia/Shanghai), anything else in words."""
        if self.time is not None:
            in_utc = self.time.isoformat(sep=" ").replace("+00:00", " UTC")
            return f"{in_utc} = {_in_zone(self.time, zone)}" if zone else in_utc
        return {
            "backup": f"the moment at which the manifest of backup {self.label} was taken",
            "lsn": f"position {format_lsn(self.lsn or 0)} of the write-ahead log, with what is recorded there",
            "name": f"the restore point {self.name}",
        }.get(self.kind, "everything that can be recovered")

    def options(self, restore_point: str = "") -> list[str]:
        """Return pgBackRest's options for this target.

        ``restore_point`` is the named point of a backup's manifest; without one, a backup is restored to the first
        consistent moment.
        """
        asked = {"lsn": format_lsn(self.lsn or 0), "name": self.name, "backup": restore_point}.get(self.kind, "")
        if self.kind == "time" and self.time is not None:
            asked = f"{self.time.strftime('%Y-%m-%d %H:%M:%S.%f')}+00"
        if asked:
            kind = "name" if self.kind == "backup" else self.kind
            return [f"--type={kind}", f"--target={asked}", "--target-action=promote"]
        if self.kind == "backup":
            return ["--type=immediate", "--target-action=promote"]
        return ["--type=default"]


def parse(text: str) -> Target:
    """Read a target as an operator writes it.

    Raises TargetError for anything else, for a time without a zone, and for a time that does not exist.
    """
    kind, _, value = text.strip().partition(":")
    if kind == "latest" and not value:
        return Target("latest")
    if kind == "time":
        return Target("time", time=_moment(value.strip()))
    if kind == "backup":
        if not _LABEL.fullmatch(value):
            raise TargetError(
                f"'{value}' is not the label of a backup. Labels look like 20261121-020000F; `recovery run database_check` lists them."
            )
        return Target("backup", label=value)
    if kind == "lsn":
        if not _LSN.fullmatch(value.strip()):
            raise TargetError(f"'{value}' is not a position in the write-ahead log. Write it as 0/1234ABC, as PostgreSQL shows it.")
        return Target("lsn", lsn=parse_lsn(value.strip()))
    if kind == "name":
        if not _POINT.fullmatch(value) or not value.isprintable() or len(value.encode("utf-8", "replace")) > POINT_BYTES:
            raise TargetError(
                f"'{value}' cannot be the name of a restore point: 1 to {POINT_BYTES} bytes, without quotes, backslashes and outer spaces."
            )
        return Target("name", name=value)
    raise TargetError(f"The target '{text}' is not understood. Say one of: {FORMS}.")


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00").replace("z", "+00:00"))
        if moment.tzinfo is None:
            raise TargetError(
                f"The time '{value}' has no zone, so it names two different moments. Add the zone: {value}+08:00, or {value}Z for UTC."
            )
        return moment.astimezone(timezone.utc)
    except TargetError:
        raise
    except (ValueError, OverflowError) as error:
        raise TargetError(f"'{value}' is not a time ({error}). Write it as 2026-11-21T03:25:00+08:00.") from error


def _in_zone(moment: datetime, zone: str) -> str:
    try:
        return f"{moment.astimezone(ZoneInfo(zone)).isoformat(sep=' ')} {zone}"
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return f"(the zone {zone} is not known on this host)"
