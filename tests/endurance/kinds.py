"""What is interrupted, where and how: a course is a runbook with what it is asked, a kind is a way to break into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from subprocess import Popen

from endurance.beside import BesideRig
from endurance.points import Point
from endurance.rig import Rig


@dataclass(frozen=True)
class Course:
    """A runbook with what it is asked, and the rig that breaks what it recovers and proves its end."""

    name: str
    rig: type[Rig]
    runbook: str
    extra: tuple[str, ...]


LOCAL = Course("local", Rig, "database_restore", ("source=local",))
OFFSITE = Course("offsite", Rig, "database_restore", ("source=offsite",))
BESIDE = Course("beside", BesideRig, "database_restore", ("mode=beside", "source=local"))
COURSES = (LOCAL, OFFSITE, BESIDE)


@dataclass(frozen=True)
class Kind:
    """A way to break into a course.

    ``stop`` interrupts, ``mend`` is what a person does before the same command is given again. ``long``: only in the middle of tasks
    that take long, because between two tasks nothing is under way that the loss of a host or of space could hit. ``forgets``: the
    newest log is with the source in memory only (plain log never reaches the disk of backup-offsite), and goes with its power.
    """

    course: Course
    long: bool
    stop: Callable[[Rig, Popen[bytes]], None]
    mend: Callable[[Rig], None]
    forgets: bool = False


def _kill(rig: Rig, process: Popen[bytes]) -> None:
    rig.kill(process)


def _nothing(rig: Rig) -> None:
    """Nobody does anything in between."""


def _cut(host: str) -> Callable[[Rig, Popen[bytes]], None]:
    return lambda rig, _: rig.cut(host)


def _power(rig: Rig) -> None:
    rig.power()


def _fill(rig: Rig, _: Popen[bytes]) -> None:
    rig.call("lab", "break", "disk-full", "his-db", "data")


def _empty(rig: Rig) -> None:
    rig.call("lab", "repair", "disk-full")


KINDS = {
    "kill": Kind(LOCAL, False, _kill, _nothing),
    "power": Kind(LOCAL, True, _cut("his-db"), _power),
    "disk": Kind(LOCAL, True, _fill, _empty),
    "offsite": Kind(OFFSITE, True, _cut("backup-offsite"), _power, forgets=True),
    "scratch": Kind(BESIDE, True, _cut("drill-1"), _power),
    "kill-beside": Kind(BESIDE, False, _kill, _nothing),
    "kill-offsite": Kind(OFFSITE, False, _kill, _nothing),
}


def eligible(kind: Kind, found: list[Point]) -> list[Point]:
    """Return the points of a recorded run at which this kind of interruption makes sense."""
    return [point for point in found if point.within] if kind.long else found
