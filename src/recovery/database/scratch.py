"""A database restored beside production (RCV-5): fenced off, looked at, taken away. Standard library only.

The staging of a restore (``restore.Restore``) does the work; what differs is where it takes place and what it may reach. The
instance runs as a transient systemd unit without any network, so the log that its replay needs is fetched beforehand.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cluster import OWNER, Cluster, control_data, postmaster_pid, read_state, service_active
from .errors import ANOTHER_BACKUP, RestoreError
from .pgbackrest import Repository
from .restore import Restore, Staged
from .shell import CommandError, Procedure, psql, run
from .target import Target
from .wal import Segment

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
# Standby conflicts apart, a replay refuses to run with less than the server had that wrote the log (manual, 27.4.3).
_AS_THE_WRITER = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}
_LOCAL_LOG = """\
#!/bin/sh
# restore_command of a fenced instance: only what was fetched beforehand, and behind it the tail of the log.
for file in {wal}/"$1" {tail}/"$1" {tail}/"$1".partial; do
    [ -f "$file" ] && exec cp "$file" "$2"
done
exit 1
"""
_FENCE_TEST = """
CREATE TEMP TABLE tried (said text);
COPY tried FROM PROGRAM $program${program}$program$;
SELECT said FROM tried;
"""


@dataclass(frozen=True)
class ScratchCluster(Cluster):
    """Where a scratch instance lives: one directory of its own, which no service of the host ever starts."""

    @property
    def staging(self) -> Path:
        """Return the data directory itself: nothing is swapped here."""
        return self.data

    @property
    def home(self) -> Path:
        """Return the directory that holds everything of this instance."""
        return self.data.parent

    @property
    def log(self) -> Path:
        """Return where the fetched write-ahead log is."""
        return self.home / "wal"


def scratch_cluster(name: str, root: str, version: str, port: int) -> ScratchCluster:
    """Describe the scratch instance ``name`` below ``root``. Raises RestoreError for a name that cannot be one."""
    if not NAME.fullmatch(name):
        raise RestoreError(f"'{name}' cannot name a scratch instance: small letters, digits and hyphens, at most 31.", "scratch-name")
    unit = f"recovery-scratch-{name}"
    home = f"{root.rstrip('/')}/{name}"
    return ScratchCluster(unit, version, f"{home}/data", f"/run/recovery/{unit}", f"{unit}.service", port)


class Fenced(Restore, ABC):
    """One scratch instance of any engine: restored, replayed and asked inside its fence."""

    def __init__(
        self, cluster: ScratchCluster, decision: Mapping[str, Any], request: Mapping[str, Any], run_id: str, production: Mapping[str, Any]
    ) -> None:
        """``production``: name of the database, and ``address`` and ``port`` that the instance must not be able to reach."""
        super().__init__(cluster, decision, request, run_id, cluster.config_directory)
        self.scratch = cluster
        self.production = dict(production)

    def bring_up(self, repositories: Sequence[Any], tails: Mapping[str, str], target: Target, jobs: int) -> Staged:
        """Restore, replay and start the instance, and see that it cannot get out. Raises RestoreError; nothing is left then."""
        staged = self.stage(repositories, tails, target, jobs)
        try:
            self.prove_fence()
        except (RestoreError, CommandError):
            self._give_up()
            raise
        return staged

    def fence(self) -> None:
        """What an interrupted run left half started is stopped; a replayed instance is left running."""
        if self.state.get("phase") != "replayed":
            stop(self.scratch, self.procedure)

    def _give_up(self) -> None:
        remove(self.scratch, self.procedure)

    @abstractmethod
    def prove_fence(self) -> None:
        """Try to reach production from where the instance is. Raises RestoreError if that succeeds."""

    def _not_fenced(self, address: str) -> RestoreError:
        return RestoreError(
            f"The scratch instance can reach the network of this host or production at {address}; it was taken away again.",
            "scratch-not-fenced",
            "Look at what systemd-run says of PrivateNetwork on this host.",
        )

    def _production_address(self) -> str:
        address = str(self.production.get("address", ""))
        if not re.fullmatch(r"[0-9A-Za-z.:-]+", address):
            raise RestoreError(f"The inventory gives production the address '{address}', so the fence cannot be tried.", "fence-untried")
        return address


class Scratch(Fenced):
    """A scratch instance of PostgreSQL."""

    def __init__(
        self, cluster: ScratchCluster, decision: Mapping[str, Any], request: Mapping[str, Any], run_id: str, production: Mapping[str, Any]
    ) -> None:
        """See Fenced."""
        super().__init__(cluster, decision, request, run_id, production)
        self.fetch = "wal-local"
        self.restore_options = [f"--tablespace-map-all={cluster.home}/tablespaces"]
        self.jobs = os.cpu_count() or 1
        self._archive: Repository | None = None

    def bring_up(self, repositories: Sequence[Repository], tails: Mapping[str, str], target: Target, jobs: int) -> Staged:
        """See Fenced; the log is fetched by as many processes."""
        self.jobs = jobs
        return super().bring_up(repositories, tails, target, jobs)

    def fence(self) -> None:
        """See Fenced; a number of before a power cut may be somebody else's by now."""
        super().fence()
        if self.state.get("phase") != "replayed" or not service_active(self.cluster.service):
            (self.cluster.data / "postmaster.pid").unlink(missing_ok=True)

    def _gather_log(self, repositories: Sequence[Repository], tails: Mapping[str, str]) -> None:
        super()._gather_log(repositories, tails)
        self._archive = repositories[0]
        self._write(self.runtime / self.fetch, _LOCAL_LOG.format(wal=self.scratch.log, tail=self.runtime / "tail"), 0o755)

    def _replay(self, target: Target) -> None:
        with self.procedure.step("Fetch the write-ahead log that the replay needs: the instance itself will reach nothing"):
            self._fetch_log(target)
        super()._replay(target)

    def _fetch_log(self, target: Target) -> None:
        archive = self._archive
        if archive is None:
            raise RestoreError("No repository was named to fetch the log from.", "no-repository")
        owner = pwd.getpwnam(OWNER)
        self.scratch.log.mkdir(mode=0o700, exist_ok=True)
        os.chown(self.scratch.log, owner.pw_uid, owner.pw_gid)
        names = needed_log(archive, self.decision, target)
        worker = (
            f"cd {shlex.quote(str(self.cluster.data))} && xargs -r -n 1 -P {self.jobs} sh -c "
            + shlex.quote(f'[ -f {self.scratch.log}/"$1" ] || {{ {self.runtime}/wal-fetch "$1" {self.scratch.log}/"$1".part '
                          f'&& mv {self.scratch.log}/"$1".part {self.scratch.log}/"$1"; }}')
            + " fetch"
        )  # fmt: skip
        try:
            self.procedure.run(["sh", "-c", worker], user=OWNER, stdin="".join(f"{name}\n" for name in names))
        except CommandError as error:
            log = self.runtime / "wal-fetch.log"
            said = log.read_text(encoding="utf-8").splitlines()[0] if log.exists() else error.output[-300:]
            message = f"The write-ahead log behind backup {self.decision['backup']} in the {archive.name} repository is damaged: {said}."
            raise RestoreError(message, "wal-damaged", ANOTHER_BACKUP) from error

    def _start_private(self) -> None:
        """Start inside the fence: no network but a loopback of its own, and nothing to write to but its own directories."""
        self._prepare_runtime()
        for name, text in (("postgresql.conf", ""), ("pg_hba.conf", "local all all peer\n"), ("pg_ident.conf", "")):
            self._write(self.runtime / name, text, 0o600)
        log = self.runtime / "server.log"
        log.unlink(missing_ok=True)
        written_by = control_data(self.cluster, self.cluster.data)
        # On the command line, because there they win over the postgresql.auto.conf that came with the backup.
        settings = {
            "config_file": f"{self.runtime}/postgresql.conf",
            "hba_file": f"{self.runtime}/pg_hba.conf",
            "ident_file": f"{self.runtime}/pg_ident.conf",
            "listen_addresses": "",
            "unix_socket_directories": f"{self.runtime}/socket",
            "port": str(self.cluster.port),
            "archive_mode": "off",
            "wal_level": "replica",
            "max_logical_replication_workers": "0",
            "shared_preload_libraries": "",
            "synchronous_standby_names": "",
            "primary_conninfo": "",
            "ssl": "off",
            "logging_collector": "off",
            "log_destination": "stderr",
            "autovacuum": "off",
            "recovery_init_sync_method": "syncfs",
            **{name: written_by[fact] for name, fact in _AS_THE_WRITER.items() if written_by.get(fact)},
        }
        properties = {
            "User": OWNER,
            "Group": OWNER,
            "PrivateNetwork": "yes",
            "RestrictAddressFamilies": "AF_UNIX",
            "NoNewPrivileges": "yes",
            "PrivateTmp": "yes",
            "ProtectHome": "yes",
            "ProtectSystem": "strict",
            "ReadWritePaths": f"{self.scratch.home} {self.runtime}",
            "InaccessiblePaths": "-/etc/pgbackrest -/etc/ssh",
            "TimeoutStartSec": "infinity",
            "KillSignal": "SIGINT",
            "KillMode": "mixed",
            "StandardOutput": f"append:{log}",
            "StandardError": f"append:{log}",
        }
        self.procedure.run(
            [
                "systemd-run",
                "--quiet",
                "--collect",
                "--service-type=notify",
                f"--unit={self.cluster.service}",
                f"--description=Scratch database beside production: {self.cluster.name}",
                *(f"--property={name}={value}" for name, value in properties.items()),
                str(self.cluster.binaries / "postgres"),
                "-D",
                str(self.cluster.data),
                *(f"--{name}={value}" for name, value in settings.items()),
            ]
        )

    def prove_fence(self) -> None:
        """Try to reach production from inside the server itself, as an intruder would. Raises RestoreError if that succeeds."""
        address, port = self._production_address(), int(self.production.get("port", 5432))
        program = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{address}/{port}' >/dev/null 2>&1 && echo reached || echo fenced"
        with self.procedure.step(f"Try to reach production ({address}, port {port}) from inside the instance"):
            server = postmaster_pid(self.cluster.data)
            shared = server is None or Path(f"/proc/{server}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
            sql = _FENCE_TEST.replace("{program}", program)
            said = psql(sql, database="postgres", port=self.cluster.port, socket=f"{self.runtime}/socket", timeout=30, read_only=False)
            if shared or said != [["fenced"]]:
                raise self._not_fenced(address)


def needed_log(archive: Repository, decision: Mapping[str, Any], target: Target) -> list[str]:
    """Return the names of the segments and histories that a replay from the decision's backup may ask for, oldest first."""
    found = archive.archive(str(decision["archive_id"]))
    first = Segment.parse(str(decision["wal_from"]))
    last: int | None = None
    if target.timestamp is not None:
        # The first commit behind the target ends the replay, and it may stand in the segment after the one being written then.
        last = max([s.number for s, at in found.segments.items() if at <= target.timestamp], default=first.number) + 2
    chain = {first.timeline, int(decision["timeline"]), *(t for t, _ in found.histories.get(int(decision["timeline"]), []))}
    segments = sorted(s for s in found.segments if s.timeline in chain and s.number >= first.number and (last is None or s.number <= last))
    return [f"{timeline:08X}.history" for timeline in sorted(found.histories)] + [segment.name() for segment in segments]


def stop(cluster: ScratchCluster, procedure: Procedure) -> None:
    """Stop the instance if it runs."""
    if service_active(cluster.service):
        procedure.run(["systemctl", "stop", cluster.service], timeout=120)
    run(["systemctl", "reset-failed", cluster.service], accept=(0, 1, 5))


def remove(cluster: ScratchCluster, procedure: Procedure) -> bool:
    """Stop the instance and delete everything of it. Returns whether there was anything."""
    there = cluster.home.exists() or service_active(cluster.service)
    if there:
        with procedure.step(f"Take the scratch instance {cluster.home.name} away"):
            stop(cluster, procedure)
            procedure.commands.append(f"rm -r {cluster.home} {cluster.config_directory}")
            shutil.rmtree(cluster.home, ignore_errors=False) if cluster.home.exists() else None
            shutil.rmtree(cluster.config_directory, ignore_errors=True)
    return there


def standing(cluster: ScratchCluster) -> dict[str, Any]:
    """Return what an earlier run left here: its request, decision, run and phase; empty where there is nothing."""
    state = read_state(cluster)
    if state:
        return state
    return {"phase": "unknown", "run": "", "request": {}} if cluster.data.exists() else {}


def remember(cluster: ScratchCluster, facts: Mapping[str, Any]) -> None:
    """Write down what the instance is, for people who find it."""
    path = cluster.home / "README.json"
    path.write_text(json.dumps(dict(facts), indent=1, sort_keys=True) + "\n", encoding="utf-8")
