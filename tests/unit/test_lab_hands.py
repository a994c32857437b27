"""The lab's people: who signs, who never does, and what their answers look like to ssh-keygen."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import hands, keys
from lab.errors import LabError
from lab.state import Lab
from lab.topology import load

REQUEST = {
    "request": "r1",
    "of": ["president", "vice-president", "information-director"],
    "needed": 2,
    "requested_by": "president",
    "fault_class": "I",
    "target": "his-db",
}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Return a lab with keys and nothing else."""
    lab = Lab("t", tmp_path / "lab")
    keys.ensure(lab, load())
    return lab


def _ask(incidents: Path, request: dict[str, Any]) -> Path:
    directory = incidents / "2026-01-01-01/approvals/1"
    (directory / "answers").mkdir(parents=True)
    (directory / "request.json").write_text(json.dumps(request), encoding="utf-8")
    return directory


def _verify(lab: Lab, text: Path, signature: Path, principal: str) -> bool:
    command = ["ssh-keygen", "-Y", "verify", "-f", str(lab.people / "allowed_signers"), "-I", principal, "-n", "recovery-approval"]
    return subprocess.run([*command, "-s", str(signature)], stdin=text.open(), capture_output=True, check=False).returncode == 0


def test_whoever_asked_never_signs() -> None:
    assert hands.signers({"approve": "needed"}, REQUEST) == ["vice-president", "information-director"]
    assert hands.signers({"approve": ["president", "vice-president"]}, REQUEST) == ["vice-president"]
    assert hands.signers({}, REQUEST) == []


def test_the_first_matching_rule_counts() -> None:
    rules = [{"when": {"target": "other"}, "n": 1}, {"when": {"action.mode": "replace"}, "n": 2}, {"when": {}, "n": 3}]
    assert hands.rule_for(rules, {"target": "his-db", "action": {"mode": "replace"}})["n"] == 2  # type: ignore[index]
    assert hands.rule_for(rules, {"target": "his-db"})["n"] == 3  # type: ignore[index]
    assert hands.rule_for(rules[:2], {"target": "his-db"}) is None


def test_signatures_are_good_and_given_once(lab: Lab, tmp_path: Path) -> None:
    directory = _ask(tmp_path / "incidents", REQUEST)
    script = {"approvals": [{"approve": "needed", "delay_s": 0}], "manual_steps": []}
    people = hands.Hands(lab, tmp_path / "incidents", script)
    people.poll()
    signed = sorted(path.name for path in (directory / "answers").iterdir())
    assert signed == ["information-director.sig", "vice-president.sig"]
    assert _verify(lab, directory / "request.json", directory / "answers/vice-president.sig", "vice-president")
    assert not _verify(lab, directory / "request.json", directory / "answers/vice-president.sig", "president")
    (directory / "answers/vice-president.sig").unlink()
    people.poll()
    assert not (directory / "answers/vice-president.sig").exists()


def test_a_no_is_signed_too(lab: Lab, tmp_path: Path) -> None:
    directory = _ask(tmp_path / "incidents", REQUEST)
    rule = {"deny": {"principal": "vice-president", "reason": "not yet"}, "delay_s": 0}
    hands.Hands(lab, tmp_path / "incidents", {"approvals": [rule], "manual_steps": []}).poll()
    said = directory / "answers/vice-president.deny"
    assert json.loads(said.read_text(encoding="utf-8"))["reason"] == "not yet"
    assert _verify(lab, said, directory / "answers/vice-president.deny.sig", "vice-president")


def test_nobody_answers_before_the_time(lab: Lab, tmp_path: Path) -> None:
    directory = _ask(tmp_path / "incidents", REQUEST)
    hands.Hands(lab, tmp_path / "incidents", {"approvals": [{"approve": "needed", "delay_s": 60}], "manual_steps": []}).poll()
    assert list((directory / "answers").iterdir()) == []


def test_a_step_without_an_action_is_answered_and_an_unknown_one_is_not_claimed(lab: Lab, tmp_path: Path) -> None:
    lab.write(phase="up")
    script = {"approvals": [], "manual_steps": [{"delay_s": 0}]}
    answers = []
    for number, action in ((1, {}), (2, {"verb": "levitate"})):
        directory = tmp_path / f"incidents/2026-01-01-01/manual_steps/{number}"
        directory.mkdir(parents=True)
        step = {"state": "waiting", "who": "duty-administrator", "action": action, "attempt": 1}
        (directory / "step.json").write_text(json.dumps(step), encoding="utf-8")
        hands.Hands(lab, tmp_path / "incidents", script).poll()
        answers.append(json.loads((directory / "answer.json").read_text(encoding="utf-8")))
    assert [(answer["by"], answer["done"]) for answer in answers] == [("duty-administrator", True), ("duty-administrator", False)]
    assert "levitate" in answers[1]["note"]


def test_the_default_script_is_sound_and_a_wrong_one_refused(tmp_path: Path) -> None:
    assert hands.read_script(hands.DEFAULT_SCRIPT)["approvals"]
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("aprovals: []\n", encoding="utf-8")
    with pytest.raises(LabError, match="should have the keys"):
        hands.read_script(wrong)
