"""Words and figures of the report in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from .incident import ReportError, parse_time

LANGUAGES = ("zh", "en")
CATALOGUE = Path(__file__).with_name("strings")


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Return every sentence of the report, from one file for each part of it: key -> language -> text.

    ``{names}`` in a sentence are filled in; a key that stands twice is an error.
    """
    found: dict[str, dict[str, str]] = {}
    for path in sorted(CATALOGUE.glob("*.yml")):
        for key, texts in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            if key in found:
                raise ReportError(f"The sentence {key} stands twice, the second time in {path}. Delete one of them.")
            found[str(key)] = {str(lang): str(text) for lang, text in texts.items()}
    return found


def zone(name: str) -> tzinfo:
    """Return the time zone of this IANA name."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ReportError(
            f"There is no time zone named {name!r} on this machine. Use an IANA name such as Asia/Shanghai, "
            "install Debian's tzdata, or leave the option out: times are then UTC, as in the journal."
        ) from error


@dataclass(frozen=True)
class Words:
    """Sentences, times and figures in one language and one time zone."""

    language: str
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        """Refuse a language that the catalogue does not have."""
        if self.language not in LANGUAGES:
            raise ReportError(f"The report is written in zh or en, not in {self.language!r}. Say --language zh or --language en.")

    def __call__(self, key: str, **values: Any) -> str:
        """Return the sentence of this key with its values filled in."""
        text = catalogue()[key][self.language]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether the catalogue knows this key."""
        return key in catalogue()

    def or_raw(self, prefix: str, name: str) -> str:
        """Return the word for a name from the journal, or the name itself when the catalogue has none."""
        return self(prefix + name) if self.has(prefix + name) else name

    def listed(self, items: list[str]) -> str:
        """Put items into a list as a sentence has it."""
        if self.language == "zh":
            return "、".join(items)
        return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""

    def date(self, at: datetime | None) -> str:
        """Day, as 2026-11-21."""
        return at.astimezone(self.zone).strftime("%Y-%m-%d") if at else "–"

    def time(self, at: datetime | None) -> str:
        """Time of day to the second."""
        return at.astimezone(self.zone).strftime("%H:%M:%S") if at else "–"

    def precise(self, at: datetime | None) -> str:
        """Time of day to the millisecond."""
        return at.astimezone(self.zone).strftime("%H:%M:%S.%f")[:-3] if at else "–"

    def moment(self, at: datetime | None) -> str:
        """Day and time of day."""
        return f"{self.date(at)} {self.time(at)}" if at else "–"

    def duration(self, seconds: float | None) -> str:
        """A length of time, exact below ten seconds, to the second above."""
        if seconds is None:
            return self("not_measured")
        sign, seconds = ("−" if seconds < 0 else ""), abs(seconds)
        unit = self._unit
        if seconds < 10:
            shown = f"{seconds:.2f}".rstrip("0").rstrip(".")
            return f"{sign}{shown} {unit['s']}"
        whole = round(seconds)
        if whole < 60:
            return f"{sign}{whole} {unit['s']}"
        minutes, rest = divmod(whole, 60)
        hours, minutes = divmod(minutes, 60)
        parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
        while parts and parts[0][0] == 0:
            parts.pop(0)
        while len(parts) > 1 and parts[-1][0] == 0:
            parts.pop()
        return sign + " ".join(f"{value} {unit[name]}" for value, name in parts)

    @property
    def _unit(self) -> dict[str, str]:
        return {"zh": {"h": "小时", "min": "分", "s": "秒"}, "en": {"h": "h", "min": "min", "s": "s"}}[self.language]

    def count(self, value: float | None) -> str:
        """A number with thousands set apart; none is said to be not measured."""
        if value is None:
            return self("not_measured")
        return f"{int(value):,}" if float(value).is_integer() else f"{value:,.3f}".rstrip("0").rstrip(".")

    def size(self, octets: float) -> str:
        """A size in bytes with its rounded decimal unit."""
        if octets < 1000:
            return f"{int(octets)} B"
        value = octets
        for unit in ("kB", "MB", "GB"):
            value /= 1000
            if value < 1000:
                return f"{value:.1f} {unit} ({int(octets):,} B)"
        return f"{value / 1000:.1f} TB ({int(octets):,} B)"

    def figure(self, key: str, value: Any) -> str:
        """A measured figure with the unit that its name says (`_s` and `seconds` seconds, `_ms`, `bytes` a size, `_at` a time)."""
        if value is None:
            return self("not_measured")
        if isinstance(value, bool):
            return self("yes") if value else self("no")
        if isinstance(value, int | float):
            return self._unit_of(key, float(value))
        if isinstance(value, list):
            return ", ".join(self.figure(key, item) for item in value) or self("none")
        if isinstance(value, dict):
            inner = key if key == "seconds" else ""
            return " · ".join(f"{name} {self.figure(inner or name, item)}" for name, item in value.items()) or self("none")
        at = parse_time(value) if key.endswith(("_at", "start", "end", "_to")) else None
        return f"{self.date(at)} {self.precise(at)}" if at else str(value)

    def _unit_of(self, key: str, value: float) -> str:
        if key.endswith(("_s", "seconds")):
            return self.duration(value)
        if key.endswith("_ms"):
            return f"{self.count(value)} ms"
        if "bytes" in key and value >= 0:
            return self.size(value)
        return self.count(value)
