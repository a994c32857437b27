"""Was the right cord plugged into the right port, and does the moved segment carry what it carried? (RCV-2, RCV-9). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recovery.network import compare
from recovery.network.compare import Deviation, View
from recovery.network.fibre_choose import Move
from recovery.network.fibre_judge import End, judge
from recovery.network.plant import Pair, Plant, port_of, switch_of
from recovery.network.state import UP, State

TELLING = 0.5
"""A loss that is off by more than this share of what may drift, and fits another pair better, tells which pair it is."""


@dataclass(frozen=True)
class Seen:
    """What became of a patch. ``right``: light both ways within the budget, link, and the neighbour is the other end.

    ``wrong``: it is not a matter of waiting, something is plugged where it does not belong.
    """

    right: bool
    sentence: str
    loss_db: tuple[float | None, float | None] = (None, None)
    wrong: bool = False


def losses(a: End, b: End) -> tuple[float | None, float | None]:
    """Return what is lost from a to b and back, as far as both ends show light."""

    def one(sender: End, reader: End) -> float | None:
        return round(sender.tx_dbm - reader.rx_dbm, 2) if sender.tx_dbm is not None and reader.rx_dbm is not None else None

    return one(a, b), one(b, a)


def patched(plant: Plant, move: Move, a: End, b: End, appeared: Sequence[str] = ()) -> Seen:
    """Judge a patch by what both new ports show. ``appeared``: other ports of the two switches in which light came up meanwhile."""
    loss = losses(a, b)
    strands = f"strands {move.strands[0]} and {move.strands[1]} of {move.route}"
    cord = f"Pair {move.pair} ({strands}) belongs into {move.ends[0]} and {move.ends[1]}."
    wrong = [f"light came up in {port}" for port in appeared if port not in move.ends]
    if wrong:
        return Seen(False, f"The cord is in the wrong port: {', '.join(wrong)}. {cord}", loss, wrong=True)
    dark = [end.end for end in (a, b) if end.reads_light and not end.sees_light]
    if len(dark) == 2:
        where = " and ".join(move.panels)
        return Seen(False, f"No light at either end. {cord} Look at {where}: is it these strands, and are the two plugs not crossed?", loss)
    if dark:
        strand = move.strands[1 if dark[0] == a.end else 0]
        return Seen(False, f"{dark[0]} receives no light: strand {strand} of {move.route} is dark, or its plug is not in. {cord}", loss)
    optic = plant.segments[move.segment].optic
    budget = plant.budget_db(optic)
    weak = [one for one in loss if one is not None and one > budget]
    if weak:
        said = f"{move.pair} loses {max(weak):.1f} dB, {optic} may lose {budget:.1f} dB. Clean the plugs."
        return Seen(False, f"{said} If it stays, name another pair: -e spare=NAME.", loss, wrong=True)
    stranger = next((end for end in (a, b) if end.neighbour and switch_of(end.neighbour) not in (switch_of(a.end), switch_of(b.end))), None)
    if stranger is not None:
        return Seen(False, f"{stranger.end} hears {stranger.neighbour}: this strand leads elsewhere. {cord}", loss, wrong=True)
    other = whose(plant, move, loss)
    if other:
        return Seen(
            False,
            f"These are the strands of {other}, by what they lose ({_shown(loss)}), not those of {move.pair}. {cord}",
            loss,
            wrong=True,
        )
    down = [end.end for end in (a, b) if not end.link]
    if down:
        return Seen(False, f"There is light, and no link at {' and '.join(down)} yet.", loss)
    for one, far in ((a, b), (b, a)):
        if not one.neighbour:
            return Seen(False, f"{one.end} has not heard {switch_of(far.end)} yet.", loss)
        if one.neighbour != far.end:
            return Seen(False, f"{one.end} hears {one.neighbour}; it belongs to {far.end}. {cord}", loss, wrong=True)
    return Seen(True, f"{move.pair} joins {a.end} and {b.end}: light both ways ({_shown(loss)}), link, and each hears the other.", loss)


def _shown(loss: Sequence[float | None]) -> str:
    return " and ".join("no figure" if one is None else f"{one:.1f} dB" for one in loss)


def whose(plant: Plant, move: Move, loss: Sequence[float | None]) -> str:
    """Return the other spare pair that what is lost tells of; empty where it fits the right one, or nothing tells."""
    right = plant.pairs.get(move.pair)
    if right is None or None in loss:
        return ""

    def off(pair: Pair) -> float | None:
        if pair.loss_db is None or None in pair.loss_db:
            return None
        return max(abs(now - then) for now, then in zip(loss, pair.loss_db, strict=True) if now is not None and then is not None)

    mine = off(right)
    if mine is None or mine <= plant.limits.drift_db * TELLING:
        return ""
    others = [
        (found, pair.name) for pair in plant.spares(plant.segments[move.segment]) if (found := off(pair)) is not None and pair != right
    ]
    best = min(others, default=None)
    return best[1] if best is not None and best[0] < mine / 2 else ""


def appeared(before: Mapping[str, State], after: Mapping[str, State]) -> list[str]:
    """Return the ports, as SWITCH:PORT, in which light or link came up between two looks."""
    found = []
    for switch, state in after.items():
        then = before.get(switch, State())
        lit = {port for port, power in state.light.items() if power[0] is not None}
        was = {port for port, power in then.light.items() if power[0] is not None}
        up = {port for port, one in state.ports.items() if one.link == UP and port in state.light}
        was_up = {port for port, one in then.ports.items() if one.link == UP}
        found += [f"{switch}:{port}" for port in sorted((lit - was) | (up - was_up))]
    return found


# --- after the move --------------------------------------------------------------------------------------------------


def steady(plant: Plant, segment: str, a: End, b: End) -> str:
    """Return an empty text while a moved segment is sound, else what is wrong with it."""
    verdict = judge(plant, segment, a, b)
    return "" if verdict.cause == "sound" else verdict.sentence


def carries(before: Mapping[str, View], after: Mapping[str, View], ports: Mapping[str, Mapping[str, str]]) -> list[Deviation]:
    """Return what either switch does not carry as before. ``ports``: of each switch its old port -> its new port.

    Both must see the same root of the spanning tree again. Addresses may come and go; but one that is still looked for at the old port
    means that its table was not flushed.
    """
    found: list[Deviation] = []
    for switch, then in before.items():
        now, moved = after[switch], ports[switch]
        known = {*then.access, *then.trunks, *then.links, *then.neighbours, *then.macs.values()} - set(moved.values())
        deviations = compare.compare(_without_fault(then, moved), now, {port: moved.get(port, port) for port in known})
        found += [_at(switch, one) for one in deviations if one.aspect != "macs"]
        found += [_at(switch, one) for one in deviations if one.aspect == "macs" and one.after and one.after != "not seen yet"]
        if now.root_bridge != next(iter(after.values())).root_bridge:
            found.append(Deviation("stp", f"{switch} root", next(iter(after.values())).root_bridge, now.root_bridge))
        stale = sorted(mac for (_, mac), port in now.macs.items() if port in moved)
        found += [Deviation("macs", f"{switch} {mac}", "at the new port", "still at the old port") for mac in stale]
    return found


def _without_fault(view: View, moved: Mapping[str, str]) -> View:
    """Return what was expected, whatever the fault made of it: the old port had link; a part that was cut off had a root of its own."""
    links = {port: up or port in moved for port, up in view.links.items()}
    neighbours = {port: who for port, who in view.neighbours.items() if port not in moved}
    return replace(view, links=links, neighbours=neighbours, root=None)


def _at(switch: str, one: Deviation) -> Deviation:
    return Deviation(one.aspect, f"{switch} {one.key}", one.before, one.after, one.grave)


def port_map(move: Move) -> dict[str, dict[str, str]]:
    """Return of each switch which old port became which new one."""
    return {switch_of(new): {port_of(old): port_of(new)} for old, new in zip(move.old_ends, move.ends, strict=True)}
