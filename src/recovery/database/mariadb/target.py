"""Targets of a restore for MariaDB: those of every engine, and ``gtid:0-14-477``, the last transaction to be there. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .. import target as common
from ..target import Target as Common
from ..target import TargetError
from .binlog import Gtid

FORMS = "latest | time:2026-11-21T03:25:00+08:00 | backup:20261121-020000F | gtid:0-14-477"


@dataclass(frozen=True)
class Target(Common):
    """A target; ``gtid`` is set where ``kind`` is gtid."""

    gtid: Gtid | None = None

    @property
    def text(self) -> str:
        """Return the target in the form in which it can be asked for again."""
        return f"gtid:{self.gtid}" if self.kind == "gtid" else super().text


def parse(text: str) -> Target:
    """Read a target as an operator writes it. Raises TargetError for anything else."""
    kind, _, value = text.strip().partition(":")
    if kind == "gtid":
        try:
            return Target("gtid", gtid=Gtid.parse(value))
        except ValueError as error:
            raise TargetError(f"{error}. Say one of: {FORMS}.") from error
    if kind in ("lsn", "name"):
        raise TargetError(f"MariaDB knows no target '{kind}'. Say one of: {FORMS}.")
    found = common.parse(text)
    return Target(found.kind, time=found.time, label=found.label)
