"""The archive of the switches and the check of the spares, on switches that move packets: what is kept, what is refused, what is said."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hospital import Hospital, booted, without

SWITCHES = {"core-a", "core-s", "srv-1", "acc-1", "acc-2", "acc-3", "acc-4", "acc-s"}
SECRETS = ("Lab-Net-7781", "irreversible-cipher $", "cipher %^%#", "hash $", "secret 5 $", "secret 9 $")


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with booted("atest-archive", tmp_path_factory.mktemp("switches"), *without(["lis-db", "pacs", "his-db-2"])) as found:
        yield found


def test_every_switch_is_kept_proven_complete_and_without_its_secrets(hospital: Hospital) -> None:
    status, said = hospital.run("switch_archive")
    assert status == 0, said
    assert set(hospital.archive.names()) == SWITCHES
    for name in SWITCHES:
        entry = hospital.archive.entry(name)
        assert entry and entry.lines > 20 and entry.state.serial and entry.state.ports, name
    core = hospital.archive.entry("core-a")
    assert core and {far for far, _ in core.state.neighbours.values()} >= {"srv-1", "acc-1", "acc-2", "acc-3", "acc-4"}
    kept = "".join(path.read_text() for name in SWITCHES for path in (hospital.archive_directory / name).iterdir())
    assert [secret for secret in SECRETS if secret in kept] == []


def test_a_change_is_a_readable_difference_and_nothing_else_is(hospital: Hospital) -> None:
    hospital.configure("acc-1", "interface GigabitEthernet0/0/9", "description nurses 3")
    status, said = hospital.run("switch_archive", "-l", "acc-1,acc-2")
    assert status == 0, said
    assert hospital.log()[0] == "acc-1 changed; 1 unchanged"
    command = ["git", "-C", str(hospital.archive_directory), "show", "--format=", "--unified=0", "HEAD", "--", "*/running.cfg"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    changed = [line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == ["- description Ward station 09", "+ description nurses 3"]


def test_what_cannot_be_proven_is_named_and_the_last_good_one_stays(hospital: Hospital) -> None:
    before = {name: hospital.archive.entry(name) for name in SWITCHES}
    hospital.lab("switch", "kill", "acc-4")
    hospital.lab("exec", "acc-2", "--", "sh", "-c", "echo '{\"drop_after_lines\": 2}' > /var/lib/switch/control.json")
    hospital.configure("acc-3", "hostname acc-9")
    try:
        status, said = hospital.run("switch_archive", "-l", "acc-1,acc-2,acc-3,acc-4")
    finally:
        hospital.lab("exec", "acc-2", "--", "rm", "/var/lib/switch/control.json")
        hospital.command(
            "ansible", "acc-3", "-m", "switch_configure", "-a", '{"switches": ["{{ network_switch }}"], "lines": ["hostname acc-3"]}'
        )
        hospital.lab("switch", "repair", "acc-4")
    assert status == 2, said
    for sentence in ("acc-4 cannot be reached", "acc-2 ", "is that of acc-9, not of acc-3"):
        assert sentence in said, said
    after = {name: hospital.archive.entry(name) for name in SWITCHES}
    assert {name for name in SWITCHES if before[name] != after[name]} == {"acc-1"}, "only what was proven was kept"


def test_the_spares_would_do_and_nothing_was_changed_on_them(hospital: Hospital) -> None:
    status, said = hospital.run("switch_spare_check")
    assert status == 0, said
    for sentence in ("core-s could take over from core-a", "acc-1 (", "acc-2 (", "acc-3 (", "acc-4 ("):
        assert sentence in said + verdicts(hospital), sentence
    spares = {name: hospital.archive.entry(name) for name in ("core-s", "acc-s")}
    status, said = hospital.run("switch_archive", "-l", "core-s,acc-s")
    assert status == 0, said
    assert hospital.log()[0] == "2 unchanged"
    assert {name: entry.digest for name, entry in spares.items() if entry} == {
        name: entry.digest for name in spares if (entry := hospital.archive.entry(name))
    }
    assert hospital.command("recovery", "drill", "due", "spare-switch").returncode == 0


def test_a_spare_that_would_not_do_is_told_in_sentences(hospital: Hospital) -> None:
    spares = {"acc-s": {"stands_in_for": ["acc-1"], "serial": "2102350DLA0A01999999", "place": "cabinet 1"}}
    status, said = hospital.run("switch_spare_check", "-e", json.dumps({"switch_spare_check_spares": spares}))
    assert status == 2, said
    assert "names no custodian of acc-s" in said
    assert "its serial is 2102350DLA0A01000002, the inventory says 2102350DLA0A01999999" in said
    assert hospital.command("recovery", "drill", "due", "spare-switch").returncode == 13


def verdicts(hospital: Hospital) -> str:
    """Return the reasons of all verdicts in the journals."""
    journals = sorted(Path(hospital.environment["RECOVERY_INCIDENTS"]).glob("*/journal.jsonl"))
    events = [json.loads(line) for journal in journals for line in journal.read_text(encoding="utf-8").splitlines()]
    return "\n".join(str(event["data"].get("reason", "")) for event in events if event["event"] == "verdict")
