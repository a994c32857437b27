"""Secrets stay out of the evidence: known secret values are searched for and replaced before anything is written.

A secret is known by the name of its variable or key (`vault_...`, or a name with password, passphrase, secret, cipher_pass or
token in it). Its value is then found wherever it turns up: as it is, escaped for JSON, quoted for a shell, encoded for a URL or in base64.
Values shorter than six characters are not searched for, since they would hide half of a journal; under their own key they are hidden.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

PLACEHOLDER = "[***]"  # shorter than any secret that is searched for: replacing ends, and never makes a secret anew
MINIMUM = 6
_SECRET = re.compile(r"^vault_|password|passphrase|passwd|secret|cipher_pass|token", re.IGNORECASE)
_NOT_ITSELF = re.compile(
    r"_(file|path|directory|dir|command|length|max_age|policy|encryption|method|type|lock|expire_max|expire_min)$", re.IGNORECASE
)


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Say whether a variable or key of this name holds a secret (and not merely where one is, or how long it must be)."""
    if name.lower().startswith("vault_"):
        return True
    return bool(_SECRET.search(name)) and not _NOT_ITSELF.search(name)


def _leaves(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "surrogateescape")
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def variants(secret: str) -> set[str]:
    """Return the forms in which one secret may turn up in output, each long enough to be searched for."""
    forms = {secret, secret.strip()}
    # A key of several lines is indented or folded by whatever prints it: each of its lines is a secret of its own.
    forms |= {line.strip() for line in secret.splitlines() if len(line.strip()) >= 16 and not line.strip().startswith("-----")}
    for plain in list(forms):
        raw = plain.encode("utf-8", "surrogatepass")
        for ascii_only in (True, False):
            escaped = plain
            for _ in range(3):  # JSON in JSON in JSON
                escaped = json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
                forms |= {escaped, escaped.replace("/", "\\/")}
        forms |= {
            shlex.quote(plain).removeprefix("'").removesuffix("'"),
            plain.replace("'", "'\\''"),
            re.sub(r"([^\w@%+=:,./-])", r"\\\1", plain),
        }
        for safe in ("", "/", "/:@"):
            for encoded in (quote(raw, safe=safe), quote_plus(raw, safe=safe)):
                forms |= {encoded, re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)}
        for shift in range(3):  # inside a longer text (user:password) base64 starts at any of three places
            for coder in (base64.b64encode, base64.urlsafe_b64encode):
                coded = coder(b"\0" * shift + raw).decode()
                forms |= {coded[-(-8 * shift // 6) : 8 * (shift + len(raw)) // 6], coder(raw).decode()}
    return {form for form in forms if len(form) >= MINIMUM}


class Scrubber:
    """Knows secret values and takes them out of text, bytes and nested data."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Start with some secret values; `add` and `learn` bring more."""
        self._secrets: set[str] = set()
        self._forms: list[str] = []
        self._clean: set[str] = set()  # short texts known to hold nothing: keys and states come again with every task
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Search for these values from now on (those long enough)."""
        new = {str.__str__(secret) for secret in secrets if secret.strip() and len(secret) >= MINIMUM} - self._secrets
        if not new:
            return
        self._secrets |= new
        forms: set[str] = set()
        for secret in self._secrets:
            forms |= variants(secret)
        self._clean.clear()
        self._forms = sorted(forms, key=lambda form: (-len(form), form))

    def learn(self, variables: Any) -> None:
        """Take every value that stands under a secret's name, at any depth, as a secret."""
        found: list[str] = []

        def walk(value: Any) -> None:
            if isinstance(value, Mapping):
                for key, item in value.items():
                    if isinstance(key, str) and is_secret_name(key):
                        found.extend(_leaves(item))
                    else:
                        walk(item)
            elif isinstance(value, (list, tuple)):
                for item in value:
                    walk(item)

        walk(variables)
        self.add(*found)

    def text(self, text: str) -> str:
        """Return the text with every known secret replaced."""
        if text in self._clean:
            return text
        given = text
        # Replacing may bring two halves of another secret together, so it goes on until nothing is found; each round shortens the text.
        # A search for each form beats one expression with all of them: most texts hold none, and finding that out is what costs.
        again = True
        while again:
            again = False
            for form in self._forms:
                if form in text:
                    text, again = text.replace(form, PLACEHOLDER), True
        if text == given and len(text) <= 200 and len(self._clean) < 10_000:
            self._clean.add(text)
        return text

    def raw(self, content: bytes) -> bytes:
        """Return a file's bytes with every known secret replaced; bytes that are no UTF-8 stay as they are."""
        if not self._forms:
            return content
        return self.text(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def data(self, value: Any) -> Any:
        """Return nested data with known secrets replaced in texts, numbers and keys, and hidden under keys that name a secret."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): hide(item) if is_secret_name(key) else self.data(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(item) for item in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and self.text(str(value)) != str(value):
            return PLACEHOLDER
        return value


def hide(value: Any) -> Any:
    """Replace every text and number below a key that names a secret; yes, no and nothing may be seen."""
    if value is None or isinstance(value, bool) or value in ("", PLACEHOLDER):
        return value
    if isinstance(value, Mapping):
        return {key: hide(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide(item) for item in value]
    return PLACEHOLDER


_ASSIGNMENT = re.compile(r"(?P<name>[\w.-]+)(?P<sign>=|:\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,}]+)")


def command_line(words: Iterable[str]) -> list[str]:
    """Return a command line for the record: what is assigned to a secret's name is hidden, however short it is."""

    def hidden(found: re.Match[str]) -> str:
        return f"{found['name']}{found['sign']}{PLACEHOLDER}" if is_secret_name(found["name"]) else found[0]

    # Variables given as JSON or YAML text are recorded, scrubbed, as data beside the command.
    return ["{...}" if word.lstrip().startswith(("{", "[")) else _ASSIGNMENT.sub(hidden, word) for word in words]


_active = Scrubber()


def active() -> Scrubber:
    """Return this process's scrubber. Forked workers inherit what the callback taught it before the fork."""
    return _active
