"""The restore of a MariaDB server (RCV-1): the same steps, state file and renames as every restore, with MariaDB's own tools inside.

The backup is read into ``main.restoring``, prepared there, replayed from the binary logs by a server that only its socket reaches, and
given the name of a new history. Then it takes the old one's place by rename.
"""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import ANOTHER_BACKUP, ANOTHER_MOMENT, UNTOUCHED, RestoreError, lost, unreadable
from ..restore import Restore, Staged
from ..shell import CommandError
from ..target import Target as Common
from . import binlog, line, server
from .repository import Backup, DamageError, Repository
from .wayback import MariadbWays

# What a staged server writes is made durable once, at the end of the replay.
HASTY = ("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2")
OTHER_SESSIONS = "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND command <> 'Daemon'"
FULL = ("No space left", "Errcode: 28", "OS errno 28", "ERROR 1114", "ERROR 1021")


class MariadbRestore(Restore):
    """One restore of one MariaDB server."""

    owner = server.OWNER
    ways = MariadbWays()

    def __init__(self, *given: Any) -> None:
        """See Restore."""
        super().__init__(*given)
        self.sources: list[Repository] = []
        self.parts: list[line.Part] = []
        self.reached: binlog.Transaction | None = None

    @property
    def private(self) -> server.Private:
        """Return the staged server, which only its socket reaches."""
        return server.Private(self.cluster.staging, str(self.runtime), f"recovery-{self.cluster.name}")

    @property
    def socket(self) -> str:
        """Return the directory of the staged server's socket."""
        return self.private.socket

    @property
    def start(self) -> binlog.Gtid:
        """Return the transaction at which the backup's data stand."""
        return binlog.Gtid.parse(str(self.plan["gtid"]))

    # ---- SAFETY -----------------------------------------------------------------------------------------------

    def _serving(self, directory: Path) -> bool:
        return server.serving_pid(directory) is not None

    def _end_server(self) -> None:
        server.stop(self.cluster.data, self.procedure, at_once=True)

    def _make_room(self) -> None:
        """A disk that was replaced is empty: make the directory that the data live in."""
        self.cluster.data.parent.mkdir(mode=0o755, parents=True, exist_ok=True)

    @property
    def _fetched(self) -> Path:
        return self.cluster.data.with_name(f"{self.cluster.data.name}.binlog")

    def _gather_log(self, repositories: Sequence[Any], tails: Mapping[str, str]) -> None:
        self.sources = list(repositories)
        stretches = [line.Stretch(history, binlog.Gtid.parse(upto) if upto else None) for history, upto in self.plan["log"]]

        def logs_of(history: str) -> list[Path]:
            logs: dict[str, Path] = {}
            for number, source in enumerate(self.sources):
                try:
                    for path in source.logs(history, self._fetched / source.name, self.procedure):
                        logs[path.name] = longer(logs.get(path.name), path)
                except CommandError:
                    if number == 0:  # a further source that is out of reach only supplies nothing
                        raise
            if history == stretches[-1].history:
                for path in self._survivors(list(logs.values())):
                    logs[path.name] = longer(logs.get(path.name), path)
            return sorted(logs.values(), key=binlog.number)

        with (
            self.procedure.step("Collect the newest binary logs: beside the repositories and what the old cluster still has"),
            self._room(),
        ):
            shutil.rmtree(self._fetched, ignore_errors=True)
            try:
                self.parts = line.follow(stretches, logs_of, self.start)
            except binlog.HoleError as error:
                raise RestoreError(f"A part of the binary log is missing: {error}. {UNTOUCHED}", "wal-missing", ANOTHER_MOMENT) from error
            except (binlog.BinlogError, DamageError) as error:
                raise RestoreError(f"The binary log is damaged: {error}. {UNTOUCHED}", "replay-failed", ANOTHER_MOMENT) from error

    def _survivors(self, known: Sequence[Path]) -> list[Path]:
        return surviving(self.cluster.data, known)

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Say of a full disk that it is one, whichever program came upon it."""
        try:
            yield
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise self._full() from error
        except CommandError as error:
            if any(word in error.output for word in FULL):
                raise self._full() from error
            raise

    def _full(self) -> RestoreError:
        return RestoreError(
            f"The disk of {self.cluster.data.parent} became full. {UNTOUCHED}",
            "disk-full",
            "Free space there (recovery run database_release deletes what earlier restores kept aside), or enlarge the disk.",
        )

    def _restore(self, source: Any, target: Common, jobs: int) -> None:
        staging, label, chain = self.cluster.staging, self.plan["backup"], [Backup.parse(one) for one in self.plan["chain"]]
        increments = staging.with_name(f"{staging.name}.increments")
        for left in (staging, increments):
            shutil.rmtree(left, ignore_errors=True)
        staging.mkdir(mode=0o700)
        self._enter("staging", staging_of=label, taken=self.attempt)
        first: Repository = source
        try:
            for one in chain:
                told = f"Read every file of backup {one.label} into a directory beside, comparing checksums"
                with self.procedure.step(told), self._room():
                    first.read(first.find(one.label), staging if one is chain[0] else increments / one.label, self.procedure)
        except DamageError as error:
            said = f"Backup {label} in the {first.name} repository could not be read whole: {error}. {UNTOUCHED}"
            raise RestoreError(said, "backup-damaged", ANOTHER_BACKUP) from error
        except CommandError as error:
            code = "source-lost" if lost(error) else "backup-damaged"
            raise RestoreError(unreadable(error, label, first.name), code, ANOTHER_BACKUP) from error
        with self.procedure.step("Make the copied files consistent, the full backup first and then each increment"):
            try:
                prepare = ["mariadb-backup", "--no-defaults", "--prepare", f"--target-dir={staging}", "--use-memory=128M"]
                with self._room():
                    self.procedure.run(prepare)
                    for one in chain[1:]:
                        self.procedure.run([*prepare, f"--incremental-dir={increments / one.label}"])
            except CommandError as error:
                said = next((line for line in reversed(error.output.splitlines()) if "rror" in line), error.output[-300:])
                said = f"Backup {label} could not be made consistent: {said.strip()}. {UNTOUCHED}"
                raise RestoreError(said, "backup-damaged", ANOTHER_BACKUP) from error
            shutil.rmtree(increments, ignore_errors=True)
            # What else lies in the directory was the copying program's, and its log files are not a server's.
            for left in staging.glob("xtrabackup_*"):
                left.unlink()
        with self.procedure.step("Give the files to the server's account, and make them durable"):
            self.procedure.run(["chown", "--recursive", f"{self.owner}:{self.owner}", str(staging)])
            self.procedure.run(["sync", "--file-system", str(staging)])

    def _start_private(self) -> None:
        self.private.start(self.procedure, *HASTY)

    def _ask(self, sql: str, *, read_only: bool = True) -> list[list[str]]:
        return server.ask(sql, socket=self.socket, timeout=60)

    def _replay(self, target: Common) -> None:
        with self.procedure.step(f"Replay the binary logs to the target ({target.text}), out of everybody's reach"), self._room():
            wanted = self._wanted(target)
            self.reached = wanted[-1] if wanted else None
            try:
                if not self._serving(self.cluster.staging):
                    if any(self.cluster.staging.glob("*.index")):
                        # A replay was cut off with its server: how far its data are on the disk is not known, so it begins again.
                        self._restore(self.sources[0], target, 0)
                    self._start_private()
                    # The copied files stand at this transaction; whatever is replayed is logged anew behind it, under its own GTID.
                    self._ask(f"RESET MASTER; SET GLOBAL gtid_binlog_state = '{self.start}'")
                if self.reached is not None:
                    self._apply(self.reached.gtid)
            except CommandError as error:
                if any(word in error.output for word in FULL):
                    raise
                raise RestoreError(f"The replay ended badly: {error.output[-600:]} {UNTOUCHED}", "replay-failed", ANOTHER_MOMENT) from error

    def _wanted(self, target: Common) -> list[binlog.Transaction]:
        try:
            return upto([one for part in self.parts for one in part.transactions], target, self.plan)
        except binlog.BinlogError as error:
            raise RestoreError(f"The binary log is damaged: {error}. {UNTOUCHED}", "replay-failed", ANOTHER_MOMENT) from error

    def _position(self) -> binlog.Gtid:
        return binlog.Gtid.parse(self._ask("SELECT @@gtid_binlog_pos")[0][0] or str(self.start))

    def _apply(self, end: binlog.Gtid) -> None:
        # A replay that was cut off may have left its writer behind: there must be only one.
        for row in self._ask(OTHER_SESSIONS):
            with suppress(CommandError):  # it may have ended by itself
                self._ask(f"KILL {row[0]}")
        for part in self.parts:
            at = self._position()  # an interrupted replay had come so far
            taken = [one for one in part.transactions if at.seq < one.gtid.seq <= end.seq]
            if not taken:
                continue
            needed = [path for path in part.paths if binlog.number(path) <= binlog.number(taken[-1].file)]
            reader = ["mariadb-binlog", "--no-defaults", f"--start-position={at}", f"--stop-position={taken[-1].gtid}", *map(str, needed)]
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
            at = self._position()
            wanted = self.reached.gtid if self.reached else self.start
            # What the check saw at hand must be there: a log that has gone since is a hole, not an end.
            promised = binlog.Gtid.parse(str(self.plan["wal_to"])) if target.kind == "latest" else wanted
            if at != wanted or at.seq < promised.seq:
                raise RestoreError(
                    f"Replay ended at {at} instead of {max(wanted, promised)}: what was acknowledged in between would be lost. {UNTOUCHED}",
                    "replay-short",
                    ANOTHER_MOMENT,
                )
            # The replay was not made durable transaction by transaction: all of it is now.
            self._ask("SET GLOBAL sync_binlog = 1; SET GLOBAL innodb_flush_log_at_trx_commit = 1; FLUSH BINARY LOGS")
            histories = [part.stretch.history for part in self.parts if part.transactions and part.transactions[0].gtid.seq <= at.seq]
            parent = histories[-1] if histories else Backup.parse(self.plan["chain"][-1]).history
            server.begin_history(self.socket, parent=parent, based_on=self.plan["backup"])

    def _describe(self, directory: Path) -> Staged:
        private = directory == self.cluster.staging
        last = ""
        if self.reached is not None:
            last = datetime.fromtimestamp(self.reached.at, timezone.utc).isoformat().replace("+00:00", "Z")
        return Staged(
            directory=str(directory),
            socket=self.socket if private else server.SOCKET,
            port=self.cluster.port,
            system_identifier=str(self.plan.get("system_identifier", "")),
            timeline=0,
            end_lsn=str(self.reached.gtid) if self.reached else str(self.plan.get("gtid", "")),
            last_commit=last,
            in_place=not private,
        )

    # ---- RUN --------------------------------------------------------------------------------------------------

    def _close_staged(self, staging: Path) -> None:
        self.private.stop(self.procedure)

    def _wait_for_answer(self) -> None:
        server.wait_for_answer(self.cluster)

    def finish(self, phase: str = "finished") -> None:
        """Note that the service was proven; logs that were only fetched for the replay go."""
        super().finish(phase)
        shutil.rmtree(self._fetched, ignore_errors=True)


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
