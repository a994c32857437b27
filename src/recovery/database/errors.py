"""What a recovery of a database can end with. Standard library only."""

from __future__ import annotations

import re

from .shell import CommandError

NO_ANSWER = 124
UNTOUCHED = "The old cluster's files have not been touched."


class RestoreError(Exception):
    """A restore that could not go on: what is so, what was left untouched, what to do."""

    def __init__(self, message: str, code: str = "restore-failed", remedy: str = "") -> None:
        """Keep the sentence, the code of its finding, and what to do about it."""
        super().__init__(message)
        self.code = code
        self.remedy = remedy


ANOTHER_BACKUP = "Take another source (-e source=best), or an older backup (-e target=backup:LABEL)."
ANOTHER_MOMENT = "Take another source (-e source=best), or an earlier moment (-e target=time:...)."


# How ssh and pgBackRest say that the other end has gone, or says nothing any more.
# A file that was cut off ends unexpectedly as well, but that is damage.
_SILENCE = re.compile(
    r"timed? ?out|timeout|no answer|unexpected eof(?! in compressed)|connection (closed|reset|refused)|no route to host|"
    r"unreachable|broken pipe|could not resolve|remote(-\d+)? process .*terminated|not responding|unable to read from|mux_client|"
    r"client state is '[a-z-]+' but expected",  # the answer to an earlier question never came
    re.IGNORECASE,
)


def silent(said: str) -> bool:
    """Tell whether a failed command's words mean that the repository is out of reach or has stopped answering."""
    return bool(_SILENCE.search(said))


def replay_failure(target: str, log: str, fetch: str, said: str) -> tuple[str, str]:
    """Say why a replay ended badly, from the server's log, the log of what it fetched, and what the start command said.

    Returns the finding's code and the sentence.
    """
    if "before configured recovery target was reached" in log:
        return "replay-failed", f"The write-ahead log at hand ends before the target {target}. {UNTOUCHED}"
    if fetch and silent(fetch):
        return "source-lost", f"A repository stopped answering during the replay: {fetch.splitlines()[0]}. {UNTOUCHED}"
    if fetch:
        return "replay-failed", (
            f"The write-ahead log is damaged: {fetch.splitlines()[0]}. Replay was stopped there, so nothing is lost unsaid. {UNTOUCHED}"
        )
    fatal = next((line.partition("FATAL:")[2].strip() for line in log.splitlines() if "FATAL:" in line), "")
    if "required checkpoint record" in fatal:
        return (
            "replay-failed",
            f"The write-ahead log at hand is not the one that belongs to this backup, or is damaged: {fatal}. {UNTOUCHED}",
        )
    return "replay-failed", f"The staged cluster did not come up. {UNTOUCHED} It said: {fatal or log[-600:] or said[-600:]}"


def lost(error: CommandError) -> bool:
    """Tell whether a command failed because the repository is out of reach or has stopped answering."""
    return error.status == NO_ANSWER or silent(error.output)


def unreadable(error: CommandError, label: str, source: str, waited_s: int = 0) -> str:
    """Say which backup could not be read whole, and why, from pgBackRest's own words; ``waited_s``: how long its silence was borne."""
    reason = next((line for line in error.output.splitlines() if "ERROR" in line), error.output[-400:]).strip()
    if lost(error):
        waited = f" (waited {waited_s} s for it)" if waited_s else ""
        return f"The {source} repository stopped answering while backup {label} was being read{waited}: {reason}. {UNTOUCHED}"
    return f"Backup {label} in the {source} repository could not be read whole: {reason}. {UNTOUCHED}"
