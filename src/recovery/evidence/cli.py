"""`recovery evidence`: verify, seal and show an incident's evidence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recovery.evidence import bundle, incident
from recovery.evidence.journal import Journal, JournalError
from recovery.evidence.signer import PRINCIPAL, SignatureError, Signer

app = typer.Typer(no_args_is_help=True, help="Verify, seal and show the evidence of an incident.")
USAGE = 64
_COLOURS = {"failed": "red", "unreachable": "red", "FAIL": "red", "COULD-NOT-VERIFY": "yellow", "NOT-RUN": "yellow", "changed": "yellow",
            "ok": "green", "PASS": "green", "skipped": "dim"}  # fmt: skip

Incident = Annotated[str, typer.Argument(help="Id of the incident, or path of its directory.")]


def _open(name: str) -> Path:
    # An auditor's copy may lie anywhere and be named as he likes.
    if (Path(name) / "journal.jsonl").is_file():
        return Path(name).absolute()
    try:
        return incident.open_incident(name)
    except Exception as error:
        Console(stderr=True).print(escape(str(error)))
        raise typer.Exit(USAGE) from error


@app.command()
def verify(
    directory: Incident,
    allowed_signers: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Keys you trust (ssh-keygen's format).")] = None,
) -> None:
    """Check chain, manifest, signature and artefacts. Exit status 0: all verified; 2: it did not; 3: not all is sealed and signed."""
    path = _open(directory)
    found = bundle.verify(path, allowed_signers)
    out = Console(highlight=False)
    for colour, sentences in (("red", found.problems), ("yellow", found.open_ends), ("yellow", found.interrupted), ("dim", found.notes)):
        for sentence in sentences:
            out.print(f"[{colour}]-[/] {escape(sentence)}", soft_wrap=True)
    verdict = {0: "[green]VERIFIED[/]", 2: "[red]NOT VERIFIED[/]", 3: "[yellow]COULD NOT VERIFY[/]"}[found.exit_status]
    out.print(f"{verdict}  {escape(str(path))}", soft_wrap=True)
    raise typer.Exit(found.exit_status)


@app.command()
def seal(
    directory: Incident,
    key: Annotated[str, typer.Option(envvar="RECOVERY_SIGNING_KEY", help="SSH key that signs; empty: not signed.")] = "",
    principal: Annotated[str, typer.Option(help="The name that it signs under.")] = PRINCIPAL,
) -> None:
    """Write the manifest of an incident and sign it: for a run that was interrupted before it could."""
    path = _open(directory)
    try:
        manifest = bundle.seal(path, Signer.load(Path(key), principal) if key else None)
    except (bundle.SealError, SignatureError, OSError) as error:
        Console(stderr=True).print(escape(str(error)), soft_wrap=True)
        raise typer.Exit(2) from error
    signed = f"signed with {key}" if key else "not signed (--key FILE signs)"
    Console(highlight=False).print(
        f"Sealed {len(manifest.hashes)} files, {manifest.journal_lines} lines; {escape(signed)}.", soft_wrap=True
    )


@app.command()
def show(directory: Incident, run: Annotated[str, typer.Option(help="Only this run.")] = "") -> None:
    """Show the journal in readable lines, one for each event."""
    path = _open(directory)
    try:
        events = Journal(path).read()
    except JournalError as error:
        Console(stderr=True).print(escape(str(error)), soft_wrap=True)
        raise typer.Exit(2) from error
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("no.", "time (UTC)", "clause", "host", "event", "result", "s", "what"):
        table.add_column(heading, justify="right" if heading in ("no.", "s") else "left", overflow="fold")
    for event in events:
        if not run or event.get("run") == run:
            table.add_row(*_row(event))
    Console(highlight=False, width=None if os.isatty(1) else 200).print(table)


def _row(event: dict[str, Any]) -> tuple[str, ...]:
    result = str(event.get("result") or "")
    colour = _COLOURS.get(result)
    took = event.get("took_s")
    data = event.get("data")
    said = next((str(data[key]) for key in ("reason", "message", "msg", "detail") if data.get(key)), "") if isinstance(data, dict) else ""
    what = str(event.get("name") or "") + (f": {said.splitlines()[0][:200]}" if said else "")
    return (
        str(event.get("seq")),
        str(event.get("at"))[11:23],
        escape(" ".join(part for part in (str(event.get("clause") or ""), str(event.get("phase") or "")) if part)),
        escape(str(event.get("host") or "")),
        escape(str(event.get("event"))),
        f"[{colour}]{escape(result)}[/]" if colour else escape(result),
        f"{took:.1f}" if isinstance(took, (int, float)) else "",
        escape(what),
    )
