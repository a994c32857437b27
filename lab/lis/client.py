"""The workstation's work with the laboratory: the same numbers, log and summary as the hospital information system's client.

lis-client run --rate 4             steady work until stopped
lis-client probe [--timeout 10]     what a ward needs of the laboratory, once; exit status 0 only if all of it worked
lis-client summary [--since ISO]    what the log says, as JSON
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from his.client import ServiceError, Session, Workstation, read_log, run
from his.summary import iso, moment, summarise

SERVER = "http://10.20.10.14:8081"
LOG = Path("/var/log/lis-client/acknowledged.jsonl")
SEQUENCE = Path("/var/lib/lis-client/sequence")
MIX = {"specimen": 45, "result": 45, "control": 10}
"""How often each kind of transaction happens, in per cent."""


def probe(workstation: Workstation, timeout_s: float) -> dict[str, Any]:
    """Do once what a ward needs: send a specimen, have one of its tests reported, read both back. Never repeats a step."""
    began = time.monotonic()
    session = Session(workstation.server)
    steps: list[str] = []
    draw = int(time.time()) % 100_000
    outcome: dict[str, Any] = {"workstation": workstation.name, "ok": False}
    try:
        session.call("GET", "/health", answer_s=timeout_s)
        steps.append("the application answers and its database is writable")
        specimen = workstation.attempt(session, "specimen", {"draw": draw}, timeout_s, probe=True)["specimen"]
        steps.append("receive a specimen")
        workstation.attempt(session, "result", {"draw": draw, "specimen": specimen}, timeout_s, probe=True)
        steps.append("report a result")
        tests = session.call("GET", f"/specimen/{specimen}", answer_s=timeout_s)["tests"]
        if sorted(test["status"] for test in tests) != ["done", "waiting"]:
            raise ServiceError(f"Specimen {specimen} does not read back as entered: {tests}.")
        steps.append("read everything back")
        outcome["ok"] = True
    except ServiceError as error:
        outcome["error"] = f"after {steps[-1] if steps else 'nothing'}: {error}"
    finally:
        session.close()
    return {**outcome, "steps": steps, "at": iso(datetime.now(UTC)), "took_s": round(time.monotonic() - began, 4)}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lis-client", description="A workstation of the laboratory information system.")
    parser.add_argument("--server", default=SERVER)
    parser.add_argument("--workstation", default=socket.gethostname())
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--sequence", type=Path, default=SEQUENCE)
    commands = parser.add_subparsers(dest="command", required=True)
    working = commands.add_parser("run", help="steady work")
    working.add_argument("--rate", type=float, default=4.0, help="transactions a second")
    commands.add_parser("probe", help="what a ward needs, once").add_argument("--timeout", type=float, default=10.0, help="seconds a step")
    telling = commands.add_parser("summary", help="what the log says")
    telling.add_argument("--since", type=moment, help="ISO time; from the beginning of the log without it")
    chosen = parser.parse_args(arguments)
    if chosen.command == "summary":
        json.dump(summarise(read_log(chosen.log), chosen.workstation, chosen.since, datetime.now(UTC)), sys.stdout, ensure_ascii=False)
        return 0
    workstation = Workstation(chosen.server, chosen.workstation, chosen.log, chosen.sequence, block=50 if chosen.command == "run" else 2)
    if chosen.command == "run":
        run(workstation, chosen.rate, threads=2, seed=1, seconds=None, mix=MIX)
        return 0
    outcome = probe(workstation, chosen.timeout)
    print(json.dumps(outcome, ensure_ascii=False))
    return 0 if outcome["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
