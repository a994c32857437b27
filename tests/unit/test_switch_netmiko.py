"""Stock netmiko drivers log in, page, configure, find refused lines and save; nothing of them is ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from netmiko import ConnectHandler
from netmiko.base_connection import BaseConnection
from netmiko.exceptions import ConfigInvalidException

from support.switches import Switches, describe, switches


@dataclass(frozen=True)
class Case:
    """What a platform calls things."""

    platform: str
    version: str
    lines: tuple[str, ...]
    shown: str
    refused: str
    current: str = "display current-configuration"
    clock: str = "display clock"


VRP = ("vlan batch 10 20", "interface GigabitEthernet0/0/1", "port link-type access", "port default vlan 10")
CASES = [
    Case("huawei", "display version", VRP, " port default vlan 10", "Error:"),
    Case(
        "cisco_ios",
        "show version",
        ("vlan 10,20", "interface GigabitEthernet1/0/1", "switchport mode access", "switchport access vlan 10"),
        " switchport access vlan 10",
        "% Invalid",
        "show running-config",
        "show clock",
    ),
]
NAMES = {case.platform: case for case in CASES}


@pytest.fixture(scope="module")
def served() -> Iterator[Switches]:
    with switches(*(describe(case.platform, case.platform, number) for number, case in enumerate(CASES, 1))) as found:
        yield found


@pytest.fixture(params=CASES, ids=lambda case: case.platform)
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Case)
    return request.param


@pytest.fixture
def talk(served: Switches, case: Case) -> Iterator[BaseConnection]:
    box = served[case.platform]
    connection = ConnectHandler(
        device_type=case.platform,
        host=box.address,
        port=box.port,
        username=box.user,
        password=box.password,
        secret=box.secret,
        ssh_strict=True,
        system_host_keys=False,
        alt_host_keys=True,
        alt_key_file=str(served.known_hosts),
    )
    if box.secret:
        connection.enable()
    yield connection
    connection.disconnect()


def test_a_stock_driver_logs_in_configures_and_saves(talk: BaseConnection, case: Case, served: Switches) -> None:
    assert re.search("(?i)version", talk.send_command(case.version))
    talk.send_config_set(list(case.lines), error_pattern=case.refused)
    if case.platform == "huawei_vrpv8":
        talk.commit()
    assert case.shown in talk.send_command(case.current).splitlines()
    with pytest.raises(ConfigInvalidException):
        talk.send_config_set(["frobnicate 7"], error_pattern=case.refused)
    talk.exit_config_mode()
    assert served[case.platform].switch.saved_text is None
    talk.save_config()
    saved = served[case.platform].switch.saved_text
    assert saved is not None
    assert case.shown in saved.splitlines()
