"""A lab with switches as a test uses it: by the project's commands, with evidence and archive of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from recovery.network.archive import Archive
from support.project import PROJECT

BIN = PROJECT / ".venv" / "bin"


class Hospital:
    """A lab with switches, and where this test keeps what comes of it."""

    def __init__(self, name: str, root: Path) -> None:
        """Name the lab; evidence, archive and history of drills go below ``root``."""
        self.root, self.archive_directory, self.incidents = root, root / "archive", root / "incidents"
        self.environment = {
            **os.environ,
            "LAB_NAME": name,
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            "RECOVERY_INCIDENTS": str(self.incidents),
            "RECOVERY_ARCHIVE": str(self.archive_directory),
            "RECOVERY_DRILLS": str(root / "drills"),
        }

    def command(self, *words: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run a command of the project."""
        words = (str(BIN / words[0]), *words[1:])
        return subprocess.run(words, cwd=PROJECT, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False)

    def lab(self, *words: str) -> str:
        """Run the lab's command, which must succeed."""
        done = self.command("lab", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, *words: str) -> tuple[int, str]:
        """Run a runbook."""
        done = self.command("recovery", "run", *words)
        return done.returncode, done.stdout + done.stderr

    def configure(self, switch: str, *lines: str) -> None:
        """Change a switch by the module that runbooks change it with."""
        arguments = json.dumps({"switches": ["{{ network_switch }}"], "lines": list(lines)})
        done = self.command("ansible", switch, "-m", "switch_configure", "-a", arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def archive(self) -> Archive:
        """The archive of its switches."""
        return Archive(self.archive_directory)

    def log(self) -> list[str]:
        """Return the subjects of the archive's history, newest first."""
        command = ["git", "-C", str(self.archive_directory), "log", "--format=%s"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
