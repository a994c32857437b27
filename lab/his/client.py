"""The workstation: makes clinical transactions, logs every attempt, probes the service, and summarises its own log.

    his-client run --rate 10            steady clinical work until stopped
    his-client probe [--timeout 10]     what a ward needs, once; exit status 0 only if all of it worked
    his-client summary [--since ISO]    what the log says, as JSON

The log is what the person at the workstation saw: an attempt is ``ok`` when its acknowledgement arrived. One that failed may have been
committed or not; its number is never used again, so acknowledged numbers that the database lacks are exactly the lost ones.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import json
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from .summary import iso, moment, summarise

SERVER = "http://his-app:8080"
LOG = Path("/var/log/his-client/acknowledged.jsonl")
SEQUENCE = Path("/var/lib/his-client/sequence")
MIX = {"registration": 30, "order": 25, "charge": 20, "dispense": 15, "result": 10}
"""How often each kind of transaction happens, in per cent."""

CONNECT_S = 0.5
ANSWER_S = 4.0
ANSWER_DURING_OUTAGE_S = 1.0
IDLE_S = 30.0
"""A connection that was unused for so long is opened anew: the application closes idle ones, which is no outage."""
RETRY_S = 0.15
"""Pause between a workstation's attempts while the service is away: the precision with which its return is measured."""


class Sequence:
    """Numbers of this workstation's transactions: only growing, never used twice, also after a crash or by a second process."""

    def __init__(self, path: Path, block: int) -> None:
        """Take numbers from ``path`` in blocks, so that the file is written once a block."""
        self._path = path
        self._block = block
        self._next = 0
        self._end = 0
        self._lock = threading.Lock()

    def take(self) -> int:
        """Return the next number."""
        with self._lock:
            if self._next >= self._end:
                self._reserve()
            self._next += 1
            return self._next

    def _reserve(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            # Append only, read the last complete line: a torn write can cost a line, never hand out a number twice.
            lines = [line for line in file.read().split("\n")[:-1] if line.isdigit()]
            self._next = max((int(line) for line in lines), default=0)
            self._end = self._next + self._block
            file.write(f"\n{self._end}\n")
            file.flush()
            os.fsync(file.fileno())


class Log:
    """The attempts, one JSON line each, written whole so that several processes may share the file."""

    def __init__(self, path: Path) -> None:
        """Append to ``path``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, attempt: dict[str, Any]) -> None:
        """Add one attempt."""
        os.write(self._file, (json.dumps(attempt, ensure_ascii=False) + "\n").encode())


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the attempts of a log; a line cut short by a crash is left out."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                attempt = json.loads(line)
            except ValueError:
                continue
            if isinstance(attempt, dict) and "seq" in attempt:
                yield attempt


class ServiceError(Exception):
    """The service refused or could not be reached."""


class Session:
    """A connection to the application, opened again when it broke; used by one thread."""

    def __init__(self, server: str) -> None:
        """Talk to ``server``, an http URL."""
        parts = urlsplit(server)
        self._host, self._port = parts.hostname or "his-app", parts.port or 80
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, answer_s: float = ANSWER_S) -> dict[str, Any]:
        """Make one request and return the answer; raises ServiceError. Never repeats a request by itself."""
        try:
            if time.monotonic() - self._used > IDLE_S:
                self.close()
            if self._connection is None:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=min(CONNECT_S, answer_s))
                connection.connect()
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connection = connection
            self._connection.sock.settimeout(answer_s)
            content = json.dumps(body).encode() if body is not None else None
            self._connection.request(method, path, content, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            answer = json.loads(response.read())
            self._used = time.monotonic()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise ServiceError(f"{type(error).__name__}: {error}") from error
        if response.status != 200 or not isinstance(answer, dict) or not answer.get("ok"):
            detail = answer.get("error", "") if isinstance(answer, dict) else answer
            raise ServiceError(f"HTTP {response.status}: {detail}")
        return answer

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Workstation:
    """One workstation's work: numbers, log, and where the service is."""

    def __init__(self, server: str, name: str, log: Path, sequence: Path, block: int) -> None:
        """Set up; nothing is sent yet."""
        self.server = server
        self.name = name
        self._log = Log(log)
        self._sequence = Sequence(sequence, block)

    def attempt(
        self, session: Session, kind: str, request: dict[str, Any], answer_s: float = ANSWER_S, probe: bool = False
    ) -> dict[str, Any]:
        """Try one transaction once and log it; returns the answer, raises ServiceError."""
        seq = self._sequence.take()
        entry: dict[str, Any] = {"seq": seq, "kind": kind, "sent": iso(datetime.now(UTC))}
        if probe:
            entry["probe"] = True
        try:
            answer = session.call("POST", f"/{kind}", {"workstation": self.name, "seq": seq, **request}, answer_s)
        except ServiceError as error:
            self._log.write({**entry, "done": iso(datetime.now(UTC)), "ok": False, "error": str(error)})
            raise
        self._log.write({**entry, "done": iso(datetime.now(UTC)), "ok": True})
        return answer


def run(
    workstation: Workstation, rate: float, threads: int, seed: int, seconds: float | None, mix: Mapping[str, int] = MappingProxyType(MIX)
) -> None:
    """Work at ``rate`` transactions a second, spread over threads, until stopped (TERM) or for ``seconds``.

    While the service is away the threads take turns, one attempt in RETRY_S, however low the rate is: people who wait do not
    keep the servers busy that are being recovered.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    kinds, weights = list(mix), list(mix.values())

    def work(number: int) -> None:
        choose = random.Random(f"{seed}/{workstation.name}/{number}")  # noqa: S311 - a reproducible mix, not a secret
        session = Session(workstation.server)
        pause = threads / rate
        due = time.monotonic() + pause * number / threads
        away = False
        while not stop.wait(max(0.0, due - time.monotonic())):
            kind = choose.choices(kinds, weights)[0]
            began = time.monotonic()
            try:
                workstation.attempt(session, kind, {"draw": choose.randrange(1_000_000)}, ANSWER_DURING_OUTAGE_S if away else ANSWER_S)
                away = False
                due = max(due + pause, time.monotonic())
            except ServiceError:
                due = max(began + RETRY_S * (threads if away else number + 1), time.monotonic())
                away = True

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    stop.wait(seconds)
    stop.set()
    for worker in workers:
        worker.join(ANSWER_S + 1)


def probe(workstation: Workstation, timeout_s: float) -> dict[str, Any]:
    """Do once what a ward needs, read it back, and return the steps with their times; never repeats a step."""
    began = time.monotonic()
    session = Session(workstation.server)
    steps: list[dict[str, Any]] = []
    facts: dict[str, Any] = {"draw": int(time.time()) % 100_000 * 8 + 1}

    @contextmanager
    def step(name: str) -> Iterator[float]:
        entry: dict[str, Any] = {"name": name, "at": iso(datetime.now(UTC)), "ok": False}
        steps.append(entry)
        started = time.monotonic()
        try:
            left = timeout_s - (started - began)
            if left <= 0:
                raise ServiceError(f"The probe's {timeout_s:g} s are over.")
            yield min(left, ANSWER_S)
            entry["ok"] = True
        except ServiceError as error:
            entry["error"] = str(error)
            raise
        finally:
            entry["took_s"] = round(time.monotonic() - started, 4)

    def transact(kind: str, request: dict[str, Any], left: float) -> dict[str, Any]:
        return workstation.attempt(session, kind, {"draw": facts["draw"], **request}, left, probe=True)

    try:
        with step("the application answers and its database is writable") as left:
            session.call("GET", "/health", answer_s=left)
        with step("register a patient") as left:
            visit = transact("registration", {"new_patient": True}, left)["visit"]
        with step("order a laboratory test") as left:
            laboratory = transact("order", {"visit": visit, "kind": "laboratory"}, left)["order"]
        with step("prescribe a drug") as left:
            prescription = transact("order", {"visit": visit, "kind": "medication"}, left)
        with step("charge and issue the invoice") as left:
            charged = transact("charge", {"visit": visit, "reversal": False}, left)
        with step("dispense the prescription") as left:
            dispensed = transact("dispense", {"prescription": prescription["prescription"]}, left)
        with step("report the laboratory result") as left:
            results = transact("result", {"order": laboratory}, left)["results"]
        with step("read everything back") as left:
            seen = session.call("GET", f"/visit/{visit}", answer_s=left)
            expected = {
                "orders": sorted([laboratory, prescription["order"]]),
                "charges": sorted(charged["charges"]),
                "invoices": [charged["invoice"]],
                "open_lines": [],
                "dispensed_lines": sorted(dispensed["lines"]),
                "results": sorted(results),
            }
            wrong = [name for name, numbers in expected.items() if seen.get(name) != numbers]
            if wrong:
                raise ServiceError(f"Visit {visit} does not read back as entered: {', '.join(wrong)}.")
    except ServiceError:
        pass  # the failing step says so itself
    finally:
        session.close()
    return {
        "workstation": workstation.name,
        "ok": all(one["ok"] for one in steps),
        "at": iso(datetime.now(UTC)),
        "took_s": round(time.monotonic() - began, 4),
        "steps": steps,
    }


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="his-client", description="A workstation of the hospital information system.")
    parser.add_argument("--server", default=os.environ.get("HIS_SERVER", SERVER))
    parser.add_argument("--workstation", default=socket.gethostname())
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--sequence", type=Path, default=SEQUENCE)
    commands = parser.add_subparsers(dest="command", required=True)
    working = commands.add_parser("run", help="steady clinical work")
    working.add_argument("--rate", type=float, default=10.0, help="transactions a second")
    working.add_argument("--threads", type=int, default=4)
    working.add_argument("--seed", type=int, default=1)
    working.add_argument("--seconds", type=float, help="stop after so long")
    probing = commands.add_parser("probe", help="what a ward needs, once")
    probing.add_argument("--timeout", type=float, default=10.0, help="seconds for all steps together")
    telling = commands.add_parser("summary", help="what the log says")
    telling.add_argument("--since", type=moment, help="ISO time; from the beginning of the log without it")
    telling.add_argument("--until", type=moment, help="ISO time; now without it")
    chosen = parser.parse_args(arguments)
    if chosen.command == "run" and not (chosen.rate > 0 and chosen.threads > 0):
        parser.error("The rate and the number of threads are greater than 0.")
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    chosen = _arguments(arguments)
    if chosen.command == "summary":
        until = chosen.until or datetime.now(UTC)
        json.dump(summarise(read_log(chosen.log), chosen.workstation, chosen.since, until), sys.stdout, ensure_ascii=False)
        print()
        return 0
    workstation = Workstation(chosen.server, chosen.workstation, chosen.log, chosen.sequence, block=100 if chosen.command == "run" else 6)
    if chosen.command == "run":
        run(workstation, chosen.rate, chosen.threads, chosen.seed, chosen.seconds)
        return 0
    outcome = probe(workstation, chosen.timeout)
    print(json.dumps(outcome, ensure_ascii=False))
    return 0 if outcome["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
