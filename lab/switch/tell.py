"""Say what a platform's command line takes: `python -m lab.switch.tell huawei`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from lab.switch.device import PLATFORMS
from lab.switch.grammar import Grammar, Rule, load


def _acts(grammar: Grammar, rule: Rule) -> bool:
    """Say whether a line is more than stored: it is acted upon, or opens a view whose lines may be."""
    if rule.opens:
        return any(grammar.acts(inner) for inner in grammar.rules.get(rule.opens, ()))
    return grammar.acts(rule)


def lines(platform: str) -> Iterator[tuple[str, str, str]]:
    """Go through the configuration's lines: view, `acts` or `stores`, pattern."""
    grammar = load(platform)
    for view, rules in grammar.rules.items():
        for rule in rules:
            yield view, "acts" if _acts(grammar, rule) else "stores", rule.line


def main() -> None:
    """Print a table."""
    if len(sys.argv) != 2 or sys.argv[1] not in PLATFORMS:
        sys.exit(f"usage: python -m lab.switch.tell {'|'.join(PLATFORMS)}")
    for view, how, line in lines(sys.argv[1]):
        print(f"{view:<12}{how:<8}{line}")


if __name__ == "__main__":
    main()
