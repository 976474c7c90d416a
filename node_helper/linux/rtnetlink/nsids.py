"""The ids by which a namespace knows others (RTM_GETNSID, linux/net_namespace.h). Asking makes none."""

from __future__ import annotations

import struct
from typing import Optional

from node_helper.linux.netlink import Netlink, attribute, attributes, unpack

_GET = 90
_HEADER = struct.Struct("=Bxxx")  # struct rtgenmsg, padded
_NSID, _FD = 1, 3
_I32 = struct.Struct("=i")


def read(netlink: Netlink, descriptor: int) -> Optional[int]:
    """The id that the socket's namespace gave the namespace behind an open file; None where it gave none."""
    body = netlink.get(_GET, _HEADER.pack(0) + attribute(_FD, _I32.pack(descriptor)))
    return decode(body)


def decode(body: bytes) -> Optional[int]:
    """The id in one RTM_NEWNSID. Raises `Malformed`."""
    unpack(_HEADER, body)
    found = unpack(_I32, attributes(body, _HEADER.size).get(_NSID, b""))[0]
    return found if found >= 0 else None
