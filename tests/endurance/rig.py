"""A hospital to be broken, recovered, and interrupted while it is recovered; judged from outside, by SQL and stock tools."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from lab import host as hosts
from lab import prepared
from lab.faults import active
from lab.state import Lab

PROJECT = Path(__file__).resolve().parents[2]
BIN = PROJECT / ".venv" / "bin"
PATIENCE_S = 900
FAULT = "data-directory-destroyed"
DATA = "/var/lib/postgresql/15/main"
LEDGERS = ("charge", "invoice", "invoice_line", "stock_movement")


class BrokenPromiseError(AssertionError):
    """What must hold after an interruption does not."""


def descendants(pid: int) -> list[int]:
    """Return a process and everything that descends from it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def rows(incident: Path, event: str) -> list[dict[str, Any]]:
    """Return the lines of one kind in an incident's journal."""
    lines = (incident / "journal.jsonl").read_text(encoding="utf-8").split("\n")[:-1]  # a killed run leaves half a line
    return [row for row in map(json.loads, lines) if row["event"] == event]


def number(journal: Path) -> tuple[str, int]:
    """Return day and number of a journal's incident, by which it sorts also behind the ninety-ninth of a day."""
    day, _, count = journal.parent.name.rpartition("-")
    return day, int(count)


@dataclass
class Rig:
    """One lab under clinical work, one runbook, and what the hospital held before it was broken."""

    name: str
    incidents: Path
    runbook: str = "database_restore"
    extra: Sequence[str] = ("source=local",)
    before: dict[str, Any] = field(default_factory=dict)
    running: subprocess.Popen[bytes] | None = None

    @property
    def lab(self) -> Lab:
        """The lab of that name."""
        return Lab.named(self.name)

    @property
    def environment(self) -> dict[str, str]:
        """What its commands run with."""
        own = {"LAB_NAME": self.name, "RECOVERY_INCIDENTS": str(self.incidents), "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")}
        return {**os.environ, **own, "MOLECULE_EPHEMERAL_DIRECTORY": str(self.incidents), "PATH": f"{BIN}:{os.environ['PATH']}"}

    @property
    def hospital(self) -> ModuleType:
        """The scenarios' view from outside (molecule/resources/tests), of this lab."""
        os.environ.update(self.environment)
        view = str(PROJECT / "molecule" / "resources" / "tests")
        if view not in sys.path:
            sys.path.insert(0, view)
        import hospital

        return hospital

    def call(self, *words: str, accept: Sequence[int] = (0,)) -> str:
        """Run a command; its failure ends everything."""
        done = subprocess.run(
            [str(BIN / words[0]), *words[1:]], cwd=PROJECT, env=self.environment, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode not in accept:
            raise BrokenPromiseError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return done.stdout

    def up(self) -> None:
        """Boot a protected hospital, and let people work and answer."""
        self.incidents.mkdir(parents=True, exist_ok=True)
        prepared.up(self.name)
        self.call("lab", "hands", "start", "--incidents", str(self.incidents))
        self.call("lab", "workload", "start")
        time.sleep(5)

    def down(self) -> None:
        """Take the lab away."""
        self.call("lab", "down")

    def end(self) -> None:
        """End the run that may be under way."""
        if self.running is not None and self.running.poll() is None:
            self.kill(self.running)

    def again(self) -> None:
        """Begin with a new hospital: after a broken promise, or where an earlier one was left standing."""
        self.down()
        for path in self.incidents.glob(".locks/*.json"):
            path.unlink()
        self.up()

    def destroy(self) -> None:
        """Remember what the hospital holds, then break it: by the lab the first time, then by hand (a fault happens once)."""
        self.remember()
        if any(fault["fault"] == FAULT for fault in active(self.lab)):
            self.call("lab", "exec", "his-db", "--", "sh", "-c", f"rm -rf {DATA}; sync")
        else:
            self.call("lab", "break", FAULT)

    def remember(self) -> None:
        """Remember what the hospital holds."""
        see = self.hospital
        acknowledged = self.acknowledged()
        # What an earlier fault took before any log tail had it was given up with that fault; it is no promise of this one's recovery.
        gone = acknowledged - see.committed()
        self.before = {
            "identity": see.identity(),
            "master": see.checksums(),
            "counts": see.counts(LEDGERS),
            "acknowledged": acknowledged - gone,
            "gone": gone,
        }

    def acknowledged(self, since: float = 0) -> set[tuple[str, int]]:
        """Return what a workstation was told to be saved, from a moment on (seconds since the epoch)."""
        return {(one.workstation, one.seq) for one in self.hospital.attempts() if one.ok and one.done >= since}

    # ---- a run ------------------------------------------------------------------------------------------------

    def start(self) -> tuple[subprocess.Popen[bytes], Callable[[], list[dict[str, Any]]]]:
        """Start the runbook; return its process and a function that returns its journal so far."""
        known = {path.parent for path in self.incidents.glob("*/journal.jsonl")}
        words = [str(BIN / "recovery"), "run", self.runbook, *(word for one in self.extra for word in ("-e", one))]
        self.running = process = subprocess.Popen(
            words, cwd=PROJECT, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

        def journal() -> list[dict[str, Any]]:
            new = [path for path in self.incidents.glob("*/journal.jsonl") if path.parent not in known]
            lines = max(new, key=number).read_text(encoding="utf-8").split("\n")[:-1] if new else []  # the last line may still be written
            return [json.loads(line) for line in lines]

        return process, journal

    def until(self, process: subprocess.Popen[bytes], true: Callable[[], bool]) -> bool:
        """Wait until something is so; False if the run ended before."""
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            if process.poll() is not None:
                return false_or(true)
            if time.monotonic() > deadline:
                self.kill(process)
                raise BrokenPromiseError(f"The run did not get anywhere in {PATIENCE_S} s.")
            time.sleep(0.02)
        return True

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the command and everything that it started, at once. What it started on the hospital's hosts knows nothing of it."""
        for pid in descendants(process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()

    def cut(self, name: str) -> None:
        """Take a host's power away, this very moment."""
        hosts.power_cut(self.lab, name)

    def power(self) -> None:
        """Give every host power again."""
        self.call("lab", "up")
        self.call("lab", "workload", "start")

    def run(self) -> tuple[int, Path]:
        """Run the runbook to its end; return its exit status and its incident."""
        process, journal = self.start()
        status = process.wait(PATIENCE_S)
        del journal
        return status, self.newest()

    def newest(self) -> Path:
        """Return the incident of the newest run."""
        return max(self.incidents.glob("*/journal.jsonl"), key=number).parent

    def refused(self, incident: Path) -> set[str]:
        """Return the codes of what stopped a run."""
        findings = [finding for row in rows(incident, "refusal") for finding in row["data"].get("findings", [])]
        return {finding["code"] for finding in findings if finding["severity"] in ("stop", "overridable")}

    def forgotten(self, incidents: Sequence[Path]) -> set[tuple[str, int]]:
        """Return what only the memory of the source held when it lost its power: what is newer than the log in its repository.

        The run says to which moment it restored, and how many transactions are lost. Whatever else is gone breaks a promise.
        """
        measured = [row["data"] for incident in incidents for row in rows(incident, "measured")]
        restored = [str(data["restored_to"]) for data in measured if data.get("restored_to")]
        if not restored:
            return set()
        held = self.acknowledged(datetime.fromisoformat(restored[-1]).timestamp())
        gone = self.acknowledged() - self.hospital.committed() - self.before["gone"]
        told = [row["data"]["lost_transactions"] for row in rows(incidents[-1], "measured") if "lost_transactions" in row["data"]]
        expect(told[-1:] or [0], [len(gone)], "the run did not tell how much is lost")
        return held

    # ---- what must hold -----------------------------------------------------------------------------------------

    def nothing_half_answers(self) -> None:
        """If a database answers where the wards ask, it is a whole one."""
        see = self.hospital
        if see.answers():
            self.check_data()

    def check_data(self) -> None:
        """The same database, with all that the backup had and all that was acknowledged before it was broken."""
        see = self.hospital
        found = {"system": see.identity()["system"], "master": see.checksums()}
        expect(found, {"system": self.before["identity"]["system"], "master": self.before["master"]}, "the database is another one")
        shorter = {table: number for table, number in see.counts(LEDGERS).items() if number < self.before["counts"][table]}
        expect(shorter, {}, "a ledger became shorter")
        gone = self.before["acknowledged"] - see.committed()
        expect(gone, set(), "acknowledged before the fault, and gone")
        for query in (
            "select count(*) from charge c left join visit v on v.id = c.visit_id where v.id is null",
            "select count(*) from invoice_line l left join invoice i on i.id = l.invoice_id where i.id is null",
            "select count(*) from invoice i where total <> (select sum(amount) from invoice_line l where l.invoice_id = i.id)",
        ):
            expect(see.sql(query), "0", query)

    def check_end(self, incidents: Sequence[Path]) -> None:
        """The end state is the same as without any interruption, and the evidence of every run verifies."""
        see = self.hospital
        self.check_data()
        expect(see.sql("select pg_is_in_recovery()"), "f", "the database is still recovering")
        self.check_wards()
        left = str(see.host("his-db").check_output("ls -d /var/lib/postgresql/15/main.restoring 2>/dev/null || true")).strip()
        expect(left, "", "something is left of the staging")
        servers = str(see.host("his-db").check_output("pgrep -u postgres -f -a '/bin/postgres -D ' || true")).splitlines()
        expect(len(servers), 1, "there is not exactly one server")
        self.check_archiving()
        self.check_evidence(incidents)

    def check_wards(self) -> None:
        """Whoever sits at a workstation can work."""
        see = self.hospital
        for workstation in see.WORKSTATIONS:
            expect(see.probe(workstation), "", f"{workstation} cannot work")

    def check_evidence(self, incidents: Sequence[Path]) -> None:
        """The evidence of each run verifies, or what is missing in it is said: an interrupted run has no end."""
        for incident in incidents:
            problems = self.call("recovery", "evidence", "verify", str(incident), accept=(0, 3))
            if "NOT VERIFIED" in problems.replace("COULD NOT VERIFY", ""):
                raise BrokenPromiseError(problems)

    def check_archiving(self) -> None:
        """The log of the new history reaches the repository."""
        see = self.hospital
        before = int(see.sql("select archived_count from pg_stat_archiver"))
        see.sql("select pg_switch_wal()")
        deadline = time.monotonic() + 60
        while int(see.sql("select archived_count from pg_stat_archiver")) <= before:
            if time.monotonic() > deadline:
                raise BrokenPromiseError("After the recovery no segment of the write-ahead log is archived.")
            time.sleep(0.5)


def false_or(true: Callable[[], bool]) -> bool:
    """Look once more: the run may have written its last lines just before it ended."""
    return true()


def expect(found: Any, wanted: Any, otherwise: str) -> None:
    """Raise BrokenPromiseError unless something is as it must be."""
    if found != wanted:
        raise BrokenPromiseError(f"{otherwise}: found {str(found)[:500]}, wanted {str(wanted)[:500]}")
