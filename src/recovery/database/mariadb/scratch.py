"""A MariaDB server restored beside production (RCV-5): fenced off, looked at, taken away. Standard library only.

Where it takes place and what it may reach is what every engine's rehearsal has (recovery.database.scratch); what is restored and how is
what a restore does (recovery.database.mariadb.restore).
"""

from __future__ import annotations

import configparser
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...findings import Finding
from ..reach import clock
from ..scratch import Fenced, ScratchCluster
from ..scratch_check import Rehearsal
from ..shell import Procedure, run
from . import assess, line, server
from .place import HOME, door_account, vault_account
from .repository import Repository, Vault
from .restore import HASTY, MariadbRestore
from .target import Target, parse

ROOM_MARGIN = 1.10
# The drill host need not be configured like the server: what a replay depends on is said here.
SETTINGS = (
    "--log-bin=mariadb-bin",
    "--binlog-format=ROW",
    "--server-id=4294967295",
    "--character-set-server=utf8mb4",
    "--default-time-zone=+00:00",
    "--innodb-buffer-pool-size=128M",
    "--performance-schema=OFF",
)
SSH_PORT = 22


class MariadbScratch(Fenced, MariadbRestore):
    """A scratch instance of MariaDB."""

    @property
    def private(self) -> server.Private:
        """Return the server inside its fence: no network but a loopback of its own, and nothing to write to but its own directories."""
        fence = {
            "PrivateNetwork": "yes",
            "RestrictAddressFamilies": "AF_UNIX",
            "NoNewPrivileges": "yes",
            "PrivateTmp": "yes",
            "ProtectHome": "yes",
            "ProtectSystem": "strict",
            "ReadWritePaths": f"{self.scratch.home} {self.runtime}",
            "InaccessiblePaths": f"-{HOME} -/etc/ssh",
        }
        unit = self.cluster.service.removesuffix(".service")
        return server.Private(self.cluster.data, str(self.runtime), unit, properties=fence, configured=False)

    def _survivors(self, known: Sequence[Path]) -> list[Path]:
        return []  # nothing of production is here

    def _start_private(self) -> None:
        self.private.start(self.procedure, *HASTY, *SETTINGS, *layout(self.cluster.data))

    def prove_fence(self) -> None:
        """Try to reach production from the server's own network namespace, as an intruder would. Raises RestoreError if it succeeds."""
        address = self._production_address()
        ports = (int(self.production.get("port", 3306)), SSH_PORT)
        with self.procedure.step(f"Try to reach production ({address}, ports {ports[0]} and {ports[1]}) from inside the instance"):
            pid = server.serving_pid(self.cluster.data)
            if pid is None or Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
                raise self._not_fenced(address)
            for port in ports:
                try_it = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{address}/{port}' >/dev/null 2>&1 && echo reached || echo fenced"
                if run(["nsenter", f"--net=/proc/{pid}/ns/net", "sh", "-c", try_it]).strip() != "fenced":
                    raise self._not_fenced(address)


def layout(data: Path) -> list[str]:
    """Return the settings of the backed-up server without which its files cannot be read, as the copying program noted them."""
    noted = configparser.ConfigParser(allow_no_value=True, strict=False, interpolation=None)
    noted.read(data / "backup-my.cnf", encoding="utf-8")
    found = noted["mysqld"] if noted.has_section("mysqld") else {}
    wanted = ("innodb_data_file_path", "innodb_page_size", "innodb_undo_tablespaces", "innodb_checksum_algorithm")
    return [f"--{name.replace('_', '-')}={found[name]}" for name in wanted if found.get(name)]


class MariadbRehearsal(Rehearsal):
    """What the check of a rehearsal leaves to MariaDB."""

    def installed(self, cluster: ScratchCluster, here: str) -> list[Finding]:
        """Say whether the server that wrote the backups is installed here."""
        found = server.version()
        if found == cluster.version:
            return []
        return [
            Finding(
                "other-version",
                "stop",
                f"MariaDB {cluster.version} is not installed on {here}; it has {found or 'none'}.",
                "A backup is made consistent only by the version that wrote it.",
                "Install it there: apt-get install mariadb-server mariadb-backup.",
            )
        ]

    def running(self, cluster: ScratchCluster) -> bool:
        """Tell whether an instance of an earlier run is at work."""
        return server.serving_pid(cluster.data) is not None

    def parse(self, text: str) -> Target:
        """Read a target. Raises TargetError."""
        return parse(text)

    def draw(self, repository: Repository, seed: int) -> str:
        """Draw a moment between the first backup and the newest transaction, or a backup where there is none between."""
        backups = [one for one in repository.backups() if line.behind(one, repository.histories())]
        if not backups:
            return "latest"
        first, last = min(one.stop_time for one in backups) + 1, repository.reached()
        dice = random.Random(seed)  # noqa: S311 - a recorded choice that can be repeated, no secret
        if last <= first:
            return "backup:" + dice.choice(sorted(one.label for one in backups))
        return "time:" + clock(dice.uniform(first, last))

    def examine(self, repository: Repository, cluster: ScratchCluster, target: Any) -> assess.Candidate:
        """Look at one repository as a source."""
        return assess.examine(repository, cluster, target, Procedure())

    def room(self, repository: Repository, chosen: assess.Candidate) -> int:
        """Return how many bytes the rehearsal takes: full backup, increments, and the log twice."""
        return int(sum(one.size for one in chosen.chain) * ROOM_MARGIN) + assess.LOG_COPIES * chosen.log_bytes

    def plan(self, cluster: ScratchCluster, chosen: assess.Candidate) -> dict[str, Any]:
        """Return what is taken from a source, as the decision names it."""
        return chosen.plan()


REHEARSAL = MariadbRehearsal()


def repositories(given: Mapping[str, Any], names: Sequence[str] | None) -> dict[str, Any]:
    """Return the repositories as the drill host reads them: each through the reading door of the host where it lies."""
    found: dict[str, Any] = {}
    system, config = str(given["cluster"]["name"]), str(HOME / str(given["cluster"]["name"]) / "ssh_config")
    for name, entry in given["repositories"].items():
        if names is not None and name not in names:
            continue
        where = entry.get("host")
        door = f"{vault_account(system)}@{where}" if where else f"{door_account(system)}@{given['production_host']}"
        found[name] = Vault(name, door, config, "root")
        if name == "removable":
            found[name].command.append("removable")
    return found


def look(socket: str, system: str) -> str:
    """Return how a person looks at the instance, on its host."""
    return f"sudo mariadb --socket={server.socket_file(socket)} {system}"
