"""The ways back from a restore, and the end of the old state: abandon, roll back, release (RCV-1). Standard library only."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cluster import OWNER, Cluster, fsync_directory, intact, postmaster_pid, read_state, wait_for_answer, write_state
from .errors import RestoreError
from .shell import CommandError, Procedure, now, psql

# What makes the old cluster begin a history of its own. Its number is found from the history files beside it.
OWN_HISTORY = "restore_command = '/bin/false'\nrecovery_target_timeline = 'current'\n"
PROMOTION_TIMEOUT_S = 120.0


class Ways:
    """What the ways back leave to the engine: these are PostgreSQL's."""

    def intact(self, directory: Path) -> bool:
        """Tell whether a data directory has what every data directory has."""
        return intact(directory)

    def discard(self, cluster: Cluster, procedure: Procedure) -> None:
        """Stop the staged cluster and throw its directory away."""
        discard(cluster, procedure)

    def begin_own_history(self, cluster: Cluster, rejected: Path, procedure: Procedure) -> None:
        """Make the old cluster, back in its place and not yet started, begin a history of its own beside the ``rejected`` one's."""
        _begin_own_history(cluster, rejected)

    def wait_for_answer(self, cluster: Cluster) -> None:
        """Wait until the server in its place answers. Raises RestoreError when it does not."""
        wait_for_answer(cluster)

    def wait_until_usable(self, cluster: Cluster) -> None:
        """Wait until the old cluster serves on its own history. Raises RestoreError or CommandError."""
        wait_for_answer(cluster)
        _wait_until_writable(cluster)
        _settings(cluster, "")


POSTGRESQL = Ways()


def abandon(cluster: Cluster, procedure: Procedure, ways: Ways = POSTGRESQL) -> None:
    """Throw away a staging directory, give up its recovery, and let the old cluster start again if it was left in place."""
    with procedure.step("Give up the staged cluster; the old one stays as it is"):
        ways.discard(cluster, procedure)
        cluster.fence.unlink(missing_ok=True)
        state = read_state(cluster)
        if state:
            write_state(cluster, state | {"phase": "rolled-back", "at": now()})
        if state.get("was_running") and cluster.data.exists():
            procedure.run(["systemctl", "start", cluster.service], timeout=120, accept=(0, 1))


def discard(cluster: Cluster, procedure: Procedure) -> None:
    """Stop the staged cluster and throw its directory away."""
    if postmaster_pid(cluster.staging) is not None:
        procedure.run([str(cluster.binaries / "pg_ctl"), "stop", "-D", str(cluster.staging), "-m", "immediate", "-s"], user=OWNER)
    if cluster.staging.exists():
        shutil.rmtree(cluster.staging)


def way_back(cluster: Cluster, ways: Ways = POSTGRESQL) -> dict[str, str]:
    """Say what a rollback would do, changing nothing: ``aside`` returns to its place; empty where only a staged cluster is given up.

    Raises RestoreError where there is nothing to go back to.
    """
    state = read_state(cluster)
    if state.get("phase") in ("staging", "restored", "replayed"):
        return {"aside": ""}
    if state.get("phase") == "rolling-back":
        return {"aside": str(state.get("aside", ""))}
    aside = Path(state["aside"]) if state.get("aside") else None
    if aside is None or not aside.is_dir():
        raise RestoreError(
            "There is no old cluster to go back to: none was kept aside by the last restore, or it was released. Nothing was changed.",
            "nothing-aside",
            "To go to another moment, restore again with -e target=time:....",
        )
    if not ways.intact(aside):
        raise RestoreError(
            f"The old cluster {aside.name} is incomplete, so no server could start in it. Nothing was changed.",
            "aside-incomplete",
            "To go to another moment, restore again with -e target=time:....",
        )
    return {"aside": str(aside)}


def rollback(cluster: Cluster, procedure: Procedure, ways: Ways = POSTGRESQL) -> str:
    """Undo a swap: the cluster kept aside goes back into its place and begins a history of its own.

    Without that, its log and the rejected cluster's would stand under the same archive with the rejected one as the newer history,
    and the next restore would follow it. Where the old cluster does not start, the restored one gets its place again. Killed, the
    same call continues. Returns the directory of the rejected cluster.
    """
    aside = Path(way_back(cluster, ways)["aside"])
    state = read_state(cluster)
    if state.get("phase") in ("staging", "restored", "replayed"):
        abandon(cluster, procedure, ways)
        return ""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    rejected = Path(state.get("rejected") or cluster.data.with_name(f"{cluster.data.name}.rejected-{stamp}"))
    state |= {"phase": "rolling-back", "rejected": str(rejected), "at": now()}
    write_state(cluster, state)
    with procedure.step("Stop the restored cluster and put the old one back into its place"):
        cluster.fence.touch()
        procedure.run(["systemctl", "stop", cluster.service], timeout=120)
        if aside.exists():
            if cluster.data.exists():
                cluster.data.rename(rejected)
            aside.rename(cluster.data)
            fsync_directory(cluster.data.parent)
    try:
        with procedure.step("Start the old cluster on a history of its own"):
            ways.begin_own_history(cluster, rejected, procedure)
            cluster.fence.unlink(missing_ok=True)
            procedure.run(["systemctl", "reset-failed", cluster.service], accept=(0, 1))
            procedure.run(["systemctl", "start", cluster.service], timeout=120)
            ways.wait_until_usable(cluster)
    except (RestoreError, CommandError) as error:
        _restored_again(cluster, procedure, state | {"aside": str(aside)}, rejected, ways)
        raise RestoreError(
            f"The old cluster does not run any more ({str(error)[-300:]}); the restored one has its place again.",
            "rollback-failed",
            "To go to another moment, restore again with -e target=time:....",
        ) from error
    write_state(cluster, state | {"phase": "rolled-back", "aside": "", "rejected": "", "at": now()})
    return str(rejected)


def _begin_own_history(cluster: Cluster, rejected: Path) -> None:
    for history in sorted((rejected / "pg_wal").glob("*.history")):
        target = cluster.data / "pg_wal" / history.name
        if not target.exists():
            shutil.copyfile(history, target)
            _give(target)
    _settings(cluster, OWN_HISTORY)
    (cluster.data / "recovery.signal").touch(mode=0o600)
    _give(cluster.data / "recovery.signal")


def _settings(cluster: Cluster, lines: str) -> None:
    """Put ``lines`` behind the cluster's own settings, or take them away."""
    settings = cluster.data / "postgresql.auto.conf"
    present = settings.read_text(encoding="utf-8") if settings.exists() else ""
    temporary = settings.with_suffix(".new")
    temporary.write_text(present.replace(OWN_HISTORY, "") + lines, encoding="utf-8")
    temporary.chmod(0o600)
    _give(temporary)
    temporary.replace(settings)


def _give(path: Path) -> None:
    owner = pwd.getpwnam(OWNER)
    os.chown(path, owner.pw_uid, owner.pw_gid)


def _wait_until_writable(cluster: Cluster) -> None:
    deadline = time.monotonic() + PROMOTION_TIMEOUT_S
    while psql("SELECT pg_is_in_recovery()", database="postgres", port=cluster.port, timeout=10) != [["f"]]:
        if time.monotonic() > deadline:
            raise RestoreError(f"The old cluster was still replaying its log after {PROMOTION_TIMEOUT_S:.0f} s", "no-answer")
        time.sleep(0.05)


def _restored_again(cluster: Cluster, procedure: Procedure, state: dict[str, Any], rejected: Path, ways: Ways) -> None:
    with procedure.step("Put the restored cluster back into its place"):
        cluster.fence.touch()
        procedure.run(["systemctl", "stop", cluster.service], timeout=120, accept=(0, 1))
        if rejected.exists():
            cluster.data.rename(state["aside"])
            rejected.rename(cluster.data)
            fsync_directory(cluster.data.parent)
        write_state(cluster, state | {"phase": "finished", "rejected": "", "at": now()})
        cluster.fence.unlink(missing_ok=True)
        procedure.run(["systemctl", "reset-failed", cluster.service], accept=(0, 1))
        procedure.run(["systemctl", "start", cluster.service], timeout=120)
        ways.wait_for_answer(cluster)


def releasable(cluster: Cluster) -> dict[str, Path]:
    """Return what a person may let go, by name: old clusters kept aside by a restore, and restored ones that were rejected."""
    return {p.name: p for p in (*cluster.kept_aside(), *sorted(cluster.data.parent.glob(cluster.data.name + ".rejected-*")))}


def release(cluster: Cluster, procedure: Procedure, names: Sequence[str]) -> list[str]:
    """Delete old clusters that a person lets go, by their names. Returns what was deleted; refuses any other name."""
    kept = releasable(cluster)
    unknown = [n for n in names if n not in kept]
    if unknown:
        raise RestoreError(
            f"{', '.join(unknown)} is not a cluster that was kept aside here. Nothing was deleted.",
            "nothing-aside",
            f"Kept are: {', '.join(kept)}. Name one of them: -e names={next(iter(kept))}"
            if kept
            else "None is kept here. Check that this is the system that was meant (-e system=NAME).",
        )
    for name in names:
        with procedure.step(f"Delete the old cluster {name}, as released"):
            shutil.rmtree(kept[name])
            fsync_directory(cluster.data.parent)
    state = read_state(cluster)
    if state.get("aside") and Path(state["aside"]).name in names:
        write_state(cluster, state | {"aside": ""})
    return list(names)
