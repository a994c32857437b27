"""A lab with switches as a test uses it: by the project's commands, with evidence and archive of its own."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from recovery.network.archive import Archive
from support import vendor_session
from support.project import PROJECT

BIN = PROJECT / ".venv" / "bin"


class Hospital:
    """A lab with switches, and where this test keeps what comes of it."""

    def __init__(self, name: str, root: Path) -> None:
        """Name the lab; evidence, archive and history of drills go below ``root``."""
        self.name = name
        self.root, self.archive_directory, self.incidents = root, root / "archive", root / "incidents"
        self.record = root / "record"
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

    def configure(self, switch: str, *lines: str, save: bool = False) -> None:
        """Change a switch by the module that runbooks change it with."""
        arguments = json.dumps({"switches": ["{{ network_switch }}"], "lines": list(lines), "save": save})
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

    # --- the hospital's own record of its wire ---------------------------------------------------------------------------

    def keep_record(self) -> None:
        """Copy the inventory, and give the copy a history: what runbooks propose is proposed to it."""
        subprocess.check_call(["cp", "-r", PROJECT / "inventories/lab", self.record])
        self.git("init", "--quiet")
        self.commit("As it is")
        self.environment["RECOVERY_PLANT"] = str(self.record / "plant")

    def git(self, *words: str) -> str:
        """Use git in the record."""
        who = ("-c", "user.name=record", "-c", "user.email=record@localhost")
        return subprocess.run(["git", "-C", str(self.record), *who, *words], capture_output=True, text=True, check=True).stdout

    def commit(self, subject: str) -> None:
        """Write down what a person has changed in the record."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", subject)

    def merge(self) -> str:
        """Merge the one proposal that is open, as a person does who has read it; return what it says."""
        (branch,) = self.git("branch", "--list", "proposal/*", "--no-merged", "HEAD", "--format=%(refname:short)").split()
        self.git("merge", "--quiet", branch)
        return self.git("log", "-1", "--format=%B", branch)

    def another_hour(self) -> dict[str, str]:
        """Return a quiet window that it is not at this moment, by the clocks that the record says."""
        told = yaml.safe_load((self.record / "group_vars" / "all" / "database.yml").read_text(encoding="utf-8"))
        now = datetime.datetime.now(ZoneInfo(told["hospital_time_zone"]))
        return {key: f"{now + datetime.timedelta(hours=hours):%H:%M}" for key, hours in (("from", 6), ("to", 8))}

    # --- what a run leaves, and who works ----------------------------------------------------------------------------------

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a runbook, as a person would, and go on meanwhile."""
        command = [BIN / "recovery", "run", *words]
        return subprocess.Popen(
            command,
            cwd=PROJECT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def newest(self) -> Path:
        """Return the incident that was written to last."""
        return max(self.incidents.glob("*/journal.jsonl"), key=lambda path: path.stat().st_mtime_ns).parent

    def journal(self) -> list[dict[str, Any]]:
        """Return the lines of the newest incident's journal that are whole."""
        return [json.loads(line) for line in (self.newest() / "journal.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return what the newest journal says in lines of one kind."""
        return [line["data"] for line in self.journal() if line["event"] == event]

    def codes(self) -> set[str]:
        """Return the codes of what the newest run was refused for."""
        return {finding["code"] for data in self.told("refusal") for finding in data.get("findings", [])}

    def measured(self) -> dict[str, Any]:
        """Return the figures of the newest run."""
        return {key: value for data in self.told("measured") for key, value in data.items()}

    def show(self, switch: str, command: str) -> str:
        """Return what a switch of the lab answers to stock netmiko."""
        return vendor_session.show(self.name, switch, command)

    def works(self, workstation: str) -> bool:
        """Do at a workstation what a nurse would do first."""
        return self.command("lab", "exec", workstation, "--", "his-client", "probe", "--timeout", "10").returncode == 0


@contextmanager
def booted(name: str, root: Path, *words: str) -> Iterator[Hospital]:
    """Give tests a small hospital of their own, with a place for its evidence, and take it down in the end. ``words``: for `lab up`."""
    made = Hospital(name, root)
    made.lab("down")
    try:
        made.lab("up", "--scale", "small", *words)
        made.incidents.mkdir()
        yield made
    finally:
        made.lab("down")


def wait_for(seen: Callable[[], bool], run: subprocess.Popen[str], within_s: float = 300) -> None:
    """Wait until something is to be seen; the run that ends before has failed."""
    deadline = time.monotonic() + within_s
    while not seen():
        assert run.poll() is None, run.stdout.read() if run.stdout else ""
        assert time.monotonic() < deadline, f"it was not seen within {within_s:.0f} s"
        time.sleep(0.1)


def without(names: Sequence[str]) -> list[str]:
    """Return the words that leave hosts and switches out of a lab."""
    return [word for name in names for word in ("--without", name)]
