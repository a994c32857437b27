"""The modules that change and read switches, without Ansible around them: a rejected line leaves no trace, and says which."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recovery.network.options import devices
from recovery.network.session import Session
from support.project import PROJECT
from support.switches import Switches, describe, switches

PORTS = {"huawei": "GigabitEthernet0/0/{}", "huawei_vrpv8": "10GE1/0/{}", "cisco_ios": "GigabitEthernet1/0/{}"}
UNDO = {"huawei": "undo description", "huawei_vrpv8": "undo description", "cisco_ios": "no description"}


def module(name: str) -> ModuleType:
    path = PROJECT / "library" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"tested_{name}", path)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def served() -> Iterator[Switches]:
    with switches(*(describe(platform, platform) for platform in PORTS)) as found:
        yield found


def entry(served: Switches, platform: str) -> dict[str, Any]:
    row = served[platform]
    return {
        "name": platform,
        "network_platform": platform,
        "network_addresses": {"oob": "127.0.0.1"},
        "network_port": row.port,
        "network_user": row.user,
        "network_password": row.password,
        "network_enable_secret": row.secret,
        "network_known_hosts": str(served.known_hosts),
        "network_hostname": row.switch.hostname,
    }


def asked(platform: str, *more: str, **options: Any) -> dict[str, Any]:
    port = f"interface {PORTS[platform].format(4)}"
    given = {"lines": [port, "description changed", *more], "undo": [port, UNDO[platform]], "trial_s": 0, "save": False}
    return given | options


@pytest.mark.parametrize("platform", PORTS)
def test_a_rejected_line_is_named_and_leaves_the_switch_as_it_was(served: Switches, platform: str) -> None:
    configure = module("switch_configure")
    with Session(devices([entry(served, platform)])[0]) as session:
        result = configure.apply(session, asked(platform, "frobnicate"))
        assert (result["restored"], result["refused"], result["changed"]) == (True, True, False)
        assert "line 3 of 3, 'frobnicate'" in result["findings"][0]["message"]
        assert result["diff"]["before"] == result["diff"]["after"]


def test_an_inverse_that_does_not_restore_is_told(served: Switches) -> None:
    configure = module("switch_configure")
    with Session(devices([entry(served, "huawei")])[0]) as session:
        result = configure.apply(session, asked("huawei", "frobnicate", undo=[]))
        assert (result["restored"], result["refused"], result["changed"]) == (False, False, True)
        assert "NOT what it was before" in result["findings"][0]["message"]
        session.undo(asked("huawei")["undo"])


@pytest.mark.parametrize("platform", PORTS)
def test_a_change_is_shown_and_repeated_changes_nothing(served: Switches, platform: str) -> None:
    configure = module("switch_configure")
    with Session(devices([entry(served, platform)])[0]) as session:
        first = configure.apply(session, asked(platform, save=True))
        assert first["changed"] and not first["findings"]
        assert "description changed" in first["diff"]["after"] and "description changed" not in first["diff"]["before"]
        again = configure.apply(session, asked(platform))
        assert not again["changed"]


def test_states_of_the_living_are_there_when_one_is_dead(served: Switches, tmp_path: Path) -> None:
    state = module("switch_state")
    keys = tmp_path / "known_hosts"
    keys.write_text(f"dead {served['huawei'].known_host.split(None, 1)[1]}\n")
    dead = {**entry(served, "huawei"), "name": "dead", "network_port": 9, "network_known_hosts": str(keys)}
    given = {"switches": [entry(served, "huawei"), dead], "tables": ["ports"], "reachable_only": True, "workers": 4, "deadline_s": 30}
    result = state.look(given)
    assert set(result["states"]) == {"huawei"} and set(result["failed_switches"]) == {"dead"}
    assert [finding["severity"] for finding in result["findings"]] == ["warning"]


def test_the_archive_keeps_the_good_and_names_the_others(served: Switches, tmp_path: Path) -> None:
    archive = module("switch_archive")
    stranger = {**entry(served, "cisco_ios"), "network_hostname": "acc-4"}
    given = {
        "switches": [entry(served, "huawei"), stranger],
        "directory": str(tmp_path / "archive"),
        "vault_password_file": str(PROJECT / "bin" / "vault-password"),
        "least_share": 0.7,
        "least_lines": 8,
        "max_age_hours": 1,
        "workers": 4,
        "deadline_s": 30,
        "note": "",
        "override": [],
        "override_by": "",
    }
    rehearsed = archive.fetch_all(given, True)
    assert not (tmp_path / "archive").exists() and set(rehearsed["archived"]) == {"huawei"}
    result = archive.fetch_all(given, False)
    assert (result["verdict"], set(result["archived"]), set(result["failed_switches"])) == ("FAIL", {"huawei"}, {"cisco_ios"})
    assert "not of acc-4" in result["failed_switches"]["cisco_ios"]
    judged = archive.judge(given)
    assert judged["failed_switches"] == {"cisco_ios": "cisco_ios: its configuration was never archived."}
