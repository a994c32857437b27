"""Asking a workstation's client for the summary of its log, and whether the answer has the form that is needed. On the workstation."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NEEDED: Mapping[str, type] = {"workstation": str, "acknowledged": list, "unknown": list, "gaps": list}
OPTIONS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "since": {"type": "str", "default": ""},
    "workstation": {"type": "str", "default": ""},
    "command": {"type": "list", "elements": "str", "default": ["/usr/local/bin/his-client"]},
}
"""As in an argument_spec; library/client_log.py documents them."""
Run = Callable[[list[str]], tuple[int, str, str]]
"""A module's own ``run_command``: exit status, output, errors."""


class ClientLogError(Exception):
    """The log cannot be read; the sentence says why."""


def command(given: Mapping[str, Any]) -> list[str]:
    """Return the command that prints the summary."""
    argv = [*given["command"], "--log", str(given["path"])]
    if given["workstation"]:
        argv += ["--workstation", str(given["workstation"])]
    return [*argv, "summary", *(["--since", str(given["since"])] if given["since"] else [])]


def read(run: Run, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary of a log. Raises ClientLogError."""
    if not Path(given["path"]).is_file():
        raise ClientLogError(
            f"There is no client log at {given['path']}. Name it in database_client_log, or start the client on this workstation."
        )
    argv = command(given)
    shown = shlex.join(argv)
    status, out, err = run(argv)
    if status != 0:
        raise ClientLogError(f"`{shown}` ended with status {status}: {err.strip() or out.strip()}")
    try:
        summary = json.loads(out)
    except ValueError:
        raise ClientLogError(f"`{shown}` did not print JSON: {out[:200]!r}") from None
    wrong = [name for name, kind in NEEDED.items() if not isinstance(summary, dict) or not isinstance(summary.get(name), kind)]
    if wrong:
        raise ClientLogError(f"`{shown}` did not say {', '.join(wrong)} in the form that is needed.")
    return dict(summary)
