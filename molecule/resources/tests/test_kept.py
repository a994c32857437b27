"""What was replaced is kept, whole, until a person lets it go."""

from __future__ import annotations

from hospital import DATA, host


def test_the_old_state_is_kept() -> None:
    assert host("his-db").run(f"ls -d {DATA}.aside-*/PG_VERSION").rc == 0, "nothing was kept aside"
