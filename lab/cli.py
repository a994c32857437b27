"""The command ``lab``: a hospital that boots on one machine."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lab import cli_network, faults, hands, hospital, host, image, plugging, workload
from lab.errors import LabError
from lab.state import Lab

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Name = Annotated[str | None, typer.Option("--name", envvar="LAB_NAME", help="Which lab; several can exist side by side.")]
COMMAND = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}


def say(line: str) -> None:
    """Show progress; on standard error, so that a command's output stays its own."""
    err.print(line, style="dim", markup=False)


def in_sentences(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a LabError into two lines and exit status 1."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except LabError as error:
            err.print(error.cause, style="bold red", markup=False)
            if error.remedy:
                err.print(error.remedy, markup=False)
            raise typer.Exit(1) from error

    return wrapper


def standing(name: str | None, machine: str = "") -> Lab:
    """Return a lab that is up, and has this host."""
    lab = Lab.named(name)
    lab.require()
    if machine:
        lab.topology().host(machine)
    return lab


@app.command("image")
@in_sentences
def image_command() -> None:
    """Build the base image, or repair a damaged one."""
    out.print(str(image.ensure(say)), markup=False)


@app.command()
@in_sentences
def up(
    name: Name = None,
    scale: Annotated[str | None, typer.Option(help="How much the database holds: small, default, ...")] = None,
    disk: Annotated[list[str] | None, typer.Option(help="Another size for a disk: his-db:data=12G")] = None,
    without: Annotated[list[str] | None, typer.Option(help="A host or switch that is not needed this time: lis-db, pacs, acc-4")] = None,
    flat: Annotated[bool, typer.Option("--flat", help="A bridge for each network, no switches.")] = False,
    source: Annotated[Path | None, typer.Option("--from", metavar="DIRECTORY", help="Begin as a copy of a stopped lab.")] = None,
) -> None:
    """Start the lab, or heal what is left of one."""
    sizes = {which: size for which, _, size in (entry.partition("=") for entry in disk or [])}
    lab = Lab.named(name)
    hospital.up(lab, scale=scale, disk_sizes=sizes, without=without or [], flat=flat, source=source, say=say)
    _show(lab)


@app.command()
@in_sentences
def down(name: Name = None, keep: Annotated[bool, typer.Option("--keep", help="Keep the disks for the next `lab up`.")] = False) -> None:
    """Stop the lab and leave nothing behind."""
    hospital.down(Lab.named(name), keep=keep, say=say)


@app.command()
@in_sentences
def status(name: Name = None) -> None:
    """Show what runs and what is broken."""
    _show(Lab.named(name))


def _show(lab: Lab) -> None:
    found = hospital.status(lab)
    table = Table(title=f"Lab {found['name']}: {found['phase']}", title_justify="left")
    for heading in ("host", "address", "running", "ssh", "disks used (MB)"):
        table.add_column(heading)
    for entry in found["hosts"]:
        table.add_row(
            entry["name"],
            entry["address"],
            "yes" if entry["running"] else "NO",
            "answers" if entry["ssh"] else "SILENT",
            " ".join(f"{disk}={used}" for disk, used in entry["disks"].items()),
        )
    Console(highlight=False).print(table)
    for fault in found["faults"]:
        out.print(f"broken: {fault['fault']} {fault['parameters']}", style="red", markup=False)


@app.command("exec", context_settings=COMMAND)
@in_sentences
def execute(context: typer.Context, machine: Annotated[str, typer.Argument(metavar="HOST")], name: Name = None) -> None:
    """Run a command as root on a host, as if at its console: lab exec his-db -- journalctl -b."""
    lab = standing(name, machine)
    argv = [word for index, word in enumerate(context.args) if not (index == 0 and word == "--")] or ["/bin/bash", "-l"]
    raise typer.Exit(subprocess.run(host.inside(lab, machine, argv), check=False).returncode)


@app.command(context_settings=COMMAND)
@in_sentences
def ssh(context: typer.Context, machine: Annotated[str, typer.Argument(metavar="HOST")], name: Name = None) -> None:
    """Log in to a host as the control node does: through the network, host key checked."""
    lab = standing(name, machine)
    sys.stdout.flush()
    os.execvp("ssh", ["ssh", "-F", str(lab.ssh_config), machine, *context.args])  # noqa: S606


@app.command("faults")
@in_sentences
def faults_command() -> None:
    """List what can be broken, and how to say it."""
    for fault in faults.catalogue().values():
        out.print(f"[bold]{fault.name}[/]  {fault.about}")
        out.print(f"    {fault.usage()}", markup=False)
        for parameter, what in fault.parameters.items():
            out.print(f"      {parameter}: {what.about}", style="dim", markup=False)


@app.command("break", context_settings=COMMAND)
@in_sentences
def break_command(fault: str, parameters: Annotated[list[str] | None, typer.Argument()] = None, name: Name = None) -> None:
    """Break something: lab break power-cut his-db; lab break link-slow rate=2mbit."""
    with scene(name) as place:
        entry = faults.inflict(place, fault, parameters or [])
    out.print(f"broken: {entry['fault']} {entry['parameters']} at {entry['at']}, proven {entry['proven_at']}", markup=False)
    for key, value in entry["kept"].items():
        out.print(f"  {key}: {value}", style="dim", markup=False)


@app.command(context_settings=COMMAND)
@in_sentences
def repair(fault: str, parameters: Annotated[list[str] | None, typer.Argument()] = None, name: Name = None) -> None:
    """Undo a fault, the newest of its name unless parameters say which."""
    with scene(name) as place:
        entry = faults.repair(place, fault, parameters or [])
    out.print(f"repaired: {entry['fault']} {entry['parameters']}, broken since {entry['at']}", markup=False)


@app.command()
@in_sentences
def plug(
    disk: Annotated[str, typer.Argument(help="HOST:DISK, as named in lab/topology.yml")],
    to: Annotated[str, typer.Argument(help="The host that it goes into; nothing: onto the shelf")] = "",
    name: Name = None,
) -> None:
    """Carry a disk to another host: lab plug his-db:removable drill-1."""
    with scene(name) as place:
        owner, _, which = disk.partition(":")
        plugging.plug(place.lab, place.topology, owner, which, to)
    out.print(f"{disk} is in {to or 'no host'}", markup=False)


people = typer.Typer(no_args_is_help=True, help="The hands and pens of the lab's people: they sign approvals and do manual steps.")
app.add_typer(people, name="hands")


@people.command("start")
@in_sentences
def hands_start(
    incidents: Annotated[Path, typer.Option(help="The directory of all incidents.")],
    script: Annotated[Path | None, typer.Option(help="What they do when asked; default lab/hands.yml.")] = None,
    name: Name = None,
) -> None:
    """Let the people watch a directory of incidents and answer."""
    hands.start(Lab.named(name), incidents, script)
    out.print(f"The people watch {incidents}", markup=False)


@people.command("stop")
@in_sentences
def hands_stop(name: Name = None) -> None:
    """Send the people home."""
    out.print("The people went home." if hands.stop(Lab.named(name)) else "Nobody was there.")


@people.command("status")
@in_sentences
def hands_status(name: Name = None) -> None:
    """Show whether the people are there; exit status 1 if not."""
    lab = Lab.named(name)
    told = lab.read().get("hands") or {}
    if lab.process(hands.PROCESS) is None:
        out.print("Nobody is there.")
        raise typer.Exit(1)
    out.print(f"They watch {told.get('incidents')} with {told.get('script')}", markup=False)
    log = lab.root / "hands.log"
    out.print(log.read_text(encoding="utf-8") if log.exists() else "", style="dim", markup=False, end="")


clinical = typer.Typer(no_args_is_help=True, help="The clinical work at the workstations.")
app.add_typer(clinical, name="workload")


@clinical.command("start")
@in_sentences
def workload_start(
    rate: Annotated[float | None, typer.Option(help="Transactions a second on each workstation.")] = None,
    system: Annotated[str, typer.Option(help=f"With which system: {', '.join(workload.SYSTEMS)}.")] = "his",
    name: Name = None,
) -> None:
    """Start clinical work on every workstation."""
    out.print(f"Clinical work runs on {', '.join(workload.start(standing(name), rate, system))}", markup=False)


@clinical.command("stop")
@in_sentences
def workload_stop(name: Name = None) -> None:
    """Stop all of it."""
    out.print(f"Clinical work stopped on {', '.join(workload.stop(standing(name)))}", markup=False)


@clinical.command("status")
@in_sentences
def workload_status(
    system: Annotated[str, typer.Option(help=f"With which system: {', '.join(workload.SYSTEMS)}.")] = "his", name: Name = None
) -> None:
    """Show, as JSON, whether it runs and what the workstations' own logs sum up to."""
    out.print_json(data=workload.status(standing(name), system))


@contextmanager
def scene(name: str | None) -> Iterator[faults.Scene]:
    """Hold a lab that is up for a change."""
    lab = Lab.named(name)
    with hospital.changing(lab, 60):
        lab.require()
        yield faults.Scene(lab, lab.topology(), say)


cli_network.register(app, scene, in_sentences, say)


if __name__ == "__main__":
    app()
