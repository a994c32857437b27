"""What was approved for a run that died counts for the run that goes on, if it is the very same and every signature still holds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recovery.frame import approvals, files
from recovery.frame.reuse import Earlier, Given, interrupted, reuse
from recovery.plan import ApprovalRule

RULE = ApprovalRule("I", 2, ("president", "vice-president", "medical-affairs"), 30)
ACTION = {"source": "offsite", "backup": "20261122-010000F"}


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    lines = []
    for person in (*RULE.of, "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / person)], check=True)
        if person != "stranger":
            lines.append(f"{person} {(directory / f'{person}.pub').read_text()}")
    (directory / "allowed_signers").write_text("".join(lines))
    return directory


@dataclass
class Desk:
    """A run that was granted its approvals in its incident and died, and the run that goes on in another."""

    root: Path
    keys: Path
    told: list[dict[str, Any]] = field(default_factory=list)

    def incident(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(exist_ok=True)
        return path

    def tell(self, event: str, **what: Any) -> None:
        self.told.append({"event": event, **what})

    def request(self, run: str, action: dict[str, Any] | None = None, rule: ApprovalRule = RULE, by: str = "requester") -> dict[str, Any]:
        what = {"run": run, "incident": "i", "runbook": "database_restore", "target": "his-db", "requested_by": by}
        return approvals.build_request(action=ACTION if action is None else action, rule=rule, **what)

    def granted(self, run: str = "run-1") -> Path:
        directory = self.incident("1") / "approvals" / "1"
        approval = approvals.Approval(directory, self.request(run), self.keys / "allowed_signers", self.tell)
        for person in RULE.of[:2]:
            approvals.answer(directory, person, self.keys / person)
        assert approval.poll().outcome == "granted"
        self.told.clear()
        return directory

    def go_on(self, request: dict[str, Any], earlier: Earlier | None = None, into: str = "2") -> Given | None:
        found = [earlier or Earlier("run-1", self.root / "1")]
        return reuse(found, request, request["run"], self.incident(into), self.keys / "allowed_signers", self.tell)


@pytest.fixture
def desk(tmp_path: Path, keys: Path) -> Desk:
    return Desk(tmp_path, keys)


def test_the_same_plan_is_not_asked_again(desk: Desk) -> None:
    first = desk.granted()
    given = desk.go_on(desk.request("run-2"))
    assert given is not None and sorted(given.approval.state.agreed) == ["president", "vice-president"]
    copy = desk.root / "2" / "approvals" / "1"
    assert (copy / "request.json").read_bytes() == (first / "request.json").read_bytes()
    outcome = json.loads((copy / "outcome.json").read_text())
    assert (outcome["outcome"], outcome["reused_from"], outcome["reused_by"]) == ("granted", "1/1", "run-2")
    assert given.at == json.loads((first / "outcome.json").read_text())["at"]
    assert [one["result"] for one in desk.told] == ["accepted", "accepted"], "every signature was judged again"


def test_a_third_run_goes_on_from_the_second(desk: Desk) -> None:
    desk.granted()
    assert desk.go_on(desk.request("run-2")) is not None
    assert desk.go_on(desk.request("run-3"), Earlier("run-2", desk.root / "2"), into="3") is not None


def test_a_run_that_did_not_die_in_between_lends_nothing(desk: Desk) -> None:
    desk.granted()
    assert desk.go_on(desk.request("run-2"), Earlier("run-0", desk.root / "1")) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda desk: desk.request("run-2", {**ACTION, "backup": "20261121-010000F"}),
        lambda desk: desk.request("run-2", by="another administrator"),
        lambda desk: desk.request("run-2", by="president"),
        lambda desk: desk.request("run-2", rule=ApprovalRule("I", 3, RULE.of, 30)),
        lambda desk: desk.request("run-2") | {"target": "lis-db"},
        lambda desk: desk.request("run-2") | {"runbook": "database_rollback"},
    ],
    ids=["another plan of action", "another asks", "an approver asks", "more have to agree", "another target", "another runbook"],
)
def test_anything_else_is_asked_anew(desk: Desk, change: Callable[[Desk], dict[str, Any]]) -> None:
    desk.granted()
    assert desk.go_on(change(desk)) is None
    assert not (desk.root / "2" / "approvals").exists(), "nothing was copied"


def test_what_has_expired_is_asked_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.granted()
    later = files.later(files.now(), RULE.expiry_minutes * 60 + 1)
    request = desk.request("run-2")
    monkeypatch.setattr(files, "now", lambda: later)
    assert desk.go_on(request) is None


def test_a_signature_that_does_not_hold_is_not_counted(desk: Desk) -> None:
    directory = desk.granted()
    (directory / "answers" / "president.sig").write_bytes((directory / "answers" / "vice-president.sig").read_bytes())
    assert desk.go_on(desk.request("run-2")) is None


def test_an_outcome_that_was_only_written_is_worth_nothing(desk: Desk) -> None:
    directory = desk.incident("1") / "approvals" / "1"
    approvals.Approval(directory, desk.request("run-1"), desk.keys / "allowed_signers", desk.tell)
    files.write_json(directory / "outcome.json", {"outcome": "granted", "agreed": {"president": "x", "vice-president": "y"}})
    assert desk.go_on(desk.request("run-2")) is None
    assert desk.told == []


def test_a_digest_that_does_not_belong_to_its_action_is_worth_nothing(desk: Desk) -> None:
    directory = desk.granted()
    asked = json.loads((directory / "request.json").read_text())
    wanted = desk.request("run-2", {**ACTION, "backup": "another"})
    (directory / "request.json").write_bytes(files.canonical(asked | {"action_sha256": wanted["action_sha256"]}))
    assert desk.go_on(wanted) is None


def test_who_was_interrupted_stands_in_the_journal() -> None:
    data = {"previous_run": "run-1", "previous_incident": "/incidents/1"}
    events = [
        {"run": "run-2", "event": "lock_taken_over", "result": "continued", "data": data},
        {"run": "run-2", "event": "lock_taken_over", "result": "taken_over", "data": {**data, "previous_run": "run-x"}},
        {"run": "run-0", "event": "lock_taken_over", "result": "continued", "data": data},
    ]
    assert interrupted(events, "run-2") == [Earlier("run-1", Path("/incidents/1"))]
