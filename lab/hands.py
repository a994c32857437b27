"""The hands and pens of the lab's people: a process that answers, as a script says, what a recovery asks of people.

It knows the files of an incident only (docs/architecture.md): ``approvals/<n>/request.json`` is answered by a signature in
``answers/``, ``manual_steps/<n>/step.json`` by doing what its ``action`` says and writing ``answer.json``.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from lab import fibres, hospital, host, network, plugging, wiring
from lab import plant as plants
from lab.errors import LabError
from lab.state import Lab
from lab.system import launch, read_json, run, write_atomic
from lab.topology import Topology

DEFAULT_SCRIPT = Path(__file__).with_name("hands.yml")
PROCESS = "hands"
POLL_S = 0.2
NAMESPACE = "recovery-approval"
VERBS = (
    "plug-disk", "unplug-disk", "power-on", "power-off", "plug-cable", "unplug-cable", "move-cable", "carry-switch",
    "patch-fibre", "measure-fibre", "lay-fibre",
)  # fmt: skip


# --- the script ------------------------------------------------------------------------------------------------------


def read_script(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Read a script of answers; refuse one that says nothing known."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"The script {path} cannot be read: {error}", "See lab/hands.yml for its form.") from error
    if not isinstance(data, dict) or not set(data) <= {"approvals", "manual_steps"}:
        raise LabError(f"The script {path} should have the keys approvals and manual_steps.", "See lab/hands.yml for its form.")
    return {key: list(data.get(key) or []) for key in ("approvals", "manual_steps")}


def rule_for(rules: Iterable[Mapping[str, Any]], question: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first rule whose ``when`` matches a question."""
    for rule in rules:
        if all(_reach(question, key) == value for key, value in (rule.get("when") or {}).items()):
            return rule
    return None


def _reach(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def signers(rule: Mapping[str, Any], request: Mapping[str, Any]) -> list[str]:
    """Return who signs, in order; whoever asked never does."""
    wanted = rule.get("approve", [])
    asked_by = str(request.get("requested_by", ""))
    if wanted == "needed":
        free = [str(name) for name in request.get("of", []) if name != asked_by]
        return free[: int(request.get("needed", 0))]
    return [str(name) for name in wanted if name != asked_by]


# --- pens ------------------------------------------------------------------------------------------------------------


def now() -> str:
    """Return this moment: UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _sign(text: Path, key: Path) -> str:
    """Sign a file; the signature goes nowhere near a stale one."""
    with text.open("r", encoding="utf-8") as file:
        return run(["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", NAMESPACE], stdin=file.read(), doing="Signing").stdout


def sign_request(directory: Path, principal: str, key: Path) -> None:
    """Hand in a person's yes: a signature over request.json as it stands."""
    write_atomic(directory / "answers" / f"{principal}.sig", _sign(directory / "request.json", key))


def deny_request(directory: Path, principal: str, key: Path, reason: str) -> None:
    """Hand in a person's signed no."""
    digest = "sha256:" + hashlib.sha256((directory / "request.json").read_bytes()).hexdigest()
    said = {"at": now(), "deny": True, "principal": principal, "reason": reason, "request_sha256": digest.removeprefix("sha256:")}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    draft = directory / "answers" / f".{principal}.deny.draft"
    write_atomic(draft, text)
    write_atomic(directory / "answers" / f"{principal}.deny.sig", _sign(draft, key))
    draft.replace(directory / "answers" / f"{principal}.deny")


# --- hands -----------------------------------------------------------------------------------------------------------


def perform(lab: Lab, action: Mapping[str, Any]) -> str:
    """Do in the lab what a step asks for; return what was done, as a sentence."""
    topology, verb = lab.topology(), str(action.get("verb", ""))
    if not verb:
        return "Nothing to do in the lab."
    if verb not in VERBS:
        raise LabError(f"The lab's people do not know how to {verb}.", f"Known: {', '.join(VERBS)}.")
    with hospital.changing(lab, 60):
        if verb in ("plug-disk", "unplug-disk"):
            owner, _, disk = str(action["disk"]).rpartition(":")
            owner = owner or str(action.get("from", ""))
            to = str(action["to"]) if verb == "plug-disk" else ""
            plugging.plug(lab, topology, owner, disk, to)
            return f"The disk {owner}:{disk} is now {'in ' + to if to else 'on the shelf'}."
        if verb in ("power-on", "power-off"):
            return _power(lab, topology, str(action["host"]), verb == "power-on")
        if verb == "carry-switch":
            return _carry(lab, topology, str(action["switch"]), str(action["to"]))
        return _wire(lab, topology, verb, action)


def _carry(lab: Lab, topology: Topology, name: str, room: str) -> str:
    """Bring a switch into another room: it loses its power on the way, and nothing may be plugged into it but its management cable."""
    plant = topology.require_plant()
    ends = {port: cable.name for cable in topology.cables.values() for port in (cable.a, cable.b)}
    held = [cable for port, cable in ends.items() if port.node == name and port.name != plant.management["interface"]]
    if held:
        raise LabError(f"{name} cannot be carried away: {', '.join(held)} is plugged into it.", "Unplug it first.")
    if plant.switch(name).room == room:
        return f"{name} stands in {room} already."
    rooms = {**(lab.read().get("carried") or {}), name: room}
    plants.carried(plant, rooms)  # refused before it is switched off
    _power(lab, topology, name, on=False)
    lab.write(carried=rooms)
    return f"{_power(lab, lab.topology(), name, on=True)} It stands in {room} now."


def _power(lab: Lab, topology: Topology, name: str, on: bool) -> str:
    if on and any(entry["fault"] == "switch-dead" and entry["parameters"]["switch"] == name for entry in read_json(lab.faults) or []):
        raise LabError(f"{name} does not come up: it is dead.")
    if on:
        hospital.boot(lab, topology, name, lambda line: None)
    else:
        host.power_off(lab, topology.host(name).name)
    if topology.is_switch(name):
        wiring.settle(lab, topology)
    return f"{name} is {'on' if on else 'off'}."


def _wire(lab: Lab, topology: Topology, verb: str, action: Mapping[str, Any]) -> str:
    if verb == "move-cable":
        topology = wiring.move(lab, topology, str(action["cable"]), str(action["from"]), str(action["to"]))
        return f"The cable {action['cable']} is now in {action['to']}."
    if verb == "patch-fibre":
        pair = str(action["pair"])
        sides = {side: action.get(side) for side in ("a", "b")}
        if "end" in action:  # one cord, at the panel where it is told
            side = fibres.side_of(topology.require_plant(), pair, str(action["panel"]))
            sides = {"ab"[side]: str(action["end"])}
        topology = fibres.patch(lab, topology, pair, sides.get("a"), sides.get("b"))
        return f"The pair {pair} now joins {' and '.join(end or 'nothing' for end in wiring.plugged(topology, pair))}."
    if verb == "lay-fibre":
        panels = [str(panel) for panel in action["panels"]]
        fibres.lay(lab, topology, str(action["pair"]), str(action["route"]), panels, float(action["length_m"]))
        return f"The cable {action['route']} lies between {' and '.join(panels)}."
    if verb == "measure-fibre":
        return json.dumps(fibres.measure(lab, topology, str(action["pair"])))
    cable = topology.cable(str(action["cable"]))
    if wiring.leads_to_switch(topology, cable):
        (wiring.unplug if verb == "unplug-cable" else wiring.replug)(lab, topology, cable.name)
    elif verb == "unplug-cable":
        network.pull(lab, cable)
    else:
        for port in (cable.a, cable.b):
            network.bring_up(lab, topology, port)
    return f"The cable {cable.name} is {'out' if verb == 'unplug-cable' else 'in'}."


# --- the watch -------------------------------------------------------------------------------------------------------


@dataclass
class Hands:
    """Watches the incidents and answers, each question in its own time."""

    lab: Lab
    incidents: Path
    script: dict[str, list[dict[str, Any]]]
    due: dict[str, float] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def say(self, line: str) -> None:
        """Write a line into the log of the hands."""
        print(f"{now()} {line}", flush=True)

    def poll(self) -> None:
        """Look once at every open question."""
        for path in sorted(self.incidents.glob("*/approvals/*/request.json")):
            self._approval(path)
        for path in sorted(self.incidents.glob("*/manual_steps/*/step.json")):
            self._step(path)

    def _time_has_come(self, key: str, delay_s: float) -> bool:
        due = self.due.setdefault(key, time.monotonic() + delay_s)
        return time.monotonic() >= due

    def _approval(self, path: Path) -> None:
        directory, request = path.parent, read_json(path)
        if request is None or (directory / "outcome.json").exists():
            return
        rule = rule_for(self.script["approvals"], request)
        if rule is None:
            return
        delay = float(rule.get("delay_s", 1))
        denial = rule.get("deny")
        people = [(name, "") for name in signers(rule, request)]
        if denial and denial["principal"] != request.get("requested_by"):
            people.append((str(denial["principal"]), str(denial.get("reason") or "No reason given")))
        for place, (principal, reason) in enumerate(people, start=1):
            key = f"{path} {request.get('request', '')} {principal} {bool(reason)}"
            if key in self.given or not self._time_has_come(key, delay * place):
                continue
            self.given.add(key)
            pen = self.lab.people / principal
            if reason:
                deny_request(directory, principal, pen, reason)
            else:
                sign_request(directory, principal, pen)
            self.say(f"{principal} says {'no' if reason else 'yes'} to {directory}")

    def _step(self, path: Path) -> None:
        directory, step = path.parent, read_json(path)
        if step is None or step.get("state", "waiting") != "waiting" or (directory / "answer.json").exists():
            return
        rule = rule_for(self.script["manual_steps"], step)
        key = f"{path} {step.get('asked_at', '')} {step.get('attempt', 1)}"
        if rule is None or key in self.given or not self._time_has_come(key, float(rule.get("delay_s", 1))):
            return
        self.given.add(key)
        done, note = bool(rule.get("done", True)), str(rule.get("note", ""))
        if done and rule.get("perform", True):
            try:
                performed = perform(self.lab, {**(step.get("action") or {}), **(rule.get("instead") or {})})
                note = note or performed
            except (LabError, KeyError) as error:
                done, note = False, f"It cannot be done: {error}"
        evidence = str(rule.get("evidence", note))
        answer = {"by": str(rule.get("by") or step.get("who") or "somebody"), "at": now(), "done": done, "note": note, "evidence": evidence}
        write_atomic(directory / "answer.json", json.dumps(answer, ensure_ascii=False) + "\n")
        self.say(f"{answer['by']} answers {directory}: {note}")


def watch(lab: Lab, incidents: Path, script: Path) -> None:
    """Answer until told to stop."""
    hands = Hands(lab, incidents, read_script(script))
    hands.say(f"watching {incidents} with {script}")
    while lab.exists():
        try:
            hands.poll()
        except Exception:
            hands.say(traceback.format_exc())
        time.sleep(POLL_S)


# --- start and stop --------------------------------------------------------------------------------------------------


def start(lab: Lab, incidents: Path, script: Path | None) -> None:
    """Start the watch in the background; one that runs is replaced."""
    lab.require()
    chosen = (script or DEFAULT_SCRIPT).resolve()
    read_script(chosen)
    stop(lab)
    incidents = incidents.resolve()
    launch([sys.executable, "-m", "lab.hands", str(lab.root), str(incidents), str(chosen)], lab.record(PROCESS), lab.root / "hands.log")
    lab.write(hands={"incidents": str(incidents), "script": str(chosen)})


def stop(lab: Lab) -> bool:
    """Stop the watch; return whether it ran."""
    process = lab.process(PROCESS)
    if process is not None:
        process.send(15)
        if not process.wait(5):
            process.send(9)
            process.wait(5)
    lab.record(PROCESS).unlink(missing_ok=True)
    return process is not None


if __name__ == "__main__":
    watch(Lab(Path(sys.argv[1]).name, Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))
