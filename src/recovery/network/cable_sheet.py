"""Who moves which cable when, on paper and as steps; and where a cable that was moved really sits (RCV-3). Pure, but for the printing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from recovery.network.compare import View

LANGUAGES = ("zh", "en")
TEMPLATES = Path(__file__).with_name("templates")
UNRANKED = 1_000_000


@dataclass(frozen=True)
class Move:
    """One cable that goes from a port of the failed switch to one of its replacement."""

    cable: str  # what its label says
    media: str  # fibre or copper
    old_port: str
    new_port: str
    far: str  # device at its other end
    far_port: str
    area: str  # who works behind it, as the plant's priorities call it
    area_zh: str
    area_en: str
    rank: int  # clinical priority, 0 first
    addresses: tuple[str, ...] = ()  # addresses that were learned there, each as VLAN/MAC
    number: int = 0
    who: str = ""
    who_zh: str = ""
    who_en: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as it travels in a decision."""
        return {**asdict(self), "addresses": list(self.addresses)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Move:
        """Read what ``as_dict`` wrote."""
        return cls(**{**told, "addresses": tuple(told.get("addresses") or ())})


def order(moves: Iterable[Move], people: Sequence[Mapping[str, Any]]) -> list[Move]:
    """Number the moves by clinical priority and give each to somebody who handles its medium, evenly.

    ``people``: ``who``, ``zh``, ``en`` and ``takes`` (media; nothing: all of them), as the inventory names them. Raises ValueError
    where nobody takes a medium.
    """
    load = [0] * len(people)
    placed: list[Move] = []
    # Within an area its switch comes first: once that is there, those who are known by their addresses only are spoken to, and answer.
    for number, move in enumerate(sorted(moves, key=lambda one: (one.rank, bool(one.addresses), one.area, one.cable)), start=1):
        able = [index for index, person in enumerate(people) if not person.get("takes") or move.media in person["takes"]]
        if not able:
            raise ValueError(f"nobody among the people of the inventory handles {move.media} (cable {move.cable})")
        chosen = min(able, key=lambda index: (load[index], index))
        load[chosen] += 1
        person = people[chosen]
        placed.append(replace(move, number=number, who=str(person["who"]), who_zh=str(person["zh"]), who_en=str(person["en"])))
    return placed


def instruction(move: Move, old: str, new: str, total: int) -> dict[str, str]:
    """Return what a person is told to do, in each language."""
    return {
        "zh": (
            f"第 {move.number}/{total} 根：把线缆 {move.cable}（{move.area_zh}，对端 {move.far} {move.far_port}）"
            f"从 {old} 的 {move.old_port} 拔下，插入 {new} 的 {move.new_port}。"
        ),
        "en": (
            f"Cable {move.number} of {total}: take {move.cable} ({move.area_en}, far end {move.far} {move.far_port}) "
            f"from {move.old_port} of {old} and plug it into {move.new_port} of {new}."
        ),
    }


def steps(moves: Iterable[Move], old: str, new: str) -> list[dict[str, Any]]:
    """Return the moves as the steps that people are asked for (`manual_step`), in their order; ``old`` and ``new``: the two boxes."""
    placed = list(moves)
    asked = []
    for move in placed:
        told = instruction(move, old, new, len(placed))
        asked.append(
            {
                "name": f"{move.cable} sits in {move.new_port} of {new}",
                "who": move.who,
                "instruction_zh": told["zh"],
                "instruction_en": told["en"],
                "evidence": "the label of the cable",
                "action": {"verb": "move-cable", "cable": move.cable, "from": f"{old}:{move.old_port}", "to": f"{new}:{move.new_port}"},
                "claim_args": {"number": move.number},
            }
        )
    return asked


def page(moves: Sequence[Move], old: str, new: str, head: Mapping[str, Any], language: str) -> str:
    """Return the printable sheet as HTML, a page for each person. ``head``: incident, plan (a digest), made_at, old_place, new_place."""
    import jinja2  # only the printing needs it

    if language not in LANGUAGES:
        raise ValueError(f"a cable sheet is written in {' or '.join(LANGUAGES)}, not in {language!r}")
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined)
    people: dict[str, list[Move]] = {}
    for move in moves:
        people.setdefault(move.who, []).append(move)
    template = environment.get_template("cable_sheet.html.j2")
    return template.render(people=people, old=old, new=new, head=head, language=language, total=len(moves))


@dataclass(frozen=True)
class Seen:
    """Where a cable sits, as the replacement sees it. ``right``: it sits where it belongs and carries what it carried."""

    right: bool
    where: str  # the port in which it was recognised; empty: in none
    sentence: str
    by: tuple[str, ...] = ()  # what bears it out: link, neighbour, address

    @property
    def unheard(self) -> bool:
        """Tell whether there is link and nobody was heard, neither whom it should be nor a stranger."""
        return not self.right and not self.where and self.by == ("link",)

    @property
    def dark(self) -> bool:
        """Tell whether there is no link yet, and the cable was recognised nowhere."""
        return not self.right and not self.where and self.by == ("no link",)


def _recognised(move: Move, view: View) -> tuple[str, str]:
    """Return the port in which the cable's far end is seen, and by what."""
    for port, (name, far_port) in view.neighbours.items():
        if name == move.far and (not move.far_port or far_port == move.far_port):
            return port, "neighbour"
    for key in move.addresses:
        vlan, _, mac = key.partition("/")
        if (int(vlan), mac) in view.macs:
            return view.macs[int(vlan), mac], "address"
    # An address in a foreign VLAN still tells into which port the cable went.
    known = {key.partition("/")[2] for key in move.addresses}
    for (_, mac), port in view.macs.items():
        if mac in known:
            return port, "address"
    return "", ""


def look(move: Move, view: View, switch: str, others: Iterable[Move] = ()) -> Seen:
    """Tell where a moved cable sits. A wrong port is named with its right one, and so is the cable that sits in this one's place."""
    where, by = _recognised(move, view)
    link = view.links.get(move.new_port, False)
    if where == move.new_port and link:
        return Seen(True, where, f"{move.cable} sits in {where} of {switch}: link and {by} of {move.far} are there.", ("link", by))
    if where and where != move.new_port:
        return Seen(
            False,
            where,
            f"{move.cable} (far end {move.far}) sits in {where} of {switch}; its port is {move.new_port}.{_stranger(move, view, others)}",
            (by,),
        )
    if not link:
        sentence = f"{move.new_port} of {switch} has no link yet: {move.cable} (far end {move.far}) belongs there."
        return Seen(False, "", sentence, ("no link",))
    stranger = _stranger(move, view, others)
    if stranger:
        return Seen(False, "", f"{move.new_port} of {switch} has link, but not from {move.far}.{stranger}")
    if not move.addresses and not move.far_port:
        # Nothing ever spoke on this cable that could be recognised: link is all that can be seen, and it is said so.
        return Seen(True, move.new_port, f"{move.new_port} of {switch} has link; {move.far} is silent, as it was before.", ("link",))
    return Seen(False, "", f"{move.new_port} of {switch} has link, but {move.far} has not been heard there yet.", ("link",))


def _stranger(move: Move, view: View, others: Iterable[Move]) -> str:
    """Name the cable that sits in this one's port, with the port in which it belongs."""
    for other in others:
        if other.cable == move.cable:
            continue
        where, _ = _recognised(other, view)
        if where == move.new_port:
            return f" In {move.new_port} sits {other.cable} (far end {other.far}), whose port is {other.new_port}."
    return ""
