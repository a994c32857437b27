"""Run as ``python -m lab.mounting LEADER SOURCE TARGET``: moves a copy of a mount into the mount namespace of a running host."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

# System call numbers are the same on every architecture for calls this new.
OPEN_TREE, MOVE_MOUNT = 428, 429
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4
AT_FDCWD = -100
CLONE_NEWNS = 0x00020000


def _checked(value: int, what: str) -> int:
    if value < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return value


def main(leader: int, source: str, target: str) -> None:
    """Take a detached copy of the mount here, enter the host, and put the copy in its place."""
    libc = ctypes.CDLL(None, use_errno=True)
    syscall = libc.syscall
    tree = _checked(syscall(OPEN_TREE, AT_FDCWD, source.encode(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), "open_tree")
    namespace = os.open(f"/proc/{leader}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    _checked(libc.setns(namespace, CLONE_NEWNS), "setns")
    Path(target).mkdir(parents=True, exist_ok=True)
    _checked(syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, target.encode(), MOVE_MOUNT_F_EMPTY_PATH), "move_mount")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
