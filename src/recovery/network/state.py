"""What a switch is doing: its show commands read into one shape, whatever its make (RCV-3, BKP-6). Pure but for `read`.

Which command fills which table, by which template and columns, stands in the platform's ``talk.yml``. A table that a switch does not
have (no PoE, no optics) is named in ``missing``; a table that it has and that cannot be read is an error, never an empty set.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import textfsm

from recovery.network.answers import RejectedError, SwitchError
from recovery.network.session import Session
from recovery.network.talk import Talk, talk

UP, DOWN, DISABLED = "up", "down", "disabled"


class StateError(SwitchError):
    """An answer that the template does not understand."""

    code = "state-not-understood"
    why = "What cannot be read cannot be compared, and an empty table would look like a quiet switch."
    remedy = "Keep the answer as a transcript and correct the template of this platform."


@dataclass(frozen=True)
class PortState:
    """A port: ``link`` up, down or disabled by configuration; ``speed`` in Mbit/s, None where it has none; errors since it was powered."""

    link: str = DOWN
    speed: int | None = None
    errors_in: int | None = None
    errors_out: int | None = None


@dataclass(frozen=True)
class StpState:
    """The spanning tree as the switch sees it. MAC addresses as ``52:54:00:12:34:56``; ``roles``: port -> (role, state), lower case."""

    bridge: str = ""
    root: str = ""
    root_priority: int | None = None
    roles: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def is_root(self) -> bool:
        """Say whether this switch is the root."""
        return bool(self.root) and self.root == self.bridge


@dataclass(frozen=True)
class State:
    """What a switch is doing. Port names in full; ``macs``: (VLAN, MAC) -> port; ``light``: port -> (received, sent) dBm, None is dark."""

    version: str = ""
    model: str = ""
    serial: str = ""
    ports: Mapping[str, PortState] = field(default_factory=dict)
    vlans: Mapping[int, str] = field(default_factory=dict)
    macs: Mapping[tuple[int, str], str] = field(default_factory=dict)
    neighbours: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # port -> (name, its port)
    stp: StpState = StpState()
    aggregates: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)  # aggregate -> member -> carries frames
    light: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    poe: Mapping[str, float] = field(default_factory=dict)  # port -> watts
    missing: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "version": self.version,
            "model": self.model,
            "serial": self.serial,
            "ports": {name: asdict(port) for name, port in self.ports.items()},
            "vlans": {str(vlan): name for vlan, name in sorted(self.vlans.items())},
            "macs": [[vlan, mac, port] for (vlan, mac), port in sorted(self.macs.items())],
            "neighbours": {port: list(pair) for port, pair in self.neighbours.items()},
            "stp": {
                "bridge": self.stp.bridge,
                "root": self.stp.root,
                "root_priority": self.stp.root_priority,
                "roles": {port: list(pair) for port, pair in self.stp.roles.items()},
            },
            "aggregates": {name: dict(members) for name, members in self.aggregates.items()},
            "light": {port: list(pair) for port, pair in self.light.items()},
            "poe": dict(self.poe),
            "missing": list(self.missing),
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> State:
        """Read what ``as_dict`` wrote."""
        stp = told.get("stp") or {}
        return cls(
            version=told.get("version", ""),
            model=told.get("model", ""),
            serial=told.get("serial", ""),
            ports={name: PortState(**port) for name, port in (told.get("ports") or {}).items()},
            vlans={int(vlan): name for vlan, name in (told.get("vlans") or {}).items()},
            macs={(int(vlan), mac): port for vlan, mac, port in told.get("macs") or ()},
            neighbours={port: (pair[0], pair[1]) for port, pair in (told.get("neighbours") or {}).items()},
            stp=StpState(
                stp.get("bridge", ""),
                stp.get("root", ""),
                stp.get("root_priority"),
                {port: (pair[0], pair[1]) for port, pair in (stp.get("roles") or {}).items()},
            ),
            aggregates={name: dict(members) for name, members in (told.get("aggregates") or {}).items()},
            light={port: (pair[0], pair[1]) for port, pair in (told.get("light") or {}).items()},
            poe={port: float(watts) for port, watts in (told.get("poe") or {}).items()},
            missing=tuple(told.get("missing") or ()),
        )


Row = Mapping[str, Any]
_templates = threading.local()


def _table(template: Path, text: str) -> list[dict[str, Any]]:
    """Read one answer with a TextFSM template; one parser for each thread, since it keeps what it read."""
    known: dict[Path, textfsm.TextFSM] = _templates.__dict__.setdefault("known", {})
    if template not in known:
        known[template] = textfsm.TextFSM(io.StringIO(template.read_text(encoding="utf-8")))
    parser = known[template]
    parser.Reset()
    header = [name.lower() for name in parser.header]
    return [dict(zip(header, row, strict=True)) for row in parser.ParseText(text)]


def rows(how: Talk, table: str, text: str) -> list[dict[str, Any]]:
    """Return the rows of one table under our names of its columns. Raises StateError."""
    show = how.shows[table]
    try:
        found = _table(show.template, text)
    except textfsm.TextFSMError as error:
        raise StateError(f"The answer to {show.command!r} ({how.platform}) is not understood: {error}") from error
    return [{ours: _only(row[theirs], show.only.get(ours)) for ours, theirs in show.take.items()} for row in found]


def _only(value: Any, pattern: re.Pattern[str] | None) -> Any:
    found = pattern.search(str(value)) if pattern else None
    return found[0] if found else value


def read(session: Session, tables: Iterable[str] = ()) -> State:
    """Ask a switch for these tables (all without any) and read them. Raises SwitchError."""
    return parse(session.talk.platform, ask(session, tables))


def ask(session: Session, tables: Iterable[str] = ()) -> dict[str, str]:
    """Return the answers by table. What the switch does not have is left out; what it must have raises RejectedError."""
    answers: dict[str, str] = {}
    asked: dict[str, str] = {}
    for table in tuple(tables) or tuple(session.talk.shows):
        show = session.talk.shows.get(table)
        if show is None:
            continue
        try:
            if show.command not in asked:
                asked[show.command] = session.show(show.command)
            none = show.none and show.none.search(asked[show.command])
            answers[table] = "" if none else asked[show.command]
        except RejectedError as error:
            if show.none and show.none.search(error.answer.text):
                answers[table] = ""
            elif not show.optional:
                raise
    return answers


def parse(platform: str, answers: Mapping[str, str]) -> State:
    """Read the answers of a switch, by table."""
    how = talk(platform)
    told = {table: rows(how, table, text) for table, text in answers.items()}
    full = how.full_port

    def of(table: str) -> Sequence[Row]:
        return told.get(table) or ()

    about = {key: _first(row.get(key) for table in ("version", "serial") for row in of(table)) for key in ("version", "model", "serial")}
    ports: dict[str, dict[str, Any]] = {}
    for table in ("ports", "speeds", "errors"):
        for row in of(table):
            if table == "ports" or full(row["port"]) in ports:
                ports.setdefault(full(row["port"]), {}).update({key: value for key, value in row.items() if key != "port"})
    root = next(iter(of("stp_root")), {})
    return State(
        version=about["version"],
        model=about["model"],
        serial=about["serial"],
        ports={name: _port(row) for name, row in ports.items() if not how.no_ports.search(name)},
        vlans={int(row["vlan"]): str(row["name"]).strip() for row in of("vlans")},
        macs={(int(row["vlan"]), mac(row["mac"])): full(_first([row["port"]])) for row in of("macs") if str(row["vlan"]).isdigit()},
        neighbours={full(row["port"]): (row["name"], row["far_port"]) for row in of("neighbours") if row["name"] or row["far_port"]},
        stp=StpState(
            bridge=mac(root.get("bridge", "")),
            root=mac(root.get("root", "")),
            root_priority=_number(root.get("priority")),
            roles={
                full(row["port"]): (_ROLES.get(row["role"].lower()[:4], row["role"].lower()), _stp_state(row["state"])) for row in of("stp")
            },
        ),
        aggregates=_aggregates(how, ports, of("aggregates"), of("lacp")),
        light={full(row["port"]): (_power(row["rx"]), _power(row["tx"])) for row in of("light")},
        poe={full(row["port"]): float(row["watts"]) / how.shows["poe"].per for row in of("poe") if _decimal(row["watts"])},
        missing=tuple(table for table in how.shows if table not in answers),
    )


_CARRIES = ("s", "selected", "up", "p", "bndl")


def _aggregates(how: Talk, ports: Mapping[str, Row], listed: Iterable[Row], bundled: Iterable[Row]) -> dict[str, dict[str, bool]]:
    """Return the members; where the list of them does not say which carry frames, LACP does, and else their link."""
    found: dict[str, dict[str, bool]] = {}
    for row in listed:
        for name in str(row["port"]).split(","):
            member = how.full_port(name)
            state = str(row.get("state", ports.get(member, {}).get("link", "")))
            found.setdefault(how.full_port(row["aggregate"]), {})[member] = state.lower() in _CARRIES
    numbers = {re.sub(r"\D", "", aggregate): aggregate for aggregate in found}
    for row in bundled:
        if row["aggregate"] in numbers:
            found[numbers[row["aggregate"]]][how.full_port(row["port"])] = row["state"].lower() in _CARRIES
    return found


_ROLES = {"desi": "designated", "desg": "designated", "altn": "alternate", "alte": "alternate", "disa": "disabled", "back": "backup"}
_DARK = -35.0
"""Receivers report a floor instead of nothing: at or below it there is no light."""


def _first(values: Iterable[Any]) -> str:
    """Return the first value that says something; of a list its first."""
    for value in values:
        one = value[0] if isinstance(value, list) and value else value
        if one:
            return str(one).strip()
    return ""


def _number(text: Any) -> int | None:
    digits = re.sub(r"[,\s]", "", str(text or ""))
    return int(digits) if digits.isdigit() else None


def _decimal(text: Any) -> bool:
    return bool(re.fullmatch(r"-?\d+(?:\.\d+)?", str(text).strip()))


def _power(text: Any) -> float | None:
    value = float(str(text).strip()) if _decimal(text) else None
    return None if value is None or value <= _DARK else value


def _speed(text: Any) -> int | None:
    """Read 1000, 1000Mb/s, 1Gbps-speed, 10G, a-1000."""
    found = re.search(r"(\d+)\s*([GMgm])?", str(text or ""))
    return int(found[1]) * (1000 if (found[2] or "").upper() == "G" else 1) if found else None


def _port(row: Row) -> PortState:
    said = str(row.get("link", "")).strip().lower()
    if said.startswith(("*down", "admin", "adm", "disabled", "shutdown")):
        link = DISABLED
    else:
        link = UP if said.startswith(("up", "connected")) else DOWN
    speed = _speed(row.get("speed")) if link == UP else None
    return PortState(link, speed, _number(row.get("errors_in")), _number(row.get("errors_out")))


def _stp_state(said: str) -> str:
    short = {"fwd": "forwarding", "blk": "discarding", "lrn": "learning", "lis": "discarding"}
    return short.get(said.lower(), said.lower())


def mac(text: str) -> str:
    """Return a MAC address as ``52:54:00:12:34:56``, however it was written; an empty text for none."""
    digits = re.sub(r"[^0-9a-f]", "", str(text).lower())
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2)) if len(digits) == 12 else ""
