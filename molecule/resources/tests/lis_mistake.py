"""A person's mistake in the laboratory: one statement too wide, with an instrument entered before and after it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from hospital import remember
from laboratory import checksums, sql

ENTER = "insert into instrument (code, section, in_service_since) values ('{}', 'chemistry', '2026-01-01')"


def main() -> None:
    """Enter, wait, note the moment, wait, ruin, enter."""
    sql(ENTER.format("BEFORE"))
    before = checksums()
    time.sleep(3)
    target = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    time.sleep(3)
    sql("update test set low = 0, high = 1")
    sql(ENTER.format("AFTER"))
    time.sleep(2)
    remember("mark", {"target": target, "master": before})


if __name__ == "__main__":
    main()
