"""The proof where the user sits: find a patient by name, fetch the images, compare them with what was sent.

Uses dcmtk's programs and the standard library only.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..database.shell import CommandError, Procedure
from .archive import dataset_sha256

ELEMENT = re.compile(r"\(([0-9a-f]{4},[0-9a-f]{4})\) \w\w \[(.*?)\s*\]\s+#")
PADDING = " \0"  # a value is padded to an even length: text with a space, a UID with a zero byte
SIGN_S = 5  # for one sign of life
ANSWER_S = 30  # for one question


@dataclass(frozen=True)
class Peer:
    """The archive as a workstation sees it: address, port, its title, and the title under which the workstation is known to it."""

    address: str
    port: int
    called: str
    calling: str

    def words(self, program: str, wait: int, *more: str) -> list[str]:
        """Return the command of one of dcmtk's clients."""
        limits = ["-to", str(wait), "-ta", str(wait), "-td", str(wait)]
        return [program, *limits, "-aet", self.calling, "-aec", self.called, *more, self.address, str(self.port)]


@dataclass
class Seen:
    """What a workstation's own log says, and what its look at the archive came to."""

    acknowledged: list[dict[str, str]] = field(default_factory=list)
    failed_first: str = ""
    errors: list[str] = field(default_factory=list)
    fetched: int = 0
    found_by_name: int = 0


def read_log(path: Path, workstation: str) -> list[dict[str, Any]]:
    """Read the client's log; a line that was cut while it was written is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        rows.append({"workstation": workstation, **row})
    return rows


def answers(text: str) -> list[dict[str, str]]:
    """Read the answers that findscu prints. It exits 0 when it is refused, so only answers count."""
    found: list[dict[str, str]] = []
    for part in text.split("Find Response:")[1:]:
        found.append({tag: value.strip(PADDING) for tag, value in ELEMENT.findall(part)})
    return found


def find(peer: Peer, keys: Mapping[str, str], procedure: Procedure) -> list[dict[str, str]]:
    """Ask the archive for studies (C-FIND)."""
    asked = [word for tag, value in keys.items() for word in ("-k", f"{tag}={value}" if value else tag)]
    level = ["-S", "-k", "0008,0052=STUDY", "-k", "0008,0005=ISO_IR 192"]
    return answers(_both(procedure, peer.words("findscu", ANSWER_S, *level, *asked)))


def _both(procedure: Procedure, argv: list[str]) -> str:
    """Run a program that prints its answers as messages, and return what it printed anywhere."""
    return procedure.run(["sh", "-c", '"$@" 2>&1', "dcmtk", *argv], timeout=4 * ANSWER_S)


def wait_for_echo(peer: Peer, patience_s: float, procedure: Procedure) -> str:
    """Ask for a sign of life (C-ECHO) until it comes or patience ends; return what went wrong, or nothing."""
    until = time.monotonic() + patience_s
    while True:
        try:
            procedure.run(peer.words("echoscu", SIGN_S), timeout=3 * SIGN_S, quiet=True)
            return ""
        except CommandError as error:
            if time.monotonic() >= until:
                return error.output.splitlines()[-1] if error.output else str(error)
        time.sleep(0.3)


def look(peer: Peer, rows: Iterable[Mapping[str, Any]], until: str, sample: int, procedure: Procedure) -> Seen:
    """Find and fetch the newest studies that were acknowledged before ``until`` (all, if empty), and compare every image of them."""
    seen = Seen()
    known = list(rows)
    sums = {str(row["uid"]): str(row["sha256"]) for row in known if row.get("ok")}
    due = [row for row in known if row.get("ok") and (not until or str(row["done"]) < until)]
    studies = list(dict.fromkeys(str(row["study"]) for row in reversed(due)))[:sample]
    for study in studies:
        with procedure.step(f"Find the patient of study {study} by name, and fetch its images"):
            wanted = {str(row["uid"]) for row in due if row["study"] == study}
            try:
                _look_at(peer, study, wanted, sums, seen, procedure)
            except (CommandError, ValueError) as error:
                seen.errors.append(f"{study}: {getattr(error, 'output', '') or error}"[:400])
    return seen


def _look_at(peer: Peer, study: str, wanted: set[str], sums: Mapping[str, str], seen: Seen, procedure: Procedure) -> None:
    rows = find(peer, {"0020,000d": study, "0010,0010": "", "0010,0020": ""}, procedure)
    if not rows:
        seen.errors.append(f"{study}: C-FIND has no answer for it")
        return
    name = rows[0].get("0010,0010", "")
    by_name = find(peer, {"0010,0010": name, "0020,000d": ""}, procedure) if name else []
    if study not in [row.get("0020,000d") for row in by_name]:
        seen.errors.append(f"{study}: C-FIND by the patient's name does not lead to it")
    else:
        seen.found_by_name += 1
    with tempfile.TemporaryDirectory(prefix="recovery-") as scratch:
        words = ["-S", "+xe", "--bit-preserving", "-od", scratch, "-k", "0008,0052=STUDY", "-k", f"0020,000d={study}"]
        procedure.run(peer.words("getscu", ANSWER_S, *words), timeout=10 * ANSWER_S)
        fetched = {path.name: dataset_sha256(path) for path in Path(scratch).iterdir()}
    missing = sorted(wanted - fetched.keys())
    wrong = sorted(uid for uid, found in fetched.items() if uid in sums and sums[uid] != found)
    seen.fetched += len(fetched)
    if missing:
        seen.errors.append(f"{study}: these images were not delivered: {', '.join(missing)}")
    if wrong:
        seen.errors.append(f"{study}: these images are not what was sent: {', '.join(wrong)}")
