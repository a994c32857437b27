"""Stock netmiko drivers log in, page, configure, find refused lines and save; nothing of them is ours.

All five talk at once: most of their time is spent waiting for patterns that never come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from netmiko import ConnectHandler
from netmiko.base_connection import BaseConnection
from netmiko.exceptions import ConfigInvalidException, NetmikoAuthenticationException

from support.switches import Switches, describe, switches


@dataclass(frozen=True)
class Case:
    """What a platform calls things."""

    platform: str
    lines: tuple[str, ...]
    shown: str
    refused: str
    version: str = "display version"
    current: str = "display current-configuration"


@dataclass
class Told:
    """What a conversation came to."""

    version: str = ""
    current: str = ""
    refused: bool = False
    saved_too_early: bool = False
    saved: str = ""
    paged: str = ""
    lines: list[str] = field(default_factory=list)


IOS = ("interface GigabitEthernet1/0/1", "switchport mode access", "switchport access vlan 10")
CASES = [
    Case(
        "huawei",
        ("vlan batch 10 20", "interface GigabitEthernet0/0/1", "port link-type access", "port default vlan 10"),
        " port default vlan 10",
        "Error:",
    ),
    Case("huawei_vrpv8", ("vlan batch 10 20", "interface 10GE1/0/1", "port default vlan 10"), " port default vlan 10", "Error:"),
    Case(
        "hp_comware", ("vlan 10", "quit", "interface GigabitEthernet1/0/1", "port access vlan 10"), " port access vlan 10", "found at '\\^'"
    ),
    Case(
        "ruijie_os",
        ("vlan 10", "interface GigabitEthernet 0/1", "switchport access vlan 10"),
        " switchport access vlan 10",
        "% Invalid",
        "show version",
        "show running-config",
    ),
    Case("cisco_ios", ("vlan 10", *IOS), " switchport access vlan 10", "% Invalid", "show version", "show running-config"),
]


def login(served: Switches, case: Case, password: str = "") -> BaseConnection:
    """Log in with the stock driver, host key checked, and nothing but its own ways."""
    box = served[case.platform]
    return ConnectHandler(
        device_type=case.platform,
        host=box.address,
        port=box.port,
        username=box.user,
        password=password or box.password,
        secret=box.secret,
        ssh_strict=True,
        system_host_keys=False,
        alt_host_keys=True,
        alt_key_file=str(served.known_hosts),
        read_timeout_override=60,  # a loaded machine is no fault of the driver
    )


def converse(served: Switches, case: Case) -> Told:
    """Show, configure, be refused, save."""
    told, box = Told(), served[case.platform]
    talk = login(served, case)
    if box.secret:
        talk.enable()
    told.version = talk.send_command(case.version)
    try:  # the last line is refused; those before it stay
        talk.send_config_set([*case.lines, "frobnicate 7"], error_pattern=case.refused)
    except ConfigInvalidException:
        told.refused = True
    if case.platform == "huawei_vrpv8":
        talk.commit()
    else:
        talk.exit_config_mode()
    told.current = talk.send_command(case.current)
    told.saved_too_early = box.switch.saved_text is not None
    talk.save_config()
    told.saved = box.switch.saved_text or ""
    talk.disconnect()
    return told


@pytest.fixture(scope="module")
def served() -> Iterator[Switches]:
    with switches(*(describe(case.platform, case.platform, number) for number, case in enumerate(CASES, 1))) as found:
        yield found


@pytest.fixture(scope="module")
def told(served: Switches) -> dict[str, Told]:
    with ThreadPoolExecutor(len(CASES)) as pool:
        return dict(zip((case.platform for case in CASES), pool.map(lambda case: converse(served, case), CASES), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.platform)
def test_a_stock_driver_logs_in_configures_and_saves(told: dict[str, Told], case: Case) -> None:
    mine = told[case.platform]
    assert re.search("(?i)version", mine.version)
    assert case.shown in mine.current.splitlines()
    assert len(mine.current.splitlines()) > 60  # longer than a page
    assert "More" not in mine.current
    assert mine.refused
    assert not mine.saved_too_early
    assert case.shown in mine.saved.splitlines()


def test_a_wrong_password_is_refused_and_counts_once(served: Switches, told: dict[str, Told]) -> None:
    case = CASES[-1]
    with pytest.raises(NetmikoAuthenticationException):
        login(served, case, "wrong")
    assert served[case.platform].switch.locks.wrong == {served[case.platform].user: 1}
