"""Disks: ext4 on sparse images behind loop devices, so that full, lost, rotten and carried elsewhere mean what they mean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from lab.errors import LabError
from lab.state import Lab
from lab.system import run
from lab.topology import Disk, Topology

MKFS = ("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard")


def ensure_image(path: Path, size: int, label: str) -> bool:
    """Create a formatted sparse image if there is none; return whether it is new."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.truncate(size)
    run([*MKFS, "-L", label[:16], draft], doing=f"Formatting the disk {label}")
    draft.rename(path)
    return True


def loops(below: Path) -> dict[str, str]:
    """Return the loop devices ({device: image}) whose image lies below a directory, also when it was deleted since."""
    listed = run(["losetup", "--json", "--list", "--output", "NAME,BACK-FILE"], doing="Listing the loop devices").stdout
    found = json.loads(listed)["loopdevices"] if listed.strip() else []
    return {e["name"]: e["back-file"] for e in found if (e["back-file"] or "").startswith(f"{below}/")}


def attach(image: Path) -> str:
    """Return the loop device of an image, attaching one if need be."""
    for device, path in loops(image.parent).items():
        if path == str(image):
            return device
    for _ in range(20):
        done = run(["losetup", "--find", "--show", image], check=False)
        if done.returncode == 0:
            return done.stdout.strip()
        time.sleep(0.05)  # another lab took the device that losetup had found free
    raise LabError(f"No loop device could be had for {image}: {done.stderr.strip()}", "Check `losetup -l` and free some.")


def detach(below: Path) -> list[str]:
    """Detach every loop device whose image lies below a directory; return those that somebody else still holds.

    The kernel detaches those as soon as they are let go (a process that had entered the mount namespace of a host, for example).
    """
    deadline = time.monotonic() + 5
    while left := loops(below):
        for device in left:
            run(["losetup", "--detach", device], check=False)
        if time.monotonic() > deadline:
            return list(left)
        time.sleep(0.05)
    return []


def mounts(below: Path) -> list[Path]:
    """Return the mount points of the outer machine below a directory, deepest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point.startswith(f"{below}/"):
            found.append(Path(point))
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def share(directory: Path) -> None:
    """Make a directory a mount of its own whose changes reach every mount namespace.

    A host keeps a copy of all mounts that the outer machine had when it booted, other labs' too. Without this, what a lab unmounts
    stays in use there until the last host that booted meanwhile is gone.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if directory not in mounts(directory.parent):
        run(["mount", "--bind", directory, directory], doing=f"Setting {directory} apart")
        run(["mount", "--make-private", directory], doing=f"Setting {directory} apart")
    run(["mount", "--make-shared", directory], doing=f"Setting {directory} apart")


def unshare(directory: Path) -> None:
    """Undo ``share``. A process that ends by itself (the SSH connection that Ansible keeps for a minute) may still hold a socket in it."""
    while directory in mounts(directory.parent):
        if run(["umount", directory], check=False).returncode != 0:
            run(["umount", "--lazy", directory], doing=f"Releasing {directory}")


def unmount(below: Path) -> None:
    """Unmount everything below a directory; what is still busy is detached as soon as it is not."""
    for point in mounts(below):
        if run(["umount", point], check=False).returncode != 0:
            run(["umount", "--lazy", point], check=False)


def mount_disk(lab: Lab, host: str, disk: Disk) -> Path:
    """Mount a host's disk on the outer machine, creating it if it is new; return where."""
    point = lab.disk_mount(host, disk.name)
    if point in mounts(lab.root):
        return point
    image = lab.disk_image(host, disk.name)
    ensure_image(image, disk.size, f"{disk.name}@{host}")
    point.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "ext4", "-o", "noatime", attach(image), point], doing=f"Mounting the disk {disk.name} of {host}")
    return point


def remove_mount(lab: Lab, host: str, name: str) -> None:
    """Unmount a host's disk on the outer machine and detach its loop device, if nobody uses it any more."""
    point, image = lab.disk_mount(host, name), lab.disk_image(host, name)
    if point in mounts(lab.root):
        run(["umount", point], check=False).returncode == 0 or run(["umount", "--lazy", point], doing=f"Unmounting {point}")
    deadline = time.monotonic() + 5
    while devices := [device for device, path in loops(image.parent).items() if path == str(image)]:
        for device in devices:
            run(["losetup", "--detach", device], check=False)
        if time.monotonic() > deadline:
            raise LabError(f"The disk {name} of {host} is still held by something.", f"Look at {devices[0]}: grep . /sys/block/loop*/")
        time.sleep(0.02)


def ensure(lab: Lab, topology: Topology) -> None:
    """Mount every disk of every host."""
    for node in topology.hosts.values():
        for disk in node.disks.values():
            mount_disk(lab, node.name, disk)


def used_megabytes(point: Path) -> int:
    """Return how much of a mounted disk is taken."""
    status = os.statvfs(point)
    return (status.f_blocks - status.f_bfree) * status.f_frsize // 2**20


def carry_into(leader: int, source: Path, target: str) -> None:
    """Make a mount of the outer machine appear inside a running host, at ``target``.

    A host's mount namespace can be entered only by a process without threads: lab.mounting runs as one of its own.
    """
    done = subprocess.run(
        [sys.executable, "-m", "lab.mounting", str(leader), str(source), target], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{source} could not be mounted at {target} in the host: {done.stderr.strip()}")
