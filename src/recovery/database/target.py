"""What a restore is asked to reach, and what that becomes for PostgreSQL (manual, 20.5.6 Recovery Target). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

_LABEL = re.compile(r"[0-9]{8}-[0-9]{6}F(?:_[0-9]{8}-[0-9]{6}[DI])?")

FORMS = "latest | time:2026-11-21T03:25:00+08:00 | backup:20261121-020000F"


class TargetError(ValueError):
    """A target that cannot be understood; the message says which forms are."""


@dataclass(frozen=True)
class Target:
    """A recovery target: ``kind`` is latest, time or backup; the field of that kind is set.

    A time always carries its zone and is kept in UTC; a backup stands for the moment at which its manifest was taken.
    """

    kind: str
    time: datetime | None = None
    label: str = ""

    @property
    def text(self) -> str:
        """Return the target in the form in which it can be asked for again."""
        if self.kind == "time" and self.time is not None:
            return "time:" + self.time.isoformat().replace("+00:00", "Z")
        return f"backup:{self.label}" if self.kind == "backup" else "latest"

    @property
    def timestamp(self) -> float | None:
        """Return the target's time in seconds since the epoch, or None where it is not a time."""
        return self.time.timestamp() if self.time is not None else None

    def options(self, restore_point: str = "") -> list[str]:
        """Return pgBackRest's options for this target.

        ``restore_point`` is the named point of a backup's manifest; without one, a backup is restored to the first
        consistent moment.
        """
        if self.kind == "time" and self.time is not None:
            return ["--type=time", f"--target={self.time.strftime('%Y-%m-%d %H:%M:%S.%f')}+00", "--target-action=promote"]
        if self.kind == "backup" and restore_point:
            return ["--type=name", f"--target={restore_point}", "--target-action=promote"]
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
