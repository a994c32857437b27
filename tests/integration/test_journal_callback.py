"""The callback in real `ansible-playbook` runs on the control node: what is journalled, what stays out, and what happens when it cannot."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recovery.evidence import bundle

PROJECT = Path(__file__).resolve().parents[2]
SECRET = 'Kein\'Wort "zu" niemand/9%'
VAULTED = "from-the-group-variables"
PLAYBOOK = """
- name: RCV-1 1/6 CHECK | Is everything there
  hosts: all
  gather_facts: false
  vars:
    from_template: "{{ vault_sample }}"
  tasks:
    - name: Show what must not be shown
      ansible.builtin.debug:
        msg:
          - "{{ sample_password }}"
          - "{{ from_template }}"
          - "{{ ('user:' ~ sample_password) | b64encode }}"
          - "{{ {'deep': sample_password} | to_json | to_json }}"
          - "{{ sample_password | urlencode }}"
    - name: Set a secret at run time
      ansible.builtin.set_fact:
        later_token: made-at-run-time
    - name: Show the later secret
      ansible.builtin.debug:
        msg: "it is {{ later_token }}"
    - name: Hidden by no_log
      ansible.builtin.command: echo hidden-by-no-log
      changed_when: false
      no_log: true
- name: RCV-1 4/6 RUN | Write it
  hosts: one
  gather_facts: false
  tasks:
    - name: Write a file
      ansible.builtin.copy:
        content: "secret={{ sample_password }}\\n"
        dest: "{{ target }}"
        mode: "0600"
      diff: true
    - name: Include more
      ansible.builtin.include_tasks: more.yml
- name: RCV-1 5/6 VERIFY | It is there
  hosts: one
  gather_facts: false
  tasks:
    - name: Report as our modules do
      reports:
        result: "{{ report }}"
"""
MORE = """
- name: Many items
  ansible.builtin.command: echo {{ item }}
  loop: [1, 2]
  changed_when: false
- name: Skipped here
  ansible.builtin.debug:
  when: false
- name: Fails and is ignored
  ansible.builtin.command: "false"
  changed_when: false
  ignore_errors: "{{ ignoring | default(true) }}"
  when: failing | default(false)
"""
MODULE = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(dict(result=dict(type='dict')))
module.exit_json(changed=False, **module.params['result'])
"""
REPORT = {
    "verdict": "PASS",
    "measured": {"rpo_s": 0.5},
    "milestones": [{"name": "service_proven", "at": "2026-11-22T01:00:00Z", "detail": "probe"}],
    "journal": [{"event": "note", "name": "given by the module"}],
}


class Project:
    """A small project of its own, using this one's callback."""

    def __init__(self, directory: Path) -> None:
        """Write playbook, inventory and keys."""
        self.directory = directory
        self.incidents = directory / "incidents"
        (directory / "plan").mkdir()
        (directory / "library").mkdir()
        (directory / "library" / "reports.py").write_text(MODULE)
        (directory / "book.yml").write_text(PLAYBOOK)
        (directory / "more.yml").write_text(MORE)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "key")], check=True)
        (directory / "group_vars").mkdir()
        variables = {"vault_sample": VAULTED, "sample_password": SECRET, "target": str(directory / "written"), "language": "en"}
        variables |= {
            "evidence_signing_key": str(directory / "key"),
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
        }
        (directory / "group_vars" / "all.yml").write_text(json.dumps(variables))
        (directory / "hosts").write_text("one\ntwo\n")
        (directory / "ansible.cfg").write_text(
            f"[defaults]\ninventory = hosts\nlibrary = library\ncallback_plugins = {PROJECT}/callback_plugins\n"
            "callbacks_enabled = journal\nstdout_callback = ansible.builtin.default\n"
        )

    def run(self, *arguments: str, report: dict[str, Any] | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the playbook."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("RECOVERY_", "ANSIBLE_"))}
        env |= {"RECOVERY_INCIDENTS": str(self.incidents), "PATH": f"{Path(sys.executable).parent}:{env['PATH']}"} | environment
        extra = json.dumps({"report": REPORT if report is None else report})
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "book.yml", "-e", extra, *arguments]
        return subprocess.run(command, cwd=self.directory, env=env, capture_output=True, text=True, check=False, timeout=120)

    def incident(self, number: int = 1) -> Path:
        """The directory of an incident."""
        return sorted(self.incidents.glob("20*"))[number - 1]

    def events(self, number: int = 1) -> list[dict[str, Any]]:
        """The journal of an incident, read without our program."""
        return [json.loads(line) for line in (self.incident(number) / "journal.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def small(tmp_path: Path) -> Project:
    """A project that has not run yet."""
    return Project(tmp_path)


def test_a_plain_run_is_journalled_sealed_and_free_of_secrets(small: Project) -> None:
    """Every task of every host, the events of result keys, and not one form of a secret in any file."""
    done = small.run("-e", "requested_by='duty administrator'", "-e", "pin_password=1234", "-e", "ignoring=false")
    assert done.returncode == 0, done.stdout + done.stderr
    events = small.events()
    kinds = [event["event"] for event in events]
    assert kinds[0] == "run_begin" and kinds[-1] == "run_end" and kinds.count("play_begin") == 3
    begin, end = events[0]["data"], events[-1]
    assert begin["requested_by"] == "duty administrator" and begin["phases"] == ["CHECK", "RUN", "VERIFY"] and begin["signed"]
    assert begin["extra_vars"]["pin_password"] == "[***]" and "1234" not in json.dumps(begin["command"])
    assert end["result"] == "PASS" and end["data"]["exit_status"] == 0 and end["took_s"] > 0
    tasks = [(event["name"], event["host"], event["result"]) for event in events if event["event"] == "task"]
    assert tasks.count(("Hidden by no_log", "two", "ok")) == 1 and ("Write a file", "one", "changed") in tasks
    assert ("Skipped here", "one", "skipped") in tasks and not [name for name, _, _ in tasks if name == "Include more"]
    assert {event["phase"] for event in events if event["event"] == "task"} == {"CHECK", "RUN", "VERIFY"}
    assert {event["clause"] for event in events if event["event"] in ("task", "verdict")} == {"RCV-1"}
    items = next(event for event in events if event["name"] == "Many items")
    assert [item["item"] for item in items["data"]["items"]] == ["1", "2"] and items["took_s"] > 0
    verdict = next(event for event in events if event["event"] == "verdict")
    assert (verdict["result"], verdict["phase"], verdict["host"]) == ("PASS", "VERIFY", "one")
    assert {"milestone", "measured", "note"} <= set(kinds)
    assert bundle.verify(small.incident()).sound
    content = b"".join(path.read_bytes() for path in small.incident().rglob("*") if path.is_file()).decode("utf-8", "replace")
    forms = [SECRET, json.dumps(SECRET)[1:-1], VAULTED, "made-at-run-time", "hidden-by-no-log", "Kein%27Wort", "Kein'Wort"]
    forms.append(base64.b64encode(b"user:" + SECRET.encode()).decode()[8:-4])
    assert not [form for form in forms if form in content]
    assert content.count("[***]") >= 10 and "+secret=[***]" in content


def test_the_stock_tools_check_a_real_bundle(small: Project) -> None:
    """The README's own commands, without this program."""
    assert small.run().returncode == 0
    readme = (small.incident() / "README.txt").read_text(encoding="utf-8").splitlines()
    second = next(number for number, line in enumerate(readme) if line.startswith('    test "$(head'))
    commands = [line[4:] for number, line in enumerate(readme) if line.startswith("    ") and number != second]
    done = subprocess.run(["sh", "-e"], input="\n".join(commands), cwd=small.incident(), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "chain whole" in done.stdout and "Good" in done.stdout, done.stdout + done.stderr


def test_a_rehearsal_says_so_and_a_failure_counts_though_ignored_by_no_one(small: Project) -> None:
    """Check mode is journalled as such; a failed task makes the run FAIL."""
    small.run("--check")
    assert small.events()[0]["data"]["check_mode"] is True and small.events()[-1]["data"]["scope"] == "rehearsal"
    done = small.run("-e", '{"failing": true, "ignoring": false}')
    assert done.returncode == 2 and small.events(2)[-1]["result"] == "FAIL"
    failed = next(event for event in small.events(2) if event["result"] == "failed")
    assert failed["name"] == "Fails and is ignored" and failed["data"]["rc"] == 1


def test_a_module_that_cannot_verify_decides_the_verdict(small: Project) -> None:
    """Ansible is green; the run is not."""
    assert small.run(report={"verdict": "COULD-NOT-VERIFY", "reason": "no workstation answered"}).returncode == 0
    end = small.events()[-1]
    assert (end["result"], end["data"]["reason"]) == ("COULD-NOT-VERIFY", "no workstation answered")


def test_several_runs_join_one_incident(small: Project) -> None:
    """Named by the environment; the seal then covers both."""
    assert small.run().returncode == 0
    directory = small.incident()
    assert small.run(RECOVERY_INCIDENT_DIR=str(directory), RECOVERY_RUN="second").returncode == 0
    assert len(list(small.incidents.glob("20*"))) == 1
    assert {event["run"] for event in small.events()} >= {"second"} and len({event["run"] for event in small.events()}) == 2
    found = bundle.verify(directory)
    assert found.sound and not found.interrupted


@pytest.mark.parametrize("reason", ["root", "key", "tampered"])
def test_without_evidence_nothing_is_started(small: Project, reason: str) -> None:
    """The refusal is a sentence with a remedy, and not one task has run."""
    environment: dict[str, str] = {}
    if reason == "root":
        small.incidents.write_text("a file where a directory must be")
    elif reason == "key":
        (small.directory / "key").unlink()
    else:
        assert small.run().returncode == 0
        (small.directory / "written").unlink()
        environment = {"RECOVERY_INCIDENT_DIR": str(small.incident())}
        (small.incident() / "README.txt").write_text("other")
    done = small.run(**environment)
    assert done.returncode == 4 and "Nothing was started" in done.stderr and "TASK" not in done.stdout
    assert not (small.directory / "written").exists()
    assert {"root": "RECOVERY_INCIDENTS", "key": "-e evidence_signing_key=", "tampered": "new incident"}[reason] in done.stderr


def test_without_a_key_by_choice_it_runs_unsigned_and_says_so(small: Project) -> None:
    """Journalled, and not counted as verified."""
    assert small.run("-e", "evidence_signing_key=").returncode == 0
    assert any("will not be signed" in event["name"] for event in small.events())
    assert bundle.verify(small.incident()).exit_status == 3


SHELL = """
    - name: {name}
      ansible.builtin.shell: {command}
      changed_when: {changed}
"""


def with_tasks(small: Project, tasks: str, before: str) -> None:
    """Put tasks at the end of the play that comes before the one named."""
    book = small.directory / "book.yml"
    book.write_text(book.read_text().replace(before, tasks.lstrip("\n") + before))


def test_evidence_that_fails_before_a_change_gives_the_run_up(small: Project) -> None:
    """The journal is damaged during the CHECK phase: the play that would change something is never begun."""
    command = "echo scribble >> $RECOVERY_INCIDENT_DIR/journal.jsonl"
    with_tasks(small, SHELL.format(name="Break the journal", command=command, changed="false"), "- name: RCV-1 4/6 RUN")
    done = small.run("--limit", "one")
    assert done.returncode == 3 and "given up here" in done.stderr, done.stdout + done.stderr
    assert not (small.directory / "written").exists()


def test_evidence_that_fails_after_a_change_lets_the_run_end_but_not_pass(small: Project) -> None:
    """A half-done recovery is worse than a gap in its evidence; the verdict tells the gap."""
    lose = SHELL.format(name="Lose the artefacts", command="cd $RECOVERY_INCIDENT_DIR; rm -r artifacts; touch artifacts", changed="true")
    write = "    - name: Write more\n      ansible.builtin.copy: {content: x, dest: '{{ target }}2', mode: '0600'}\n      diff: true\n"
    mend = SHELL.format(name="Make them again", command="cd $RECOVERY_INCIDENT_DIR; rm artifacts; mkdir artifacts", changed="true")
    with_tasks(small, lose + write + mend.lstrip("\n"), "- name: RCV-1 5/6")
    done = small.run()
    assert done.returncode == 3 and "has a gap" in done.stderr, done.stdout + done.stderr
    assert (small.directory / "written2").exists()
    assert small.events()[-1]["result"] == "COULD-NOT-VERIFY"


def test_a_run_that_stops_before_its_end_is_sealed_as_interrupted(small: Project) -> None:
    """An error in the runbook ends Ansible without statistics: no run_end, but a sealed journal that says so."""
    book = small.directory / "book.yml"
    book.write_text(book.read_text().replace("hosts: one", "hosts: \"{{ nobody | mandatory('Say which: -e nobody=HOST') }}\"", 1))
    done = small.run()
    assert done.returncode != 0 and "Say which" in done.stdout + done.stderr
    assert "run_end" not in {event["event"] for event in small.events()}
    found = bundle.verify(small.incident())
    assert found.sound and "interrupted" in found.interrupted[0]
