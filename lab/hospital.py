"""The whole lab: up, down, status. Every step looks first and does what is missing, so that a half-made lab heals itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lab import cluster, copying, disks, host, image, keys, network, switching, wiring
from lab.errors import LabError
from lab.state import Lab
from lab.system import exclusive, raise_limits, read_json, require_lab_machine, require_space, run
from lab.topology import Topology, load

Say = Callable[[str], None]
STATE_MEGABYTES = 2000
FORWARDING_TIMEOUT_S = 40
WITHOUT_POWER = ("power-cut", "switch-dead")  # faults after which a host stays off


def changing(lab: Lab, wait_s: float = 0) -> AbstractContextManager[None]:
    """Hold the lab while it is being changed."""
    return exclusive(lab.lock, f"A change of the lab {lab.name}", wait_s)


def up(
    lab: Lab,
    *,
    scale: str | None = None,
    disk_sizes: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    flat: bool = False,
    source: Path | None = None,
    say: Say = print,
) -> None:
    """Bring the lab into being, or heal what is there: cables, disks, hosts. What hosts have on their disks is kept.

    The hosts ``without`` are not part of it: what is only about one system need not boot the others. A ``flat`` lab has a bridge for
    each network, and no switch. A new lab can begin as the copy of a stopped one, whose state directory is the ``source``.
    """
    require_lab_machine()
    raise_limits(say)
    with changing(lab, 60):
        if lab.exists() and lab.read().get("phase") in (None, "removing"):
            _remove(lab)  # what is left of an `up` or a `down` that was killed
        if source is not None:
            copying.begin(lab, source)
    entries = lab.read()
    switched = bool(entries.get("switched")) if entries else not flat
    _refuse_other_shape(entries, scale, disk_sizes, without, flat)
    base = _base(lab, entries, say)
    scale = entries.get("scale") or scale or "default"
    without = entries.get("without") or list(without)
    needed = any(not cluster.furnished(lab, node) for node in load(without=without, switched=switched).with_role("database"))
    seeded = cluster.ensure(base, scale, say) if needed else None
    with changing(lab, 60):
        require_space(lab.root, STATE_MEGABYTES, "The lab")
        sizes = entries.get("disk_sizes") or dict(disk_sizes or {})
        disks.share(lab.root)
        lab.write(phase="making", scale=scale, disk_sizes=sizes, without=without, switched=switched, base=str(base))
        topology = lab.topology()
        _make(lab, topology, base, seeded, say)
        lab.write(phase="up", up_at=time.time())


def _base(lab: Lab, entries: Mapping[str, Any], say: Say) -> Path:
    """Return the base image: the present one for a new lab, the one that it stands on for a lab that exists."""
    if not entries:
        return image.ensure(say)
    base = Path(entries["base"])
    if problem := image.damage(base):
        if base == image.image_root():
            return image.ensure(say)
        raise LabError(
            f"The base image {base} that the lab {lab.name} stands on is not whole. {problem}", f"Begin anew: lab down --name {lab.name}"
        )
    return base


def _refuse_other_shape(
    entries: Mapping[str, Any], scale: str | None, disk_sizes: Mapping[str, str] | None, without: Sequence[str], flat: bool
) -> None:
    if not entries:
        return
    if flat and entries.get("switched"):
        raise LabError("The lab exists with switches.", "Take it down first: lab down")
    asked = {"scale": scale, "disk sizes": disk_sizes, "hosts left out": list(without)}
    for (what, wanted), present in zip(asked.items(), (entries.get(key) for key in ("scale", "disk_sizes", "without")), strict=True):
        if wanted and present is not None and wanted != present:
            raise LabError(f"The lab exists with other {what}: {present}.", "Take it down first: lab down")


def _make(lab: Lab, topology: Topology, base: Path, seeded: Path | None, say: Say) -> None:
    say(f"Lab {lab.name}: keys, cables, disks")
    keys.ensure(lab, topology)
    lab.connection("any").parent.mkdir(mode=0o700, exist_ok=True)
    broken = read_json(lab.faults) or []
    pulled = network.pulled_cables(lab)
    apart = [cable.name for cable in topology.cables.values() if wiring.leads_to_switch(topology, cable)]
    for node in network.ensure(lab, topology, pulled, apart, [wiring.SHELF] if topology.plant else []):
        if node in topology.hosts:
            host.power_cut(lab, node)  # it lives in a network that nobody can name any more
    if topology.plant:
        wiring.ensure(lab, topology)
    for entry in broken:
        if entry["fault"] == "link-slow":
            network.shape(lab, topology.cable(entry["parameters"]["cable"]), entry["parameters"]["rate"])
    off = [entry["parameters"].get("host") or entry["parameters"]["switch"] for entry in broken if entry["fault"] in WITHOUT_POWER]
    for name in off:
        network.darken(lab, name)
    booting = [name for name in topology.hosts if name not in off]
    say(f"Lab {lab.name}: booting {', '.join(booting)}")
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(boot, lab, topology, name, say, base, seeded) for name in booting]:
            done.result()
    if topology.plant:
        _await_forwarding(lab, topology, say)
    for name in off:
        say(f"Lab {lab.name}: {name} stays without power until: lab repair power-cut {name}")


def _await_forwarding(lab: Lab, topology: Topology, say: Say) -> None:
    """Wait until the control node reaches every host, for a spanning tree takes seconds to forward; say who stays out of reach."""
    deadline = time.monotonic() + FORWARDING_TIMEOUT_S
    waiting = [name for name in topology.hosts if lab.process(name) is not None]
    while waiting and time.monotonic() < deadline:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda name: network.reaches(lab, topology, name), waiting))
        waiting = [name for name, reached in zip(waiting, found, strict=True) if not reached]
    if waiting:
        say(f"Lab {lab.name}: out of the control node's reach: {', '.join(waiting)}")


def boot(lab: Lab, topology: Topology, name: str, say: Say, base: Path | None = None, seeded: Path | None = None) -> None:
    """Switch a host on, if it is off, and wait until its start is over; say what did not start."""
    node = topology.host(name)
    base = base or Path(lab.require()["base"])
    if lab.process(name) is None:
        root = host.ensure_root(lab, topology, node, base)
        host.ensure_disks(lab, topology, node, root)
        switching.furnish(lab, topology, node, root) if node.role == "switch" else cluster.furnish(lab, node, root, seeded)
        host.power_on(lab, topology, node, base)
    host.wait_ready(lab, name)
    cluster.install(lab, node)
    if failed := host.failed_units(lab, name):
        say(f"Lab {lab.name}: on {name} these did not start: {', '.join(failed)}")


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
    """Return the names under which something of the lab may run."""
    names = {path.stem for path in (lab.root / "run").glob("*.pid")} | {path.name for path in (lab.root / "hosts").glob("*")}
    return sorted(names)


def _stop(lab: Lab) -> None:
    lab.write(phase="stopped")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: host.power_off(lab, name), _recorded(lab)))
    _withdraw(lab, images_stay=True)


def _remove(lab: Lab) -> None:
    if lab.read():
        lab.write(phase="removing")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: host.power_cut(lab, name), _recorded(lab)))
    _withdraw(lab, images_stay=False)
    for path in sorted(lab.root.iterdir(), key=lambda path: path == lab.ledger):  # the ledger last: it says what is left to remove
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    lab.root.rmdir()


def _withdraw(lab: Lab, images_stay: bool) -> None:
    """Take everything of the lab out of the kernel: mounts, loop devices, networks."""
    disks.unmount(lab.root)
    held = disks.detach(lab.root)
    if held and images_stay:
        raise LabError(f"The loop devices {', '.join(held)} are still in use.", "Find out who holds them: grep loop /proc/*/mounts")
    if left := disks.mounts(lab.root):
        raise LabError(f"These are still mounted: {', '.join(map(str, left))}.", "See who uses them: fuser -vm PATH")
    network.remove(lab.read().get("namespaces", []))
    disks.unshare(lab.root)


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
