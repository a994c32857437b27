"""Images that a restore has given up, by name: the next proof does not miss them once more (RCV-1). Standard library only.

They lie on the system disk, because the archive's own disk is what is lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

PLACE = Path("/var/lib/hospital-recovery/pacs-given-up.json")


def read(place: Path | None = None) -> dict[str, str]:
    """Return the images that were given up: their UID, and the restore (its beginning) that did."""
    try:
        found = json.loads((place or PLACE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(uid): str(by) for uid, by in found.items()} if isinstance(found, dict) else {}


def note(lost: Iterable[Mapping[str, str]], by: str, place: Path | None = None) -> None:
    """Add what a restore has given up."""
    more = {str(row["uid"]): by for row in lost}
    if more:
        _write(read(place) | more, place or PLACE)


def forget(by: str, place: Path | None = None) -> None:
    """Take back what a restore has given up, because that restore was undone."""
    known = read(place)
    kept = {uid: restore for uid, restore in known.items() if restore != by}
    if kept != known:
        _write(kept, place or PLACE)


def _write(known: Mapping[str, str], place: Path) -> None:
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = place.with_suffix(".new")
    with new.open("w", encoding="utf-8") as handle:
        json.dump(known, handle, indent=1, sort_keys=True)
        handle.flush()
        os.fsync(handle.fileno())
    new.replace(place)
