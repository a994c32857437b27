"""The decision before a recovery acts: named people sign the very plan of action, or it does not happen (ACT-2, CLS-6).

An approval is a directory: ``request.json`` (the canonical bytes that are signed), ``answers/<principal>.sig`` or
``<principal>.deny`` with its ``.sig``, and at the end ``outcome.json``. Refused answers are kept under ``answers/refused/``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recovery.frame import files, signing
from recovery.frame.project import FrameError
from recovery.plan import ApprovalRule

DIRECTORY = "approvals"
Tell = Callable[..., None]


@dataclass
class State:
    """Where an approval stands: who agreed (principal to fingerprint), who is missing, how it ended (empty: it has not)."""

    needed: int
    of: tuple[str, ...]
    requested_by: str = ""
    agreed: dict[str, str] = field(default_factory=dict)
    denied: dict[str, str] = field(default_factory=dict)
    outcome: str = ""
    code: str = ""
    reason: str = ""

    @property
    def missing(self) -> list[str]:
        """Return who could still answer."""
        return [each for each in self.of if each not in self.agreed and each not in self.denied and each != self.requested_by]

    def sentence(self) -> str:
        """Say what is still needed and of whom."""
        still = max(0, self.needed - len(self.agreed))
        have = f" (agreed: {', '.join(self.agreed)})" if self.agreed else ""
        return f"{still} of {self.needed} approvals still missing, from: {', '.join(self.missing) or 'nobody left'}{have}"


def build_request(
    *, run: str, incident: str, runbook: str, target: str, action: Mapping[str, Any], rule: ApprovalRule, requested_by: str
) -> dict[str, Any]:
    """Return the request that people sign: everything that must not change between their yes and the deed."""
    asked = files.now()
    return {
        "request": secrets.token_hex(8),
        "run": run,
        "incident": incident,
        "runbook": runbook,
        "target": target,
        "fault_class": rule.fault_class,
        "action": dict(action),
        "action_sha256": files.sha256(files.canonical(action)),
        "needed": rule.needed,
        "of": list(rule.of),
        "requested_by": requested_by,
        "requested_at": files.iso(asked),
        "expires_at": files.iso(files.later(asked, rule.expiry_minutes * 60)),
    }


class Approval:
    """One question to the approvers, held by the run that asked it. The bytes asked are kept in memory and never read back."""

    def __init__(self, directory: Path, request: Mapping[str, Any], allowed_signers: Path, tell: Tell) -> None:
        """Write the request; ``tell(event, result=, **data)`` journals what happens."""
        self.directory = directory
        self.request = dict(request)
        self.content = files.canonical(self.request)
        self.digest = files.sha256(self.content)
        self.allowed_signers = allowed_signers
        self.tell = tell
        self.state = State(int(request["needed"]), tuple(request["of"]), str(request["requested_by"]))
        self._accepted: dict[str, bytes] = {}
        (directory / "answers").mkdir(parents=True, exist_ok=True)
        files.write(directory / "request.json", self.content)

    def poll(self) -> State:
        """Read the answers that came, judge each once, and settle the question if they suffice. Call until ``outcome``."""
        if self.state.outcome:
            return self.state
        try:
            intact = (self.directory / "request.json").read_bytes() == self.content
        except OSError:
            intact = False
        if not intact:
            return self._end("refused", "approval-request-altered", "request.json is not any more what was asked: somebody altered it.")
        if files.now() >= files.parse_iso(self.request["expires_at"]):
            return self._end(
                "refused", "approval-expired", f"The question expired at {self.request['expires_at']}: {self.state.sentence()}."
            )
        for path in sorted((self.directory / "answers").iterdir()):
            if path.is_file() and not path.name.startswith("."):
                self._judge(path)
        if self.state.denied:
            said = "; ".join(f"{who} says no" + (f": {why}" if why else "") for who, why in self.state.denied.items())
            return self._end("refused", "approval-denied", said + ".")
        if len(self.state.agreed) >= self.state.needed:
            return self._end("granted", "", f"Agreed: {', '.join(self.state.agreed) or 'nobody has to be asked'}.")
        return self.state

    def abandon(self, reason: str) -> State:
        """End the question because the run ends."""
        return self.state if self.state.outcome else self._end("refused", "approval-abandoned", reason)

    def _end(self, outcome: str, code: str, reason: str) -> State:
        self.state.outcome, self.state.code, self.state.reason = outcome, code, reason
        ended = {"outcome": outcome, "code": code, "reason": reason, "at": files.iso(files.now()), "agreed": self.state.agreed}
        files.write_json(self.directory / "outcome.json", ended)
        return self.state

    def _judge(self, path: Path) -> None:
        name = path.name
        if name.endswith(".deny"):
            return self._judge_denial(path, name.removesuffix(".deny"))
        if name.endswith(".deny.sig"):
            return None
        principal = name.removesuffix(".sig") if name.endswith(".sig") else ""
        signature = path.read_bytes()
        if principal and self._accepted.get(principal) == signature:
            return None
        if principal in self._accepted:
            return self._set_aside(path, principal, "answered already: one person counts once")
        problem, fingerprint = self._problem(principal, self.content, signature)
        if problem:
            return self._set_aside(path, principal or name, problem)
        self._accepted[principal] = signature
        self.state.agreed[principal] = fingerprint
        self._answer("accepted", principal, "agreed", fingerprint)
        return None

    def _judge_denial(self, path: Path, principal: str) -> None:
        signature = path.with_name(path.name + ".sig")
        if not signature.is_file():
            return  # its signature is still being written; unsigned, a no counts as little as a yes
        content = path.read_bytes()
        problem, fingerprint = self._problem(principal, content, signature.read_bytes(), denial=True)
        said = files.read_json(path) or {}
        if not problem and said.get("request_sha256") != self.digest:
            problem = "the no is about another request"
        if problem:
            self._set_aside(signature, principal, problem, tell=False)
            return self._set_aside(path, principal, problem)
        if principal not in self.state.denied:
            self.state.denied[principal] = str(said.get("reason") or "")
            self._answer("denied", principal, self.state.denied[principal] or "said no", fingerprint)
        return None

    def _problem(self, principal: str, content: bytes, signature: bytes, denial: bool = False) -> tuple[str, str]:
        """Return why an answer does not count (empty if it does) and the fingerprint of its key."""
        if not principal:
            return "this is not the name of an answer (PRINCIPAL.sig)", ""
        if principal == self.request["requested_by"]:
            return "the one who asks does not count among those who agree", ""
        if principal not in self.state.of:
            return f"the plan asks {', '.join(self.state.of)}, not {principal}", ""
        checked = signing.check(content, signature, principal, self.allowed_signers)
        if not checked.good:
            return f"the signature is not {principal}'s over this request ({checked.problem})", ""
        if not denial and checked.fingerprint in self.state.agreed.values():
            return "the same key signed for another person already", ""
        own = signing.check(content, signature, self.request["requested_by"], self.allowed_signers)
        if own.good:
            return "it is signed with the key of the one who asks", ""
        return "", checked.fingerprint

    def _answer(self, result: str, principal: str, reason: str, fingerprint: str = "") -> None:
        data = {"request": self.digest, "principal": principal, "reason": reason, "key": fingerprint}
        self.tell("approval_answer", result=result, **data, still=self.state.sentence())

    def _set_aside(self, path: Path, principal: str, reason: str, tell: bool = True) -> None:
        refused = self.directory / "answers" / "refused"
        refused.mkdir(exist_ok=True)
        number = len(list(refused.iterdir())) + 1
        path.rename(refused / f"{number}-{path.name}")
        if tell:
            self._answer("refused", principal, reason)


def open_requests(incident: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return the questions of an incident that have no outcome yet and have not expired."""
    found: list[tuple[Path, dict[str, Any]]] = []
    for directory in files.numbered(incident / DIRECTORY):
        request = files.read_json(directory / "request.json")
        if request is None or (directory / "outcome.json").exists():
            continue
        if files.now() < files.parse_iso(str(request["expires_at"])):
            found.append((directory, request))
    return found


def why_not_answerable(directory: Path, principal: str) -> str:
    """Return why an answer would come too late or from the wrong person (a sentence), or an empty text."""
    request = files.read_json(directory / "request.json")
    if request is None:
        return f"There is no request in {directory}."
    ended = files.read_json(directory / "outcome.json")
    if ended is not None:
        return f"This question is closed since {ended.get('at')}: {ended.get('reason')}"
    if files.now() >= files.parse_iso(str(request["expires_at"])):
        return f"This question expired at {request['expires_at']}. Whoever asked must ask again."
    if principal == request["requested_by"]:
        return f"{principal} asked for this recovery and does not count among those who agree."
    if principal not in request["of"]:
        return f"The plan asks {', '.join(request['of'])}, not {principal}."
    answers = directory / "answers"
    if (answers / f"{principal}.sig").exists() or (answers / f"{principal}.deny").exists():
        return f"{principal} has answered already."
    return ""


def answer(directory: Path, principal: str, key: Path, *, deny: bool = False, reason: str = "") -> None:
    """Sign and hand in an answer. Raises FrameError if it is late, repeated, or not this person's to give."""
    problem = why_not_answerable(directory, principal)
    if problem:
        raise FrameError(problem)
    content = (directory / "request.json").read_bytes()
    answers = directory / "answers"
    if not deny:
        files.write(answers / f"{principal}.sig", signing.sign(content, key))
        return
    said = files.canonical(
        {"deny": True, "principal": principal, "reason": reason, "request_sha256": files.sha256(content), "at": files.iso(files.now())}
    )
    files.write(answers / f"{principal}.deny.sig", signing.sign(said, key))
    files.write(answers / f"{principal}.deny", said)
