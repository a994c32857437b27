"""A switch as the inventory describes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from recovery.network.answers import HostKeyMissingError, SwitchError
from recovery.network.device import Device, from_inventory
from recovery.network.options import devices

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPvxA10wgayul4W2h3QRsnxtd17wLw1u4YmPydmBk0P0"
ENTRY = {
    "network_platform": "huawei_vrpv8",
    "network_addresses": {"oob": "198.51.100.111", "inband": "192.0.2.211"},
    "network_user": "recovery",
    "network_password": "not shown",
    "network_known_hosts": "/etc/known",
}


def test_the_management_path_is_chosen_by_name() -> None:
    assert from_inventory("core-a", ENTRY).address == "198.51.100.111"
    inband = from_inventory("core-a", {**ENTRY, "network_management": "inband"})
    assert inband.address == "192.0.2.211"
    assert inband.via("oob").address == "198.51.100.111"
    with pytest.raises(ValueError, match="no address for the management path 'radio'"):
        inband.via("radio")
    with pytest.raises(ValueError, match="network_addresses only has oob, inband"):
        from_inventory("core-a", {**ENTRY, "network_management": "radio"})


@pytest.mark.parametrize("key", ENTRY)
def test_what_is_missing_is_named(key: str) -> None:
    with pytest.raises(ValueError, match=f"core-a: the inventory does not say {key}"):
        from_inventory("core-a", {**ENTRY, key: ""})


def test_secrets_are_in_no_representation() -> None:
    assert "not shown" not in repr(from_inventory("core-a", {**ENTRY, "network_enable_secret": "not shown"}))


def test_a_switch_named_twice_is_refused() -> None:
    with pytest.raises(SwitchError, match="named twice: core-a"):
        devices([{"name": "core-a", **ENTRY}, {"name": "core-a", **ENTRY}])


def test_the_proxy_command_gets_address_and_port() -> None:
    device = from_inventory("core-a", {**ENTRY, "network_proxy_command": "ssh -W '%h:%p' jump", "network_port": 2222})
    assert device.proxy() == ["ssh", "-W", "198.51.100.111:2222", "jump"]


def known(path: Path, text: str) -> Device:
    path.write_text(text)
    return from_inventory("core-a", {**ENTRY, "network_known_hosts": str(path)})


@pytest.mark.parametrize("names", ["core-a", "x,core-a", "198.51.100.111", "core-a,198.51.100.111"])
def test_a_host_key_is_found_by_name_or_address(tmp_path: Path, names: str) -> None:
    name, keys = known(tmp_path / "known_hosts", f"# collected at the consoles\n{names} {KEY}\n").known_key()
    assert name in ("core-a", "198.51.100.111")
    assert [key.get_name() for key in keys] == ["ssh-ed25519"]


def test_no_host_key_no_connection(tmp_path: Path) -> None:
    with pytest.raises(HostKeyMissingError, match="holds no host key of core-a"):
        known(tmp_path / "known_hosts", f"core-s {KEY}\n").known_key()
    with pytest.raises(HostKeyMissingError):
        from_inventory("core-a", {**ENTRY, "network_known_hosts": str(tmp_path / "nowhere")}).known_key()


def test_a_corrected_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    device = known(path, f"core-s {KEY}\n")
    with pytest.raises(HostKeyMissingError):
        device.known_key()
    path.write_text(f"core-s {KEY}\ncore-a {KEY}\n")
    assert device.known_key()[0] == "core-a"
