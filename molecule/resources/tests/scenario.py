"""What the scenario under test broke and ran."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml


def _read() -> dict[str, Any]:
    path = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "scenario.yml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def faults() -> list[list[str]]:
    """Return the faults that the scenario inflicts."""
    return list(_read()["faults"])
