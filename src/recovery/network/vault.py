"""The project's vault on the control node: the archive's secrets are encrypted with the same password as the inventory's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible.parsing.vault import AnsibleVaultError, VaultLib, VaultSecret


class VaultError(Exception):
    """The password cannot be had, or does not open a file."""


class Vault:
    """Encrypts and opens texts with the password that ``password_file`` holds, or prints if it is a program (``bin/vault-password``)."""

    def __init__(self, password_file: Path) -> None:
        """Read the password. Raises VaultError."""
        try:
            if os.access(password_file, os.X_OK):
                done = subprocess.run([str(password_file)], capture_output=True, check=True, timeout=30)
                password = done.stdout.strip()
            else:
                password = password_file.read_bytes().strip()
        except (OSError, subprocess.SubprocessError) as error:
            raise VaultError(f"The vault's password cannot be read from {password_file}: {error}.") from error
        if not password:
            raise VaultError(f"{password_file} gives an empty password; set RECOVERY_VAULT_PASSWORD_FILE.")
        self._lib = VaultLib([("default", VaultSecret(password))])

    def encrypt(self, text: str) -> str:
        """Return the text as ansible-vault writes it."""
        return bytes(self._lib.encrypt(text)).decode("ascii")

    def decrypt(self, text: str) -> str:
        """Return what was encrypted. Raises VaultError."""
        try:
            return bytes(self._lib.decrypt(text.encode("ascii"))).decode("utf-8")
        except (AnsibleVaultError, UnicodeError) as error:
            raise VaultError(f"It was encrypted with another vault password, or is damaged: {error}.") from error

    def open(self, path: Path) -> str:
        """Return the text of an encrypted file. Raises VaultError."""
        try:
            return bytes(self._lib.decrypt(path.read_bytes())).decode("utf-8")
        except (OSError, AnsibleVaultError) as error:
            raise VaultError(
                f"{path} cannot be opened: {error}.\n"
                "It was encrypted with another vault password; name the right one: RECOVERY_VAULT_PASSWORD_FILE=FILE."
            ) from error
