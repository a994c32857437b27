"""The ``recovery`` command. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from recovery.frame.project import FrameError
from recovery.frame.verdict import USAGE

if TYPE_CHECKING:
    pass

# A wrong command line must not look like the verdict FAIL, whose exit status is 2.
next(each for each in typer.BadParameter.__mro__ if each.__name__ == "UsageError").exit_code = USAGE  # type: ignore[attr-defined]

MOUNTED = {
    "drill": ("recovery.drill.cli", "app", "What was rehearsed, and what is due."),
    "evidence": ("recovery.evidence.cli", "app", "Check the evidence of an incident, seal it, show its journal."),
    "report": ("recovery.report.cli", "report", "Write the reports of incidents: one HTML file and a PDF each."),
}


def _load(name: str) -> Any:
    """Return a command that lives in a package of its own; its module is imported now and not before."""
    module, attribute, purpose = MOUNTED[name]
    if "--help" in sys.argv[1:2] or len(sys.argv) < 2 or sys.argv[1] != name:
        light = typer.Typer(help=purpose)  # for the list of commands only
        light.command(name=name, help=purpose)(lambda: None)
        command = typer.main.get_command(light)
        command.name = name
        return command
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command = typer.main.get_command(found)
    else:
        single = typer.Typer(add_completion=False)
        single.command(name=name)(found)
        command = typer.main.get_command(single)
    command.name = name
    return command


class _Group(TyperGroup):
    """Mounts the commands of other packages without importing them for every call."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all commands."""
        return [*super().list_commands(ctx), *MOUNTED]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, importing the package of a mounted one."""
        return _load(cmd_name) if cmd_name in MOUNTED else super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A hospital's emergency plan as runbooks: run them, decide, confirm, see how far they are, check the evidence.",
)

Extra = Annotated[list[str] | None, typer.Option("-e", "--extra-vars", metavar="K=V", help="A variable, as for ansible-playbook.")]
Inventory = Annotated[list[str] | None, typer.Option("-i", "--inventory", help="Inventory; by default the one of ansible.cfg.")]
Limit = Annotated[str, typer.Option("-l", "--limit", help="Only these hosts.")]
Check = Annotated[bool, typer.Option("--check", "-C", help="Rehearse: change nothing.")]
Diff = Annotated[bool, typer.Option("--diff", "-D", help="Show what would differ.")]
Incident = Annotated[str, typer.Option("--incident", help="Join this incident instead of opening one.")]
By = Annotated[str, typer.Option("--by", help="Who asks for it: a principal of the plan, or your name.")]
Principal = Annotated[str, typer.Option("--as", help="Who you are, as in plan/approvals.yml.")]
Key = Annotated[str, typer.Option("--key", help="Your private SSH key (or the public one of a key in the agent).")]


def _fail(error: Exception) -> typer.Exit:
    typer.echo(str(error), err=True)
    return typer.Exit(USAGE)


@app.command()
def run(
    runbook: Annotated[str, typer.Argument(help="Name of a runbook (recovery runbooks), or the path of a playbook.")],
    inventory: Inventory = None,
    limit: Limit = "",
    extra: Extra = None,
    check: Check = False,
    diff: Diff = False,
    incident: Incident = "",
    by: By = "",
    ask_pass: Annotated[bool, typer.Option("--ask-pass", "-k", help="Ask for the SSH password.")] = False,
    ask_become_pass: Annotated[bool, typer.Option("--ask-become-pass", "-K", help="Ask for the password of sudo.")] = False,
    ask_vault_pass: Annotated[bool, typer.Option("--ask-vault-pass", "-J", help="Ask for the vault's password.")] = False,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="More of Ansible's words.")] = 0,
) -> None:
    """Run a runbook, show it, and end with its verdict: PASS 0, FAIL 2, COULD-NOT-VERIFY 3, refused 4."""
    from recovery.frame.runner import Order, Run
    from recovery.frame.view import make_view
    from recovery.plan import PlanError

    asked = {"--ask-pass": ask_pass, "--ask-become-pass": ask_become_pass, "--ask-vault-pass": ask_vault_pass}
    passwords = [(option, typer.prompt(option[6:], hide_input=True)) for option, wanted in asked.items() if wanted]
    order = Order(runbook, inventory or (), limit, extra or (), check, diff, incident, by, verbose, passwords)
    try:
        verdict = Run(order, make_view()).go()
    except (FrameError, PlanError) as error:
        raise _fail(error) from error
    raise typer.Exit(verdict.exit_status)


@app.command()
def runbooks() -> None:
    """List the runbooks and what each is for."""
    from recovery.frame import project

    try:
        known = project.runbooks(project.project_root())
    except FrameError as error:
        raise _fail(error) from error
    width = max((len(name) for name in known), default=0)
    for name, text in known.items():
        typer.echo(f"{name:<{width}}  {text}")
    if not known:
        typer.echo("There are no runbooks: playbooks/ is empty.", err=True)


@app.command()
def release(
    names: Annotated[
        list[str] | None, typer.Argument(help="What may go, as `recovery release` lists it; without a name it only lists.")
    ] = None,
    inventory: Inventory = None,
    limit: Limit = "",
    extra: Extra = None,
    check: Check = False,
    incident: Incident = "",
    by: By = "",
) -> None:
    """Let go of the old state that a recovery kept aside: short for run database_release."""
    chosen = [f"names={','.join(names)}"] if names else []
    run("database_release", inventory, limit, [*(extra or []), *chosen], check, False, incident, by, False, False, False, 0)


@app.command()
def status(everything: Annotated[bool, typer.Option("--all", "-a", help="Closed incidents and ended runs too.")] = False) -> None:
    """Show what runs, what was interrupted, who is waited for until when, and the command that continues."""
    from recovery.frame import project
    from recovery.frame.status import report
    from recovery.plan import PlanError, load_deadlines

    try:
        deadlines = load_deadlines(project.project_root() / "plan")
        for line in report(project.incidents_root(), everything=everything, deadlines=deadlines):
            typer.echo(line)
    except (FrameError, PlanError) as error:
        raise _fail(error) from error


@app.command()
def approve(
    principal: Principal,
    key: Key,
    reference: Annotated[str, typer.Argument(help="INCIDENT/N; by default the only question that waits.")] = "",
) -> None:
    """Agree to a plan of action by signing it."""
    _answer(reference, principal, key, deny=False, reason="")


@app.command()
def deny(
    principal: Principal,
    key: Key,
    reference: Annotated[str, typer.Argument(help="INCIDENT/N; by default the only question that waits.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why not; it is journalled.")] = "",
) -> None:
    """Say no to a plan of action; the run ends refused."""
    _answer(reference, principal, key, deny=True, reason=reason)


def _answer(reference: str, principal: str, key: str, *, deny: bool, reason: str) -> None:
    from recovery.frame import answering

    try:
        for line in answering.answer_approval(reference, principal, key, deny=deny, reason=reason):
            typer.echo(line)
    except FrameError as error:
        raise _fail(error) from error


@app.command()
def confirm(
    step: Annotated[str, typer.Argument(help="N or INCIDENT/N; by default the only step that waits.")] = "",
    note: Annotated[str, typer.Option("--note", "-n", help="What you saw; it is journalled.")] = "",
    evidence: Annotated[str, typer.Option("--evidence", help="What the step asks to note: a cable's label, a name, a time.")] = "",
    by: By = "",
    failed: Annotated[bool, typer.Option("--failed", help="It cannot be done; say why in the note.")] = False,
) -> None:
    """Say that a step was done (a machine checks it where it can see it)."""
    from recovery.frame import answering

    try:
        for line in answering.answer_step(step, by=by, note=note, evidence=evidence, done=not failed):
            typer.echo(line)
    except FrameError as error:
        raise _fail(error) from error
