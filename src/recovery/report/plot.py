"""The report's two drawings as SVG: the workload over time, and the recovery time by segment.

Every drawing is made in two widths, for paper and for a phone, so that its letters stay readable on both. Attributes instead of
a style sheet: they mean the same to a browser and to the PDF renderer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from .outage import MILESTONES, Milestone, Outage, Segment
from .text import Words
from .workload import Client, Series, moment

INK, MUTED, RULE = "#1b1f24", "#57606a", "#d5d9de"
GOOD, BAD, SHADE = "#2d5f8b", "#b3261e", "#f3e3dc"
SEGMENTS = ("#c9d3dc", "#9fb2c3", "#7393ae", "#4f789b", "#2d5f8b", "#1d4467")
FONT = "Inter, 'Noto Sans', 'WenQuanYi Micro Hei', 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif"


@dataclass(frozen=True)
class Frame:
    """Where the drawing's axes lie, in user units."""

    width: int
    left: int
    right: int
    low: float
    high: float

    def x(self, second: float) -> float:
        """Place a time on the horizontal axis, kept inside it."""
        share = (second - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return self.left + min(1.0, max(0.0, share)) * (self.width - self.left - self.right)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(x: float, y: float, content: str, *, size: float = 11, anchor: str = "start", colour: str = INK, weight: int = 400) -> str:
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-family="{FONT}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(content)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = RULE, width: float = 1, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="{colour}" stroke-width="{_n(width)}"{dashes}/>'


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0))}" height="{_n(max(height, 0))}" fill="{colour}"/>'


def _svg(parts: Sequence[str], width: int, height: float, title: str, name: str) -> Markup:
    return Markup(  # noqa: S704 - every text in the parts went through escape()
        f'<svg class="{name}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_n(height)}" width="{width}" '
        f'height="{_n(height)}" role="img" aria-label="{escape(title)}">' + "".join(parts) + "</svg>"
    )


def nice_step(top: float, ticks: int = 4) -> float:
    """Return a round step that divides 0..top into at most ``ticks`` parts."""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if top <= step * factor * ticks:
                return step * factor
        step *= 10


TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


def time_ticks(low: float, high: float, ticks: int) -> list[int]:
    """Round moments between low and high, at most ``ticks`` of them."""
    step = next((step for step in TIME_STEPS if (high - low) / step <= ticks), None)
    if step is None:
        step = 86400 * max(1, round((high - low) / 86400 / ticks + 0.5))
    first = -(-int(low) // step) * step
    return list(range(first, int(high) + 1, step))


def _columns(frame: Frame, data: Series, rates: Sequence[float], base: float, scale: float) -> str:
    """A filled step line over (scale > 0) or under (scale < 0) the base line."""
    path: list[str] = []
    index = 0
    while index < len(rates):
        if rates[index] == 0:
            index += 1
            continue
        path.append(f"M{_n(frame.x(data.start + index * data.width))} {_n(base)}")
        while index < len(rates) and rates[index] > 0:
            path.append(f"V{_n(base - rates[index] * scale)}H{_n(frame.x(data.start + (index + 1) * data.width))}")
            index += 1
        path.append(f"V{_n(base)}Z")
    return "".join(path)


def workload(words: Words, data: Series, clients: Sequence[Client], outage: Outage | None, width: int, title: str, name: str) -> Markup:
    """Draw acknowledged transactions above the base line, failed ones below, the outage shaded, milestones numbered.

    Below the plot every workstation has a lane in which its gaps in service are dark.
    """
    low, high = float(data.start), float(data.end)
    window = outage.window() if outage else None
    if outage and window:
        times = [milestone.at.timestamp() for milestone in outage.milestones.values()]
        low, high = min(low, *times), max(high, *times)
    frame = Frame(width, 44, 12, low, high)
    good, bad = data.rate(data.acknowledged), data.rate(data.failed)
    step = nice_step(max(max(good), 1.0))
    top_value = step * -(-max(max(good), 1.0) // step)
    top, height = 34.0, 150.0
    base = top + height
    scale = height / top_value
    depth = min(max(bad) * scale, height * 0.6)
    bad_scale = depth / max(bad) if max(bad) else scale
    lanes = base + depth + 14
    bottom = lanes + 18 * len(clients)
    parts: list[str] = []
    if outage and outage.down_from:
        start = frame.x(outage.down_from.timestamp())
        stop = frame.x(outage.down_until.timestamp() if outage.down_until else high)
        parts.append(_rect(start, top, stop - start, bottom - top, SHADE))
    value = 0.0
    while value <= top_value + step / 2:
        y = base - value * scale
        parts.append(_line(frame.left, y, width - frame.right, y))
        parts.append(_text(frame.left - 6, y + 4, words.count(value), anchor="end", colour=MUTED))
        value += step
    parts.append(f'<path d="{_columns(frame, data, good, base, scale)}" fill="{GOOD}"/>')
    parts.append(f'<path d="{_columns(frame, data, bad, base, -bad_scale)}" fill="{BAD}"/>')
    parts.append(_line(frame.left, base, width - frame.right, base, INK))
    if depth > 8:
        parts.append(_text(frame.left - 6, base + depth + 2, words.count(round(max(bad), 1)), anchor="end", colour=BAD))
    for row, client in enumerate(clients):
        y = lanes + 18 * row
        parts.append(_line(frame.left, y + 6, width - frame.right, y + 6, GOOD, 2))
        for gap in client.gaps:
            end = gap.end.timestamp() if gap.end else high
            if end >= low and gap.start.timestamp() <= high:
                x = frame.x(gap.start.timestamp())
                parts.append(_rect(x, y + 2, max(frame.x(end) - x, 1.5), 8, BAD))
        parts.append(_text(frame.left + 4, y + 16.5, client.host, size=9, colour=MUTED))
    for tick in time_ticks(low, high, max(3, width // 110)):
        x = frame.x(tick)
        anchor = "end" if x > width - 40 else "middle"
        parts += [_line(x, bottom + 4, x, bottom + 8, INK), _text(x, bottom + 21, words.time(moment(tick)), anchor=anchor, colour=MUTED)]
    parts.append(_line(frame.left, bottom + 4, width - frame.right, bottom + 4, INK))
    parts += _flags(frame, outage, top, bottom)
    return _svg(parts, width, bottom + 28, title, name)


def _flags(frame: Frame, outage: Outage | None, top: float, bottom: float) -> list[str]:
    parts: list[str] = []
    last = -100.0
    for number, milestone in numbered(outage):
        x = frame.x(milestone.at.timestamp())
        flag = max(x, last + 17)
        last = flag
        parts.append(_line(x, top - 8, x, bottom + 4, INK, 0.8, "3 2"))
        if flag != x:
            parts.append(_line(x, top - 8, flag, top - 13, INK, 0.8))
        parts.append(f'<circle cx="{_n(flag)}" cy="{_n(top - 19)}" r="8" fill="{INK}"/>')
        parts.append(_text(flag, top - 15.2, str(number), size=10.5, anchor="middle", colour="#ffffff", weight=600))
    return parts


def numbered(outage: Outage | None) -> list[tuple[int, Milestone]]:
    """The outage's milestones with the numbers that the drawing gives them."""
    return list(enumerate(outage.ordered, start=1)) if outage else []


def rto_bar(words: Words, outage: Outage, target_s: float | None, width: int, title: str, name: str) -> Markup | None:
    """Draw the recovery time as one bar of its segments, with the target as a mark; nothing if the times contradict the order."""
    segments = outage.segments
    if not segments or any(segment.seconds < 0 for segment in segments):
        return None
    start, end = segments[0].start.at, segments[-1].end.at
    total = (end - start).total_seconds()
    if total <= 0:
        return None
    scale_s = max(total, target_s or 0.0) * 1.02
    frame = Frame(width, 2, 2, 0.0, scale_s)
    parts: list[str] = []
    if target_s is not None:
        parts.append(_rect(frame.x(0), 22, frame.x(target_s) - frame.x(0), 30, "#eef0f2"))
    for segment in segments:
        parts += _piece(words, frame, segment, start)
    if target_s is not None:
        x = frame.x(target_s)
        anchor = "end" if x > width / 2 else "start"
        shift = -4 if anchor == "end" else 4
        parts += [
            _line(x, 10, x, 58, BAD, 1.6),
            _text(x + shift, 16, words("target_is", value=words.duration(target_s)), anchor=anchor, colour=BAD),
        ]
    for tick in time_ticks(0, scale_s, max(3, width // 120)):
        x = frame.x(tick)
        anchor = "start" if x < 20 else "end" if x > width - 30 else "middle"
        parts += [_line(x, 54, x, 58, INK), _text(x, 71, words.duration(tick), anchor=anchor, colour=MUTED)]
    parts.append(_line(frame.left, 54, width - frame.right, 54, INK))
    return _svg(parts, width, 78, title, name)


def _piece(words: Words, frame: Frame, segment: Segment, start: datetime) -> list[str]:
    low, high = ((at - start) / timedelta(seconds=1) for at in (segment.start.at, segment.end.at))
    x, size = frame.x(low), frame.x(high) - frame.x(low)
    index = colour_index(segment)
    parts = [_rect(x, 26, size, 22, SEGMENTS[index])]
    label = words.duration(segment.seconds)
    if size > 7 * len(label) + 8:
        parts.append(_text(x + size / 2, 41, label, anchor="middle", colour="#ffffff" if index >= 3 else INK))
    return parts


def colour_index(segment: Segment) -> int:
    """Which of the segment colours a segment has: by the milestone that ends it."""
    return MILESTONES.index(segment.end.name) - 1
