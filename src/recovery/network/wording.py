"""How a platform spells values: VLAN lists, masks, MAC addresses, secrets; and the lines with blanks that platform.yml is written in.

A line such as ``port default vlan <int>`` serves both ways: it reads a value out of a configuration and writes it into one.
A blank is ``<type>`` or ``<name:type>``; without a name it is called ``value``, unless the word is no type: then it is a name, of a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Literal

from .model import ALL_VLANS, Secret

PATTERNS = {
    "text": r"\S.*",
    "quoted": r"\S.*",
    "word": r"\S+",
    "int": r"\d+",
    "num": r"\d+(?:\.\d+)?",
    "vlans": r"[\d][\d,\- to]*|all",
    "ip": r"\d+\.\d+\.\d+\.\d+",
    "net": r"\d+\.\d+\.\d+\.\d+ +[\d.]+",
    "netlen": r"\d+\.\d+\.\d+\.\d+ +[\d.]+",
    "mac": r"[0-9A-Fa-f]{4}[-.][0-9A-Fa-f]{4}[-.][0-9A-Fa-f]{4}",
    "secret": r"\S.*",
    "plain": r"\S+",
}
BLANK = re.compile(r"<(\w+)(?::(\w+))?>")


def ranges(vlans: Iterable[int]) -> list[tuple[int, int]]:
    """Return VLANs as ranges, in order: {1, 2, 3, 7} is [(1, 3), (7, 7)]."""
    found: list[tuple[int, int]] = []
    for vlan in sorted(vlans):
        if found and vlan == found[-1][1] + 1:
            found[-1] = (found[-1][0], vlan)
        else:
            found.append((vlan, vlan))
    return found


def read_vlans(text: str) -> frozenset[int]:
    """Read a VLAN list in either form, ``10 20 to 30`` or ``10,20-30``; ``all`` is every one. ValueError if it is no list of VLANs."""
    if text.strip().lower() == "all":
        return ALL_VLANS
    vlans: set[int] = set()
    for part in re.sub(r"\s*(?:\bto\b|-)\s*", "-", text).replace(",", " ").split():
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if not 0 <= low <= high <= 4095:
            raise ValueError(f"{part!r} in {text!r} is no VLAN nor a range of them")
        vlans.update(range(low, high + 1))
    return frozenset(vlans)


def plain_vlans(vlans: Iterable[int]) -> str:
    """Write VLANs as ``10,20-30``, for people and for data."""
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges(vlans))


def canonical_mac(text: str) -> str:
    """Return a MAC address in any notation as 12 hex digits in lower case. ValueError if it is none."""
    digits = re.sub(r"[^0-9A-Fa-f]", "", text).lower()
    if len(digits) != 12:
        raise ValueError(f"{text!r} is no MAC address")
    return digits


@dataclass(frozen=True)
class Style:
    """A platform's spelling. ``vlan_ranges`` is how many ranges one line may hold; ``secrets`` maps a type's words to its form."""

    negation: str
    leave: str
    separator: str
    end: str
    global_indent: str = ""
    vlan_list: Literal["words", "commas"] = "words"
    vlan_ranges: int = 10
    mac: str = "-"
    secrets: Mapping[str, Literal["plain", "hash", "cipher"]] = None  # type: ignore[assignment]  # always given by platform.yml

    def vlan_lists(self, vlans: Iterable[int]) -> list[str]:
        """Write VLANs as one or more lists, none longer than a line may be."""
        dash, comma = (" to ", " ") if self.vlan_list == "words" else ("-", ",")
        parts = [str(low) if low == high else f"{low}{dash}{high}" for low, high in ranges(vlans)]
        return [comma.join(parts[start : start + self.vlan_ranges]) for start in range(0, len(parts), self.vlan_ranges)]

    def write(self, kind: str, value: Any) -> str:
        """Write one value. VLANs must fit one line: see ``vlan_lists``."""
        if kind == "vlans":
            return self.vlan_lists({value} if isinstance(value, int) else value)[0]
        if kind in ("net", "netlen"):
            address, _, length = str(value).partition("/")
            return f"{address} {IPv4Network(f'0.0.0.0/{length}').netmask if kind == 'net' else length}"
        if kind == "mac":
            return self.mac.join(value[start : start + 4] for start in (0, 4, 8))
        if kind == "num":
            return f"{value:g}"
        if kind == "quoted" and " " in value:
            return f'"{value}"'
        if kind == "secret":
            return f"{value.type} {value.text}".strip()
        if kind == "plain":
            return str(value.text)
        return str(value)

    def read(self, kind: str, text: str) -> Any:
        """Read one value. ValueError if the text, though it looks right, means none."""
        if kind == "int":
            return int(text)
        if kind == "num":
            return float(text)
        if kind == "vlans":
            return read_vlans(text)
        if kind in ("net", "netlen"):
            address, mask = text.split()
            return f"{address}/{IPv4Network(f'0.0.0.0/{mask}').prefixlen}"
        if kind == "mac":
            return canonical_mac(text)
        if kind == "secret":
            return self._secret(text)
        if kind == "plain":
            return Secret("plain", "", text)
        return text.strip('"') if kind == "quoted" else text

    def _secret(self, text: str) -> Secret:
        for words in sorted(self.secrets, key=len, reverse=True):
            if text == words or text.startswith(f"{words} "):
                return Secret(self.secrets[words], words, text[len(words) :].strip())
        raise ValueError("a secret of a type that platform.yml does not name")


@dataclass(frozen=True)
class Line:
    """A configuration line with blanks, which reads and writes."""

    text: str
    style: Style

    @property
    def blanks(self) -> dict[str, str]:
        """Return the name and type of each blank."""
        return {
            name if kind or name not in PATTERNS else "value": kind or (name if name in PATTERNS else "word")
            for name, kind in BLANK.findall(self.text)
        }

    @property
    def fixed(self) -> str:
        """Return what stands before the first blank."""
        return self.text.split("<")[0].strip()

    def pattern(self) -> re.Pattern[str]:
        """Return the expression that finds the blanks of this line."""
        expression, end = "", 0
        names = iter(self.blanks.items())
        for blank in BLANK.finditer(self.text):
            name, kind = next(names)
            expression += re.escape(self.text[end : blank.start()]) + f"(?P<{name}>{PATTERNS[kind]})"
            end = blank.end()
        return re.compile((expression + re.escape(self.text[end:])).replace(r"\ ", r"\s+") + r"\s*", re.IGNORECASE)

    def read(self, text: str, pattern: re.Pattern[str]) -> dict[str, Any] | None:
        """Return the values of the blanks, or None if the text is another line."""
        found = pattern.fullmatch(text)
        if not found:
            return None
        try:
            return {name: self.style.read(kind, found[name].strip()) for name, kind in self.blanks.items()}
        except ValueError:
            return None

    def write(self, **values: Any) -> str:
        """Fill the blanks."""
        kinds = iter(self.blanks.items())

        def fill(_: re.Match[str]) -> str:
            name, kind = next(kinds)
            return self.style.write(kind, values[name])

        return BLANK.sub(fill, self.text)
