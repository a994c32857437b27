"""`recovery report DIR...`: registered by the command line of the frame."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from .incident import ReportError
from .page import write
from .text import LANGUAGES

LANGUAGE_VARIABLE = "RECOVERY_LANGUAGE"
ZONE_VARIABLE = "RECOVERY_TIMEZONE"


def report(
    directories: Annotated[list[Path], typer.Argument(help="An incident's directory, like incidents/2026-11-21-01.", metavar="DIR...")],
    language: Annotated[
        str, typer.Option("--language", "-l", envvar=LANGUAGE_VARIABLE, help="Language of the report.", metavar="|".join(LANGUAGES))
    ] = "zh",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory for one report.html and report.pdf; by default the incident's own.")
    ] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", envvar=ZONE_VARIABLE, help="Time zone of the times shown, like Asia/Shanghai.")
    ] = "UTC",
) -> None:
    """Write report.html and report.pdf of incidents: timeline, recovery time, data lost, every step, and the evidence."""
    if output is not None and len(directories) > 1:
        typer.echo("--output takes the report of one incident. Leave it out: each report goes into its incident's own directory.", err=True)
        raise typer.Exit(64)
    many = len(directories)
    try:
        if many == 1:
            written = [write(directories[0], language, output, timezone)]
        else:  # laying out a page keeps a processor busy for seconds
            with ProcessPoolExecutor(min(many, os.cpu_count() or 1)) as pool:
                written = list(pool.map(write, directories, [language] * many, [None] * many, [timezone] * many))
    except ReportError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(64) from error
    for path in itertools.chain.from_iterable(written):
        typer.echo(os.fspath(path))
