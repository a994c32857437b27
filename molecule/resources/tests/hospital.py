"""The scenario's hospital, seen from outside: through SSH, by SQL of its own, and by what the workstations wrote down."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import testinfra

PROJECT = Path(__file__).resolve().parents[3]
BIN = PROJECT / ".venv" / "bin"
STATE = Path(os.environ.get("LAB_STATE_ROOT", "/var/lib/recovery-lab")) / os.environ["LAB_NAME"]
SCRATCH = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
INCIDENTS = Path(os.environ["RECOVERY_INCIDENTS"])
WORKSTATIONS = ("ward-1", "outpatient-1")
DATA = "/var/lib/postgresql/15/main"
LEDGERS = ("charge", "invoice", "invoice_line", "client_transaction", "stock_movement")
# What clinical work never changes: equal before the disaster and after the recovery, to the last byte.
MASTER = ("department", "staff", "price_item", "price_history")


@cache
def host(name: str) -> Any:
    """Return a host as testinfra sees it: SSH with its key checked, root by sudo; one connection for all that is asked of it."""
    (STATE / "cp").mkdir(mode=0o700, exist_ok=True)
    options = f"-o ControlMaster=auto -o ControlPersist=20 -o ControlPath={STATE}/cp/%n -o ServerAliveInterval=2 -o ServerAliveCountMax=2"
    return testinfra.get_host(f"ssh://{name}", ssh_config=str(STATE / "ssh_config"), sudo=True, ssh_extra_args=options)


def sql(query: str, database: str = "his") -> str:
    """Ask the database on its own host; an error of SQL fails the test."""
    command = "runuser -u postgres -- psql -X -q -A -t -v ON_ERROR_STOP=1 -d %s -c %s"
    return str(host("his-db").check_output(command, database, query)).strip()


def answers() -> bool:
    """Tell whether the database answers at all."""
    return bool(host("his-db").run("runuser -u postgres -- psql -X -q -A -t -d his -c 'select 1'").rc == 0)


def probe(workstation: str) -> str:
    """Do a ward's work once (register, order, charge, dispense, report, read it back); return what failed, or nothing."""
    done = host(workstation).run("his-client probe --timeout 20")
    return "" if done.rc == 0 else f"{done.stdout}{done.stderr}"


@dataclass(frozen=True)
class Attempt:
    """One transaction as the workstation wrote it down."""

    workstation: str
    seq: int
    done: float
    ok: bool


def attempts() -> list[Attempt]:
    """Return every attempt of every workstation, oldest first."""
    found = []
    for name in WORKSTATIONS:
        for line in str(host(name).check_output("cat /var/log/his-client/acknowledged.jsonl")).splitlines():
            row = json.loads(line)
            found.append(Attempt(name, row["seq"], datetime.fromisoformat(row["done"]).timestamp(), row["ok"]))
    return sorted(found, key=lambda attempt: attempt.done)


def committed() -> set[tuple[str, int]]:
    """Return the transactions that the database holds."""
    rows = sql("select workstation || ' ' || seq from client_transaction").splitlines()
    return {(workstation, int(seq)) for workstation, seq in (row.split() for row in rows)}


def lost() -> list[Attempt]:
    """Return the attempts that were acknowledged and are gone. Asked in this order, a transaction under way cannot look lost."""
    acknowledged = [attempt for attempt in attempts() if attempt.ok]
    present = committed()
    return [attempt for attempt in acknowledged if (attempt.workstation, attempt.seq) not in present]


def checksums(tables: Sequence[str] = MASTER) -> dict[str, str]:
    """Return a checksum of each table's rows in a fixed order."""
    return _each("md5(string_agg(t::text, '|' order by id))", tables)


def counts(tables: Sequence[str] = LEDGERS) -> dict[str, int]:
    """Return how many rows each table holds."""
    return {table: int(number) for table, number in _each("count(*)", tables).items()}


def _each(expression: str, tables: Sequence[str]) -> dict[str, str]:
    """Return the value of an expression over each table's rows ``t``, all asked at once."""
    query = " union all ".join(f"select '{table}', ({expression})::text from {table} t" for table in tables)  # noqa: S608
    return dict(line.split("|", 1) for line in sql(query).splitlines())


def identity() -> dict[str, str]:
    """Return what distinguishes this database from every other, and its age in timelines."""
    system, timeline = sql("select system_identifier, (pg_control_checkpoint()).timeline_id from pg_control_system()").split("|")
    return {"system": system, "timeline": timeline}


def remember(name: str, content: Any) -> None:
    """Keep something for a later step of the scenario."""
    (SCRATCH / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def remembered(name: str) -> Any:
    """Return what an earlier step kept."""
    return json.loads((SCRATCH / f"{name}.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Ran:
    """A run of a runbook and its journal."""

    status: int
    output: str
    incident: Path | None

    @cached_property
    def journal(self) -> list[dict[str, Any]]:
        """The lines of its journal, read without our own reader."""
        assert self.incident is not None, self.output
        return [json.loads(line) for line in (self.incident / "journal.jsonl").read_text(encoding="utf-8").splitlines()]

    @property
    def codes(self) -> set[str]:
        """The codes of what was refused."""
        refusals = [line for line in self.journal if line["event"] == "refusal"]
        return {finding["code"] for line in refusals for finding in line["data"].get("findings", [])}

    @property
    def verdict(self) -> str:
        """The verdict of its end row."""
        return str(next(line["result"] for line in reversed(self.journal) if line["event"] == "run_end"))


def incidents() -> list[Path]:
    """Return the incidents of this scenario, oldest first."""
    return sorted(path.parent for path in INCIDENTS.glob("*/journal.jsonl"))


def recovery(*words: str, timeout: float = 300) -> Ran:
    """Run a runbook as a person would, and return what came of it."""
    before = set(incidents())
    done = subprocess.run(
        [str(BIN / "recovery"), "run", *words],
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    new = [path for path in incidents() if path not in before]
    return Ran(done.returncode, done.stdout + done.stderr, new[-1] if new else None)


def lab(*words: str) -> None:
    """Run a command of the lab; its failure fails the test."""
    done = subprocess.run([str(BIN / "lab"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def fingerprint() -> str:
    """Return what is left of the database: names, sizes and times of its files, of what is kept aside, and of what is staged beside."""
    command = (
        "find /var/lib/postgresql/15 -type f -path '*/15/main*/*' -not -path '*/pg_stat_tmp/*' -printf '%p %s %T@\\n' | sort | sha256sum"
    )
    return str(host("his-db").check_output(command))
