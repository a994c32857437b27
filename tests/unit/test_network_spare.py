"""Would this spare do? Each thing that speaks against one is seen told, and the spare is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lab.switch.backend import Light, MacEntry
from recovery.network.archive import Archive
from recovery.network.device import Device
from recovery.network.fetch import fetch
from recovery.network.session import Session
from recovery.network.spare import Around, Box, Examined, examine, optics, paper, power
from recovery.network.state import PortState, State
from recovery.network.vault import Vault
from support.project import PROJECT
from support.switches import Switches, describe, switches

BOX = Box(("core-a",), "network administrator", "spares cabinet 1", "LAB000000002")
UPLINK = "100GE1/0/1"


@dataclass
class Rack:
    """Two switches of one make, one of them archived and one on the shelf."""

    served: Switches
    around: Around

    def examine(self, box: Box = BOX, **changed: object) -> Examined:
        device = replace(self.around.devices["core-s"], **changed)  # type: ignore[arg-type]
        return examine(device, box, self.around)


def device(served: Switches, name: str, platform: str = "huawei_vrpv8") -> Device:
    row = served[name]
    model = row.switch.device.model
    return Device(
        name, platform, "127.0.0.1", row.user, row.password, served.known_hosts, model=model, port=row.port, enable_secret=row.secret
    )


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    boxes = [describe("core-a", "huawei_vrpv8", 1), describe("core-s", "huawei_vrpv8", 2), describe("acc-s", "huawei", 3)]
    with switches(*boxes) as served:
        for name in ("core-a", "core-s"):
            served[name].memory.light |= {UPLINK: Light(-3.0, -2.5)}
        served["core-a"].memory.cabled |= {"10GE1/0/1", UPLINK}
        found = {name: device(served, name) for name in ("core-a", "core-s")} | {"acc-s": device(served, "acc-s", "huawei")}
        with Session(found["core-a"]) as session:
            session.configure(["vlan batch 20", "interface 10GE1/0/1", "port default vlan 20", "quit", "sysname core-a"])
        archive = Archive(tmp_path_factory.mktemp("archive"), Vault(PROJECT / "bin" / "vault-password"))
        archive.store([fetch(found["core-a"])])
        cabled = {"core-a": ["10GE1/0/1", UPLINK]}
        yield Rack(served, Around(found, archive, {}, cabled))


def codes(examined: Examined, *severities: str) -> set[str]:
    return {finding.code for finding in examined.findings if finding.severity in (severities or ("stop", "overridable"))}


def test_a_spare_that_would_do_has_read_every_line_and_is_as_it_was(rack: Rack) -> None:
    with Session(rack.around.devices["core-s"]) as session:
        before = session.running()
    examined = rack.examine()
    assert codes(examined) == set()
    (rehearsal,) = examined.rehearsals
    assert rehearsal.lines > 2 and rehearsal.read_by_spare
    with Session(rack.around.devices["core-s"]) as session:
        assert session.running() == before


def test_paper_comes_first() -> None:
    spare = Device("core-s", "huawei_vrpv8", "192.0.2.1", "x", "x", Path("/nowhere"))
    assert {finding.code for finding in paper(spare, Box())} == {"spare-for-nobody", "spare-without-custodian", "spare-without-place"}
    assert paper(spare, BOX) == []
    assert Box.of({"custodian": {"zh": "网络管理员", "en": "network administrator"}, "place": "shelf"}).custodian == "network administrator"


def test_a_spare_without_power_is_told(rack: Rack, tmp_path: Path) -> None:
    keys = tmp_path / "known_hosts"
    keys.write_text(f"core-s {rack.served['core-s'].known_host.split(None, 1)[1]}\n")
    assert codes(rack.examine(port=9, host_keys=keys)) == {"switch-unreachable"}


def test_another_box_on_the_shelf_is_told(rack: Rack) -> None:
    assert "wrong-spare" in codes(rack.examine(replace(BOX, serial="LAB000000099")))


def test_another_host_key_is_told(rack: Rack, tmp_path: Path) -> None:
    keys = tmp_path / "known_hosts"
    keys.write_text(f"core-s {rack.served['core-a'].known_host.split(None, 1)[1]}\n")
    assert codes(rack.examine(host_keys=keys)) == {"host-key-changed"}


def test_a_spare_that_somebody_uses_is_told(rack: Rack) -> None:
    memory = rack.served["core-s"].memory
    memory.cabled.add("10GE1/0/7")
    memory.learnt.append(MacEntry(1, "52:54:00:12:34:56", "10GE1/0/7"))
    try:
        assert "spare-in-use" in codes(rack.examine())
    finally:
        memory.cabled.discard("10GE1/0/7")
        memory.learnt.clear()


def test_a_switch_that_was_never_archived_is_told(rack: Rack) -> None:
    examined = rack.examine(replace(BOX, stands_in_for=("acc-s",)))
    assert codes(examined) == {"archive-missing"}
    assert codes(rack.examine(replace(BOX, stands_in_for=("nobody",)))) == {"spare-for-nobody"}


def test_another_model_needs_somebody_who_declared_it(rack: Rack) -> None:
    spare = rack.around.devices["acc-s"]
    examined = examine(spare, replace(BOX, serial=""), rack.around)
    assert "spare-other-model" in codes(examined)
    model = rack.around.devices["core-a"].model
    assert "spare-other-model" not in codes(
        examine(spare, replace(BOX, serial=""), replace(rack.around, compatible={model: [spare.model]}))
    )


def test_missing_optics_and_power_are_told() -> None:
    was = State(ports={"XGE1": PortState("up"), "GE1": PortState("up")}, light={"XGE1": (-3.0, -2.5)}, poe={"GE1": 6.4, "GE2": 0.0})
    ports = {"XGE1": "te1", "GE1": "ge1", "GE2": "ge2"}
    have = State(light={"te1": (None, -2.5)}, poe={"ge1": 0.0})
    assert optics("acc-1", "acc-s", was, have, ports) == [] == power("acc-1", "acc-s", was, have, ports)
    (dark,) = optics("acc-1", "acc-s", was, State(), ports)
    assert "no optic in te1" in dark.message
    (unfed,) = power("acc-1", "acc-s", was, State(), ports)
    assert "cannot feed what hangs at GE1 " in unfed.message
