"""Follow a journal while others write it: each line is read and parsed once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Follower:
    """Yields the events that were added to a journal since the last look."""

    def __init__(self, path: Path) -> None:
        """Name the journal; it need not exist yet."""
        self.path = path
        self._offset = 0
        self._rest = b""

    def poll(self) -> list[dict[str, Any]]:
        """Return the complete lines that are new. A line that is no JSON is left to `recovery evidence verify`."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._offset)
                content = stream.read()
        except OSError:
            return []
        self._offset += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        events: list[dict[str, Any]] = []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                events.append(event)
        return events
