"""When a fetched configuration counts, and what the archive keeps of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from recovery.network.archive import SECRETS, Archive, ArchiveError, age_s
from recovery.network.device import Device
from recovery.network.fetch import Fetched, Limits, digest, judge, steady
from recovery.network.scrub_network import hide
from recovery.network.state import State
from recovery.network.talk import talk
from recovery.network.vault import Vault, VaultError
from support.project import PROJECT

CONFIGURATION = """!Software Version V200R021C10SPC600
#
sysname acc-1
#
vlan batch 10 20 to 21 99
#
snmp-agent community write Sup3rPublic
#
aaa
 local-user admin password irreversible-cipher $1a$abcdEFGH$xyz/123$
#
radius-server template wards
 radius-server shared-key cipher %^%#radiusKEY%^%#
#
vlan 20
 description wards
#
interface Vlanif99
 ip address 10.20.98.31 255.255.255.0
#
interface GigabitEthernet0/0/1
 port link-type access
 port default vlan 20
#
interface XGigabitEthernet0/0/1
 port link-type trunk
 port trunk allow-pass vlan 20 to 21 99
#
return
"""
SECRET_VALUES = ("Sup3rPublic", "$1a$abcdEFGH$xyz/123$", "%^%#radiusKEY%^%#")
ACC_1 = Device("acc-1", "huawei", "192.0.2.31", "netadmin", "x", Path("/nowhere"))


def codes(text: str, again: str | None = None, last_lines: int | None = None, device: Device = ACC_1) -> set[str]:
    return {finding.code for finding in judge(device, text, text if again is None else again, last_lines) if finding.severity != "info"}


def test_a_whole_configuration_counts() -> None:
    assert codes(CONFIGURATION) == set()
    assert codes(CONFIGURATION, last_lines=20) == set()


@pytest.mark.parametrize("lines", [1, 5, 12, len(CONFIGURATION.splitlines()) - 1])
def test_a_truncated_one_does_not(lines: int) -> None:
    assert "archive-truncated" in codes("\n".join(CONFIGURATION.splitlines()[:lines]))


def test_nothing_at_all_is_truncated() -> None:
    assert "archive-truncated" in codes("")


def test_one_with_a_pager_in_it_does_not_count() -> None:
    assert "archive-paged" in codes(CONFIGURATION.replace("#\nvlan 20\n", "  ---- More ----\nvlan 20\n"))


def test_an_error_is_no_configuration() -> None:
    assert "archive-rejected" in codes("       ^\nError: Unrecognized command found at '^' position.\n")


def test_one_that_changes_while_it_is_read_does_not_count() -> None:
    assert codes(CONFIGURATION, CONFIGURATION.replace("vlan 20 to 21 99", "vlan 20 99")) == {"archive-unsteady"}


def test_a_date_in_it_is_no_change() -> None:
    assert (
        codes(CONFIGURATION, CONFIGURATION.replace("!Software Version V200R021C10SPC600", "!Last configuration was updated at 10:00"))
        == set()
    )


def test_half_empty_and_much_shorter_ones_are_not_believed() -> None:
    assert "archive-too-short" in codes("#\nsysname acc-1\n#\nreturn\n")
    assert codes(CONFIGURATION, last_lines=40) == {"archive-shrunk"}
    found = judge(ACC_1, CONFIGURATION, CONFIGURATION, 40, Limits(least_share=0.2))
    assert not found


def test_shrinking_can_be_accepted_by_name_and_nothing_else_can() -> None:
    severities = {finding.code: finding.severity for finding in judge(ACC_1, CONFIGURATION.removesuffix("return\n"), "", 40)}
    assert severities["archive-shrunk"] == "overridable"
    assert {severity for code, severity in severities.items() if code != "archive-shrunk"} == {"stop"}


def test_another_switch_s_configuration_is_refused() -> None:
    assert codes(CONFIGURATION.replace("sysname acc-1", "sysname acc-2")) == {"archive-not-its-own"}
    assert codes(CONFIGURATION.replace("sysname acc-1", "sysname acc-2"), device=replace(ACC_1, hostname="acc-2")) == set()


def test_lines_that_are_not_understood_are_named() -> None:
    found = judge(ACC_1, CONFIGURATION.replace("#\nvlan 20\n", "#\nfrobnicate the wards\n#\nvlan 20\n"), "")
    assert any("frobnicate the wards" in finding.message for finding in found if finding.code == "archive-unknown-lines")


# -- the archive itself


@pytest.fixture(scope="module")
def vault() -> Vault:
    return Vault(PROJECT / "bin" / "vault-password")


def test_files_are_those_of_ansible_vault_both_ways(tmp_path: Path, vault: Vault) -> None:
    ansible = VaultLib([("default", VaultSecret(b"lab-sample-password"))])
    text = "Sup3rPublic\n中文 %^%#\n" * 20
    assert ansible.decrypt(vault.encrypt(text)).decode() == text
    path = tmp_path / "x"
    path.write_bytes(ansible.encrypt(text))
    assert vault.open(path) == text
    path.write_bytes(path.read_bytes().replace(b"3", b"4", 1))
    with pytest.raises(VaultError, match="cannot be opened"):
        vault.open(path)
    with pytest.raises(VaultError, match="not encrypted"):
        vault.decrypt("plain text")


def fetched(text: str = CONFIGURATION, name: str = "acc-1", at: datetime | None = None) -> Fetched:
    moment = (at or datetime.now(UTC)).isoformat(timespec="seconds")
    return Fetched(
        name,
        "huawei",
        "192.0.2.31",
        moment,
        text,
        text,
        State(version="V200R021", macs={(20, "52:54:00:12:34:56"): "GigabitEthernet0/0/1"}),
    )


def commits(directory: Path) -> list[str]:
    done = subprocess.run(["git", "-C", str(directory), "log", "--format=%s"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_secrets_are_words_in_the_history_and_come_back_whole(tmp_path: Path, vault: Vault) -> None:
    archive = Archive(tmp_path / "archive", vault)
    archive.store([fetched()])
    entry = Archive(tmp_path / "archive").entry("acc-1")
    assert entry
    for path in (tmp_path / "archive").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [secret for secret in SECRET_VALUES if secret.encode() in content], path
    assert Archive(tmp_path / "archive", vault).reveal(entry.running).splitlines() == CONFIGURATION.splitlines()
    assert (tmp_path / "archive" / SECRETS).read_text().startswith("$ANSIBLE_VAULT;")


def test_the_history_shows_what_changed_and_only_that(tmp_path: Path, vault: Vault) -> None:
    directory = tmp_path / "archive"
    assert Archive(directory, vault).store([fetched()]).new == ("acc-1",)
    assert Archive(directory, vault).store([fetched()]).same == ("acc-1",)
    stored = Archive(directory, vault).store([fetched(CONFIGURATION.replace("vlan 20 to 21 99", "vlan 20 99")), fetched(name="acc-2")])
    assert (stored.changed, stored.new) == (("acc-1",), ("acc-2",))
    assert commits(directory)[0] == "acc-1 changed; acc-2 first fetched"
    before, now = stored.diff["acc-1"]
    assert [pair for pair in zip(before.splitlines(), now.splitlines(), strict=True) if pair[0] != pair[1]] == [
        (" port trunk allow-pass vlan 20 to 21 99", " port trunk allow-pass vlan 20 99")
    ]


def test_a_changed_secret_is_seen_without_being_shown(tmp_path: Path, vault: Vault) -> None:
    archive = Archive(tmp_path / "archive", vault)
    archive.store([fetched()])
    stored = archive.store([fetched(CONFIGURATION.replace("Sup3rPublic", "An0therOne"))])
    assert stored.changed == ("acc-1",)
    assert not [secret for secret in (*SECRET_VALUES, "An0therOne") for text in stored.diff["acc-1"] if secret in text]


def test_another_vault_password_opens_nothing_and_destroys_nothing(tmp_path: Path, vault: Vault) -> None:
    Archive(tmp_path / "archive", vault).store([fetched()])
    sealed = (tmp_path / "archive" / SECRETS).read_bytes()
    other = tmp_path / "password"
    other.write_text("another one\n")
    with pytest.raises(VaultError, match="another vault password"):
        Archive(tmp_path / "archive", Vault(other)).store([fetched(CONFIGURATION.replace("Sup3rPublic", "An0therOne"))])
    assert (tmp_path / "archive" / SECRETS).read_bytes() == sealed
    assert len(commits(tmp_path / "archive")) == 1


def test_an_entry_that_was_tampered_with_is_refused(tmp_path: Path, vault: Vault) -> None:
    archive = Archive(tmp_path / "archive", vault)
    archive.store([fetched()])
    path = tmp_path / "archive" / "acc-1" / "running.cfg"
    path.write_text(path.read_text().replace("vlan 20 to 21 99", "vlan 20"))
    with pytest.raises(ArchiveError, match=r"git -C .* checkout HEAD -- acc-1"):
        archive.entry("acc-1")


def test_age_and_unsaved_changes_are_known(tmp_path: Path, vault: Vault) -> None:
    archive = Archive(tmp_path / "archive", vault)
    at = datetime(2026, 11, 21, 5, 40, tzinfo=UTC)
    archive.store([replace(fetched(at=at), startup=CONFIGURATION.replace("description wards", "description ward"))])
    entry = archive.entry("acc-1")
    assert entry
    assert age_s(entry, at + timedelta(hours=3)) == 3 * 3600
    assert not entry.saved
    archive.store([fetched()])
    entry = archive.entry("acc-1")
    assert entry and entry.saved and entry.state.macs == {(20, "52:54:00:12:34:56"): "GigabitEthernet0/0/1"}


def test_a_switch_that_was_never_fetched_has_no_entry(tmp_path: Path) -> None:
    assert Archive(tmp_path).entry("acc-1") is None
    assert Archive(tmp_path).names() == []


# -- secrets by platform

SECRET_LINES = {
    "huawei": [
        "snmp-agent community read cipher {}",
        "snmp-agent community write {}",
        " local-user admin password irreversible-cipher {}",
        " local-user admin password cipher {}",
        " radius-server shared-key cipher {}",
        " set authentication password cipher {}",
        "ospf authentication-mode md5 1 cipher {}",
        "snmp-agent target-host trap address udp-domain 192.0.2.1 params securityname {}",
        "ntp-service authentication-keyid 1 authentication-mode md5 cipher {}",
    ],
    "hp_comware": [
        " password hash {}",
        " password simple {}",
        "snmp-agent community write simple {}",
        "snmp-agent community read {}",
        " key authentication cipher {}",
        "super password role network-admin hash {}",
    ],
    "cisco_ios": [
        "enable secret 5 {}",
        "enable password {}",
        "username admin privilege 15 secret 9 {}",
        "username admin password 7 {}",
        "snmp-server community {} RO",
        "snmp-server host 192.0.2.1 version 2c {}",
        "radius-server key 7 {}",
        " key 7 {}",
        " key-string {}",
        "ntp authentication-key 1 md5 {} 7",
        " ip ospf message-digest-key 1 md5 7 {}",
        "snmp-server user nms group v3 auth sha {} priv aes 128 Zz99zz99",
    ],
}
SECRET_LINES["huawei_vrpv8"], SECRET_LINES["ruijie_os"] = SECRET_LINES["huawei"], SECRET_LINES["cisco_ios"]
HARMLESS_LINES = {
    "huawei": [
        "snmp-agent sys-info version v2c",
        " local-user admin service-type ssh",
        "vlan batch 10 20",
        " description key of the wards",
    ],
    "cisco_ios": [
        "service password-encryption",
        "snmp-server location cipher room",
        "key chain wards",
        " key 1",
        "crypto key generate rsa",
    ],
}


@pytest.mark.parametrize(("platform", "line"), [(platform, line) for platform, lines in SECRET_LINES.items() for line in lines])
def test_a_secret_is_found_where_it_stands(platform: str, line: str) -> None:
    hidden = hide(line.format("xY7!qqW$zz"), talk(platform).secrets)
    assert "xY7!qqW$zz" not in hidden
    assert hidden.split("[***]")[0] == line.split("{}")[0]


@pytest.mark.parametrize(("platform", "line"), [(platform, line) for platform, lines in HARMLESS_LINES.items() for line in lines])
def test_what_is_no_secret_stays(platform: str, line: str) -> None:
    assert hide(line, talk(platform).secrets) == line


def test_steady_lines_leave_out_only_what_changes_by_itself() -> None:
    ios = (
        "Building configuration...\n\nCurrent configuration : 4711 bytes\n!\n! Last configuration change at 10:00\nhostname acc-4\n!\nend\n"
    )
    assert steady(talk("cisco_ios"), ios) == ["hostname acc-4", "end"]
    assert digest(talk("cisco_ios"), ios) == digest(talk("cisco_ios"), ios.replace("4711", "4712"))
