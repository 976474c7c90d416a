"""The keys that audit records are signed with: Ed25519 (RFC 8032), one a role and machine. Pure.

A signature says what it is of, so that none can stand for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROLE = re.compile(r"[a-z]{1,16}")
_LINE = re.compile(r"([a-z]{1,16})\s+([0-9a-f]{64})(\s.*)?")


@dataclass(frozen=True)
class PublicKey:
    """The key of a role on one machine; `raw` is in hex."""

    role: str
    raw: str

    @cached_property
    def id(self) -> str:
        """The beginning of its digest."""
        return key_id(self.role, self.raw)

    @property
    def line(self) -> str:
        """As a file of public keys says it."""
        return f"{self.role} {self.raw}"

    def verifies(self, purpose: str, signature: str, data: bytes) -> bool:
        """Whether the signature is this key's, over exactly this."""
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.raw))
            code = base64.b64decode(signature, validate=True)
            public.verify(code, _signed(purpose, data))
        except (InvalidSignature, ValueError, binascii.Error):
            return False
        return base64.b64encode(code) == signature.encode()  # its last digit has bits that mean nothing


Keys = Mapping[str, PublicKey]
"""Trusted public keys by their ids."""


@dataclass(frozen=True)
class Signer:
    """Signs for a role. `of` names the installation in the lines of a sink, which several may share."""

    role: str
    private: Ed25519PrivateKey = field(repr=False)
    of: str = ""

    def __post_init__(self) -> None:
        if not ROLE.fullmatch(self.role):
            raise ValueError(f"a role is a few small letters, not {self.role!r}")

    @cached_property
    def public(self) -> PublicKey:
        """The half that others may know."""
        return PublicKey(self.role, self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex())

    def sign(self, purpose: str, data: bytes) -> str:
        """In base64."""
        return base64.b64encode(self.private.sign(_signed(purpose, data))).decode("ascii")


def key_id(role: str, raw: str) -> str:
    """16 hex digits."""
    return hashlib.sha256(f"{role} {raw}".encode()).hexdigest()[:16]


def by_id(keys: Iterable[PublicKey]) -> dict[str, PublicKey]:
    """As they are looked up."""
    return {key.id: key for key in keys}


def parse(line: str) -> PublicKey | None:
    """The key of a line `ROLE HEX`; None for an empty one and for a comment. Raises `ValueError` for any other."""
    text = line.partition("#")[0].strip()
    if not text:
        return None
    match = _LINE.fullmatch(text)
    if match is None:
        raise ValueError("a line is `ROLE HEX`, the public key in 64 hex digits")
    return PublicKey(match[1], match[2])


def _signed(purpose: str, data: bytes) -> bytes:
    return f"netcheck audit {purpose}\n".encode() + data
