"""Sessions with the laboratory's database through Debian's own client program: no driver is installed for it.

A session is one ``mariadb`` process that stays; a transaction is one script sent to it, acknowledged by a line that only comes back
when the server has committed. The client ends at the first error, and with it the session.
"""

from __future__ import annotations

import queue
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from his.web import DatabaseUnavailableError

COMMAND = ("mariadb", "--batch", "--skip-column-names", "--unbuffered", "--connect-timeout=1", "lis")
ANSWER_S = 3.0
END = "--committed--"


class RefusedError(Exception):
    """The database refused the statement; nothing was written."""


class Session:
    """One client process."""

    def __init__(self) -> None:
        """Start it; whether the server answers shows with the first script."""
        self._process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._rest = b""

    def ask(self, script: str) -> list[list[str]]:
        """Send statements, each ended by a semicolon, and return the rows that came back before the end was acknowledged."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise DatabaseUnavailableError("The client has no pipes.")
        try:
            stdin.write(f"{script}\nselect '{END}';\n".encode())
            stdin.flush()
        except OSError as error:
            raise DatabaseUnavailableError(self._last_words()) from error
        lines: list[list[str]] = []
        while True:
            line, found, self._rest = self._rest.partition(b"\n")
            if found:
                if line.decode() == END:
                    return lines
                lines.append(line.decode().split("\t"))
                continue
            self._rest = line
            if not select.select([stdout], [], [], ANSWER_S)[0]:
                raise DatabaseUnavailableError(f"The database gave no answer within {ANSWER_S:g} s.")
            more = stdout.read1(65536)  # type: ignore[attr-defined]
            if not more:
                raise self._ended()
            self._rest += more

    def _last_words(self) -> str:
        self.close()
        return self._process.stderr.read().decode(errors="replace").strip() if self._process.stderr else ""

    def _ended(self) -> Exception:
        words = self._last_words()
        refused = any(f"ERROR {code} " in words for code in (1048, 1062, 1264, 1292, 1366, 1406, 1452, 4025))
        return RefusedError(words) if refused else DatabaseUnavailableError(words or "The client ended.")

    def close(self) -> None:
        """End the client, whatever it is doing."""
        self._process.kill()
        self._process.wait()


class Sessions:
    """Sessions that are kept between requests; one that broke is thrown away."""

    def __init__(self) -> None:
        """Begin with none."""
        self._idle: queue.SimpleQueue[Session] = queue.SimpleQueue()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Lend a session; after an error it is not used again."""
        try:
            session = self._idle.get_nowait()
        except queue.Empty:
            session = Session()
        try:
            yield session
        except BaseException:
            session.close()
            # The server that one session lost, the idle ones have lost as well.
            while not self._idle.empty():
                self._idle.get_nowait().close()
            raise
        self._idle.put(session)
