"""What the lab says when it cannot do what it was asked: a cause, a remedy, an alternative, in sentences."""

from __future__ import annotations


class LabError(Exception):
    """A refusal or failure, worded for the person at the keyboard."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        """Keep the cause and what to do about it."""
        self.cause = cause
        self.remedy = remedy
        super().__init__(f"{cause} {remedy}".strip())
