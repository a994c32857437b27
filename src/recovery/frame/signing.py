"""Answers signed with SSH keys, checked with OpenSSH's own tool: nothing of ours has to be trusted to verify one."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recovery.frame.project import FrameError

NAMESPACE = "recovery-approval"
_FINGERPRINT = re.compile(r"key (SHA256:[A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class Checked:
    """Whether a signature is good; ``fingerprint`` of the key that made it, or the sentence of why it is not."""

    good: bool
    fingerprint: str = ""
    problem: str = ""


def _keygen(arguments: Sequence[str], content: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", *arguments], input=content, capture_output=True, timeout=60, check=False)
    except FileNotFoundError as error:
        raise FrameError("ssh-keygen is not installed: no answer can be signed or checked. Install openssh-client.") from error
    except subprocess.TimeoutExpired as error:
        raise FrameError("ssh-keygen did not end within a minute: does the key wait for a passphrase or a touch?") from error


def check(content: bytes, signature: bytes, principal: str, allowed_signers: Path) -> Checked:
    """Check a detached signature of ``content`` by ``principal`` against the file of allowed signers."""
    if not allowed_signers.is_file():
        return Checked(False, problem=f"the file of allowed signers {allowed_signers} is missing")
    with tempfile.NamedTemporaryFile(suffix=".sig") as held:
        held.write(signature)
        held.flush()
        options = ["-f", str(allowed_signers), "-I", principal, "-n", NAMESPACE, "-s", held.name]
        done = _keygen(["-Y", "verify", *options], content)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        return Checked(False, problem=said[0] if said else "ssh-keygen refused it without a word")
    match = _FINGERPRINT.search(done.stdout.decode(errors="replace"))
    return Checked(True, fingerprint=match.group(1) if match else "")


def sign(content: bytes, key: Path) -> bytes:
    """Sign ``content`` with a private key (or the agent's, if ``key`` is a public one). Raises FrameError."""
    if not key.is_file():
        raise FrameError(f"There is no key {key}. Name the file of your private key: --key FILE.")
    done = _keygen(["-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE], content)
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()
        raise FrameError(f"ssh-keygen could not sign with {key}: {said}")
    return done.stdout


def fingerprint_of(key: Path) -> str:
    """Return the fingerprint of a key file, or an empty text if it is not one."""
    done = _keygen(["-l", "-f", str(key)], b"")
    parts = done.stdout.decode(errors="replace").split()
    return parts[1] if done.returncode == 0 and len(parts) > 1 else ""
