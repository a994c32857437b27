"""What a recovery of a database can end with. Standard library only."""

from __future__ import annotations


class RestoreError(Exception):
    """A restore that could not go on: what is so, what was left untouched, what to do."""

    def __init__(self, message: str, code: str = "restore-failed") -> None:
        """Keep the sentence and the code of its finding."""
        super().__init__(message)
        self.code = code
