"""Where a lab keeps what it made: one directory a lab, plain files, and nothing outside it that is not written down in it."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import topology as topologies
from lab.errors import LabError
from lab.system import Process, read_json, write_json
from lab.topology import Topology

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")


def state_root() -> Path:
    """Return the directory that holds the state of all labs."""
    return Path(os.environ.get("LAB_STATE_ROOT") or "/var/lib/recovery-lab")


def lab_name(given: str | None = None) -> str:
    """Return the lab's name: as given, or LAB_NAME, or ``main``."""
    name = given or os.environ.get("LAB_NAME") or "main"
    if not NAME.fullmatch(name):
        raise LabError(f"{name!r} is no name for a lab.", "Use lower-case letters, digits and hyphens, at most 20.")
    return name


@dataclass(frozen=True)
class Lab:
    """A lab by name: where each of its things is."""

    name: str
    root: Path

    @classmethod
    def named(cls, given: str | None = None) -> Lab:
        """Return the lab of this name, whether it exists or not."""
        name = lab_name(given)
        return cls(name, state_root() / name)

    # files
    @property
    def ledger(self) -> Path:
        """What this lab is made of, and how far its making got."""
        return self.root / "lab.json"

    @property
    def lock(self) -> Path:
        """Held while the lab is being changed; not in the state directory, which comes and goes."""
        return Path("/run/recovery-lab") / f"{self.name}.lock"

    @property
    def ssh_config(self) -> Path:
        """For ``ssh -F`` and the inventory."""
        return self.root / "ssh_config"

    @property
    def keys(self) -> Path:
        """Private keys of the control node."""
        return self.root / "keys"

    @property
    def people(self) -> Path:
        """Private keys of the people, and allowed_signers."""
        return self.root / "people"

    @property
    def faults(self) -> Path:
        """What is broken at present."""
        return self.root / "faults.json"

    @property
    def aside(self) -> Path:
        """What a fault took away, kept for its repair."""
        return self.root / "aside"

    def host_dir(self, host: str) -> Path:
        """Everything of one host but its disks."""
        return self.root / "hosts" / host

    def host_root(self, host: str) -> Path:
        """The host's file system as the outer machine sees it."""
        return self.host_dir(host) / "root"

    def disk_image(self, host: str, disk: str) -> Path:
        """The image behind a host's disk."""
        return self.root / "disks" / f"{host}.{disk}.img"

    def disk_mount(self, host: str, disk: str) -> Path:
        """Where the outer machine mounts a host's disk."""
        return self.root / "mnt" / f"{host}.{disk}"

    def connection(self, host: str) -> Path:
        """Where whoever asks a host many questions may keep one SSH connection open (ControlPath); forgotten when the host stops."""
        return self.root / "cp" / host

    def record(self, process: str) -> Path:
        """Identity of a process of this lab (a host, or the hands)."""
        return self.root / "run" / f"{process}.pid"

    def process(self, name: str) -> Process | None:
        """Return the recorded process if it still runs."""
        process = Process.from_file(self.record(name))
        return process if process is not None and process.alive() else None

    # names in the kernel
    def namespace(self, node: str) -> str:
        """Name of the network namespace of a node or segment."""
        return f"lab.{self.name}.{node}"

    def namespace_path(self, node: str) -> Path:
        """Where that namespace can be entered."""
        return Path("/run/netns") / self.namespace(node)

    def machine(self, host: str) -> str:
        """Name under which a host runs on the outer machine."""
        return f"lab-{self.name}-{host}"

    # the ledger
    def exists(self) -> bool:
        """Tell whether anything was ever made of it and is not yet removed."""
        return self.root.exists()

    def read(self) -> dict[str, Any]:
        """Return the ledger, empty if there is none."""
        return read_json(self.ledger) or {}

    def write(self, **changes: Any) -> dict[str, Any]:
        """Change entries of the ledger."""
        entries = {**self.read(), **changes, "name": self.name, "written": time.time()}
        write_json(self.ledger, entries)
        return entries

    def topology(self) -> Topology:
        """Return the topology with which it was made."""
        entries = self.read()
        return topologies.load(
            disk_sizes=entries.get("disk_sizes") or {},
            without=entries.get("without") or (),
            switched=bool(entries.get("switched")),
            patched=entries.get("patched") or {},
            temporary=entries.get("temporary") or {},
            carried=entries.get("carried") or {},
        )

    def require(self) -> dict[str, Any]:
        """Return the ledger of a lab that is up, or say how to start it."""
        entries = self.read()
        if entries.get("phase") != "up":
            raise LabError(f"The lab {self.name!r} is not up.", f"Start it: lab up --name {self.name}")
        return entries


def all_labs() -> list[Lab]:
    """Return every lab that has state on this machine."""
    root = state_root()
    return [Lab(path.name, path) for path in sorted(root.iterdir()) if path.is_dir() and NAME.fullmatch(path.name)] if root.is_dir() else []
