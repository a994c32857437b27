"""The restore of the archive (RCV-1), as steps that can be interrupted anywhere and continued. Standard library only.

``stage`` reads the backup into a directory beside the archive, loads the index there and compares the two; ``swap`` puts both into place by
one rename; ``reindex`` enters what the files hold beyond the index; ``rollback`` and ``release`` are the ways back and out.
"""

from __future__ import annotations

import os
import pwd
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..database.cluster import OWNER, fsync_directory, postmaster_pid, read_state, service_active, write_state
from ..database.errors import RestoreError
from ..database.shell import CommandError, Procedure, now, psql
from . import given_up
from .archive import Archive, Reconciled, digest, echo, reconcile
from .backup import INDEX_DUMP
from .restic import Repository, explain

FENCE = """\
# A recovery in progress keeps this from starting: not before the archive has been proven and put into place.
[Unit]
ConditionPathExists=!{fence}
"""
ANOTHER = "Take another source (-e source=best), or an older backup (-e target=backup:LABEL)."
UNTOUCHED = "The old archive's files have not been touched."
OVER = ("finished", "rolling-back", "rolled-back", "abandoned")


class Restore:
    """One restore of one archive: the decision that was approved, carried out in steps."""

    def __init__(self, archive: Archive, decision: Mapping[str, Any], runtime: str = "/run/recovery/pacs") -> None:
        """``runtime``: a directory in memory for the private socket."""
        self.archive = archive
        self.cluster = archive.cluster
        self.decision = dict(decision)
        self.runtime = Path(runtime)
        self.procedure = Procedure()

    @property
    def state(self) -> dict[str, Any]:
        """Return the state file's content if it is of this very backup, else an empty dict."""
        state = read_state(self.cluster)
        same = all(state.get(key) == self.decision.get(key) for key in ("backup", "source"))
        return state if same and state.get("phase") not in OVER else {}

    def _enter(self, phase: str, **more: Any) -> None:
        known = self.state or {"backup": self.decision["backup"], "source": self.decision["source"], "started": now()}
        write_state(self.cluster, known | {"phase": phase, "at": now()} | more)

    # ---- SAFETY -----------------------------------------------------------------------------------------------

    def stage(self, repository: Repository, handover: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Stop the archive and bring backup and index together beside it; raises RestoreError, the old files untouched."""
        if self.state.get("phase") in ("staged", "swapped"):
            return dict(self.state["staged"])
        self.procedure.milestone("recovery_started", f"backup {self.decision['label']} from {self.decision['source']}")
        self.cluster.data.parent.mkdir(parents=True, exist_ok=True)
        running = [unit for unit in (self.archive.service, self.archive.index_service) if service_active(unit)]
        self._enter("staging", running=self.state.get("running", running))
        try:
            self.fence()
            self._read(repository, handover)
            found = self._load(handover, manifest)
            self._enter("staged", staged=found)
        except (RestoreError, CommandError):
            self.abandon()
            raise
        return found

    def fence(self) -> None:
        """Stop archive and index, and keep both from starting while the fence stands."""
        with self.procedure.step("Stop the archive and keep it from starting again"):
            text = FENCE.format(fence=self.cluster.fence)
            changed = False
            for unit in (self.archive.service, self.archive.index_service):
                drop_in = Path(f"/etc/systemd/system/{unit}.service.d/recovery-fence.conf")
                if not drop_in.exists() or drop_in.read_text(encoding="utf-8") != text:
                    drop_in.parent.mkdir(parents=True, exist_ok=True)
                    drop_in.write_text(text, encoding="utf-8")
                    changed = True
            if changed:
                self.procedure.run(["systemctl", "daemon-reload"])
            self.cluster.fence.touch()
            fsync_directory(self.cluster.fence.parent)
            if self._index_says():
                # Without its index the archive waits for it, also when it is to stop. It has nothing to finish: nothing is acknowledged.
                self.procedure.run(["systemctl", "kill", "--signal=KILL", self.archive.service], accept=(0, 1, 5))
            self.procedure.run(["systemctl", "stop", self.archive.service, self.archive.index_service], timeout=120, accept=(0, 1, 5))

    def _read(self, repository: Repository, handover: str) -> None:
        staging, raw = self.cluster.staging, self.cluster.staging / "raw"
        with self.procedure.step(f"Read every file of backup {self.decision['label']} into a directory beside, checksums compared"):
            if postmaster_pid(staging / "index") is not None:
                self._stop_private()
            shutil.rmtree(staging, ignore_errors=True)
            raw.mkdir(parents=True)
            try:
                repository.restic("restore", self.decision["backup"], "--target", str(raw), procedure=self.procedure)
            except CommandError as error:
                code, sentence = explain(error, repository)
                raise RestoreError(f"{sentence} {UNTOUCHED}", code.replace("repository-damaged", "backup-damaged"), ANOTHER) from error
            restored = raw / self.archive.path.lstrip("/") / "store"
            if not restored.is_dir() or not (raw / handover.lstrip("/") / INDEX_DUMP).is_file():
                raise RestoreError(f"The backup does not hold both index and files. {UNTOUCHED}", "backup-damaged", ANOTHER)
            restored.rename(staging / "store")

    def _load(self, handover: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Load the index into a cluster of its own that nobody reaches, and compare it with the manifest and with every file."""
        staging = self.cluster.staging
        owner = pwd.getpwnam(OWNER)
        dump = staging / "raw" / handover.lstrip("/") / INDEX_DUMP
        with self.procedure.step("Load the index into a new cluster beside, reached by nobody"):
            for directory in (self.runtime, self.runtime / "socket", staging / "index"):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.chown(directory, owner.pw_uid, owner.pw_gid)
            loaded = self.runtime / INDEX_DUMP
            shutil.copyfile(dump, loaded)
            os.chown(loaded, owner.pw_uid, owner.pw_gid)
            words = ["--data-checksums", "--locale=C.UTF-8", "--encoding=UTF8", "--auth-local=peer", "--auth-host=reject", "--no-sync"]
            self.procedure.run([str(self.cluster.binaries / "initdb"), "-D", str(staging / "index"), *words], user=OWNER, timeout=300)
            self._start_private()
            port, there = self.archive.port, f"{self.runtime}/socket"
            for statement in (
                f"create role {self.archive.owner} login",
                f"create database {self.archive.database} owner {self.archive.owner}",
            ):
                psql(statement, database="postgres", port=port, socket=there, read_only=False)
            load = ["pg_restore", "--exit-on-error", "--no-owner", f"--role={self.archive.owner}", f"--host={there}", f"--port={port}"]
            psql(
                f"grant {self.archive.owner} to {OWNER}; alter schema public owner to {self.archive.owner}",
                database=self.archive.database,
                port=port,
                socket=there,
                read_only=False,
            )
            try:
                self.procedure.run([*load, f"--dbname={self.archive.database}", str(loaded)], user=OWNER, timeout=6 * 3600)
            except CommandError as error:
                raise RestoreError(
                    f"The index of the backup cannot be loaded: {error.output[-400:]} {UNTOUCHED}", "backup-damaged", ANOTHER
                ) from error
            finally:
                loaded.unlink()
        with self.procedure.step("Compare the index with the manifest, and every file's checksum with the index"):
            known = self.archive.entries(there)
            if manifest.get("digest") and digest(known) != manifest["digest"]:
                text = (
                    f"The index of the backup is not the one of its manifest ({len(known)} and {manifest['entries']} entries). {UNTOUCHED}"
                )
                raise RestoreError(text, "backup-damaged", ANOTHER)
            found = reconcile(known, staging / "store", read=True)
            if not found.sound:
                raise RestoreError(f"Index and files of the backup do not fit: {found.sentence()}. {UNTOUCHED}", "backup-damaged", ANOTHER)
        with self.procedure.step("Stop the staged index and make everything durable"):
            self._stop_private()
            shutil.rmtree(staging / "raw")
            self.procedure.run(["sync", "--file-system", str(staging)])
        return {"directory": str(staging), "entries": found.entries, "bytes": found.bytes, "orphans": found.orphans}

    def _start_private(self) -> None:
        settings = {
            "config_file": f"{self.cluster.config_directory}/postgresql.conf",
            "data_directory": str(self.cluster.staging / "index"),
            "hba_file": f"{self.cluster.config_directory}/pg_hba.conf",
            "ident_file": f"{self.cluster.config_directory}/pg_ident.conf",
            "external_pid_file": f"{self.runtime}/pid",
            "listen_addresses": "",
            "unix_socket_directories": f"{self.runtime}/socket",
            "fsync": "off",
            "autovacuum": "off",
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        words = [
            "start",
            "-D",
            str(self.cluster.staging / "index"),
            "-w",
            "-t",
            "120",
            "-s",
            "-l",
            str(self.runtime / "server.log"),
            "-o",
            options,
        ]
        self.procedure.run([str(self.cluster.binaries / "pg_ctl"), *words], user=OWNER)

    def _stop_private(self) -> None:
        words = ["stop", "-D", str(self.cluster.staging / "index"), "-m", "fast", "-s"]
        self.procedure.run([str(self.cluster.binaries / "pg_ctl"), *words], user=OWNER, timeout=120)

    def abandon(self) -> None:
        """Give a staged archive up and leave things as they were found: what ran runs again."""
        with self.procedure.step("Give the staged archive up; the old one is as it was found"):
            if postmaster_pid(self.cluster.staging / "index") is not None:
                self._stop_private()
            shutil.rmtree(self.cluster.staging, ignore_errors=True)
            running = read_state(self.cluster).get("running", [])
            self._enter("abandoned")
            self.cluster.fence.unlink(missing_ok=True)
            if running:
                self.procedure.run(["systemctl", "start", *reversed(running)], timeout=120, accept=(0, 1))

    # ---- RUN --------------------------------------------------------------------------------------------------

    def swap(self) -> dict[str, Any]:
        """Keep the old archive aside by its name and let the staged one take its place: files and index by one rename."""
        state = self.state
        data, staging = self.cluster.data, self.cluster.staging
        if state.get("phase") not in ("staged", "swapped"):
            raise RestoreError(f"Nothing is staged that could take the archive's place. {UNTOUCHED}", "nothing-staged")
        aside = state.get("aside") or f"{data}.aside-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        if state["phase"] == "staged":
            with self.procedure.step("Keep the old archive aside and give its place to the proven one"):
                self._enter("staged", aside=aside)
                if staging.exists():
                    if data.exists():
                        data.rename(aside)
                    staging.rename(data)
                    fsync_directory(data.parent)
                self._enter("swapped")
        with self.procedure.step("Start index and archive"):
            self.cluster.fence.unlink(missing_ok=True)
            self._start()
        self.procedure.milestone("system_up", "the restored archive answers")
        return {"aside": aside if Path(aside).exists() else "", "opened_at": now()}

    def _start(self) -> None:
        self.procedure.run(["systemctl", "reset-failed", self.archive.service, self.archive.index_service], accept=(0, 1))
        self.procedure.run(["systemctl", "start", "--no-block", self.archive.index_service], timeout=120)
        self._wait("The index was started and does not answer", self._index_says)
        self.procedure.run(["systemctl", "start", self.archive.service], timeout=120)
        self._wait("The archive was started and does not answer", lambda: echo(self.archive))

    def _index_says(self) -> str:
        try:
            psql("select 1", database=self.archive.database, port=self.archive.port, timeout=5)
        except CommandError as error:
            return error.output
        return ""

    def _wait(self, sentence: str, ask: Any, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while said := ask():
            if time.monotonic() > deadline:
                raise RestoreError(
                    f"{sentence}: {said[-400:]}", "no-answer", "Look at `journalctl -u orthanc`, or: recovery run pacs_rollback"
                )
            time.sleep(0.1)

    def finish(self, lost: Sequence[Mapping[str, str]] = ()) -> None:
        """Note that the archive was proven, and which images it gave up; the next restore is a new one."""
        if self.state:
            given_up.note(lost, str(self.state.get("started", "")))
            self._enter("finished")

    # ---- the ways back and out ----------------------------------------------------------------------------------

    def way_back(self) -> dict[str, Any]:
        """Return the state of the restore that can be undone, or of the rollback that was interrupted; changes nothing.

        Raises RestoreError where no old archive was kept aside, or it was let go.
        """
        state = read_state(self.cluster)
        if state.get("phase") == "rolling-back" or (state.get("aside") and Path(state["aside"]).is_dir()):
            return state
        raise RestoreError(
            "There is no old archive to go back to: none was kept aside by the last restore, or it was let go. Nothing was changed.",
            "nothing-aside",
            "See what is kept: recovery run pacs_release. To bring an older backup back: recovery run pacs_restore -e target=backup:LABEL",
        )

    def rollback(self) -> str:
        """Undo the last swap: the archive that was kept aside returns to its place; the restored one is kept beside."""
        state, data = self.way_back(), self.cluster.data
        aside = Path(state["aside"])
        rejected = Path(state.get("rejected") or f"{data}.rejected-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        write_state(self.cluster, state | {"phase": "rolling-back", "rejected": str(rejected), "at": now()})
        self.fence()
        with self.procedure.step("Put the old archive back into its place"):
            if aside.is_dir():
                if data.exists():
                    data.rename(rejected)
                aside.rename(data)
                fsync_directory(data.parent)
            given_up.forget(str(state.get("started", "")))
            write_state(self.cluster, state | {"phase": "rolled-back", "aside": "", "rejected": "", "at": now()})
            self.cluster.fence.unlink(missing_ok=True)
        with self.procedure.step("Start index and archive"):
            self._start()
        return str(rejected)

    def release(self, names: Sequence[str]) -> list[str]:
        """Delete archives that were kept aside, by their names; refuses any other name."""
        kept = {path.name: path for path in kept_aside(self.archive)}
        unknown = [name for name in names if name not in kept]
        if unknown:
            raise RestoreError(
                f"{', '.join(unknown)} was not kept aside here. Kept are: {', '.join(kept) or 'none'}. Nothing was deleted.",
                "nothing-aside",
            )
        for name in names:
            with self.procedure.step(f"Delete the old archive {name}, as released"):
                shutil.rmtree(kept[name])
        return list(names)


def kept_aside(archive: Archive) -> list[Path]:
    """Return the archives that wait for their release, oldest first."""
    return sorted((*archive.root.parent.glob(f"{archive.root.name}.aside-*"), *archive.root.parent.glob(f"{archive.root.name}.rejected-*")))


def summary(found: Reconciled) -> dict[str, Any]:
    """Return what a comparison found, as it travels in a result."""
    return {"entries": found.entries, "bytes": found.bytes, "missing": found.missing, "wrong": found.wrong, "orphans": found.orphans}
