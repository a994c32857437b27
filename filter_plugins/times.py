"""Times as people read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recovery.frame.files import local_time


class FilterModule:
    """The filters of this project; what they do is in the package and imports without Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by name."""
        return {"local_time": local_time}
