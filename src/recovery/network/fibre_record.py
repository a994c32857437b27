"""The record of the wire rewritten as a proposal: a commit on a branch of its own that a person merges (RCV-2, RCV-4).

Neither the working tree nor its index nor the branch in use is touched: the commit is built from git's own objects.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recovery.findings import Finding
from recovery.network.plant import Pair, Plant, PlantError, Route, load

FIBRES = "fibres.yml"
AUTHOR = {
    f"GIT_{role}_{what}": said
    for role in ("AUTHOR", "COMMITTER")
    for what, said in (("NAME", "Hospital Recovery"), ("EMAIL", "recovery@localhost"))
}


class ProposalError(Exception):
    """The proposal could not be made; the sentence says why. Nothing of the record was changed."""


@dataclass(frozen=True)
class Proposal:
    """A proposed change of the record: its branch, its commit, and the difference as text."""

    branch: str
    commit: str
    diff: str


# --- the text --------------------------------------------------------------------------------------------------------


def pair_line(pair: Pair, plant: Plant) -> str:
    """Write a pair as the record does."""
    words = [f"name: {pair.name}", f"route: {pair.route}", f"strands: [{pair.strands[0]}, {pair.strands[1]}]", f"state: {pair.state}"]
    if pair.segment:
        words.append(f"segment: {pair.segment}")
    if pair.loss_db is not None:
        words.append(f"loss_db: [{', '.join('null' if one is None else f'{one:g}' for one in pair.loss_db)}]")
    if pair.tested:
        words.append(f"tested: {pair.tested}")
    own = plant.segments[pair.segment].ends if pair.segment in plant.segments else ()
    if not pair.ends or pair.ends == own:
        return "  - {" + ", ".join(words) + "}\n"
    return "  - {" + ", ".join(words) + f',\n     ends: ["{pair.ends[0]}", "{pair.ends[1]}"]}}\n'


def route_line(route: Route) -> str:
    """Write a route as the record does."""
    panels = ", ".join(route.panels)
    words = f"panels: [{panels}], length_m: {route.length_m:g}, strands: {route.strands}, zh: {_text(route.title['zh'])}"
    words += f", en: {_text(route.title['en'])}"
    if route.temporary is None:
        return f"  {route.name}: {{{words}}}\n"
    since = route.temporary
    temporary = f"laid: {since.laid}, repair_by: {since.repair_by}, incident: {_text(since.incident)}"
    return f"  {route.name}: {{{words},\n    temporary: {{{temporary}}}}}\n"


def _text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def rewritten(text: str, plant: Plant, pairs: Sequence[Pair], routes: Sequence[Route] = ()) -> str:
    """Return fibres.yml with these pairs and new routes; every other line stays as it is. Raises ProposalError."""
    for pair in pairs:
        line = pair_line(pair, plant)
        old = re.compile(rf"^ *- \{{name: {re.escape(pair.name)},[^}}]*\}}[^\n]*\n", re.MULTILINE)
        if pair.name not in plant.pairs:
            text = _appended(text, "pairs", line)
        elif len(old.findall(text)) == 1:
            text = old.sub(line.replace("\\", r"\\"), text)
        else:
            raise ProposalError(f"The pair {pair.name} does not stand in {FIBRES} once and in braces: write it as its head describes.")
    for route in routes:
        text = _appended(text, "routes", route_line(route))
    return text


def _appended(text: str, section: str, line: str) -> str:
    """Put a line at the end of a section, before what follows it."""
    found = re.search(rf"^{section}:[^\n]*\n(?:[ \t]+[^\n]*\n|\n)*", text, re.MULTILINE)
    if found is None:
        raise ProposalError(f"{FIBRES} has no section {section!r} that goes over lines of its own.")
    body = found.group(0).rstrip("\n") + "\n"
    return text[: found.start()] + body + line + text[found.start() + len(body) :]


# --- git -------------------------------------------------------------------------------------------------------------


def _git(directory: Path, *words: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *words],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        check=False,
    )
    if done.returncode:
        raise ProposalError(f"`git {' '.join(words)}` in {directory} ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def check(directory: Path) -> str:
    """Return the commit that a proposal would start from. Raises ProposalError where the record lies in no git history."""
    try:
        return _git(directory, "rev-parse", "--verify", "HEAD^{commit}").strip()
    except (ProposalError, OSError) as error:
        raise ProposalError(f"The record in {directory} lies in no git history, so nothing can be proposed to it: {error}") from error


def propose(directory: Path, run: str, text: str, subject: str, body: str) -> Proposal:
    """Commit a new fibres.yml on the branch ``proposal/<run>``, as a change of the record as it stands now. Raises ProposalError.

    Made again by the same run it starts anew from the same place, so a run that was interrupted proposes once.
    """
    _must_be_sound(directory, text)
    parent = check(directory)
    top = Path(_git(directory, "rev-parse", "--show-toplevel").strip())
    path = (directory.resolve() / FIBRES).relative_to(top.resolve())
    branch = "proposal/" + re.sub(r"[^A-Za-z0-9._-]+", "-", run).strip("-.")
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        _git(top, "read-tree", parent, env=index)
        blob = _git(top, "hash-object", "-w", "--stdin", stdin=text).strip()
        _git(top, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
        tree = _git(top, "write-tree", env=index).strip()
    commit = _git(top, "commit-tree", tree, "-p", parent, "-m", subject, "-m", body, env=AUTHOR).strip()
    _git(top, "update-ref", f"refs/heads/{branch}", commit)
    return Proposal(branch, commit, _git(top, "diff", "--no-color", parent, commit, "--", str(path)))


def _must_be_sound(directory: Path, text: str) -> None:
    """Refuse to propose a record that would be refused when it is read."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("rooms.yml", "cables.yml", "priorities.yml"):
            (Path(scratch) / name).write_bytes((directory / name).read_bytes())
        (Path(scratch) / FIBRES).write_text(text, encoding="utf-8")
        try:
            load(Path(scratch))
        except PlantError as error:
            raise ProposalError(f"The record would contradict itself: {error}") from error


def propose_pairs(directory: Path, run: str, pairs: Sequence[Pair], routes: Sequence[Route], subject: str, body: str) -> Proposal:
    """Propose changed pairs and new routes. Raises ProposalError, PlantError."""
    text = (directory / FIBRES).read_text(encoding="utf-8")
    return propose(directory, run, rewritten(text, load(directory), pairs, routes), subject, body)


def to_merge(proposal: Proposal, directory: Path) -> Finding:
    """Return that somebody has to read and merge a proposal."""
    said = f"The record says the old until {proposal.branch} is merged."
    return Finding("record-to-merge", "info", said, "", f"Read it and merge it: git -C {directory} merge {proposal.branch}")
