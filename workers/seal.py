"""Seals: who can write to Redis can neither make a job nor put words into a thread. HMAC-SHA256 (RFC 2104), keys in a file.

The file has a key a line, `ID SECRET`, the secret in hex (at least 32 bytes); the first signs, all verify, so keys rotate by
putting a new line on top and removing the old one when its jobs are done. A seal covers what the data is for and whose it is.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from workers import secret_file
from workers.errors import BadKeyFile

_LINE = re.compile(r"([A-Za-z0-9_-]{1,32})\s+([0-9A-Fa-f]{64,})")
_VERSION = b"1"


class Forged(Exception):
    """Data whose seal is not ours: it was written or altered by somebody else. Never act on it."""


@dataclass(frozen=True)
class Key:
    """One sealing key."""

    id: str
    secret: bytes = field(repr=False)


class Seal:
    """Signs with the first key and verifies with all."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        if not keys:
            raise BadKeyFile("there is no sealing key: make one with `openssl rand -hex 32`, as a line `ID HEX`")
        self._signing = keys[0]
        self._keys = {key.id: key for key in keys}

    def close(self, purpose: str, subject: str, data: bytes) -> bytes:
        """`data` with a seal that says it is `purpose` of `subject`."""
        key = self._signing
        return b".".join((_VERSION, key.id.encode(), _code(key, purpose, subject, data), data))

    def hide(self, purpose: str, subject: str, data: bytes) -> bytes:
        """`data` sealed so, and to be read by nobody without the keys. It tells when that was."""
        return self.close(purpose, subject, _cipher(self._signing, purpose).encrypt(data))

    def derived(self, purpose: str) -> bytes:
        """A secret for another purpose, from which nobody learns the sealing key."""
        return _derived(self._signing, purpose)

    def open(self, purpose: str, subject: str, sealed: bytes) -> bytes:
        """The data under a seal of ours for exactly this purpose and subject. Raises `Forged`."""
        parts = sealed.split(b".", 3)
        if len(parts) != 4 or parts[0] != _VERSION:  # noqa: PLR2004  (version, key id, code, data)
            raise Forged(f"{purpose} of {subject}: carries no seal")
        key = self._keys.get(parts[1].decode("ascii", "replace"))
        if key is None:
            raise Forged(f"{purpose} of {subject}: sealed with a key that is not in the key file")
        if not hmac.compare_digest(parts[2], _code(key, purpose, subject, parts[3])):
            raise Forged(f"{purpose} of {subject}: the seal does not fit")
        return parts[3]

    def show(self, purpose: str, subject: str, hidden: bytes, seconds: int) -> bytes:
        """What was hidden by us at most so long ago, for exactly this purpose and subject. Raises `Forged`."""
        token = self.open(purpose, subject, hidden)
        key = self._keys[hidden.split(b".", 2)[1].decode()]
        try:
            return _cipher(key, purpose).decrypt(token, ttl=seconds)
        except InvalidToken as e:
            raise Forged(f"{purpose} of {subject}: was hidden more than {seconds} s ago") from e


def passing() -> Seal:
    """A key that nothing was sealed with, for who reads no sealed data."""
    return Seal((Key("passing", secrets.token_bytes(32)),))


def configured(setting: str, named: Path | None, usual: Path) -> Seal:
    """The keys of the file that a setting names, of the usual one in the data directory where it names none.

    Raises `BadKeyFile` that begins with the setting to look at.
    """
    try:
        return read(named) if named else read_or_make(usual)
    except BadKeyFile as e:
        raise BadKeyFile(f"{setting if named else 'NETCHECK_DATA_DIR'}: {e}") from e


def read(path: Path) -> Seal:
    """The keys of a file that others than its owner and group cannot touch. Raises `BadKeyFile`."""
    try:
        mode, text = path.stat().st_mode, path.read_text("ascii")
    except OSError as e:
        raise BadKeyFile(f"{path}: cannot be read: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise BadKeyFile(f"{path}: cannot be read: {e}") from e
    if mode & 0o007:
        raise BadKeyFile(f"{path}: open to everyone on the machine; chmod 600 it")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return Seal(tuple(_key(path, line) for line in lines))


def read_or_make(path: Path) -> Seal:
    """The keys of the file, which is made with a new key where there is none; whoever comes second reads the first one's.

    Raises `BadKeyFile`.
    """
    try:
        if not path.exists():
            secret_file.make(path, f"{secrets.token_hex(4)} {secrets.token_hex(32)}\n".encode())
    except OSError as e:
        raise BadKeyFile(f"{path}: cannot be made: {e.strerror}") from e
    return read(path)


def _key(path: Path, line: str) -> Key:
    match = _LINE.fullmatch(line)
    if not match or len(match[2]) % 2:
        raise BadKeyFile(f"{path}: a line is not `ID SECRET` with a secret of 64 or more hex digits")
    return Key(match[1], bytes.fromhex(match[2]))


def _derived(key: Key, purpose: str) -> bytes:
    return hmac.digest(key.secret, f"derived:{purpose}".encode(), "sha256")


def _cipher(key: Key, purpose: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derived(key, f"hidden:{purpose}")))


def _code(key: Key, purpose: str, subject: str, data: bytes) -> bytes:
    """Lengths come first, so that no two different triples read the same."""
    head = f"{len(purpose)}:{purpose}:{len(subject)}:{subject}:".encode()
    return hmac.digest(key.secret, head + data, "sha256").hex().encode()
