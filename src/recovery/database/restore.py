"""The restore itself (RCV-1), as steps that can be interrupted anywhere and continued. Standard library only.

``stage`` reads the backup into a directory beside the old cluster and replays it there, seen by nobody; ``swap`` puts it into
place by two renames; ``rollback`` and ``release`` are the ways back and out. The state file beside the data directory remembers
how far a recovery came; the service's directory only ever holds the old cluster, a proven one, or nothing.
"""

from __future__ import annotations

import os
import pwd
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cluster import (
    OWNER,
    Cluster,
    control_data,
    fsync_directory,
    postmaster_pid,
    read_state,
    service_active,
    wait_for_answer,
    write_state,
)
from .errors import ANOTHER_BACKUP, ANOTHER_MOMENT, UNTOUCHED, RestoreError, lost, replay_failure, unreadable
from .logtail import collect_tail, fetch_script
from .pgbackrest import Repository
from .shell import CommandError, Procedure, now, psql
from .target import Target
from .wal import Segment, format_lsn, parse_history, parse_lsn
from .wayback import POSTGRESQL, Ways, abandon

FENCE_DROP_IN = """\
# A recovery in progress keeps this cluster from starting: not before it has been proven and put into place.
[Unit]
ConditionPathExists=!{fence}
"""


@dataclass(frozen=True)
class Staged:
    """A replayed cluster, reached over ``socket``: by its own host only, or ``in_place`` where an earlier run had already let it in."""

    directory: str
    socket: str
    port: int
    system_identifier: str
    timeline: int
    end_lsn: str
    last_commit: str
    in_place: bool


class Restore:
    """One restore of one cluster: the decision that was approved, carried out in steps. Another engine says its own parts."""

    owner = OWNER
    ways: Ways = POSTGRESQL

    def __init__(self, cluster: Cluster, decision: Mapping[str, Any], request: Mapping[str, Any], run_id: str, runtime: str) -> None:
        """``request`` is what was asked (source, target); ``runtime`` is a directory in memory for sockets, configuration, tails."""
        self.cluster = cluster
        self.decision, self.request = dict(decision), dict(request)
        self.run_id = run_id
        self.runtime = Path(runtime)
        self.procedure = Procedure()
        self.slots: list[str] = []
        self.restore_options: list[str] = []
        self.fetch = "wal-fetch"
        self.attempt: dict[str, Any] = {}
        self.another_follows = False

    # ---- state ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> dict[str, Any]:
        """Return the state file's content if it is of this very decision, else an empty dict."""
        state = read_state(self.cluster)
        same = state.get("request") == self.request and _core(state.get("decision", {})) == _core(self.decision)
        return state if same else {}

    @property
    def plan(self) -> dict[str, Any]:
        """Return the decision with the source and backup that are really taken: the approved first ones, or an approved alternative."""
        return self.decision | (self.attempt or self.state.get("taken") or {})

    @property
    def opened_at(self) -> str:
        """Return when the service was let go in its place; empty before."""
        return str(self.state.get("opened_at", ""))

    def _enter(self, phase: str, **more: Any) -> None:
        state = self.state or {"request": self.request, "decision": self.decision, "started": now(), "run": self.run_id}
        write_state(self.cluster, state | {"phase": phase, "at": now()} | more)

    # ---- SAFETY -----------------------------------------------------------------------------------------------

    def stage(self, repositories: Sequence[Repository], tails: Mapping[str, str], target: Target, jobs: int) -> Staged:
        """Stop what is to be replaced, read the backup into the staging directory, replay it there, and let it answer on a private socket.

        ``repositories``: the source first, then others that may supply log. ``tails``: repository name -> directory of its WAL
        tail. Raises RestoreError; whatever the backup turns out to be, the old cluster's files have not been touched.
        """
        phase = self.state.get("phase", "")
        if phase in ("swapping", "swapped", "proven", "finished"):
            return self._describe(self.cluster.data)
        self.procedure.milestone("recovery_started", f"backup {self.plan['backup']} from {self.plan['source']}")
        self._make_room()
        was_running = service_active(self.cluster.service) or bool(self.state.get("was_running"))
        self._enter(phase or "staging", was_running=was_running)
        self.fence()
        try:
            if phase != "replayed":
                self._gather_log(repositories, tails)
                if phase != "restored":
                    self._restore(repositories[0], target, jobs)
                    self._enter("restored")
                self._replay(target)
                self._check_reached(target)
                self._enter("replayed")
            elif not self._serving(self.cluster.staging):
                with self.procedure.step("Start the staged cluster again, still out of everybody's reach"):
                    self._start_private()
        except (RestoreError, CommandError):
            # Killed, a recovery is continued; failed, it leaves things as they were found.
            self._give_up()
            raise
        return self._describe(self.cluster.staging)

    def _give_up(self) -> None:
        if not self.another_follows:
            abandon(self.cluster, self.procedure, self.ways)
            return
        # The old server stays stopped: between two attempts nobody must enter anything into it.
        self.ways.discard(self.cluster, self.procedure)
        self._enter("rolled-back")

    def _make_room(self) -> None:
        """A disk that was replaced is empty: make the directories that every cluster of this host lives in."""
        owner = pwd.getpwnam(self.owner)
        for directory in (self.cluster.data.parent.parent, self.cluster.data.parent):
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            os.chown(directory, owner.pw_uid, owner.pw_gid)

    def fence(self) -> None:
        """Stop the server of this host for good: it does not start again while the fence stands, not even after a power cut."""
        with self.procedure.step("Stop the failed server and keep it from starting again"):
            drop_in = Path(f"/etc/systemd/system/{self.cluster.service}.service.d/recovery-fence.conf")
            text = FENCE_DROP_IN.format(fence=self.cluster.fence)
            if not drop_in.exists() or drop_in.read_text(encoding="utf-8") != text:
                drop_in.parent.mkdir(parents=True, exist_ok=True)
                drop_in.write_text(text, encoding="utf-8")
                self.procedure.run(["systemctl", "daemon-reload"])
            self.cluster.fence.touch()
            fsync_directory(self.cluster.fence.parent)
            if service_active(self.cluster.service):
                self.procedure.run(["systemctl", "stop", self.cluster.service], timeout=90)
            self._end_server()

    def _serving(self, directory: Path) -> bool:
        """Tell whether a server works in a directory."""
        return postmaster_pid(directory) is not None

    def _end_server(self) -> None:
        """End a server that the service manager does not know of."""
        pid = postmaster_pid(self.cluster.data)
        if pid is not None and _is_postgres(pid):
            stop = [str(self.cluster.binaries / "pg_ctl"), "stop", "-D", str(self.cluster.data), "-m", "immediate"]
            self.procedure.run(stop, user=OWNER)

    def _gather_log(self, repositories: Sequence[Repository], tails: Mapping[str, str]) -> None:
        """Everything the replay draws on is in memory, so a power cut takes it: it is laid out anew each time."""
        self._prepare_runtime()
        with self.procedure.step("Collect the newest write-ahead log: the tail beside the repositories and what the old cluster still has"):
            old = self.cluster.data / "pg_wal" if self._same_system() else None
            collect_tail(repositories, tails, old, self.runtime / "tail", self.procedure)
        self._write(self.runtime / "wal-fetch", fetch_script(repositories, str(self.runtime)), 0o755)

    def _restore(self, source: Repository, target: Target, jobs: int) -> None:
        staging = self.cluster.staging
        if staging.exists() and read_state(self.cluster).get("staging_of") != self.plan["backup"]:
            shutil.rmtree(staging)
        with self.procedure.step(f"Read every file of backup {self.plan['backup']} into a directory beside, comparing checksums"):
            delta = ["--delta"] if staging.exists() and (staging / "PG_VERSION").exists() else []
            if staging.exists() and not delta:
                shutil.rmtree(staging)
            staging.mkdir(mode=0o700, exist_ok=True)
            owner = pwd.getpwnam(self.owner)
            os.chown(staging, owner.pw_uid, owner.pw_gid)
            self._enter("staging", staging_of=self.plan["backup"], taken=self.attempt)
            options = target.options(self.plan.get("restore_point", ""))
            if self.plan.get("timeline"):  # "latest" could be a history that this backup is not of
                options.append(f"--recovery-option=recovery_target_timeline={self.plan['timeline']}")
            command = source.command(
                "restore",
                f"--pg1-path={staging}",
                f"--set={self.plan['backup']}",
                f"--process-max={jobs}",
                *delta,
                *options,
                *self.restore_options,
                f'--recovery-option=restore_command={self.runtime}/{self.fetch} %f "%p"',
            )
            try:
                self.procedure.run(command, user=OWNER)
            except CommandError as error:
                code = "source-lost" if lost(error) else "backup-damaged"
                said = unreadable(error, self.plan["backup"], source.name, source.stall_timeout)
                raise RestoreError(said, code, ANOTHER_BACKUP) from error

    def _same_system(self) -> bool:
        found = control_data(self.cluster, self.cluster.data).get("Database system identifier", "")
        return bool(found) and found == self.plan.get("system_identifier")

    def _prepare_runtime(self) -> None:
        owner = pwd.getpwnam(self.owner)
        for directory in (self.runtime, self.runtime / "socket", self.runtime / "lock", self.runtime / "spool"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        (self.runtime / "wal-fetch.log").unlink(missing_ok=True)

    def _write(self, path: Path, text: str, mode: int) -> None:
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        owner = pwd.getpwnam(self.owner)
        os.chown(path, owner.pw_uid, owner.pw_gid)

    # ---- replay -----------------------------------------------------------------------------------------------

    def _start_private(self) -> None:
        staging, log = self.cluster.staging, self.runtime / "server.log"
        self._prepare_runtime()
        settings = {
            "config_file": f"{self.cluster.config_directory}/postgresql.conf",
            "data_directory": str(staging),
            "hba_file": f"{self.cluster.config_directory}/pg_hba.conf",
            "ident_file": f"{self.cluster.config_directory}/pg_ident.conf",
            "external_pid_file": f"{self.runtime}/pid",
            "listen_addresses": "",
            "unix_socket_directories": f"{self.runtime}/socket",
            "port": str(self.cluster.port),
            # What the log's new timeline must archive is kept until the real start; a failing command would delay the stop by seconds.
            "archive_command": "",
            # pgBackRest has already made every file durable, one by one.
            "recovery_init_sync_method": "syncfs",
            "logging_collector": "off",
            "autovacuum": "off",
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        log.unlink(missing_ok=True)
        start = [str(self.cluster.binaries / "pg_ctl"), "start", "-D", str(staging), "-w", "-t", "600", "-s", "-l", str(log), "-o", options]
        self.procedure.run(start, user=OWNER)

    def _ask(self, sql: str, *, read_only: bool = True) -> list[list[str]]:
        return psql(sql, database="postgres", port=self.cluster.port, socket=f"{self.runtime}/socket", timeout=20, read_only=read_only)

    def _replay(self, target: Target) -> None:
        with self.procedure.step(f"Replay the write-ahead log to the target ({target.text}), out of everybody's reach"):
            try:
                if not self._serving(self.cluster.staging):
                    self._start_private()
                while self._ask("SELECT pg_is_in_recovery()") != [["f"]]:
                    time.sleep(0.05)
            except CommandError as error:
                log, fetched = _tail_of(self.runtime / "server.log"), _tail_of(self.runtime / "wal-fetch.log")
                code, said = replay_failure(target.text, log, fetched, error.output)
                raise RestoreError(said, code, ANOTHER_MOMENT) from error
            # Made before anybody writes, the slots keep the new history whole for every repository that follows it.
            for slot in self.slots:
                self._ask(
                    f"SELECT pg_create_physical_replication_slot('{slot}', true) "  # noqa: S608 - a name of the inventory
                    f"WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{slot}')",
                    read_only=False,
                )

    def _check_reached(self, target: Target) -> None:
        """A replay may only end at its target or at the end of the log; an end before the newest segment at hand is a hole."""
        if target.kind != "latest":
            return
        staged = self._describe(self.cluster.staging)
        needed = Segment.parse(self.plan["wal_to"]) if self.plan.get("wal_to") else None
        with self.procedure.step("Compare where the replay ended with the newest log at hand"):
            if needed is not None and needed.timeline <= staged.timeline and parse_lsn(staged.end_lsn) < needed.start():
                said = f"Replay ended at {staged.end_lsn}, before the newest write-ahead log at hand ({needed.name()} begins at "
                said += f"{format_lsn(needed.start())}): what was acknowledged in between would be lost. {UNTOUCHED}"
                raise RestoreError(said, "replay-short", ANOTHER_MOMENT)

    def _describe(self, directory: Path) -> Staged:
        control = control_data(self.cluster, directory)
        timeline = int(control.get("Latest checkpoint's TimeLineID", "1"))
        histories = sorted((directory / "pg_wal").glob("*.history"))
        end = control.get("Latest checkpoint location", "0/0")
        if histories:
            past = parse_history(histories[-1].read_text(encoding="ascii"))
            timeline = max(timeline, int(histories[-1].name[:8], 16))
            end = format_lsn(past[-1][1]) if past else end
        last = ""
        log = _tail_of(self.runtime / "server.log", 20000)
        for line in log.splitlines():
            if "last completed transaction was at log time" in line:
                last = line.rpartition("log time ")[2].strip()
        private = directory == self.cluster.staging
        return Staged(
            directory=str(directory),
            socket=f"{self.runtime}/socket" if private else "/var/run/postgresql",
            port=self.cluster.port,
            system_identifier=control.get("Database system identifier", ""),
            timeline=timeline,
            end_lsn=end,
            last_commit=last,
            in_place=not private,
        )

    # ---- RUN --------------------------------------------------------------------------------------------------

    def swap(self) -> str:
        """Put the proven cluster into the service's place, keep the old one aside, and start. Returns where the old one is."""
        phase = self.state.get("phase")
        if phase not in ("replayed", "swapping", "swapped", "proven", "finished"):
            raise RestoreError(
                "Nothing proven is staged for this decision, so nothing was put into place. Run the same command again from its start.",
                "nothing-staged",
            )
        data, staging = self.cluster.data, self.cluster.staging
        aside = self.state.get("aside") or str(data.with_name(f"{data.name}.aside-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"))
        if phase in ("replayed", "swapping"):
            with self.procedure.step("Close the staged cluster in good order"):
                self._close_staged(staging)
            self._enter("swapping", aside=aside)
            with self.procedure.step("Set the old cluster aside by its name, and give its place to the proven one"):
                if staging.exists():
                    if data.exists() and not Path(aside).exists():
                        data.rename(aside)
                        fsync_directory(data.parent)
                    staging.rename(data)
                    fsync_directory(data.parent)
                if not Path(aside).exists():
                    aside = ""
            self._enter("swapped", aside=aside)
        if not self.opened_at:
            self._enter("swapped", opened_at=now())
        with self.procedure.step("Start the database and let the wards in"):
            self.cluster.fence.unlink(missing_ok=True)
            if not service_active(self.cluster.service):
                self.procedure.run(["systemctl", "reset-failed", self.cluster.service], accept=(0, 1))
                # Debian's start command returns two seconds after the server answers; the answer itself is what is waited for.
                self.procedure.run(["systemctl", "start", "--no-block", self.cluster.service], timeout=120)
            self._wait_for_answer()
        if phase != "proven":  # else it has been up since an earlier run
            self.procedure.milestone("system_up", "the database answers in its place")
        return aside

    def _close_staged(self, staging: Path) -> None:
        if postmaster_pid(staging) is not None:
            stop = [str(self.cluster.binaries / "pg_ctl"), "stop", "-D", str(staging), "-m", "fast", "-w", "-s", "-t", "300"]
            self.procedure.run(stop, user=OWNER)
        if staging.exists():
            self._forget_recovery_settings(staging)

    def _wait_for_answer(self) -> None:
        wait_for_answer(self.cluster)

    def _forget_recovery_settings(self, directory: Path) -> None:
        settings = directory / "postgresql.auto.conf"
        lines = settings.read_text(encoding="utf-8").splitlines(keepends=True) if settings.exists() else []
        kept = [x for x in lines if not x.startswith(("restore_command", "recovery_target", "# Recovery settings generated by pgBackRest"))]
        if kept != lines:
            temporary = settings.with_suffix(".new")
            self._write(temporary, "".join(kept), 0o600)
            temporary.replace(settings)

    # ---- ways back and out ------------------------------------------------------------------------------------

    def finish(self, phase: str = "finished") -> None:
        """Note that nothing is left to do; ``proven``: beside the running service there is, and the same command continues it."""
        if self.state:
            self._enter(phase)
        shutil.rmtree(self.runtime, ignore_errors=True)


def _core(decision: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(decision.get(key) for key in ("source", "backup", "target"))


def _is_postgres(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "postgres"
    return False


def _tail_of(path: Path, size: int = 4000) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")[-size:]
    return ""
