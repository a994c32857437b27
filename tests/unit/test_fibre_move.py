"""A segment moves at both ends: against the command lines of the lab's switches, four makes, with glass in between."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recovery.database.shell import Procedure
from recovery.network import fibre_assess, fibre_driver, fibre_look, fibre_run, fibre_state
from recovery.network.answers import SwitchError
from recovery.network.fibre_assess import Assessment, Request, assess
from recovery.network.fibre_driver import MoveError
from recovery.network.model import Switch
from recovery.network.parse import parse
from recovery.network.plant import load, port_of, switch_of
from recovery.network.session import Session
from support.backbone import Backbone, backbone
from support.project import PROJECT

NOW = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.UTC)
ACCESS = ("acc-1", "acc-2", "acc-3", "acc-4")


@pytest.fixture(autouse=True)
def one_login(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Log in once at each switch of a test: what is looked at here is what is said, not how a session begins."""
    opened: dict[int, Session] = {}

    class Again:
        """A session that stands open, whoever uses it."""

        def __init__(self, device: Any, **_: Any) -> None:
            if device.port not in opened:
                opened[device.port] = Session(device)
            self.session = opened[device.port]

        def __getattr__(self, name: str) -> Any:
            return getattr(self.session, name)

        def __enter__(self) -> Session:
            return self.session

        def __exit__(self, *_: object) -> None:
            """Leave it open."""

        def close(self) -> None:
            """Leave it open."""

    for module in (fibre_assess, fibre_driver, fibre_look, fibre_run):
        monkeypatch.setattr(module, "Session", Again)
    yield
    for session in opened.values():
        session.close()


@pytest.fixture
def glass(tmp_path: Path) -> Iterator[Backbone]:
    with backbone(tmp_path, "acc-2") as found:
        yield found


@pytest.fixture
def record(tmp_path: Path) -> Path:
    directory = tmp_path / "plant"
    shutil.copytree(PROJECT / "inventories" / "lab" / "plant", directory)
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "The record"]):
        subprocess.run(["git", "-C", str(directory), "-c", "user.name=T", "-c", "user.email=t@localhost", *words], check=True)
    return directory


def asked(glass: Backbone, record: Path, kind: str = "swap", **more: Any) -> Assessment:
    request = Request(
        record, glass.devices, kind, **{"sample_s": 0.0, "limit": [name for name in glass.devices if name != "core-a"], **more}
    )
    return assess(request, record.parent / "incidents", NOW)


def begun(glass: Backbone, record: Path, found: Assessment) -> fibre_run.Work:
    assert found.record is not None, found.findings
    incidents = record.parent / "incidents"
    fibre_state.write(incidents, found.record)
    work = fibre_run.Work(record, glass.devices, found.decision, incidents, "run-1", "2026-11-22-01", Procedure())
    fibre_run.keep(work)
    return work


def codes(found: Assessment) -> list[str]:
    return [finding.code for finding in found.findings]


def now(glass: Backbone, name: str) -> Switch:
    with Session(glass.devices[name]) as session:
        return parse(glass.devices[name].platform, session.running())


def both(glass: Backbone) -> dict[str, Switch]:
    return {name: now(glass, name) for name in glass.devices}


def plug(glass: Backbone, work: fibre_run.Work) -> None:
    for step in work.decision["steps"]:
        glass.patch(step["action"]["pair"], step["action"]["end"])


def no_loop(glass: Backbone, work: fibre_run.Work) -> None:
    """Replay what both switches were told, in its order: never do both pairs carry at once."""
    move = work.move
    carrying: dict[str, set[str]] = {switch_of(old): {port_of(old)} for old in move.old_ends}
    looked = 0
    for name, change in glass.told:
        if name not in carrying:
            continue
        ports = change.after.ports
        old = {switch_of(end): port_of(end) for end in move.old_ends}[name]
        new = {switch_of(end): port_of(end) for end in move.ends}[name]
        carrying[name] = {port for port in (old, new) if ports[port].enabled and ports[port].tagged}
        olds = [port_of(end) in carrying[switch_of(end)] for end in move.old_ends]
        news = [port_of(end) in carrying[switch_of(end)] for end in move.ends]
        looked += 1
        assert not (any(olds) and any(news)), f"{name} was told to carry over both: {carrying}"
    assert looked


@pytest.mark.parametrize("access", ACCESS)
def test_a_cut_segment_goes_over_to_its_spare_at_both_ends(tmp_path: Path, record: Path, access: str) -> None:
    with backbone(tmp_path, access) as glass:
        segment = f"core-a--{access}"
        home = load(record).segments[segment].home
        glass.silence(home)
        before = both(glass)
        glass.told.clear()
        work = begun(glass, record, asked(glass, record))
        move = work.move
        assert (move.segment, move.old_pair, work.decision["cause"], work.decision["order"]) == (segment, home, "cut", "configure-first")
        assert fibre_run.move(work)["changed"]
        no_loop(glass, work)
        plug(glass, work)
        seen = fibre_run.patched(work, 5)
        assert seen["verdict"] == "PASS", seen["reason"]
        after = both(glass)
        for old_end, new_end in zip(move.old_ends, move.ends, strict=True):
            name, old, new = switch_of(new_end), port_of(old_end), port_of(new_end)
            was, is_now, left = before[name].ports[old], after[name].ports[new], after[name].ports[old]
            assert is_now.allowed_vlans == was.allowed_vlans
            assert (is_now.mode, is_now.native_vlan, is_now.enabled) == (was.mode, was.native_vlan, True)
            assert (left.enabled, left.mode in ("access", "dynamic"), left.allowed_vlans) == (False, True, frozenset())
            assert move.pair in is_now.description
            untouched = {port: row for port, row in after[name].ports.items() if port not in (old, new)}
            assert untouched == {port: row for port, row in before[name].ports.items() if port not in (old, new)}
            assert after[name].vlans == before[name].vlans
        assert fibre_run.verify(work, 0)["verdict"] == "PASS"
        assert fibre_run.watch(work, 0)["verdict"] == "PASS"
        assert fibre_run.save(work)["changed"]
        fibre_run.release(work, seen["measured"]["loss_db"], NOW.date())
        subprocess.run(["git", "-C", str(record), "merge", "-q", "proposal/run-1"], check=True)
        assert load(record).pair_of(segment).name == move.pair
        assert fibre_state.read(work.incidents, segment) is None
        assert codes(asked(glass, record)) == ["nothing-broken"]


def test_nothing_is_planned_for_a_segment_that_carries(glass: Backbone, record: Path) -> None:
    assert codes(asked(glass, record)) == ["nothing-broken"]
    named = asked(glass, record, segment="core-a--acc-2")
    assert codes(named) == ["primary-alive"]
    assert named.decision["order"] == "patch-first", "a person may answer for it; then the new strand is plugged first"


def test_a_strand_that_is_silent_towards_the_root_is_found_although_link_is_up(glass: Backbone, record: Path) -> None:
    glass.carrier = True
    glass.silence("acc-2-e1", 1)
    found = asked(glass, record)
    assert found.verdicts[0].cause == "one-way"
    assert "strand 2" in found.verdicts[0].sentence
    assert found.decision["to"]["pair"] == "acc-2-e2"


def test_a_dim_strand_is_replaced_only_once_the_new_one_is_proven(glass: Backbone, record: Path) -> None:
    glass.dim["acc-2-e1", 0] = 12.0
    glass.settle()
    glass.told.clear()
    work = begun(glass, record, asked(glass, record))
    assert (work.decision["cause"], work.decision["order"]) == ("weak", "patch-first")
    fibre_run.light(work)
    plug(glass, work)
    lit = both(glass)
    assert all(lit[switch_of(end)].ports[port_of(end)].allowed_vlans == frozenset() for end in work.move.ends), "it carries nothing yet"
    assert fibre_run.patched(work, 2)["verdict"] == "PASS"
    fibre_run.move(work)
    no_loop(glass, work)
    assert fibre_run.verify(work, 0)["verdict"] == "PASS"


def test_what_was_done_is_not_done_again(glass: Backbone, record: Path) -> None:
    glass.silence("acc-2-e1")
    work = begun(glass, record, asked(glass, record))
    fibre_run.move(work)
    told = len(glass.told)
    again = asked(glass, record)
    assert again.continued
    assert again.decision == work.decision
    assert fibre_run.keep(work) == {"changed": False}
    assert fibre_run.move(work)["changed"] is False
    assert len(glass.told) == told


def test_a_run_that_died_between_the_ends_is_continued(glass: Backbone, record: Path) -> None:
    glass.silence("acc-2-e1")
    work = begun(glass, record, asked(glass, record))
    with work.ends() as ends:  # one end has shut its old port, the other has done nothing
        told = ends.planned("close", ends.running())
        ends.send({"core-a": told["core-a"]})
    assert asked(glass, record).continued
    fibre_run.move(work)
    plug(glass, work)
    assert fibre_run.patched(work, 2)["verdict"] == "PASS"
    assert fibre_run.verify(work, 0)["verdict"] == "PASS"


def test_where_one_end_does_not_take_it_both_are_as_before(glass: Backbone, record: Path) -> None:
    glass.silence("acc-2-e1")
    before = both(glass)
    work = begun(glass, record, asked(glass, record))
    glass.served["acc-2"].memory.fail = "No more resources."
    with pytest.raises(MoveError, match="Both ends are as they were before") as failed:
        fibre_run.move(work)
    assert failed.value.restored
    assert both(glass) == before


def test_the_way_back_restores_both_ends(glass: Backbone, record: Path) -> None:
    glass.silence("acc-2-e1")
    before = both(glass)
    work = begun(glass, record, asked(glass, record))
    fibre_run.move(work)
    assert both(glass) != before
    assert asked(glass, record, "back").decision == work.decision
    assert codes(asked(glass, record, "restore")) == ["other-move"]
    assert fibre_run.back(work)["changed"]
    assert both(glass) == before
    no_loop(glass, work)
    assert fibre_state.read(work.incidents, "core-a--acc-2") is None
    assert codes(asked(glass, record, "back")) == ["nothing-under-way"]


def test_a_switch_that_was_changed_since_people_approved_is_left_alone(glass: Backbone, record: Path) -> None:
    glass.silence("acc-2-e1")
    found = asked(glass, record)
    assert found.record is not None
    fibre_state.write(record.parent / "incidents", found.record)
    work = fibre_run.Work(record, glass.devices, found.decision, record.parent / "incidents", "r", "i", Procedure())
    with Session(glass.devices["acc-2"]) as session:
        session.configure(["vlan 77"])
    with pytest.raises(SwitchError, match="acc-2 was changed since the plan of action was made"):
        fibre_run.keep(work)


@pytest.mark.parametrize(
    ("cords", "said"),
    [
        ([("acc-2-e2", "core-a:10GE1/0/47"), ("acc-2-e2", "acc-2:Ten-GigabitEthernet1/0/26")], "light came up in core-a:10GE1/0/47"),
        ([("acc-2-e2", "core-a:10GE1/0/46")], "No light at either end"),
        ([("acc-2-w1", "core-a:10GE1/0/46"), ("acc-2-w1", "acc-2:Ten-GigabitEthernet1/0/26")], "These are the strands of acc-2-w1"),
    ],
)
def test_a_wrong_patch_is_named_with_the_right_one(glass: Backbone, record: Path, cords: list[tuple[str, str]], said: str) -> None:
    glass.silence("acc-2-e1")
    work = begun(glass, record, asked(glass, record, spare="acc-2-e2"))
    fibre_run.move(work)
    for pair, end in cords:
        glass.patch(pair, end)
    seen = fibre_run.patched(work, 0)
    assert seen["verdict"] == "FAIL"
    assert said in seen["reason"]
    assert (
        "acc-2-e2 (strands 3 and 4 of emergency-east) belongs into core-a:10GE1/0/46 and acc-2:Ten-GigabitEthernet1/0/26" in seen["reason"]
    )


def test_a_spare_that_turns_out_dim_or_one_way_is_not_accepted(glass: Backbone, record: Path) -> None:
    glass.silence("acc-2-e1")
    work = begun(glass, record, asked(glass, record, spare="acc-2-e2"))
    fibre_run.move(work)
    glass.dim["acc-2-e2", 0] = 6.0
    plug(glass, work)
    assert "may lose 4.2 dB" in fibre_run.patched(work, 0)["reason"]
    glass.dim.clear()
    glass.silence("acc-2-e2", 1)
    assert "strand 4 of emergency-east is dark" in fibre_run.patched(work, 0)["reason"]


def test_an_unproven_segment_is_not_saved(glass: Backbone, record: Path) -> None:
    glass.silence("acc-2-e1")
    work = begun(glass, record, asked(glass, record))
    fibre_run.move(work)
    with pytest.raises(SwitchError, match="is not proven"):
        fibre_run.save(work)


def test_an_address_that_is_still_looked_for_at_the_old_port_fails_the_proof(glass: Backbone, record: Path) -> None:
    glass.silence("acc-2-e1")
    work = begun(glass, record, asked(glass, record))
    fibre_run.move(work)
    plug(glass, work)
    glass.learn("core-a", 22, "52:54:00:aa:bb:cc", "10GE1/0/46")
    assert fibre_run.verify(work, 0)["verdict"] == "PASS"
    stale = replace(glass.served["core-a"].memory.learnt[0], port="10GE1/0/43")
    glass.served["core-a"].memory.macs = lambda: [stale]  # type: ignore[method-assign]
    failed = fibre_run.verify(work, 0)
    assert failed["verdict"] == "FAIL"
    assert "still at the old port" in failed["reason"]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["interface Ten-GigabitEthernet1/0/26", "port link-type trunk"], "port-not-free"),
        (
            ["interface Bridge-Aggregation1", "quit", "interface Ten-GigabitEthernet1/0/25", "port link-aggregation group 1"],
            "aggregate-half",
        ),
        (["interface Ten-GigabitEthernet1/0/25", "shutdown"], "end-shut"),
    ],
)
def test_what_the_switches_say_against_it_is_refused(glass: Backbone, record: Path, lines: list[str], code: str) -> None:
    glass.silence("acc-2-e1")
    with Session(glass.devices["acc-2"]) as session:
        session.configure(lines)
    before = both(glass)
    found = asked(glass, record, segment="core-a--acc-2")
    assert code in codes(found)
    assert found.record is None
    assert any(finding.severity == "stop" for finding in found.findings)
    assert both(glass) == before


def test_a_port_with_a_stranger_behind_it_is_not_taken(glass: Backbone, record: Path) -> None:
    glass.silence("acc-2-e1")
    glass.served["core-a"].memory.cabled.add("10GE1/0/46")
    with Session(glass.devices["core-a"]) as session:
        session.configure(["interface 10GE1/0/46", "undo shutdown"])
    glass.learn("core-a", 1, "52:54:00:aa:bb:cc", "10GE1/0/46")
    found = asked(glass, record)
    assert [finding.severity for finding in found.findings if finding.code == "port-not-free"] == ["warning"]
    assert found.decision["to"]["ends"][0] == "core-a:10GE1/0/47", "the next free port takes its place"


def test_an_end_that_does_not_answer_is_refused(glass: Backbone, record: Path) -> None:
    from lab.switch.device import Control

    glass.silence("acc-2-e1")
    glass.served["acc-2"].switch.control_override = Control(refuse=True)
    found = asked(glass, record)
    assert "nothing-broken" in codes(found), "what is seen from one side only is not known to be broken"
    assert "end-silent" in codes(asked(glass, record, segment="core-a--acc-2"))


def test_the_way_back_after_the_repair_needs_no_person_and_a_quiet_hour(glass: Backbone, record: Path) -> None:
    glass.silence("acc-2-e1")
    before = both(glass)
    work = begun(glass, record, asked(glass, record))
    fibre_run.move(work)
    plug(glass, work)
    seen = fibre_run.patched(work, 2)
    fibre_run.verify(work, 0)
    fibre_run.release(work, seen["measured"]["loss_db"], NOW.date())
    subprocess.run(["git", "-C", str(record), "merge", "-q", "proposal/run-1"], check=True)
    assert "home-broken" in codes(asked(glass, record, "restore"))
    glass.dark.clear()
    glass.settle()
    fibres = record / "fibres.yml"
    fibres.write_text(fibres.read_text(encoding="utf-8").replace("state: broken", "state: spare"), encoding="utf-8")
    busy = asked(glass, record, "restore", window={"from": "00:00", "to": "01:00"}, zone="Asia/Shanghai")
    assert "not-quiet" in codes(busy)
    glass.told.clear()
    back = begun(glass, record, asked(glass, record, "restore", window={"from": "10:00", "to": "12:00"}, zone="Asia/Shanghai"))
    assert (back.decision["steps"], back.decision["order"], back.move.pair) == ([], "patch-first", "acc-2-e1")
    fibre_run.light(back)
    assert fibre_run.patched(back, 2)["verdict"] == "PASS"
    fibre_run.move(back)
    no_loop(glass, back)
    assert fibre_run.verify(back, 0)["verdict"] == "PASS"
    now_there = both(glass)
    for end in back.move.ends:
        assert now_there[switch_of(end)].ports[port_of(end)] == before[switch_of(end)].ports[port_of(end)]
