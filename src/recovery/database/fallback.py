"""Staging from the approved source, and from the approved alternatives in turn where it fails while it is read. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..findings import Finding
from .errors import RestoreError, lost
from .pgbackrest import Repository
from .restore import Restore, Staged
from .shell import CommandError
from .target import Target
from .wayback import abandon

# What another source, or another backup, may be spared.
SPARED = ("backup-damaged", "source-lost", "replay-failed", "replay-short")


def stage_in_turn(
    restore: Restore, open_sources: Callable[[str], Sequence[Repository]], tails: Mapping[str, str], target: Target, jobs: int
) -> tuple[Staged, list[Finding]]:
    """Stage the decision's backup, or the first of its alternatives that can be read and reaches the target.

    ``open_sources``: from a source's name to its repository and those that may supply log besides. An interrupted recovery goes on
    with the alternative it had come to. Returns the staged cluster and what was given up on the way; raises the last RestoreError.
    """
    attempts: list[dict[str, Any]] = [{}, *restore.decision.get("alternatives", [])]
    taken = restore.state.get("taken") or {}
    remaining = attempts[attempts.index(taken) if taken in attempts else 0 :]
    findings: list[Finding] = []
    for number, attempt in enumerate(remaining):
        restore.attempt = attempt
        restore.another_follows = number + 1 < len(remaining)
        try:
            return restore.stage(open_sources(restore.plan["source"]), tails, target, jobs), findings
        except (RestoreError, CommandError) as error:
            failed = _as_restore_error(error, restore.plan["source"])
            if failed.code not in SPARED or not restore.another_follows:
                if restore.another_follows:
                    abandon(restore.cluster, restore.procedure, restore.ways)
                raise failed from error
            following = remaining[number + 1]
            findings.append(
                Finding(
                    "fell-back",
                    "warning",
                    f"{failed} The next approved one was taken instead: backup {following['backup']} from the {following['source']} "
                    f"repository, which reaches {following['reaches']}.",
                    remedy=f"Look after the {restore.plan['source']} repository once the wards work.",
                )
            )
    raise RestoreError("Nothing was left to try.", "nothing-staged")


def _as_restore_error(error: RestoreError | CommandError, source: str) -> RestoreError:
    if isinstance(error, RestoreError):
        return error
    if lost(error):
        return RestoreError(f"The {source} repository stopped answering: {error.output[-300:]}", "source-lost")
    return RestoreError(str(error))
