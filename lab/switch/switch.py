"""One switch: what it is, what it runs, what it would start with, and the switch behind it."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from lab.switch import grammar as grammars
from lab.switch.backend import Backend, BackendError, Setting, difference
from lab.switch.derive import setting, some_ports
from lab.switch.device import Control, Device
from lab.switch.pattern import CommandError
from lab.switch.tree import Context, RefusedError, Tree
from lab.switch.values import Environment, reveals, unfinished


@dataclass(frozen=True)
class Unknown:
    """A line of a stored configuration that the platform's grammar does not know."""

    number: int
    view: str
    text: str


@dataclass(frozen=True)
class Commit:
    """A commit on a platform with two stages."""

    number: int
    at: datetime
    by: str
    tree: Tree


@dataclass
class Pending:
    """A change that is taken back by itself unless it is confirmed: VRP's trial, Comware's delay, IOS' revert timer."""

    until: float  # monotonic
    before: Tree
    owner: str
    seconds: float


@dataclass
class Locks:
    """Wrong passwords and who is locked out until when."""

    wrong: dict[str, int] = field(default_factory=dict)
    until: dict[str, float] = field(default_factory=dict)


class Switch:
    """A switch that is powered; every session works on this one object."""

    def __init__(self, device: Device, backend: Backend, clock: Callable[[], float] = time.monotonic) -> None:
        """Power on: the startup configuration is read and acted upon."""
        self.device, self.backend, self.clock = device, backend, clock
        self.grammar = grammars.load(device.platform)
        self.control_override: Control | None = None
        self.sessions: list[object] = []
        self.locks = Locks()
        self.pending: Pending | None = None
        self.commits: deque[Commit] = deque(maxlen=20)
        self.saved_text: str | None = None
        self.applied = Setting()
        self.environment = self._environment()
        self.on_disconnect: Callable[[], None] = lambda: None  # a reboot ends every session
        if device.startup is not None and device.startup.exists():
            self.saved_text = device.startup.read_text(encoding="utf-8")
        self.boot()

    def _environment(self) -> Environment:
        data = self.grammar.data
        ports = {"port": list(self.device.ports), "management": [self.device.management.name] if self.device.management else []}
        return Environment(self.grammar.kinds, ports, bool(data.get("commas")), tuple(data["secret"]["wrap"]), data["secret"]["looks"])

    @property
    def version(self) -> str:
        """Return the software's version."""
        return self.device.version or str(self.grammar.data["version"])

    @property
    def hostname(self) -> str:
        """Return the name that the running configuration gives."""
        return self.applied.hostname

    @property
    def control(self) -> Control:
        """Return how sessions misbehave at the moment."""
        return self.control_override if self.control_override is not None else Control.read(self.device.control)

    # Configurations

    def boot(self) -> None:
        """Start from the startup configuration, or as from the factory."""
        self.pending = None
        self.backend.reboot()
        self.applied = Setting()
        self.running, self.unknown = self.load(self.saved_text if self.saved_text is not None else self.factory_text())
        self.booted_at = datetime.now().astimezone()
        self.changed_at = self.booted_at
        self.act()

    def reboot(self) -> None:
        """Start again; every session ends."""
        self.boot()
        self.on_disconnect()

    def factory_text(self) -> str:
        """Return what the box holds when it comes out of its carton."""
        return str(self.grammar.data["factory"])

    def load(self, text: str) -> tuple[Tree, list[Unknown]]:
        """Read a configuration text; lines that the grammar does not know are named, and not kept."""
        tree = Tree(self.grammar)
        self._own_ports(tree)
        unknown: list[Unknown] = []
        stack: list[tuple[int, list[Context]]] = [(-1, [tree.root])]
        rows = iter(enumerate(text.splitlines(), 1))
        for number, raw in rows:
            line = raw.strip()
            if mark := unfinished(line):
                for _, more in rows:
                    line += "\n" + more
                    if mark in more:
                        break
            if not line or line[0] in "#!" or re.fullmatch(self.grammar.data["skip"], line):
                if raw[:1] in ("#", "!"):
                    stack = stack[:1]
                continue
            indent = len(raw) - len(raw.lstrip())
            levels = [level for level in stack if level[0] < indent] if indent else stack[:1]
            for place in (levels, stack):
                opened = self._load_line(tree, place[-1][1], line)
                if opened is not None:
                    stack = [*place, (indent, opened)] if opened else place
                    break
            else:
                unknown.append(Unknown(number, levels[-1][1][0].view, line))
        return tree, unknown

    def _load_line(self, tree: Tree, contexts: list[Context], line: str) -> list[Context] | None:
        try:
            match = self.grammar.machines[contexts[0].view].match(line, self.environment)
        except CommandError:
            return None
        verb, rule = match.tag
        if verb == "do" or rule.view != contexts[0].view:
            return None
        opened: list[Context] = []
        for context in contexts:
            if verb == "undo":
                tree.undo(context, rule, match.values, match.text.partition(" ")[2])
            elif rule.opens:
                opened += tree.open(context, rule, match.values, match.text)
            else:
                tree.set(context, rule, match.values, match.text)
        return opened if verb == "set" and rule.opens and rule.enter else []

    def _own_ports(self, tree: Tree) -> None:
        """Open the view of every socket of the box."""
        rules = [rule for rule in self.grammar.rules[tree.root.view] if rule.keep]
        for rule in rules:
            for name in self.environment.ports.get(rule.opens, ()):
                tree.open(tree.root, rule, {"name": name})

    def act(self, ports: Collection[str] = ()) -> None:
        """Make the switch behind do what the running configuration says; BackendError says why it cannot.

        With `ports`, nothing but these ports' own lines can have changed.
        """
        want = some_ports(self.running, self.applied, ports) if ports else setting(self.running, self.device)
        change = difference(self.applied, want)
        if not change.empty:
            self.backend.apply(change)
        self.applied = want

    def edit(self, work: Callable[[Tree], None], acts: bool = True, ports: Collection[str] = ()) -> None:
        """Change the running configuration, whole or not at all; what does not act is stored only."""
        before = self.running.copy()
        try:
            work(self.running)
            if acts:
                self.act(ports)
        except (BackendError, RefusedError) as error:
            self.running.root = before.root
            if isinstance(error, BackendError):
                raise RefusedError(str(self.grammar.data["refusals"]["backend"]).format(error)) from error
            raise
        self.changed_at = datetime.now().astimezone()

    def replace(self, tree: Tree) -> None:
        """Run another configuration."""
        root = tree.copy().root
        self.edit(lambda running: setattr(running, "root", root))

    def save(self) -> None:
        """Keep the running configuration for the next start."""
        self.saved_text = self.text(self.running)
        self.saved_at = datetime.now().astimezone()
        if self.device.startup is not None:
            self.device.startup.parent.mkdir(parents=True, exist_ok=True)
            aside = self.device.startup.with_suffix(".new")
            aside.write_text(self.saved_text, encoding="utf-8")
            aside.replace(self.device.startup)

    def erase(self) -> None:
        """Forget the startup configuration: the next start is as from the factory."""
        self.saved_text = None
        if self.device.startup is not None:
            self.device.startup.unlink(missing_ok=True)

    def text(self, tree: Tree) -> str:
        """Return a configuration as the platform shows it."""
        data = self.grammar.data
        head = str(data["head"]).format(version=self.version, release=self.version.rpartition(", ")[2])
        return head + "\n".join([*tree.lines(), str(data["end"])]) + "\n"

    # Changes that are taken back by themselves

    def arm(self, seconds: float, owner: str, before: Tree) -> None:
        """Take the changes back after so many seconds unless they are confirmed."""
        self.pending = Pending(self.clock() + seconds, before, owner, seconds)

    def tick(self) -> bool:
        """Take back what was not confirmed in time; say whether that happened."""
        if self.pending is None or self.clock() < self.pending.until:
            return False
        before, self.pending = self.pending.before, None
        self.replace(before)
        return True

    # Accounts

    def locked(self, name: str) -> bool:
        """Say whether an account is locked out now."""
        return self.locks.until.get(name, 0.0) > self.clock()

    def login(self, name: str, password: str) -> bool:
        """Check a password; too many wrong ones lock the account."""
        if self.locked(name):
            return False
        if self._right(name, password):
            self.locks.wrong.pop(name, None)
            return True
        self.locks.wrong[name] = self.locks.wrong.get(name, 0) + 1
        if self.locks.wrong[name] >= self.device.limits.wrong_passwords:
            self.locks.wrong.pop(name)
            self.locks.until[name] = self.clock() + self.device.limits.lock_s
        return False

    def _right(self, name: str, password: str) -> bool:
        if name in self.device.accounts:
            return self.device.accounts[name] == password
        stored = [
            str(item.values["secret"])
            for context in (self.running.root, *self.running.root.children.values())
            for item in [*context.items.values(), *(i for child in context.children.values() for i in child.items.values())]
            if item.rule.acts.get("account") and item.values.get("user", context.name) == name and "secret" in item.values
        ]
        return any(reveals(secret, password, self.environment.wrap) for secret in stored)
