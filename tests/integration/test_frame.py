"""The frame as an administrator meets it: real runs, real keys, real processes, on this machine alone."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PEOPLE = ("president", "vice-president", "information-director", "medical-affairs")
PATIENCE_S = 90


@dataclass
class Hospital:
    """A project of its own in a directory of its own, with keys and incidents of its own."""

    project: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def mark(self) -> Path:
        return self.project / "mark"

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("RECOVERY_", "ANSIBLE_"))}
        return kept | {"RECOVERY_PROJECT": str(self.project), "ANSIBLE_CONFIG": str(self.project / "ansible.cfg"), "COLUMNS": "200"}

    def extra(self, *more: str) -> list[str]:
        keys = self.project / "keys"
        words = ["-i", "localhost,"]
        known = (f"mark={self.mark}", f"approval_allowed_signers={keys / 'allowed_signers'}", f"evidence_signing_key={keys / 'evidence'}")
        for each in (*known, *more):
            words += ["-e", each]
        return words

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [str(BIN / "recovery"), *words]
        return subprocess.run(argv, cwd=self.project, env=self.environment, text=True, capture_output=True, timeout=PATIENCE_S, check=False)

    def run(self, runbook: str, *words: str, extra: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return self.command("run", runbook, *self.extra(*extra), *words)

    def start(self, runbook: str, *words: str, extra: tuple[str, ...] = (), plain: bool = False) -> subprocess.Popen[str]:
        argv = [str(BIN / "recovery"), "run", runbook, *self.extra(*extra), *words]
        if plain:
            argv = [str(BIN / "ansible-playbook"), *self.extra(*extra), *words, f"playbooks/{runbook}.yml"]
        # A test run in the background ignores Ctrl-C, and would hand that down.
        process = subprocess.Popen(
            argv, cwd=self.project, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        self.started.append(process)
        return process

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        found = []
        for path in sorted((self.project / "incidents").glob("*/journal.jsonl")):
            found += [json.loads(line) for line in path.read_text().splitlines()]
        return [each for each in found if not kind or each["event"] == kind]

    def until(self, true: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, f"waited in vain for: {what}"
            time.sleep(0.1)

    def until_event(self, kind: str, number: int = 1, result: str = "") -> None:
        def came() -> bool:
            return len([each for each in self.events(kind) if not result or each["result"] == result]) >= number

        self.until(came, f"{number} x {kind} {result}")

    def approve(self, person: str, key: str = "", verb: str = "approve", *more: str) -> subprocess.CompletedProcess[str]:
        return self.command(verb, "--as", person, "--key", str(self.project / "keys" / (key or person)), *more)

    def policy(self, **changes: Any) -> None:
        path = self.project / "plan" / "approvals.yml"
        content = yaml.safe_load(path.read_text())
        content["fault_classes"]["I"].update(changes)
        path.write_text(yaml.safe_dump(content, allow_unicode=True))

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        said, _ = process.communicate(timeout=PATIENCE_S)
        return process.returncode, said


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    signers = ""
    for person in PEOPLE:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / person)], check=True)
        signers += f"{person} {(directory / f'{person}.pub').read_text()}"
    (directory / "allowed_signers").write_text(signers)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "evidence")], check=True)
    return directory


@pytest.fixture
def hospital(tmp_path: Path, keys: Path) -> Iterator[Hospital]:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("action_plugins", "callback_plugins", "library", "src", "bin", "ansible.cfg"):
        (project / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "plan", project / "plan")
    shutil.copytree(ROOT / "tests" / "integration" / "playbooks", project / "playbooks")
    (project / "ansible.cfg").unlink()
    shutil.copy(ROOT / "ansible.cfg", project)
    (project / "keys").symlink_to(keys)
    made = Hospital(project)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_runbook_runs_and_its_verdict_is_the_exit_status(hospital: Hospital) -> None:
    done = hospital.run("trivial")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS  trivial" in done.stdout
    assert re.search(r"✓ ok .* localhost: The control node answers", done.stdout)
    assert next(each["event"] for each in hospital.events()) == "run_begin"
    assert hospital.events("run_end")[0]["result"] == "PASS"
    assert hospital.events("lock_released")
    assert "No incident is open" not in hospital.command("status").stdout


def test_plain_ansible_playbook_does_the_same(hospital: Hospital) -> None:
    status, said = hospital.end(hospital.start("trivial", plain=True))
    assert status == 0, said
    kinds = {each["event"] for each in hospital.events()}
    assert {"run_begin", "lock_taken", "task", "lock_released", "run_end"} <= kinds


def test_a_wrong_command_line_is_no_verdict(hospital: Hospital) -> None:
    done = hospital.run("trivail")
    assert done.returncode == 64
    assert re.search(r"trivial +A runbook that greets", done.stderr)
    assert hospital.command("run").returncode == 64
    assert not (hospital.project / "incidents").exists()


def test_two_people_agree_and_the_rest_does_not_count(hospital: Hospital) -> None:
    process = hospital.start("approve", "--by", "information-director")
    hospital.until_event("approval_requested")
    assert "recovery approve" in hospital.command("status").stdout
    late = hospital.approve("information-director")
    assert late.returncode == 64 and "does not count" in late.stderr
    assert hospital.approve("president", "vice-president").returncode == 0
    hospital.until_event("approval_answer", 2, "refused")
    assert hospital.approve("president").returncode == 0
    hospital.until_event("approval_answer", 1, "accepted")
    assert "has answered already" in hospital.approve("president").stderr
    assert not hospital.mark.exists()
    assert hospital.approve("vice-president").returncode == 0
    status, said = hospital.end(process)
    assert status == 0, said
    assert hospital.mark.exists()
    granted = hospital.events("approval_granted")[0]["data"]
    assert set(granted["agreed"]) == {"president", "vice-president"}
    incident = str(next((hospital.project / "incidents").glob("2*")))
    verified = hospital.command("evidence", "verify", incident)
    assert verified.returncode == 0, verified.stdout
    too_late = hospital.approve("medical-affairs", "", "approve", hospital.events("approval_requested")[0]["data"]["reference"])
    assert too_late.returncode == 64 and "closed since" in too_late.stderr
    assert hospital.events()[-1]["event"] == "approval_answer", "refused, and journalled"
    assert hospital.command("evidence", "verify", incident).returncode == 3, "a line that came after the seal is told"


def test_a_no_ends_it(hospital: Hospital) -> None:
    process = hospital.start("approve")
    hospital.until_event("approval_requested")
    assert hospital.approve("president", "", "deny", "--reason", "the backup is too old").returncode == 0
    status, said = hospital.end(process)
    assert status == 4
    assert "REFUSED  approve" in said and "the backup is too old" in said
    assert hospital.events("approval_refused")[0]["data"]["code"] == "approval-denied"
    assert not hospital.mark.exists()


def test_a_question_expires(hospital: Hospital) -> None:
    hospital.policy(expiry_minutes=0.02)
    done = hospital.run("approve")
    assert done.returncode == 4 and "expired" in done.stdout
    late = hospital.approve("president", "", "approve", hospital.events("approval_requested")[0]["data"]["reference"])
    assert late.returncode == 64 and "closed since" in late.stderr
    assert hospital.events("approval_answer")[-1]["result"] == "refused"
    assert not hospital.mark.exists()


def test_a_tampered_request_ends_it(hospital: Hospital) -> None:
    process = hospital.start("approve")
    hospital.until_event("approval_requested")
    request = next((hospital.project / "incidents").glob("*/approvals/1/request.json"))
    request.write_text(request.read_text().replace("Good morning", "Good night"))
    for person in ("president", "vice-president"):
        hospital.approve(person)
    status, said = hospital.end(process)
    assert status == 4 and "altered" in said
    assert not hospital.mark.exists()


def test_a_rehearsal_asks_nobody(hospital: Hospital) -> None:
    done = hospital.run("approve", "--check", "--diff")
    assert done.returncode == 0, done.stdout
    assert "rehearsal" in done.stdout
    assert not hospital.events("approval_requested")
    assert not hospital.mark.exists()


def holder_pid(hospital: Hospital) -> int:
    return int(hospital.events("run_begin")[0]["data"]["pid"])


def test_a_second_administrator_is_refused_and_a_dead_run_is_continued(hospital: Hospital) -> None:
    first = hospital.start("hold")
    hospital.until_event("lock_taken")
    second = hospital.run("hold")
    assert second.returncode == 4 and "being recovered already" in second.stdout
    assert "running" in hospital.command("status").stdout
    os.kill(holder_pid(hospital), signal.SIGKILL)
    status, said = hospital.end(first)
    assert status == 3 and "recovery run hold" in said
    shown = hospital.command("status").stdout
    assert "interrupted" in shown and "its process is dead" in shown
    other = hospital.run("hold_other")
    assert other.returncode == 4 and "takeover_by" in other.stdout
    continues = re.search(r"continue +recovery (run hold .*)", shown)
    assert continues is not None, shown
    hospital.mark.touch()
    again = hospital.command(*shlex.split(continues[1]))
    assert again.returncode == 0, again.stdout + again.stderr
    assert hospital.events("lock_taken_over")[0]["result"] == "continued"
    assert "interrupted" not in hospital.command("status").stdout


def test_an_interrupted_run_goes_on_with_its_approvals_but_not_with_another_plan(hospital: Hospital) -> None:
    first = hospital.start("hold_approved")
    hospital.until_event("approval_requested")
    assert hospital.approve("president").returncode == hospital.approve("vice-president").returncode == 0
    hospital.until_event("approval_granted")
    os.kill(holder_pid(hospital), signal.SIGKILL)
    hospital.end(first)
    hospital.mark.touch()
    again = hospital.run("hold_approved")
    assert again.returncode == 0, again.stdout + again.stderr
    assert [each["result"] for each in hospital.events("approval_granted")] == ["granted", "reused"]
    assert len(hospital.events("approval_requested")) == 1, "nobody was asked twice"
    assert len(hospital.events("approval_answer")) == 4, "every signature was checked again"
    hospital.policy(expiry_minutes=0.05)
    third = hospital.run("hold_approved", extra=("words=Good evening",))
    assert third.returncode == 4 and len(hospital.events("approval_requested")) == 2, third.stdout


def test_a_dead_holder_is_taken_over_by_name(hospital: Hospital) -> None:
    first = hospital.start("hold", plain=True)
    hospital.until_event("lock_taken")
    os.kill(holder_pid(hospital), signal.SIGKILL)
    hospital.end(first)
    hospital.mark.touch()
    done = hospital.run("hold_other", extra=("takeover_by=information-director",))
    assert done.returncode == 0, done.stdout
    taken = hospital.events("lock_taken_over")[0]
    assert (taken["result"], taken["data"]["by"]) == ("taken_over", "information-director")


def test_ctrl_c_stops_the_run_and_says_how_to_go_on(hospital: Hospital) -> None:
    process = hospital.start("hold")
    hospital.until_event("lock_taken")
    process.send_signal(signal.SIGINT)
    status, said = hospital.end(process)
    assert status == 3, said
    assert "Stopping" in said and "To continue:  recovery run hold" in said
    hospital.mark.touch()
    assert hospital.run("hold").returncode == 0


def test_a_false_claim_is_told_and_asked_again(hospital: Hospital) -> None:
    process = hospital.start("step", extra=("language=zh",))
    hospital.until_event("manual_step_asked")
    assert "请放置标记" in hospital.command("status").stdout
    assert hospital.command("confirm", "--note", "done").returncode == 0
    hospital.until_event("manual_step_asked", 2)
    assert "stat.exists is False" in hospital.events("manual_step_asked")[1]["data"]["problem"]
    hospital.mark.touch()
    answer = {"by": "hands", "done": True, "note": "touched it"}
    step = next((hospital.project / "incidents").glob("*/manual_steps/1"))
    (step / "answer.json").write_text(json.dumps(answer))
    status, said = hospital.end(process)
    assert status == 0, said
    assert [each["result"] for each in hospital.events("manual_step_done")] == ["claim-false", "done"]
    assert hospital.events("manual_step_done")[1]["data"]["by"] == "hands"
    again = hospital.run("step")
    assert again.returncode == 0 and len(hospital.events("manual_step_asked")) == 2, "what holds already is not asked again"


def test_a_step_that_cannot_be_done_or_is_not_done_in_time_ends_it(hospital: Hospital) -> None:
    process = hospital.start("step")
    hospital.until_event("manual_step_asked")
    assert hospital.command("confirm", "--failed").returncode == 64
    assert hospital.command("confirm", "--failed", "--note", "the port is broken").returncode == 0
    status, said = hospital.end(process)
    assert status == 4 and "the port is broken" in said
    late = hospital.run("step", extra=("step_timeout_s=1",))
    assert late.returncode == 4 and "nobody answered" in late.stdout
    assert hospital.events("run_end")[-1]["result"] == "NOT-RUN"


def test_a_rehearsal_of_a_step_says_whom_it_would_ask(hospital: Hospital) -> None:
    done = hospital.run("step", "--check")
    assert done.returncode == 0
    asked = hospital.events("task")[0]
    assert asked["result"] == "changed" and "A real run would ask network administrator on duty" in asked["data"]["msg"]
    assert not hospital.events("manual_step_asked")


def test_a_step_that_was_tried_in_vain_is_a_failure_and_no_refusal(hospital: Hospital) -> None:
    process = hospital.start("step")
    hospital.until_event("manual_step_asked")
    assert hospital.command("confirm", "--note", "done").returncode == 0
    hospital.until_event("manual_step_asked", 2)
    assert hospital.command("confirm", "--failed", "--note", "the port is broken").returncode == 0
    status, said = hospital.end(process)
    assert status == 2, said
    assert "FAIL  step" in said and "the port is broken" in said


def test_a_step_of_a_killed_run_waits_for_nobody(hospital: Hospital) -> None:
    first = hospital.start("step")
    hospital.until_event("manual_step_asked")
    os.kill(holder_pid(hospital), signal.SIGKILL)
    hospital.end(first)
    assert "waiting" not in hospital.command("status").stdout
    incident = next((hospital.project / "incidents").glob("2*"))
    named = hospital.command("confirm", f"{incident.name}/1", "--note", "done")
    assert named.returncode == 64 and "asked by a run that is gone" in named.stdout + named.stderr
    again = hospital.start("step")
    hospital.until_event("manual_step_asked", 2)
    hospital.mark.touch()
    assert hospital.command("confirm", "--note", "done").returncode == 0, "only the living run's step waits"
    status, said = hospital.end(again)
    assert status == 0, said


@pytest.mark.parametrize("plain", [False, True], ids=["recovery", "ansible-playbook"])
def test_two_people_answer_at_the_terminal_of_the_run(hospital: Hospital, plain: bool) -> None:
    argv = [str(BIN / "ansible-playbook"), *hospital.extra(), "playbooks/crew.yml"]
    if not plain:
        argv = [str(BIN / "recovery"), "run", "crew", *hospital.extra()]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(hospital.project)
        os.execve(argv[0], argv, hospital.environment)  # noqa: S606 - a command of the project, by its full path
    said = ""

    def shown(words: str, times: int = 1) -> None:
        nonlocal said
        until = time.monotonic() + PATIENCE_S
        while said.count(words) < times and time.monotonic() < until:
            if select.select([terminal], [], [], 0.2)[0]:
                said += os.read(terminal, 65536).decode(errors="replace")
        assert said.count(words) >= times, said

    hospital.until_event("manual_step_asked", 2)
    shown("--note TEXT", 2)
    time.sleep(1)  # what was typed before the question is no answer
    os.write(terminal, b"\n")
    shown("Several steps wait. Begin with the number of the one that is done: 1 or 2.")
    for number in (1, 2):
        hospital.mark.with_name(f"{hospital.mark.name}-{number}").touch()
    time.sleep(1)
    os.write(terminal, b"2 label 17\n")
    hospital.until_event("manual_step_done", 1)
    time.sleep(1)
    os.write(terminal, b"label 16\n")
    shown("PLAY RECAP" if plain else "PASS")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said
    os.close(terminal)
    done = {line["name"]: line["data"]["note"] for line in hospital.events("manual_step_done")}
    assert done == {"The second mark is there": "label 17", "The first mark is there": "label 16"}
