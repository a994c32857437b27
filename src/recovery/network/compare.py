"""Before and after, as sets: what the failed switch carried, held against what its replacement carries now (RCV-3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ASPECTS = ("vlans", "access", "trunks", "aggregates", "stp", "neighbours", "macs", "links", "errors", "light", "configuration")


@dataclass(frozen=True)
class View:
    """What a switch carries, in plain sets, whatever its make. Port names are its own."""

    vlans: Mapping[int, str] = field(default_factory=dict)  # id: name
    access: Mapping[str, int] = field(default_factory=dict)  # port: VLAN
    trunks: Mapping[str, frozenset[int]] = field(default_factory=dict)  # port: VLANs that pass
    links: Mapping[str, bool] = field(default_factory=dict)  # port: has link
    aggregates: Mapping[str, frozenset[str]] = field(default_factory=dict)  # aggregate: members that carry
    root: bool | None = None  # whether it is the root of the spanning tree; None: not known
    root_bridge: str = ""  # priority and address of the root as it sees it
    neighbours: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # port: (name, its port)
    macs: Mapping[tuple[int, str], str] = field(default_factory=dict)  # (VLAN, address): port
    errors: Mapping[str, int] = field(default_factory=dict)  # port: errors counted so far
    light: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)  # port: dBm received, lowest dBm allowed

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "vlans": {str(key): name for key, name in self.vlans.items()},
            "access": dict(self.access),
            "trunks": {port: sorted(vlans) for port, vlans in self.trunks.items()},
            "links": dict(self.links),
            "aggregates": {name: sorted(members) for name, members in self.aggregates.items()},
            "root": self.root,
            "root_bridge": self.root_bridge,
            "neighbours": {port: list(pair) for port, pair in self.neighbours.items()},
            "macs": [[vlan, mac, port] for (vlan, mac), port in sorted(self.macs.items())],
            "errors": dict(self.errors),
            "light": {port: list(pair) for port, pair in self.light.items()},
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> View:
        """Read what ``as_dict`` wrote."""
        return cls(
            vlans={int(key): str(name) for key, name in (told.get("vlans") or {}).items()},
            access={port: int(vlan) for port, vlan in (told.get("access") or {}).items()},
            trunks={port: frozenset(int(v) for v in vlans) for port, vlans in (told.get("trunks") or {}).items()},
            links={port: bool(up) for port, up in (told.get("links") or {}).items()},
            aggregates={name: frozenset(members) for name, members in (told.get("aggregates") or {}).items()},
            root=told.get("root"),
            root_bridge=str(told.get("root_bridge") or ""),
            neighbours={port: (str(pair[0]), str(pair[1])) for port, pair in (told.get("neighbours") or {}).items()},
            macs={(int(vlan), str(mac)): str(port) for vlan, mac, port in told.get("macs") or ()},
            errors={port: int(count) for port, count in (told.get("errors") or {}).items()},
            light={port: (pair[0], pair[1]) for port, pair in (told.get("light") or {}).items()},
        )


@dataclass(frozen=True)
class Deviation:
    """One thing that is not as before. ``grave``: it breaks the proof; the others are told and kept."""

    aspect: str
    key: str
    before: str
    after: str
    grave: bool = True

    def sentence(self) -> str:
        """Say it."""
        return f"{self.aspect} {self.key}: was {self.before or 'nothing'}, is {self.after or 'nothing'}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as it travels in a module's result."""
        return asdict(self)


def _set(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in sorted(values))


def _shown(value: int | frozenset[int] | None) -> str:
    return _set(value) if isinstance(value, frozenset) else str(value or "")


def mapped(view: View, ports: Mapping[str, str]) -> View:
    """Return a view with the ports of the replacement. What the map does not know has no place there and is left out."""

    def keyed(told: Mapping[str, Any]) -> dict[str, Any]:
        return {ports[port]: value for port, value in told.items() if port in ports}

    return View(
        vlans=view.vlans,
        access=keyed(view.access),
        trunks=keyed(view.trunks),
        links=keyed(view.links),
        aggregates={name: frozenset(ports[one] for one in members if one in ports) for name, members in view.aggregates.items()},
        root=view.root,
        root_bridge=view.root_bridge,
        neighbours=keyed(view.neighbours),
        macs={key: ports[port] for key, port in view.macs.items() if port in ports},
        errors=keyed(view.errors),
        light=keyed(view.light),
    )


def compare(
    before: View, after: View, ports: Mapping[str, str], *, steady: Iterable[str] = (), spared: Iterable[str] = ()
) -> list[Deviation]:
    """Return what is not as before. ``ports``: old port -> new port; ``steady``: addresses that must be seen again; ``spared``: new
    ports that are left out because their cable is not moved (a spare strand, a port that nobody uses)."""
    then, left_out = mapped(before, ports), frozenset(spared)
    found = _vlans(then, after)
    for aspect, old, new in (("access", then.access, after.access), ("trunks", then.trunks, after.trunks)):
        for port in sorted(frozenset(old) - left_out):
            if old[port] != new.get(port):
                found.append(Deviation(aspect, port, _shown(old[port]), _shown(new.get(port))))
    for name in sorted(then.aggregates):
        old_members, new_members = then.aggregates[name] - left_out, after.aggregates.get(name, frozenset())
        if old_members - new_members:
            found.append(Deviation("aggregates", name, _set(old_members), _set(new_members)))
    if then.root is not None and then.root != after.root:
        words = {True: "root of the spanning tree", False: "not the root", None: "unknown"}
        found.append(Deviation("stp", "root", words[then.root], words[after.root]))
    for port in sorted(set(then.links) - left_out):
        if then.links[port] and not after.links.get(port, False):
            found.append(Deviation("links", port, "up", "down"))
    for port in sorted(set(then.neighbours) - left_out):
        if then.neighbours[port] != after.neighbours.get(port):
            now_there = after.neighbours.get(port)
            found.append(Deviation("neighbours", port, " ".join(then.neighbours[port]), " ".join(now_there or ())))
    return found + _macs(then, after, frozenset(steady), left_out)


def _vlans(then: View, after: View) -> list[Deviation]:
    found = [Deviation("vlans", str(one), then.vlans[one] or str(one), "") for one in sorted(set(then.vlans) - set(after.vlans))]
    more = sorted(set(after.vlans) - set(then.vlans) - {1})
    found += [Deviation("vlans", str(one), "", after.vlans[one] or str(one), grave=False) for one in more]
    renamed = [one for one in sorted(set(then.vlans) & set(after.vlans)) if then.vlans[one] != after.vlans[one]]
    return found + [Deviation("vlans", f"{one} name", then.vlans[one], after.vlans[one]) for one in renamed]


def _macs(then: View, after: View, steady: frozenset[str], left_out: frozenset[str]) -> list[Deviation]:
    """Addresses per VLAN. One that is seen in another VLAN or port than before is wrong; a quiet one is, if it is steady."""
    found: list[Deviation] = []
    now: dict[str, tuple[int, str]] = {mac: (vlan, port) for (vlan, mac), port in after.macs.items()}
    for (vlan, mac), port in sorted(then.macs.items()):
        if port in left_out:
            continue
        if (vlan, mac) in after.macs:
            if after.macs[vlan, mac] != port:
                found.append(Deviation("macs", f"{mac} in VLAN {vlan}", port, after.macs[vlan, mac]))
        elif mac in now and not any(key[1] == mac and key[0] != vlan for key in then.macs):
            found.append(Deviation("macs", mac, f"VLAN {vlan} at {port}", f"VLAN {now[mac][0]} at {now[mac][1]}"))
        else:
            found.append(Deviation("macs", f"{mac} in VLAN {vlan}", port, "not seen yet", grave=mac in steady))
    return found


def still(earlier: Mapping[str, int], later: Mapping[str, int], *, allowed: int = 0) -> list[Deviation]:
    """Return the ports whose error counters grew between two readings by more than ``allowed``."""
    grew = {port: later[port] - earlier.get(port, 0) for port in later if later[port] - earlier.get(port, 0) > allowed}
    return [Deviation("errors", port, str(earlier.get(port, 0)), str(later[port])) for port in sorted(grew)]


def dim(switch: str, light: Mapping[str, tuple[float | None, float | None]], ports: Iterable[str]) -> list[Deviation]:
    """Return the optical ports among ``ports`` that receive less light than they need, or none; a port without a floor is not optical."""
    found = []
    for port in sorted(set(ports) & set(light)):
        received, lowest = light[port]
        if lowest is not None and (received is None or received < lowest):
            found.append(
                Deviation("light", f"{switch} {port}", f"at least {lowest:.1f} dBm", "dark" if received is None else f"{received:.1f} dBm")
            )
    return found


def counts(before: View, after: View, ports: Mapping[str, str]) -> dict[str, Any]:
    """Return the figures that the report shows: how much of each set is there again."""
    then = mapped(before, ports)

    def there(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> str:
        return f"{sum(1 for key in old if new.get(key) == old[key])} of {len(old)}"

    up = [port for port in then.links if then.links[port]]
    return {
        "vlans": there(then.vlans, after.vlans),
        "trunks": there(then.trunks, after.trunks),
        "access_ports": there(then.access, after.access),
        "links": f"{sum(1 for port in up if after.links.get(port))} of {len(up)}",
        "neighbours": there(then.neighbours, after.neighbours),
        "macs": there(then.macs, after.macs),
    }
