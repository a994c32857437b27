"""What a switch is doing, read into one shape whatever its make: the same wire behind five command lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.switch.backend import Counters, Light, MacEntry, Neighbour, StpPort, StpState
from lab.switch.fleet import MODELS
from recovery.network.answers import RejectedError
from recovery.network.device import Device
from recovery.network.session import Session
from recovery.network.state import State, StateError, ask, mac, read, rows
from recovery.network.talk import talk
from support.switches import Switches, describe, switches

PLATFORMS = ("huawei", "huawei_vrpv8", "hp_comware", "ruijie_os", "cisco_ios")
CORE_A, CORE_B, OWN = "52:54:00:aa:00:01", "52:54:00:aa:00:02", "52:54:00:00:00:01"
LINES = {
    "huawei": """vlan batch 20 30
interface Eth-Trunk 1
mode lacp
quit
interface {2}
eth-trunk 1
quit
interface {3}
eth-trunk 1
quit
interface {4}
shutdown
quit
lldp enable
interface {1}
port link-type access
port default vlan 20""",
    "hp_comware": """vlan 20
quit
vlan 30
quit
interface Bridge-Aggregation 1
link-aggregation mode dynamic
quit
interface {2}
port link-aggregation group 1
quit
interface {3}
port link-aggregation group 1
quit
interface {4}
shutdown
quit
lldp global enable
interface {1}
port access vlan 20""",
    "cisco_ios": """vlan 20
vlan 30
exit
interface {2}
channel-group 1 mode active
interface {3}
channel-group 1 mode active
interface {4}
shutdown
exit
lldp run
interface {1}
switchport mode access
switchport access vlan 20""",
    "ruijie_os": """spanning-tree
vlan 20
exit
vlan 30
exit
interface {2}
port-group 1 mode active
exit
interface {3}
port-group 1 mode active
exit
interface {4}
shutdown
exit
interface {1}
switchport access vlan 20""",
}
LINES["huawei_vrpv8"] = LINES["huawei"].replace("mode lacp\n", "mode lacp-static\n")
AGGREGATE = {"huawei": "Eth-Trunk1", "huawei_vrpv8": "Eth-Trunk1", "hp_comware": "Bridge-Aggregation1"}
AGGREGATE |= {"cisco_ios": "Port-channel1", "ruijie_os": "AggregatePort 1"}


def port(platform: str, number: int) -> str:
    return MODELS[platform][1].format(number)


@pytest.fixture(scope="module")
def served() -> Iterator[Switches]:
    with switches(*(describe(platform, platform) for platform in PLATFORMS)) as found:
        for platform, row in found.items():
            wire, uplink = row.memory, list(row.memory.device.ports)[-1]
            wire.cabled |= {port(platform, 1), port(platform, 2), port(platform, 4), port(platform, 5), uplink}
            wire.learnt.append(MacEntry(20, "52:54:00:12:34:56", port(platform, 1)))
            wire.heard += [Neighbour(uplink, "core-a", "10GE1/0/41", CORE_A), Neighbour(port(platform, 5), "core-b", "10GE1/0/42", CORE_B)]
            wire.counted[port(platform, 1)] = Counters(in_errors=3, in_crc=3, out_errors=2)
            wire.poe[port(platform, 1)] = 6.4
            wire.light[uplink] = Light(-5.9, -2.5)
            tree = {uplink: StpPort("root"), port(platform, 5): StpPort("alternate", "discarding")}
            wire.root = StpState("", 32768, CORE_A, 4096, 20000, uplink, tree)
        yield found


@pytest.fixture(scope="module")
def seen(served: Switches) -> dict[str, State]:
    found = {}
    for platform, row in served.items():
        with Session(device(served, platform)) as session:
            lines = LINES[platform].format(*(port(platform, n) for n in range(6))).splitlines()
            session.configure(lines)
            found[platform] = read(session)
        assert row.memory.setting.vlans
    return found


def device(served: Switches, platform: str) -> Device:
    row = served[platform]
    return Device(platform, platform, "127.0.0.1", row.user, row.password, served.known_hosts, port=row.port, enable_secret=row.secret)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_it_is(seen: dict[str, State], platform: str) -> None:
    model = MODELS[platform][0]
    assert (seen[platform].model, seen[platform].serial) == (model, "LAB000000001")
    assert any(char.isdigit() for char in seen[platform].version)
    assert not seen[platform].version.startswith(model[:5])


@pytest.mark.parametrize("platform", PLATFORMS)
def test_ports_with_link_speed_and_errors(seen: dict[str, State], platform: str) -> None:
    ports = seen[platform].ports
    assert {n: ports[port(platform, n)].link for n in (1, 2, 3, 4)} == {1: "up", 2: "up", 3: "down", 4: "disabled"}
    speed = 10000 if platform == "huawei_vrpv8" else 1000
    assert [ports[port(platform, n)].speed for n in (1, 3)] == [speed, None]
    assert (ports[port(platform, 1)].errors_in, ports[port(platform, 1)].errors_out) == (3, 2)
    assert (ports[port(platform, 2)].errors_in, ports[port(platform, 2)].errors_out) == (0, 0)
    assert not [name for name in ports if name.lower().startswith(("vlan", "null", "loop", "inloop"))]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_port_of_the_box_is_there_under_its_full_name(served: Switches, seen: dict[str, State], platform: str) -> None:
    assert set(served[platform].memory.device.ports) <= set(seen[platform].ports)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_vlans_addresses_and_neighbours(served: Switches, seen: dict[str, State], platform: str) -> None:
    state, uplink = seen[platform], list(served[platform].memory.device.ports)[-1]
    assert set(state.vlans) == {1, 20, 30}
    assert state.macs == {(20, "52:54:00:12:34:56"): port(platform, 1)}
    assert state.neighbours == {uplink: ("core-a", "10GE1/0/41"), port(platform, 5): ("core-b", "10GE1/0/42")}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_spanning_tree(served: Switches, seen: dict[str, State], platform: str) -> None:
    stp, uplink = seen[platform].stp, list(served[platform].memory.device.ports)[-1]
    assert (stp.bridge, stp.root, stp.is_root) == (OWN, CORE_A, False)
    assert stp.root_priority in (4096, 4097)  # per VLAN, its number is in the priority
    assert stp.roles[uplink] == ("root", "forwarding")
    assert stp.roles[port(platform, 5)] == ("alternate", "discarding")
    assert stp.roles[port(platform, 1)] == ("designated", "forwarding")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_aggregates_say_which_members_carry(seen: dict[str, State], platform: str) -> None:
    assert seen[platform].aggregates == {AGGREGATE[platform]: {port(platform, 2): True, port(platform, 3): False}}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_light_and_power(served: Switches, seen: dict[str, State], platform: str) -> None:
    state, uplinks = seen[platform], list(served[platform].memory.device.ports)[-2:]
    assert state.light[uplinks[1]] == pytest.approx((-5.9, -2.5))
    assert state.light[uplinks[0]] == (None, pytest.approx(-2.5)), "dark is no figure"
    if platform == "huawei_vrpv8":
        assert "poe" in state.missing
    else:
        assert state.poe[port(platform, 1)] == pytest.approx(6.4)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_it_survives_json(seen: dict[str, State], platform: str) -> None:
    assert State.from_dict(seen[platform].as_dict()) == seen[platform]


def test_only_what_is_asked_for_is_asked(served: Switches) -> None:
    with Session(device(served, "huawei")) as session:
        state = read(session, ("macs", "neighbours"))
    assert state.macs and state.neighbours and not state.ports
    assert "ports" in state.missing


def test_a_table_that_a_switch_must_have_is_no_empty_set(served: Switches) -> None:
    how = talk("huawei")
    shows = dict(how.shows) | {"macs": replace(how.shows["macs"], command="display everybody")}
    with Session(device(served, "huawei")) as session:
        session.talk = replace(how, shows=shows)
        with pytest.raises(RejectedError):
            ask(session, ("macs",))


def test_an_answer_that_is_not_understood_is_an_error() -> None:
    with pytest.raises(StateError, match="display mac-address"):
        rows(talk("huawei"), "macs", "MAC Address    VLAN/VSI    Learned-From\nsomething else altogether\n")


@pytest.mark.parametrize("text", ["5254-0012-3456", "5254.0012.3456", "52:54:00:12:34:56", "52-54-00-12-34-56", "525400123456"])
def test_addresses_are_written_one_way(text: str) -> None:
    assert mac(text) == "52:54:00:12:34:56"
