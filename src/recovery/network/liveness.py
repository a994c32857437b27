"""Is a switch dead, or is it us? What several sides saw of it, weighed (RCV-3, RCV-6). Pure.

A switch whose forwarding hangs keeps its lights on and may even answer its management; a switch that forwards may be out of reach of
its management only. So no single side decides: what counts is whether anything still passes through it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from recovery.findings import Finding

SIDES = ("ping", "ssh", "out-of-band", "neighbour", "path", "users")
"""Who can say something: its addresses in band, its command line, its management out of band, the switches it is cabled to, paths that
lead through it, and the people behind it. Its own tables say nothing: they outlive what they speak of."""
SEEN = ("forwards", "stopped", "answers", "silent", "lit", "dark", "blind")
"""What a side saw: something passed through; nothing passes though something should; it answers; it does not; a neighbour's port has
link; it has none; or the side could not look at all."""

LOOKED = frozenset(SEEN) - {"blind"}
TRAFFIC = frozenset({"neighbour", "path", "users"})
"""Sides that see whether packets pass, other than whether its management answers."""
ENOUGH = 2
"""So many sides of different kinds must agree before a switch counts as dead."""


@dataclass(frozen=True)
class Sighting:
    """What one side saw. ``side`` is its kind, ``by`` who looked, ``detail`` the words for the journal."""

    side: str
    by: str
    seen: str
    detail: str = ""

    def __post_init__(self) -> None:
        """Refuse what is in neither closed list."""
        if self.side not in SIDES or self.seen not in SEEN:
            raise ValueError(f"{self.side!r} saw {self.seen!r}: a side is one of {', '.join(SIDES)}, and saw one of {', '.join(SEEN)}")

    def sentence(self) -> str:
        """Say it in one line."""
        return f"{self.side} ({self.by}): {self.seen}" + (f", {self.detail}" if self.detail else "")


@dataclass(frozen=True)
class Judgement:
    """What the sides say together. ``state``: alive, hung (lights on, nothing passes), dead, unproven, or cut-off (it is us)."""

    state: str
    sentence: str
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as it travels in a module's result."""
        return {"state": self.state, "sentence": self.sentence, "findings": [asdict(one) for one in self.findings]}


def _who(sightings: Sequence[Sighting]) -> str:
    return "; ".join(one.sentence() for one in sightings) or "nobody"


def judge(switch: str, sightings: Iterable[Sighting], others_answer: int) -> Judgement:
    """Weigh what the sides saw of a switch. ``others_answer``: how many other switches answered to this control node just now."""
    seen = [one for one in sightings if one.seen in LOOKED]
    passing = [one for one in seen if one.seen == "forwards"]
    answering = [one for one in seen if one.seen == "answers"]
    # A light that burns tells nothing of what passes: a hung switch keeps its lights on.
    stopped = [one for one in seen if one.side in TRAFFIC and one.seen in ("stopped", "dark")]
    if passing:
        return _alive(switch, passing, answering)
    if not answering and not others_answer and not any(one.seen == "dark" for one in seen):
        return _cut_off(switch, seen)
    kinds = {one.side for one in stopped}
    if answering:
        # Its address in band is reached through what it forwards: silent there while it answers elsewhere, it forwards nothing.
        kinds |= {one.side for one in seen if stopped and one.side == "ping" and one.seen == "silent"}
        # Its own word that it lives is believed unless what should pass through it is seen to have stopped, from two sides.
        if len(kinds) < ENOUGH:
            return _answers(switch, answering, stopped)
        return Judgement("hung", f"{switch} answers, but nothing passes through it: {_who(seen)}.", (_dead(switch, seen, hung=True),))
    silent = {one.side for one in seen if one.seen == "silent"}
    if not stopped or len(kinds | silent) < ENOUGH:
        return _unproven(switch, seen)
    hung = any(one.seen == "lit" for one in seen) and not any(one.seen == "dark" for one in seen)
    state = "hung" if hung else "dead"
    return Judgement(state, f"{switch} does not answer and nothing passes through it: {_who(seen)}.", (_dead(switch, seen, hung=hung),))


def _dead(switch: str, seen: Sequence[Sighting], *, hung: bool) -> Finding:
    how = "has its lights on but forwards nothing" if hung else "is dead"
    return Finding("switch-dead", "info", f"{switch} {how}: {_who(seen)}.", "What it carried comes back through its spare.")


def _alive(switch: str, passing: Sequence[Sighting], answering: Sequence[Sighting]) -> Judgement:
    managed = "" if answering else " Only its management is out of reach: that is a fault of the way to it, not of the switch."
    sentence = f"{switch} still forwards: {_who(passing)}.{managed}"
    return Judgement(
        "alive",
        sentence,
        (
            Finding(
                "switch-alive",
                "overridable",
                sentence,
                "Replacing it would cut off everybody who works through it now.",
                "Look at what really fails: one port (its counters, its fibre), the server, or the way of the management.",
                "A planned exchange in a quiet window is recovery run switch_failback.",
            ),
        ),
    )


def _answers(switch: str, answering: Sequence[Sighting], stopped: Sequence[Sighting]) -> Judgement:
    against = f" Against it speaks only: {_who(stopped)}." if stopped else " Nobody saw that anything fails to pass through it."
    sentence = f"{switch} answers ({_who(answering)}).{against}"
    return Judgement(
        "alive",
        sentence,
        (
            Finding(
                "switch-alive",
                "overridable",
                sentence,
                "A switch that may still forward is not replaced: it would cut off those who work through it.",
                "Try from a workstation behind it, and look at a neighbour's port towards it; then repeat.",
            ),
        ),
    )


def _cut_off(switch: str, seen: Sequence[Sighting]) -> Judgement:
    sentence = f"This control node reaches no switch at all, not only not {switch}: it is the one that is cut off. {_who(seen)}."
    return Judgement(
        "cut-off",
        sentence,
        (
            Finding(
                "control-node-cut-off",
                "stop",
                sentence,
                "From here nothing can be known about the switch, and nothing configured.",
                "Look at this control node's own cable, address and management network.",
                "Run it from another control node, or carry out the paper procedure from the last printed cable sheet.",
            ),
        ),
    )


def _unproven(switch: str, seen: Sequence[Sighting]) -> Judgement:
    sentence = f"That {switch} is dead is not proven: {_who(seen)}."
    return Judgement(
        "unproven",
        sentence,
        (
            Finding(
                "switch-not-proven-dead",
                "overridable",
                sentence,
                f"At least {ENOUGH} sides of different kinds must agree, one of them on whether anything passes through it.",
                "Have somebody look at its lights and try from a workstation behind it; make one of its neighbours answer; then repeat.",
            ),
        ),
    )


def rehearsed(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings as a rehearsal tells them: it replaces nothing, so that the switch lives is no reason to stop looking."""
    lives = ("switch-alive", "switch-not-proven-dead")
    return [
        replace(one, severity="warning", message=f"{one.message} A real run would be refused.") if one.code in lives else one
        for one in findings
    ]
