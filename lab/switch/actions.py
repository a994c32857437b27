"""What commands do: the words on the right of `commands:` in a grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lab.switch import dialogue, shows, twostage
from lab.switch.dialogue import Answering, Ask
from lab.switch.grammar import Command
from lab.switch.tree import RefusedError

if TYPE_CHECKING:
    from lab.switch.session import Session

Values = Mapping[str, Any]


def perform(session: Session, command: Command, values: Values) -> Answering:
    """Do a command; yields questions, returns what is shown."""
    if command.action == "show":
        return shows.show(session, command.argument, values)
    if command.action == "dialogue":
        return (yield from dialogue.hold(session, command.argument))
    if command.action in ASKING:
        return (yield from ASKING[command.action](session, values))
    if command.action == "do":
        return (yield from session.run_exec(str(values["line"])))
    return PLAIN[command.action](session, values, command.argument)


def _configure(session: Session, values: Values, argument: str) -> str:
    session.enter_configuration()
    return str(session.data.get("remarks", {}).get("configure", ""))


def _view(session: Session, values: Values, argument: str) -> str:
    session.exec_view = argument
    return ""


def _leave(session: Session, values: Values, argument: str) -> str:
    session.leave()
    return ""


def _logout(session: Session, values: Values, argument: str) -> str:
    session.closed = True
    return str(session.data.get("remarks", {}).get("logout", ""))


def _length(session: Session, values: Values, argument: str) -> str:
    session.rows = int(values.get("rows", argument or 24))
    return str(session.data.get("remarks", {}).get("length", ""))


def _nothing(session: Session, values: Values, argument: str) -> str:
    return str(session.data.get("remarks", {}).get(argument, "")) if argument else ""


def _flush(session: Session, values: Values, argument: str) -> str:
    session.switch.backend.flush_macs()
    return ""


def _clear(session: Session, values: Values, argument: str) -> str:
    session.switch.backend.clear_counters(str(values.get("name", "")))
    return str(session.data.get("remarks", {}).get("clear", ""))


def _default_interface(session: Session, values: Values, argument: str) -> str:
    """Take every line of an interface back."""
    names = [str(values["name"])] if "name" in values else [context.name for context in session.contexts()]

    def work(tree: Any) -> None:
        for context in tree.root.children.values():
            if context.name in names and context.view in ("port", "management", "svi", "aggregate"):
                context.items.clear()

    session.switch.edit(work)
    return str(session.data["remarks"].get("default_interface", "")).format(*names)


def _delay(session: Session, values: Values, argument: str) -> str:
    """Begin a change that is taken back by itself after so many minutes: Comware's delay, IOS' revert timer."""
    session.switch.arm(int(values["minutes"]) * 60, session.user, session.switch.running.copy())
    if argument == "configure":
        session.enter_configuration()
    return str(session.data["remarks"].get("armed", "")).format(values["minutes"])


def _confirm(session: Session, values: Values, argument: str) -> str:
    if session.switch.pending is None:
        raise RefusedError(str(session.data["refusals"]["nothing_armed"]))
    session.switch.pending = None
    return str(session.data["remarks"].get("confirmed", ""))


def _revert(session: Session, values: Values, argument: str) -> str:
    if session.switch.pending is None:
        raise RefusedError(str(session.data["refusals"]["nothing_armed"]))
    before, session.switch.pending = session.switch.pending.before, None
    session.switch.replace(before)
    session.leave(whole=True)
    return str(session.data["remarks"].get("reverted", ""))


def _enable(session: Session, values: Values) -> Answering:
    secret = session.switch.device.enable_secret
    if not secret or session.exec_view == "privileged":
        session.exec_view = "privileged"
        return ""
    text = "\nPassword: " if session.data.get("enable_newline") else "Password: "
    for _ in range(3):
        answer = yield Ask(text.lstrip("\n"), echo=False)
        if answer == secret:
            session.exec_view = "privileged"
            return ""
    return str(session.data["refusals"]["enable"])


def _return(session: Session, values: Values) -> Answering:
    """Leave the configuration; on two stages, ask what becomes of changes that wait."""
    if session.uncommitted:
        return (yield from twostage.leaving(session, whole=True))
    session.leave(whole=True)
    return ""


def _quit(session: Session, values: Values) -> Answering:
    if session.uncommitted and len(session.stack) == 1:
        return (yield from twostage.leaving(session, whole=False))
    session.leave()
    return ""


ASKING: dict[str, Callable[[Session, Values], Answering]] = {
    "enable": _enable,
    "return": _return,
    "quit": _quit,
}
PLAIN: dict[str, Callable[[Session, Values, str], str]] = {
    "configure": _configure,
    "view": _view,
    "leave": _leave,
    "logout": _logout,
    "length": _length,
    "nothing": _nothing,
    "flush": _flush,
    "clear": _clear,
    "default_interface": _default_interface,
    "delay": _delay,
    "confirm": _confirm,
    "revert": _revert,
    "commit": twostage.commit,
    "commit_trial": twostage.commit_trial,
    "abort_trial": twostage.abort_trial,
    "clear_candidate": twostage.clear_candidate,
    "rollback": twostage.rollback,
}
