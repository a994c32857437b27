from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recovery.frame import approvals, files, signing
from recovery.frame.project import FrameError
from recovery.plan import ApprovalRule

PEOPLE = ("president", "vice-president", "information-director", "outsider", "requester")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    lines = []
    for person in PEOPLE:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / person)], check=True)
        if person != "outsider":
            lines.append(f"{person} {(directory / f'{person}.pub').read_text()}")
    # The one who asks is also known under another role's name.
    lines.append(f"information-director {(directory / 'requester.pub').read_text()}")
    (directory / "allowed_signers").write_text("".join(lines))
    return directory


@dataclass
class Desk:
    directory: Path
    keys: Path
    expiry_minutes: float = 5
    told: list[dict[str, Any]] = field(default_factory=list)
    approval: approvals.Approval | None = None

    def ask(self) -> approvals.Approval:
        rule = ApprovalRule("I", 2, ("president", "vice-president", "information-director"), self.expiry_minutes)
        request = approvals.build_request(
            run="run-1",
            incident="2026-01-01-01",
            runbook="database_restore",
            target="his-db",
            action={"source": "offsite"},
            rule=rule,
            requested_by="requester",
        )
        self.approval = approvals.Approval(self.directory, request, self.keys / "allowed_signers", self.tell)
        return self.approval

    def tell(self, event: str, **what: Any) -> None:
        self.told.append({"event": event, **what})

    def yes(self, person: str, key: str = "") -> None:
        approvals.answer(self.directory, person, self.keys / (key or person))

    def refused(self) -> list[str]:
        return [each["reason"] for each in self.told if each.get("result") == "refused"]


@pytest.fixture
def desk(tmp_path: Path, keys: Path) -> Desk:
    return Desk(tmp_path / "1", keys)


def test_two_people_agree(desk: Desk) -> None:
    approval = desk.ask()
    desk.yes("president")
    assert approval.poll().outcome == ""
    assert approval.state.missing == ["vice-president", "information-director"]
    desk.yes("vice-president")
    assert approval.poll().outcome == "granted"
    assert set(approval.state.agreed) == {"president", "vice-president"}
    assert (files.read_json(desk.directory / "outcome.json") or {})["outcome"] == "granted"


def test_what_people_signed_is_checked_by_stock_tools(desk: Desk) -> None:
    desk.ask()
    desk.yes("president")
    with (desk.directory / "request.json").open("rb") as request:
        options = ["-f", desk.keys / "allowed_signers", "-I", "president", "-n", "recovery-approval"]
        signature = desk.directory / "answers" / "president.sig"
        subprocess.run(["ssh-keygen", "-Y", "verify", *options, "-s", signature], stdin=request, check=True, capture_output=True)


def test_the_same_person_counts_once(desk: Desk) -> None:
    approval = desk.ask()
    desk.yes("president")
    approval.poll()
    with pytest.raises(FrameError, match="has answered already"):
        desk.yes("president")
    files.write(desk.directory / "answers" / "president.sig", b"another answer")
    assert approval.poll().outcome == ""
    assert "counts once" in desk.refused()[0]
    assert len(approval.state.agreed) == 1


def test_one_key_counts_for_one_person(desk: Desk, tmp_path: Path) -> None:
    signers = tmp_path / "signers"
    public = (desk.keys / "president.pub").read_text()
    signers.write_text(f"president {public}vice-president {public}")
    approval = desk.ask()
    approval.allowed_signers = signers
    desk.yes("president")
    desk.yes("vice-president", "president")
    assert approval.poll().outcome == ""
    assert "same key" in desk.refused()[0]


def test_the_one_who_asks_does_not_count(desk: Desk) -> None:
    approval = desk.ask()
    with pytest.raises(FrameError, match="asked for this recovery"):
        desk.yes("requester")
    content = (desk.directory / "request.json").read_bytes()
    files.write(desk.directory / "answers" / "requester.sig", signing.sign(content, desk.keys / "requester"))
    desk.yes("information-director", "requester")
    approval.poll()
    assert approval.state.agreed == {}
    assert any("the one who asks does not count" in each for each in desk.refused())
    assert any("key of the one who asks" in each for each in desk.refused())


@pytest.mark.parametrize(("person", "key"), [("president", "vice-president"), ("president", "outsider")])
def test_a_wrong_key_is_refused_and_the_person_can_answer_again(desk: Desk, person: str, key: str) -> None:
    approval = desk.ask()
    desk.yes(person, key)
    assert approval.poll().agreed == {}
    assert "not president's" in desk.refused()[0]
    assert len(list((desk.directory / "answers" / "refused").iterdir())) == 1
    desk.yes(person)
    assert list(approval.poll().agreed) == [person]


def test_somebody_whom_the_plan_does_not_ask_is_refused(desk: Desk) -> None:
    approval = desk.ask()
    with pytest.raises(FrameError, match="The plan asks"):
        desk.yes("outsider")
    files.write(desk.directory / "answers" / "outsider.sig", b"x")
    files.write(desk.directory / "answers" / "notes.txt", b"x")
    assert approval.poll().outcome == ""
    assert len(desk.refused()) == 2


def test_an_answer_to_an_earlier_request_is_stale(desk: Desk, tmp_path: Path, keys: Path) -> None:
    earlier = Desk(tmp_path / "earlier", keys)
    earlier.ask()
    earlier.yes("president")
    approval = desk.ask()
    old = (earlier.directory / "answers" / "president.sig").read_bytes()
    files.write(desk.directory / "answers" / "president.sig", old)
    assert approval.poll().agreed == {}
    assert desk.refused()


def test_an_altered_request_ends_it(desk: Desk) -> None:
    approval = desk.ask()
    request = files.read_json(desk.directory / "request.json") or {}
    request["action"]["source"] = "local"
    files.write(desk.directory / "request.json", files.canonical(request))
    desk.yes("president")
    desk.yes("vice-president")
    assert (approval.poll().outcome, approval.state.code) == ("refused", "approval-request-altered")


def test_it_expires_and_late_answers_are_refused(desk: Desk) -> None:
    desk.expiry_minutes = 0.0001
    approval = desk.ask()
    desk_wait = files.parse_iso(approval.request["expires_at"]) - files.now()
    assert desk_wait.total_seconds() < 0.01
    while approval.poll().outcome == "":
        pass
    assert approval.state.code == "approval-expired"
    with pytest.raises(FrameError, match="closed since"):
        desk.yes("president")


def test_a_signed_no_ends_it_and_an_unsigned_one_does_not(desk: Desk) -> None:
    approval = desk.ask()
    files.write(desk.directory / "answers" / "president.deny", b"{}")
    assert approval.poll().outcome == ""
    (desk.directory / "answers" / "president.deny").unlink()
    approvals.answer(desk.directory, "president", desk.keys / "president", deny=True, reason="the backup is too old")
    state = approval.poll()
    assert (state.outcome, state.code) == ("refused", "approval-denied")
    assert "the backup is too old" in state.reason


def test_a_no_signed_for_another_request_does_not_count(desk: Desk, tmp_path: Path, keys: Path) -> None:
    earlier = Desk(tmp_path / "earlier", keys)
    earlier.ask()
    approvals.answer(earlier.directory, "president", keys / "president", deny=True)
    approval = desk.ask()
    for name in ("president.deny", "president.deny.sig"):
        (desk.directory / "answers" / name).write_bytes((earlier.directory / "answers" / name).read_bytes())
    assert approval.poll().outcome == ""
    assert "another request" in desk.refused()[0]


def test_nobody_needed_is_granted_at_once(tmp_path: Path) -> None:
    request = approvals.build_request(
        run="r", incident="i", runbook="b", target="t", action={}, rule=ApprovalRule("III", 0, (), 5), requested_by="x"
    )
    approval = approvals.Approval(tmp_path / "1", request, tmp_path / "none", lambda *_, **__: None)
    assert approval.poll().outcome == "granted"


def test_open_requests_are_those_without_an_end(desk: Desk, tmp_path: Path) -> None:
    desk.directory = tmp_path / approvals.DIRECTORY / "1"
    approval = desk.ask()
    assert [path.name for path, _ in approvals.open_requests(tmp_path)] == ["1"]
    approval.abandon("stopped")
    assert approvals.open_requests(tmp_path) == []
