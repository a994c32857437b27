"""Save, factory, reboot; two stages and trials; changes that are taken back unless they are confirmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.switch.device import PLATFORMS
from lab.switch.memory import Memory
from lab.switch.switch import Switch
from support.switches import PORT, TOP, Line, box, configuring, describe, line, text

NAMED = {
    "huawei": ("sysname ward-9", "return"),
    "huawei_vrpv8": ("sysname ward-9", "commit", "return"),
    "hp_comware": ("sysname ward-9", "return"),
    "ruijie_os": ("hostname ward-9", "end"),
    "cisco_ios": ("hostname ward-9", "end"),
}
# how each one asks: save, erase, reboot, with the answers that agree
SAVE = {
    "huawei": ("save", "y"),
    "huawei_vrpv8": ("save", "y"),
    "hp_comware": ("save", "y", ""),
    "ruijie_os": ("write",),
    "cisco_ios": ("copy running-config startup-config", ""),
}
ERASE = {
    "huawei": ("reset saved-configuration", "y"),
    "huawei_vrpv8": ("reset saved-configuration", "y"),
    "hp_comware": ("reset saved-configuration", "y"),
    "ruijie_os": ("delete config.text", "y"),
    "cisco_ios": ("write erase", ""),
}
REBOOT = {
    "huawei": ("reboot", "n", "y"),
    "huawei_vrpv8": ("reboot", "n", "y"),
    "hp_comware": ("reboot", "n", "y"),
    "ruijie_os": ("reload", "y"),
    "cisco_ios": ("reload", "no", ""),
}
SAVED = {"cisco_ios": "show startup-config", "ruijie_os": "show startup-config"}


def renamed(platform: str, typed: Line) -> None:
    typed(TOP.get(platform, "configure terminal"))
    for each in NAMED[platform]:
        assert typed(each) == ""
    assert typed.session.switch.hostname == "ward-9"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_not_saved_is_lost_by_a_reboot_and_what_is_saved_stays(platform: str) -> None:
    typed = box(platform)
    factory = typed.session.switch.hostname
    renamed(platform, typed)
    typed(*REBOOT[platform])
    assert typed.session.closed
    assert typed.session.switch.hostname == factory
    typed = Line(typed.session.switch)
    if platform in SAVED:
        typed("enable", typed.session.switch.device.enable_secret)
    renamed(platform, typed)
    typed(*SAVE[platform])
    typed(*REBOOT[platform][:1], *(["y"] if platform == "ruijie_os" else REBOOT[platform][-1:]))
    assert typed.session.switch.hostname == "ward-9"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_factory_default_comes_back_after_erasing_and_a_reboot(platform: str) -> None:
    typed = box(platform)
    factory = text(typed)
    renamed(platform, typed)
    typed(*SAVE[platform])
    assert "ward-9" in typed(SAVED.get(platform, "display saved-configuration"))
    typed(*ERASE[platform])
    assert typed.session.switch.saved_text is None
    assert typed.session.switch.hostname == "ward-9"
    typed(*REBOOT[platform])
    assert text(typed) == factory


@pytest.mark.parametrize("platform", ["huawei", "huawei_vrpv8", "hp_comware"])
def test_a_no_to_the_question_saves_nothing(platform: str) -> None:
    typed = box(platform)
    typed("save", "what?", "n")
    assert len(typed.asked) == 2
    assert typed.session.switch.saved_text is None


def test_the_startup_configuration_is_a_file_and_is_read_when_power_comes(tmp_path: Path) -> None:
    device = describe("box", "hp_comware", access=3, uplinks=1, startup=str(tmp_path / "flash" / "startup.cfg"))
    typed = line(device)
    renamed("hp_comware", typed)
    typed("save force")
    assert " sysname ward-9" in (tmp_path / "flash" / "startup.cfg").read_text().splitlines()
    again = Switch(device, Memory(device))
    assert (again.hostname, again.unknown) == ("ward-9", [])


def test_a_line_of_the_startup_configuration_that_is_not_known_is_named(tmp_path: Path) -> None:
    path = tmp_path / "startup.cfg"
    path.write_text("#\nsysname ward-9\n#\nmind-reading enable\n#\ninterface GigabitEthernet0/0/1\n hover 3\n shutdown\n#\nreturn\n")
    device = describe("box", "huawei", access=3, uplinks=1, startup=str(path))
    switch = Switch(device, Memory(device))
    assert [(row.number, row.view, row.text) for row in switch.unknown] == [(4, "system", "mind-reading enable"), (7, "port", "hover 3")]
    assert switch.hostname == "ward-9"
    assert not switch.applied.ports["GigabitEthernet0/0/1"].enabled


# Two stages


def test_nothing_happens_before_the_commit() -> None:
    typed = configuring("huawei_vrpv8")
    assert typed.prompt == "[~HUAWEI]"
    typed.lines("vlan batch 10\ninterface 10GE1/0/1\nport default vlan 10")
    assert typed.prompt == "[*HUAWEI-10GE1/0/1]"
    assert set(typed.session.switch.applied.vlans) == {1}
    assert "vlan batch 10" in typed("display configuration candidate")
    assert "vlan batch 10" not in typed("display current-configuration")
    typed("commit")
    assert typed.prompt == "[~HUAWEI-10GE1/0/1]"
    assert typed.session.switch.applied.ports["10GE1/0/1"].untagged == {10}


def test_leaving_asks_what_becomes_of_the_candidate() -> None:
    for answer, names in (("y", {1, 10}), ("n", {1})):
        typed = configuring("huawei_vrpv8", "vlan batch 10")
        typed("return", answer)
        assert "Uncommitted configurations found" in typed.asked[0]
        assert set(typed.session.switch.applied.vlans) == names
    typed = configuring("huawei_vrpv8", "vlan batch 10")
    typed("quit", "c")
    assert typed.prompt == "[*HUAWEI]"


def test_a_candidate_can_be_thrown_away() -> None:
    typed = configuring("huawei_vrpv8", "vlan batch 10")
    typed("clear configuration candidate")
    assert typed.prompt == "[~HUAWEI]"


def test_a_commit_that_the_switch_behind_refuses_leaves_the_candidate() -> None:
    typed = configuring("huawei_vrpv8", "vlan batch 10")
    typed.session.switch.backend.fail = "no such bridge"  # type: ignore[attr-defined]
    assert "Error: The operation failed: no such bridge" in typed("commit")
    assert set(typed.session.switch.applied.vlans) == {1}
    assert typed.prompt == "[*HUAWEI]"


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def timed(platform: str) -> tuple[Line, Clock]:
    device, clock = describe("box", platform, access=3, uplinks=1), Clock()
    typed = Line(Switch(device, Memory(device), clock))
    if platform == "cisco_ios":
        typed("enable", device.enable_secret)
    return typed, clock


def test_a_trial_ends_by_itself_or_is_confirmed() -> None:
    for confirmed in (False, True):
        typed, clock = timed("huawei_vrpv8")
        typed.lines("system-view\nvlan batch 10\ncommit trial 60")
        assert 10 in typed.session.switch.applied.vlans
        assert "ACTIVE" in typed("display configuration trial status")
        assert "trial state" in typed("commit trial 60")
        if confirmed:
            typed("commit")
        clock.now += 61
        typed("display clock")
        assert (10 in typed.session.switch.applied.vlans) is confirmed


def test_a_trial_can_be_aborted_and_is_never_shorter_than_a_minute() -> None:
    typed, _ = timed("huawei_vrpv8")
    typed.lines("system-view\nvlan batch 10")
    assert "Wrong parameter" in typed("commit trial 59")
    typed.lines("commit trial 60\nabort trial")
    assert set(typed.session.switch.applied.vlans) == {1}


def test_an_earlier_commit_can_be_gone_back_to() -> None:
    typed, _ = timed("huawei_vrpv8")
    typed.lines("system-view\nvlan batch 10\ncommit\nvlan batch 20\ncommit\nreturn")
    assert "1000000002" in typed("display configuration commit list")
    assert typed("rollback configuration to commit-id 1000000001") == ""
    assert set(typed.session.switch.applied.vlans) == {1, 10}
    assert "does not exist" in typed("rollback configuration to commit-id 7")


# One stage, with a way back


def test_comwares_delay_takes_the_changes_back() -> None:
    for confirmed in (False, True):
        typed, clock = timed("hp_comware")
        typed.lines("system-view\nconfiguration commit delay 1\nvlan 10\nquit")
        assert 10 in typed.session.switch.applied.vlans
        if confirmed:
            typed("configuration commit")
        clock.now += 61
        typed("display clock")
        assert (10 in typed.session.switch.applied.vlans) is confirmed


def test_ciscos_revert_timer_takes_the_changes_back() -> None:
    for confirmed in (False, True):
        typed, clock = timed("cisco_ios")
        assert "will begin in 1 minutes" in typed("configure terminal revert timer 1")
        typed.lines("hostname ward-9\nend")
        if confirmed:
            typed("configure confirm")
        clock.now += 61
        typed("show clock")
        assert (typed.session.switch.hostname == "ward-9") is confirmed
    assert "No Rollback" in typed("configure confirm")


def test_comware_drops_the_settings_of_another_link_type() -> None:
    typed = configuring("hp_comware", f"interface {PORT['hp_comware']}")
    typed.lines("port link-type trunk\nport trunk permit vlan 10\nport link-type access")
    assert "trunk" not in text(typed)
