"""Netfilter's netlink: one protocol for conntrack, nftables and others, each a subsystem of it (linux/netfilter/nfnetlink.h).

Asking a subsystem that the kernel does not have yet loads its module: find out first that it is there.
"""

from __future__ import annotations

import socket
import struct

from node_helper.linux.netlink import Netlink, wait_at_most_seconds

CONNTRACK, NFTABLES, NFT_COMPAT = 1, 10, 11
_HEAD = struct.Struct("=BBH")  # struct nfgenmsg: family, version, resource id in network byte order
HEAD_SIZE = _HEAD.size
_NETLINK_NETFILTER = 12


def kind(subsystem: int, message: int) -> int:
    """The type of a netlink message to or from a subsystem."""
    return subsystem << 8 | message


def head(family: int, resource: int = 0) -> bytes:
    """The fixed part with which every body begins; `family` is one of NFPROTO_* (AF_INET, AF_INET6, 0 for all)."""
    return _HEAD.pack(family, 0, socket.htons(resource))


def channel(groups: int = 0) -> socket.socket:
    """A socket to netfilter of the calling thread's namespace. Being connected, it hears the kernel alone (netlink_connect).

    `groups` is the mask of multicast groups that it listens to.
    """
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    try:
        made.bind((0, groups))
        made.connect((0, 0))
        wait_at_most_seconds(made)
    except OSError:
        made.close()
        raise
    return made


def connect() -> Netlink:
    """Questions to netfilter of the calling thread's namespace, answered by whole bodies; each begins with `head`."""
    return Netlink(channel())
