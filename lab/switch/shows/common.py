"""Answers that are alike on every platform: configurations, the clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.switch.shows.look import Look, Show
from lab.switch.tree import Tree

Values = Mapping[str, Any]


def current(look: Look, values: Values) -> str:
    """Return the running configuration."""
    text = look.switch.text(look.switch.running)
    head = str(look.session.data.get("running_head", ""))
    return head.format(bytes=len(text), now=look.switch.changed_at, user=look.session.user) + text


def candidate(look: Look, values: Values) -> str:
    """Return what would run after a commit."""
    return look.switch.text(look.session.tree)


def saved(look: Look, values: Values) -> str:
    """Return the startup configuration."""
    if look.switch.saved_text is None:
        return str(look.session.data["refusals"]["not_saved"]) + "\n"
    return str(look.session.data.get("saved_head", "")).format(bytes=len(look.switch.saved_text)) + look.switch.saved_text


def _views(look: Look, tree: Tree, wanted: list[Any]) -> str:
    mark = str(look.session.data["separator"])
    end = str(look.session.data["end"])
    lines = [mark]
    for context in wanted:
        lines += [*tree.lines(context), mark]
    return "\n".join([*lines, end]) + "\n"


def current_interface(look: Look, values: Values) -> str:
    """Return the running configuration of one interface, or of all."""
    tree = look.switch.running
    shown = [c for c in tree.root.children.values() if c.view in ("port", "svi", "aggregate", "management", "loopback")]
    return _views(look, tree, [c for c in shown if values.get("name") in (None, c.name)])


def this(look: Look, values: Values) -> str:
    """Return the lines of the view that the session is in."""
    session = look.session
    if not session.stack:
        return ""
    contexts = session.contexts()
    tree = session.tree
    if contexts[0].rule is None:
        return look.switch.text(tree)
    return _views(look, tree, contexts)


def current_section(look: Look, values: Values) -> str:
    """Return the parts of the running configuration whose heading begins with a word."""
    tree = look.switch.running
    word = str(values.get("section", "")).lower()
    return _views(look, tree, [c for c in tree.root.children.values() if c.view == word or tree.lines(c)[0].lower().startswith(word)])


def clock(look: Look, values: Values) -> str:
    """Return the time."""
    return f"{look.now:%Y-%m-%d %H:%M:%S%z}\n{look.now:%A}\nTime Zone(DefaultZone) : {look.now:%Z}\n"


SHOWS: dict[str, Show] = {
    "current": current,
    "candidate": candidate,
    "saved": saved,
    "current_interface": current_interface,
    "current_section": current_section,
    "this": this,
    "clock": clock,
}
