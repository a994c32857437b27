"""The commands `lab cable`, `lab fibre` and `lab switch`: the wire and the boxes of the switched hospital, by hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lab import faults, fibres, hospital, host, wiring
from lab.errors import LabError

Name = Annotated[str | None, typer.Option("--name", envvar="LAB_NAME", help="Which lab; several can exist side by side.")]
SceneOf = Callable[[str | None], AbstractContextManager[faults.Scene]]


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for heading in rows[0] if rows else ():
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console(highlight=False, width=max(185, Console().width)).print(table)


def register(app: typer.Typer, scene: SceneOf, in_sentences: Callable[..., Any], say: Callable[[str], None]) -> None:
    """Add the commands to the application."""

    def inflict(name: str | None, fault: str, **parameters: str) -> None:
        with scene(name) as place:
            entry = faults.inflict(place, fault, [f"{key}={value}" for key, value in parameters.items()])
        say(f"broken: {entry['fault']} {entry['parameters']} at {entry['at']}, proven {entry['proven_at']}")
        for key, value in entry["kept"].items():
            say(f"  {key}: {value}")

    def repair(name: str | None, fault: str, **parameters: str) -> None:
        with scene(name) as place:
            entry = faults.repair(place, fault, [f"{key}={value}" for key, value in parameters.items()])
        say(f"repaired: {entry['fault']} {entry['parameters']}, broken since {entry['at']}")

    _cables(app, scene, in_sentences, say, inflict, repair)
    _fibres(app, scene, in_sentences, say, inflict)
    _switches(app, scene, in_sentences, say, inflict)


def _cables(app: typer.Typer, scene: SceneOf, in_sentences: Any, say: Any, inflict: Any, repair: Any) -> None:
    cables = typer.Typer(no_args_is_help=True, help="Cables: pull them, plug them in, carry them to another port.")
    app.add_typer(cables, name="cable")

    @cables.command("list")
    @in_sentences
    def cable_list(name: Name = None) -> None:
        """Show every cable: its ends, and whether both have a carrier."""
        with scene(name) as place:
            _table("Cables", wiring.listing(place.lab, place.topology))

    @cables.command("pull")
    @in_sentences
    def cable_pull(cable: str, name: Name = None) -> None:
        """Pull a cable: both ends lose their carrier."""
        inflict(name, "link-down", cable=cable)

    @cables.command("plug")
    @in_sentences
    def cable_plug(cable: str, name: Name = None) -> None:
        """Plug a pulled cable in again."""
        repair(name, "link-down", cable=cable)

    @cables.command("move")
    @in_sentences
    def cable_move(
        cable: str,
        source: Annotated[str, typer.Argument(help="SWITCH:PORT that it is in")],
        target: Annotated[str, typer.Argument(help="SWITCH:PORT that it goes into")],
        name: Name = None,
    ) -> None:
        """Carry the switch end of a copper cable to another port."""
        with scene(name) as place:
            topology = wiring.move(place.lab, place.topology, cable, source, target)
            say(f"{cable} joins {' and '.join(wiring.plugged(topology, cable))}")


def _fibres(app: typer.Typer, scene: SceneOf, in_sentences: Any, say: Any, inflict: Any) -> None:
    glass = typer.Typer(no_args_is_help=True, help="Fibre: light levels, patches, faults.")
    app.add_typer(glass, name="fibre")

    @glass.command("list")
    @in_sentences
    def fibre_list(name: Name = None) -> None:
        """Show every pair: its strands, where it is patched, and the light at both ends (dBm)."""
        with scene(name) as place:
            _table("Fibre pairs", fibres.listing(place.lab, place.topology))

    @glass.command("cut")
    @in_sentences
    def fibre_cut(pair: str, name: Name = None) -> None:
        """Sever both strands of a pair."""
        inflict(name, "fibre-cut", pair=pair)

    @glass.command("dim")
    @in_sentences
    def fibre_dim(
        pair: str,
        db: Annotated[float, typer.Option(help="How much less light, in dB.")] = 12,
        way: Annotated[str, typer.Option(help="ab, ba or both")] = "both",
        name: Name = None,
    ) -> None:
        """Let a pair carry less light."""
        inflict(name, "fibre-dim", pair=pair, db=f"{db:g}", way=way)

    @glass.command("one-way")
    @in_sentences
    def fibre_one_way(pair: str, way: Annotated[str, typer.Option(help="ab or ba")] = "ab", name: Name = None) -> None:
        """Darken one strand; both ends keep their carrier."""
        inflict(name, "fibre-one-way", pair=pair, way=way)

    @glass.command("repair")
    @in_sentences
    def fibre_repair(pair: str, name: Name = None) -> None:
        """Mend everything that is wrong with a pair."""
        with scene(name) as place:
            wrong = [e for e in faults.active(place.lab) if e["fault"].startswith("fibre-") and e["parameters"]["pair"] == pair]
            if not wrong:
                raise LabError(f"Nothing is wrong with {pair}.", "See: lab fibre list")
            for entry in reversed(wrong):
                faults.repair(place, entry["fault"], [f"{key}={value}" for key, value in entry["parameters"].items()])
                say(f"repaired: {entry['fault']} {entry['parameters']}")

    @glass.command("patch")
    @in_sentences
    def fibre_patch(
        pair: str,
        a: Annotated[str, typer.Argument(help="SWITCH:PORT on side a; - leaves it unplugged, = as it is")],
        b: Annotated[str, typer.Argument(help="SWITCH:PORT on side b; - leaves it unplugged, = as it is")],
        name: Name = None,
    ) -> None:
        """Join a pair to switch ports; the cord that was in a port comes out of its old pair."""
        meant = {"-": "", "=": None}
        with scene(name) as place:
            topology = fibres.patch(place.lab, place.topology, pair, meant.get(a, a), meant.get(b, b))
            say(f"{pair} joins {' and '.join(end or 'nothing' for end in wiring.plugged(topology, pair))}")

    @glass.command("measure")
    @in_sentences
    def fibre_measure(pair: str, name: Name = None) -> None:
        """Measure the loss of both strands with a light source and a meter (dB; null is dark)."""
        with scene(name) as place:
            Console().print_json(data=fibres.measure(place.lab, place.topology, pair))


def _switches(app: typer.Typer, scene: SceneOf, in_sentences: Any, say: Any, inflict: Any) -> None:
    boxes = typer.Typer(no_args_is_help=True, help="Switches: break them, switch them on and off.")
    app.add_typer(boxes, name="switch")

    @boxes.command("kill")
    @in_sentences
    def switch_kill(switch: str, name: Name = None) -> None:
        """Let a switch die for good: its lights go out at once."""
        inflict(name, "switch-dead", switch=switch)

    @boxes.command("hang")
    @in_sentences
    def switch_hang(
        switch: str,
        management: Annotated[str, typer.Option(help="answers, or silent")] = "answers",
        name: Name = None,
    ) -> None:
        """Let a switch forward nothing more while its lights stay on."""
        inflict(name, "switch-hung", switch=switch, management=management)

    @boxes.command("dead-port")
    @in_sentences
    def switch_dead_port(switch: str, port: str, name: Name = None) -> None:
        """Let one port of a switch die."""
        inflict(name, "switch-port-dead", switch=switch, port=port)

    @boxes.command("wipe")
    @in_sentences
    def switch_wipe(switch: str, name: Name = None) -> None:
        """Let a switch forget its configuration."""
        inflict(name, "switch-wiped", switch=switch)

    @boxes.command("repair")
    @in_sentences
    def switch_repair(switch: str, name: Name = None) -> None:
        """Undo everything that is wrong with a switch."""
        with scene(name) as place:
            wrong = [e for e in faults.active(place.lab) if e["parameters"].get("switch") == switch]
            if not wrong:
                raise LabError(f"Nothing is wrong with {switch}.", "See: lab status")
            for entry in reversed(wrong):
                faults.repair(place, entry["fault"], [f"{key}={value}" for key, value in entry["parameters"].items()])
                say(f"repaired: {entry['fault']} {entry['parameters']}")

    @boxes.command("power")
    @in_sentences
    def switch_power(switch: str, state: Annotated[str, typer.Argument(help="on or off")], name: Name = None) -> None:
        """Switch a switch on or off, as a person does at the rack."""
        if state not in ("on", "off"):
            raise LabError(f"A switch is on or off, not {state!r}.", "lab switch power core-s on")
        with scene(name) as place:
            place.topology.require_plant().switch(switch)
            power(place, switch, state == "on")
        say(f"{switch} is {state}")


def power(place: faults.Scene, switch: str, on: bool) -> None:
    """Give a switch power or take it away, and see that it is so."""
    if on:
        if any(entry["fault"] == "switch-dead" and entry["parameters"]["switch"] == switch for entry in faults.active(place.lab)):
            raise LabError(f"{switch} is dead: it does not come up.", f"Repair it: lab switch repair {switch}")
        hospital.boot(place.lab, place.topology, switch, place.say)
    else:
        host.power_off(place.lab, switch)
    wiring.settle(place.lab, place.topology)
    if (host.leader(place.lab, switch) is not None) != on:
        raise LabError(f"{switch} did not go {'on' if on else 'off'}.")
