"""What the person at the keyboard sees of a run: alive on a terminal, plain lines anywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from recovery.frame.figures import Figures, duration
from recovery.frame.verdict import FAIL, NOT_RUN, PASS, Verdict

Event = Mapping[str, Any]
COLOURS = {"ok": "green", "changed": "yellow", "failed": "red", "unreachable": "red", "skipped": "bright_black"}
DRAW_S = 0.25
DIFF_LINES = 400
MARKS = {"ok": "✓", "changed": "●", "failed": "✗", "unreachable": "✗", "skipped": "-"}


def shown_name(verdict: str) -> str:
    """Return a verdict as it is shown: a run that was not run was refused."""
    return "REFUSED" if verdict == NOT_RUN else verdict


class View:
    """Plain lines: what CI and a log file get. The live view draws a line of the present below them."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to ``stream`` (standard output)."""
        self.stream = stream or sys.stdout
        self.started = time.monotonic()
        self.phase = ""
        self.sentence = ""
        self.approval = ""
        """What an approval waits for; empty: none does."""
        self.steps: dict[str, str] = {}
        """The steps of people that wait, by number."""
        self.typing = False
        """Whether an answer may be typed at this terminal just now."""
        self.differences: Path | None = None
        """The incident whose differences are shown line by line (``--diff``); else only their file is named."""

    def line(self, text: str, style: str = "") -> None:
        """Write one line that stays."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def open(self) -> None:
        """Begin to draw."""

    def tick(self) -> None:
        """Draw the present again."""

    def close(self) -> None:
        """Stop drawing."""

    def task(self, name: str) -> None:
        """A task begins."""
        self.sentence = name.split(" : ", 1)[-1]

    def event(self, event: Event) -> None:
        """A line of the journal: what ended, was found, was refused, or waits for a person."""
        handler = getattr(self, f"_on_{event.get('event')}", None)
        if handler is not None:
            data = event.get("data")
            handler(event, data if isinstance(data, Mapping) else {})

    def _on_play_begin(self, event: Event, data: Mapping[str, Any]) -> None:
        self.phase = str(event.get("name") or "")
        self.sentence = ""
        self.line(f"\n{self.phase}", "bold")

    def _on_task(self, event: Event, data: Mapping[str, Any]) -> None:
        result = str(event.get("result"))
        took = event.get("took_s")
        name = str(event.get("name") or "").split(" : ", 1)[-1]
        ended = f"{duration(float(took)):>9}" if isinstance(took, (int, float)) else " " * 9
        style = COLOURS.get(result, "")
        self.line(f"  {MARKS.get(result, '?')} {result:<11} {ended}  {event.get('host')}: {name}", style)
        for step in data.get("steps") or []:
            if isinstance(step, Mapping):
                self.line(f"      {duration(float(step.get('took_s') or 0)):>9}  {step.get('name')}", "bright_black")
        for finding in data.get("findings") or []:
            if isinstance(finding, Mapping) and finding.get("severity") in ("warning", "info"):
                style = "yellow" if finding["severity"] == "warning" else "cyan"
                self.line(f"      {finding['severity']}: {finding.get('message')}", style)
        self._differences(data)
        if result in ("failed", "unreachable") and not data.get("refused") and data.get("msg"):
            for text in str(data["msg"]).strip().splitlines()[:12]:
                self.line(f"      {text}", "red")
        elif result == "ok" and data.get("action") == "ansible.builtin.debug" and isinstance(data.get("msg"), str):
            self.line(f"      {data['msg'].strip()}", "cyan")

    def _differences(self, data: Mapping[str, Any]) -> None:
        for named in data.get("artifacts") or []:
            path = str(named.get("path", "")) if isinstance(named, Mapping) else ""
            if not path.endswith(".diff"):
                continue
            self.line(f"      differences: {path}", "cyan")
            if self.differences is not None:
                try:
                    told = (self.differences / path).read_text(encoding="utf-8", errors="replace").splitlines()
                except OSError as error:
                    told = [f"(cannot be read: {error})"]
                for text in told[:DIFF_LINES]:
                    self.line(f"        {text}", {"+": "green", "-": "red", "~": "yellow"}.get(text[:1], ""))
                if len(told) > DIFF_LINES:
                    self.line(f"        ... {len(told) - DIFF_LINES} more lines in {path}")

    def _on_refusal(self, event: Event, data: Mapping[str, Any]) -> None:
        self.line(f"  REFUSED  {event.get('clause')} {event.get('phase')}".rstrip(), "bold red")
        for finding in data.get("findings") or []:
            if not isinstance(finding, Mapping):
                continue
            for key in ("message", "why", "remedy", "alternative"):
                if finding.get(key):
                    self.line(f"    {finding[key]}", "red" if key == "message" else "")
            if finding.get("severity") == "overridable":
                self.line(f"    If it must be done all the same: -e override={finding.get('code')} -e override_by=NAME (journalled).")

    def _on_override(self, event: Event, data: Mapping[str, Any]) -> None:
        self.line(f"  overridden by {data.get('by')}: {data.get('message')} ({data.get('code')})", "yellow")

    def _on_lock_taken_over(self, event: Event, data: Mapping[str, Any]) -> None:
        self.line(f"  {event.get('name')}", "yellow")

    def _on_approval_requested(self, event: Event, data: Mapping[str, Any]) -> None:
        reference = str(data.get("reference"))
        if not data.get("needed"):
            return
        self.line(
            f"  APPROVAL {reference}: {data.get('needed')} of {', '.join(data.get('of') or [])}, until {data.get('expires_at')}", "bold"
        )
        for key, value in (data.get("action") or {}).items():
            self.line(f"      {key}: {value}")
        self.line(f"    recovery approve {reference} --as PRINCIPAL --key FILE     (or: recovery deny ... --reason WHY)")
        self.approval = f"waiting for approvals of {reference}"

    def _on_approval_answer(self, event: Event, data: Mapping[str, Any]) -> None:
        result = event.get("result")
        style = {"accepted": "green", "denied": "red"}.get(str(result), "yellow")
        self.line(f"    {data.get('principal')}: {result} - {data.get('reason')}", style)
        if data.get("still"):
            self.approval = str(data["still"])

    def _on_approval_granted(self, event: Event, data: Mapping[str, Any]) -> None:
        self.approval = ""

    _on_approval_refused = _on_approval_granted

    def _on_manual_step_asked(self, event: Event, data: Mapping[str, Any]) -> None:
        step = str(data.get("step"))
        if data.get("problem"):
            self.line(f"    The claim does not hold: {data['problem']}", "red")
        self.line(f"  STEP {step} for {data.get('who')}: {data.get('instruction')}", "bold")
        if data.get("evidence"):
            self.line(f"    note: {data['evidence']}")
        self.line(f"    recovery confirm {step} --note TEXT     (until {data.get('expires_at')}; not possible: --failed)")
        self.steps[step] = f"waiting for {data.get('who')}: {data.get('instruction')}"

    def _on_manual_step_done(self, event: Event, data: Mapping[str, Any]) -> None:
        step = str(data.get("step") or "")
        self.steps.pop(step, None)
        self.line(
            f"    {f'step {step} ' if step else ''}{event.get('result')}: {data.get('by')} {data.get('note') or ''}".rstrip(),
            "green" if event.get("result") == "done" else "red",
        )

    def _on_note(self, event: Event, data: Mapping[str, Any]) -> None:
        self.line(f"  {event.get('name')}", "yellow")

    def verdict(self, verdict: Verdict, runbook: str, figures: Figures, incident: str, more: str = "") -> None:
        """Write the closing block: the verdict, the numbers that the plan asks for, and where the proof is."""
        style = {PASS: "bold green", FAIL: "bold red"}.get(verdict.result, "bold yellow")
        scope = "  (rehearsal: nothing was changed)" if verdict.scope == "rehearsal" else ""
        self.line("")
        self.line(f"{shown_name(verdict.result)}  {runbook}{scope}", style)
        for text in verdict.reason.splitlines():
            self.line(f"  {text}")
        if figures.gap_s is not None:
            target = f"   (target {duration(figures.target.rto_s)})" if figures.target else ""
            late = bool(figures.target and figures.gap_s > figures.target.rto_s)
            parts = "  ".join(f"{name} {duration(seconds)}" for name, seconds in figures.segments)
            self.line(f"  service gap {duration(figures.gap_s)}{target}    {parts}", "red" if late else "")
        elif figures.segments:
            self.line("  " + "  ".join(f"{name} {duration(seconds)}" for name, seconds in figures.segments))
        self._loss(figures)
        if more:
            for text in more.splitlines():
                self.line(f"  {text}")
        self.line(f"  evidence    {incident}   (verify: recovery evidence verify {incident})")

    def _loss(self, figures: Figures) -> None:
        measured = figures.measured
        parts: list[str] = []
        of = measured.get("acknowledged_transactions")
        if "lost_transactions" in measured and of != 0:  # of nothing, nothing can be lost
            parts.append(
                f"{measured['lost_transactions']:,} " + (f"of {of:,} " if isinstance(of, int) else "") + "acknowledged transactions"
            )
        if isinstance(measured.get("rpo_s"), (int, float)):
            asked = figures.target.rpo_s if figures.target else None
            parts.append(f"RPO {measured['rpo_s']:g} s" + (f" (target {asked:g} s)" if asked is not None else ""))
        if parts:
            self.line("  data lost   " + "       ".join(parts))


class LiveView(View):
    """The same lines, in colour, above one line of the present: phase, sentence, elapsed time, whom it waits for."""

    def __init__(self) -> None:
        """Draw on the terminal."""
        super().__init__()
        from rich.console import Console
        from rich.live import Live

        self.console = Console(highlight=False, markup=False, soft_wrap=False)
        self.live = Live(console=self.console, auto_refresh=False, transient=True, get_renderable=self._present)
        self._drawn = 0.0

    def open(self) -> None:
        """Begin to draw."""
        self.live.start()

    def close(self) -> None:
        """Stop drawing and leave only the lines that stay."""
        self.live.stop()

    def tick(self) -> None:
        """Draw the present again, at most four times a second, and not over what a person is typing."""
        now = time.monotonic()
        if now - self._drawn >= DRAW_S and not self.typing:
            self._drawn = now
            self.live.refresh()

    def line(self, text: str, style: str = "") -> None:
        """Write one line that stays, above the present."""
        self.console.print(text, style=style or None)

    def _present(self) -> Any:
        from rich.text import Text

        elapsed = duration(time.monotonic() - self.started)
        waiting = "; ".join(filter(None, (self.approval, *self.steps.values())))
        spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(time.monotonic() * 4) % 10]
        text = Text(f"{spinner} {elapsed}  {self.phase.split('|')[0].strip()}  ", style="bold cyan", no_wrap=True, overflow="ellipsis")
        text.append(waiting or self.sentence, style="bold yellow" if waiting else "")
        return text


def make_view() -> View:
    """Return the live view on a terminal that can show it, else the plain one."""
    return LiveView() if sys.stdout.isatty() and shutil.get_terminal_size().columns >= 40 else View()
