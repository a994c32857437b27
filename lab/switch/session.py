"""One session at a switch's command line: views, prompts, what a line does, what it answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.switch import actions
from lab.switch.checks import after_removal, allowed
from lab.switch.dialogue import Answering, Ask
from lab.switch.grammar import Rule
from lab.switch.pattern import CommandError, Match
from lab.switch.switch import Switch
from lab.switch.tree import Context, Key, RefusedError, Tree
from lab.switch.values import unfinished

MEMBERSHIP = {"aggregate", "lacp", "passive", "fast"}  # what a port says of its aggregate
LINK = {"mode", "access", "native", "hybrid", "voice"}
FILTERS = ("include", "exclude", "begin", "section", "count")


@dataclass(frozen=True)
class Level:
    """A view that the session is in: which one, what it is about, and what the prompt says."""

    view: str
    paths: tuple[tuple[Key, ...], ...]
    prompt: str = ""


class Session:
    """What one login can see and do."""

    def __init__(self, switch: Switch, user: str = "", origin: str = "") -> None:
        """Begin in the view that a login leads to."""
        self.switch, self.user, self.origin = switch, user, origin
        self.data = switch.grammar.data
        self.exec_view = str(self.data["login_view"])
        self.stack: list[Level] = []
        self.rows = 24
        self.closed = False
        self.candidate: Tree | None = None  # two-stage platforms only, while in configuration
        self.shared: dict[str, Any] = {}

    # Where we are

    @property
    def view(self) -> str:
        """Return the view's name in the grammar."""
        return self.stack[-1].view if self.stack else self.exec_view

    @property
    def two_stage(self) -> bool:
        """Say whether changes wait for a commit."""
        return bool(self.data.get("two_stage"))

    @property
    def tree(self) -> Tree:
        """Return the configuration that this session edits."""
        return self.candidate if self.candidate is not None else self.switch.running

    @property
    def uncommitted(self) -> bool:
        """Say whether this session has changes that wait for a commit."""
        return self.candidate is not None and not self.candidate.root.same(self.switch.running.root)

    def prompt(self) -> str:
        """Return the prompt of the view."""
        name = self.switch.hostname
        prompts = self.data["prompts"]
        mark = "" if not self.two_stage else "*" if self.uncommitted else "~"
        if not self.stack:
            return str(prompts[self.exec_view]).format(name=name, mark=mark)
        level = self.stack[-1]
        return str(prompts["config"]).format(name=name[: int(self.data.get("prompt_name", 64))], view=level.prompt, mark=mark)

    def contexts(self) -> list[Context]:
        """Return what the current view edits; a view that is gone meanwhile leads back to the top."""
        found = []
        for path in self.stack[-1].paths:
            context = self.tree.root
            for key in path:
                if key not in context.children:
                    del self.stack[1:]
                    return [self.tree.root]
                context = context.children[key]
            found.append(context)
        return found

    def enter_configuration(self) -> None:
        """Go to the top view of the configuration."""
        if self.two_stage and self.candidate is None:
            self.candidate = self.switch.running.copy()
        self.stack = [Level(str(self.data["top"]), ((),), str(self.data.get("top_prompt", "")))]

    def leave(self, whole: bool = False) -> None:
        """Go one view back, or out of the configuration."""
        if whole or len(self.stack) == 1:
            self.stack, self.candidate = [], None
        elif self.stack:
            self.stack.pop()

    # What a line does

    def run(self, line: str) -> Answering:
        """Do what a line says; yields questions, returns what is shown before the next prompt."""
        self.switch.tick()
        line = line.strip()
        if not line or line[0] in self.data["comments"]:
            return ""
        width = len(self.prompt())
        if mark := unfinished(line):
            more = ""
            while mark not in more:
                more = yield Ask("")
                line += "\n" + more
        line, keep = self._filter(line)
        try:
            match = self._read(line)
        except CommandError as error:
            return self._error(error, line, width)
        verb, meaning = match.tag
        try:
            if verb == "do":
                answer = yield from actions.perform(self, meaning, match.values)
            else:
                answer = self._configure(verb, meaning, match)
        except RefusedError as error:
            return str(error) + "\n"
        except CommandError as error:
            return self._error(error, line, width)
        return keep(answer) if keep else answer

    def run_exec(self, line: str) -> Answering:
        """Do a command of the privileged view from within the configuration: Cisco's `do`."""
        try:
            match = self.switch.grammar.machines["privileged"].match(line, self.switch.environment)
        except CommandError as error:
            # The place is counted in the whole line, `do` and its blank included.
            raise CommandError(error.kind, error.position + 3, error.matched) from error
        return (yield from actions.perform(self, match.tag[1], match.values))

    def _error(self, error: CommandError, line: str, width: int) -> str:
        position = error.position + (error.matched if self.data.get("caret_in_word") else 0)
        return self.switch.grammar.error(error.kind, line, position, width)

    def _read(self, line: str) -> Match[Any]:
        machines = self.switch.grammar.machines
        try:
            return machines[self.view].match(line, self.switch.environment)
        except CommandError:
            if not (self.data.get("falls_through") and len(self.stack) > 1):
                raise
            # Cisco's way: a line of the global view may stand in any view below it.
            try:
                return machines[str(self.data["top"])].match(line, self.switch.environment)
            except CommandError:
                pass
            raise

    def _filter(self, line: str) -> tuple[str, Any]:
        found = re.fullmatch(r"(.*?)\s+\|\s*(\w+)\s*(.*)", line)
        if not found or not re.match(r"(?i)(d|do\s+s|s)", line):
            return line, None
        names = [name for name in FILTERS if name.startswith(found[2].lower())]
        if not names:
            return line, None
        return found[1], lambda text: filtered(text, names[0], found[3])

    def _configure(self, verb: str, rule: Rule, match: Match[Any]) -> str:
        if rule.view != self.view:
            del self.stack[1:]
        said: list[str] = []
        if verb == "set" and rule.opens:
            entered: list[tuple[Key, ...]] = []
            self._edit(lambda tree: entered.extend(self._opened(tree, rule, match, said)), rule)
            if rule.enter:
                prompt = rule.prompt.format(**{**match.values, "short": self.switch.environment.short(str(match.values.get("name", "")))})
                self.stack.append(Level(rule.opens, tuple(entered), prompt))
        else:
            self._edit(lambda tree: self._change(tree, verb, rule, match, said), rule)
        return "".join(text + "\n" for text in said if text)

    def _edit(self, work: Callable[[Tree], None], rule: Rule) -> None:
        """Change the candidate, or the running configuration and the switch behind it."""
        if self.candidate is not None:
            before = self.candidate.copy()
            try:
                work(self.candidate)
            except RefusedError:
                self.candidate.root = before.root
                raise
            return
        makes = any(need.startswith("make_") for need in rule.needs)
        alone = rule.view == "port" and not (makes or rule.opens or MEMBERSHIP & rule.acts.keys())
        names = [context.name for context in self.contexts()] if alone else ()
        self.switch.edit(work, self.switch.grammar.acts(rule), names)

    def _opened(self, tree: Tree, rule: Rule, match: Match[Any], said: list[str]) -> list[tuple[Key, ...]]:
        paths = []
        for path, context in zip(self.stack[-1].paths, self.contexts(), strict=True):
            said += allowed(self, tree, context, rule, match.values)
            paths += [(*path, opened.key) for opened in tree.open(context, rule, match.values, match.text)]
        said.append(rule.says)
        return paths

    def _change(self, tree: Tree, verb: str, rule: Rule, match: Match[Any], said: list[str]) -> None:
        for context in self.contexts():
            if verb == "undo":
                text = match.text.partition(" ")[2]
                after_removal(self, tree, context, rule, match.values)
                tree.undo(context, rule, match.values, text)
            else:
                said += allowed(self, tree, context, rule, match.values)
                tree.set(context, rule, match.values, match.text)
            said += self._spread(tree, context, verb, rule, match)
        if verb == "set":
            said.append(rule.says)

    def _spread(self, tree: Tree, context: Context, verb: str, rule: Rule, match: Match[Any]) -> list[str]:
        """Give a line of an aggregate to its members too, where the platform does so."""
        if "propagates" not in self.data or context.view != "aggregate" or not (rule.op or LINK & rule.acts.keys() or rule.drops):
            return []
        number = int(context.name[len(context.name.rstrip("0123456789")) :])
        said = []
        twin = next(other for other in self.switch.grammar.rules["port"] if other.line == rule.line)
        for port in tree.root.within("port"):
            if port.facts().get("aggregate") != number:
                continue
            if verb == "undo":
                tree.undo(port, twin, match.values, match.text.partition(" ")[2])
            else:
                tree.set(port, twin, match.values, match.text)
            said.append(str(self.data["propagates"]).format(port.name))
        return said


def filtered(text: str, how: str, pattern: str) -> str:
    """Return the lines of an answer that a filter lets through."""
    try:
        wanted = re.compile(pattern.strip().strip('"'))
    except re.error:
        wanted = re.compile(re.escape(pattern))
    lines = text.splitlines()
    if how == "begin":
        start = next((i for i, line in enumerate(lines) if wanted.search(line)), len(lines))
        lines = lines[start:]
    elif how == "section":
        lines = _sections(lines, wanted)
    elif how == "count":
        return f"Number of lines which match regexp = {sum(bool(wanted.search(line)) for line in lines)}\n"
    else:
        lines = [line for line in lines if bool(wanted.search(line)) == (how == "include")]
    return "".join(line + "\n" for line in lines)


def _sections(lines: list[str], wanted: re.Pattern[str]) -> list[str]:
    out, inside = [], False
    for line in lines:
        if not line.startswith(" "):
            inside = bool(wanted.search(line))
        if inside:
            out.append(line)
    return out
