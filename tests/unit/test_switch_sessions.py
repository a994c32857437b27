"""Sessions over SSH: pages, limits, locked accounts, reboots, and every way in which a session can misbehave."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from lab.switch.device import Control
from lab.switch.fleet import Served
from support.switches import Switches, describe, switches


class Raw:
    """A terminal: what comes, as it comes."""

    def __init__(self, box: Served, password: str = "") -> None:
        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        where = {"hostname": box.address, "port": box.port, "username": box.user, "password": password or box.password}
        self.client.connect(**where, allow_agent=False, look_for_keys=False, timeout=10)
        self.channel = self.client.invoke_shell()
        self.channel.settimeout(10)
        self.seen = ""

    def until(self, pattern: str, within: float = 10) -> str:
        """Return what comes up to a pattern; an empty text if the other side closes first."""
        end, got = time.monotonic() + within, ""
        while not re.search(pattern, got):
            if time.monotonic() > end:
                raise TimeoutError(got)
            try:
                piece = self.channel.recv(4096).decode()
            except TimeoutError:
                continue
            if not piece:
                return ""
            got += piece
        return got

    def send(self, text: str) -> None:
        self.channel.send(text.encode())

    def ask(self, line: str, pattern: str, within: float = 10) -> str:
        self.send(line + "\n")
        return self.until(pattern, within)


@contextmanager
def terminal(box: Served, prompt: str = "<HUAWEI>") -> Iterator[Raw]:
    raw = Raw(box)
    try:
        raw.until(prompt)
        yield raw
    finally:
        raw.client.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Switches]:
    limits = {"sessions": 2, "wrong_passwords": 3, "lock_s": 300}
    with switches(describe("box", "huawei", limits=limits, banner="Staff only"), describe("lock", "cisco_ios", limits=limits)) as found:
        yield found


@pytest.fixture
def box(served: Switches) -> Iterator[Served]:
    yield served["box"]
    served["box"].switch.control_override = None


def test_a_long_answer_comes_in_pages(box: Served) -> None:
    with terminal(box) as raw:
        page = raw.ask("display current-configuration", "---- More ----")
        assert len(page.splitlines()) == 25  # the echo, 23 lines, the mark
        raw.send(" ")
        assert len(raw.until("---- More ----").splitlines()) == 24
        raw.send("\n")
        assert len(raw.until("---- More ----").splitlines()) == 2
        raw.send("q")
        raw.until("<HUAWEI>")
        raw.ask("screen-length 0 temporary", "only.\r\n<HUAWEI>")
        assert "More" not in raw.ask("display current-configuration", "return\r\n<HUAWEI>")


def test_it_greets_echoes_and_rubs_out(box: Served) -> None:
    raw = Raw(box)
    greeting = raw.until("<HUAWEI>")
    assert "Staff only" in greeting
    assert "The max number of VTY users is 2" in greeting
    raw.send("display clockk\x7f\n")
    assert "Unrecognized" not in raw.until("DefaultZone[^<]*<HUAWEI>")
    raw.ask("system-view", r"\[HUAWEI\]")
    raw.send("interface Vlanif1\x03")
    raw.until(r"\[HUAWEI\]")
    raw.send("\x1a")
    raw.until("<HUAWEI>")
    raw.ask("quit", "never|$")
    raw.client.close()


def test_one_command_without_a_terminal(box: Served) -> None:
    with terminal(box) as raw:
        _, out, _ = raw.client.exec_command("display esn")
        assert out.read().decode().startswith("ESN of slot 0: LAB")


def test_only_so_many_sessions(box: Served) -> None:
    with terminal(box), terminal(box):
        third = Raw(box)
        assert "upper limit" in third.until("limit")
        third.client.close()


def test_an_account_is_locked_after_wrong_passwords_even_for_the_right_one(served: Switches) -> None:
    box = served["lock"]
    for _ in range(3):
        with pytest.raises(paramiko.AuthenticationException):
            Raw(box, "wrong")
    assert box.switch.locked(box.user)
    with pytest.raises(paramiko.AuthenticationException):
        Raw(box)
    box.switch.locks.until.clear()
    with terminal(box, "Switch>"):
        pass


def test_enable_asks_and_refuses(served: Switches) -> None:
    with terminal(served["lock"], "Switch>") as raw:
        raw.ask("enable", "Password: ")
        for _ in range(2):
            assert "wrong" not in raw.ask("wrong", "Password: ")  # not echoed
        assert "% Bad secrets" in raw.ask("wrong", "Switch>")
        raw.ask("enable", "Password: ")
        raw.ask(served["lock"].secret, "Switch#")


def test_a_slow_session(box: Served) -> None:
    with terminal(box) as raw:
        box.switch.control_override = Control(delay_s=0.5)
        before = time.monotonic()
        raw.ask("display clock", "DefaultZone[^<]*<HUAWEI>")
        assert time.monotonic() - before >= 0.5


def test_a_session_that_is_lost_after_some_lines(box: Served) -> None:
    with terminal(box) as raw:
        box.switch.control_override = Control(drop_after_lines=2)
        for _ in range(2):
            assert raw.ask("display clock", "DefaultZone[^<]*<HUAWEI>")
        assert raw.ask("display clock", "DefaultZone[^<]*<HUAWEI>") == ""


def test_a_session_that_hangs_and_comes_back(box: Served) -> None:
    with terminal(box) as raw:
        box.switch.control_override = Control(hang=True)
        with pytest.raises(TimeoutError):
            raw.channel.settimeout(0.2)
            raw.ask("display clock", "DefaultZone", within=1)
        box.switch.control_override = None
        raw.until("DefaultZone[^<]*<HUAWEI>")


def test_a_door_that_is_shut(box: Served) -> None:
    box.switch.control_override = Control(refuse=True)
    with pytest.raises((paramiko.SSHException, EOFError, OSError)):
        Raw(box)


def test_the_control_file_is_looked_at_and_half_of_one_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "control.json"
    assert Control.read(path) == Control()
    path.write_text(json.dumps({"delay_s": 2, "hang": True}))
    assert Control.read(path) == Control(delay_s=2, hang=True)
    path.write_text('{"delay_s": ')
    assert Control.read(path) == Control()


def test_a_reboot_ends_every_session(box: Served) -> None:
    with terminal(box) as raw, terminal(box) as other:
        raw.ask("reboot fast", "Continue")
        raw.send("y\n")
        assert other.ask("display clock", "never", within=5) == ""
    with terminal(box):
        pass


def test_a_change_that_nobody_confirms_is_taken_back_though_the_session_is_gone(served: Switches) -> None:
    box = served["lock"]
    with terminal(box, "Switch>") as raw:
        raw.ask("enable", "Password: ")
        raw.ask(box.secret, "Switch#")
        raw.ask("configure terminal revert timer 1", r"\(config\)#")
        raw.ask("hostname ward-9", r"ward-9\(config\)#")
        served.call(lambda: setattr(box.switch.pending, "until", 0.0))
        served.call(lambda: setattr(box.switch.pending, "seconds", 0.0))
        raw.ask("do show clock", r"\(config\)#")
    assert box.switch.hostname == "Switch"
