"""Which old port becomes which new one, what finds no place, and the names of ports."""

from __future__ import annotations

import pytest

from recovery.network import names
from recovery.network.model import Poe, Port, Switch
from recovery.network.portmap import Socket, from_plant, propose

HUAWEI = [f"GigabitEthernet0/0/{n}" for n in range(1, 5)] + [f"XGigabitEthernet0/0/{n}" for n in (1, 2)]


def switch(platform: str, ports: list[str], configured: dict[str, dict[str, object]] | None = None) -> Switch:
    base = {"huawei": "dynamic", "cisco_ios": "dynamic"}.get(platform, "access")
    made = {name: Port(name, **{"mode": base, **(configured or {}).get(name, {})}) for name in ports}  # type: ignore[arg-type]
    return Switch(platform, ports=made)


def comware(copper: int = 4, fibre: int = 2) -> Switch:
    return switch(
        "hp_comware",
        [f"GigabitEthernet1/0/{n}" for n in range(1, copper + 1)] + [f"Ten-GigabitEthernet1/0/{copper + n}" for n in range(1, fibre + 1)],
    )


def test_the_same_model_takes_every_port_under_its_own_name() -> None:
    old = switch("huawei", HUAWEI, {HUAWEI[0]: {"description": "bed 1"}})
    mapped = propose(old, switch("huawei", HUAWEI))
    assert mapped.ports == {name: name for name in HUAWEI} and mapped.told() == []


def test_another_make_takes_ports_by_speed_and_medium() -> None:
    old = switch("huawei", HUAWEI, {name: {"description": name} for name in HUAWEI})
    assert propose(old, comware()).ports == {
        "GigabitEthernet0/0/1": "GigabitEthernet1/0/1",
        "GigabitEthernet0/0/2": "GigabitEthernet1/0/2",
        "GigabitEthernet0/0/3": "GigabitEthernet1/0/3",
        "GigabitEthernet0/0/4": "GigabitEthernet1/0/4",
        "XGigabitEthernet0/0/1": "Ten-GigabitEthernet1/0/5",
        "XGigabitEthernet0/0/2": "Ten-GigabitEthernet1/0/6",
    }


def test_ports_without_cable_and_configuration_need_no_place() -> None:
    old = switch("huawei", HUAWEI, {HUAWEI[3]: {"description": "bed 4"}, HUAWEI[0]: {"enabled": False}})
    mapped = propose(old, comware(1, 1), used=["XGigabitEthernet0/0/2"])
    assert mapped.ports == {"GigabitEthernet0/0/4": "GigabitEthernet1/0/1", "XGigabitEthernet0/0/2": "Ten-GigabitEthernet1/0/2"}
    assert mapped.unplaced == ()


def test_with_too_few_ports_those_with_a_cable_come_first_and_the_others_are_told() -> None:
    old = switch("huawei", HUAWEI, {name: {"description": name} for name in HUAWEI[:4]})
    mapped = propose(old, comware(2, 0), used=[HUAWEI[2], HUAWEI[3]])
    assert mapped.ports == {HUAWEI[2]: "GigabitEthernet1/0/1", HUAWEI[3]: "GigabitEthernet1/0/2"}
    assert mapped.told() == [
        {"what": f"port {HUAWEI[0]}", "why": "the spare has no port left"},
        {"what": f"port {HUAWEI[1]}", "why": "the spare has no port left"},
    ]


def test_fibre_does_not_go_into_copper() -> None:
    mapped = propose(switch("huawei", HUAWEI), comware(4, 0), used=[HUAWEI[4]])
    assert mapped.ports == {}
    assert "no free port of the spare has its medium" in mapped.unplaced[0].why


def test_a_port_that_gives_power_is_kept_for_what_needs_it() -> None:
    old = switch("huawei", HUAWEI, {HUAWEI[0]: {"poe": Poe(enabled=False), "description": "printer"}, HUAWEI[1]: {"description": "phone"}})
    powered = {name: Socket(name, 1000, "copper", poe=True) for name in HUAWEI[:2]}
    new = {"GigabitEthernet1/0/1": Socket("GigabitEthernet1/0/1", 1000, "copper", poe=True)}
    new["GigabitEthernet1/0/2"] = Socket("GigabitEthernet1/0/2", 1000, "copper", poe=False)
    mapped = propose(old, comware(2, 0), old_sockets=powered, new_sockets=new)
    assert mapped.ports == {HUAWEI[0]: "GigabitEthernet1/0/2", HUAWEI[1]: "GigabitEthernet1/0/1"}


def test_without_power_a_port_finds_no_place() -> None:
    old = switch("huawei", HUAWEI, {HUAWEI[0]: {"description": "phone"}})
    bare = {name: Socket(name, 1000, "copper", poe=False) for name in ("GigabitEthernet1/0/1", "GigabitEthernet1/0/2")}
    mapped = propose(old, comware(2, 0), old_sockets={HUAWEI[0]: Socket(HUAWEI[0], 1000, "copper", poe=True)}, new_sockets=bare)
    assert "power (PoE)" in mapped.unplaced[0].why


def test_the_inventory_s_map_wins_and_is_checked() -> None:
    old = switch("huawei", HUAWEI, {name: {"description": name} for name in HUAWEI[:2]})
    assert propose(old, comware(), declared={HUAWEI[0]: "GigabitEthernet1/0/4"}).ports[HUAWEI[0]] == "GigabitEthernet1/0/4"
    wrong = propose(old, comware(), declared={HUAWEI[0]: "Ten-GigabitEthernet1/0/5", HUAWEI[1]: "GigabitEthernet1/0/77", "Nowhere1": "x"})
    assert [one.why for one in wrong.unplaced] == [
        "the inventory maps it to Ten-GigabitEthernet1/0/5, but Ten-GigabitEthernet1/0/5 is fibre, and GigabitEthernet0/0/1 is copper",
        "the inventory maps it to GigabitEthernet1/0/77, and the spare has no such port",
        "the inventory maps Nowhere1, and the failed switch has no such port",
    ]


def test_a_slower_port_will_do_if_the_old_one_was_set_to_its_speed() -> None:
    old = switch("huawei", HUAWEI, {HUAWEI[0]: {"speed": 100}})
    slow = switch("cisco_ios", ["FastEthernet0/1"])
    assert propose(old, slow).ports == {HUAWEI[0]: "FastEthernet0/1"}
    assert "speed" in propose(switch("huawei", HUAWEI), slow, used=[HUAWEI[0]]).unplaced[0].why


def test_sockets_are_read_as_inventories_write_them() -> None:
    found = from_plant([{"name": "10GE1/0/1", "speed_mbps": 10000, "media": "cage"}, {"name": "Gi1", "media": "copper", "poe": True}])
    assert found["10GE1/0/1"] == Socket("10GE1/0/1", 10000, "fibre")
    assert found["Gi1"].poe is True


@pytest.mark.parametrize(
    ("platform", "written", "long", "short"),
    [
        ("huawei", "GE0/0/1", "GigabitEthernet0/0/1", "GE0/0/1"),
        ("huawei", "XGE0/0/1", "XGigabitEthernet0/0/1", "XGE0/0/1"),
        ("huawei", "Eth-Trunk1", "Eth-Trunk1", "Eth-Trunk1"),
        ("huawei", "MEth0/0/1", "MEth0/0/1", "MEth0/0/1"),
        ("huawei_vrpv8", "10GE1/0/48", "10GE1/0/48", "10GE1/0/48"),
        ("huawei_vrpv8", "100GE1/0/1", "100GE1/0/1", "100GE1/0/1"),
        ("hp_comware", "XGE1/0/49", "Ten-GigabitEthernet1/0/49", "XGE1/0/49"),
        ("hp_comware", "BAGG1", "Bridge-Aggregation1", "BAGG1"),
        ("hp_comware", "Vlan99", "Vlan-interface99", "Vlan99"),
        ("hp_comware", "FGE1/0/53", "FortyGigE1/0/53", "FGE1/0/53"),
        ("ruijie_os", "Gi0/1", "GigabitEthernet 0/1", "Gi0/1"),
        ("ruijie_os", "TenGigabitEthernet 0/25", "TenGigabitEthernet 0/25", "Te0/25"),
        ("ruijie_os", "Ag1", "AggregatePort 1", "Ag1"),
        ("cisco_ios", "Gi1/0/1", "GigabitEthernet1/0/1", "Gi1/0/1"),
        ("cisco_ios", "Po1", "Port-channel1", "Po1"),
        ("cisco_ios", "Router1", "Router1", "Router1"),
    ],
)
def test_long_and_short_names_of_a_port(platform: str, written: str, long: str, short: str) -> None:
    assert names.long(platform, written) == long
    assert names.short(platform, long) == short
    assert names.same(platform, written, long)


@pytest.mark.parametrize(
    ("platform", "name", "kind", "key"),
    [
        ("huawei", "Vlanif10", "svi", 10),
        ("huawei", "Eth-Trunk3", "aggregate", 3),
        ("huawei", "MEth0/0/1", "management", "MEth0/0/1"),
        ("huawei", "LoopBack0", "other", "LoopBack0"),
        ("cisco_ios", "FastEthernet0", "management", "FastEthernet0"),
        ("cisco_ios", "FastEthernet0/1", "port", "FastEthernet0/1"),
        ("cisco_ios", "GigabitEthernet0/0", "management", "GigabitEthernet0/0"),
        ("ruijie_os", "Mgmt 0", "management", "Mgmt 0"),
        ("hp_comware", "M-GigabitEthernet0/0/0", "management", "M-GigabitEthernet0/0/0"),
        ("hp_comware", "Something 1/2/3", "other", "Something 1/2/3"),
    ],
)
def test_what_a_name_stands_for(platform: str, name: str, kind: str, key: object) -> None:
    assert names.classify(platform, name) == (kind, key if kind != "other" else names.classify(platform, name)[1])


def test_names_are_made_for_aggregates_and_vlan_interfaces() -> None:
    assert [names.aggregate(platform, 1) for platform in ("huawei", "hp_comware", "ruijie_os", "cisco_ios")] == [
        "Eth-Trunk1",
        "Bridge-Aggregation1",
        "AggregatePort 1",
        "Port-channel1",
    ]
    assert names.svi("ruijie_os", 10) == "VLAN 10" and names.speed("hp_comware", "XGE1/0/49") == 10000
    assert names.speed("huawei", "Nothing1") is None
