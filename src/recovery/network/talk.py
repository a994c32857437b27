"""How each platform is talked to: ``platforms/<platform>/talk.yml`` as typed data. Nothing here knows a vendor."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PLATFORMS = Path(__file__).parent / "platforms"
ANY_NAME = r"[^\s<>\[\]#()]+?"


@dataclass(frozen=True)
class Question:
    """What a switch may ask, and what it is answered."""

    asks: re.Pattern[str]
    answer: str


@dataclass(frozen=True)
class Show:
    """One table of a switch: the command, the template that reads its answer, and which column is what."""

    command: str
    template: Path
    take: Mapping[str, str]
    optional: bool = False  # a switch without PoE or optics may reject the command
    only: Mapping[str, re.Pattern[str]] = field(default_factory=dict)  # the part of a column that is meant
    none: re.Pattern[str] | None = None  # an answer by which the table is empty
    per: float = 1.0  # how many of the platform's units of power make a watt


@dataclass(frozen=True)
class Trial:
    """How the platform undoes a change by itself unless it is confirmed. ``per`` is how many seconds its unit has."""

    arm: str
    confirm: str
    abort: str
    replaces: str  # the command whose place `arm` takes: enter, commit
    ends_in: str  # the view in which it is confirmed or aborted: exec, configure
    per: int = 1
    least: int = 1
    most: int = 65535


@dataclass(frozen=True)
class Talk:
    """Everything that talking to a platform needs. ``prompt`` is a pattern with ``{name}`` for the switch's own name."""

    platform: str
    prompt: str
    view: re.Pattern[str]
    pager: re.Pattern[str]
    questions: tuple[Question, ...]
    unknown_question: re.Pattern[str]
    errors: tuple[re.Pattern[str], ...]
    prepare: tuple[str, ...]
    enter: str
    leave: str
    rename: re.Pattern[str]
    save: str
    save_done: re.Pattern[str]
    save_timeout_s: float
    running: str
    startup: str
    startup_none: re.Pattern[str]
    end: re.Pattern[str]
    volatile: tuple[re.Pattern[str], ...]
    abbreviations: Mapping[str, str]
    no_ports: re.Pattern[str]
    shows: Mapping[str, Show]
    secrets: tuple[re.Pattern[str], ...]
    name_shown: int = 0  # so many letters of the name are in the prompt; 0 for all
    enable: str = ""
    commit: str = ""  # empty: every line takes effect at once
    abandon: str = ""
    pending: re.Pattern[str] | None = None
    trial: Trial | None = None

    def prompt_of(self, *names: str) -> re.Pattern[str]:
        """Return the pattern of a prompt of one of these names, at the end of what was read; without names, of any."""
        cut = self.name_shown
        either = "|".join(re.escape(name[:cut]) + r"\S*?" if cut and len(name) > cut else re.escape(name) for name in names)
        return self._prompt(f"(?:{either})" if names else ANY_NAME)

    def name_in(self, prompt: str) -> str:
        """Return the name that a prompt shows; empty for what is no prompt of this platform."""
        for place in range(self.prompt.count("{name}")):
            pattern = self.prompt
            for other in range(self.prompt.count("{name}")):
                pattern = pattern.replace("{name}", f"(?P<name>{ANY_NAME[:-1]})" if other == place else ANY_NAME, 1)
            found = re.match(pattern + r"\s*\Z", prompt)
            if found and found["name"]:
                return found["name"]
        return ""

    def _prompt(self, name: str) -> re.Pattern[str]:
        return re.compile(r"(?:^|[\r\n])(?:" + self.prompt.replace("{name}", name) + r")\s*\Z")

    def rejected(self, text: str) -> bool:
        """Say whether an answer is a refusal."""
        return any(pattern.search(text) for pattern in self.errors)

    def full_port(self, name: str) -> str:
        """Return a port's name in full where the platform abbreviates it (GE0/0/1, Gi1/0/1)."""
        found = re.match(r"([A-Za-z][A-Za-z-]*?)\s*(\d.*)$", name.strip())
        return self.abbreviations.get(found[1], found[1]) + found[2] if found else name.strip()


def _lines(patterns: Any) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns or ())


def _show(entry: Mapping[str, Any]) -> Show:
    if "own" in entry:
        template = PLATFORMS / f"{entry['own']}.textfsm"
    else:
        import ntc_templates

        template = Path(ntc_templates.__file__).parent / "templates" / f"{entry['ntc']}.textfsm"
    only = {key: re.compile(pattern) for key, pattern in (entry.get("only") or {}).items()}
    none = re.compile(entry["none"]) if entry.get("none") else None
    return Show(entry["command"], template, entry["take"], bool(entry.get("optional")), only, none, float(entry.get("per", 1)))


@functools.cache
def talk(platform: str) -> Talk:
    """Return how a platform is talked to. Raises ValueError for one that is not known."""
    path = PLATFORMS / platform / "talk.yml"
    if not path.is_file():
        known = ", ".join(sorted(each.parent.name for each in PLATFORMS.glob("*/talk.yml")))
        raise ValueError(f"{platform!r} is no platform that is talked to here: {known}.")
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    secrets = yaml.safe_load((PLATFORMS / "secrets.yml").read_text(encoding="utf-8"))
    trial = given.get("trial")
    return Talk(
        platform=platform,
        prompt=given["prompt"],
        view=re.compile(given["view"]),
        pager=re.compile(given["pager"]),
        questions=tuple(Question(re.compile(row["asks"] + r"\s*\Z", re.DOTALL), str(row["answer"])) for row in given["questions"]),
        unknown_question=re.compile(given["unknown_question"] + r"\s*\Z"),
        errors=_lines(given["errors"]),
        prepare=tuple(given["prepare"]),
        enter=given["configure"]["enter"],
        leave=given["configure"]["leave"],
        rename=re.compile(given["rename"]),
        save=given["save"]["command"],
        save_done=re.compile(given["save"]["done"]),
        save_timeout_s=float(given["save"].get("timeout_s", 120)),
        running=given["running"]["command"],
        startup=given["startup"]["command"],
        startup_none=re.compile(given["startup"]["none"]),
        end=re.compile(given["end"], re.MULTILINE),
        volatile=_lines(given.get("volatile")),
        abbreviations=given.get("abbreviations") or {},
        no_ports=re.compile(given["no_ports"]),
        shows={key: _show(entry) for key, entry in given["show"].items()},
        secrets=tuple(re.compile(pattern) for pattern in secrets[given.get("secrets", platform)]),
        name_shown=int(given.get("name_shown", 0)),
        enable=given.get("enable", ""),
        commit=given.get("commit", ""),
        abandon=given.get("abandon", ""),
        pending=re.compile(given["pending"]) if given.get("pending") else None,
        trial=Trial(**trial) if trial else None,
    )
