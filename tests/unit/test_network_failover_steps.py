"""The steps of a fail-over against command lines that act: each refusal changes nothing, each step can be repeated."""

from __future__ import annotations

import copy
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recovery.findings import Finding, settle
from recovery.network import deadman, failover_assess, failover_steps
from recovery.network import failover_record as records
from recovery.network.answers import SwitchError
from recovery.network.failover_steps import StepError
from support.failovers import Stage, stage


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    """Return a core switch and its spare, for what changes them."""
    with stage(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return a core switch and its spare that nobody may change."""
    with stage(tmp_path_factory.mktemp("standing")) as made:
        yield made


@pytest.fixture
def shelf(standing: Stage, tmp_path: Path) -> Stage:
    """Return the same two, with an inventory, host keys and an archive that a test may spoil."""
    given = copy.deepcopy(standing.given) | {"incidents": str(tmp_path / "incidents"), "archive": str(tmp_path / "archive")}
    shutil.copytree(standing.given["archive"], given["archive"])
    hosts = tmp_path / "known_hosts"
    shutil.copy(standing.served.known_hosts, hosts)
    for entry in given["switches"]:
        entry["network_known_hosts"] = str(hosts)
    return Stage(standing.served, given, hosts)


def weigh(scene: Stage, **changes: Any) -> tuple[dict[str, Any], list[Finding]]:
    """Weigh, and return what was said and what blocks."""
    said, findings = failover_assess.weigh(scene.given | changes, rehearsal=False)
    return said, settle(findings)[0]


def decided(scene: Stage) -> failover_steps.Job:
    """Return a fail-over that was decided."""
    said, blocking = weigh(scene)
    assert blocking == []
    failover_assess.remember(scene.given, said)
    return scene.place().job()


def test_a_plan_is_made_and_the_spare_has_read_it_without_effect(shelf: Stage) -> None:
    before = shelf.running("core-s")
    said, blocking = weigh(shelf)
    assert blocking == []
    assert said["decision"]["spare"]["name"] == "core-s"
    assert [step["action"]["cable"] for step in said["cable_steps"]] == ["gateway", "uplink"]
    assert said["decision"]["configuration"]["identity_last"][-1] == "sysname core-a"
    assert shelf.running("core-s") == before


REFUSED = [
    ({"limits": {"archive_max_age_s": -1}}, "archive-stale"),
    ({"spares": []}, "no-spare"),
    ({"spares": [], "spare": "core-s"}, "spare-in-use"),
    ({"boxes": {"core-s": {"serial": "another"}}}, "wrong-spare"),
    ({"people": [{"who": "x", "zh": "x", "en": "x", "takes": ["fibre"]}]}, "nobody-for-the-cables"),
    ({"looked": {"sightings": [{"side": "path", "by": "control", "seen": "forwards", "detail": ""}], "others_answer": 1}}, "switch-alive"),
    ({"looked": {"sightings": [], "others_answer": 0}}, "control-node-cut-off"),
    ({"kind": "failback", "spare": "core-s", "quiet": {"from": "00:00", "to": "00:00"}}, "not-quiet"),
]


@pytest.mark.parametrize(("change", "code"), REFUSED, ids=[code for _, code in REFUSED])
def test_it_is_refused_and_nothing_is_changed(shelf: Stage, change: dict[str, Any], code: str) -> None:
    before = {name: shelf.running(name) for name in shelf.served}
    _, blocking = weigh(shelf, **change)
    assert code in {one.code for one in blocking}
    for one in blocking:
        assert one.message and (one.remedy or one.alternative)
    assert {name: shelf.running(name) for name in shelf.served} == before
    assert records.read(Path(shelf.given["incidents"]), "core-a") is None


def codes_of_spare(scene: Stage) -> set[str]:
    """Return the codes with which weighing is refused."""
    return {one.code for one in weigh(scene)[1]}


def test_a_spare_with_another_host_key_is_refused(shelf: Stage) -> None:
    hosts = shelf.hosts.read_text(encoding="utf-8")
    lines = {one.port: next(line for line in hosts.splitlines() if f":{one.port} " in line) for one in shelf.served.values()}
    a, s = shelf.served["core-a"].port, shelf.served["core-s"].port
    shelf.hosts.write_text(f"{lines[a]}\n{lines[s].split()[0]} {' '.join(lines[a].split()[1:])}\n", encoding="utf-8")
    assert codes_of_spare(shelf) == {"host-key-changed"}


def test_a_spare_without_a_known_host_key_is_refused(shelf: Stage) -> None:
    shelf.hosts.write_text("", encoding="utf-8")
    assert codes_of_spare(shelf) == {"host-key-missing"}


def test_wrong_credentials_are_tried_once(shelf: Stage) -> None:
    shelf.entry("core-s")["network_password"] = "wrong"
    assert codes_of_spare(shelf) == {"switch-credentials"}


def test_a_spare_that_is_silent_is_refused(shelf: Stage) -> None:
    hosts, port = shelf.hosts, shelf.served["core-s"].port
    hosts.write_text(hosts.read_text(encoding="utf-8").replace(f":{port} ", ":1 "), encoding="utf-8")
    shelf.entry("core-s")["network_port"] = 1
    assert codes_of_spare(shelf) == {"spare-unreachable"}


def test_a_truncated_archive_is_refused(shelf: Stage) -> None:
    path = Path(shelf.given["archive"]) / "core-a" / "running.cfg"
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:20]) + "\n", encoding="utf-8")
    with pytest.raises(Exception, match="digest differs"):
        weigh(shelf)


def test_the_spare_takes_everything_and_repeats_nothing(scene: Stage) -> None:
    job = decided(scene)
    assert failover_steps.keep(job)["changed"]
    assert failover_steps.configure(job, trial_s=60, naming=False)["changed"]
    assert "sysname core-s" in scene.running("core-s"), "the name comes last"
    assert failover_steps.configure(job, trial_s=60, naming=True)["changed"]
    text = scene.running("core-s")
    assert all(word in text for word in ("sysname core-a", "10.20.98.11", "port default vlan 10", "stp instance 0 priority 4096"))
    again = scene.place().job()
    for step in (failover_steps.keep, lambda job: failover_steps.configure(job, trial_s=60, naming=True)):
        assert not step(again)["changed"]
    assert failover_steps.confirm(again)["changed"]


def test_a_run_that_continues_has_the_plan_that_was_approved(scene: Stage) -> None:
    job = decided(scene)
    failover_steps.keep(job)
    said, blocking = weigh(scene, looked={"sightings": [], "others_answer": 0})
    assert (said["continues"], blocking) == (True, [])
    assert said["decision"] == job.record.decision


def test_the_way_back_restores_the_spare(scene: Stage) -> None:
    before = scene.running("core-s")
    job = decided(scene)
    failover_steps.configure(job, trial_s=0, naming=True)
    assert scene.running("core-s") != before
    assert failover_steps.undo(job)["changed"]
    assert scene.running("core-s") == before


def test_a_spare_that_somebody_changed_meanwhile_is_left_alone(scene: Stage) -> None:
    from recovery.network.session import Session

    job = decided(scene)
    with Session(job.spare) as session:
        session.configure(["vlan batch 77"])
    before = scene.running("core-s")
    with pytest.raises(StepError) as told:
        failover_steps.keep(job)
    assert told.value.finding.code == "spare-changed"
    assert scene.running("core-s") == before


def test_an_archive_that_changed_after_the_approval_is_not_sent(scene: Stage) -> None:
    job = decided(scene)
    job.record.decision["archive"]["sha256"] = "another"
    before = scene.running("core-s")
    with pytest.raises(StepError) as told:
        failover_steps.configure(job, trial_s=0, naming=False)
    assert told.value.finding.code == "archive-changed"
    assert scene.running("core-s") == before


def test_what_is_kept_is_encrypted(scene: Stage) -> None:
    job = decided(scene)
    text = records.path_of(job.incidents, "core-a").read_text(encoding="utf-8")
    assert "ANSIBLE_VAULT" in text and "port default vlan" not in text
    assert job.sealed().kept


def wait(path: Path, state: str) -> dict[str, Any]:
    """Wait until the timer's file says so."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told.get("state") == state:
            return dict(told)
        time.sleep(0.2)
    raise AssertionError(told)


def test_the_timer_gives_a_half_configured_spare_back_what_it_was(scene: Stage) -> None:
    before = scene.running("core-s")
    job = decided(scene)
    failover_steps.keep(job)
    failover_steps.configure(job, trial_s=0, naming=False)
    failover_steps.arm(job, seconds=0.1)
    assert wait(job.timer, "fired")["left"] == []
    assert scene.running("core-s") == before
    with pytest.raises(StepError) as told:
        failover_steps.confirm(job)
    assert told.value.finding.code == "timer-ran-off"


def test_a_timer_that_is_disarmed_does_nothing(scene: Stage) -> None:
    job = decided(scene)
    failover_steps.keep(job)
    failover_steps.configure(job, trial_s=0, naming=False)
    text = scene.running("core-s")
    failover_steps.arm(job, seconds=2)
    assert deadman.disarm(job.timer) == "armed"
    time.sleep(3)
    assert deadman.read(job.timer)["state"] == "disarmed"
    assert scene.running("core-s") == text


def test_the_record_of_another_kind_is_told(shelf: Stage) -> None:
    path = records.path_of(Path(shelf.given["incidents"]), "core-a")
    path.parent.mkdir(parents=True)
    path.write_text("half", encoding="utf-8")
    with pytest.raises(records.RecordError, match="not the record"):
        weigh(shelf)


def test_a_play_about_two_switches_is_refused(shelf: Stage) -> None:
    _, findings = failover_assess.look(shelf.given | {"targets": ["core-a", "core-s"]})
    assert [one.code for one in findings] == ["one-switch-at-a-time"]


def test_an_unknown_switch_is_refused(shelf: Stage) -> None:
    with pytest.raises(SwitchError, match="not among the switches"):
        weigh(shelf, failed="core-x")
