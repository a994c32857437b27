"""The project's vault on the control node: the archive's secrets are encrypted with the same password as the inventory's.

Files are those of ``ansible-vault`` (format 1.1, AES256): it opens what is written here, and the other way round. They are read and written
here because a module must not import Ansible's own code of the control node.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

HEADER = "$ANSIBLE_VAULT;1.1;AES256"
ROUNDS = 10_000  # of PBKDF2, as the format has it
WIDTH = 80


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
        self._password = password

    def encrypt(self, text: str) -> str:
        """Return the text as ansible-vault writes it."""
        salt = secrets.token_bytes(32)
        cipher, signing = self._keys(salt)
        padder = PKCS7(128).padder()
        encryptor = cipher.encryptor()
        hidden = encryptor.update(padder.update(text.encode()) + padder.finalize()) + encryptor.finalize()
        mac = hmac.new(signing, hidden, hashlib.sha256).digest()
        body = b"\n".join(part.hex().encode() for part in (salt, mac, hidden)).hex()
        return "\n".join([HEADER, *(body[at : at + WIDTH] for at in range(0, len(body), WIDTH))]) + "\n"

    def decrypt(self, text: str, name: str = "the text") -> str:
        """Return what an encrypted text holds. Raises VaultError."""
        head, _, body = text.strip().partition("\n")
        try:
            if not head.startswith("$ANSIBLE_VAULT;") or head.split(";")[2] != "AES256":
                raise ValueError("it is not encrypted by ansible-vault with AES256")
            salt, mac, hidden = (bytes.fromhex(part.decode()) for part in bytes.fromhex("".join(body.split())).split(b"\n"))
            cipher, signing = self._keys(salt)
            if not hmac.compare_digest(hmac.new(signing, hidden, hashlib.sha256).digest(), mac):
                raise ValueError("it was encrypted with another vault password, or is damaged")
            decryptor, unpadder = cipher.decryptor(), PKCS7(128).unpadder()
            return (unpadder.update(decryptor.update(hidden) + decryptor.finalize()) + unpadder.finalize()).decode()
        except (ValueError, IndexError) as error:
            raise VaultError(f"{name} cannot be opened: {error}.\nName the right password: RECOVERY_VAULT_PASSWORD_FILE=FILE.") from error

    def open(self, path: Path) -> str:
        """Return the text of an encrypted file. Raises VaultError."""
        try:
            return self.decrypt(path.read_text(encoding="ascii"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise VaultError(f"{path} cannot be read: {error}.") from error

    def _keys(self, salt: bytes) -> tuple[Cipher[modes.CTR], bytes]:
        derived = hashlib.pbkdf2_hmac("sha256", self._password, salt, ROUNDS, 80)
        return Cipher(algorithms.AES(derived[:32]), modes.CTR(derived[64:])), derived[32:64]
