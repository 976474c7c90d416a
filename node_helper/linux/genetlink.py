"""Generic netlink: families that the kernel numbers as they come (linux/genetlink.h).

Asking for a family by its name makes the kernel load a module of that name, so all there are are listed instead.
"""

from __future__ import annotations

import socket
import struct
from typing import Optional

from node_helper.linux.netlink import Netlink, attributes, unpack, wait_at_most_seconds

_HEAD = struct.Struct("=BBxx")  # struct genlmsghdr: command, version
HEAD_SIZE = _HEAD.size
_NUMBER = struct.Struct("=H")
_NETLINK_GENERIC = 16
_CONTROL, _GET_FAMILY = 16, 3
_FAMILY_ID, _FAMILY_NAME = 1, 2


def connect() -> Netlink:
    """Questions to the families of the calling thread's namespace, answered by whole bodies; each begins with `head`."""
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_GENERIC)
    try:
        channel.bind((0, 0))
        wait_at_most_seconds(channel)
    except OSError:
        channel.close()
        raise
    return Netlink(channel)


def head(command: int, version: int = 1) -> bytes:
    """The fixed part with which every body begins."""
    return _HEAD.pack(command, version)


def family(netlink: Netlink, name: str) -> Optional[int]:
    """The number of a family that the kernel has now; None where it has none of that name. Raises `Malformed`."""
    for body in netlink.dump(_CONTROL, head(_GET_FAMILY)):
        found = attributes(body, HEAD_SIZE)
        if found.get(_FAMILY_NAME, b"").rstrip(b"\0") == name.encode():
            return unpack(_NUMBER, found.get(_FAMILY_ID, b""))[0]
    return None
