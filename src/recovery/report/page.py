"""The report's pages: everything computed once, then put into the template, then printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from . import narrative, plot
from .evidence import examine
from .incident import Event, Incident, Play, ReportError, dicts, number, parse_time, read, texts
from .outage import MILESTONES, Figure, Outage, figures, last_number, outages
from .plan import Plan, clauses_of, read_plan
from .text import Words, zone
from .workload import Client, Gap, moment, read_clients, series

WIDE, NARROW = 720, 340
TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class OutageView:
    """One outage with its target, drawings and figures."""

    outage: Outage
    target: Any
    bars: tuple[Markup, ...]
    plots: tuple[Markup, ...]
    column_s: int
    measured: tuple[Figure, ...]
    clients: tuple[Client, ...]

    @property
    def watched(self) -> bool:
        """Whether a workstation's log covers this outage."""
        return any(client.per_second for client in self.clients)

    @property
    def worst(self) -> tuple[str, Gap] | None:
        """The longest closed gap that overlaps this outage, and where."""
        window = self.outage.window()
        found = [(client.host, gap) for client in self.clients for gap in client.gaps_in(window) if gap.end is not None]
        return max(found, key=lambda pair: pair[1].seconds or 0.0, default=None)

    def last(self, *keys: str) -> Figure | None:
        """The last measured number of these names."""
        return last_number(list(self.measured), *keys)


def _in_window(client: Client, outage: Outage) -> bool:
    window = outage.window()
    if window is None or client.span is None:
        return True
    return client.span[0] <= window[1].timestamp() and client.span[1] >= window[0].timestamp()


def _plots(words: Words, clients: Sequence[Client], outage: Outage | None) -> tuple[tuple[Markup, ...], int]:
    drawn: list[Markup] = []
    column_s = 1
    for width, name, columns in ((WIDE, "wide", 330), (NARROW, "narrow", 140)):
        data = series(clients, outage.window() if outage else None, columns)
        if data is None:
            return (), 1
        title = words(
            "alt_workload",
            start=words.moment(moment(data.start)),
            end=words.moment(moment(data.end)),
            good=words.count(sum(data.acknowledged)),
            bad=words.count(sum(data.failed)),
            silent=words.duration(_silence(data.acknowledged) * data.width),
        )
        drawn.append(plot.workload(words, data, clients, outage, width, title, name))
        column_s = data.width if name == "wide" else column_s
    return tuple(drawn), column_s


def _silence(counts: Sequence[int]) -> int:
    longest = current = 0
    for count in counts:
        current = 0 if count else current + 1
        longest = max(longest, current)
    return longest


def _bars(words: Words, outage: Outage, target_s: float | None) -> tuple[Markup, ...]:
    told = words.listed([f"{words('m_' + s.start.name)} – {words('m_' + s.end.name)} {words.duration(s.seconds)}" for s in outage.segments])
    title = words("alt_rto", segments=told)
    drawn = [plot.rto_bar(words, outage, target_s, width, title, name) for width, name in ((WIDE, "wide"), (NARROW, "narrow"))]
    return tuple(bar for bar in drawn if bar is not None)


def _views(words: Words, incident: Incident, plan: Plan, clients: Sequence[Client]) -> list[OutageView]:
    views = []
    for outage in outages(incident):
        near = tuple(client for client in clients if _in_window(client, outage))
        target = plan.target(clauses_of(incident, outage.runs))
        plots, column_s = _plots(words, near, outage)
        views.append(
            OutageView(
                outage,
                target,
                _bars(words, outage, target.rto_s if target else None),
                plots,
                column_s,
                tuple(figures(incident, outage.runs)),
                near,
            )
        )
    return views


@dataclass(frozen=True)
class TimelineRow:
    """A line of the journal, or several tasks in a row."""

    event: Event
    tasks: tuple[Event, ...] = ()

    def results(self) -> dict[str, int]:
        """How many of the tasks ended how, in the order of first appearance."""
        found: dict[str, int] = {}
        for task in self.tasks:
            found[task.result] = found.get(task.result, 0) + 1
        return found


def timeline(incident: Incident) -> list[TimelineRow]:
    """Put tasks of one run that stand in a row together; every other event has a row of its own."""
    rows: list[TimelineRow] = []
    for event in incident.events:
        quiet = event.event == "task" and event.result not in ("failed", "unreachable")
        if quiet and rows and rows[-1].tasks and rows[-1].event.run == event.run:
            rows[-1] = TimelineRow(rows[-1].event, (*rows[-1].tasks, event))
        else:
            rows.append(TimelineRow(event, (event,) if quiet else ()))
    return rows


@dataclass(frozen=True)
class StepRow:
    """A task in the procedure, or one that was skipped on several hosts in a row."""

    task: Event
    hosts: tuple[str, ...]


def step_rows(play: Play) -> list[StepRow]:
    """Put a task that was skipped on one host after the other into one row; every other task has a row of its own."""
    rows: list[StepRow] = []
    for task in play.tasks:
        last = rows[-1] if rows else None
        if last and task.result == last.task.result == "skipped" and task.name == last.task.name:
            rows[-1] = StepRow(last.task, (*last.hosts, task.host))
        else:
            rows.append(StepRow(task, (task.host,)))
    return rows


@dataclass(frozen=True)
class ManualStep:
    """A step of a person: asked, and answered or not; a claim that proved wrong is asked again and makes a row of its own."""

    asked: Event | None
    done: Event | None

    @property
    def waited_s(self) -> float | None:
        """Seconds between question and answer."""
        if self.asked and self.done and self.asked.at and self.done.at:
            return (self.done.at - self.asked.at).total_seconds()
        return None


def manual_steps(incident: Incident) -> list[ManualStep]:
    """Pair each question to a person with its answer, by run and name."""
    steps: list[ManualStep] = []
    for event in incident.of("manual_step_asked", "manual_step_done"):
        if event.event == "manual_step_asked":
            steps.append(ManualStep(event, None))
            continue
        for index, step in enumerate(steps):
            asked = step.asked
            if step.done is None and asked and (asked.run, asked.name, asked.host) == (event.run, event.name, event.host):
                steps[index] = ManualStep(asked, event)
                break
        else:
            steps.append(ManualStep(None, event))
    return steps


def pairs(value: Any) -> list[tuple[str, str]]:
    """Return a mapping as pairs of texts, without what is empty."""
    if not isinstance(value, dict):
        return []

    def shown(item: Any) -> str:
        return json.dumps(item, ensure_ascii=False, sort_keys=True) if isinstance(item, dict) else ", ".join(texts(item))

    return [(str(key), shown(item)) for key, item in value.items() if item not in (None, "", [], {})]


def checks_of(task: Event) -> list[dict[str, Any]]:
    """Return the parts of a proof, each with its question and its verdict."""
    after = task.data.get("after")
    return [check for check in dicts(after.get("checks")) if check.get("check")] if isinstance(after, dict) else []


def state_of(task: Event, key: str) -> list[tuple[str, str]]:
    """Return what a task found (`before`) or left (`after`), without the parts of a proof, which have lines of their own."""
    state = task.data.get(key)
    shown_elsewhere = key == "after" and bool(checks_of(task))
    return pairs(
        {name: value for name, value in state.items() if not (shown_elsewhere and name == "checks")} if isinstance(state, dict) else None
    )


def artifacts(event: Event) -> list[str]:
    """Return the paths of the artefacts that a line names."""
    return [str(item["path"]) for item in dicts(event.data.get("artifacts")) if item.get("path")]


def said(event: Event, *keys: str) -> list[tuple[str, str]]:
    """Return what a task's data or its loop's items say under these keys, as (item, text)."""
    found: list[tuple[str, str]] = []
    for part in (event.data, *dicts(event.data.get("items"))):
        label = str(part.get("item") or "") if part is not event.data else ""
        for key in keys:
            found += [(label, text) for text in texts(part.get(key))]
    return found


def claim_checked(event: Event) -> bool | None:
    """Whether a person's claim was checked by machine; none if the journal does not say."""
    value = next((event.data[key] for key in ("claim_checked", "checked", "claim") if key in event.data), None)
    return value if isinstance(value, bool) else None


def context(incident: Incident, words: Words, plan: Plan, zone_name: str) -> dict[str, Any]:
    """Return what the template shows."""
    clients, unreadable = read_clients(incident)
    views = _views(words, incident, plan, clients)
    loose, column_s = ((), 1) if views else _plots(words, clients, None)
    return {
        "t": words,
        "incident": incident,
        "plan": plan,
        "zone_name": zone_name,
        "views": views,
        "clients": clients,
        "unreadable": unreadable,
        "loose_plots": loose,
        "loose_column_s": column_s,
        "paragraph": narrative.paragraph(words, incident, [view.outage for view in views], clients),
        "figures": figures(incident),
        "clauses": clauses_of(incident),
        "timeline": timeline(incident),
        "manual": manual_steps(incident),
        "evidence": examine(incident),
        "MILESTONES": MILESTONES,
        "RPO": narrative.RPO,
        "LOST": narrative.LOST,
        "ACKNOWLEDGED": narrative.ACKNOWLEDGED,
        "segment_colour": lambda segment: plot.SEGMENTS[plot.colour_index(segment)],
        "numbered": plot.numbered,
        "has_seconds": any(client.per_second for client in clients),
        "dicts": dicts,
        "number": number,
        "parse_time": parse_time,
        "pairs": pairs,
        "artifacts": artifacts,
        "step_rows": step_rows,
        "checks_of": checks_of,
        "state_of": state_of,
        "said": said,
        "findings_of": lambda task: [one for part in (task.data, *dicts(task.data.get("items"))) for one in dicts(part.get("findings"))],
        "claim_checked": claim_checked,
        "missing_names": lambda names: [words("m_" + name) for name in names],
        "result_words": lambda counts: [f"{count} {words.or_raw('r_', result)}" for result, count in counts.items()],
        "texts": texts,
        "css": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
    }


def html(incident: Incident, words: Words, plan: Plan, zone_name: str = "UTC") -> str:
    """Return the report as one HTML document that needs nothing beside it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(context(incident, words, plan, zone_name))


def pdf(document: str) -> bytes:
    """Print the HTML document. Nothing is fetched for it: a document that asks for anything is an error."""
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        raise ReportError(
            f"The PDF cannot be printed: {error}. WeasyPrint needs Debian's libpango-1.0-0, libpangoft2-1.0-0 and "
            "libharfbuzz-subset0. The HTML report holds the same and is written."
        ) from error

    def refuse(url: str, *_: Any, **__: Any) -> Any:
        raise ReportError(f"The report asked for {url!r}, and nothing may be fetched for it. This is a fault of the report itself.")

    return bytes(weasyprint.HTML(string=document, url_fetcher=refuse).write_pdf(pdf_identifier=b"recovery-report"))


def write(
    directory: Path, language: str, output: Path | None = None, zone_name: str = "UTC", plan_directory: Path | None = None
) -> tuple[Path, Path]:
    """Write report.html and report.pdf of an incident into its directory, or into ``output``; return both paths.

    Raises ReportError with the reason and the way out.
    """
    words = Words(language, zone(zone_name))
    incident = read(directory)
    target = output or directory
    document = html(incident, words, read_plan(plan_directory), zone_name)
    try:
        target.mkdir(parents=True, exist_ok=True)
        page, printed = target / "report.html", target / "report.pdf"
        page.write_text(document, encoding="utf-8")
        printed.write_bytes(pdf(document))
    except OSError as error:
        raise ReportError(
            f"The report cannot be written to {target}: {error.strerror}. Name another directory with --output, or make room."
        ) from error
    return page, printed
