"""Faults of the picture archive: its files, its index, or both are deleted under the running archive."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from lab import host
from lab.errors import LabError
from lab.faults import Fault, Parameter, Scene, now
from lab.faults_data import outside
from lab.system import run

ARCHIVE = "/srv/pacs/archive"
INDEX_UNIT, UNIT = "postgresql@15-pacs.service", "orthanc.service"
PARTS = {"store": ("store",), "index": ("index",), "both": ("store", "index")}


def _destroy(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name, what = parameters["host"], parameters["what"]
    if what not in PARTS:
        raise LabError(f"There is no part {what!r} of the archive.", f"Parts: {', '.join(PARTS)}.")
    directory = outside(scene.lab, scene.topology, name, ARCHIVE)
    if not (directory / "index/PG_VERSION").exists() or not any((directory / "store").glob("*/*/*")):
        raise LabError(f"There is no archive with images in {ARCHIVE} on {name}: nothing to destroy.")
    aside = scene.lab.aside / f"{name}.archive.{time.time_ns()}"
    aside.parent.mkdir(parents=True, exist_ok=True)
    took_effect = now()
    if "index" in PARTS[what]:  # left alone, the server would answer from memory for a while
        host.execute(scene.lab, name, ["systemctl", "kill", "--signal=KILL", INDEX_UNIT])
        _wait_for_its_end(scene, name)
    run(["cp", "-a", directory, aside], timeout=None, doing=f"Keeping {ARCHIVE} of {name} aside")
    for part in PARTS[what]:
        for path in (directory / part).iterdir() if part == "store" else ():
            shutil.rmtree(path)
        if part == "index":
            shutil.rmtree(directory / part)
    _prove(scene, name, what)
    return {"aside": str(aside), "took_effect_at": took_effect}


def _wait_for_its_end(scene: Scene, name: str) -> None:
    for _ in range(100):
        if host.execute(scene.lab, name, ["systemctl", "is-active", INDEX_UNIT], check=False).stdout.strip() in ("failed", "inactive"):
            return
        time.sleep(0.1)
    raise LabError(f"The index's server on {name} still runs 10 s after it was killed.")


def _prove(scene: Scene, name: str, what: str) -> None:
    """Ask the host: no file can be read any more, and nobody answers for the index."""
    if "store" in PARTS[what]:
        left = host.execute(scene.lab, name, ["sh", "-c", f"find {ARCHIVE}/store -type f -mmin +1 | wc -l"]).stdout.strip()
        if left != "0":
            raise LabError(f"{name} still sees {left} files of the archive although they were deleted.")
    if "index" in PARTS[what]:
        words = ["runuser", "-u", "postgres", "--", "psql", "-X", "-qAtc", "select 1", "pacs"]
        if host.execute(scene.lab, name, words, check=False, timeout=20).returncode == 0:
            raise LabError(f"The index on {name} still answers although it was deleted.")


def _return(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    name = parameters["host"]
    directory = outside(scene.lab, scene.topology, name, ARCHIVE)
    host.execute(scene.lab, name, ["systemctl", "stop", UNIT, INDEX_UNIT], check=False)
    if directory.exists():
        directory.rename(directory.with_name(f"{directory.name}.before-repair.{time.time_ns()}"))
    run(["cp", "-a", kept["aside"], directory], timeout=None, doing=f"Putting {ARCHIVE} back on {name}")
    (directory / "index/postmaster.pid").unlink(missing_ok=True)
    run(["sync", "--file-system", directory], timeout=None, doing="Writing it")
    host.execute(scene.lab, name, ["systemctl", "start", INDEX_UNIT, UNIT])
    shutil.rmtree(Path(kept["aside"]))


FAULTS = (
    Fault(
        "pacs-store-destroyed",
        "The picture archive's files, its index, or both are deleted under the running archive.",
        _destroy,
        _return,
        {"host": Parameter("the archive's host", "pacs"), "what": Parameter(", ".join(PARTS), "store")},
    ),
)
