"""Domain names between text and wire. In text they are absolute, as dig prints them: "a.example." with RFC 1035 5.1 escapes."""

from __future__ import annotations

import struct

_LONGEST, _LONGEST_LABEL = 255, 63
_POINTER = 0xC0
_PLAIN = range(0x21, 0x7F)
_ESCAPED = frozenset(b'."\\;@$()')


class Malformed(ValueError):
    """The bytes are not what RFC 1035 allows."""


def to_wire(name: str) -> bytes:
    """The uncompressed form of a name that a person wrote, dot at the end or not. Raises `ValueError`."""
    labels = name[:-1].split(".") if name.endswith(".") else name.split(".")
    if labels == [""] and name:
        labels = []
    wire = b"".join(_label(label, name) for label in labels) + b"\0"
    if len(wire) > _LONGEST:
        raise ValueError(f"{name[:60]!r}... is longer than the {_LONGEST} bytes that DNS allows")
    return wire


def _label(label: str, name: str) -> bytes:
    if not label.isascii() or not label.isprintable() or any(c in label for c in ' \\"'):
        raise ValueError(f"{name[:60]!r} holds a character that is not for a name; write IDN names as xn--...")
    if not 1 <= len(label) <= _LONGEST_LABEL:
        raise ValueError(f"{name[:60]!r} has a part that is not 1 to 63 characters long")
    return bytes([len(label)]) + label.encode()


def from_wire(message: bytes, at: int) -> tuple[str, int]:
    """The name at an offset, following compression pointers backwards only, and the offset after it. Raises `Malformed`."""
    labels: list[bytes] = []
    after, lowest, length = -1, at, 1
    while True:
        size = message[at] if at < len(message) else _beyond()
        if size & _POINTER == _POINTER:
            target = _word(message, at) & 0x3FFF
            after = at + 2 if after < 0 else after
            if target >= lowest:
                raise Malformed("a compression pointer does not point backwards")
            at = lowest = target
            continue
        if size & _POINTER:
            raise Malformed(f"unknown label type {size >> 6}")
        at += 1 + size
        if size == 0:
            return _text(labels), at if after < 0 else after
        if at > len(message):
            raise Malformed("a label ends outside the message")
        labels.append(message[at - size : at])
        length += 1 + size
        if length > _LONGEST:
            raise Malformed("a name is longer than DNS allows")


def _character(byte: int) -> str:
    if byte in _ESCAPED:
        return f"\\{byte:c}"
    return chr(byte) if byte in _PLAIN else f"\\{byte:03d}"


_CHARACTERS = tuple(_character(byte) for byte in range(256))


def _text(labels: list[bytes]) -> str:
    return "".join("".join([_CHARACTERS[byte] for byte in label]) + "." for label in labels) or "."


def _beyond() -> int:
    raise Malformed("a name ends outside the message")


def _word(message: bytes, at: int) -> int:
    if at + 2 > len(message):
        raise Malformed("a compression pointer ends outside the message")
    return int(struct.unpack_from("!H", message, at)[0])
