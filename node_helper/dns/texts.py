"""Texts of records (RFC 1035 3.3) as a zone file has them: in quotes, with escapes; what is no text, as dig splits it."""

from __future__ import annotations

from base64 import b64encode

from node_helper.dns.names import Malformed

_PLAIN = range(0x20, 0x7F)
_WORD = 56  # characters from one space to the next


def quoted(data: bytes, escaped: bytes = b'"\\') -> str:
    """The bytes in quotes; those of `escaped` behind a backslash."""
    return '"' + "".join(_character(byte, escaped) for byte in data) + '"'


def string(message: bytes, at: int, end: int) -> tuple[bytes, int]:
    """The text whose length stands before it, and the offset after it. Raises `Malformed`."""
    after = at + 1 + message[at] if at < end else end + 1
    if after > end:
        raise Malformed("a text is longer than its record")
    return message[at + 1 : after], after


def hexadecimal(data: bytes) -> str:
    """The bytes in capitals, in words."""
    return _words(data.hex().upper())


def base64(data: bytes) -> str:
    """The bytes in base64, in words."""
    return _words(b64encode(data).decode())


def _words(digits: str) -> str:
    return " ".join(digits[at : at + _WORD] for at in range(0, len(digits), _WORD))


def _character(byte: int, escaped: bytes) -> str:
    if byte in escaped:
        return f"\\{byte:c}"
    return chr(byte) if byte in _PLAIN else f"\\{byte:03d}"
