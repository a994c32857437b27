"""A change of the hospital's own records as a proposal: a commit on a branch of its own that a person merges (RCV-4).

Neither the working tree nor its index nor the branch in use is touched: the commit is built from git's own objects.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

AUTHOR = {
    f"GIT_{role}_{what}": said
    for role in ("AUTHOR", "COMMITTER")
    for what, said in (("NAME", "Hospital Recovery"), ("EMAIL", "recovery@localhost"))
}


class ProposalError(Exception):
    """The proposal could not be made; the sentence says why. Nothing of the records was changed."""


@dataclass(frozen=True)
class Proposal:
    """A proposed change: its branch, its commit, and the difference as text."""

    branch: str
    commit: str
    diff: str


def _git(directory: Path, *words: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *words], input=stdin, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False
    )
    if done.returncode:
        raise ProposalError(f"`git {' '.join(words)}` in {directory} ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def base(directory: Path) -> str:
    """Return the commit that a proposal would start from. Raises ProposalError where the records lie in no git history."""
    try:
        return _git(directory, "rev-parse", "--verify", "HEAD^{commit}").strip()
    except (ProposalError, OSError) as error:
        raise ProposalError(f"The records in {directory} lie in no git history, so nothing can be proposed to them: {error}") from error


def propose(directory: Path, run: str, texts: Mapping[Path, str], subject: str, body: str) -> Proposal:
    """Commit new texts of some files below ``directory`` on the branch ``proposal/<run>``, as a change of what stands there now.

    Made again by the same run it starts anew from the same place, so a run that was interrupted proposes once. Raises ProposalError.
    """
    parent = base(directory)
    top = Path(_git(directory, "rev-parse", "--show-toplevel").strip()).resolve()
    paths = {path.resolve().relative_to(top): text for path, text in texts.items()}
    branch = "proposal/" + re.sub(r"[^A-Za-z0-9._-]+", "-", run).strip("-.")
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        _git(top, "read-tree", parent, env=index)
        for path, text in paths.items():
            blob = _git(top, "hash-object", "-w", "--stdin", stdin=text).strip()
            _git(top, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
        tree = _git(top, "write-tree", env=index).strip()
    commit = _git(top, "commit-tree", tree, "-p", parent, "-m", subject, "-m", body, env=AUTHOR).strip()
    _git(top, "update-ref", f"refs/heads/{branch}", commit)
    return Proposal(branch, commit, _git(top, "diff", "--no-color", parent, commit, "--", *map(str, paths)))
