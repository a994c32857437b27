"""Where things are: the project, its runbooks and its incidents. Imports nothing heavy."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from pathlib import Path

INCIDENTS_VARIABLE = "RECOVERY_INCIDENTS"
INCIDENT_VARIABLE = "RECOVERY_INCIDENT_DIR"
RUN_VARIABLE = "RECOVERY_RUN"
REQUESTER_VARIABLE = "RECOVERY_BY"
VIEW_VARIABLE = "RECOVERY_VIEW"
REPLACE = "replace"
"""The mode of a restore that the runbook without a mode in its name carries out."""


class FrameError(Exception):
    """Something the person at the keyboard must know, in sentences: cause, remedy, alternative."""


def project_root() -> Path:
    """Return the project's directory: ``RECOVERY_PROJECT``, else the working directory or one above it, else the installed tree."""
    named = os.environ.get("RECOVERY_PROJECT")
    if named:
        return Path(named).resolve()
    here = Path.cwd()
    for candidate in (here, *here.parents, Path(__file__).resolve().parents[3]):
        if (candidate / "ansible.cfg").is_file() and (candidate / "plan").is_dir():
            return candidate
    raise FrameError(
        "This is not the directory of a recovery project: there is no ansible.cfg beside a plan/ here or above.\n"
        "Change into the project, or name it: RECOVERY_PROJECT=/path/to/project."
    )


def incidents_root(root: Path | None = None) -> Path:
    """Return the directory that holds all incidents (env ``RECOVERY_INCIDENTS``, default ``incidents/`` in the project)."""
    named = os.environ.get(INCIDENTS_VARIABLE)
    if named:
        return Path(named).resolve()
    current = os.environ.get(INCIDENT_VARIABLE)
    if current and root is None:
        return Path(current).resolve().parent
    return (root or project_root()) / "incidents"


def requester() -> str:
    """Return who asks for this run: ``RECOVERY_BY`` (``recovery run --by``), else the person behind sudo, else the login name."""
    for variable in (REQUESTER_VARIABLE, "SUDO_USER"):
        name = os.environ.get(variable, "").strip()
        if name:
            return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def runbook_name(playbook: str | Path) -> str:
    """Return the name of a runbook from its file."""
    return Path(playbook).stem


def runbooks(root: Path) -> Mapping[str, str]:
    """Return every runbook of the project and its purpose in one line: the first comment line of the file, else the first play."""
    found: dict[str, str] = {}
    for path in sorted((root / "playbooks").glob("*.yml")):
        found[path.stem] = purpose(path)
    return found


def purpose(path: Path) -> str:
    """Return what a runbook is for: its first comment line, else the sentence of its first play."""
    text = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#") and stripped.strip("# "):
            return stripped.lstrip("# ").strip()
        if stripped and stripped != "---":
            break
    match = re.search(r"^- name:\s*(.+)$", text, re.MULTILINE)
    return match.group(1).strip("\"'").split("|", 1)[-1].strip() if match else "(says nothing about its purpose)"


def route(runbook: str, mode: str, root: Path) -> str:
    """Return the runbook that carries out a mode: ``database_restore`` with ``beside`` is ``database_restore_beside``.

    ``replace``, no mode, and the mode of a runbook without any are the runbook itself. Raises FrameError with the list of modes.
    """
    modes = sorted(path.stem.removeprefix(f"{runbook}_") for path in (root / "playbooks").glob(f"{runbook}_*.yml"))
    if not mode or mode == REPLACE or not modes:
        return runbook
    if mode not in modes:
        raise FrameError(f"{runbook} has no mode {mode!r}, and nothing was started. Its modes are: {', '.join([REPLACE, *modes])}.")
    return f"{runbook}_{mode}"


def find_runbook(name: str, root: Path) -> Path:
    """Return the playbook of a runbook by name, or by the path of a file. Raises FrameError with the list of runbooks."""
    direct = Path(name)
    if direct.suffix in (".yml", ".yaml") and direct.is_file():
        return direct.resolve()
    path = root / "playbooks" / f"{name}.yml"
    if path.is_file():
        return path
    known = runbooks(root)
    width = max((len(each) for each in known), default=0)
    lines = [f"  {each:<{width}}  {text}" for each, text in known.items()] or ["  (none yet: playbooks/ is empty)"]
    raise FrameError(f"There is no runbook {name!r}. The runbooks are:\n" + "\n".join(lines))
