"""Binary logs as they are written, to another disk and off site (BKP-11): the tail receives, the vault encrypts what is finished.

The logs of each history are kept apart: after a restore the server counts its logs from one again.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from ..shell import CommandError
from . import binlog
from .place import Place, door_account, open_to_door
from .repository import CHUNK, local_writer
from .server import SOCKET, ask, identity, socket_file

SERVER_ID = {"local": 900001, "offsite": 900002}
PAUSE_S = 1.0


def tail(place: Place) -> int:
    """Receive the server's binary logs until stopped; systemd starts it again when the server or the line is away."""
    away = place.name == "offsite"
    if away:
        _way_to_server(place)
    where, user = (place.tail, door_account(place.system)) if away else (SOCKET, "root")
    try:
        told = identity(where, user)
        if told is None:
            print("The server is not prepared for backups: recovery run database_backup_setup", file=sys.stderr)
            return 1
        directory = Path(place.tail) / told.history
        if away:
            directory.mkdir(parents=True, exist_ok=True)
        else:
            open_to_door(place, Path(place.tail), directory, directory / "kept")
        about = {name: value for name, value in asdict(told).items() if name != "history"}
        local_writer(directory / "history.json")(json.dumps(about).encode())
        first = _resume(directory, [row[0] for row in ask("SHOW BINARY LOGS", socket=where, user=user)])
        command = ["mariadb-binlog", "--no-defaults", "--read-from-remote-server", "--raw", "--stop-never"]
        command += [f"--stop-never-slave-server-id={SERVER_ID[place.name]}", f"--socket={socket_file(where)}", f"--user={user}"]
        command += [f"--result-file={directory}/", first]
        receiver = subprocess.Popen(command)
        while receiver.poll() is None:
            if away:
                from .vault import keep_logs

                keep_logs(place)
            time.sleep(PAUSE_S)
        return receiver.returncode or 1
    except CommandError as error:
        print(f"The server does not answer: {error.output[-300:]}", file=sys.stderr)
        return 1


def _way_to_server(place: Place) -> None:
    """Offer the server's socket here: each connection goes through the door, so that no port of the database is open to the network."""
    mine = Path(socket_file(place.tail))
    mine.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(mine))
    listener.listen()

    def serve() -> None:
        while True:
            connection = listener.accept()[0]
            subprocess.Popen(place.ssh("socket"), stdin=connection.fileno(), stdout=connection.fileno())
            connection.close()

    threading.Thread(target=serve, daemon=True).start()


def connect_server() -> int:
    """Join the standard input and output to the server's socket, until one end is through: the other side of the way."""
    server = socket.socket(socket.AF_UNIX)
    server.connect(socket_file(SOCKET))
    while True:
        for ready in select.select([0, server.fileno()], [], [])[0]:
            data = os.read(0, CHUNK) if ready == 0 else server.recv(CHUNK)
            if not data:
                return 0
            if ready == 0:
                server.sendall(data)
            else:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()


def _resume(directory: Path, present: list[str]) -> str:
    """Return the log to receive first, keeping what was received of it: the receiver begins each log anew."""
    here = binlog.files(directory)
    if not here or here[-1].name not in present:
        later = [name for name in present if not here or name > here[-1].name]
        return (later or present)[0]
    last = here[-1]
    kept = directory / "kept"
    kept.mkdir(exist_ok=True)
    earlier = kept / last.name
    if not earlier.exists() or earlier.stat().st_size <= last.stat().st_size:
        new = kept / f".{last.name}.new"
        shutil.copy2(last, new)
        os.replace(new, earlier)  # noqa: PTH105 - one name for the same as Path.replace, beside copy2
    for old in binlog.files(kept):
        with suppress(OSError):
            if old.name != last.name and old.stat().st_size <= (directory / old.name).stat().st_size:
                old.unlink()
    return last.name
