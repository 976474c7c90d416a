"""Texts of records (RFC 1035 3.3) as a zone file has them: in quotes, with escapes."""

from __future__ import annotations

from node_helper.dns.names import Malformed

_PLAIN = range(0x20, 0x7F)


def quoted(data: bytes, escaped: bytes = b'"\\') -> str:
    """The bytes in quotes; those of `escaped` behind a backslash."""
    return '"' + "".join(_character(byte, escaped) for byte in data) + '"'


def string(message: bytes, at: int, end: int) -> tuple[bytes, int]:
    """The text whose length stands before it, and the offset after it. Raises `Malformed`."""
    after = at + 1 + message[at] if at < end else end + 1
    if after > end:
        raise Malformed("a text is longer than its record")
    return message[at + 1 : after], after


def _character(byte: int, escaped: bytes) -> str:
    if byte in escaped:
        return f"\\{byte:c}"
    return chr(byte) if byte in _PLAIN else f"\\{byte:03d}"
