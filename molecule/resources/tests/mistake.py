"""A person's mistake: one statement too wide. Before and after it a patient is entered, so that the boundary can be seen."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from hospital import checksums, remember, sql

ENTER = "insert into patient (name, sex, birth_date) values ('{}', 'female', '1980-01-01') returning extract(epoch from clock_timestamp())"


def main() -> None:
    """Enter, wait, note the moment, wait, ruin, enter."""
    before = checksums(("price_item", "price_history"))
    sql(ENTER.format("Boundary before"))
    time.sleep(2)
    target = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    time.sleep(2)
    sql("update price_item set price = 0")
    sql(ENTER.format("Boundary after"))
    sql("select pg_switch_wal()")
    remember("mark", {"target": target, "prices": before})


if __name__ == "__main__":
    main()
