"""A switch's command line: what it takes acts, what it refuses changes nothing, and what is undone is exactly what was said."""

from __future__ import annotations

import pytest

from lab.switch import tell
from lab.switch.device import PLATFORMS
from support.switches import PORT, TOP, configuring, text

REFUSED = [
    ("huawei", "", "vlan 4095", "Error: Wrong parameter found at '^' position.", 5),
    ("huawei", "", "vlan batch 10 to", "Error:Incomplete command found at '^' position.", 16),
    ("huawei", "", "frobnicate", "Error: Unrecognized command found at '^' position.", 0),
    ("huawei", "", "s", "Error:Ambiguous command found at '^' position.", 0),
    ("huawei", "", "interface GigabitEthernet0/0/99", "Error: Wrong parameter found at '^' position.", 10),
    ("huawei", "port", "port link-type access now", "Error:Too many parameters found at '^' position.", 22),
    ("huawei", "port", "port trunk allow-pass vlan 10,20", "Error: Wrong parameter found at '^' position.", 27),
    ("huawei", "port", "port trunk allow-pass vlan 20 to 10", "Error: Wrong parameter found at '^' position.", 33),
    ("huawei_vrpv8", "port", "port default vlan 0", "Error: Wrong parameter found at '^' position.", 18),
    ("hp_comware", "", "vlan 4095", " % Wrong parameter found at '^' position.", 5),
    ("hp_comware", "port", "port trunk permit vlan", " % Incomplete command found at '^' position.", 22),
    ("hp_comware", "port", "switchport mode access", " % Unrecognized command found at '^' position.", 0),
    ("ruijie_os", "", "vlan 4095", "% Invalid input detected at '^' marker.", 5),
    ("ruijie_os", "port", "switchport trunk allowed vlan only 10 to 20", "% Invalid input detected at '^' marker.", 38),
    ("cisco_ios", "", "vlan 5000", "% Invalid input detected at '^' marker.", 5),
    ("cisco_ios", "port", "switchport trunk allowed vlan 10-", "% Invalid input detected at '^' marker.", 30),
    ("cisco_ios", "port", "port link-type access", "% Invalid input detected at '^' marker.", 2),
]


@pytest.mark.parametrize(("platform", "view", "typed_line", "words", "column"), REFUSED, ids=lambda value: str(value))
def test_a_wrong_line_gets_the_vendors_words_and_the_place_and_changes_nothing(
    platform: str, view: str, typed_line: str, words: str, column: int
) -> None:
    typed = configuring(platform, f"interface {PORT[platform]}" if view else "")
    before, setting, width = text(typed), typed.session.switch.applied, len(typed.prompt)
    answer = typed(typed_line).splitlines()
    assert words in answer
    assert answer[0] == " " * (width + column) + "^"
    assert (text(typed), typed.session.switch.applied) == (before, setting)


@pytest.mark.parametrize("platform", ["cisco_ios", "ruijie_os"])
def test_an_incomplete_or_ambiguous_line_is_said_without_a_place(platform: str) -> None:
    typed = configuring(platform)
    assert "% Incomplete command." in typed("hostname")
    assert "% Ambiguous command" in typed("s")


NEEDS = [
    ("huawei", "port default vlan 1", "Error: The operation is not allowed on a port of the link type hybrid."),
    ("huawei", "port trunk allow-pass vlan 10", "Error: The operation is not allowed on a port of the link type hybrid."),
    ("huawei", "eth-trunk 5", "Error: The Eth-Trunk does not exist."),
    ("huawei_vrpv8", "port default vlan 30", "Error: The VLAN does not exist."),
    ("hp_comware", "port access vlan 30", "The specified VLAN does not exist."),
    ("hp_comware", "port link-aggregation group 5", "The aggregation group does not exist."),
]


@pytest.mark.parametrize(("platform", "typed_line", "words"), NEEDS)
def test_what_a_line_needs_must_be_there(platform: str, typed_line: str, words: str) -> None:
    typed = configuring(platform, f"interface {PORT[platform]}")
    before = text(typed)
    assert typed(typed_line).strip() == words
    assert text(typed) == before


@pytest.mark.parametrize("platform", ["huawei", "hp_comware", "ruijie_os", "cisco_ios"])
def test_a_change_that_the_switch_behind_refuses_is_not_stored(platform: str) -> None:
    typed = configuring(platform, f"interface {PORT[platform]}")
    before = text(typed)
    typed.session.switch.backend.fail = "no such bridge"  # type: ignore[attr-defined]
    assert "no such bridge" in typed("shutdown")
    assert text(typed) == before
    assert typed.session.switch.applied.ports[PORT[platform]].enabled


TRUNKS = {
    "huawei": (
        "vlan batch 10 20 30 31",
        "port link-type trunk",
        "port trunk allow-pass vlan 10 20 30 to 31",
        "undo port trunk allow-pass vlan 20 31",
    ),
    "huawei_vrpv8": (
        "vlan batch 10 20 30 31",
        "port link-type trunk",
        "port trunk allow-pass vlan 10 20 30 to 31",
        "undo port trunk allow-pass vlan 20 31",
    ),
    "hp_comware": (
        "vlan 10 20 30 31",
        "port link-type trunk",
        "port trunk permit vlan 10 20 30 to 31",
        "undo port trunk permit vlan 20 31",
    ),
    "ruijie_os": (
        "vlan range 10,20,30-31",
        "switchport mode trunk",
        "switchport trunk allowed vlan only 1,10,20,30-31",
        "switchport trunk allowed vlan remove 20,31",
    ),
    "cisco_ios": (
        "vlan 10,20,30-31",
        "switchport mode trunk",
        "switchport trunk allowed vlan 1,10,20,30-31",
        "switchport trunk allowed vlan remove 20,31",
    ),
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_taking_vlans_off_a_trunk_takes_only_those(platform: str) -> None:
    vlans, mode, allow, remove = TRUNKS[platform]
    typed = configuring(platform)
    for each in (vlans, f"interface {PORT[platform]}", mode, allow, remove):
        assert typed(each) == ""
    if platform == "huawei_vrpv8":
        typed("commit")
    port = typed.session.switch.applied.ports[PORT[platform]]
    assert (port.mode, port.untagged, port.tagged) == ("trunk", {1}, {10, 30})


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_configuration_read_back_is_the_same(platform: str) -> None:
    vlans, mode, allow, _ = TRUNKS[platform]
    typed = configuring(platform)
    typed.lines("\n".join([vlans, f"interface {PORT[platform]}", mode, allow, "description to the core", "shutdown"]))
    tree, unknown = typed.session.switch.load(text(typed))
    assert unknown == []
    assert typed.session.switch.text(tree) == text(typed)
    assert tree.root.same(typed.session.tree.root)


def test_vlan_one_is_taken_off_a_trunk_and_put_back() -> None:
    typed = configuring("huawei", "interface GigabitEthernet0/0/1")
    typed.lines("port link-type trunk\nundo port trunk allow-pass vlan 1")
    assert " undo port trunk allow-pass vlan 1" in text(typed).splitlines()
    assert typed.session.switch.applied.ports["GigabitEthernet0/0/1"].untagged == frozenset()
    typed("port trunk allow-pass vlan 1")
    assert "allow-pass" not in text(typed)


def test_no_switchport_trunk_allowed_vlan_allows_every_vlan_again() -> None:
    typed = configuring("cisco_ios", "interface GigabitEthernet1/0/1")
    typed.lines("switchport mode trunk\nswitchport trunk allowed vlan 10\nno switchport trunk allowed vlan 10")
    assert "allowed vlan" not in text(typed)


def test_undo_vlan_batch_takes_those_vlans_and_what_hangs_on_them() -> None:
    typed = configuring("huawei", "vlan batch 10 20")
    typed.lines("interface GigabitEthernet0/0/1\nport link-type access\nport default vlan 10\nquit\nundo vlan batch 10")
    assert set(typed.session.switch.applied.vlans) == {1, 20}
    assert typed.session.switch.applied.ports["GigabitEthernet0/0/1"].pvid == 1
    assert "port default vlan" not in text(typed)


@pytest.mark.parametrize(
    ("platform", "lines", "last", "words"),
    [
        ("huawei", "", "undo vlan 1", "The default VLAN cannot be deleted"),
        ("huawei", "", "undo vlan 77", "The VLAN does not exist"),
        ("huawei", "vlan batch 10\ninterface Vlanif10\nquit", "undo vlan 10", "has a L3 interface"),
        (
            "huawei",
            "interface Eth-Trunk1\ninterface GigabitEthernet0/0/1\neth-trunk 1\nquit",
            "undo interface Eth-Trunk1",
            "has member interfaces",
        ),
        (
            "huawei",
            "interface GigabitEthernet0/0/1\nport link-type trunk\nport trunk allow-pass vlan 9",
            "port link-type access",
            "renew the default",
        ),
        ("hp_comware", "", "undo interface GigabitEthernet1/0/1", "cannot be deleted"),
        ("cisco_ios", "", "no vlan 1", "may not be deleted"),
        ("cisco_ios", "", "no interface GigabitEthernet1/0/1", "not permitted"),
    ],
)
def test_what_a_platform_insists_on(platform: str, lines: str, last: str, words: str) -> None:
    typed = configuring(platform)
    assert typed.lines(lines) == []
    before, setting = text(typed), typed.session.switch.applied
    assert words in typed(last)
    assert (text(typed), typed.session.switch.applied) == (before, setting)


def test_an_access_vlan_that_is_not_there_is_made_by_cisco_and_ruijie() -> None:
    for platform in ("cisco_ios", "ruijie_os"):
        typed = configuring(platform, f"interface {PORT[platform]}")
        assert typed("switchport access vlan 33").strip() == "% Access VLAN does not exist. Creating vlan 33"
        assert 33 in typed.session.switch.applied.vlans
        assert typed.session.switch.applied.ports[PORT[platform]].untagged == {33}


def test_words_may_be_abbreviated_and_are_kept_in_full() -> None:
    typed = configuring("cisco_ios", "int gi1/0/1")
    typed.lines("sw mo tr\nsw tr al vl 10,20\nsh")
    assert typed("shut") == ""
    assert typed("do sh run int g1/0/1").splitlines()[1:5] == [
        "interface GigabitEthernet1/0/1",
        " switchport trunk allowed vlan 10,20",
        " switchport mode trunk",
        " shutdown",
    ]


def test_ciscos_global_lines_may_stand_below_and_huaweis_interfaces_too() -> None:
    typed = configuring("cisco_ios", "interface GigabitEthernet1/0/1")
    assert typed("hostname ward-9") == ""
    assert typed.prompt == "ward-9(config)#"
    typed = configuring("huawei", "interface GigabitEthernet0/0/1")
    assert typed("interface GigabitEthernet0/0/2") == ""
    assert typed.prompt == "[HUAWEI-GigabitEthernet0/0/2]"
    assert "Unrecognized" in typed("sysname ward-9")


def test_a_password_is_never_shown_and_opens_the_door() -> None:
    for platform, lines in {
        "huawei": "aaa\nlocal-user nurse password irreversible-cipher Sesame-77",
        "hp_comware": "local-user nurse class manage\npassword simple Sesame-77",
        "cisco_ios": "username nurse privilege 15 secret Sesame-77",
        "ruijie_os": "username nurse privilege 15 password Sesame-77",
    }.items():
        typed = configuring(platform)
        assert typed.lines(lines) == []
        assert "Sesame" not in text(typed)
        switch = typed.session.switch
        assert switch.login("nurse", "Sesame-77")
        assert not switch.login("nurse", "sesame-77")
        tree, unknown = switch.load(text(typed))
        assert (unknown, switch.text(tree)) == ([], text(typed))


def test_aggregates_join_ports_and_speak_for_them() -> None:
    typed = configuring("hp_comware", "interface Bridge-Aggregation1")
    typed.lines("link-aggregation mode dynamic\ninterface GigabitEthernet1/0/1\nport link-aggregation group 1\nlacp period short")
    row = typed.session.switch.applied.aggregates["Bridge-Aggregation1"]
    assert (row.members, row.lacp, row.fast) == (("GigabitEthernet1/0/1",), True, True)
    typed.lines("quit\nundo interface Bridge-Aggregation1")
    assert typed.session.switch.applied.aggregates == {}
    assert typed.session.switch.applied.ports["GigabitEthernet1/0/1"].aggregate == ""


@pytest.mark.parametrize(
    ("platform", "view"),
    [
        ("huawei", "interface range GigabitEthernet 0/0/1 to GigabitEthernet 0/0/3"),
        ("hp_comware", "interface range GigabitEthernet1/0/1 to GigabitEthernet1/0/3"),
        ("ruijie_os", "interface range GigabitEthernet 0/1 - 3"),
        ("cisco_ios", "interface range GigabitEthernet1/0/1 - 2, GigabitEthernet1/0/3"),
    ],
)
def test_a_range_of_interfaces_is_configured_at_once(platform: str, view: str) -> None:
    typed = configuring(platform, view)
    assert typed("shutdown") == ""
    assert sum(not port.enabled for port in typed.session.switch.applied.ports.values()) == 3
    assert "shutdown" in typed("display this" if platform in TOP else "do show running-config")
    typed((TOP.get(platform) and "quit") or "exit")
    assert typed(view.replace("0/1 ", "0/77 ").replace("0/0/1 ", "0/0/77 ").replace("1/0/1 ", "1/0/77 ")) != ""


def test_what_an_aggregate_is_told_its_members_are_told_too() -> None:
    typed = configuring("hp_comware", "interface Bridge-Aggregation1")
    typed.lines("interface GigabitEthernet1/0/1\nport link-aggregation group 1\ninterface Bridge-Aggregation1")
    assert typed("port link-type trunk").strip() == "Configuring GigabitEthernet1/0/1 done."
    typed("port trunk permit vlan 10")
    assert text(typed).count(" port trunk permit vlan 1 10") == 2


def test_a_banner_may_have_many_lines() -> None:
    typed = configuring("cisco_ios")
    assert typed("banner motd ^C", "Staff only.", "Everything is written down.", "^C") == ""
    shown = text(typed)
    assert "banner motd ^C\nStaff only.\nEverything is written down.\n^C\n" in shown
    tree, unknown = typed.session.switch.load(shown)
    assert (unknown, typed.session.switch.text(tree)) == ([], shown)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_it_can_be_told_what_acts_and_what_is_only_stored(platform: str) -> None:
    told = {line: how for view, how, line in tell.lines(platform) if view == "port"}
    assert told["shutdown"] == "acts"
    assert "stores" in told.values()
