"""Faults of the switched network: fibre that is severed, dim or silent one way, switches that die, hang, forget or answer badly."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab import glass, hospital, host, network, switching, wiring
from lab.errors import LabError
from lab.faults import Fault, Parameter, Scene, active
from lab.faults_links import cut_off, require_reached
from lab.system import in_network, run, write_atomic
from lab.topology import Port

# For local experiments (IEEE 802): no station of the hospital takes notice of such a frame.
ETHERTYPE = 0x88B5
PROBE_MAC = bytes.fromhex("020000000001")
SERVICES = {"forwarding": ("switch-vswitchd", "switch-lldpd"), "command line": ("switch-cli",)}
SILENCE = "hung"


def _with(scene: Scene, fault: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
    return [*active(scene.lab), {"fault": fault, "parameters": dict(parameters)}]


def _less(scene: Scene, fault: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
    return [entry for entry in active(scene.lab) if (entry["fault"], entry["parameters"]) != (fault, dict(parameters))]


# --- fibre -----------------------------------------------------------------------------------------------------------


def _ends(scene: Scene, pair: str) -> tuple[Port, Port] | None:
    """Return the two ports that a pair joins at present, if it does and both have power."""
    plant = scene.topology.require_plant()
    if pair not in scene.topology.cables:
        plant.pair(pair)
        return None
    cable = scene.topology.cables[pair]
    powered = all(scene.lab.process(port.node) is not None for port in (cable.a, cable.b))
    return (cable.a, cable.b) if powered else None


def light_at(scene: Scene, port: Port) -> float:
    """Return the light (dBm) that a switch reads at an optic."""
    levels = json.loads((scene.lab.host_root(port.node) / glass.LIGHT).read_text(encoding="utf-8"))
    return float(levels[port.name]["rx_dbm"])


def lit(scene: Scene, port: Port) -> bool:
    """Tell whether a port has a carrier."""
    return "LOWER_UP" in network.flags(scene.lab, port)


def passes(scene: Scene, sender: Port, receiver: Port, frames: int = 20) -> int:
    """Send frames into one end of a cable; return how many come out of the other."""

    def listen() -> socket.socket:
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
        ear.bind((receiver.name, ETHERTYPE))
        ear.settimeout(0.3)
        return ear

    def speak() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as mouth:
            mouth.bind((sender.name, 0))
            for number in range(frames):
                with contextlib.suppress(OSError):  # "no buffer space": dropped on its way out, as it is on a strand that is dark
                    mouth.send(PROBE_MAC + bytes(6) + ETHERTYPE.to_bytes(2, "big") + bytes([number]) * 46)

    with in_network(scene.lab.namespace_path(receiver.node), listen) as ear:
        in_network(scene.lab.namespace_path(sender.node), speak)
        arrived = 0
        try:
            while arrived < frames:
                ear.recv(256)
                arrived += 1
        except TimeoutError:
            pass
    return arrived


@contextlib.contextmanager
def _trying(scene: Scene, fault: str, parameters: Mapping[str, str]) -> Iterator[None]:
    """Let the wire suffer a fault; one that cannot be proven within the block is taken back."""
    try:
        wiring.settle(scene.lab, scene.topology, faults=_with(scene, fault, parameters))
        yield
    except BaseException:
        wiring.settle(scene.lab, scene.topology)
        raise


def _cut(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    pair = parameters["pair"]
    ends = _ends(scene, pair)
    with _trying(scene, "fibre-cut", parameters):
        for port in ends or ():
            if lit(scene, port) or light_at(scene, port) > glass.DARK_DBM:
                raise LabError(f"{scene.topology.shown(port)} still sees light although the fibre {pair} was cut.")
    return {}


def _dim(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    pair, ends = parameters["pair"], _ends(scene, parameters["pair"])
    before = {str(port): light_at(scene, port) for port in ends or ()}
    kept: dict[str, Any] = {}
    with _trying(scene, "fibre-dim", parameters):
        for strand in glass.directions(parameters["way"]) if ends else ():
            sender, receiver = ends[strand], ends[1 - strand]
            level = light_at(scene, receiver)
            kept[f"light at {scene.topology.shown(receiver)} (dBm)"] = level
            if level >= before[str(receiver)]:
                raise LabError(f"{scene.topology.shown(receiver)} sees as much light as before although the fibre {pair} was dimmed.")
            if lit(scene, sender) and lit(scene, receiver):
                kept[f"frames of 100 that reach {scene.topology.shown(receiver)}"] = passes(scene, sender, receiver, 100)
    return kept


def _one_way(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    ends = _ends(scene, parameters["pair"])
    dead = glass.directions(parameters["way"])
    with _trying(scene, "fibre-one-way", parameters):
        for strand in (0, 1) if ends else ():
            sender, receiver = ends[strand], ends[1 - strand]
            if not lit(scene, sender):
                raise LabError(f"{scene.topology.shown(sender)} lost its carrier, which a strand that fails silently does not cause.")
            arrived = passes(scene, sender, receiver)
            if (strand in dead) == (arrived > 0):
                raise LabError(
                    f"{arrived} of 20 frames from {scene.topology.shown(sender)} arrived; the silent way is {parameters['way']}."
                )
    return {}


def _mend(name: str) -> Any:
    def repair(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
        pair = parameters["pair"]
        wiring.settle(scene.lab, scene.topology, [pair], faults=_less(scene, name, parameters))
        ends = _ends(scene, pair)
        others = [
            entry for entry in _less(scene, name, parameters) if entry["parameters"].get("pair", entry["parameters"].get("cable")) == pair
        ]
        # A port that its switch has shut meanwhile gets no carrier, however sound the fibre is.
        if ends and not others and all("UP" in network.flags(scene.lab, port) for port in ends):
            _wait_lit(scene, ends, f"The fibre {pair} was mended")

    return repair


def _wait_lit(scene: Scene, ports: tuple[Port, ...], because: str) -> None:
    deadline = time.monotonic() + 5
    while dark := [scene.topology.shown(port) for port in ports if not lit(scene, port)]:
        if time.monotonic() > deadline:
            raise LabError(f"{because}, and {', '.join(dark)} got no carrier.", "A port may be shut: look at the switch.")
        time.sleep(0.1)


# --- switches --------------------------------------------------------------------------------------------------------


def _switch(scene: Scene, name: str) -> str:
    """Return the name of a switch that has power."""
    scene.topology.require_plant().switch(name)
    host.require_leader(scene.lab, name)
    return name


def _far_ends(scene: Scene, name: str) -> list[Port]:
    found = []
    for cable in scene.topology.cables.values():
        if wiring.leads_to_switch(scene.topology, cable) and name in (cable.a.node, cable.b.node):
            found.append(cable.b if cable.a.node == name else cable.a)
    return found


def _running_beyond(scene: Scene, name: str) -> list[str]:
    return [beyond for beyond in cut_off(scene.topology, switch=name) if host.leader(scene.lab, beyond) is not None]


def _unreached(scene: Scene, names: list[str], although: str) -> None:
    if still := [name for name in names if network.reaches(scene.lab, scene.topology, name, 0.5)]:
        raise LabError(f"{', '.join(still)} can still be reached although {although}.")


def _kill(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name = _switch(scene, parameters["switch"])
    beyond = _running_beyond(scene, name)
    host.power_cut(scene.lab, name)
    wiring.settle(scene.lab, scene.topology)
    if lights := [scene.topology.shown(port) for port in _far_ends(scene, name) if lit(scene, port)]:
        raise LabError(f"{', '.join(lights)} still have a carrier although {name} is dead.")
    _unreached(scene, [name, *beyond[:1]], f"{name} is dead")
    return {"cut off": beyond}


def _revive(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    hospital.boot(scene.lab, scene.topology, parameters["switch"], scene.say)
    wiring.settle(scene.lab, scene.topology)


def _signal(scene: Scene, name: str, number: str, services: tuple[str, ...]) -> None:
    host.execute(scene.lab, name, ["systemctl", "kill", f"--signal={number}", *services])


def _silence(scene: Scene, name: str, silent: bool) -> None:
    """Let the management port take notice of nothing, or of everything again."""
    interface = scene.topology.require_plant().management["interface"]
    chain = f'chain ear {{ type filter hook ingress device "{interface}" priority 0; drop; }}' if silent else ""
    rules = f"table netdev {SILENCE}\ndelete table netdev {SILENCE}\ntable netdev {SILENCE} {{\n{chain}\n}}\n"
    run(["nsenter", f"--net={scene.lab.namespace_path(name)}", "nft", "-f", "-"], stdin=rules, doing=f"Silencing {name}")


def _hang(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name = _switch(scene, parameters["switch"])
    silent = parameters["management"] == "silent"
    beyond = _running_beyond(scene, name)
    if silent:
        _silence(scene, name, True)
    _signal(scene, name, "STOP", (*SERVICES["forwarding"], *(SERVICES["command line"] if silent else ())))
    if dark := [scene.topology.shown(port) for port in _far_ends(scene, name) if scene.lab.process(port.node) and not lit(scene, port)]:
        scene.say(f"These had no light before {name} hung: {', '.join(dark)}")
    _unreached(scene, [*([name] if silent else []), *beyond[:1]], f"{name} hangs")
    return {"cut off": beyond}


def _unhang(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    name = parameters["switch"]
    if host.leader(scene.lab, name) is None:
        return  # who lost its power meanwhile hangs no more
    _silence(scene, name, False)
    _signal(scene, name, "CONT", (*SERVICES["forwarding"], *SERVICES["command line"]))
    require_reached(scene, [name, *_running_beyond(scene, name)], f"{name} works again", 20)


def _kill_port(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name = _switch(scene, parameters["switch"])
    interface = scene.topology.require_plant().switch(name).socket(parameters["port"]).interface
    port = Port(name, interface)
    with _trying(scene, "switch-port-dead", parameters):
        if lit(scene, port):
            raise LabError(f"{scene.topology.shown(port)} still has a carrier although it is dead.")
    return {}


def _mend_port(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    wiring.settle(scene.lab, scene.topology, faults=_less(scene, "switch-port-dead", parameters))


def _restart(scene: Scene, name: str) -> None:
    """Let a switch begin anew with the startup configuration that it has."""
    host.execute(scene.lab, name, ["systemctl", "restart", *SERVICES["command line"]])
    host.wait_ready(scene.lab, name)


def _startup(scene: Scene, name: str) -> Path:
    return scene.lab.host_root(name) / switching.STARTUP


def _wipe(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name = _switch(scene, parameters["switch"])
    aside = scene.lab.aside / f"{name}-startup-{time.time_ns()}.cfg"
    aside.parent.mkdir(parents=True, exist_ok=True)
    startup = _startup(scene, name)
    if not startup.exists():
        raise LabError(f"{name} has no startup configuration: it is as from the factory already.")
    aside.write_bytes(startup.read_bytes())
    startup.unlink()
    _restart(scene, name)
    _unreached(scene, [name], f"{name} has lost its configuration, and its address with it")
    return {"startup": str(aside)}


def _remember(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    name = _switch(scene, parameters["switch"])
    startup = _startup(scene, name)
    if startup.exists():  # somebody has configured it meanwhile: theirs is kept beside the old one
        Path(kept["startup"]).with_suffix(".later.cfg").write_bytes(startup.read_bytes())
    write_atomic(startup, Path(kept["startup"]).read_text(encoding="utf-8"))
    _restart(scene, name)
    require_reached(scene, [name], f"{name} has its configuration again", 15)


def _misbehave(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    name = _switch(scene, parameters["switch"])
    control: dict[str, Any] = {"delay_s": float(parameters["delay_s"])}
    if int(parameters["drop_after_lines"]):
        control["drop_after_lines"] = int(parameters["drop_after_lines"])
    if parameters["refuse"] == "yes":
        control["refuse"] = True
    write_atomic(scene.lab.host_root(name) / switching.CONTROL, json.dumps(control))
    return {"control": control}


def _behave(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    (scene.lab.host_root(parameters["switch"]) / switching.CONTROL).unlink(missing_ok=True)


PAIR = Parameter("the fibre pair, as in `lab fibre list`")
SWITCH = Parameter("the switch")
WAY = "from side a to side b (ab), back (ba)"
FAULTS = (
    Fault("fibre-cut", "Both strands of a pair are severed: no light, no link.", _cut, _mend("fibre-cut"), {"pair": PAIR}),
    Fault(
        "fibre-dim",
        "A pair lets less light through: packets get lost, and the link when it is too dark.",
        _dim,
        _mend("fibre-dim"),
        {"pair": PAIR, "db": Parameter("how much less, in dB", "12"), "way": Parameter(f"{WAY}, or both", "both")},
    ),
    Fault(
        "fibre-one-way",
        "One strand goes dark and both ends keep their carrier: spanning tree may never see it.",
        _one_way,
        _mend("fibre-one-way"),
        {"pair": PAIR, "way": Parameter(WAY, "ab")},
    ),
    Fault("switch-dead", "A switch dies: no power helps until it is repaired.", _kill, _revive, {"switch": SWITCH}),
    Fault(
        "switch-hung",
        "A switch forwards nothing more and keeps its lights on.",
        _hang,
        _unhang,
        {"switch": SWITCH, "management": Parameter("answers, or silent", "answers")},
    ),
    Fault(
        "switch-port-dead",
        "A port of a switch dies.",
        _kill_port,
        _mend_port,
        {"switch": SWITCH, "port": Parameter("as it is called on the front")},
    ),
    Fault("switch-wiped", "A switch forgets its configuration and comes up as from the factory.", _wipe, _remember, {"switch": SWITCH}),
    Fault(
        "switch-slow-session",
        "The command line of a switch is slow, loses sessions or refuses them.",
        _misbehave,
        _behave,
        {
            "switch": SWITCH,
            "delay_s": Parameter("seconds before each answer", "0"),
            "drop_after_lines": Parameter("the session is lost after so many lines; 0: never", "0"),
            "refuse": Parameter("yes: new sessions are closed at once", "no"),
        },
    ),
)
