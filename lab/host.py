"""A host of the hospital: a systemd container over the base image, which boots, stops in order, or loses its power."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import disks, keys, network, switching, wiring
from lab.errors import LabError
from lab.state import Lab
from lab.system import children, identify, in_network, launch, run
from lab.topology import Disk, Node, Topology

BOOT_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
POWEROFF = signal.SIGRTMIN + 4
CGROUPS = Path("/sys/fs/cgroup")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NSPAWN_PROPAGATE = Path("/run/systemd/nspawn/propagate")


# --- what it is made of ----------------------------------------------------------------------------------------------


def plugged_disks(lab: Lab, topology: Topology, host: str) -> list[tuple[str, Disk]]:
    """Return the disks that are in a host at present, as (host they belong to, disk): a removable one may be elsewhere."""
    places = lab.read().get("plugged") or {}
    found = []
    for node in topology.hosts.values():
        for disk in node.disks.values():
            if places.get(f"{node.name}:{disk.name}", node.name) == host:
                found.append((node.name, disk))
    return found


def ensure_root(lab: Lab, topology: Topology, node: Node, base: Path) -> Path:
    """Mount a host's file system, the base image below and its own layer above; give a new host its identity."""
    directory, root = lab.host_dir(node.name), lab.host_root(node.name)
    for part in ("up", "work", "root"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    if root not in disks.mounts(lab.root):
        layers = f"lowerdir={base},upperdir={directory / 'up'},workdir={directory / 'work'}"
        run(["mount", "-t", "overlay", "overlay", "-o", layers, root], doing=f"Mounting the file system of {node.name}")
    if not (directory / "identity").exists():
        _give_identity(lab, topology, node, root)
        (directory / "identity").touch()
    return root


def _give_identity(lab: Lab, topology: Topology, node: Node, root: Path) -> None:
    (root / "etc/hostname").write_text(f"{node.name}\n", encoding="ascii")
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
    names = "".join(f"{other.address} {name}\n" for name, other in topology.nodes.items())
    names += "".join(f"{address.partition('/')[0]} {name}\n" for name, address in topology.services.items())
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{names}", encoding="ascii")
    key = keys.host_key(lab, node.name)
    for source, target, mode in (
        (key, root / "etc/ssh/ssh_host_ed25519_key", 0o600),
        (key.with_name(f"{key.name}.pub"), root / "etc/ssh/ssh_host_ed25519_key.pub", 0o644),
    ):
        shutil.copyfile(source, target)
        target.chmod(mode)
    home = root / "home/recovery"
    (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
    authorized = home / ".ssh/authorized_keys"
    authorized.write_text(f"{keys.public(lab.keys / 'control')} control\n", encoding="ascii")
    owner = home.stat()
    for path in (authorized.parent, authorized):
        os.chown(path, owner.st_uid, owner.st_gid)


def ensure_disks(lab: Lab, topology: Topology, node: Node, root: Path) -> list[tuple[Path, str]]:
    """Mount the disks that are in a host; return (mount of the outer machine, mount point in the host)."""
    binds = []
    for owner, disk in plugged_disks(lab, topology, node.name):
        point = disks.mount_disk(lab, owner, disk)
        target = root / disk.mount.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        if [entry.name for entry in point.iterdir()] in ([], ["lost+found"]):
            status = target.stat()  # a new disk belongs to whom the directory below it belongs to
            os.chown(point, status.st_uid, status.st_gid)
            point.chmod(status.st_mode & 0o7777)
        binds.append((point, disk.mount))
    return binds


# --- power on --------------------------------------------------------------------------------------------------------


def _cgroups(lab: Lab, host: str) -> list[Path]:
    """Make a control group for a host in every hierarchy that systemd uses: hosts must not share one, nor the outer machine's."""
    tops = [path for path in (CGROUPS / "systemd", CGROUPS / "unified") if path.is_dir()] or [CGROUPS]
    groups = [top / f"{lab.machine(host)}" for top in tops]
    for group in groups:
        group.mkdir(exist_ok=True)
    return groups


def _groups_of(lab: Lab, host: str) -> list[Path]:
    tops = (CGROUPS / "systemd", CGROUPS / "unified", CGROUPS)
    return [group for top in tops if (group := top / lab.machine(host)).is_dir()]


def _members(lab: Lab, host: str) -> set[int]:
    """Return the processes in a host's control groups: the kernel knows them also when the one that started them is gone."""
    found: set[int] = set()
    for group in _groups_of(lab, host):
        for path in group.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):  # threaded groups do not tell, and a group may vanish meanwhile
                found |= {int(word) for word in path.read_text(encoding="ascii").split()}
    return found - {0}


def _kill_members(lab: Lab, host: str) -> None:
    deadline = time.monotonic() + 10
    while left := _members(lab, host):
        for pid in left:
            if (process := identify(pid)) is not None:
                process.send(signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f"Processes of {host} did not die: {', '.join(map(str, sorted(left)))}.", "Look at them: ps, dmesg.")
        time.sleep(0.02)


def _remove_cgroups(lab: Lab, host: str) -> None:
    for group in _groups_of(lab, host):
        for directory, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(directory).rmdir()


def power_on(lab: Lab, topology: Topology, node: Node, base: Path) -> None:
    """Start a host and return at once; ``wait_ready`` waits for it. A host that runs already is left alone."""
    if lab.process(node.name) is not None:
        return
    clear_remains(lab, node.name)
    root = ensure_root(lab, topology, node, base)
    binds = ensure_disks(lab, topology, node, root)
    network.light(lab, topology, node)
    command: list[str | Path] = [
        "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--settings=no",
        "--directory", root,
        "--machine", lab.machine(node.name),
        "--network-namespace-path", lab.namespace_path(node.name),
        "--capability=CAP_NET_ADMIN,CAP_NET_RAW",
        "--console=read-only", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
        *(f"--bind={source}:{target}" for source, target in binds),
    ]  # fmt: skip
    if topology.is_switch(node.name):
        command += ["--", f"--unit={switching.TARGET}"]
    console = lab.host_dir(node.name) / "console.log"
    with wiring.power(lab, topology, node.name):
        launch(command, lab.record(node.name), console, cgroups=_cgroups(lab, node.name), env={"SYSTEMD_NSPAWN_LOCK": "0"})


def leader(lab: Lab, host: str) -> int | None:
    """Return the process number, on the outer machine, of a host's first process; None while there is none."""
    process = lab.process(host)
    for child in children(process.pid) if process else []:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{child}/status").read_text(encoding="utf-8", errors="replace")
            inner = next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
            if len(inner) > 1 and inner[-1] == "1":
                return child
    return None


def require_leader(lab: Lab, host: str) -> int:
    """Return the first process of a host that must be running."""
    pid = leader(lab, host)
    if pid is None:
        raise LabError(f"{host} is not running.", f"Start it: lab up --name {lab.name}, or repair the fault that stopped it.")
    return pid


def ssh_answers(lab: Lab, host: str) -> bool:
    """Tell whether the host's own SSH server greets, asked within the host's network."""

    def greet() -> bool:
        with socket.create_connection(("127.0.0.1", 22), timeout=1) as connection:
            connection.settimeout(2)
            return connection.recv(64).startswith(b"SSH-2.0")

    try:
        return in_network(lab.namespace_path(host), greet)
    except OSError:
        return False


def port_answers(lab: Lab, host: str, port: int) -> bool:
    """Tell whether something listens on a TCP port of the host."""

    def connect() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    try:
        return in_network(lab.namespace_path(host), connect)
    except OSError:
        return False


def wait_ready(lab: Lab, host: str, timeout: float = BOOT_TIMEOUT_S) -> None:
    """Wait until users may log in; a host that dies meanwhile is shown with the end of its console."""
    deadline = time.monotonic() + timeout
    while True:
        pid = leader(lab, host)
        if pid is not None and not Path(f"/proc/{pid}/root/run/nologin").exists() and ssh_answers(lab, host):
            return
        if lab.process(host) is None or time.monotonic() > deadline:
            log = lab.host_dir(host) / "console.log"
            tail = log.read_text(encoding="utf-8", errors="replace")[-800:] if log.exists() else ""
            raise LabError(f"{host} did not come up within {timeout:.0f} s. The end of its console: {tail}", f"All of it: {log}")
        time.sleep(0.05)


def failed_units(lab: Lab, host: str) -> list[str]:
    """Wait until a host's start is over; return the units that failed."""
    state = execute(lab, host, ["systemctl", "is-system-running", "--wait"], check=False, timeout=BOOT_TIMEOUT_S).stdout.strip()
    if state == "running":
        return []
    listed = execute(lab, host, ["systemctl", "list-units", "--failed", "--plain", "--no-legend"], check=False).stdout
    return [line.split()[0] for line in listed.splitlines() if line.strip()] or [f"(the host is {state})"]


# --- power off -------------------------------------------------------------------------------------------------------


def power_cut(lab: Lab, host: str) -> None:
    """Kill everything that runs in a host, as a power cut does; its disks keep what had reached them."""
    process = lab.process(host)
    first = leader(lab, host)
    if first is not None and (inside := identify(first)) is not None:
        inside.send(signal.SIGKILL)
    if process is not None:
        process.send(signal.SIGKILL)
        if not process.wait(10):
            raise LabError(f"{host} (process {process.pid}) did not die.", "Look at it: ps, dmesg.")
    if first is not None and inside is not None and not inside.wait(10):
        raise LabError(f"The first process of {host} ({first}) did not die.", "Look at it: ps, dmesg.")
    clear_remains(lab, host)


def power_off(lab: Lab, host: str) -> None:
    """Shut a host down in order; one that does not within 30 s loses its power."""
    process, first = lab.process(host), leader(lab, host)
    if process is not None and first is not None and (inside := identify(first)) is not None:
        inside.send(POWEROFF)
        process.wait(STOP_TIMEOUT_S)
    power_cut(lab, host)


def clear_remains(lab: Lab, host: str) -> None:
    """Remove what a host leaves on the outer machine when it stops without saying goodbye; what still runs of it is killed.

    A container outlives the systemd-nspawn that started it, if that was killed.
    """
    _kill_members(lab, host)
    wiring.shelve(lab, host)
    network.darken(lab, host)
    lab.record(host).unlink(missing_ok=True)
    lab.connection(host).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (NSPAWN_PROPAGATE / lab.machine(host)).rmdir()
    _remove_cgroups(lab, host)


# --- inside ----------------------------------------------------------------------------------------------------------


def inside(lab: Lab, host: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> list[str]:
    """Return the command that runs another as root inside a host, at its console as it were: no network is needed."""
    variables = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb"), **(env or {})}
    clean = [f"{name}={value}" for name, value in variables.items()]
    return ["nsenter", "--target", str(require_leader(lab, host)), "--all", "--", "/usr/bin/env", "-i", *clean, *argv]


def execute(
    lab: Lab, host: str, argv: Sequence[str], *, check: bool = True, timeout: float | None = 120, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program as root inside a host and return how it ended."""
    return run(inside(lab, host, argv), check=check, timeout=timeout, stdin=stdin, doing=f"On {host}, {argv[0]}")
