"""SSH in front of a switch: logins, the terminal with its echo and its pages, and sessions that misbehave when told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncssh

from lab.switch.device import Listen
from lab.switch.session import Session
from lab.switch.switch import Switch

log = logging.getLogger("switch")
INTERRUPT, END, BACKSPACES = "\x03", "\x1a", ("\x08", "\x7f")


class LostError(Exception):
    """The other side has gone."""


class Login(asyncssh.SSHServer):
    """One connection, until a session begins on it."""

    def __init__(self, front: Front) -> None:
        """Belong to a switch's front end."""
        self._front = front

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Take a connection, or close it at once when told to."""
        self._conn = conn
        if self._front.switch.control.refuse:
            conn.abort()
            return
        self._front.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._front.connections.discard(self._conn)

    def begin_auth(self, username: str) -> bool:
        """Nobody comes in without a password."""
        return True

    def password_auth_supported(self) -> bool:
        """Passwords it is."""
        return True

    def kbdint_auth_supported(self) -> bool:
        """A second way would count a wrong password twice."""
        return False

    def validate_password(self, username: str, password: str) -> bool:
        """Check a password; too many wrong ones lock the account."""
        return self._front.switch.login(username, password)


class Terminal:
    """The characters that go to and fro in one session."""

    def __init__(self, process: Any, more: str, erase: str) -> None:
        """Talk through a process of asyncssh."""
        self._process, self._more, self._erase = process, more, erase
        self._waiting = ""
        self._after_return = False

    async def key(self) -> str:
        """Return the next character; LostError when there is none any more."""
        while True:
            if not self._waiting:
                try:
                    self._waiting = await self._process.stdin.read(4096)
                except (asyncssh.Error, OSError) as error:
                    raise LostError from error
                if not self._waiting:
                    raise LostError
            char, self._waiting = self._waiting[0], self._waiting[1:]
            skip = char == "\n" and self._after_return
            self._after_return = char == "\r"
            if not skip:
                return char

    async def line(self, echo: bool = True) -> str:
        """Return a line as it was typed; Ctrl-Z alone is returned as itself."""
        typed = ""
        while True:
            char = await self.key()
            if char in "\r\n":
                self.write("\n")
                return typed
            if char == END:
                self.write("^Z\n")
                return END
            if char == INTERRUPT:
                self.write("^C\n")
                return ""
            if char in BACKSPACES:
                if typed:
                    typed = typed[:-1]
                    self.write("\b \b" if echo else "")
            elif char.isprintable() or char == "\t":
                typed += char
                if echo:
                    self.write(char)

    def write(self, text: str) -> None:
        """Send a text; lines end in CR LF."""
        with contextlib.suppress(asyncssh.Error, OSError):
            self._process.stdout.write(text.replace("\r\n", "\n").replace("\n", "\r\n"))

    def abort(self) -> None:
        """Lose the connection without a word."""
        self._process.channel.get_connection().abort()

    async def page(self, text: str, rows: int) -> None:
        """Send a text, a page at a time if it is longer than the screen."""
        lines = text.splitlines(keepends=True)
        if not rows or len(lines) < rows:
            self.write(text)
            return
        shown = 0
        step = rows - 1
        while shown < len(lines):
            self.write("".join(lines[shown : shown + step]))
            shown += step
            if shown >= len(lines):
                return
            self.write(self._more)
            char = await self.key()
            self.write(self._erase)
            if char in (INTERRUPT, "q", "Q"):
                return
            step = 1 if char in "\r\n" else rows - 1


class Front:
    """A switch's command line, listening."""

    def __init__(self, switch: Switch) -> None:
        """Stand in front of a switch."""
        self.switch = switch
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.sessions: set[Session] = set()
        self._listeners: list[Any] = []
        switch.on_disconnect = self.disconnect
        self.key = self._host_key(switch.device.host_key)

    @staticmethod
    def _host_key(path: Path | None) -> asyncssh.SSHKey:
        if path is not None and path.exists():
            return asyncssh.read_private_key(str(path))
        key = asyncssh.generate_private_key("ssh-ed25519")
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(key.export_private_key())
        return key

    async def listen(self, listen: Listen) -> int:
        """Begin to listen; returns the port."""
        listener = await asyncssh.listen(
            listen.address or None,
            listen.port,
            server_factory=lambda: Login(self),
            server_host_keys=[self.key],
            process_factory=self._talk,
            line_editor=False,
            encoding="utf-8",
            login_timeout=30,
        )
        self._listeners.append(listener)
        return int(listener.sockets[0].getsockname()[1])

    def known_host(self, address: str, port: int) -> str:
        """Return the line for a client's known_hosts."""
        public = self.key.export_public_key().decode().split()
        name = address if port == 22 else f"[{address}]:{port}"
        return f"{name} {public[0]} {public[1]}"

    def disconnect(self) -> None:
        """End every session, as a reboot does."""
        loop = asyncio.get_running_loop()
        for conn in list(self.connections):
            loop.call_later(0.05, conn.abort)

    async def close(self) -> None:
        """Stop listening and end every session."""
        for listener in self._listeners:
            listener.close()
        for conn in list(self.connections):
            conn.abort()
        for listener in self._listeners:
            await listener.wait_closed()

    async def _talk(self, process: Any) -> None:
        switch = self.switch
        data = switch.grammar.data
        terminal = Terminal(process, str(data["more"]), str(data["more_erase"]))
        if len(self.sessions) >= switch.device.limits.sessions:
            terminal.write(str(data["refusals"]["sessions"]))
            process.exit(1)
            return
        origin = str((process.get_extra_info("peername") or ("",))[0])
        session = Session(switch, str(process.get_extra_info("username") or ""), origin)
        self.sessions.add(session)
        try:
            if process.command is not None:
                session.rows = 0
                for line in process.command.splitlines():
                    await self._do(session, terminal, line)
            else:
                await self._converse(session, terminal)
        except LostError:
            log.info("%s: a session of %s was lost", switch.device.name, session.user)
        finally:
            self.sessions.discard(session)
            with contextlib.suppress(asyncssh.Error, OSError):
                process.exit(0)

    async def _converse(self, session: Session, terminal: Terminal) -> None:
        switch = self.switch
        if switch.device.banner:
            terminal.write(f"\n{switch.device.banner}\n")
        now = datetime.now().astimezone()
        greeting = str(switch.grammar.data["greeting"])
        terminal.write(greeting.format(limit=switch.device.limits.sessions, online=len(self.sessions), now=now, origin=session.origin))
        lines = 0
        while not session.closed:
            terminal.write(session.prompt())
            line = await terminal.line()
            control = switch.control
            lines = lines + 1 if control.drop_after_lines is not None else 0
            if control.drop_after_lines is not None and lines > control.drop_after_lines:
                terminal.abort()
                raise LostError
            while switch.control.hang:
                await asyncio.sleep(0.2)
            if control.delay_s:
                await asyncio.sleep(control.delay_s)
            await self._do(session, terminal, str(switch.grammar.data["end_command"]) if line == "\x1a" else line)

    async def _do(self, session: Session, terminal: Terminal, line: str) -> None:
        work = session.run(line)
        answer: str | None = None
        try:
            while True:
                ask = next(work) if answer is None else work.send(answer)
                terminal.write(ask.text)
                if ask.key:
                    answer = await terminal.key()
                    terminal.write("\n")
                else:
                    answer = await terminal.line(echo=ask.echo)
        except StopIteration as done:
            await terminal.page(str(done.value or ""), session.rows)
        if self.switch.pending is not None:
            asyncio.get_running_loop().call_later(self.switch.pending.seconds + 0.05, self.switch.tick)
