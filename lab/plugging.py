"""Disks that people carry from one host to another."""

from __future__ import annotations

from lab import disks, host
from lab.errors import LabError
from lab.state import Lab
from lab.topology import Topology


def where(lab: Lab, topology: Topology, owner: str, name: str) -> str:
    """Return the host that a disk is in at present; empty when it lies on a shelf."""
    topology.disk(owner, name)
    return str((lab.read().get("plugged") or {}).get(f"{owner}:{name}", owner))


def plug(lab: Lab, topology: Topology, owner: str, name: str, to: str) -> None:
    """Take a disk out of the host that it is in and put it into another (or, if ``to`` is empty, on a shelf).

    It is unmounted first, as a person is told to do: refused while something still uses it. It appears at the same mount point.
    """
    disk = topology.disk(owner, name)
    if to:
        topology.host(to)
    present = where(lab, topology, owner, name)
    if present == to:
        return
    if present and host.leader(lab, present) is not None:
        done = host.execute(lab, present, ["umount", disk.mount], check=False)
        if done.returncode != 0:
            raise LabError(f"{name} cannot be taken out of {present}: {done.stderr.strip()}", "Stop what uses it, then repeat.")
    disks.remove_mount(lab, owner, name)
    places = {**(lab.read().get("plugged") or {}), f"{owner}:{name}": to}
    lab.write(plugged=places)
    if not to:
        return
    point = disks.mount_disk(lab, owner, disk)
    leader = host.leader(lab, to)
    if leader is not None:
        disks.carry_into(leader, point, disk.mount)
        if host.execute(lab, to, ["mountpoint", "-q", disk.mount], check=False).returncode != 0:
            raise LabError(f"{to} does not see the disk {owner}:{name} at {disk.mount}.")
