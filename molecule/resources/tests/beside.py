"""Production, its repository and the drill host, seen from outside: what a rehearsal must leave alone, and what it makes."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from hospital import BIN, PROJECT, host, identity, sql

SCRATCH_ROOT = "/var/lib/postgresql/scratch"
REPOSITORY = "/srv/backup/pgbackrest"


def production() -> dict[str, Any]:
    """Return what a rehearsal must not change of the running server."""
    return {**identity(), "started": sql("select pg_postmaster_start_time()"), "slots": sql("select count(*) from pg_replication_slots")}


def repository() -> dict[str, str]:
    """Return every file of the local repository with its size and times of change, read as root on its own host."""
    listing = host("his-db").check_output(f"find {REPOSITORY} -type f -not -name '*.tmp' -printf '%P\\t%s %T@ %C@ %U %m\\n'")
    return dict(line.split("\t") for line in str(listing).splitlines())


def untouched(before: dict[str, str], after: dict[str, str]) -> None:
    """Nothing that was there has changed or gone; what is new is production's own log."""
    assert {name: after.get(name) for name in before} == before
    assert [name for name in after if name not in before and not name.startswith("archive/")] == []


def unit_pid(name: str) -> int:
    """Return the main process of a scratch instance; 0 if it does not run."""
    return int(host("drill-1").check_output(f"systemctl show -p MainPID --value recovery-scratch-{name}"))


def facts(name: str) -> dict[str, Any]:
    """Return what stands beside a scratch instance for people who find it."""
    return dict(json.loads(host("drill-1").check_output(f"cat {SCRATCH_ROOT}/{name}/README.json")))


def ask(name: str, query: str) -> str:
    """Ask a scratch instance over its socket."""
    command = "runuser -u postgres -- psql -X -q -A -t -v ON_ERROR_STOP=1 -h %s -d his -c %s"
    return str(host("drill-1").check_output(command, facts(name)["socket"], query)).strip()


def command(*words: str) -> tuple[int, str]:
    """Run a command of `recovery` other than `run`; return its exit status and what it said."""
    done = subprocess.run([str(BIN / "recovery"), *words], cwd=PROJECT, env=os.environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
