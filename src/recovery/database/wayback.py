"""The ways back from a restore, and the end of the old state: abandon, roll back, release (RCV-1). Standard library only."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from .cluster import OWNER, Cluster, fsync_directory, postmaster_pid, read_state, wait_for_answer, write_state
from .errors import RestoreError
from .shell import Procedure, now


def abandon(cluster: Cluster, procedure: Procedure) -> None:
    """Throw away a staging directory, give up its recovery, and let the old cluster start again if it was left in place."""
    with procedure.step("Give up the staged cluster; the old one stays as it is"):
        if postmaster_pid(cluster.staging) is not None:
            procedure.run([str(cluster.binaries / "pg_ctl"), "stop", "-D", str(cluster.staging), "-m", "immediate", "-s"], user=OWNER)
        if cluster.staging.exists():
            shutil.rmtree(cluster.staging)
        cluster.fence.unlink(missing_ok=True)
        state = read_state(cluster)
        if state:
            write_state(cluster, state | {"phase": "rolled-back", "at": now()})
        if state.get("was_running") and cluster.data.exists():
            procedure.run(["systemctl", "start", cluster.service], timeout=120, accept=(0, 1))


def rollback(cluster: Cluster, procedure: Procedure) -> str:
    """Undo a swap: the newest cluster kept aside goes back into its place."""
    state = read_state(cluster)
    if state.get("phase") in ("staging", "restored", "replayed"):
        abandon(cluster, procedure)
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
        wait_for_answer(cluster)
    return str(rejected)


def release(cluster: Cluster, procedure: Procedure, names: Sequence[str]) -> list[str]:
    """Delete old clusters that a person lets go, by their names. Returns what was deleted; refuses any other name."""
    kept = {p.name: p for p in (*cluster.kept_aside(), *cluster.data.parent.glob(cluster.data.name + ".rejected-*"))}
    unknown = [n for n in names if n not in kept]
    if unknown:
        raise RestoreError(
            f"{', '.join(unknown)} is not a cluster that was kept aside here. Kept are: {', '.join(kept) or 'none'}. Nothing was deleted.",
            "nothing-aside",
        )
    for name in names:
        with procedure.step(f"Delete the old cluster {name}, as released"):
            shutil.rmtree(kept[name])
    return list(names)
