"""What takes long, and shows a way that other tests show by a shorter one, is left to ``make acceptance``."""

from __future__ import annotations

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark."""
    config.addinivalue_line("markers", "long: takes long, run by `make acceptance`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is long; a scenario that is run by hand is run whole."""
    if os.environ.get("RECOVERY_TEST_LONG", "1") == "1":
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
