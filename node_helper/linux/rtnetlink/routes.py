"""Routes of every table (RTM_GETROUTE, linux/rtnetlink.h)."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from typing import Iterator, Mapping, Optional

from node_helper.linux.netlink import Malformed, Netlink, attribute, attributes, unpack
from node_helper.linux.rtnetlink import links
from node_helper.linux.rtnetlink.addresses import address, scope
from node_helper.records import NextHop, Route

_GET = 26
_HEADER = struct.Struct(
    "=BBBBBBBBI"
)  # struct rtmsg: family, lengths of destination and source, TOS, table, protocol, scope, type, flags
_HOP = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, weight - 1, device
_VIA = struct.Struct("=H")  # struct rtvia: family, then the address
_U8, _U32 = struct.Struct("=B"), struct.Struct("=I")
_DESTINATION, _DEVICE, _GATEWAY, _PRIORITY, _SOURCE, _METRICS, _HOPS, _TABLE, _OTHER_GATEWAY, _PREF, _OBJECT = (
    1,
    4,
    5,
    6,
    7,
    8,
    9,
    15,
    18,
    20,
    30,
)
_METRIC_MTU = 2
_CLONED = 0x200  # RTM_F_CLONED: a cache entry
_LOOKUP_TABLE = 0x1000  # RTM_F_LOOKUP_TABLE: say which table answered; IPv6 says so always and refuses the flag
_REFUSALS = {
    errno.ENETUNREACH: "unreachable",  # no route
    errno.EHOSTUNREACH: "unreachable",
    errno.EACCES: "prohibit",
    errno.EINVAL: "blackhole",
}  # fib_props in net/ipv4/fib_semantics.c
_KINDS = (
    "none",
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "nat",
    "xresolve",
)
_PROTOCOLS = {
    0: "unspec", 1: "redirect", 2: "kernel", 3: "boot", 4: "static", 8: "gated", 9: "ra", 10: "mrt", 11: "zebra", 12: "bird",
    13: "dnrouted", 14: "xorp", 15: "ntk", 16: "dhcp", 18: "keepalived", 42: "babel", 99: "openr", 186: "bgp", 187: "isis",
    188: "ospf", 189: "rip", 192: "eigrp",
}  # fmt: skip
"""Those that `ip route` names (rt_protos of iproute2)."""
_PREFERENCES = {0: "medium", 1: "high", 3: "low"}  # RFC 4191
_HOP_FLAGS = ((1, "dead"), (2, "pervasive"), (4, "onlink"), (8, "offload"), (16, "linkdown"), (32, "unresolved"), (64, "trap"))


def read(netlink: Netlink, names: Mapping[int, str]) -> tuple[Route, ...]:
    """IPv4 routes, then IPv6 routes, in the kernel's order, without cached ones; devices by the names given."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for body in netlink.dump(_GET, _HEADER.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
            its_family, *_, flags = unpack(_HEADER, body)
            # A family that this kernel does not have is answered with all that it has.
            if its_family == family and not flags & _CLONED:
                found.append(decode(body, names))
    return tuple(found)


def lookup(netlink: Netlink, destination: str) -> Route:
    """Where a packet for one address would go (fib_lookup; `ip route get`); the kind says why where it would go nowhere."""
    wanted = ipaddress.ip_address(destination)
    family, flags = (int(socket.AF_INET), _LOOKUP_TABLE) if wanted.version == 4 else (int(socket.AF_INET6), 0)  # noqa: PLR2004
    request = _HEADER.pack(family, wanted.max_prefixlen, 0, 0, 0, 0, 0, 0, flags)
    try:
        body = netlink.get(_GET, request + attribute(_DESTINATION, wanted.packed))
    except OSError as e:
        if e.errno not in _REFUSALS:
            raise
        return Route(family, f"{wanted}/{wanted.max_prefixlen}", _REFUSALS[e.errno], 0, ())
    device = _number(attributes(body, _HEADER.size).get(_DEVICE))
    return decode(body, {link.ifindex: link.name for link in links.read_at(netlink, (device,))} if device else {})


def decode(body: bytes, names: Mapping[int, str]) -> Route:
    """The route of one RTM_NEWROUTE. Raises `Malformed`."""
    family, length, _, tos, table, protocol, level, kind, flags = unpack(_HEADER, body)
    found = attributes(body, _HEADER.size)
    if kind >= len(_KINDS):
        raise Malformed(f"unknown route type {kind}")
    return Route(
        family=family,
        destination=f"{address(family, found.get(_DESTINATION, b''))}/{length}" if length else "default",
        kind=_KINDS[kind],
        table=_number(found.get(_TABLE)) or table,
        hops=_hops(family, flags, found, names),
        source=address(family, found[_SOURCE]) if _SOURCE in found else None,
        metric=_number(found.get(_PRIORITY)),
        protocol=_PROTOCOLS.get(protocol, str(protocol)),
        scope=scope(level),
        mtu=_number(attributes(found.get(_METRICS, b"")).get(_METRIC_MTU)),
        tos=tos,
        pref=_preference(found[_PREF]) if _PREF in found else "",
    )


def _hops(family: int, flags: int, found: dict[int, bytes], names: Mapping[int, str]) -> tuple[NextHop, ...]:
    if _HOPS in found:
        return tuple(_several(family, found[_HOPS], names))
    device = _number(found.get(_DEVICE))
    via = _via(family, found)
    if device is None and via is None:
        # With nexthop_compat_mode 0 the kernel names a nexthop object instead of telling what is in it.
        return (NextHop(None, None, flags=(f"nhid {_number(found[_OBJECT])}",)),) if _OBJECT in found else ()
    return (NextHop(via, _name(device, names), flags=_hop_flags(flags)),)


def _preference(data: bytes) -> str:
    number = unpack(_U8, data)[0]
    return _PREFERENCES.get(number, str(number))


def _several(family: int, data: bytes, names: Mapping[int, str]) -> Iterator[NextHop]:
    at = 0
    while at < len(data):
        length, flags, extra, device = unpack(_HOP, data, at)
        if length < _HOP.size or at + length > len(data):
            raise Malformed("a next hop ends outside its route")
        inside = attributes(data[at + _HOP.size : at + length])
        yield NextHop(_via(family, inside), _name(device, names), extra + 1, _hop_flags(flags))
        at += (length + 3) & ~3


def _via(family: int, found: dict[int, bytes]) -> Optional[str]:
    if _GATEWAY in found:
        return address(family, found[_GATEWAY])
    if _OTHER_GATEWAY in found:
        data = found[_OTHER_GATEWAY]
        return address(unpack(_VIA, data)[0], data[_VIA.size :])
    return None


def _name(index: Optional[int], names: Mapping[int, str]) -> Optional[str]:
    return names.get(index, f"if{index}") if index else None


def _hop_flags(flags: int) -> tuple[str, ...]:
    return tuple(name for bit, name in _HOP_FLAGS if flags & bit)


def _number(data: Optional[bytes]) -> Optional[int]:
    return None if data is None else unpack(_U32, data)[0]
