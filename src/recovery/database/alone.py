"""One step of a recovery at a time on a host. A run that was killed does not know that its last step is still at work there."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import RestoreError
from .shell import Procedure

WAIT_S = 1800.0
PAUSE_S = 0.5


@contextmanager
def alone(path: Path, procedure: Procedure, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold this host's recovery for one step; wait for a step that is still under way. Raises RestoreError when that does not end.

    The kernel frees it when the step ends, however it ends; programs that a step starts do not inherit it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(handle):
            with procedure.step("Wait for the step of an interrupted run that is still at work on this host"):
                deadline = time.monotonic() + wait_s
                while not _taken(handle):
                    if time.monotonic() > deadline:
                        raise RestoreError(
                            f"A step of an earlier run has been at work on this host for more than {wait_s:.0f} s; nothing was changed. See"
                            f" what it does (fuser -v {path}), end it, and run the same command again.",
                            "step-under-way",
                        )
                    time.sleep(PAUSE_S)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
