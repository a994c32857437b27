"""The whole lab: up, down, status. Every step looks first and does what is missing, so that a half-made lab heals itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lab import cluster, disks, host, image, keys, network
from lab.errors import LabError
from lab.state import Lab
from lab.system import exclusive, read_json, require_lab_machine, require_space, run
from lab.topology import Topology, load

Say = Callable[[str], None]
STATE_MEGABYTES = 2000
HIS_PORTS = {"database": 5432}


def changing(lab: Lab, wait_s: float = 0) -> AbstractContextManager[None]:
    """Hold the lab while it is being changed."""
    return exclusive(lab.lock, f"A change of the lab {lab.name}", wait_s)


def up(lab: Lab, *, scale: str | None = None, disk_sizes: Mapping[str, str] | None = None, say: Say = print) -> None:
    """Bring the lab into being, or heal what is there: cables, disks, hosts. What hosts have on their disks is kept."""
    require_lab_machine()
    base = image.ensure(say)
    entries = lab.read()
    if lab.exists() and not entries:
        with changing(lab, 60):
            _remove(lab)  # what is left of an `up` or a `down` that was killed
    elif entries.get("phase") == "removing":
        with changing(lab, 60):
            _remove(lab)
        entries = {}
    _refuse_other_shape(entries, scale, disk_sizes)
    scale = entries.get("scale") or scale or "default"
    seeded = cluster.ensure(base, scale, say)
    with changing(lab, 60):
        require_space(lab.root, STATE_MEGABYTES, "The lab")
        if entries.get("base") and entries["base"] != str(base):
            raise LabError(
                f"The lab {lab.name} stands on another base image than this version's.", f"Begin anew: lab down --name {lab.name}"
            )
        sizes = entries.get("disk_sizes") or dict(disk_sizes or {})
        topology = load(disk_sizes=sizes)
        lab.write(phase="making", scale=scale, disk_sizes=sizes, base=str(base))
        _make(lab, topology, base, seeded, say)
        lab.write(phase="up", up_at=time.time())


def _refuse_other_shape(entries: Mapping[str, Any], scale: str | None, disk_sizes: Mapping[str, str] | None) -> None:
    if not entries:
        return
    for what, wanted, present in (("scale", scale, entries.get("scale")), ("disk sizes", disk_sizes, entries.get("disk_sizes"))):
        if wanted and present is not None and wanted != present:
            raise LabError(f"The lab exists with other {what}: {present}.", "Take it down first: lab down")


def _make(lab: Lab, topology: Topology, base: Path, seeded: Path | None, say: Say) -> None:
    say(f"Lab {lab.name}: keys, cables, disks")
    keys.ensure(lab, topology)
    for node in network.ensure(lab, topology):
        if node in topology.hosts:
            host.power_cut(lab, node)  # it lives in a network that nobody can name any more
    off = powered_off(lab)
    booting = [node for node in topology.hosts.values() if node.name not in off]
    say(f"Lab {lab.name}: booting {', '.join(node.name for node in booting)}")
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(_boot, lab, topology, node.name, base, seeded) for node in booting]:
            done.result()
    for name in off:
        say(f"Lab {lab.name}: {name} stays without power until: lab repair power-cut {name}")


def _boot(lab: Lab, topology: Topology, name: str, base: Path, seeded: Path | None) -> None:
    node = topology.hosts[name]
    if lab.process(name) is None:
        root = host.ensure_root(lab, topology, node, base)
        host.ensure_disks(lab, topology, node, root)
        cluster.furnish(lab, node, root, seeded)
        host.power_on(lab, topology, node, base)
    host.wait_ready(lab, name)
    cluster.install(lab, node)


def powered_off(lab: Lab) -> list[str]:
    """Return the hosts whose power a fault has cut."""
    faults = read_json(lab.faults) or []
    return [entry["parameters"]["host"] for entry in faults if entry["fault"] == "power-cut"]


def down(lab: Lab, *, keep: bool = False, say: Say = print) -> None:
    """Take the lab away without a trace; ``keep`` shuts it down in order and keeps its disks for the next ``up``."""
    require_lab_machine()
    with changing(lab, 60):
        if not lab.exists():
            say(f"Lab {lab.name}: there is none.")
            return
        if keep:
            _stop(lab)
            say(f"Lab {lab.name}: stopped, its disks are kept in {lab.root}")
        else:
            _remove(lab)
            say(f"Lab {lab.name}: gone")
    lab.lock.unlink(missing_ok=True)


def _recorded(lab: Lab) -> list[str]:
    return [path.stem for path in (lab.root / "run").glob("*.pid")]


def _stop(lab: Lab) -> None:
    lab.write(phase="stopped")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: host.power_off(lab, name), _recorded(lab)))
    _withdraw(lab)


def _remove(lab: Lab) -> None:
    if lab.read():
        lab.write(phase="removing")
    for name in _recorded(lab):
        host.power_cut(lab, name)
    _withdraw(lab)
    ledger = lab.ledger
    for path in list(lab.root.iterdir()):
        if path != ledger:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.rmtree(lab.root)


def _withdraw(lab: Lab) -> None:
    """Take everything of the lab out of the kernel: mounts, loop devices, networks."""
    disks.unmount(lab.root)
    disks.detach(lab.root)
    if left := disks.mounts(lab.root):
        raise LabError(f"These are still mounted: {', '.join(map(str, left))}.", "See who uses them: fuser -vm PATH")
    network.remove(lab.read().get("namespaces", []))


def status(lab: Lab) -> dict[str, Any]:
    """Return what is there: phase, hosts with what answers, cables, faults."""
    entries = lab.read()
    if not entries:
        return {"name": lab.name, "phase": "absent", "hosts": [], "cables": [], "faults": []}
    topology = lab.topology()
    hosts = []
    for name, node in topology.hosts.items():
        running = host.leader(lab, name) is not None
        mounted = set(disks.mounts(lab.root))
        hosts.append(
            {
                "name": name,
                "about": node.about,
                "address": node.address,
                "running": running,
                "ssh": running and host.ssh_answers(lab, name),
                "disks": {
                    f"{owner}:{disk.name}": disks.used_megabytes(lab.disk_mount(owner, disk.name))
                    for owner, disk in host.plugged_disks(lab, topology, name)
                    if lab.disk_mount(owner, disk.name) in mounted
                },
            }
        )
    return {
        "name": lab.name,
        "phase": entries["phase"],
        "scale": entries.get("scale"),
        "state": str(lab.root),
        "hosts": hosts,
        "faults": read_json(lab.faults) or [],
    }


def check_ssh(lab: Lab, name: str) -> None:
    """Go the way that counts: from the control node, through the network, with the host key checked."""
    run(["ssh", "-F", lab.ssh_config, "-o", "BatchMode=yes", name, "sudo", "-n", "true"], timeout=20, doing=f"SSH to {name}")
