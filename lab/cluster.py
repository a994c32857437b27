"""What the hospital works with: the seeded database cluster (made once, cached) and the programs of lab/his on each host."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lab import disks, host, image, keys, network
from lab.errors import LabError
from lab.state import Lab
from lab.system import exclusive, read_json, run, write_json
from lab.topology import Node, parse

HIS = Path(__file__).with_name("his")
HIS_IN_HOST = "usr/local/lib/his"
# The programs of a host by its role: lab/<programs>/install.sh ROLE makes it what it is. Names and clients of lab/his are on every host.
PROGRAMS = {"laboratory": ("lis",), "images": ("pacs",), "workstation": ("his", "lis", "pacs")}
DATA, CONFIGURATION = "var/lib/postgresql/15/main", "etc/postgresql/15/main"
SEED_HOST = "seed"
SEED_TIMEOUT_S = 3600
# What decides what the database holds: a change in anything else does not call for a new seed.
SEED_PARTS = ("seed.sh", "common.sh", "names.tsv", "schema", "seed")
KEPT_CLUSTERS = 3
INSTALLED_ROLES = ("database", "spare", "application", *PROGRAMS)
WORKSHOP = {
    "segments": {"bench": {"network": "10.20.99.0/24"}},
    "control": {"name": "control", "ports": {"eth0": "10.20.99.250/24"}},
    "hosts": {SEED_HOST: {"role": "seed", "about": "Throw-away host", "ports": {"eth0": "10.20.99.11/24"}}},
    "cables": [
        {"name": "control", "ends": ["control:eth0", "bench:control"]},
        {"name": "seed", "ends": ["seed:eth0", "bench:seed"]},
    ],
}
Say = Callable[[str], None]


def key(scale: str) -> str:
    """Return what the seeded cluster depends on, as a short digest."""
    digest = hashlib.sha256(f"{image.key()} {scale}".encode())
    for part in SEED_PARTS:
        for path in sorted([HIS / part, *(HIS / part).rglob("*")]):
            if path.is_file():
                digest.update(f"{path.relative_to(HIS)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def directory(scale: str) -> Path:
    """Return where the seeded cluster of a scale belongs in the cache."""
    return image.cache_root() / f"cluster-{scale}-{key(scale)}"


def ensure(base: Path, scale: str, say: Say) -> Path:
    """Return the seeded cluster of a scale, making it if the cache has none."""
    final = directory(scale)
    with exclusive(image.cache_root() / "cluster.lock", "Seeding the database", wait_s=SEED_TIMEOUT_S):
        if (read_json(final / "complete.json") or {}).get("size") != _size(final):
            say(f"Database: seeding scale {scale} on a throw-away host (once; kept in {image.cache_root()})")
            _make(base, scale, final, say)
            older = sorted(image.cache_root().glob(f"cluster-{scale}-*"), key=lambda path: path.stat().st_mtime)
            for path in older[:-KEPT_CLUSTERS]:
                shutil.rmtree(path, ignore_errors=True)
    return final


def _size(root: Path) -> int:
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and path.name != "complete.json")


def _make(base: Path, scale: str, final: Path, say: Say) -> None:
    from lab import hospital  # which furnishes its hosts with this module

    started = time.monotonic()
    workshop = Lab("seed", image.cache_root() / "seed-host")
    if workshop.exists():
        hospital._remove(workshop)
    topology = parse(WORKSHOP)
    node = topology.hosts[SEED_HOST]
    disks.share(workshop.root)
    workshop.write(phase="making")
    draft = final.with_name(f"{final.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(final, ignore_errors=True)
    try:
        keys.ensure(workshop, topology)
        network.ensure(workshop, topology)
        root = host.ensure_root(workshop, topology, node, base)
        shutil.copytree(HIS, root / HIS_IN_HOST, dirs_exist_ok=True)
        # Only seed.sh runs the server here: systemd would start the new cluster at any moment, and be cut off in it.
        for unit in ("postgresql.service", "postgresql@.service"):
            mask = root / "etc/systemd/system" / unit
            mask.unlink(missing_ok=True)
            mask.symlink_to("/dev/null")
        host.power_on(workshop, topology, node, base)
        host.wait_ready(workshop, SEED_HOST)
        host.execute(workshop, SEED_HOST, ["/bin/bash", f"/{HIS_IN_HOST}/seed.sh", scale], timeout=SEED_TIMEOUT_S)
        if not (root / DATA / "PG_VERSION").exists():
            raise LabError("lab/his/seed.sh ended without a cluster.", f"It should be in /{DATA}.")
        draft.mkdir(parents=True)
        host.power_off(workshop, SEED_HOST)
        run(["cp", "-a", root / DATA, draft / "data"], timeout=None, doing="Keeping the seeded cluster")
        run(["cp", "-a", root / CONFIGURATION, draft / "configuration"], doing="Keeping the cluster's configuration")
        write_json(draft / "complete.json", {"size": _size(draft), "scale": scale})
        draft.rename(final)
    finally:
        hospital._remove(workshop)
    say(f"Database: seeded in {time.monotonic() - started:.0f} s")


def furnished(lab: Lab, node: Node) -> bool:
    """Tell whether a host has had its programs and data."""
    return (lab.host_dir(node.name) / "furnished").exists()


def furnish(lab: Lab, node: Node, root: Path, seeded: Path | None) -> None:
    """Give a host that boots for the first time its programs, and the database server its cluster."""
    marker = lab.host_dir(node.name) / "furnished"
    if marker.exists():
        return
    for programs in {"his", *PROGRAMS.get(node.role, ())}:
        target = root / "usr/local/lib" / programs
        shutil.copytree(HIS.with_name(programs), target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    if node.role == "database" and seeded is not None:
        _lay_down(seeded, root, lab.disk_mount(node.name, "data"))
    marker.touch()


def _lay_down(seeded: Path, root: Path, disk: Path) -> None:
    """Copy the seeded cluster to a fresh disk; a cluster that is there already is never touched."""
    target = disk / "15/main"
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name("main.draft")
    shutil.rmtree(draft, ignore_errors=True)
    run(["cp", "-a", seeded / "data", draft], timeout=None, doing="Copying the seeded cluster")
    owner = draft.stat()
    os.chown(target.parent, owner.st_uid, owner.st_gid)
    run(["sync", "--file-system", draft], timeout=None, doing="Writing the seeded cluster")  # a power cut may come at once
    draft.rename(target)
    configuration = root / CONFIGURATION
    configuration.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(configuration, ignore_errors=True)
    run(["cp", "-a", seeded / "configuration", configuration], doing="Copying the cluster's configuration")
    os.chown(configuration.parent, owner.st_uid, owner.st_gid)
    wanted = root / "etc/systemd/system/multi-user.target.wants/postgresql@15-main.service"
    with contextlib.suppress(FileExistsError):
        wanted.symlink_to("/lib/systemd/system/postgresql@.service")


def install(lab: Lab, node: Node) -> None:
    """Run lab/his/install.sh on a host that has not had it yet."""
    marker = lab.host_dir(node.name) / "installed"
    if marker.exists() or node.role not in INSTALLED_ROLES:
        return
    for programs in PROGRAMS.get(node.role, ("his",)):
        host.execute(lab, node.name, ["/bin/bash", f"/usr/local/lib/{programs}/install.sh", node.role])
    marker.touch()
