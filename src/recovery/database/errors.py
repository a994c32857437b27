"""What a recovery of a database can end with. Standard library only."""

from __future__ import annotations

from .shell import CommandError


class RestoreError(Exception):
    """A restore that could not go on: what is so, what was left untouched, what to do."""

    def __init__(self, message: str, code: str = "restore-failed", remedy: str = "") -> None:
        """Keep the sentence, the code of its finding, and what to do about it."""
        super().__init__(message)
        self.code = code
        self.remedy = remedy


ANOTHER_BACKUP = "Take another source (-e source=best), or an older backup (-e target=backup:LABEL)."
ANOTHER_MOMENT = "Take another source (-e source=best), or an earlier moment (-e target=time:...)."


def replay_failure(target: str, log: str, fetch: str, said: str) -> str:
    """Say why a replay ended badly, from the server's log, the log of what it fetched, and what the start command said."""
    if "before configured recovery target was reached" in log:
        return f"The write-ahead log at hand ends before the target {target}. The old cluster's files have not been touched."
    if fetch:
        return (
            f"The write-ahead log is damaged: {fetch.splitlines()[0]}. Replay was stopped there, so nothing is lost unsaid; "
            "the old cluster's files have not been touched."
        )
    return f"The staged cluster did not come up; the old cluster's files have not been touched. It said: {log[-600:] or said[-600:]}"


def unreadable(error: CommandError, label: str, source: str) -> str:
    """Say which backup could not be read whole, and why, from pgBackRest's own words."""
    reason = next((line for line in error.output.splitlines() if "ERROR" in line), error.output[-400:])
    return (
        f"Backup {label} in the {source} repository could not be read whole: {reason.strip()}. "
        "The old cluster's files have not been touched."
    )
