"""Talking to a switch: every line answered for, known host keys only, one try per account. Against command lines that act."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.switch.device import Control
from recovery.network.answers import (
    HostKeyChangedError,
    HostKeyMissingError,
    NoAnswerError,
    NotSupportedError,
    PagedError,
    RejectedError,
    SessionLostError,
    UnreachableError,
    WrongCredentialsError,
)
from recovery.network.device import Device
from recovery.network.fetch import digest, each
from recovery.network.session import Session
from recovery.network.talk import talk
from support.switches import Switches, describe, switches

PLATFORMS = ("huawei", "huawei_vrpv8", "hp_comware", "ruijie_os", "cisco_ios")
PORT = {
    "huawei": "GigabitEthernet0/0/{}",
    "huawei_vrpv8": "10GE1/0/{}",
    "hp_comware": "GigabitEthernet1/0/{}",
    "ruijie_os": "GigabitEthernet 0/{}",
    "cisco_ios": "GigabitEthernet1/0/{}",
}


@pytest.fixture(scope="module")
def served() -> Iterator[Switches]:
    with switches(*(describe(f"sw-{platform}", platform) for platform in PLATFORMS)) as found:
        yield found


@pytest.fixture(autouse=True)
def well_behaved(served: Switches) -> Iterator[None]:
    yield
    for row in served.values():
        row.switch.control_override = None


def device(served: Switches, platform: str) -> Device:
    row = served[f"sw-{platform}"]
    return Device(
        name=f"sw-{platform}",
        platform=platform,
        address="127.0.0.1",
        port=row.port,
        user=row.user,
        password=row.password,
        enable_secret=row.secret,
        host_keys=served.known_hosts,
        hostname=row.switch.hostname,
    )


def port(platform: str, number: int) -> str:
    return PORT[platform].format(number)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_line_comes_back_with_its_answer(served: Switches, platform: str) -> None:
    lines = [line for n in range(1, 9) for line in (f"interface {port(platform, n)}", f"description bed {n}")]
    with Session(device(served, platform)) as session:
        answers = session.configure(lines)
        assert [answer.line for answer in answers] == lines + ([session.talk.commit] if session.talk.commit else [])
        assert not [answer for answer in answers if answer.rejected]
        assert not session.in_configuration
        assert "description bed 8" in session.running()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_hundred_lines_take_about_a_second(served: Switches, platform: str) -> None:
    lines = [line for n in range(1, 11) for line in (f"interface {port(platform, n)}", *(f"description bed {n} {k}" for k in range(9)))]
    with Session(device(served, platform)) as session:
        began = time.monotonic()
        assert len(session.configure(lines)) >= 100
        assert time.monotonic() - began < 5  # netmiko's own way takes ten on Huawei; this machine may be busy


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_rejected_line_ends_it_and_is_named_with_the_answer(served: Switches, platform: str) -> None:
    with Session(device(served, platform)) as session:
        with pytest.raises(RejectedError) as raised:
            session.configure([f"interface {port(platform, 9)}", "description kept", "frobnicate the wards", "description never sent"])
        assert [answer.line for answer in raised.value.answers][-1] == "frobnicate the wards"
        assert "line 3 of 4, 'frobnicate the wards'" in raised.value.message
        assert raised.value.answer.text
        assert not session.in_configuration
        assert "never sent" not in session.running()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_inverse_puts_back_what_was(served: Switches, platform: str) -> None:
    no = "undo" if platform.startswith(("huawei", "hp")) else "no"
    with Session(device(served, platform)) as session:
        before = digest(session.talk, session.running())
        session.configure([f"interface {port(platform, 20)}", "description changed"])
        assert digest(session.talk, session.running()) != before
        answers = session.undo([f"interface {port(platform, 20)}", f"{no} description", "frobnicate"])
        assert [answer.rejected for answer in answers[:3]] == [False, False, True]
        assert digest(session.talk, session.running()) == before


@pytest.mark.parametrize("platform", PLATFORMS)
def test_saved_is_what_starts(served: Switches, platform: str) -> None:
    with Session(device(served, platform)) as session:
        session.configure([f"interface {port(platform, 11)}", f"description saved {time.monotonic_ns()}"])
        assert digest(session.talk, session.startup()) != digest(session.talk, session.running())
        session.save()
        assert digest(session.talk, session.startup()) == digest(session.talk, session.running())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_switch_that_never_saved_has_no_startup_configuration(platform: str) -> None:
    with switches(describe("new", platform)) as served, Session(device_of(served, "new", platform)) as session:
        assert session.startup() == ""


def device_of(served: Switches, name: str, platform: str) -> Device:
    row = served[name]
    return Device(name, platform, "127.0.0.1", row.user, row.password, served.known_hosts, port=row.port, enable_secret=row.secret)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_new_name_does_not_lose_the_session(platform: str) -> None:
    word = "sysname" if platform.startswith(("huawei", "hp")) else "hostname"
    with switches(describe("box", platform)) as served, Session(device_of(served, "box", platform)) as session:
        answers = session.configure(
            [f"{word} wards-and-outpatient-department-switch", f"interface {port(platform, 3)}", "description after"]
        )
        assert len(answers) >= 3
        assert "wards-and-outpatient-department-switch" in session.running()
        assert "description after" in session.running()


# -- who is talked to


def test_a_host_key_that_is_not_on_file_is_refused_before_anything_is_sent(served: Switches, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    with pytest.raises(HostKeyMissingError, match="holds no host key of sw-huawei"):
        Session(replace(device(served, "huawei"), host_keys=empty))


def test_a_changed_host_key_is_refused_and_the_password_is_not_sent(served: Switches, tmp_path: Path) -> None:
    wrong = tmp_path / "known_hosts"
    other = served["sw-cisco_ios"].known_host.split(None, 1)[1]
    wrong.write_text(f"sw-huawei {other}\n")
    row = served["sw-huawei"]
    wrong_before = dict(row.switch.locks.wrong)
    with pytest.raises(HostKeyChangedError, match="Nothing was sent"):
        Session(replace(device(served, "huawei"), host_keys=wrong, password="a wrong one"))
    assert row.switch.locks.wrong == wrong_before


def test_a_key_is_looked_up_by_the_box_s_name_whatever_its_address(served: Switches, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"core-s {served['sw-huawei'].known_host.split(None, 1)[1]}\n")
    with Session(replace(device(served, "huawei"), host_keys=known, key_name="core-s")) as session:
        assert session.prompt


def test_a_wrong_password_is_tried_once(served: Switches) -> None:
    switch = served["sw-huawei"].switch
    before = switch.locks.wrong.get("netadmin", 0)
    with pytest.raises(WrongCredentialsError, match="refused the account"):
        Session(replace(device(served, "huawei"), password="a wrong one"))
    assert switch.locks.wrong.get("netadmin", 0) - before == 1


def test_passwords_stay_out_of_what_is_shown(served: Switches) -> None:
    assert served["sw-huawei"].password not in repr(device(served, "huawei"))


def test_nobody_at_the_address(served: Switches) -> None:
    with pytest.raises(UnreachableError, match="cannot be reached"):
        Session(replace(device(served, "huawei"), port=9, key_name="sw-huawei", host_keys=named(served)))


def named(served: Switches) -> Path:
    path = served.known_hosts.with_name("by_name")
    path.write_text("".join(f"{name} {row.known_host.split(None, 1)[1]}\n" for name, row in served.items()))
    return path


def test_through_a_proxy_command(served: Switches) -> None:
    relay = (
        "import socket,sys,threading,os;s=socket.create_connection((sys.argv[1],int(sys.argv[2])));"
        "threading.Thread(target=lambda:[s.sendall(d) for d in iter(lambda:os.read(0,65536),b'')],daemon=True).start();"
        "[os.write(1,d) for d in iter(lambda:s.recv(65536),b'')]"
    )
    through = replace(device(served, "huawei"), proxy_command=f'{sys.executable} -c "{relay}" %h %p')
    with Session(through) as session:
        assert session.running().endswith("return")
        process = session._line._proxy
        assert process
    assert process.poll() is not None


def test_a_proxy_command_that_ends_is_a_switch_that_is_not_reached(served: Switches) -> None:
    with pytest.raises(UnreachableError, match="cannot be reached"):
        Session(replace(device(served, "huawei"), proxy_command="false"))


# -- sessions that misbehave


def test_a_session_that_is_lost_says_at_which_line(served: Switches) -> None:
    with Session(device(served, "huawei")) as session:
        served["sw-huawei"].switch.control_override = Control(drop_after_lines=2)
        with pytest.raises(SessionLostError, match=r"It was at line \d of 4"):
            session.configure(["interface GigabitEthernet0/0/30", "description one", "description two", "description three"])


def test_a_switch_that_hangs_is_not_waited_for_for_ever(served: Switches) -> None:
    with Session(device(served, "huawei"), idle_s=0.5) as session:
        served["sw-huawei"].switch.control_override = Control(hang=True)
        began = time.monotonic()
        with pytest.raises(NoAnswerError, match="has said nothing"):
            session.show("display version")
        assert time.monotonic() - began < 3
        served["sw-huawei"].switch.control_override = None


def test_a_slow_switch_is_waited_for(served: Switches) -> None:
    with Session(device(served, "cisco_ios")) as session:
        served["sw-cisco_ios"].switch.control_override = Control(delay_s=0.3)
        assert "Version" in session.show("show version")


def test_all_the_time_that_one_switch_may_take_is_bounded(served: Switches) -> None:
    with Session(device(served, "cisco_ios"), deadline_s=1.0) as session:
        served["sw-cisco_ios"].switch.control_override = Control(delay_s=0.4)
        with pytest.raises(NoAnswerError, match="all the time it may take"):
            for _ in range(9):
                session.show("show clock")


def test_a_pager_is_not_taken_for_an_answer(served: Switches) -> None:
    with Session(device(served, "cisco_ios")) as session:
        session._must("terminal length 10")
        with pytest.raises(PagedError):
            session.running()


def test_a_command_that_the_switch_does_not_know_is_no_empty_answer(served: Switches) -> None:
    with Session(device(served, "cisco_ios")) as session, pytest.raises(RejectedError, match="does not accept 'show beds'"):
        session.show("show beds")


def test_a_platform_without_a_timer_says_so(served: Switches) -> None:
    with Session(device(served, "huawei")) as session, pytest.raises(NotSupportedError, match="cannot undo a change by itself"):
        session.configure(["interface GigabitEthernet0/0/31", "description never"], trial_s=60)
    with Session(device(served, "huawei")) as session:
        assert "description never" not in session.running()


# -- changes that are kept back, or undo themselves


def test_what_is_kept_back_until_a_commit_is_given_up_with_a_rejected_line(served: Switches) -> None:
    with Session(device(served, "huawei_vrpv8")) as session:
        before = session.running()
        with pytest.raises(RejectedError, match="Nothing of it was committed"):
            session.configure(["interface 10GE1/0/30", "description never", "frobnicate"])
        assert session.running() == before
        session.configure(["interface 10GE1/0/30", "description rehearsed"], commit=False)
        session.abandon()
        assert session.running() == before


@pytest.mark.parametrize("platform", ["huawei_vrpv8", "cisco_ios"])
def test_a_trial_undoes_itself_unless_it_is_confirmed(served: Switches, platform: str) -> None:
    row = served[f"sw-{platform}"]
    lines = [f"interface {port(platform, 33)}", "description on trial"]
    with Session(device(served, platform)) as session:
        session.configure(lines, trial_s=90)
        assert session.armed
        assert "description on trial" in session.running()
        assert row.switch.pending is not None
        session.revert()
        assert "description on trial" not in session.running()
        session.configure(lines, trial_s=90)
        session.confirm()
        assert row.switch.pending is None
        assert "description on trial" in session.running()
        with pytest.raises(NotSupportedError, match="no change on trial"):
            session.confirm()


@pytest.mark.parametrize("platform", ["huawei_vrpv8", "cisco_ios"])
def test_an_unconfirmed_trial_is_over_when_its_time_is(served: Switches, platform: str) -> None:
    switch = served[f"sw-{platform}"].switch
    with Session(device(served, platform)) as session:
        session.configure([f"interface {port(platform, 34)}", "description for a while"], trial_s=60)
    assert switch.pending
    switch.pending.until = time.monotonic()
    with Session(device(served, platform)) as session:
        assert "description for a while" not in session.running()


def test_a_trial_that_is_too_long_is_refused_beforehand(served: Switches) -> None:
    with Session(device(served, "cisco_ios")) as session, pytest.raises(NotSupportedError, match="7200 s at most"):
        session.configure([f"interface {port('cisco_ios', 35)}"], trial_s=86400)


def test_secrets_are_out_of_every_answer(served: Switches) -> None:
    with Session(device(served, "cisco_ios")) as session:
        answers = session.configure(["snmp-server community Wards-4711 RO"])
        assert answers[0].line == "snmp-server community [***] RO"
        with pytest.raises(RejectedError) as raised:
            session.configure(["frobnicate password Wards-4711"])
        assert "Wards-4711" not in raised.value.message


def test_one_dead_switch_delays_nobody(served: Switches) -> None:
    devices = [device(served, platform) for platform in PLATFORMS]
    dead = replace(devices[0], name="dead", port=9, key_name="sw-huawei", host_keys=named(served))

    def ask(one: Device) -> str:
        with Session(one) as session:
            return session.hostname

    found = each([*devices, dead], ask)
    assert isinstance(found["dead"], UnreachableError)
    assert [name for name, result in found.items() if isinstance(result, str)] == [d.name for d in devices]


def test_an_unforeseen_fault_with_one_switch_costs_the_others_nothing(served: Switches) -> None:
    def ask(one: Device) -> str:
        if one.platform == "huawei":
            raise ZeroDivisionError("by zero")
        return "well"

    found = each([device(served, platform) for platform in PLATFORMS], ask)
    assert "ZeroDivisionError" in str(found["sw-huawei"])
    assert found["sw-cisco_ios"] == "well"


# -- prompts


@pytest.mark.parametrize(
    ("platform", "prompt", "name"),
    [
        ("huawei", "<acc-1>", "acc-1"),
        ("huawei", "[acc-1-GigabitEthernet0/0/1]", "acc-1-GigabitEthernet0/0/1"),
        ("huawei_vrpv8", "<core-a>", "core-a"),
        ("hp_comware", "<acc-2>", "acc-2"),
        ("cisco_ios", "acc-4#", "acc-4"),
        ("cisco_ios", "acc-4(config-if)#", "acc-4"),
        ("ruijie_os", "acc-3>", "acc-3"),
    ],
)
def test_the_name_is_read_from_the_prompt(platform: str, prompt: str, name: str) -> None:
    assert talk(platform).name_in(prompt) == name


def test_a_prompt_of_another_name_is_no_prompt() -> None:
    pattern = talk("huawei").prompt_of("acc-1")
    assert pattern.search("\n[acc-1-Vlanif20]")
    assert not pattern.search("\n<acc-2>")
    assert not pattern.search("see <acc-1> in the text")


def test_an_unknown_platform_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="huawei_vrpv8"):
        talk("juniper")
