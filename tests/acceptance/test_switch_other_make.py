"""RCV-3, RCV-6: a wiring closet's switch dies, and the only spare is of another make, with other ports, in another room.

The spare dies on the way, too: that is said, and once it lives the same command goes on, while a second one beside it is refused.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from lab.state import Lab
from support.hospital import Hospital, booted, wait_for, without

FAILED, SPARE, STATION = "acc-2", "acc-s", "emergency-1"
ABSENT = ("lis-db", "pacs", "his-db-2", "drill-1", "backup-offsite", "ward-1", "outpatient-1", "or-1", "pharmacy-1")


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with booted("atest-makes", tmp_path_factory.mktemp("makes"), *without(ABSENT)) as found:
        found.keep_record()
        status, said = found.run("switch_archive")
        assert status == 0, said
        found.lab("hands", "start", "--incidents", str(found.incidents))
        found.lab("workload", "start", "--rate", "2")
        yield found


def start(hospital: Hospital) -> subprocess.Popen[str]:
    """Begin the fail-over, as a person would."""
    options = json.dumps({"network_workstations": [STATION], "switch_failover_inventory": str(hospital.record)})
    return hospital.start("switch_failover", "-l", FAILED, "-e", options)


def carried(hospital: Hospital) -> bool:
    """Tell whether the spare stands where the failed switch stood."""
    done = [line for line in hospital.journal() if line["event"] == "manual_step_done" and line["result"] == "done"]
    return any("stands where" in str(line["name"]) for line in done)


def startup(hospital: Hospital) -> str:
    """Return what the spare would start with."""
    return hospital.lab("exec", SPARE, "--", "sh", "-c", "cat /var/lib/switch/startup.cfg 2>/dev/null || true")


def test_the_switch_is_dead_and_its_department_cannot_work(hospital: Hospital) -> None:
    assert hospital.works(STATION)
    hospital.lab("switch", "kill", FAILED)
    assert not hospital.works(STATION)


def test_a_spare_that_dies_on_the_way_is_said(hospital: Hospital) -> None:
    known = set(hospital.incidents.glob("*/journal.jsonl"))
    run = start(hospital)
    wait_for(lambda: bool(set(hospital.incidents.glob("*/journal.jsonl")) - known) and carried(hospital), run)
    hospital.lab("switch", "kill", SPARE)
    said, _ = run.communicate(timeout=300)
    assert run.returncode != 0, said
    assert f"{SPARE} cannot be reached" in said or f"{SPARE} does not answer" in said, said
    assert not [line for line in hospital.journal() if line["event"] == "manual_step_done" and "sits in" in str(line["name"])]
    hospital.lab("switch", "repair", SPARE)


def test_a_session_that_is_lost_in_the_middle_is_said_and_nothing_is_saved(hospital: Hospital) -> None:
    before = startup(hospital)
    hospital.lab("break", "switch-slow-session", SPARE, "drop_after_lines=40")
    run = start(hospital)
    said, _ = run.communicate(timeout=300)
    assert run.returncode != 0, said
    assert re.search(r"at line \d+ of \d+", said), said
    assert not [line for line in hospital.journal() if line["event"] == "manual_step_done" and "sits in" in str(line["name"])]
    hospital.lab("repair", "switch-slow-session")
    assert startup(hospital) == before


def test_the_same_command_goes_on_and_a_second_one_beside_it_is_refused(hospital: Hospital) -> None:
    known = set(hospital.incidents.glob("*/journal.jsonl"))
    run = start(hospital)
    wait_for(lambda: bool(set(hospital.incidents.glob("*/journal.jsonl")) - known) and len(hospital.journal()) > 5, run)
    second = start(hospital)
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 4 and "is being recovered already" in said, said
    said, _ = run.communicate(timeout=600)
    assert run.returncode == 0, said
    assert "PASS  switch_failover" in said


def test_the_department_works_through_a_switch_of_another_make(hospital: Hospital) -> None:
    assert hospital.works(STATION)
    assert f"sysname {FAILED}" in startup(hospital), "what was proven is saved"
    assert hospital.command("lab", "exec", FAILED, "--", "true").returncode != 0, "the dead one stays off"
    patched = Lab.named(hospital.name).read()["patched"]
    assert f"{SPARE}:GigabitEthernet0/0/1" in patched[STATION]
    assert f"{SPARE}:XGigabitEthernet0/0/1" in patched["acc-2-e1"]
