"""Stable names for names: the same for the same, not to be turned back without the key. Pure.

HMAC-SHA256 (RFC 2104), of which eight letters are shown: a million names share one by a chance of one half, which says nothing.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field

_LETTERS = 8


@dataclass(frozen=True)
class Pseudonyms:
    """`key` is a secret of the installation; whoever has it can try names."""

    key: bytes = field(repr=False)

    def of(self, kind: str, name: str) -> str:
        """The pseudonym, which begins with its kind. Its letters depend on the name alone: the same ones mean the same name."""
        code = hmac.digest(self.key, b"pseudonym:" + name.lower().encode("utf-8", "surrogatepass"), "sha256")
        return f"{kind}-{base64.b32encode(code).decode()[:_LETTERS].lower()}"
