"""Two boxes exchanged in the inventory, as a proposed commit that a person merges (RCV-3, RCV-4).

The name stays with the work, the box changes: what is reached at an out-of-band address, shows a host key and has a serial number is
another box now. Neither the working tree nor its index nor the branch in use is touched.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recovery.network.device import Device
from recovery.network.failover_record import Record

AUTHOR = {
    f"GIT_{role}_{what}": said
    for role in ("AUTHOR", "COMMITTER")
    for what, said in (("NAME", "Hospital Recovery"), ("EMAIL", "recovery@localhost"))
}


class ProposalError(Exception):
    """The proposal could not be made; the sentence says why. Nothing of the inventory was changed."""


@dataclass(frozen=True)
class Proposal:
    """A proposed change: its branch, its commit, and the difference as text."""

    branch: str
    commit: str
    diff: str


def swapped(text: str, pairs: Mapping[str, str]) -> str:
    """Return a text in which each word of ``pairs`` stands where its partner stood, and the other way round."""
    both = {old: new for old, new in pairs.items() if old and new} | {new: old for old, new in pairs.items() if old and new}
    if not both:
        return text
    pattern = re.compile("|".join(rf"(?<![\w.-]){re.escape(word)}(?![\w-]|\.\d)" for word in sorted(both, key=len, reverse=True)))
    return pattern.sub(lambda found: both[found.group(0)], text)


def keyed(text: str, keys: Mapping[str, str]) -> str:
    """Return an inventory in which each host names the box whose host key it shows, beside its addresses, unless it is its own."""
    lines, host, made = text.splitlines(keepends=True), "", []
    for line in lines:
        opened = re.match(r"^\s+([\w.-]+):\s*(#.*)?$", line)
        if opened:
            host = opened[1]
        if host in keys and re.match(r"^\s+network_key_name:", line):
            continue
        made.append(line)
        told = re.match(r"^(\s+)network_addresses:", line)
        if told and host in keys and keys[host] != host:
            made.append(f"{told[1]}network_key_name: {keys[host]}\n")
    return "".join(made)


def _git(directory: Path, *words: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *words], input=stdin, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False
    )
    if done.returncode:
        raise ProposalError(f"`git {' '.join(words)}` in {directory} ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def changes(inventory: Path, failed: Device, spare: Device, record: Record) -> dict[Path, str]:
    """Return the files of the inventory that change, with their new text."""
    pairs = {failed.addresses.get("oob", ""): spare.addresses.get("oob", "")}
    boxes = record.decision
    pairs[str(boxes["failed"].get("serial") or "")] = str(boxes["spare"].get("serial") or "")
    keys = {failed.name: spare.key_name or spare.name, spare.name: failed.key_name or failed.name}
    found: dict[Path, str] = {}
    files = [inventory / "hosts.yml", *sorted((inventory / "host_vars").rglob("*.yml"))]
    for path in files:
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            new = keyed(swapped(text, pairs), keys)
            if new != text:
                found[path] = new
    return found


def propose(inventory: Path, run: str, failed: Device, spare: Device, record: Record) -> Proposal:
    """Commit the exchange on the branch ``proposal/<run>``; made again by the same run it starts anew from the same place."""
    new = changes(inventory, failed, spare, record)
    if not new:
        raise ProposalError(
            f"The inventory {inventory} does not say where {failed.name} and {spare.name} are reached, so nothing is exchanged."
        )
    top = Path(_git(inventory, "rev-parse", "--show-toplevel").strip()).resolve()
    parent = _git(top, "rev-parse", "--verify", "HEAD^{commit}").strip()
    branch = "proposal/" + re.sub(r"[^A-Za-z0-9._-]+", "-", run).strip("-.")
    paths = {path: path.resolve().relative_to(top) for path in new}
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        _git(top, "read-tree", parent, env=index)
        for path, text in new.items():
            blob = _git(top, "hash-object", "-w", "--stdin", stdin=text).strip()
            _git(top, "update-index", "--add", "--cacheinfo", f"100644,{blob},{paths[path]}", env=index)
        tree = _git(top, "write-tree", env=index).strip()
    subject = f"{failed.name} is now the box that was {spare.name}"
    body = f"Run {run}. The box that failed ({record.decision['failed'].get('serial')}) is in the repair queue; it stands as {spare.name}."
    commit = _git(top, "commit-tree", tree, "-p", parent, "-m", subject, "-m", body, env=AUTHOR).strip()
    _git(top, "update-ref", f"refs/heads/{branch}", commit)
    return Proposal(branch, commit, _git(top, "diff", "--no-color", parent, commit, "--", *(str(path) for path in paths.values())))
