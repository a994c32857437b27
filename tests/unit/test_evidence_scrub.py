"""Secrets stay out, in whatever form they turn up."""

from __future__ import annotations

import base64
import json
import shlex
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recovery.evidence.scrub import MINIMUM, PLACEHOLDER, Scrubber, command_line, is_secret_name, variants

QUICK = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# "[", "]" and "*" can make a secret that contains the placeholder's neighbours; they are tested too, by design of the loop.
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x4E20, exclude_categories=["Cs", "Cc"]), min_size=MINIMUM, max_size=24)
FORMS = {
    "plain": lambda secret: secret,
    "json": lambda secret: json.dumps({"value": secret}),
    "json, UTF-8": lambda secret: json.dumps([secret], ensure_ascii=False),
    "json in json": lambda secret: json.dumps(json.dumps(secret)),
    "json in json in json": lambda secret: json.dumps({"a": json.dumps({"b": json.dumps(secret)})}),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 of user:password": lambda secret: base64.b64encode(b"user:" + secret.encode() + b"\n").decode(),
    "base64, inside": lambda secret: base64.b64encode(b"xy" + secret.encode() + b"z").decode(),
    "base64, for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "shell": lambda secret: f"env PGPASSWORD={shlex.quote(secret)} psql",
    "url": lambda secret: f"postgresql://his:{quote(secret, safe='')}@his-db/his",
    "form": lambda secret: f"password={quote_plus(secret)}&user=x",
}


@QUICK
@given(SECRETS, st.sampled_from(sorted(FORMS)), st.text(max_size=10), st.text(max_size=10))
@example("00000\xa0", "base64", "", "")
def test_no_form_of_a_secret_is_left(secret: str, form: str, before: str, after: str) -> None:
    """In text, in bytes, and deep in data, as value and as key."""
    scrubber = Scrubber([secret])
    text = before + FORMS[form](secret) + after
    kept = variants(secret)
    cleaned = [scrubber.text(text), scrubber.raw(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")]
    nested: Any = scrubber.data({"list": [{"key": text}], text: 1})
    cleaned += [nested["list"][0]["key"], next(key for key in nested if key != "list")]
    for result in cleaned:
        assert not [each for each in kept if each in result]
        assert PLACEHOLDER in result


@QUICK
@given(st.lists(SECRETS, min_size=1, max_size=4), st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_replacing_one_secret_never_completes_another(secrets: list[str], order: list[int]) -> None:
    """Secrets run into each other, overlap, and contain each other."""
    secrets.append(secrets[0][: len(secrets[0]) // 2] + secrets[-1] + secrets[0][len(secrets[0]) // 2 :])
    result = Scrubber(secrets).text("".join(secrets[place % len(secrets)] for place in order))
    assert not [secret for secret in secrets if secret in result]


def test_a_secret_that_looks_like_the_placeholder_ends() -> None:
    """Each round shortens the text, so it ends."""
    scrubber = Scrubber(["[***][***]", "a[***]b", "[***]c"])
    assert not [each for each in ("[***][***]", "a[***]b") if each in scrubber.text("aa[***]bb[***][***][***]cc")]


def test_a_private_key_is_found_line_by_line() -> None:
    """Whatever printed it may have indented it."""
    key = "-----BEGIN KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE\nbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQy\n-----END KEY-----\n"
    shown = Scrubber([key]).text("\n".join("    " + line for line in key.splitlines()))
    assert "b3BlbnNzaC1r" not in shown and "AAAMwAAAAtzc2" not in shown


def test_values_under_secret_names_are_hidden_at_any_length() -> None:
    """A short PIN is not searched for, but it does not stand under its own name."""
    data = {"vault_pin": 1234, "db": {"password": "x", "password_file": "/etc/pw", "no_password": True}, "tokens": ["a", None]}
    assert Scrubber().data(data) == {
        "vault_pin": PLACEHOLDER,
        "db": {"password": PLACEHOLDER, "password_file": "/etc/pw", "no_password": True},
        "tokens": [PLACEHOLDER, None],
    }


def test_numbers_that_are_secrets_are_found() -> None:
    """A PIN of six digits in a list of numbers."""
    scrubber = Scrubber()
    scrubber.learn({"vault_pin": 240417})
    assert scrubber.data([240417, 3, True]) == [PLACEHOLDER, 3, True]


def test_learning_walks_nested_variables_and_short_values_are_left() -> None:
    """Otherwise a password `yes` would hide half of the journal."""
    scrubber = Scrubber()
    scrubber.learn({"users": [{"name": "his", "password": "correct horse"}], "vault_all": {"deep": ["battery staple"]}, "api_token": "yes"})
    assert scrubber.text("correct horse, battery staple, yes, his") == f"{PLACEHOLDER}, {PLACEHOLDER}, yes, his"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("vault_anything", True),
        ("vault_key_file", True),
        ("database_password", True),
        ("repo_cipher_pass", True),
        ("PGPASSWORD", True),
        ("ssh_passphrase", True),
        ("api_token", True),
        ("vault", False),
        ("password_file", False),
        ("password_encryption", False),
        ("language", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    """What holds a secret, and what only tells where one is."""
    assert is_secret_name(name) is secret


def test_a_command_line_hides_even_short_assignments() -> None:
    """`-e` in all its forms."""
    words = ["ansible-playbook", "x.yml", "-e", "db_password=abc mode=replace", "-e", '{"a_token": "abc"}', "--key=x"]
    shown = command_line(words)
    assert shown == ["ansible-playbook", "x.yml", "-e", f"db_password={PLACEHOLDER} mode=replace", "-e", "{...}", "--key=x"]
