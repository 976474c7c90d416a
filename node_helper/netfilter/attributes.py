"""Netlink attributes of nf_tables: numbers are in network byte order, lists repeat one type (linux/netfilter/nf_tables.h)."""

from __future__ import annotations

import struct
from typing import Iterator

from node_helper.linux.netlink import Malformed, attributes

__all__ = ["Malformed", "attributes", "number", "pieces"]
_HEAD = struct.Struct("=HH")
_U32 = struct.Struct(">I")


def number(data: bytes) -> int:
    """A whole number of four bytes. Raises `struct.error`."""
    value: int = _U32.unpack(data)[0]
    return value


def pieces(data: bytes) -> Iterator[bytes]:
    """The contents of the attributes of a list, whatever their type. Raises `Malformed`."""
    at, end = 0, len(data)
    while at + _HEAD.size <= end:
        length = _HEAD.unpack_from(data, at)[0]
        if length < _HEAD.size or at + length > end:
            raise Malformed(f"a netlink attribute says {length} of {end - at} bytes")
        yield data[at + _HEAD.size : at + length]
        at += (length + 3) & ~3
