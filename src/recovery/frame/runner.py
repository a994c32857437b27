"""Run a runbook through ansible-runner and show it. The playbook does the work and the journal; this only adds the view.

One source for each fact: the task under way comes from ansible-runner's events, all else from the journal.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shlex
import shutil
import signal
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recovery.evidence import incident as incidents
from recovery.frame import figures, project
from recovery.frame.follow import Follower
from recovery.frame.project import FrameError
from recovery.frame.verdict import EXIT_STATUS, FAIL, NOT_RUN, Verdict, judge_run
from recovery.frame.view import View
from recovery.plan import load_targets

TICK_S = 0.1
GRACE_S = 15.0


@dataclass(frozen=True)
class Order:
    """What to run, as it was given on the command line."""

    runbook: str
    inventory: Sequence[str] = ()
    limit: str = ""
    extra: Sequence[str] = ()
    check: bool = False
    diff: bool = False
    incident: str = ""
    by: str = ""
    verbosity: int = 0
    passwords: Sequence[tuple[str, str]] = ()
    """Ansible's option that asks for a password (--ask-pass) and the answer."""

    def arguments(self) -> list[str]:
        """Return what is handed to ansible-playbook beside the runbook."""
        words: list[str] = []
        for inventory in self.inventory:
            words += ["-i", inventory]
        if self.limit:
            words += ["--limit", self.limit]
        for extra in self.extra:
            words += ["-e", extra]
        words += ["--check"] if self.check else []
        words += ["--diff"] if self.diff else []
        words += [option for option, _ in self.passwords]
        words += ["-" + "v" * self.verbosity] if self.verbosity else []
        return words

    def variable(self, name: str) -> str:
        """Return a variable given as ``-e NAME=VALUE`` or in JSON, the last one given; empty without one. Files are not read."""
        found = ""
        for extra in self.extra:
            if extra.lstrip().startswith("{"):
                with contextlib.suppress(ValueError):
                    found = str(json.loads(extra).get(name, found))
            elif not extra.startswith("@"):
                with contextlib.suppress(ValueError):
                    pairs = [word.partition("=") for word in shlex.split(extra)]
                    found = next((value for key, mark, value in reversed(pairs) if key == name and mark), found)
        return found

    def command(self, incident: str = "") -> str:
        """Return the command line that gives this order, in the incident named."""
        words = ["recovery", "run", self.runbook, *self.arguments()]
        if incident or self.incident:
            words += ["--incident", incident or self.incident]
        if self.by:
            words += ["--by", self.by]
        return shlex.join(words)


class Run:
    """One order under way: its incident, its journal, and the process that carries it out."""

    def __init__(self, order: Order, view: View) -> None:
        """Find the runbook and open the incident. Raises FrameError."""
        self.order = order
        self.view = view
        self.root = project.project_root()
        self.playbook = project.find_runbook(project.route(order.runbook, order.variable("mode"), self.root), self.root)
        self.targets = load_targets(self.root / "plan")
        try:
            self.incident = incidents.open_incident(order.incident) if order.incident else incidents.create_incident()
        except incidents.IncidentError as error:
            raise FrameError(str(error)) from error
        self.view.differences = self.incident if order.diff else None
        self.id = incidents.new_run_id()
        self.follower = Follower(self.incident / "journal.jsonl")
        self.earlier = self.follower.poll()
        self.events: list[dict[str, Any]] = []
        self.pid = 0
        self._cancelled = threading.Event()
        self._said: list[str] = []
        self._starts: list[str] = []

    def go(self) -> Verdict:
        """Carry out the order, show it, and return its verdict."""
        cache = self.root / ".cache" / "runs"
        cache.mkdir(parents=True, exist_ok=True)
        private = Path(tempfile.mkdtemp(prefix=f"{self.id}-", dir=cache))
        try:
            self.view.open()
            try:
                stopped = self._drive(self._start(private))
            finally:
                self.view.close()
        finally:
            shutil.rmtree(private, ignore_errors=True)
        return self._close(stopped)

    def _start(self, private: Path) -> threading.Thread:
        import ansible_runner.interface

        beside = Path(sys.executable).parent
        environment = {
            "ANSIBLE_CONFIG": str(self.root / "ansible.cfg"),
            # ansible-runner puts its own directory into this variable, which then hides ansible.cfg's.
            "ANSIBLE_CALLBACK_PLUGINS": str(self.root / "callback_plugins"),
            "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            project.INCIDENT_VARIABLE: str(self.incident),
            project.INCIDENTS_VARIABLE: str(self.incident.parent),
            project.RUN_VARIABLE: self.id,
            project.VIEW_VARIABLE: "1",
            "RECOVERY_PROJECT": str(self.root),
        }
        if self.order.by:
            environment[project.REQUESTER_VARIABLE] = self.order.by
        runner = ansible_runner.interface.init_runner(
            private_data_dir=str(private),
            project_dir=str(self.root),
            playbook=str(self.playbook),
            cmdline=shlex.join(self.order.arguments()) or None,
            envvars=environment,
            passwords={_PROMPTS[option]: answer for option, answer in self.order.passwords},
            settings={"pexpect_timeout": 1, "suppress_ansible_output": True},
            quiet=True,
            event_handler=self._on_event,
            cancel_callback=self._cancelled.is_set,
        )
        thread = threading.Thread(target=runner.run, name="ansible-runner", daemon=True)
        thread.start()
        return thread

    def _on_event(self, event: dict[str, Any]) -> bool:
        """Take from ansible-runner what the journal does not hold: beginnings of tasks, and Ansible's words outside of tasks."""
        kind = event.get("event")
        data = event.get("event_data") or {}
        if kind == "playbook_on_task_start":
            self._starts.append(str(data.get("name") or data.get("task") or ""))
        elif kind in ("verbose", "warning", "deprecated", "error", "system_warning") and event.get("stdout"):
            self._said.append(_COLOUR.sub("", str(event["stdout"])).rstrip())
        return False

    def _drive(self, thread: threading.Thread) -> bool:
        """Show what happens until the process ends. Ctrl-C asks it to end; return whether that happened."""
        stopped = False
        while thread.is_alive():
            try:
                self._show()
                self._listen()
            except KeyboardInterrupt:
                if stopped:
                    self._cancelled.set()
                stopped = True
                self._interrupt(thread)
        thread.join()
        self._show()
        return stopped

    def _show(self) -> None:
        for event in self.follower.poll():
            if event.get("run") != self.id:
                continue
            self.events.append(event)
            if event.get("event") == "run_begin":
                self.pid = int((event.get("data") or {}).get("pid") or 0)
            self.view.event(event)
        while self._starts:
            self.view.task(self._starts.pop(0))
        self.view.tick()

    def _listen(self) -> None:
        """Wait a moment; a line typed while a person's step waits is its answer."""
        if not self.view.steps or not sys.stdin.isatty():
            self.view.typing = False
            time.sleep(TICK_S)
            return
        if not self.view.typing:
            termios.tcflush(sys.stdin, termios.TCIFLUSH)  # an impatient Enter from before is no answer
            self.view.line("    Done? Press Enter here (where several wait: the step's number first); a text becomes the note.", "bold")
            self.view.typing = True
        if not select.select([sys.stdin], [], [], TICK_S)[0]:
            return
        from recovery.frame import steps

        typed = sys.stdin.readline()
        self.view.typing = False
        if not typed:  # the end of input is no answer either
            time.sleep(TICK_S)
            return
        waiting = [(path, int(step["step"])) for path, step in steps.open_steps(self.incident) if step.get("run") == self.id]
        directory, note = steps.meant(waiting, typed)
        if directory is None:
            self.view.line(f"    {note}", "yellow")
            return
        self.view.steps.pop(directory.name, None)
        steps.answer(directory, by=self.order.by or project.requester(), note=note)

    def _interrupt(self, thread: threading.Thread) -> None:
        self.view.line("Stopping: the step under way is being ended (Ctrl-C again: at once).", "bold yellow")
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGINT)
            except ProcessLookupError:
                return
            deadline = time.monotonic() + GRACE_S
            while thread.is_alive() and time.monotonic() < deadline:
                try:
                    self._show()
                    time.sleep(TICK_S)
                except KeyboardInterrupt:
                    break
        self._cancelled.set()

    def _close(self, stopped: bool) -> Verdict:
        """Compute the verdict from the journal and show the closing block."""
        began = any(event.get("event") == "run_begin" for event in self.events)
        ended = next((event for event in self.events if event.get("event") == "run_end"), None)
        if not began:
            return self._never_began()
        if stopped and ended is None:
            incidents.journal_of(self.incident, self.id).append("note", name="The run was stopped by Ctrl-C.", result="stopped")
        verdict = judge_run(self.events)
        if ended is not None and verdict.result == "PASS" and ended.get("result") != "PASS":
            told = str((ended.get("data") or {}).get("reason") or "")
            verdict = Verdict(str(ended["result"]), told, EXIT_STATUS.get(str(ended["result"]), EXIT_STATUS[FAIL]), verdict.scope)
        found = figures.compute([*self.earlier, *self.events], self.id, self.targets)
        more = ""
        if ended is None:
            more = f"It was interrupted. To continue:  {self.order.command(self.incident.name)}\nWhere it stood:   recovery status"
        self.view.verdict(verdict, self.playbook.stem, found, self._shown(self.incident), more)
        return verdict

    def _never_began(self) -> Verdict:
        """Say why Ansible did not even start, and leave no empty incident behind."""
        for text in self._said:
            self.view.line(text)
        if not self.earlier and not (self.incident / "journal.jsonl").exists():
            shutil.rmtree(self.incident, ignore_errors=True)
        verdict = Verdict(NOT_RUN, "Ansible ended before the run began; its own words are above.", EXIT_STATUS[NOT_RUN], "run")
        self.view.line(f"\nREFUSED  {self.playbook.stem}\n  {verdict.reason}", "bold red")
        return verdict

    def _shown(self, path: Path) -> str:
        try:
            return str(path.relative_to(Path.cwd()))
        except ValueError:
            return str(path)


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PROMPTS = {
    "--ask-pass": r"SSH password:\s*?$",
    "--ask-become-pass": r"BECOME password.*:\s*?$",
    "--ask-vault-pass": r"Vault password.*:\s*?$",
}
