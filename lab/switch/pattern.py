"""The commands of a view as one machine: keywords may be abbreviated, values are checked, an error has a place in the line.

A pattern is written `stp {mode <mode:one(stp,rstp)>|priority <n:int(0,61440)>} [force]`: words, `{a|b}` one of, `[a]` may be
left out, `<name:type>` a value. Types stand in `lab.switch.values`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from lab.switch.values import TYPES, Environment, Type

Tag = TypeVar("Tag")
ErrorKind = Literal["unknown", "incomplete", "ambiguous", "wrong", "many"]
PIECE = re.compile(r"<[^>]+>|[{}\[\]|]|[^\s{}\[\]|<>]+")
PARAMETER = re.compile(r"<([\w-]+):([\w-]+)(?:\(([^)]*)\))?>")
WORD = re.compile(r'"[^"]*"?|\S+')


class CommandError(Exception):
    """A line that the command line does not take: which kind of error, and where in the line."""

    def __init__(self, kind: ErrorKind, position: int, matched: int = 0) -> None:
        """Keep the kind, the column of the word (from 0), and how many of its letters some keyword begins with."""
        super().__init__(f"{kind} at {position}")
        self.kind: ErrorKind = kind
        self.position = position
        self.matched = matched


@dataclass(eq=False)
class State:
    """A state between two words; an edge is a keyword or a typed value."""

    words: list[tuple[str, str, State]] = field(default_factory=list)  # keyword, name it is kept under, next
    values: list[tuple[str, Type, tuple[str, ...], State]] = field(default_factory=list)
    free: list[State] = field(default_factory=list)  # reached without a word
    accepts: bool = False

    def closure(self) -> list[State]:
        """Return the states that are reached without a word, this one first."""
        seen, wait = [self], [self]
        while wait:
            for state in wait.pop().free:
                if state not in seen:
                    seen.append(state)
                    wait.append(state)
        return seen


def compile_pattern(text: str) -> State:
    """Return the first state of a pattern's machine."""
    pieces = PIECE.findall(text)
    first = State()
    last, rest = _sequence(pieces, first)
    if rest:
        raise ValueError(f"{text!r} has a bracket too many")
    last.accepts = True
    return first


def _sequence(pieces: list[str], state: State) -> tuple[State, list[str]]:
    while pieces and pieces[0] not in "|}]":
        piece, pieces = pieces[0], pieces[1:]
        end = State()
        if piece in "{[":
            if piece == "[":
                state.free.append(end)
            pieces = ["|", *pieces]
            while pieces[0] == "|":
                start = State()
                state.free.append(start)
                last, pieces = _sequence(pieces[1:], start)
                last.free.append(end)
            pieces = pieces[1:]
        elif parameter := PARAMETER.fullmatch(piece):
            name, kind, arguments = parameter[1], parameter[2], tuple(filter(None, (parameter[3] or "").split(",")))
            _value(state, end, name, kind, arguments)
        else:
            state.words.append((piece, "", end))
        state = end
    return state, pieces


def _value(state: State, end: State, name: str, kind: str, arguments: tuple[str, ...]) -> None:
    if kind == "one":
        state.words.extend((word, name, end) for word in arguments)
    elif kind in ("vlans", "vlans-some"):
        # Either one word `10,20-24` or many `10 20 to 24`: each type refuses what is not the platform's way.
        state.values.append((name, TYPES["vlans-word"], arguments, end))
        item, to = State(), State()
        for begin in (state, item):
            begin.values.append((name, TYPES["vlans-first"], arguments, item))
        item.words.append(("to", "", to))
        to.values.append((name, TYPES["vlans-to"], arguments, item))
        item.free.append(end)
    elif kind in ("port", "svi", "aggregate", "management", "loopback", "interface"):
        # GigabitEthernet0/0/1 or GigabitEthernet 0/0/1
        state.values.append((name, TYPES["interface-whole"], (kind,), end))
        number = State()
        state.values.append((name, TYPES["interface-kind"], (kind,), number))
        number.values.append((name, TYPES["interface-number"], (kind,), end))
    else:
        state.values.append((name, TYPES[kind], arguments, end))


@dataclass(frozen=True)
class Thread(Generic[Tag]):
    """One way of reading the words so far."""

    tag: Tag
    state: State
    values: Mapping[str, Any]
    text: tuple[str, ...]
    rank: tuple[int, ...] = ()


@dataclass(frozen=True)
class Match(Generic[Tag]):
    """A line understood: which command it is, its values, and its words in full."""

    tag: Tag
    values: Mapping[str, Any]
    text: str


class Machine(Generic[Tag]):
    """All commands that one view takes."""

    def __init__(self, patterns: Iterable[tuple[str, Tag]]) -> None:
        """Compile the patterns, each with what it stands for."""
        self._starts: list[Thread[Tag]] = []
        for text, tag in patterns:
            self._starts.extend(Thread(tag, state, {}, ()) for state in compile_pattern(text).closure())
        self._begin: dict[str, list[Thread[Tag]]] = {}

    def _starting(self, word: str) -> list[Thread[Tag]]:
        """Return the commands that may begin with a word's first letter."""
        letter = word[:1].lower()
        if letter not in self._begin:
            self._begin[letter] = [thread for thread in self._starts if _may_begin(thread.state, letter)]
        return self._begin[letter]

    def match(self, line: str, environment: Environment) -> Match[Tag]:
        """Read a line; CommandError says what is wrong with it and where."""
        words = [(found.start(), found[0]) for found in WORD.finditer(line)]
        threads = self._starting(line)
        if not threads:
            raise CommandError("unknown", 0)
        done: list[Thread[Tag]] = []
        for position, word in words:
            try:
                threads = _step(threads, word, line[position:].rstrip(), position, environment)
            except CommandError:
                if done:
                    break
                raise
            done += [thread for thread in threads if thread.state.accepts and thread.rank[-1] == 2]  # a text takes the rest of the line
        else:
            done += [thread for thread in threads if thread.state.accepts]
        if not done:
            raise CommandError("incomplete", len(line.rstrip()))
        best = min(done, key=lambda thread: thread.rank)
        return Match(best.tag, best.values, " ".join(best.text))


def _alike(one: str, other: str) -> int:
    """Return with how many letters both begin."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _may_begin(state: State, letter: str) -> bool:
    return bool(state.values) or any(key[:1].lower() == letter for key, _, _ in state.words)


def _step(threads: list[Thread[Tag]], word: str, rest: str, position: int, environment: Environment) -> list[Thread[Tag]]:
    lower = word.lower()
    near = {key.lower() for thread in threads for key, _, _ in thread.state.words if key.lower().startswith(lower)}
    if lower in near:
        near = {lower}
    after: list[Thread[Tag]] = []
    tried = False
    for thread in threads:
        for key, name, state in thread.state.words:
            if key.lower() in near:
                values = {**thread.values, name: key} if name else thread.values
                after.extend(Thread(thread.tag, s, values, (*thread.text, key), (*thread.rank, 0)) for s in state.closure())
        for name, kind, arguments, state in thread.state.values:
            tried = True
            taken = kind(rest if kind.whole else word, arguments, environment, thread.values.get(name))
            if taken is None:
                continue
            values = {**thread.values, name: taken.value}
            rank = (*thread.rank, 2 if kind.whole else 1)
            text = (*thread.text, taken.text) if taken.text else thread.text
            after.extend(Thread(thread.tag, s, values, text, rank) for s in state.closure())
    if len(near) > 1 and all(thread.rank[-1] == 0 for thread in after):
        raise CommandError("ambiguous", position)
    if not after:
        if all(not thread.state.words and not thread.state.values for thread in threads):
            raise CommandError("many", position)
        keys = {key.lower() for thread in threads for key, _, _ in thread.state.words}
        matched = max((_alike(key, lower) for key in keys), default=0)
        raise CommandError("wrong" if tried else "unknown", position, 0 if tried else matched)
    return after
