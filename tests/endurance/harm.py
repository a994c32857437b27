"""What is done to the laboratory's database and to its backups; by SSH, as root. Imported once the lab's name is in the environment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from hospital import host
from laboratory import answers, sql


def on(name: str, command: str) -> str:
    """Do something on a host, as root; its failure fails the test."""
    return str(host(name).check_output(command)).strip()


@contextmanager
def altered(name: str, path: str, command: str) -> Iterator[None]:
    """Have a file altered for a while: it is moved aside, a copy is altered, and then it comes back as it was."""
    on(name, f"mv {path} /var/tmp/kept-aside && cp -p /var/tmp/kept-aside {path} && {command.format(path=path)}")
    try:
        yield
    finally:
        on(name, f"rm -f {path}; mv /var/tmp/kept-aside {path}")


@contextmanager
def failed() -> Iterator[None]:
    """Have the server failed for a while, its files left behind."""
    on("lis-db", "systemctl kill --signal=KILL mariadb; systemctl stop mariadb; true")
    try:
        yield
    finally:
        on("lis-db", "systemctl reset-failed mariadb; systemctl start mariadb")


def followed() -> None:
    """Wait until both log tails follow the server: one that was just started they ask again a moment later, and have nothing till then."""
    asked = "select count(*) from information_schema.processlist where command like 'Binlog Dump%'"
    deadline = time.monotonic() + 60
    while int(sql(asked)) < 2:
        assert time.monotonic() < deadline, "the log tails do not follow the server"
        time.sleep(0.5)
    time.sleep(2)


def destroy() -> None:
    """Delete the data, its logs with it, under the running server."""
    followed()
    on("lis-db", "rm -rf /srv/lis/main; systemctl kill --signal=KILL mariadb")
    assert not answers()
