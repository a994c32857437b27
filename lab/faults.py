"""Faults: real, reversible, and each proven from outside before it is reported. What a fault destroys is kept for its repair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lab.errors import LabError
from lab.state import Lab
from lab.system import read_json, write_json
from lab.topology import Topology

Say = Callable[[str], None]


@dataclass(frozen=True)
class Scene:
    """Where a fault happens."""

    lab: Lab
    topology: Topology
    say: Say


@dataclass(frozen=True)
class Parameter:
    """What a fault can be told: a default of None means that it must be told."""

    about: str
    default: str | None = None


# Inflict: do it, prove it, return what the repair needs. A proof that fails raises LabError.
Inflict = Callable[[Scene, dict[str, str]], dict[str, Any]]
Repair = Callable[[Scene, dict[str, str], dict[str, Any]], None]


@dataclass(frozen=True)
class Fault:
    """One way in which the hospital breaks."""

    name: str
    about: str
    inflict: Inflict
    repair: Repair
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def settle(self, words: Sequence[str]) -> dict[str, str]:
        """Read ``VALUE`` (in the order of the parameters) and ``name=value`` into parameters; refuse what is missing or unknown."""
        values: dict[str, str] = {}
        order = list(self.parameters)
        for position, word in enumerate(words):
            name, equals, value = word.partition("=")
            if not equals:
                if position >= len(order):
                    raise LabError(f"{self.name} takes at most {len(order)} values.", self.usage())
                name, value = order[position], word
            if name not in self.parameters:
                raise LabError(f"{self.name} knows no parameter {name!r}.", self.usage())
            values[name] = value
        return values

    def complete(self, values: Mapping[str, str]) -> dict[str, str]:
        """Fill in the defaults; refuse if something without a default is missing."""
        full = {name: values.get(name, parameter.default) for name, parameter in self.parameters.items()}
        missing = [name for name, value in full.items() if value is None]
        if missing:
            raise LabError(f"{self.name} needs to know: {', '.join(missing)}.", self.usage())
        return {name: str(value) for name, value in full.items()}

    def usage(self) -> str:
        """Return how to say it."""
        words = [name.upper() if p.default is None else f"[{name}={p.default}]" for name, p in self.parameters.items()]
        return f"lab break {self.name} {' '.join(words)}".strip()


def catalogue() -> dict[str, Fault]:
    """Return every fault by name."""
    from lab import faults_data, faults_hosts, faults_links, faults_network, faults_rows  # they build on this module
    from lab.pacs import faults as faults_images

    parts = (faults_hosts, faults_data, faults_links, faults_network, faults_rows, faults_images)
    return {fault.name: fault for part in parts for fault in part.FAULTS}


def named(name: str) -> Fault:
    """Return a fault, or say which there are."""
    faults = catalogue()
    if name not in faults:
        raise LabError(f"There is no fault {name!r}.", f"Faults: {', '.join(faults)}.")
    return faults[name]


def active(lab: Lab) -> list[dict[str, Any]]:
    """Return what is broken at present, oldest first."""
    return list(read_json(lab.faults) or [])


def now() -> str:
    """Return this moment: UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def inflict(scene: Scene, name: str, words: Sequence[str]) -> dict[str, Any]:
    """Break something, prove that it is broken, write it down; return the entry."""
    fault = named(name)
    parameters = fault.complete(fault.settle(words))
    present = active(scene.lab)
    if any(entry["fault"] == name and entry["parameters"] == parameters for entry in present):
        raise LabError(f"{name} {_shown(parameters)} is in force already.", f"Repair it first: lab repair {name}")
    entry = {"fault": name, "parameters": parameters, "at": now(), "kept": {}}
    kept = fault.inflict(scene, parameters)
    entry["at"] = kept.pop("took_effect_at", entry["at"])
    entry["kept"] = kept
    entry["proven_at"] = now()
    write_json(scene.lab.faults, [*active(scene.lab), entry])
    return entry


def repair(scene: Scene, name: str, words: Sequence[str]) -> dict[str, Any]:
    """Undo the newest fault of this name and these parameters; return its entry."""
    fault = named(name)
    given = fault.settle(words)
    matching = [
        entry
        for entry in active(scene.lab)
        if entry["fault"] == name and all(entry["parameters"].get(key) == value for key, value in given.items())
    ]
    if not matching:
        present = "; ".join(f"{entry['fault']} {_shown(entry['parameters'])}" for entry in active(scene.lab))
        raise LabError(f"There is no {name} {_shown(given)} to repair.", f"In force: {present or 'nothing'}.")
    entry: dict[str, Any] = matching[-1]
    fault.repair(scene, entry["parameters"], entry["kept"])
    write_json(scene.lab.faults, [other for other in active(scene.lab) if other != entry])
    return entry


def _shown(parameters: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in parameters.items())
