"""The values that commands take: each type checks a word and gives the value and its text in the configuration."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAC = re.compile(r"[0-9a-f]{4}([-.])[0-9a-f]{4}\1[0-9a-f]{4}|([0-9a-f]{2}[:-]){5}[0-9a-f]{2}", re.IGNORECASE)
RANGE = re.compile(
    r"(?P<kind>(?:\d+GE|[A-Za-z][A-Za-z-]*?)) ?(?P<first>\d[\d/]*)(?: ?(?:-|to) ?(?:(?:\d+GE|[A-Za-z-]+) ?)?(?P<last>\d[\d/]*))?"
)
LIST_ITEMS = 10  # as many as one command of Huawei's or H3C's takes


@dataclass(frozen=True)
class InterfaceKind:
    """A kind of interface: its name in full, how it may be shortened, and which numbers it has."""

    kind: str  # port | svi | aggregate | management | loopback
    name: str
    short: str
    numbers: tuple[int, int] | None = None  # None: only what the device has
    space: bool = False  # Ruijie writes `GigabitEthernet 0/1`

    def full(self, number: str) -> str:
        """Return the name that stands in the configuration."""
        return f"{self.name} {number}" if self.space else f"{self.name}{number}"

    def matches(self, word: str) -> bool:
        """Say whether a word can mean this kind."""
        lower = word.lower()
        return bool(lower) and (self.name.lower().startswith(lower) or self.short.lower() == lower)


@dataclass
class Environment:
    """What a value is checked against: the device and the platform."""

    kinds: Sequence[InterfaceKind] = ()
    ports: Mapping[str, Collection[str]] = field(default_factory=dict)  # kind -> names: the sockets of the box
    commas: bool = False  # VLAN lists `10,20-24` instead of `10 20 to 24`
    wrap: tuple[str, str] = ("", "")  # what stands around a stored secret
    hashes: str = r"\$[\w.]+\$\S+"  # what a stored secret looks like
    extra: Mapping[str, Any] = field(default_factory=dict)

    def interface(self, word: str, number: str, kind: str) -> tuple[str, str] | None:
        """Return the kind and the full name of an interface that exists or may be made."""
        found = [
            row
            for row in self.kinds
            if (kind in (row.kind, "interface")) and row.matches(word) and self._may(row, row.full(number), number)
        ]
        return (found[0].kind, found[0].full(number)) if found else None

    def _may(self, row: InterfaceKind, name: str, number: str) -> bool:
        if row.numbers is None:
            return name in self.ports.get(row.kind, ())
        return number.isdigit() and row.numbers[0] <= int(number) <= row.numbers[1]

    def short(self, name: str) -> str:
        """Return the short name of an interface."""
        for row in sorted(self.kinds, key=lambda row: -len(row.name)):
            if name.startswith(row.name):
                return row.short + name[len(row.name) :].strip()
        return name


@dataclass(frozen=True)
class Taken:
    """A value and how the configuration shows it."""

    value: Any
    text: str


Reader = Callable[[str, Sequence[str], Environment, Any], Taken | None]


@dataclass(frozen=True)
class Type:
    """A type of value; `whole` ones take the rest of the line."""

    read: Reader
    whole: bool = False

    def __call__(self, word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
        """Read a word; None if it is no such value."""
        return self.read(word, arguments, environment, so_far)


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return numbers as runs, in order: 1,2,3,7 -> (1,3) (7,7)."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def words_list(numbers: Iterable[int]) -> list[str]:
    """Return VLANs as Huawei and H3C write them, ten items a line."""
    items = [str(a) if a == b else f"{a} to {b}" for a, b in ranges(numbers)]
    return [" ".join(items[i : i + LIST_ITEMS]) for i in range(0, len(items), LIST_ITEMS)]


def commas_list(numbers: Iterable[int]) -> str:
    """Return VLANs as Cisco and Ruijie write them."""
    return ",".join(str(a) if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in ranges(numbers))


def _vlan(word: str) -> int | None:
    return int(word) if word.isdigit() and 1 <= int(word) <= 4094 and len(word) <= 4 else None


def _vlan_type(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    number = _vlan(word)
    return None if number is None else Taken(number, str(number))


def _vlans_word(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    if not environment.commas:
        return None
    numbers: set[int] = set()
    for item in word.split(","):
        first, dash, last = item.partition("-")
        begin, end = _vlan(first), _vlan(last) if dash else _vlan(first)
        if begin is None or end is None or end < begin:
            return None
        numbers.update(range(begin, end + 1))
    return Taken(frozenset(numbers), commas_list(numbers))


def _vlans_first(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    number = _vlan(word)
    have: tuple[tuple[int, int], ...] = so_far.runs if isinstance(so_far, Runs) else ()
    if environment.commas or number is None or len(have) == LIST_ITEMS:
        return None
    return Taken(Runs((*have, (number, number))), word)


def _vlans_to(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    number = _vlan(word)
    if number is None or not isinstance(so_far, Runs) or number < so_far.runs[-1][1]:
        return None
    return Taken(Runs((*so_far.runs[:-1], (so_far.runs[-1][0], number))), word)


class Runs(frozenset[int]):
    """A set of VLANs that remembers in which items it was written."""

    runs: tuple[tuple[int, int], ...]

    def __new__(cls, runs: tuple[tuple[int, int], ...]) -> Runs:
        """Make the set of all that the items say."""
        self = super().__new__(cls, (n for a, b in runs for n in range(a, b + 1)))
        self.runs = runs
        return self


def _whole(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    split = re.fullmatch(r"((?:\d+GE|[A-Za-z][A-Za-z-]*))(\d[\d/.]*)", word)
    found = environment.interface(split[1], split[2], arguments[0]) if split else None
    return Taken(found[1], found[1]) if found else None


def _kind(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    fits = [row for row in environment.kinds if arguments[0] in (row.kind, "interface") and row.matches(word)]
    return Taken(("kind", word), "") if fits else None


def _number(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    found = environment.interface(so_far[1], word, arguments[0])
    return Taken(found[1], found[1]) if found else None


def _ports(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    """Read `GigabitEthernet 0/0/1 to GigabitEthernet 0/0/4` or `Gi1/0/1 - 4, Gi1/0/7`."""
    names: list[str] = []
    for item in word.split(","):
        found = RANGE.fullmatch(item.strip())
        if not found:
            return None
        head, _, first = found["first"].rpartition("/")
        last = (found["last"] or found["first"]).rpartition("/")[2]
        every = range(int(first), int(last) + 1)
        there = [environment.interface(found["kind"], f"{head}/{number}", "port") for number in every]
        if not there or None in there:
            return None
        names += [row[1] for row in there if row]
    return Taken(tuple(names), word)


def _int(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    low, high, *step = (int(argument) for argument in arguments) if arguments else (0, 2**32 - 1)
    good = word.isdigit() and low <= int(word) <= high and (not step or int(word) % step[0] == 0)
    return Taken(int(word), str(int(word))) if good else None


def _ip(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    try:
        return Taken(str(ipaddress.IPv4Address(word)), word)
    except ValueError:
        return None


def _mask(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    try:
        if word.isdigit() and "length" not in arguments:
            return None
        network = ipaddress.IPv4Network(f"0.0.0.0/{word}")
    except ValueError:
        return None
    return Taken(network.prefixlen, str(network.prefixlen) if "short" in arguments else str(network.netmask))


def _mac(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    plain = re.sub(r"[^0-9a-f]", "", word.lower())
    return Taken(":".join(plain[i : i + 2] for i in range(0, 12, 2)), word) if MAC.fullmatch(word) else None


def _word(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    longest = int(arguments[0]) if arguments else 255
    return Taken(word.strip('"'), word) if len(word) <= longest else None


def _host(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    return Taken(word, word) if re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", word) else None


def _text(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    longest = int(arguments[0]) if arguments else 255
    return Taken(word, word) if len(word) <= longest else None


def _banner(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    return Taken(word, word)


def unfinished(line: str) -> str:
    """Return the mark that ends a banner of many lines, if the line begins one and does not end it: `banner motd ^C`."""
    found = re.fullmatch(r"banner \w+ (\^C|\S)(.*)", line.strip())
    return found[1] if found and found[1] not in found[2] else ""


def _match(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    return Taken(word, word) if re.fullmatch(arguments[0], word) else None


def hide(plain: str, wrap: tuple[str, str], salt: str = "") -> str:
    """Return a secret as the configuration shows it; `reveals` tells whether a password is the one."""
    salt = salt or secrets.token_hex(4)
    digest = hashlib.pbkdf2_hmac("sha256", plain.encode(), salt.encode(), 100)
    return f"{wrap[0]}{salt}{base64.b64encode(digest, b'./').decode().rstrip('=')}{wrap[1]}"


def reveals(stored: str, plain: str, wrap: tuple[str, str]) -> bool:
    """Say whether a password is what a stored secret hides."""
    salt = stored.removeprefix(wrap[0])[:8]
    return secrets.compare_digest(hide(plain, wrap, salt).encode(), stored.encode())


def _secret(word: str, arguments: Sequence[str], environment: Environment, so_far: Any) -> Taken | None:
    if re.fullmatch(environment.hashes, word):
        return Taken(word, word)
    if "stored" in arguments:
        return None
    stored = hide(word.strip('"'), environment.wrap)
    return Taken(stored, stored)


TYPES: dict[str, Type] = {
    "vlan": Type(_vlan_type),
    "vlans-word": Type(_vlans_word),
    "vlans-first": Type(_vlans_first),
    "vlans-to": Type(_vlans_to),
    "interface-whole": Type(_whole),
    "interface-kind": Type(_kind),
    "interface-number": Type(_number),
    "int": Type(_int),
    "ip": Type(_ip),
    "mask": Type(_mask),
    "mac": Type(_mac),
    "word": Type(_word),
    "host": Type(_host),
    "text": Type(_text, whole=True),
    "banner": Type(_banner, whole=True),
    "match": Type(_match),
    "secret": Type(_secret),
    "ports": Type(_ports, whole=True),
}
