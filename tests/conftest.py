"""What every layer of tests shares: where the project is, and the order of the layers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
LAYERS = ("static", "unit", "integration", "acceptance")


def layer_of(path: Path) -> int:
    """Return the place of a test file's layer in the order of running; quick layers come first."""
    parts = path.relative_to(PROJECT / "tests").parts
    return LAYERS.index(parts[0]) if parts[0] in LAYERS else len(LAYERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run quick layers first; without root, say why what boots a lab does not run."""
    items.sort(key=lambda item: layer_of(item.path))
    if os.geteuid() != 0:
        for item in items:
            if layer_of(item.path) >= LAYERS.index("integration"):
                item.add_marker(pytest.mark.skip(reason="boots a lab, which needs root"))


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's directory."""
    return PROJECT
