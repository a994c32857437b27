"""One run of a runbook as evidence: opened before anything is done, closed with a verdict, sealed and signed.

`ansible-playbook` and `recovery run` come through here alike; the callback plugin `journal` hands over what Ansible reports.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from recovery.drill.recording import note
from recovery.evidence import bundle, incident, results, scrub, variables
from recovery.evidence.journal import Entry, Journal, JournalError
from recovery.evidence.lines import parse_play_name, plain
from recovery.evidence.signer import Signer
from recovery.frame import lock
from recovery.frame.project import INCIDENT_VARIABLE, RUN_VARIABLE, FrameError, requester, route, runbook_name
from recovery.frame.verdict import COULD_NOT_VERIFY, judge

_WORDS = {
    "zh": {
        "opened": "证据：{directory}（运行 {run}）",
        "ended": "结论：{result}{reason}\n证据：{directory}（核对：recovery evidence verify {name}）",
    },
    "en": {
        "opened": "Evidence: {directory} (run {run})",
        "ended": "Verdict: {result}{reason}\nEvidence: {directory} (check it: recovery evidence verify {name})",
    },
}


class Run:
    """The evidence of one run. Everything that is written has gone through the scrubber first."""

    def __init__(self, directory: Path, run_id: str, signer: Signer | None, language: str) -> None:
        """Tie a run to its incident directory. Use `begin`."""
        self.directory = directory
        self.id = run_id
        self.signer = signer
        self.words = _WORDS.get(language, _WORDS["en"])
        self.journal = Journal(directory, run_id)
        self.failures: list[str] = []
        self.changed = False
        self.runbook = ""
        self.plan = Path()
        self._began = time.monotonic()
        self._known_roles: dict[int, Any] = {}  # the objects too, so that no number is given twice

    def opening_words(self) -> str:
        """Say where the evidence is."""
        return self.words["opened"].format(directory=self.directory, run=self.id)

    def nothing_was_done(self) -> bool:
        """Say whether the run can still be given up without leaving anything half done: no change yet, and none under way."""
        return not self.changed and self.journal.phase in ("CHECK", "DECIDE")

    def evidence_failed(self, reason: str) -> None:
        """Remember that a part of the evidence is missing: the run cannot end as PASS."""
        self.failures.append(scrub.active().text(reason))

    def note(self, sentence: str, **data: Any) -> None:
        """Journal a free sentence."""
        self.journal.append("note", name=sentence, data=data)

    def play(self, play: Any) -> None:
        """Journal the beginning of a play, learn its secrets, and tell clause and phase to forks."""
        manager = play.get_variable_manager()
        variables.learn(scrub.active(), play.get_loader(), manager.get_vars(play=play, include_hostvars=False))
        name = str(play.get_name()).strip()
        clause, phase = parse_play_name(name)
        self.journal.clause, self.journal.phase = clause, phase
        os.environ["RECOVERY_CLAUSE"], os.environ["RECOVERY_PHASE"] = clause, phase
        self.journal.append("play_begin", name=name)

    def learn_passwords(self, play_context: Any) -> None:
        """Learn the passwords that were asked for at the terminal (`--ask-pass`, `--ask-become-pass`)."""
        scrub.active().add(*(str(word) for word in (play_context.password, play_context.become_pass) if word))

    def learn_from_task(self, task: Any) -> None:
        """Learn secrets that are written into a task, or into the defaults and variables of its role."""
        found = variables.literal(task.args) + variables.literal(task.vars)
        role = task._role
        if role is not None and id(role) not in self._known_roles:
            self._known_roles[id(role)] = role
            found += variables.literal(role.get_default_vars()) + variables.literal(role.get_vars(include_params=True))
        if found:
            scrub.active().learn({"vault_values": found})

    def task(
        self,
        name: str,
        action: str,
        host: str,
        status: str,
        result: Mapping[str, Any],
        took_s: float | None,
        ignored: bool,
        delegated_to: str,
    ) -> None:
        """Journal one host's result of one task, and the events that its keys stand for."""
        scrub.active().learn(result.get("ansible_facts"))
        self.changed = self.changed or bool(result.get("changed")) or status in ("failed", "unreachable")
        task = results.Task(name, action, host, status, took_s, ignored, delegated_to)
        # Scrubbed before anything is put into text, where escaping would hide a secret from a later search.
        self.journal.append_all(results.entries(task, scrub.active().data(plain(result))))

    def end(self, stats: Mapping[str, Any]) -> tuple[str, bool]:
        """Close the run: locks, verdict, seal. Return the closing words, and whether the evidence is sound."""
        self.journal.clause = self.journal.phase = ""
        for variable in ("RECOVERY_CLAUSE", "RECOVERY_PHASE", RUN_VARIABLE):
            os.environ.pop(variable, None)
        result, reason = COULD_NOT_VERIFY, ""
        try:
            self._release_locks()
            result, reason = self._close(stats)
            self._note_drill()
            bundle.seal(self.directory, self.signer)
            self._note_drill()  # once more, now with the digest of what was sealed
        except Exception as error:  # whatever it is, it must not be reduced to a warning
            self.evidence_failed(f"The evidence could not be closed: {error}")
            result, reason = COULD_NOT_VERIFY, self.failures[0]
            self._last_words(stats)
        finally:
            self.journal.close()
        said = f"  {reason}" if reason else ""
        return self.words["ended"].format(result=result, reason=said, directory=self.directory, name=self.directory.name), not self.failures

    def abandoned(self) -> None:
        """Note and seal a run that stops before its end. It gets no `run_end` and keeps its locks: what it left half done is so."""
        try:
            self.journal.clause = self.journal.phase = ""
            self.note("The run stopped before its end: interrupted by a person, or by an error in the runbook.")
            bundle.seal(self.directory, self.signer)
        except Exception as error:
            sys.stderr.write(f"The evidence of the interrupted run is not sealed: {error}\n")

    def _note_drill(self) -> None:
        """Keep the history of drills: it is read when nobody remembers, so the run itself writes it."""
        note(self.runbook, self.plan, self.journal.read, self.id, self.directory)

    def _release_locks(self) -> None:
        for target in lock.release_run(self.id, self.directory.parent):
            self.journal.append("lock_released", name=f"The target {target} is free again.", data={"target": target, "holder": self.id})

    def _close(self, stats: Mapping[str, Any]) -> tuple[str, str]:
        for failure in self.failures:
            self.journal.append("verdict", name="The evidence of this run is complete", result=COULD_NOT_VERIFY, data={"reason": failure})
        own = [event for event in self.journal.read() if event["run"] == self.id]
        verdict = judge(own)
        data = {"reason": verdict.reason, "exit_status": verdict.exit_status, "scope": verdict.scope, "stats": stats}
        self.journal.append("run_end", name=self.runbook, result=verdict.result, took_s=time.monotonic() - self._began, data=data)
        return verdict.result, verdict.reason

    def _last_words(self, stats: Mapping[str, Any]) -> None:
        """Put it into the journal that the evidence failed at the end, where that is still possible."""
        data = {"reason": self.failures[0], "exit_status": 3, "stats": stats}
        verdict = Entry("verdict", name="The evidence of this run is complete", result=COULD_NOT_VERIFY, data=data)
        try:
            self.journal.append_all([verdict, Entry("run_end", name=self.runbook, result=COULD_NOT_VERIFY, data=data)])
        except JournalError as error:
            self.failures.append(str(error))


def begin(playbook: Any, arguments: Mapping[str, Any], signing_key: str = "") -> Run:
    """Open the evidence of a playbook's run. Raises, in sentences, whatever keeps evidence from being kept."""
    plays = playbook.get_plays()
    if not plays:
        raise incident.IncidentError(f"The runbook {playbook._file_name} has no plays.")
    loader, manager = plays[0].get_loader(), plays[0].get_variable_manager()
    _see_mode(Path(str(playbook._file_name)), str(manager.extra_vars.get("mode") or ""))
    known = _learn_inventory(loader, manager)
    signer = _signer(signing_key, loader, known)
    named = os.environ.get(INCIDENT_VARIABLE, "")
    if named:
        directory = Path(named).absolute()
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        bundle.check_seal(directory)
    else:
        directory = incident.create_incident()
    run_id = os.environ.get(RUN_VARIABLE, "") or incident.new_run_id()
    os.environ[INCIDENT_VARIABLE], os.environ[RUN_VARIABLE] = str(directory), run_id
    run = Run(directory, run_id, signer, str(variables.resolved(known.get("language"), loader, known) or "en"))
    bundle.write_readme(directory)
    extra = {key: value for key, value in manager.extra_vars.items() if not key.startswith("ansible_") or key == "ansible_check_mode"}
    phases = [phase for _, phase in (parse_play_name(str(play.get_name())) for play in plays) if phase]
    data = {
        "runbook": runbook_name(playbook._file_name),
        "playbook": str(playbook._file_name),
        "requested_by": str(extra.get("requested_by") or requester()),
        "check_mode": bool(arguments.get("check")),
        "limit": arguments.get("subset"),
        "tags": [tag for tag in arguments.get("tags") or [] if tag != "all"],
        "skip_tags": list(arguments.get("skip_tags") or []),
        "start_at_task": arguments.get("start_at_task"),
        "extra_vars": extra,
        "versions": _versions(),
        "command": scrub.command_line(sys.argv),
        "pid": os.getpid(),
        "phases": phases,
        "signed": signer is not None,
    }
    run.runbook = runbook_name(playbook._file_name)
    run.plan = Path(str(playbook._file_name)).parent.parent / "plan"
    run.journal.append("run_begin", name=run.runbook, data=data)
    run._note_drill()
    if signer is None:
        run.note("No signing key is set (evidence_signing_key), so the evidence of this run will not be signed.")
    return run


def _see_mode(playbook: Path, mode: str) -> None:
    """Refuse a mode that another playbook carries out: ``recovery run`` finds that one, plain ansible-playbook does not."""
    other = route(playbook.stem, mode, playbook.parent.parent)
    if other != playbook.stem:
        raise FrameError(
            f"mode={mode} is a playbook of its own, so nothing was started.\n"
            f"Run that one: ansible-playbook playbooks/{other}.yml ... (or: recovery run {playbook.stem} -e mode={mode} ...)."
        )


def _learn_inventory(loader: Any, manager: Any) -> dict[str, Any]:
    """Learn every host's secrets (a task may be delegated to any of them); return the variables of one host for this run's own settings."""
    scrub.active().learn(dict(manager.extra_vars))
    first: dict[str, Any] = {}
    for host in manager._inventory.get_hosts("all", ignore_limits=True, ignore_restrictions=True):
        found = manager.get_vars(host=host, include_hostvars=False)
        variables.learn(scrub.active(), loader, found)
        first = first or found
    return first or manager.get_vars(include_hostvars=False)


def _signer(named: str, loader: Any, known: Mapping[str, Any]) -> Signer | None:
    key = named or str(variables.resolved(known.get("evidence_signing_key"), loader, known) or "")
    if not key:
        return None
    principal = str(variables.resolved(known.get("evidence_principal"), loader, known) or "control-node")
    return Signer.load(Path(key), principal)


def _versions() -> dict[str, str]:
    versions = {name: metadata.version(name) for name in ("hospital-recovery", "ansible-core")}
    versions["python"] = platform.python_version()
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True, text=True, timeout=5, check=True, cwd=Path(__file__).parent,
        )  # fmt: skip
        versions["commit"] = answer.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        versions["commit"] = ""  # installed without its repository
    return versions
