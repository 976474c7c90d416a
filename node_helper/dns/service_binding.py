"""The data of SVCB and HTTPS records (RFC 9460) as BIND prints them."""

from __future__ import annotations

import base64
import socket
import struct
from typing import Callable, Iterator

from node_helper.dns.names import Malformed, from_wire
from node_helper.dns.texts import quoted, string

_HALF = struct.Struct("!H")
_PARAMETER = struct.Struct("!HH")  # key, length
_NAMES = ("mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint")


def present(message: bytes, at: int, end: int) -> tuple[str, int]:
    """Priority, target and parameters, and the offset after them. Raises `Malformed`."""
    if at + _HALF.size > end:
        raise Malformed("a record is too short")
    target, after = from_wire(message, at + _HALF.size)
    words = [str(_HALF.unpack_from(message, at)[0]), target]
    last = -1
    while after < end:
        if after + _PARAMETER.size > end:
            raise Malformed("a parameter ends outside its record")
        key, size = _PARAMETER.unpack_from(message, after)
        at, after = after + _PARAMETER.size, after + _PARAMETER.size + size
        if after > end or key <= last:
            raise Malformed("a parameter ends outside its record, or is not behind those of smaller keys")
        words.append(_parameter(key, message[at:after]))
        last = key
    return " ".join(words), after


def _parameter(key: int, value: bytes) -> str:
    form = _FORMS.get(key)
    if form:
        try:
            return f"{_name(key)}={form(value)}"
        except (struct.error, OSError, ValueError) as e:
            raise Malformed(f"{_name(key)} of {len(value)} bytes") from e
    return f"{_name(key)}={quoted(value)}" if value else _name(key)


def _name(key: int) -> str:
    return _NAMES[key] if key < len(_NAMES) else f"key{key}"


def _each(value: bytes, size: int) -> Iterator[bytes]:
    if not value or len(value) % size:
        raise Malformed("a list of another length than its items have")
    return (value[at : at + size] for at in range(0, len(value), size))


def _keys(value: bytes) -> str:
    return ",".join(_name(_HALF.unpack(one)[0]) for one in _each(value, _HALF.size))


def _protocols(value: bytes) -> str:
    names, at = [], 0
    while at < len(value):
        name, at = string(value, at, len(value))
        names.append(quoted(name.replace(b"\\", b"\\\\").replace(b",", b"\\,"))[1:-1])
    return f'"{",".join(names)}"'


def _addresses(family: int, size: int) -> Callable[[bytes], str]:
    return lambda value: ",".join(socket.inet_ntop(family, one) for one in _each(value, size))


_FORMS: dict[int, Callable[[bytes], str]] = {
    0: _keys,
    1: _protocols,
    3: lambda value: str(_HALF.unpack(value)[0]),
    4: _addresses(socket.AF_INET, 4),
    5: lambda value: base64.b64encode(value).decode(),
    6: _addresses(socket.AF_INET6, 16),
}
