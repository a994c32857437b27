"""The restore of a MariaDB server (RCV-1): the same steps, state file and renames as every restore, with MariaDB's own tools inside.

The backup is read into ``main.restoring``, prepared there, replayed from the binary logs by a server that only its socket reaches, and
given the name of a new history. Then it takes the old one's place by rename.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

from ..cluster import fsync_directory, read_state, write_state
from ..errors import ANOTHER_BACKUP, ANOTHER_MOMENT, RestoreError
from ..restore import Restore, Staged
from ..shell import CommandError, now, run
from ..target import Target as Common
from . import binlog, server
from .repository import Backup, DamageError, Repository
from .target import Target

UNTOUCHED = "The old cluster's files have not been touched."
# Beside the staged data: nothing that a server writes there goes through the network, the event scheduler or the disk's cache twice.
PRIVATE = (
    "--skip-networking",
    "--skip-slave-start",
    "--event-scheduler=OFF",
    "--sync-binlog=0",
    "--innodb-flush-log-at-trx-commit=2",
)


class MariadbRestore(Restore):
    """One restore of one MariaDB server."""

    owner = server.OWNER

    def __init__(self, *given: Any) -> None:
        """See Restore."""
        super().__init__(*given)
        self.sources: list[Repository] = []
        self.logs: list[Path] = []
        self.reached: binlog.Transaction | None = None

    @property
    def unit(self) -> str:
        """Return the name of the unit in which the staged server runs."""
        return f"recovery-{self.cluster.name}.service"

    @property
    def socket(self) -> str:
        """Return the directory of the staged server's socket."""
        return f"{self.runtime}/socket"

    def stage_from(self, repositories: Sequence[Repository], target: Target, jobs: int) -> Staged:
        """Stage from these repositories: the source first, then others that may supply binary logs."""
        self.sources = list(repositories)
        # The order of steps is that of every engine; only this one's own parts read the repositories.
        return self.stage(cast("Any", self.sources), {}, target, jobs)

    # ---- SAFETY -----------------------------------------------------------------------------------------------

    def _serving(self, directory: Path) -> bool:
        return server.serving_pid(directory) is not None

    def _end_server(self) -> None:
        server.stop(self.cluster.data, self.procedure, at_once=True)

    def _give_up(self) -> None:
        abandon(self)

    def _make_room(self) -> None:
        """A disk that was replaced is empty: make the directory that the data live in."""
        self.cluster.data.parent.mkdir(mode=0o755, parents=True, exist_ok=True)

    def _prepare_runtime(self) -> None:
        super()._prepare_runtime()
        # The proof asks as root, through the same directory.
        Path(self.socket).chmod(0o755)

    def _gather_log(self, repositories: Sequence[Any], tails: Mapping[str, str]) -> None:
        self._prepare_runtime()
        with self.procedure.step("Collect the newest binary logs: beside the repositories and what the old cluster still has"):
            fetched = self.cluster.data.with_name(f"{self.cluster.data.name}.binlog")
            shutil.rmtree(fetched, ignore_errors=True)
            logs: dict[str, Path] = {}
            for source in self.sources:
                with suppress(CommandError):  # a further source that is out of reach supplies nothing
                    for path in source.logs(self.decision["log_history"], fetched / source.name, self.procedure):
                        logs[path.name] = longer(logs.get(path.name), path)
            survivors = surviving(self.cluster.data, list(logs.values()))
            for path in survivors:
                logs[path.name] = longer(logs.get(path.name), path)
            self.logs = sorted(logs.values(), key=binlog.number)

    def _restore(self, source: Any, target: Common, jobs: int) -> None:
        staging, chain = self.cluster.staging, [Backup.parse(one) for one in self.decision["chain"]]
        increments = staging.with_name(f"{staging.name}.increments")
        for left in (staging, increments):
            shutil.rmtree(left, ignore_errors=True)
        staging.mkdir(mode=0o700)
        self._enter("staging", staging_of=self.decision["backup"])
        first: Repository = source
        try:
            for one in chain:
                with self.procedure.step(f"Read every file of backup {one.label} into a directory beside, comparing checksums"):
                    first.read(first.find(one.label), staging if one is chain[0] else increments / one.label, self.procedure)
        except DamageError as error:
            shutil.rmtree(increments, ignore_errors=True)
            raise RestoreError(
                f"Backup {self.decision['backup']} in the {first.name} repository could not be read whole: {error}. {UNTOUCHED}",
                "backup-damaged",
                ANOTHER_BACKUP,
            ) from error
        with self.procedure.step("Make the copied files consistent, the full backup first and then each increment"):
            try:
                prepare = ["mariadb-backup", "--no-defaults", "--prepare", f"--target-dir={staging}", "--use-memory=128M"]
                self.procedure.run(prepare)
                for one in chain[1:]:
                    self.procedure.run([*prepare, f"--incremental-dir={increments / one.label}"])
            except CommandError as error:
                said = next((line for line in reversed(error.output.splitlines()) if "rror" in line), error.output[-300:])
                raise RestoreError(
                    f"Backup {self.decision['backup']} could not be made consistent: {said.strip()}. {UNTOUCHED}",
                    "backup-damaged",
                    ANOTHER_BACKUP,
                ) from error
            shutil.rmtree(increments, ignore_errors=True)
            # What else lies in the directory was the copying program's, and its log files are not a server's.
            for left in staging.glob("xtrabackup_*"):
                left.unlink()
        with self.procedure.step("Give the files to the server's account, and make them durable"):
            self.procedure.run(["chown", "--recursive", f"{self.owner}:{self.owner}", str(staging)])
            self.procedure.run(["sync", "--file-system", str(staging)])

    def _start_private(self) -> None:
        staging, log = self.cluster.staging, self.runtime / "server.log"
        self._prepare_runtime()
        log.unlink(missing_ok=True)
        run(["systemctl", "reset-failed", self.unit], accept=(0, 1, 5))
        command = ["systemd-run", f"--unit={self.unit}", f"--uid={self.owner}", f"--gid={self.owner}", "--service-type=notify", "--quiet"]
        command += ["--property=LimitNOFILE=32768", "--property=TimeoutStartSec=600", "/usr/sbin/mariadbd", f"--datadir={staging}"]
        command += [
            f"--socket={server.socket_file(self.socket)}",
            f"--pid-file={self.runtime}/socket/mysqld.pid",
            f"--log-error={log}",
            *PRIVATE,
        ]
        self.procedure.run(command)

    def _ask(self, sql: str, *, read_only: bool = True) -> list[list[str]]:
        return server.ask(sql, socket=self.socket, timeout=60)

    def _replay(self, target: Common) -> None:
        start = binlog.Gtid.parse(self.decision["gtid"])
        with self.procedure.step(f"Replay the binary logs to the target ({target.text}), out of everybody's reach"):
            wanted = self._wanted(target, start)
            self.reached = wanted[-1] if wanted else None
            try:
                if not self._serving(self.cluster.staging):
                    if any(self.cluster.staging.glob("*.index")):
                        # A replay was cut off with its server: how far its data are on the disk is not known, so it begins again.
                        self._restore(self.sources[0], target, 0)
                    self._start_private()
                    # The copied files stand at this transaction; whatever is replayed is logged anew behind it, under its own GTID.
                    self._ask(f"RESET MASTER; SET GLOBAL gtid_binlog_state = '{start}'")
                if self.reached is not None:
                    self._apply(start, self.reached)
            except CommandError as error:
                raise RestoreError(f"The replay ended badly: {error.output[-600:]} {UNTOUCHED}", "replay-failed", ANOTHER_MOMENT) from error

    def _wanted(self, target: Common, start: binlog.Gtid) -> list[binlog.Transaction]:
        try:
            return upto(binlog.transactions(self.logs, start), target, self.decision)
        except binlog.HoleError as error:
            raise RestoreError(f"A part of the binary log is missing: {error}. {UNTOUCHED}", "wal-missing", ANOTHER_MOMENT) from error
        except binlog.BinlogError as error:
            raise RestoreError(f"The binary log is damaged: {error}. {UNTOUCHED}", "replay-failed", ANOTHER_MOMENT) from error

    def _apply(self, start: binlog.Gtid, end: binlog.Transaction) -> None:
        needed = [path for path in self.logs if binlog.number(path) <= binlog.number(end.file)]
        at = binlog.Gtid.parse(self._ask("SELECT @@gtid_binlog_pos")[0][0] or str(start))
        if at.seq >= end.gtid.seq:
            return  # an interrupted replay had come to its end
        reader = ["mariadb-binlog", "--no-defaults", f"--start-position={at}", f"--stop-position={end.gtid}", *map(str, needed)]
        writer = [*server.client(self.socket), "--binary-mode", "--max-allowed-packet=1G"]
        self.procedure.commands.append(f"{' '.join(reader)} | {' '.join(writer)}")
        with subprocess.Popen(reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as source:
            done = subprocess.run(writer, stdin=source.stdout, capture_output=True, text=True, check=False)
            said = source.stderr.read().decode("utf-8", "replace") if source.stderr else ""
        if done.returncode:
            raise CommandError(writer, done.returncode, done.stderr)
        if source.returncode:
            raise CommandError(reader, source.returncode, said)

    def _check_reached(self, target: Common) -> None:
        with self.procedure.step("Compare where the replay ended with what was wanted, to the transaction"):
            at = self._ask("SELECT @@gtid_binlog_pos")[0][0]
            wanted = str(self.reached.gtid) if self.reached else self.decision["gtid"]
            if at != wanted:
                raise RestoreError(
                    f"Replay ended at {at or 'no transaction'} instead of {wanted}: what was acknowledged in between would be lost. "
                    + UNTOUCHED,
                    "replay-short",
                    ANOTHER_MOMENT,
                )
            # The replay was not made durable transaction by transaction: all of it is now.
            self._ask("SET GLOBAL sync_binlog = 1; SET GLOBAL innodb_flush_log_at_trx_commit = 1; FLUSH BINARY LOGS")
            # From here on these data have a future of their own: their logs must never be taken for the old ones.
            self._ask(
                f"SET sql_log_bin = 0; UPDATE {server.IDENTITY} SET history = '{uuid.uuid4()}',"  # noqa: S608 - our own
                f" based_on = '{self.decision['backup']}', since = '{now()}'"
            )

    def _describe(self, directory: Path) -> Staged:
        private = directory == self.cluster.staging
        last = ""
        if self.reached is not None:
            last = datetime.fromtimestamp(self.reached.at, timezone.utc).isoformat().replace("+00:00", "Z")
        return Staged(
            directory=str(directory),
            socket=self.socket if private else server.SOCKET,
            port=self.cluster.port,
            system_identifier=str(self.decision.get("system_identifier", "")),
            timeline=0,
            end_lsn=str(self.reached.gtid) if self.reached else str(self.decision.get("gtid", "")),
            last_commit=last,
            in_place=not private,
        )

    # ---- RUN --------------------------------------------------------------------------------------------------

    def _close_staged(self, staging: Path) -> None:
        server.stop(staging, self.procedure)
        run(["systemctl", "stop", self.unit], accept=(0, 5))

    def _wait_for_answer(self) -> None:
        server.wait_for_answer(self.cluster)

    def finish(self, phase: str = "finished") -> None:
        """Note that the service was proven; logs that were only fetched for the replay go."""
        super().finish(phase)
        shutil.rmtree(self.cluster.data.with_name(f"{self.cluster.data.name}.binlog"), ignore_errors=True)


def longer(one: Path | None, other: Path) -> Path:
    """Return the longer receipt of the same log. Raises RestoreError if the two are different logs of the same name."""
    if one is None:
        return other
    if not binlog.same_log(one, other):
        raise RestoreError(f"{one} and {other} are different logs of the same name. {UNTOUCHED}", "other-system", ANOTHER_MOMENT)
    return other if other.stat().st_size > one.stat().st_size else one


def surviving(data: Path, known: Sequence[Path]) -> list[Path]:
    """Return the binary logs that a failed server left, if they are of the history whose logs are known: what both have must agree."""
    # Other files of the server are numbered as well (aria_log.00000001).
    mine = {path.name: path for path in binlog.files(data) if path.stem in {log.stem for log in known}}
    common = [path for path in known if path.name in mine]
    if not common or not all(binlog.same_log(path, mine[path.name]) for path in common):
        return []
    first = min(binlog.number(path) for path in common)
    return [path for path in mine.values() if binlog.number(path) >= first]


def upto(found: Sequence[binlog.Transaction], target: Common, decision: Mapping[str, Any]) -> list[binlog.Transaction]:
    """Return the transactions that belong to the target."""
    if target.kind == "time" and target.timestamp is not None:
        return binlog.before(found, target.timestamp)
    end = getattr(target, "gtid", None)
    if target.kind == "backup":
        point = decision.get("restore_point") or decision["gtid"]
        end = binlog.Gtid.parse(point)
    if end is not None:
        kept = [one for one in found if one.gtid.seq <= end.seq]
        if (kept[-1].gtid.seq if kept else binlog.Gtid.parse(decision["gtid"]).seq) < end.seq:
            raise binlog.BinlogError(f"it ends before {end}")
        return kept
    return list(found)


def abandon(work: MariadbRestore) -> None:
    """Throw away a staging directory, give up its recovery, and let the old cluster start again if it was left in place."""
    cluster, procedure = work.cluster, work.procedure
    with procedure.step("Give up the staged cluster; the old one stays as it is"):
        server.stop(cluster.staging, procedure, at_once=True)
        for left in (".restoring", ".restoring.increments", ".binlog"):
            shutil.rmtree(cluster.data.with_name(cluster.data.name + left), ignore_errors=True)
        cluster.fence.unlink(missing_ok=True)
        state = read_state(cluster)
        if state:
            write_state(cluster, state | {"phase": "rolled-back", "at": now()})
        if state.get("was_running") and cluster.data.exists():
            procedure.run(["systemctl", "start", cluster.service], timeout=120, accept=(0, 1))


def rollback(work: MariadbRestore) -> str:
    """Undo a swap: the newest cluster kept aside goes back into its place."""
    cluster, procedure = work.cluster, work.procedure
    state = read_state(cluster)
    if state.get("phase") in ("staging", "restored", "replayed"):
        abandon(work)
        return ""
    aside = Path(state["aside"]) if state.get("aside") else None
    if aside is None or not aside.is_dir():
        raise RestoreError(
            "There is no old cluster to go back to: none was kept aside by the last restore, or it was released. Nothing was changed. "
            "To go to another moment, restore again with -e target=time:....",
            "nothing-aside",
        )
    rejected = cluster.data.with_name(f"{cluster.data.name}.rejected-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    with procedure.step("Stop the restored cluster and put the old one back into its place"):
        cluster.fence.touch()
        procedure.run(["systemctl", "stop", cluster.service], timeout=120)
        if cluster.data.exists():
            cluster.data.rename(rejected)
        aside.rename(cluster.data)
        fsync_directory(cluster.data.parent)
        write_state(cluster, state | {"phase": "rolled-back", "aside": "", "at": now()})
        cluster.fence.unlink(missing_ok=True)
    with procedure.step("Start the old cluster"):
        procedure.run(["systemctl", "start", cluster.service], timeout=120)
        server.wait_for_answer(cluster)
    return str(rejected)
