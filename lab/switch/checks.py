"""What a platform insists on before it takes a line, and what goes away together with something else.

A rule's `needs` names checks: `vlan=$vlan` (exists), `make_vlan=$vlan` (is made, and that is said), `aggregate=$id`,
`make_aggregate=$id`, `mode=trunk` (the port's link type), `plain` (nothing of another link type is left), `free` (no member
of an aggregate).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.switch.grammar import Rule
from lab.switch.tree import Context, RefusedError, Tree

if TYPE_CHECKING:
    from lab.switch.session import Session

LINK = ("access", "native", "hybrid", "voice")


def allowed(session: Session, tree: Tree, context: Context, rule: Rule, values: Mapping[str, Any]) -> list[str]:
    """Check what a line needs; RefusedError carries the platform's words. Returns what the platform remarks."""
    remarks: list[str] = []
    for need in rule.needs:
        name, _, wanted = need.partition("=")
        value = values.get(wanted[1:]) if wanted.startswith("$") else wanted
        remarks += CHECKS[name](session, tree, context, value)
    return remarks


def _refuse(session: Session, name: str, *words: object) -> RefusedError:
    return RefusedError(str(session.data["refusals"][name]).format(*words))


def _vlan(session: Session, tree: Tree, context: Context, value: Any) -> list[str]:
    if value != 1 and str(value) not in {child.name for child in tree.root.within("vlan")}:
        raise _refuse(session, "vlan", value)
    return []


def _make_vlan(session: Session, tree: Tree, context: Context, value: Any) -> list[str]:
    if value == 1 or str(value) in {child.name for child in tree.root.within("vlan")}:
        return []
    home = session.switch.grammar.home(tree.root.view, "vlan")
    tree.open(tree.root, home, {home.key[0]: value})
    return [str(session.data["remarks"]["vlan"]).format(value)]


def _aggregates(tree: Tree) -> set[str]:
    return {child.name[len(child.name.rstrip("0123456789")) :] for child in tree.root.within("aggregate")}


def _aggregate(session: Session, tree: Tree, context: Context, value: Any) -> list[str]:
    if str(value) not in _aggregates(tree):
        raise _refuse(session, "aggregate", value)
    return []


def _make_aggregate(session: Session, tree: Tree, context: Context, value: Any) -> list[str]:
    if str(value) in _aggregates(tree):
        return []
    home = session.switch.grammar.home(tree.root.view, "aggregate")
    kind = next(kind for kind in session.switch.environment.kinds if kind.kind == "aggregate")
    tree.open(tree.root, home, {"name": kind.full(str(value))})
    return [str(session.data["remarks"]["aggregate"]).format(value)]


def _mode(session: Session, tree: Tree, context: Context, value: Any) -> list[str]:
    mode = context.facts().get("mode", session.data["defaults"]["mode"])
    if mode not in str(value).split("/"):
        raise _refuse(session, "mode", mode)
    return []


def _plain(session: Session, tree: Tree, context: Context, value: Any) -> list[str]:
    facts = context.facts()
    if value and facts.get("mode", session.data["defaults"]["mode"]) == value:
        return []
    if any(facts.get(name) is not None for name in LINK) or any(
        context.values_of(slot) is not None for slot in ("allowed", "tagged", "untagged")
    ):
        raise _refuse(session, "plain")
    return []


def _free(session: Session, tree: Tree, context: Context, value: Any) -> list[str]:
    if context.facts().get("aggregate") is not None:
        raise _refuse(session, "member")
    return []


CHECKS = {
    "vlan": _vlan,
    "make_vlan": _make_vlan,
    "aggregate": _aggregate,
    "make_aggregate": _make_aggregate,
    "mode": _mode,
    "plain": _plain,
    "free": _free,
}


def after_removal(session: Session, tree: Tree, context: Context, rule: Rule, values: Mapping[str, Any]) -> None:
    """Refuse what must not be removed, and take along what goes with it."""
    refusals = session.data["refusals"]
    if rule.opens == "vlan":
        given = values[rule.each] if rule.each else {values[rule.key[0]]}
        for number in given:
            if number == 1:
                raise _refuse(session, "vlan_one")
            if "vlan_missing" in refusals:
                _missing(session, tree, number)
            if "vlan_svi" in refusals and any(child.name.endswith(f"lanif{number}") for child in tree.root.within("svi")):
                raise _refuse(session, "vlan_svi", number)
            if session.data.get("vlan_takes_ports"):
                _release_ports(tree, number)
    elif rule.opens == "aggregate":
        digits = str(values["name"])
        number = int(digits[len(digits.rstrip("0123456789")) :])
        members = [port for port in tree.root.within("port") if port.facts().get("aggregate") == number]
        if members and "members" in refusals:
            raise _refuse(session, "members")
        for port in members:
            for key in [key for key, item in port.items.items() if "aggregate" in item.rule.acts]:
                del port.items[key]


def _missing(session: Session, tree: Tree, number: int) -> None:
    if str(number) not in {child.name for child in tree.root.within("vlan")}:
        raise _refuse(session, "vlan_missing", number)


def _release_ports(tree: Tree, number: int) -> None:
    for port in [*tree.root.within("port"), *tree.root.within("aggregate")]:
        for key in [
            key for key, item in port.items.items() if item.rule.acts.get("access") == "$vlan" and item.values.get("vlan") == number
        ]:
            del port.items[key]
