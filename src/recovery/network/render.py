"""The model, written as a platform's whole configuration text, in the platform's own order (``config.j2`` beside its grammar)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from .change import Operation, operation_lines
from .facts import built, flat, parts
from .grammar import Grammar, load
from .model import Block, Switch, Vlan
from .writing import Written


@cache
def _template(platform: str) -> Template:
    loader = FileSystemLoader(Path(__file__).parent / "platforms" / platform)
    # Text for a device, not for a browser: nothing is escaped.
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701
    return environment.get_template("config.j2")


def render(switch: Switch) -> list[str]:
    """Return the configuration text of a switch, line by line.

    NotExpressible (a ValueError) if the platform has no words for something: ``carry`` lists such things instead. What stands in
    ``unknown`` is not written.
    """
    grammar = load(switch.platform)
    text = _template(switch.platform).render(switch=switch, config=_Sections(grammar, switch))
    found: list[str] = []
    for line in text.splitlines():
        empty = line == grammar.style.separator
        if line.strip() and not (empty and found and found[-1] == line):
            found.append(line)
    return found


class _Sections:
    """What ``config.j2`` asks for: the sections of a configuration, each ended by the platform's separator."""

    def __init__(self, grammar: Grammar, switch: Switch) -> None:
        self.grammar, self.switch = grammar, switch
        self.taken: set[str] = set()

    def views(self, kind: str) -> str:
        """Every part of a kind that has a view of its own."""
        found = parts(self.switch, kind).items()
        return "".join(self._section(self._part(kind, key, part)) for key, part in found if part != Vlan(1))

    def outside(self, kind: str, *facts: str) -> str:
        """What is said of a kind outside of all views, or in views of others; only the named facts, if some are named."""
        written = [line for key, part in parts(self.switch, kind).items() for line in self._part(kind, key, part, facts)]
        port = self.switch.management.port if kind == "management" else ""
        return self._section([*([Written(self.grammar.views["management"].enter.write(key=port), "")] if port else []), *written])

    def created(self) -> str:
        """The line that creates VLANs, where a platform has one."""
        create = self.grammar.create
        if create is None or not self.switch.vlans:
            return ""
        lists = self.grammar.style.vlan_lists(set(self.switch.vlans) - {1})
        return self._section([Written("", create.text.replace("<vlans>", part)) for part in lists])

    def named(self) -> str:
        """The views of the VLANs of which there is more to say than that they exist."""
        return "".join(self._section(self._part("vlan", key, vlan)) for key, vlan in self.switch.vlans.items() if vlan != Vlan(key))

    def blocks(self, *kinds: str) -> str:
        """The verbatim blocks of the named kinds; without a kind, all that have not been asked for."""
        text = ""
        for header, block in self.switch.blocks.items():
            if header not in self.taken and (not kinds or block.kind in kinds):
                self.taken.add(header)
                text += self._block(header, block)
        return text

    def _block(self, header: str, block: Block) -> str:
        indent = "" if block.kind == "banner" else " "
        lines = [header, *(f"{indent}{line}" for line in block.lines)] if block.lines else [f"{self.grammar.style.global_indent}{header}"]
        return "\n".join([*lines, self.grammar.style.separator, ""])

    def _part(self, kind: str, key: Any, part: Any, facts: Sequence[str] = ()) -> list[Written]:
        grammar = self.grammar
        if kind == "hostname" and not part:
            return []
        default = part if kind not in ("stp", "services", "management") else built(kind, "", grammar.default(kind))
        old = default if kind in ("stp", "services", "management") else None
        protocol = ""
        if kind == "port" and part.aggregate is not None:
            aggregate = self.switch.aggregates.get(part.aggregate)
            protocol = aggregate.protocol if aggregate else "static"
        if facts:
            part = built(kind, key, {fact: value for fact, value in flat(part).items() if fact in facts} | _usual(grammar, kind, facts))
        return operation_lines(grammar, Operation(kind, key, old, part, protocol=("", protocol)), entering=False)

    def _section(self, written: list[Written]) -> str:
        """Lines under their headers, indented; what stands outside comes first."""
        style = self.grammar.style
        outside = [f"{style.global_indent}{line}" for header, line in written if not header]
        headers = dict.fromkeys(header for header, _ in written if header)
        sections = [outside] if outside else []
        sections += [[header, *(f" {line}" for own, line in written if own == header and line)] for header in headers]
        return "".join("\n".join([*section, style.separator, ""]) for section in sections)


def _usual(grammar: Grammar, kind: str, facts: Sequence[str]) -> dict[str, Any]:
    return {fact: value for fact, value in grammar.default(kind).items() if fact not in facts}
