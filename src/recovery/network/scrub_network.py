"""Secrets in a switch's configuration: found by where they stand, and replaced before anything is written down or shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

HIDDEN = "[***]"


def replace(text: str, patterns: Sequence[re.Pattern[str]], name: Callable[[str], str]) -> str:
    """Return the text with every secret replaced by what ``name`` gives for it. Each pattern has a group ``secret``."""
    return "\n".join(_line(line, patterns, name) for line in text.split("\n"))


def _line(line: str, patterns: Sequence[re.Pattern[str]], name: Callable[[str], str]) -> str:
    found = sorted({match.span("secret") for pattern in patterns for match in pattern.finditer(line)}, reverse=True)
    taken = len(line) + 1
    for start, end in found:
        if end <= taken:  # of two patterns that see the same word, the first one replaces it
            line, taken = line[:start] + name(line[start:end]) + line[end:], start
    return line


def hide(text: str, patterns: Sequence[re.Pattern[str]]) -> str:
    """Return the text with every secret hidden, for journals, diffs and messages."""
    return replace(text, patterns, lambda _: HIDDEN)


def hide_rows(rows: Iterable[Mapping[str, Any]], patterns: Sequence[re.Pattern[str]]) -> list[dict[str, Any]]:
    """Return rows that quote a configuration (what is not carried, what is not understood) with every secret hidden."""
    return [{key: hide(value, patterns) if isinstance(value, str) else value for key, value in row.items()} for row in rows]
