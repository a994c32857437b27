"""Callback plugin: every task result becomes evidence in the incident's journal."""

from __future__ import annotations

DOCUMENTATION = r"""
name: journal
type: notification
short_description: Writes every task result into the hash-chained journal of an incident
description:
  - Turns a run into evidence. At the start of a playbook it opens a new incident directory, or joins the one
    named by the environment, and writes RV(run_begin). Every task result of every host becomes a line of
    C(journal.jsonl), chained to the line before by SHA-256 and synced to disk before the play goes on.
  - Result keys of this project's modules become events of their own; C(milestones), C(measured), C(verdict), C(refused) with
    C(findings), C(overridden), and C(journal), a list of events that is appended as given.
  - Clause and phase are read from the play's name, C(CLAUSE N/6 PHASE | Sentence).
  - Secrets do not get in. O(ignore:no_log) is honoured, and the values of all variables named C(vault_*), or with password,
    passphrase, secret, cipher_pass or token in their name, are searched for and replaced in every text that is written.
  - At the end it computes the run's verdict from the journal, releases the run's locks, seals the incident directory with a
    manifest and signs the manifest.
  - A run whose evidence cannot be kept does not start, and is given up as long as it has changed nothing. If evidence fails later,
    the run goes on (a half-done recovery is worse) and ends as C(COULD-NOT-VERIFY) with exit status 3.
author: Hospital Recovery
options:
  incidents:
    description:
      - Root of all incident directories. By default C(incidents/) in the project.
    type: str
    env:
      - name: RECOVERY_INCIDENTS
  incident_dir:
    description:
      - Directory of the incident that this run belongs to. By default a new one is made, and made known to
        forks and action plugins under the same name.
    type: str
    env:
      - name: RECOVERY_INCIDENT_DIR
  run:
    description:
      - Identifier of this run. By default a new one.
    type: str
    env:
      - name: RECOVERY_RUN
  signing_key:
    description:
      - SSH private key (or, with an agent, public key) that signs the manifest. By default the inventory variable
        C(evidence_signing_key); the variable C(evidence_principal) names the signer. Empty means unsigned, which is journalled.
    type: str
    env:
      - name: RECOVERY_SIGNING_KEY
requirements:
  - the Python package C(recovery) beside ansible-core
  - ssh-keygen
notes:
  - Enable it with C(callbacks_enabled = journal) in ansible.cfg.
"""

EXAMPLES = r"""
# ansible.cfg
# [defaults]
# callback_plugins = callback_plugins
# callbacks_enabled = journal
"""
import atexit  # noqa: E402 - Ansible reads the documentation from the head of the file
import functools  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from ansible import constants, context  # noqa: E402
from ansible.plugins.callback import CallbackBase  # noqa: E402

if TYPE_CHECKING:
    from recovery.evidence.run import Run

REFUSED = 4
COULD_NOT_VERIFY = 3
INCLUDES = frozenset(constants._ACTION_ALL_INCLUDES) | frozenset(constants._ACTION_META)


def _guarded(method: Callable[..., None]) -> Callable[..., None]:
    """Keep an error of the evidence from being swallowed: Ansible would only warn, so the run remembers it for its verdict."""

    @functools.wraps(method)
    def call(self: CallbackModule, *args: Any, **kwargs: Any) -> None:
        if self.run is None:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.run.evidence_failed(f"{method.__name__}: {error}")
            self._display.error(f"The evidence of this run has a gap, so it cannot end as PASS: {error}", wrap_text=False)
            if self.run.nothing_was_done():
                self._display.error("Nothing was changed yet, so the run is given up here.")
                self.v2_playbook_on_stats(None)

    return call


class CallbackModule(CallbackBase):
    """Hands what Ansible reports to `recovery.evidence.run.Run`."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "journal"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start without a run; the playbook's start opens one."""
        super().__init__(*args, **kwargs)
        self.run: Run | None = None
        self._started: dict[tuple[str, str], float] = {}

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Open the evidence, or do not start: what cannot be evidenced is not done."""
        try:
            from recovery.evidence import run

            self.run = run.begin(playbook, dict(context.CLIARGS), self.get_option("signing_key") or "")
            atexit.register(self._at_exit, os.getpid())
            self._display.display(self.run.opening_words())
        except Exception as error:
            from recovery.frame.project import FrameError

            why = "." if isinstance(error, FrameError) else ", because no evidence of it could be kept."
            self._display.error(f"Nothing was started{why}\n{error}", wrap_text=False)
            sys.exit(REFUSED)

    @_guarded
    def set_play_context(self, play_context: Any) -> None:
        """Learn the passwords that were asked for at the terminal."""
        self.run.learn_passwords(play_context)

    @_guarded
    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Note the clause and phase that what follows belongs to."""
        self.run.play(play)

    @_guarded
    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Say so: a play without hosts did nothing, and looks green."""
        self.run.note("No host matched this play; nothing was done in it.")

    @_guarded
    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Learn the secrets that stand in the task or come with its role."""
        self.run.learn_from_task(task)

    v2_playbook_on_handler_task_start = _guarded(lambda self, task: self.run.learn_from_task(task))

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Start the task's clock."""
        self._started[host.get_name(), task._uuid] = time.monotonic()

    @_guarded
    def v2_runner_on_ok(self, result: Any) -> None:
        """Journal a result; what merely includes other tasks is left out, since those speak for themselves."""
        if result.task.action not in INCLUDES:
            self._journal(result, "ok")

    @_guarded
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Journal a failure, ignored or not."""
        self._journal(result, "failed", ignored=bool(ignore_errors))

    @_guarded
    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Journal a host that did not answer."""
        self._journal(result, "unreachable", ignored=bool(getattr(result.task, "ignore_unreachable", False)))

    @_guarded
    def v2_runner_on_skipped(self, result: Any) -> None:
        """Journal what was skipped: a check that did not run must be seen not to have run."""
        self._journal(result, "skipped")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """End the run: verdict, locks, seal. Without sound evidence Ansible's own success must not stand."""
        if self.run is None:
            return
        summary = {host: stats.summarize(host) for host in sorted(stats.processed)} if stats else {}
        words, sound = self.run.end(summary)
        self._display.display(words, color=None if sound else constants.COLOR_ERROR)
        self.run = None
        if not sound:
            sys.exit(COULD_NOT_VERIFY)

    def _at_exit(self, pid: int) -> None:
        if self.run is not None and os.getpid() == pid:
            self.run.abandoned()

    def _journal(self, result: Any, status: str, *, ignored: bool = False) -> None:
        host = result.host.get_name()
        began = self._started.pop((host, result.task._uuid), None)
        took = None if began is None else time.monotonic() - began
        delegated = result.result.get("_ansible_delegated_vars") and result.task.delegate_to
        self.run.task(result.task_name, result.task.action, host, status, result.result, took, ignored, str(delegated or ""))
