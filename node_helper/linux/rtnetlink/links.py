"""Network devices (RTM_GETLINK, linux/if_link.h)."""

from __future__ import annotations

import errno
import socket
import struct
from functools import lru_cache
from typing import Iterable, Iterator, Optional

from node_helper.linux.netlink import Malformed, Netlink, attribute, attributes, unpack
from node_helper.linux.shapes import Shapes
from node_helper.records import Counters, Link

_GET = 18
_HEADER = struct.Struct("=BxHiII")  # struct ifinfomsg: family, ARPHRD type, index, flags, change
_ADDRESS, _NAME, _MTU, _LINK, _MASTER, _STATE, _INFO, _STATS, _EXT_MASK, _LINK_NETNSID = 1, 3, 4, 5, 10, 16, 18, 23, 29, 37
_INFO_KIND = 1
_SHAPES = Shapes(_HEADER.size, (_ADDRESS, _NAME, _MTU, _LINK, _MASTER, _STATE, _INFO, _STATS, _LINK_NETNSID))
_SKIP_STATS = 1 << 3  # RTEXT_FILTER_SKIP_STATS
_STATS_FORM = struct.Struct("=8Q")  # the head of struct rtnl_link_stats64
_U32, _I32 = struct.Struct("=I"), struct.Struct("=i")
_NO_COUNTERS = attribute(_EXT_MASK, _U32.pack(_SKIP_STATS))
_STATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_UP, _RUNNING = 0x1, 0x40
_FLAGS = (
    (0x8, "LOOPBACK"),
    (0x2, "BROADCAST"),
    (0x10, "POINTOPOINT"),
    (0x1000, "MULTICAST"),
    (0x80, "NOARP"),
    (0x200, "ALLMULTI"),
    (0x100, "PROMISC"),
    (0x400, "MASTER"),
    (0x800, "SLAVE"),
    (0x4, "DEBUG"),
    (0x8000, "DYNAMIC"),
    (0x4000, "AUTOMEDIA"),
    (0x2000, "PORTSEL"),
    (0x20, "NOTRAILERS"),
    (_UP, "UP"),
    (0x10000, "LOWER_UP"),
    (0x20000, "DORMANT"),
    (0x40000, "ECHO"),
)  # in the order in which ip prints them
_TUNNELS = frozenset({768, 776, 778})  # ARPHRD_TUNNEL, SIT, IPGRE: the address is an IPv4 address


def read(netlink: Netlink) -> tuple[Link, ...]:
    """Every device, by ifindex."""
    found = map(decode, netlink.dump(_GET, _HEADER.pack(0, 0, 0, 0, 0)))
    return tuple(sorted(found, key=lambda link: link.ifindex))


def read_at(netlink: Netlink, indexes: Iterable[int]) -> tuple[Link, ...]:
    """The devices of these indexes; those that are not there are left out."""
    return tuple(map(decode, _at(netlink, indexes)))


def _at(netlink: Netlink, indexes: Iterable[int]) -> Iterator[bytes]:
    for index in indexes:
        try:
            yield netlink.get(_GET, _HEADER.pack(0, 0, index, 0, 0))
        except OSError as e:
            if e.errno != errno.ENODEV:
                raise


def names(netlink: Netlink) -> dict[int, str]:
    """The names of devices by ifindex, without asking for their counters."""
    return dict(map(_index_and_name, netlink.dump(_GET, _HEADER.pack(0, 0, 0, 0, 0) + _NO_COUNTERS)))


def decode(body: bytes) -> Link:
    """The device of one RTM_NEWLINK. Raises `Malformed`."""
    _, hardware, index, flags, _ = unpack(_HEADER, body)
    found = _SHAPES.attributes(body)
    netnsid = _optional(_I32, found.get(_LINK_NETNSID))
    link = _optional(_I32, found.get(_LINK))
    if link is None and netnsid is not None:
        link = index  # kernels before 5.7 leave IFLA_LINK out where it equals the index, other namespace or not
    return Link(
        ifindex=index,
        name=text(found.get(_NAME, b"")),
        kind=text(attributes(found.get(_INFO, b"")).get(_INFO_KIND, b"")),
        mtu=unpack(_U32, found.get(_MTU, b""))[0],
        state=_state(found.get(_STATE, b"\0")),
        flags=_flag_names(flags),
        mac=_mac(hardware, found.get(_ADDRESS, b"")),
        master=_optional(_I32, found.get(_MASTER)),
        link=link,
        link_netnsid=netnsid,
        counters=_counters(found.get(_STATS, b"")),
    )


def text(data: bytes) -> str:
    """A NUL-terminated name; any byte but '/' and NUL may stand in a device's."""
    return data.split(b"\0", 1)[0].decode(errors="backslashreplace")


def _index_and_name(body: bytes) -> tuple[int, str]:
    return unpack(_HEADER, body)[2], text(_SHAPES.attributes(body).get(_NAME, b""))


def _optional(form: struct.Struct, data: Optional[bytes]) -> Optional[int]:
    return None if data is None else unpack(form, data)[0]


def _state(data: bytes) -> str:
    if not data or data[0] >= len(_STATES):
        raise Malformed(f"unknown operational state {data!r}")
    return _STATES[data[0]]


@lru_cache(maxsize=64)
def _flag_names(flags: int) -> tuple[str, ...]:
    silent = ("NO-CARRIER",) if flags & _UP and not flags & _RUNNING else ()
    return silent + tuple(name for bit, name in _FLAGS if flags & bit)


def _mac(hardware: int, data: bytes) -> str:
    if hardware in _TUNNELS and len(data) == 4:  # noqa: PLR2004  (an IPv4 address)
        return socket.inet_ntop(socket.AF_INET, data)
    return data.hex(":") if data else ""


def _counters(data: bytes) -> Counters:
    rx, tx, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped = unpack(_STATS_FORM, data)
    return Counters(rx, rx_bytes, rx_errors, rx_dropped, tx, tx_bytes, tx_errors, tx_dropped)
