"""Addresses of devices (RTM_GETADDR, linux/if_addr.h)."""

from __future__ import annotations

import socket
import struct

from node_helper.linux.netlink import Malformed, Netlink, unpack
from node_helper.linux.shapes import Shapes
from node_helper.records import Address

_GET = 22
_HEADER = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_ADDRESS, _LOCAL = 1, 2
_SHAPES = Shapes(_HEADER.size, (_ADDRESS, _LOCAL))
_SIZES = {int(socket.AF_INET): 4, int(socket.AF_INET6): 16}
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}


def read(netlink: Netlink) -> tuple[Address, ...]:
    """Every address, IPv4 before IPv6."""
    bodies = netlink.dump(_GET, _HEADER.pack(0, 0, 0, 0, 0))
    known = [body for body in bodies if body[:1] and body[0] in _SIZES]
    return tuple(decode(body) for body in sorted(known, key=lambda body: body[0]))


def decode(body: bytes) -> Address:
    """The address of one RTM_NEWADDR. Raises `Malformed`."""
    family, length, _, level, index = unpack(_HEADER, body)
    found = _SHAPES.attributes(body)
    own = found.get(_LOCAL, found.get(_ADDRESS, b""))  # where they differ, IFA_ADDRESS is the other end's
    return Address(index, f"{address(family, own)}/{length}", scope(level))


def address(family: int, data: bytes) -> str:
    """An address in text. Raises `Malformed`."""
    if len(data) != _SIZES.get(family):
        raise Malformed(f"{len(data)} bytes are no address of family {family}")
    return socket.inet_ntop(family, data)


def scope(level: int) -> str:
    """The name of a scope (rtnetlink(7)); its number where it has none."""
    return _SCOPES.get(level, str(level))
