"""Bodies of rtnetlink messages as the kernel writes them, made from plain values."""

from __future__ import annotations

import socket
import struct

from tests.conntrack_messages import attribute as attr

NAMES = {1: "lo", 2: "eth0", 3: "eth1"}


def u32(number: int) -> bytes:
    return struct.pack("=I", number)


def link_body(*more: bytes, index: int = 11, flags: int = 0x11043, hardware: int = 1) -> bytes:
    head = struct.pack("=BxHiII", 0, hardware, index, flags, 0)
    counters = struct.pack("=8Q", 1, 2, 3, 4, 5, 6, 7, 8) + bytes(8 * 17)
    kind = attr(1, b"veth\0")
    return head + b"".join(
        (attr(3, b"veth4f7342d\0"), attr(4, u32(1450)), attr(16, b"\x06"), attr(23, counters), attr(18, kind), *more)
    )


def address_body(family: int, *attributes: bytes, length: int = 24, scope: int = 0) -> bytes:
    return struct.pack("=BBBBI", family, length, 0, scope, 2) + b"".join(attributes)


def route_body(family: int, *attributes: bytes, kind: int = 1, length: int = 0, flags: int = 0, table: int = 254) -> bytes:
    return struct.pack("=BBBBBBBBI", family, length, 0, 0, table, 2, 253, kind, flags) + b"".join(attributes)


def hop(device: int, *attributes: bytes, flags: int = 0, weight: int = 1) -> bytes:
    inside = b"".join(attributes)
    return struct.pack("=HBBi", 8 + len(inside), flags, weight - 1, device) + inside


def table_body(*more: bytes, fulls: bytes = struct.pack("=Q", 9), limit: int = 1024) -> bytes:
    config = struct.pack("=HHI6I", 4, 336, 2, 0, 0, 0, 0, 0, 0)
    stats = struct.pack("=10Q", *range(1, 11)) + fulls
    limits = b"".join(attr(kind, u32(value)) for kind, value in ((2, 128), (3, 512), (4, limit)))
    return (
        struct.pack("=Bxxx", socket.AF_INET)
        + attr(1, b"arp_cache\0")
        + limits
        + attr(5, config)
        + attr(7, stats)
        + b"".join(more)
    )
