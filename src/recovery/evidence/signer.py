"""Signatures by `ssh-keygen -Y`: nothing that an auditor would not have."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMESPACE = "recovery-evidence"
PRINCIPAL = "control-node"
_TIMEOUT_S = 30


class SignatureError(Exception):
    """A signature cannot be made or does not hold; the text says why and what to do."""


def _ssh_keygen(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        # A session of its own: without a terminal it cannot stop to ask for a passphrase.
        return subprocess.run(
            ["ssh-keygen", *arguments],
            input=stdin, capture_output=True, timeout=_TIMEOUT_S, check=False, start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise SignatureError("ssh-keygen is not installed. Install the package openssh-client.") from error
    except subprocess.TimeoutExpired as error:
        raise SignatureError(f"ssh-keygen did not answer within {_TIMEOUT_S} s. If the key is in an agent, unlock it.") from error


@dataclass(frozen=True)
class Signer:
    """A key that signs evidence, and the name (principal) that it signs under."""

    key: Path
    principal: str
    public: str

    @classmethod
    def load(cls, key: Path, principal: str = PRINCIPAL) -> Signer:
        """Read a private key, or a public one whose private half is in an SSH agent, and prove that it signs."""
        advice = (
            "Correct evidence_signing_key in the inventory (or RECOVERY_SIGNING_KEY), unlock the key in an SSH agent,"
            " or run without a signature: -e evidence_signing_key= (journalled)."
        )
        if not key.is_file():
            raise SignatureError(f"The key that signs the evidence, {key}, does not exist.\n{advice}")
        if key.suffix == ".pub":
            public = key.read_text(encoding="utf-8")
        else:
            shown = _ssh_keygen("-y", "-P", "", "-f", str(key))
            beside = key.with_name(key.name + ".pub")
            public = shown.stdout.decode() if shown.returncode == 0 else beside.read_text(encoding="utf-8") if beside.is_file() else ""
        words = public.split()
        if len(words) < 2:
            raise SignatureError(f"The key that signs the evidence, {key}, cannot be read.\n{advice}")
        signer = cls(key, principal, " ".join(words[:2]))
        try:
            signer.sign(b"")
        except SignatureError as error:
            raise SignatureError(f"{error}\n{advice}") from error
        return signer

    def sign(self, content: bytes) -> bytes:
        """Return the detached signature of some bytes."""
        # From standard input: with a file's name, ssh-keygen would keep a stale .sig beside it and report success.
        answer = _ssh_keygen("-Y", "sign", "-q", "-f", str(self.key), "-n", NAMESPACE, stdin=content)
        if answer.returncode != 0 or b"BEGIN SSH SIGNATURE" not in answer.stdout:
            said = answer.stderr.decode("utf-8", "replace").strip() or "no reason given"
            raise SignatureError(f"The key {self.key} does not sign: {said}")
        return answer.stdout

    def allowed_signers_line(self) -> str:
        """Return this signer as a line of an allowed_signers file."""
        return f'{self.principal} namespaces="{NAMESPACE}" {self.public}\n'


def check(content: bytes, signature: Path, allowed_signers: Path) -> str:
    """Check a detached signature; return who signed. Raise SignatureError if it does not hold."""
    found = _ssh_keygen("-Y", "find-principals", "-s", str(signature), "-f", str(allowed_signers))
    names = found.stdout.decode("utf-8", "replace").split("\n")[0].strip()
    if found.returncode != 0 or not names:
        raise SignatureError(f"The signature was made by a key that {allowed_signers} does not name.")
    principal = names.split(",")[0]
    answer = _ssh_keygen("-Y", "verify", "-f", str(allowed_signers), "-I", principal, "-n", NAMESPACE, "-s", str(signature), stdin=content)
    if answer.returncode != 0:
        said = (answer.stderr or answer.stdout).decode("utf-8", "replace").strip()
        raise SignatureError(f"The signature does not belong to this content ({said}).")
    return principal


def fingerprint(public: str) -> str:
    """Return the SHA256 fingerprint of a public key, as `ssh-keygen -l` tells it."""
    answer = _ssh_keygen("-l", "-f", "-", stdin=public.encode())
    words = answer.stdout.decode("utf-8", "replace").split()
    return words[1] if answer.returncode == 0 and len(words) > 1 else "unknown"
