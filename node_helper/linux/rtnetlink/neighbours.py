"""The ARP and NDP tables (RTM_GETNEIGH, linux/neighbour.h)."""

from __future__ import annotations

import socket
import struct
from typing import Mapping

from node_helper.linux.netlink import Netlink, attributes, unpack
from node_helper.linux.rtnetlink.addresses import address
from node_helper.records import Neighbour

_GET = 30
_HEADER = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, index, state, flags, type
_DESTINATION, _MAC = 1, 2
_PERMANENT, _EXT_LEARNED = 0x80, 0x10  # NUD_PERMANENT, NTF_EXT_LEARNED
_STATES = (
    (0x01, "incomplete"),
    (0x02, "reachable"),
    (0x04, "stale"),
    (0x08, "delay"),
    (0x10, "probe"),
    (0x20, "failed"),
    (0x40, "noarp"),
    (0x80, "permanent"),
)


def read(netlink: Netlink, names: Mapping[int, str]) -> tuple[Neighbour, ...]:
    """IPv4 entries, then IPv6 entries; devices by the names given."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        bodies = netlink.dump(_GET, _HEADER.pack(family, 0, 0, 0, 0))
        found += [decode(body, names) for body in bodies if unpack(_HEADER, body)[0] == family]
    return tuple(found)


def exempt(netlink: Netlink, family: int) -> int:
    """How many entries of a family garbage collection leaves alone (neigh_update_gc_list)."""
    heads = (unpack(_HEADER, body) for body in netlink.dump(_GET, _HEADER.pack(family, 0, 0, 0, 0)))
    return sum(of == family and bool(state & _PERMANENT or flags & _EXT_LEARNED) for of, _, state, flags, _ in heads)


def decode(body: bytes, names: Mapping[int, str]) -> Neighbour:
    """The entry of one RTM_NEWNEIGH. Raises `Malformed`."""
    family, index, state, _, _ = unpack(_HEADER, body)
    found = attributes(body, _HEADER.size)
    return Neighbour(
        address=address(family, found.get(_DESTINATION, b"")),
        device=names.get(index, f"if{index}"),
        mac=found[_MAC].hex(":") if found.get(_MAC) else None,
        state=",".join(name for bit, name in _STATES if state & bit) or "none",
    )
