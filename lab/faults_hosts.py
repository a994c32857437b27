"""Faults of hosts: power, disks, services."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab import disks, hospital, host
from lab.errors import LabError
from lab.faults import Fault, Parameter, Scene
from lab.state import Lab
from lab.system import identify
from lab.topology import Disk

# ext4's own way to lose a disk: from now on every access fails, and what had not been written stays unwritten.
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
FILLER = ".filler"


def lose_disk(point: Path) -> None:
    """Make a mounted disk fail at once, as if its power or cable were gone."""
    handle = os.open(point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    finally:
        os.close(handle)


# --- power -----------------------------------------------------------------------------------------------------------


def _cut_power(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name = parameters["host"]
    node = scene.topology.host(name)
    first = host.require_leader(scene.lab, name)
    plugged = host.plugged_disks(scene.lab, scene.topology, name)
    for owner, disk in plugged:
        lose_disk(scene.lab.disk_mount(owner, disk.name))
    host.power_cut(scene.lab, name)
    for owner, disk in plugged:
        disks.remove_mount(scene.lab, owner, disk.name)
    if Path(f"/proc/{first}").exists() and identify(first) is not None and host.leader(scene.lab, name) is not None:
        raise LabError(f"{name} still runs although its power was cut.")
    if host.ssh_answers(scene.lab, name):
        raise LabError(f"{node.address} still answers although the power of {name} was cut.")
    return {}


def _restore_power(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    hospital.boot(scene.lab, scene.topology, parameters["host"], scene.say)


# --- a disk that dies ------------------------------------------------------------------------------------------------


def _holders(lab: Lab, name: str, device: int) -> Iterator[int]:
    """Yield the processes of a host that have something of a device open, mapped or underfoot."""
    leader = host.leader(lab, name)
    if leader is None:
        return
    space = Path(f"/proc/{leader}/ns/pid").readlink()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _uses(entry, space, device):
            yield int(entry.name)


def _uses(entry: Path, space: Path, device: int) -> bool:
    with contextlib.suppress(OSError):
        if (entry / "ns/pid").readlink() != space:
            return False
        for link in (entry / "cwd", *(entry / "fd").iterdir()):
            with contextlib.suppress(OSError):
                if link.stat().st_dev == device:
                    return True
    return False


def clear_holders(lab: Lab, name: str, device: int, grace_s: float) -> list[int]:
    """Give the processes on a device time to fail by themselves, then kill the rest; return the killed."""
    deadline = time.monotonic() + grace_s
    while (left := list(_holders(lab, name, device))) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        if (process := identify(pid)) is not None:
            process.send(signal.SIGKILL)
            process.wait(5)
    return left


def _swap_disk(scene: Scene, name: str, disk: Disk, new_image: Path | None, keep_as: Path) -> None:
    """Put another image (an empty one if None) in the place of a host's disk, keeping the present one."""
    lab = scene.lab
    point, image = lab.disk_mount(name, disk.name), lab.disk_image(name, disk.name)
    owner = point.stat()
    clear_holders(lab, name, owner.st_dev, 3)
    leader = host.leader(lab, name)
    if leader is not None:
        host.execute(lab, name, ["umount", "--lazy", "--no-canonicalize", disk.mount])
    disks.remove_mount(lab, name, disk.name)
    keep_as.parent.mkdir(parents=True, exist_ok=True)
    image.rename(keep_as)
    if new_image is not None:
        new_image.rename(image)
    point = disks.mount_disk(lab, name, disk)
    if new_image is None:
        template = Path(scene.lab.read()["base"]) / disk.mount.lstrip("/")
        status = template.stat() if template.exists() else None
        os.chown(point, status.st_uid if status else 0, status.st_gid if status else 0)
        point.chmod((status.st_mode if status else 0o755) & 0o7777)
    if leader is not None:
        disks.carry_into(leader, point, disk.mount)


def _lose(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name, disk = parameters["host"], scene.topology.disk(parameters["host"], parameters["disk"])
    host.require_leader(scene.lab, name)
    before = _identity(scene, name, disk)
    aside = scene.lab.aside / f"{name}.{disk.name}.{time.time_ns()}.img"
    lose_disk(scene.lab.disk_mount(name, disk.name))
    with contextlib.suppress(OSError):
        _touch_every_entry(scene.lab.disk_mount(name, disk.name))
        raise LabError(f"The disk {disk.name} of {name} still answers although it was taken away.")
    _swap_disk(scene, name, disk, None, aside)
    after = _identity(scene, name, disk)
    if after == before:
        raise LabError(f"{name} still sees its old disk at {disk.mount}.")
    left = host.execute(scene.lab, name, ["ls", "-A", disk.mount]).stdout.split()
    if left not in ([], ["lost+found"]):
        raise LabError(f"{disk.mount} on {name} should be empty and holds {', '.join(left)}.")
    return {"image": str(aside), "file_system": before}


def _touch_every_entry(point: Path) -> None:
    (point / ".still-there").write_bytes(b"")


def _identity(scene: Scene, name: str, disk: Disk) -> str:
    """Return which file system a host sees at a disk's place."""
    seen = host.execute(scene.lab, name, ["stat", "--file-system", "--format=%i", disk.mount])
    return seen.stdout.strip()


def _find_again(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    name, disk = parameters["host"], scene.topology.disk(parameters["host"], parameters["disk"])
    replacement = scene.lab.aside / f"{name}.{disk.name}.replacement.{time.time_ns()}.img"
    _swap_disk(scene, name, disk, Path(kept["image"]), replacement)
    replacement.unlink()
    if host.leader(scene.lab, name) is not None:
        if _identity(scene, name, disk) != kept["file_system"]:
            raise LabError(f"{name} does not see its old disk at {disk.mount} again.")
        if name in [node.name for node in scene.topology.with_role("database")] and disk.name == "data":
            start_database(scene.lab, name)


def start_database(lab: Lab, name: str) -> None:
    """Start PostgreSQL on a host whose data are back, and wait until it answers."""
    host.execute(lab, name, ["systemctl", "reset-failed"], check=False)
    host.execute(lab, name, ["systemctl", "restart", "postgresql@15-main"])
    host.execute(lab, name, ["runuser", "-u", "postgres", "--", "psql", "-X", "-qAtc", "select 1"])


# --- a disk without space --------------------------------------------------------------------------------------------


def _fill(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name, disk = parameters["host"], scene.topology.disk(parameters["host"], parameters["disk"])
    point = scene.lab.disk_mount(name, disk.name)
    filler = point / FILLER
    handle = os.open(filler, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _allocate_all(handle)
    finally:
        os.close(handle)
    probe = disk.mount.rstrip("/") + "/.probe"
    tried = host.execute(scene.lab, name, ["dd", "if=/dev/zero", f"of={probe}", "bs=1M", "count=1", "conv=fsync"], check=False)
    host.execute(scene.lab, name, ["rm", "-f", probe])
    if tried.returncode == 0 or "No space left" not in tried.stderr:
        filler.unlink()
        raise LabError(f"{disk.mount} on {name} still takes data although it was filled: {tried.stderr.strip()}")
    return {"filler": str(filler)}


def _allocate_all(handle: int) -> None:
    """Reserve every free block, large pieces first: nothing is written, so the outer machine's disk stays as it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    end, piece = 0, 2**34
    while piece >= 4096:
        if libc.fallocate(handle, 0, end, piece) == 0:
            end += piece
        elif ctypes.get_errno() == errno.ENOSPC:
            end = max(end, os.fstat(handle).st_size)
            piece //= 2
        else:
            raise LabError(f"The disk could not be filled: {os.strerror(ctypes.get_errno())}")


def _empty(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    Path(kept["filler"]).unlink(missing_ok=True)
    free = shutil.disk_usage(scene.lab.disk_mount(parameters["host"], parameters["disk"])).free
    if free < 2**20:
        raise LabError(f"The disk {parameters['disk']} of {parameters['host']} is still full: something else takes its space.")


# --- services --------------------------------------------------------------------------------------------------------


def _active(scene: Scene, parameters: dict[str, str]) -> bool:
    asked = host.execute(scene.lab, parameters["host"], ["systemctl", "is-active", parameters["service"]], check=False)
    return asked.stdout.strip() == "active"


def _stop_service(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    if not _active(scene, parameters):
        raise LabError(f"{parameters['service']} does not run on {parameters['host']}: there is nothing to stop.")
    host.execute(scene.lab, parameters["host"], ["systemctl", "stop", parameters["service"]])
    if _active(scene, parameters):
        raise LabError(f"{parameters['service']} still runs on {parameters['host']} although it was stopped.")
    return {}


def _start_service(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    host.execute(scene.lab, parameters["host"], ["systemctl", "start", parameters["service"]])
    if not _active(scene, parameters):
        raise LabError(f"{parameters['service']} does not run on {parameters['host']} although it was started.")


HOST = Parameter("the host")
DISK = Parameter("its disk, as named in lab/topology.yml")
FAULTS = (
    Fault(
        "power-cut",
        "A host loses its power: everything in it is killed, and what had not reached its disks is lost.",
        _cut_power,
        _restore_power,
        {"host": HOST},
    ),
    Fault(
        "disk-loss",
        "A disk dies under its host and is replaced by an empty one.",
        _lose,
        _find_again,
        {"host": HOST, "disk": DISK},
    ),
    Fault("disk-full", "A disk has not a single free block left.", _fill, _empty, {"host": HOST, "disk": DISK}),
    Fault(
        "service-stopped",
        "A service of a host is stopped.",
        _stop_service,
        _start_service,
        {"host": HOST, "service": Parameter("the systemd unit, e.g. his-app")},
    ),
)
